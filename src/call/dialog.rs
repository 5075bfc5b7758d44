//! One call: an INVITE dialog from its first attempt to its end.

use crate::time::Timestamp;
use crate::wire::Endpoint;
use crate::wire::sip::Party;

use super::agents;
use super::cell::CellKey;
use super::country::Country;
use super::hold::Hold;
use super::marks::Marks;
use super::names::Names;
use super::outcome::{Cause, EndedBy, Outcome};

/// RFC 3261 section 17.1.1.1: whoever has no answer for so long sends again.
const T1_NANOS: i64 = 500_000_000;

/// Where a call stands; the values of the `state` label, but for `Ended`, which no live call has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Setup,
    Ringing,
    Answered,
    Held,
    Ended,
}

impl State {
    /// The states that live calls are in.
    pub(super) const LIVE: [&'static str; 4] = ["setup", "ringing", "answered", "held"];

    /// Row of the live calls' numbers.
    pub(super) const fn index(self) -> Option<usize> {
        match self {
            State::Setup => Some(0),
            State::Ringing => Some(1),
            State::Answered => Some(2),
            State::Held => Some(3),
            State::Ended => None,
        }
    }
}

/// Dialogs of one INVITE: fingerprints of the callees' tags. More forks than these come from no real call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Confirmed {
    /// Those that got a 2xx and go on, behind them those that had their BYE (on a proxy it passes twice), then early ones.
    tags: [u64; 3],
    count: u8,
    left: u8,
    early: u8,
}

impl Confirmed {
    /// Where those that go on end, those that were left, and all.
    fn ends(&self) -> (usize, usize, usize) {
        let (count, left, early) = (usize::from(self.count), usize::from(self.left), usize::from(self.early));
        (count, count + left, count + left + early)
    }

    /// A provisional response came.
    pub fn ring(&mut self, tag: u64) {
        let (_, _, known) = self.ends();
        if !self.tags[..known].contains(&tag) && known < self.tags.len() {
            self.tags[known] = tag;
            self.early += 1;
        }
    }

    /// A 2xx came.
    pub fn add(&mut self, tag: u64) {
        let (count, settled, known) = self.ends();
        if self.tags[..settled].contains(&tag) {
            return;
        }
        let at = match self.tags[settled..known].iter().position(|early| *early == tag) {
            Some(at) => settled + at,
            None if known < self.tags.len() => known,
            None if self.early > 0 => known - 1,
            None => return,
        };
        self.early -= u8::from(at < known);
        self.tags[at] = tag;
        self.tags[count..=at].rotate_right(1);
        self.count += 1;
    }

    /// A BYE came; whether other dialogs go on without this one.
    pub fn leave(&mut self, tag: u64, is_answered: bool) -> bool {
        let (count, settled, known) = self.ends();
        let at = self.tags[..known].iter().position(|known| *known == tag);
        match at {
            Some(at) if at >= settled => {
                self.tags[settled..=at].rotate_right(1);
                (self.early, self.left) = (self.early - 1, self.left + 1);
                count > 0 || self.early > 0 && !is_answered
            }
            Some(at) if at >= count => true,
            _ if count < 2 => false,
            Some(at) => {
                self.tags.swap(at, count - 1);
                (self.count, self.left) = (self.count - 1, self.left + 1);
                true
            }
            None => true,
        }
    }

    /// Whether others answered, and not this one.
    pub fn is_foreign(&self, tag: u64) -> bool {
        self.count > 0 && !self.tags[..self.ends().2].contains(&tag)
    }

    /// Whether it is the dialog that the call goes on in, as far as one is.
    pub fn is_first(&self, tag: u64) -> bool {
        self.count == 0 || self.tags[0] == tag
    }
}

/// An INVITE of the caller's without To tag within an answered call: a user agent that forgets the tag, or the beginning of another
/// call. Whoever answers knows.
#[derive(Clone, Copy, Debug)]
pub struct Again {
    pub cseq: u32,
    pub invited: Timestamp,
    /// The last sign of life of the call before it.
    pub alive: Timestamp,
    pub agent: agents::Family,
}

/// A call, from its first INVITE to half a minute after its end.
#[derive(Clone, Debug)]
pub struct Call {
    /// Number of the call within this run, in the order of their beginnings; what streams are bound by. The table gives it.
    pub serial: u64,
    /// Fingerprint of its Call-ID.
    pub call_id: u64,
    /// The call that this is another leg of, by a header that says so; zero: none. A leg is counted nowhere.
    pub leg_of: u64,
    pub names: Names,
    /// First hop of the first INVITE.
    pub source: Endpoint,
    pub destination: Endpoint,
    pub key: CellKey,
    pub state: State,
    /// Whether the attempt is in the numbers yet: not before it is known where it goes.
    pub is_counted: bool,
    /// Whether the call was under way when it was first seen: an attempt that was not seen is not counted.
    pub is_half_seen: bool,
    /// Fingerprint of the caller's From tag.
    pub caller_tag: u64,
    /// Whether its Call-ID was another call's that seemed to go on, and may still have its BYE.
    pub is_reused: bool,
    /// An INVITE without To tag came within the call, and has no answer yet.
    pub again: Option<Box<Again>>,
    /// CSeq of the last INVITE of the attempt: after a challenge it is sent again with a higher one.
    pub cseq: u32,
    /// Fingerprint of that INVITE's Via branch on the first hop.
    pub branch: u64,
    /// Further branches of that INVITE from the same source: the proxy that forked is out of sight. And how many of all were refused.
    pub forks: u8,
    pub refusals: u8,
    /// Whether it left on any other branch: what is refused there is acknowledged under that.
    pub had_branches: bool,
    pub started: Timestamp,
    /// Since when an answer is awaited: the attempt's last INVITE, its repetitions left out, or last 1xx.
    pub invited: Timestamp,
    /// First 18x or 2xx.
    pub set_up: Option<Timestamp>,
    pub answered: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub last_message: Timestamp,
    /// When its timers are looked at next.
    pub look_at: Option<Timestamp>,
    /// When the session ends that nobody refreshes (RFC 4028).
    pub session_ends: Option<Timestamp>,
    pub confirmed: Confirmed,
    pub hold: Hold,
    /// Fingerprint of the Via branch of the BYE that ended the call and has no response yet.
    pub bye: Option<u64>,
    /// Fingerprint of the last REFER that was accepted.
    pub referred: Option<u32>,
    pub final_status: Option<u16>,
    /// Any provisional response, 100 included.
    pub proceeding: bool,
    /// Of the branches from its source, those that the source gave up.
    pub cancels: u8,
    /// It takes the place of another dialog (RFC 3891).
    pub replaces: bool,
    pub voicemail: bool,
    pub outcome: Option<Outcome>,
    pub ended_by: Option<EndedBy>,
    pub cause: Option<Cause>,
    /// What sent the first INVITE, and the country of the number that it is for.
    pub agent: agents::Family,
    pub country: Country,
    /// MOS of its worst stream when it ended.
    pub mos: Option<f64>,
}

impl Call {
    /// Whether the attempt was refused in a way that asks for another INVITE, and waits for it: credentials (401, 407), a longer
    /// session interval (422, RFC 4028 section 7.3), a security agreement (494, RFC 3329).
    pub fn is_challenged(&self) -> bool {
        self.state != State::Ended && matches!(self.final_status, Some(401 | 407 | 422 | 494))
    }

    /// Whether its source has given all its branches up.
    pub fn is_cancelled(&self) -> bool {
        self.cancels > self.forks.saturating_sub(self.refusals)
    }

    /// Whether a transaction is one between its source and the next hop: that of its INVITE, or a further branch of a proxy that
    /// forks out of sight. Some user agents get branches wrong; where there is only one, the two ends are enough.
    pub fn is_on_first_hop(&self, branch: u64, (from, to): (Endpoint, Endpoint)) -> bool {
        branch == self.branch
            || self.forks > 0 && from.ip == self.source.ip
            || !self.had_branches && (from, to) == (self.source, self.destination)
    }

    /// Whether it is where the call comes from: over TCP, with another port for each next hop. What the next hop itself sends on the
    /// same host also has another port.
    pub fn is_source(&self, from: Endpoint) -> bool {
        from == self.source || from.ip == self.source.ip && from.ip != self.destination.ip
    }

    /// Its INVITE is sent again, with what was asked for, or to another server.
    pub fn invite_again(&mut self, now: Timestamp, cseq: u32, marks: &Marks) {
        (self.final_status, self.proceeding) = (None, false);
        (self.forks, self.refusals, self.cancels) = (0, 0, 0);
        self.confirmed = Confirmed::default();
        (self.caller_tag, self.cseq, self.branch, self.invited) = (marks.from_tag, cseq, marks.branch, now);
    }

    /// Its source sends the same INVITE on another branch: at once, or after an answer, to fork; after silence to give the first
    /// one up (RFC 3263 section 4.3).
    pub fn fork(&mut self, now: Timestamp, branch: u64) {
        self.had_branches = true;
        if self.is_challenged() {
            (self.final_status, self.branch, self.invited) = (None, branch, now);
            return;
        }
        match self.proceeding || now.nanos_since(self.invited) < T1_NANOS {
            true => self.forks = self.forks.saturating_add(1),
            false => self.branch = branch,
        }
        self.invited = now;
    }

    /// Whether it was answered and has not ended.
    pub fn is_conversation(&self) -> bool {
        matches!(self.state, State::Answered | State::Held)
    }

    /// Who sent a request with this From tag.
    pub fn party(&self, from_tag: u64) -> Party {
        if from_tag == self.caller_tag { Party::Caller } else { Party::Callee }
    }

    /// The call that it is a leg of, itself mostly.
    pub fn root(&self) -> u64 {
        if self.leg_of == 0 { self.serial } else { self.leg_of }
    }

    /// Whether it takes part in the numbers of attempts, answers and outcomes.
    pub fn is_attempt(&self) -> bool {
        self.leg_of == 0 && !self.is_half_seen
    }
}

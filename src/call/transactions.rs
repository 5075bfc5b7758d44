//! The messages of the last half minute: which come again (retransmissions), which response answers which request, and which
//! come into this host and go out of it again, so that it shows how long a proxy on it took.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use crate::generations::Generations;
use crate::site::{Direction, Site};
use crate::time::Timestamp;
use crate::wire::sip::{Message, Method, Start};
use crate::wire::{Endpoint, Point, point};

use super::marks::Marks;

/// RFC 3261 section 17: no transaction repeats a message for longer than 64 * T1 = 32 s, nor does a proxy hold one back for longer.
const LIFETIME_NANOS: i64 = 32_000_000_000;

const NANOS_A_MILLI: i64 = 1_000_000;

/// Messages that a call remembers itself: a setup with a challenge on both sides of a proxy has fewer.
const OF_A_CALL: usize = 32;
/// Those that it always has room for, and how many more it makes room for at once.
const USUAL: usize = 8;

/// What a message is to those before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen {
    First,
    /// The same message on the same hop again.
    Again,
    /// The first response to a request seen here, with the request's time.
    FirstResponse(Timestamp),
    /// The same packet at another point of its way.
    Copy,
}

/// Where a message was seen.
#[derive(Clone, Copy, Debug)]
pub struct Hop {
    pub now: Timestamp,
    pub from: Endpoint,
    pub to: Endpoint,
    pub direction: Direction,
    /// The point of its way, of a packet of its own.
    pub point: Option<Point>,
}

/// A message on its hop. Small, as there are ten for each call.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Fingerprint of the message and its hop: addresses and top Via branch (RFC 3261 section 17.1.3).
    on_hop: u64,
    at: Timestamp,
    /// Fingerprint of what it keeps on all hops; zero where each hop makes its own.
    passing: u32,
    /// Fingerprints of the sender, and of the address that it went to.
    from: u32,
    to: u32,
    /// Where it came last, and how many milliseconds after the first time.
    point: Point,
    last_millis: u16,
    to_local: bool,
    to_loopback: bool,
    /// Whether a response to it was seen.
    answered: bool,
}

impl Entry {
    /// The message again: a copy, where the last one was just there at another point. At the same point it is a duplicate, or
    /// was sent again, and counts.
    fn again(&mut self, hop: &Hop) -> Seen {
        let last = self.at.moved(i64::from(self.last_millis) * NANOS_A_MILLI);
        let Some(point) = hop.point else { return Seen::Again };
        if point::is_at_once(last, hop.now) && self.point != Point::NOWHERE && point != self.point {
            return Seen::Copy;
        }
        let millis = hop.now.nanos_since(self.at) / NANOS_A_MILLI;
        (self.point, self.last_millis) = (point, u16::try_from(millis.max(0)).unwrap_or(u16::MAX));
        Seen::Again
    }

    fn is_over(&self, now: Timestamp) -> bool {
        now.nanos_since(self.at) > LIFETIME_NANOS
    }
}

/// The messages of one call: found where the call is found, as there are too many calls for a table of all to be near at hand.
#[derive(Clone, Debug, Default)]
pub struct Recent(SmallVec<[Entry; USUAL]>);

impl Recent {
    /// Forgets all, and what it took beside its place.
    pub fn clear(&mut self) {
        self.0.clear();
        self.0.shrink_to_fit();
    }

    fn find(&mut self, now: Timestamp, is: impl Fn(&Entry) -> bool) -> Option<&mut Entry> {
        // From the end: of the same message on several hops the last one counts.
        self.0.iter_mut().rev().find(|entry| is(entry) && !entry.is_over(now))
    }

    /// Whether there was room.
    fn push(&mut self, entry: Entry) -> bool {
        if self.0.len() == self.0.capacity() {
            self.0.retain(|old| !old.is_over(entry.at));
            match self.0.capacity() - self.0.len() {
                0 if self.0.len() >= OF_A_CALL => return false,
                0 => self.0.reserve_exact(USUAL),
                _ => {}
            }
        }
        self.0.push(entry);
        true
    }
}

/// The messages of the last 32 to 64 s that no call remembers.
#[derive(Debug)]
pub struct Transactions {
    hasher: RandomState,
    entries: Generations<u64, Entry>,
    passing: Generations<u64, Entry>,
}

impl Transactions {
    pub fn new(capacity: usize) -> Transactions {
        Transactions {
            hasher: RandomState::default(),
            entries: Generations::new(capacity, LIFETIME_NANOS),
            passing: Generations::new(capacity, LIFETIME_NANOS),
        }
    }

    pub fn expire(&mut self, now: Timestamp) {
        self.entries.expire(now);
        self.passing.expire(now);
    }

    /// Lets them grow no further, while memory is short.
    pub fn hold(&mut self, on: bool) {
        self.entries.hold(on);
        self.passing.hold(on);
    }

    /// Messages, and messages that may go on.
    pub fn lengths(&self) -> (usize, usize) {
        (self.entries.len(), self.passing.len())
    }

    pub fn evicted(&self) -> (u64, u64) {
        (self.entries.evicted, self.passing.evicted)
    }

    /// Takes a message in, of the call whose others are given. Where it is the same as one that came into this host before and
    /// leaves it now, its stay is given too, seconds.
    pub fn see(
        &mut self,
        hop: &Hop,
        message: &Message<'_>,
        marks: &Marks,
        site: &Site,
        mut recent: Option<&mut Recent>,
    ) -> (Seen, Option<f64>) {
        let now = hop.now;
        let (is_response, ends, of_its_hop) = match message.start {
            // Each hop makes its own 100 and, for a refusal, its own ACK (RFC 3261 sections 16.7, 17.1.1.3).
            Start::Request { method, .. } => (false, (hop.from, hop.to), method == Method::Ack),
            Start::Response { code } => (true, (hop.to, hop.from), code == 100),
        };
        let on_hop = self.hasher.hash_one((ends, marks.branch));
        let on_hop = |identity: u64| self.hasher.hash_one((on_hop, identity));
        let entry = Entry {
            on_hop: on_hop(marks.message),
            at: now,
            passing: if of_its_hop { 0 } else { marks.message as u32 | 1 },
            from: self.hasher.hash_one(hop.from) as u32,
            to: self.hasher.hash_one(hop.to.ip) as u32,
            point: hop.point.unwrap_or(Point::NOWHERE),
            last_millis: 0,
            to_local: matches!(hop.direction, Direction::Inbound | Direction::Internal),
            to_loopback: hop.to.ip.is_loopback(),
            answered: false,
        };
        let asked = is_response.then(|| on_hop(marks.request));
        let of_call = recent.as_mut().and_then(|recent| recent.find(now, |other| other.on_hop == entry.on_hop));
        if let Some(before) = of_call.or_else(|| self.entries.get_mut(&entry.on_hop)) {
            return (before.again(hop), None);
        }
        let stay = if of_its_hop {
            None
        } else {
            let of_call = recent.as_mut().and_then(|recent| recent.find(now, |other| other.passing == entry.passing));
            let before = of_call.map(|before| *before).or_else(|| self.passing.get(&marks.message).copied());
            let before = before.filter(|before| self.goes_on(before, hop, site));
            before.map(|before| now.seconds_since(before.at).max(0.0))
        };
        let asked = asked.and_then(|asked| {
            let of_call = recent.as_mut().and_then(|recent| recent.find(now, |other| other.on_hop == asked));
            of_call.or_else(|| self.entries.get_mut(&asked)).filter(|request| !request.answered)
        });
        let seen = asked.map_or(Seen::First, |request| {
            request.answered = true;
            Seen::FirstResponse(request.at)
        });
        if !recent.is_some_and(|recent| recent.push(entry)) {
            self.keep(marks.message, entry);
        }
        (seen, stay)
    }

    /// Whether a message came to this host before, and leaves it now; back to where it came from is no way through.
    fn goes_on(&self, before: &Entry, hop: &Hop, site: &Site) -> bool {
        let from_local = matches!(hop.direction, Direction::Outbound | Direction::Internal);
        let is_passed_on = match before.to == self.hasher.hash_one(hop.from.ip) as u32 {
            true => !site.knows_itself() || from_local,
            // An address of the loopback is any program's.
            false => before.to_local && from_local && !before.to_loopback && !hop.from.ip.is_loopback(),
        };
        is_passed_on && before.from != self.hasher.hash_one(hop.to) as u32
    }

    /// Keeps a message that no call does; `message` is what it has on all hops.
    fn keep(&mut self, message: u64, entry: Entry) {
        self.entries.turn(entry.at);
        self.entries.insert(entry.on_hop, entry);
        if entry.passing != 0 {
            self.passing.turn(entry.at);
            self.passing.put(message, entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Ip;
    use crate::wire::sip::{self, Content};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_nanos(1_700_000_000_000_000_000 + millis * 1_000_000)
    }

    fn endpoint(host: u8) -> Endpoint {
        Endpoint { ip: Ip::v4([192, 0, 2, host]), port: 5060 }
    }

    /// Of a call that remembers its messages, and of none.
    fn both() -> [(Transactions, Option<Recent>); 2] {
        [(Transactions::new(16), None), (Transactions::new(16), Some(Recent::default()))]
    }

    fn see(
        (transactions, recent): &mut (Transactions, Option<Recent>),
        millis: i64,
        (from, to): (u8, u8),
        start: &str,
        cseq: &str,
    ) -> (Seen, Option<f64>) {
        let text = format!("{start}\r\nCall-ID: c\r\nCSeq: {cseq}\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\n\r\n");
        let Ok(Content::Message(message)) = sip::parse(text.as_bytes()) else { panic!("no message") };
        let marks = Marks::of(&message, 0, &transactions.hasher);
        let hop =
            Hop { now: at(millis), from: endpoint(from), to: endpoint(to), direction: Direction::Transit, point: None };
        transactions.see(&hop, &message, &marks, &Site::default(), recent.as_mut())
    }

    #[test]
    fn what_goes_on_tells_its_stay() {
        for mut seen in both() {
            let invite = "INVITE sip:b@b SIP/2.0";
            assert_eq!(see(&mut seen, 0, (1, 2), invite, "1 INVITE"), (Seen::First, None));
            assert_eq!(see(&mut seen, 4, (2, 3), invite, "1 INVITE"), (Seen::First, Some(0.004)));
            let ringing = "SIP/2.0 180 Ringing";
            assert_eq!(see(&mut seen, 5, (3, 2), ringing, "1 INVITE"), (Seen::FirstResponse(at(4)), None));
            assert_eq!(see(&mut seen, 6, (2, 1), ringing, "1 INVITE"), (Seen::FirstResponse(at(0)), Some(0.001)));
            // Another transaction is another message.
            assert_eq!(see(&mut seen, 7, (2, 3), invite, "2 INVITE"), (Seen::First, None));
        }
    }

    #[test]
    fn what_each_hop_makes_itself_is_not_passed_on() {
        for mut seen in both() {
            for (start, cseq) in [("ACK sip:b@b SIP/2.0", "1 ACK"), ("SIP/2.0 100 Trying", "1 INVITE")] {
                assert_eq!(see(&mut seen, 0, (1, 2), start, cseq).1, None);
                assert_eq!(see(&mut seen, 1, (2, 3), start, cseq).1, None, "{start}");
            }
            // Back to where it came from is no way through.
            assert_eq!(see(&mut seen, 0, (1, 2), "BYE sip:b@b SIP/2.0", "3 BYE").1, None);
            assert_eq!(see(&mut seen, 1, (2, 1), "BYE sip:b@b SIP/2.0", "3 BYE").1, None);
        }
    }

    #[test]
    fn more_than_a_call_remembers_is_remembered_elsewhere() {
        for mut seen in both() {
            let options = |n| format!("{n} OPTIONS");
            for n in 0..100 {
                assert_eq!(see(&mut seen, n, (1, 2), "OPTIONS sip:b@b SIP/2.0", &options(n)).0, Seen::First);
            }
            // The table is small; the call keeps its own.
            let kept = if seen.1.is_some() { (0..32).chain(95..100) } else { (95..100).chain(0..0) };
            for n in kept {
                assert_eq!(
                    see(&mut seen, 100 + n, (1, 2), "OPTIONS sip:b@b SIP/2.0", &options(n)).0,
                    Seen::Again,
                    "{n}"
                );
            }
            // After half a minute they may be sent anew, and there is room.
            assert_eq!(see(&mut seen, 40_000, (1, 2), "OPTIONS sip:b@b SIP/2.0", &options(1)).0, Seen::First);
            assert!(seen.1.is_none_or(|recent| recent.0.len() == 1));
        }
    }
}

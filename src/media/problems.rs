//! What is wrong with the media of an answered call: none, one way only, late, stopped, not to be decrypted by anybody.

use crate::agenda::is_current;
use crate::site::Direction;
use crate::time::Timestamp;
use crate::wire::sdp::{self, MediaType};
use crate::wire::sip::Party;

use super::binding::Call;
use super::{AHEAD, Media};

/// A problem of a call's media; the values of the `problem` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Problem {
    /// No RTP in either direction.
    NoMedia = 0,
    /// RTP in one direction, and none in the other, though both are agreed on.
    OneWay,
    /// The first packet came long after the answer.
    LateMedia,
    /// It had begun, and stopped while the call went on.
    MediaTimeout,
    /// The profile is SRTP's, and nothing to agree on keys with was sent: nobody can decrypt it.
    SrtpWithoutKeys,
}

impl Problem {
    pub const ALL: [Problem; 5] =
        [Problem::NoMedia, Problem::OneWay, Problem::LateMedia, Problem::MediaTimeout, Problem::SrtpWithoutKeys];

    pub const fn name(self) -> &'static str {
        match self {
            Problem::NoMedia => "no_media",
            Problem::OneWay => "one_way",
            Problem::LateMedia => "late_media",
            Problem::MediaTimeout => "media_timeout",
            Problem::SrtpWithoutKeys => "srtp_without_keys",
        }
    }
}

/// The problems of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Problems(u8);

impl Problems {
    /// Notes a problem; false where it is known already.
    fn add(&mut self, problem: Problem) -> bool {
        let before = self.0;
        self.0 |= 1 << problem as u8;
        before != self.0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Problem> {
        Problem::ALL.into_iter().filter(move |problem| self.0 >> *problem as u8 & 1 == 1)
    }
}

/// What one party agreed on, and the sound that came to it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Side {
    described: bool,
    sends: bool,
    receives: bool,
    without_keys: bool,
    /// Its last description was of T.38.
    fax: bool,
    /// It once was to be heard and to hear: if it only sends later, it has put the other on hold, with or without music.
    talked: bool,
    /// Since when the other party should be heard here.
    since: Option<Timestamp>,
    /// First and last packet to this party, of streams that are over.
    heard: Option<(Timestamp, Timestamp)>,
}

impl Side {
    /// Takes in packets that came to the party between two times.
    pub fn hear(&mut self, first: Timestamp, last: Timestamp) {
        self.heard = Some(match self.heard {
            Some((from, to)) => (from.min(first), to.max(last)),
            None => (first, last),
        });
    }
}

/// What a call's sides say together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sides([Side; 2]);

impl Sides {
    pub fn of(&mut self, party: Party) -> &mut Side {
        &mut self.0[party as usize]
    }

    /// Whether sound should come to the party.
    fn expected(&self, party: Party) -> bool {
        let (to, from) = (&self.0[party as usize], &self.0[party.other() as usize]);
        to.described && from.described && to.receives && from.sends
    }

    /// A party described its media: its sound counts, in whichever section, and T.38.
    pub fn describe(&mut self, now: Timestamp, party: Party, sections: &[sdp::Media]) {
        let before = Party::BOTH.map(|party| self.expected(party));
        let accepted =
            |kind| sections.iter().filter(move |media| media.media_type == kind && media.receives_at.is_some());
        let sound = || accepted(MediaType::Audio).filter(|media| media.rtp);
        // RFC 3264 section 8.4: 0.0.0.0 is a hold of old.
        let reachable = |media: &sdp::Media| {
            media.receives_at.is_some_and(|at| !at.ip.is_unspecified()) || !media.candidates.is_empty()
        };
        let side = self.of(party);
        side.described = true;
        side.fax = accepted(MediaType::Fax).any(reachable);
        side.receives = sound().any(|media| media.receives && reachable(media));
        side.sends = sound().any(|media| media.sends && reachable(media)) && (side.receives || !side.talked);
        side.talked |= side.sends && side.receives;
        side.without_keys = sound().any(|media| media.secure && !media.keyed);
        for (party, before) in Party::BOTH.into_iter().zip(before) {
            if self.expected(party) && !before {
                self.of(party).since = Some(now);
            }
        }
    }

    /// Takes back what was described since, not what was heard.
    fn return_to(&mut self, before: &Sides) {
        for (side, before) in self.0.iter_mut().zip(before.0) {
            *side = Side { heard: side.heard, ..before };
        }
    }

    /// Both parties agreed on T.38: sound may stop for it.
    fn is_fax(&self) -> bool {
        self.0.iter().all(|side| side.fax)
    }

    fn without_keys(&self) -> bool {
        self.0.iter().any(|side| side.without_keys)
    }
}

impl Media {
    /// The call is answered: from now on its parties should hear each other.
    pub fn answered(&mut self, now: Timestamp, call: u64) {
        let Some(known) = self.bindings.call_mut(call) else { return };
        known.answered = Some(now);
        if known.sides.without_keys() {
            self.note(call, Problem::SrtpWithoutKeys);
        }
        self.look_when_due(now, call);
    }

    /// A request may change what the parties agreed on.
    pub fn offered(&mut self, call: u64) {
        if let Some(known) = self.bindings.call_mut(call) {
            known.before_offer.get_or_insert_with(|| Box::new(known.sides));
        }
    }

    /// It did, or was refused.
    pub fn settled(&mut self, call: u64, agreed: bool) {
        if let Some(known) = self.bindings.call_mut(call)
            && let Some(before) = known.before_offer.take()
            && !agreed
        {
            known.sides.return_to(&before);
        }
    }

    /// Looks at the media of the calls whose time has come.
    pub(super) fn look_for_problems(&mut self, now: Timestamp) {
        let due = self.agenda.due(now);
        for (number, (at, call)) in due.iter().copied().enumerate() {
            if let Some((_, later)) = due.get(number + AHEAD) {
                self.bindings.fetch(*later);
            }
            if !self.bindings.call_mut(call).is_some_and(|known| is_current(&mut known.look_at, at)) {
                continue;
            }
            self.judge(now, call, false);
            let Some(known) = self.bindings.call(call).filter(|known| known.ended.is_none()) else { continue };
            self.silent.extend(self.silent_since(now, known).map(|last| (call, last)));
            self.look_when_due(now, call);
        }
    }

    /// Notes when to look at the media of a call next.
    pub(super) fn look_when_due(&mut self, now: Timestamp, call: u64) {
        let Some(due) = self.bindings.call(call).map(|known| self.due(now, known)) else { return };
        if let Some(known) = self.bindings.call_mut(call) {
            self.agenda.look(now, due, call, &mut known.look_at);
        }
    }

    /// When something may be wrong with a call's media that is not known yet.
    fn due(&self, now: Timestamp, call: &Call) -> Timestamp {
        let patience = self.settings.media_timeout_nanos;
        let times = Party::BOTH.into_iter().filter(|party| call.sides.expected(*party)).map(|party| {
            let since = call.sides.0[party as usize].since.or(call.answered).unwrap_or(now);
            let last = self.heard(call, party).map_or(since, |(_, last)| last.max(since));
            last.moved(patience)
        });
        let later = now.moved(patience);
        times.filter(|at| *at > now).min().unwrap_or(later)
    }

    /// Looks at the media of one call; `over`: for the last time.
    pub(super) fn judge(&mut self, now: Timestamp, call: u64, over: bool) {
        let Some(known) = self.bindings.call(call).filter(|known| known.ended.is_none()) else { return };
        let Some(answered) = known.answered.filter(|_| self.is_visible(known) && !known.sides.is_fax()) else { return };
        let patience = if over { self.settings.late_media_nanos } else { self.settings.media_timeout_nanos };
        let heard = Party::BOTH.map(|party| self.heard(known, party));
        let mut missing = 0;
        let mut found = Problems::default();
        for (party, heard) in Party::BOTH.into_iter().zip(heard) {
            if !known.sides.expected(party) {
                continue;
            }
            let since = known.sides.0[party as usize].since.unwrap_or(answered).max(answered);
            match heard {
                None => missing += u32::from(now.nanos_since(since) >= patience),
                Some((first, last)) => {
                    let late = first.nanos_since(since) > self.settings.late_media_nanos;
                    let silent = now.nanos_since(last.max(since)) >= self.settings.media_timeout_nanos;
                    if late {
                        found.add(Problem::LateMedia);
                    }
                    if silent {
                        found.add(Problem::MediaTimeout);
                    }
                }
            }
        }
        if missing > 0 {
            let one_way = heard.iter().any(Option::is_some);
            found.add(if one_way { Problem::OneWay } else { Problem::NoMedia });
        }
        for problem in found.iter() {
            self.note(call, problem);
        }
    }

    /// First and last packet of sound to a party.
    fn heard(&self, call: &Call, party: Party) -> Option<(Timestamp, Timestamp)> {
        let side = &call.sides.0[party as usize];
        if call.streams.is_empty() {
            return side.heard;
        }
        let mut side = *side;
        for stream in call.streams.iter().filter_map(|at| self.streams.get(*at)) {
            if stream.toward == Some(party) && !stream.is_video {
                side.hear(stream.first_arrival, stream.last_arrival);
            }
        }
        side.heard
    }

    /// Whether the call's media should pass here, and be its own: it ends at this host, or some of it was seen. A capture file
    /// holds all there is.
    fn is_visible(&self, call: &Call) -> bool {
        if call.is_shared && call.streams.is_empty() || self.is_partly_seen(call) {
            return false;
        }
        !self.site.knows_itself() || !call.streams.is_empty() || call.endpoints().any(|at| self.site.is_local(at.ip))
    }

    /// Whether not all streams were followed during the call: silence then says nothing.
    fn is_partly_seen(&self, call: &Call) -> bool {
        call.answered.is_none_or(|answered| answered < self.partial_until)
    }

    /// Counts a problem, once a call, however many legs it has.
    fn note(&mut self, call: u64, problem: Problem) {
        let Some(known) = self.bindings.call_mut(call) else { return };
        let (mut is_new, root) = (known.problems.add(problem), known.root);
        let direction = known.direction.unwrap_or(Direction::Transit);
        if let Some(root) = self.bindings.call_mut(root) {
            is_new &= root.problems.add(problem);
        }
        if is_new {
            if problem == Problem::NoMedia {
                self.mute.push(call);
            }
            self.numbers.sundry.count_problem(problem, direction);
        }
    }

    /// The last packet of a conversation whose media came, is still to come, and has not come for so long that it is over.
    fn silent_since(&self, now: Timestamp, call: &Call) -> Option<Timestamp> {
        let is_due = !call.sides.is_fax()
            && !self.is_partly_seen(call)
            && Party::BOTH.into_iter().any(|party| call.sides.expected(party));
        let parts = call.legs.iter().filter_map(|leg| self.bindings.call(*leg)).chain([call]);
        let last = parts.filter_map(|part| self.last_sign(part)).max().filter(|_| is_due)?;
        (now.nanos_since(last) >= self.settings.media_silence_nanos).then_some(last)
    }

    /// Conversations that are over by the silence of their media, with the time of the last packet; since the last call.
    pub fn take_silent(&mut self) -> Vec<(u64, Timestamp)> {
        std::mem::take(&mut self.silent)
    }

    /// The last packet of any stream of a dialog.
    fn last_sign(&self, call: &Call) -> Option<Timestamp> {
        let over = call.sides.0.iter().filter_map(|side| side.heard.map(|(_, last)| last));
        let going_on = call.streams.iter().filter_map(|at| Some(self.streams.get(*at)?.last_arrival));
        over.chain(going_on).max()
    }
}

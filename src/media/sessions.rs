//! Streams and calls: what SDP announced is found in the streams, and streams find their call.

use crate::quality::codec::CodecId;
use crate::site::Direction;
use crate::time::Timestamp;
use crate::wire::Endpoint;
use crate::wire::sdp::{self, Format, MediaType};
use crate::wire::sip::Party;

use super::key::Key;
use super::{Media, lifetime_mos, min_mos};

/// Legs that one call keeps a list of.
const MAX_LEGS: usize = 8;
/// Streams that one call keeps a list of; more come from no real call.
const MAX_LISTED: usize = 256;

impl Media {
    /// Asks for the memory of a call that is likely to be spoken of soon.
    pub fn fetch(&self, call: u64) {
        self.bindings.fetch(call);
    }

    /// The sections of an SDP that a party of a call sent; `direction` is the call's.
    pub fn describe(&mut self, now: Timestamp, call: u64, direction: Direction, party: Party, sections: &[sdp::Media]) {
        sections.iter().filter_map(|media| media.receives_at).for_each(|at| self.bindings.fetch_endpoint(at));
        for media in sections {
            let at = media.receives_at.filter(|at| !at.ip.is_unspecified());
            match (media.media_type, at) {
                (MediaType::Fax, Some(at)) => self.bindings.announce_fax(call, party, at),
                _ if !media.rtp => {}
                _ => {
                    for at in at.iter().chain(&media.candidates) {
                        self.announce(call, party, *at, &media.formats);
                    }
                    if let Some(at) = at {
                        self.announce_rtcp(call, party, at, media.rtcp);
                    }
                }
            }
        }
        let known = self.bindings.entry(call);
        known.direction = Some(direction);
        known.sides.describe(now, party, sections);
        if known.answered.is_some() && known.ended.is_none() {
            self.look_when_due(now, call);
        }
    }

    /// SDP of a call says that a party receives media at `at`, with these payload types.
    fn announce(&mut self, call: u64, party: Party, at: Endpoint, formats: &[Format]) {
        self.end_leftovers(call, at);
        self.bindings.announce(call, party, at, formats);
        let waiting = self.unbound.of(at);
        for stream in waiting {
            self.rebind(stream);
        }
        if let Some(known) = self.bindings.call(call) {
            for stream in known.streams.clone() {
                self.relearn(stream);
            }
        }
        for key in self.candidates.keys_to(|key| key.destination() == at || key.source() == at) {
            let packets = self.candidates.take(&key);
            match packets.last() {
                Some(last) if self.announced(&key, last.packet.payload_type).is_some() => self.start(key, &packets),
                _ => {}
            }
        }
    }

    /// What the same SDP says of where RTCP for that media is received.
    fn announce_rtcp(&mut self, call: u64, party: Party, at: Endpoint, rtcp: Option<Endpoint>) {
        // 0.0.0.0 is "on hold" (RFC 3264 section 8.4).
        if let Some(rtcp) = rtcp.filter(|rtcp| !rtcp.ip.is_unspecified()) {
            self.bindings.announce_rtcp(call, party, at, rtcp);
        }
    }

    /// Streams of a call that has ended do not live on in the next call on the same ports.
    pub(super) fn end_leftovers(&mut self, call: u64, at: Endpoint) {
        let Some(there) = self.bindings.endpoint(at).filter(|there| there.call != call) else { return };
        let Some(previous) = self.bindings.call(there.call).filter(|previous| previous.ended.is_some()) else { return };
        let of_endpoint =
            |stream: &u32| self.streams.get(*stream).is_some_and(|s| s.key.destination() == at || s.key.source() == at);
        for stream in previous.streams.iter().copied().filter(of_endpoint).collect::<Vec<_>>() {
            self.end(stream);
        }
    }

    /// A stream that had no call looks again.
    pub(super) fn rebind(&mut self, at: u32) {
        let Some(stream) = self.streams.get(at) else { return };
        let (key, payload_type) = (stream.key, stream.payload_type);
        if let Some(call) = self.announced(&key, payload_type) {
            self.forget_unbound(&key, at);
            self.bind(at, call);
            self.identify(at, payload_type);
        }
    }

    /// A stream of unknown codec asks the newer SDP.
    pub(super) fn relearn(&mut self, at: u32) {
        let Some(stream) = self.streams.get(at) else { return };
        let payload_type = stream.payload_type;
        let Format { codec, clock_rate, .. } = self.format(&stream.key, payload_type);
        if codec != CodecId::UNKNOWN && (codec != stream.codec || clock_rate != stream.clock_rate) {
            self.identify(at, payload_type);
        }
    }

    /// Gives a stream to a call, or (zero) notes where an SDP that comes later finds it.
    pub(super) fn bind(&mut self, at: u32, call: u64) {
        let Some(stream) = self.streams.get_mut(at) else { return };
        stream.call = call;
        let party =
            |at: Endpoint| self.bindings.endpoint(at).filter(|there| there.call == call).map(|there| there.party);
        stream.toward = party(stream.key.destination())
            .or_else(|| party(stream.key.source()).map(Party::other))
            .filter(|_| call != 0);
        match self.bindings.call_mut(call).filter(|known| known.streams.len() < MAX_LISTED) {
            Some(known) => {
                let toward = stream.toward;
                let is_fellow = |other: &&u32| {
                    let other = self.streams.get(**other).filter(|_| **other != at);
                    toward.is_some() && other.is_some_and(|other| other.toward == toward)
                };
                let fellow = known.streams.iter().find(is_fellow).copied();
                known.streams.push(at);
                self.become_fellows(at, fellow);
            }
            None => {
                stream.call = 0;
                for end in [stream.key.destination(), stream.key.source()] {
                    self.unbound.insert(end, at);
                }
            }
        }
    }

    /// Notes that two streams may be one on its way through this host; of several fellows all but the first know it already.
    pub(super) fn become_fellows(&mut self, at: u32, fellow: Option<u32>) {
        for at in fellow.into_iter().flat_map(|fellow| [at, fellow]) {
            if let Some(stream) = self.streams.get_mut(at) {
                stream.has_fellow = true;
            }
        }
    }

    /// The call whose SDP expects this payload type at the destination, or offered it at the source.
    pub(super) fn announced(&self, key: &Key, payload_type: u8) -> Option<u64> {
        [key.destination(), key.source()].into_iter().find_map(|at| {
            let there = self.bindings.endpoint(at)?;
            there.formats.iter().any(|format| format.payload_type == payload_type).then_some(there.call)
        })
    }

    /// The call at either end of a flow, whatever its payload type.
    pub(super) fn call_of(&self, key: &Key) -> Option<u64> {
        [key.destination(), key.source()].into_iter().find_map(|at| Some(self.bindings.endpoint(at)?.call))
    }

    pub(super) fn forget_unbound(&mut self, key: &Key, at: u32) {
        for end in [key.destination(), key.source()] {
            self.unbound.remove(end, at);
        }
    }

    /// The signalling says that a call is over; gives the MOS of its worst stream, where one is known.
    pub fn call_ended(&mut self, now: Timestamp, call: u64) -> Option<f64> {
        self.judge(now, call, true);
        let known = self.bindings.call_mut(call)?;
        known.ended = Some(now);
        self.ended.push_back((now, call));
        if self.settings.keep_reports && !known.problems.is_empty() {
            self.problems.push((call, known.problems));
        }
        let (streams, legs, root) = (known.streams.clone(), known.legs.clone(), known.root);
        streams.iter().for_each(|at| self.close_relaying(*at));
        let worst = legs.into_iter().fold(self.worst_mos(call), |worst, leg| min_mos(worst, self.worst_mos(leg)));
        if let Some(root) = self.bindings.call_mut(root) {
            root.worst_mos = min_mos(root.worst_mos, worst);
        }
        if self.ended.len() > 2 * self.bindings.len() + 256 {
            let bindings = &self.bindings;
            self.ended.retain(|(_, call)| bindings.call(*call).is_some_and(|known| known.ended.is_some()));
            self.agenda.tidy(0, |at, call| bindings.call(call).is_some_and(|known| known.look_at == Some(at)));
        }
        // Media may still be on its way, but a flood of calls that fail may not pile up what they announced.
        let crowded = self.bindings.len() > self.settings.max_streams;
        if crowded && self.bindings.call(call).is_some_and(|known| known.streams.is_empty()) {
            self.bindings.remove(call);
        }
        worst
    }

    /// MOS of the worst stream of a call, those that go on up to now.
    fn worst_mos(&self, call: u64) -> Option<f64> {
        let known = self.bindings.call(call)?;
        let streams = known.streams.iter().filter_map(|at| self.streams.get(*at));
        streams.fold(known.worst_mos, |worst, stream| min_mos(worst, lifetime_mos(stream, &self.settings)))
    }

    /// The signalling says that a dialog is another leg of a call: what is wrong with its media is wrong with the call's.
    pub fn joined(&mut self, leg: u64, call: u64) {
        self.bindings.entry(leg).root = call;
        let root = self.bindings.entry(call);
        if root.legs.len() < MAX_LEGS {
            root.legs.push(leg);
        }
    }

    /// When the last packet of a call's streams came.
    pub fn last_packet(&self, call: u64) -> Option<Timestamp> {
        let known = self.bindings.call(call)?;
        known.streams.iter().filter_map(|at| Some(self.streams.get(*at)?.last_arrival)).max()
    }
}

//! Which incoming stream an outgoing one comes from: by its numbers, or by the payloads that it carries.

use smallvec::SmallVec;

use crate::fetch::fetch;
use crate::time::Timestamp;
use crate::wire::rtp::Packet;

use super::link::{AHEAD, INSIDE, is_telling, mix};
use super::{Media, NONE, Relays};
use crate::media::stream::Stream;

/// Packets in a row that have to agree before two streams are one, where one packet alone might mislead.
const AGREED: u8 = 8;
/// Where several streams bear the same numbers, the one that a packet follows at once must be so many times nearer than the next.
const NEARER: i64 = 4;
/// Packets at a stream's start in which such a stream is looked for; then at each power of two.
const EARLY: u64 = 16;
/// Payloads that are remembered, of all streams together; the newest in its place wins.
const RECENT: usize = 4096;
/// Longest stay in a relay that is believed, nanoseconds.
const MAX_STAY: i64 = 500_000_000;

/// A payload that came in, or that left and was not seen coming in yet.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    head: u64,
    length: u32,
    /// [`NONE`] where it came in on several streams: it tells nothing.
    slot: u32,
    timestamp: u32,
    at: Timestamp,
    left: bool,
}

impl Relays {
    /// Asks for where the payload may have been seen.
    #[inline(always)]
    pub fn fetch_recent(&self, packet: &Packet) {
        if let Some(seen) = self.recent.get(place_of(packet)) {
            fetch(seen, 1);
        }
    }

    /// The same payload, where it was seen a moment ago.
    fn same(&self, now: Timestamp, packet: &Packet) -> Option<Seen> {
        let seen = (*self.recent.get(place_of(packet))?)?;
        let same = (seen.head, seen.length) == (packet.head, packet.payload_length);
        (same && now.nanos_since(seen.at) <= MAX_STAY).then_some(seen)
    }

    fn remember(&mut self, now: Timestamp, slot: u32, packet: &Packet, left: bool) {
        let Packet { head, payload_length: length, timestamp, .. } = *packet;
        if self.recent.is_empty() {
            self.recent.resize(RECENT, None);
        }
        self.recent[place_of(packet)] = Some(Seen { head, length, slot, timestamp, at: now, left });
    }
}

/// Whether a stream with so many packets is looked for by its numbers.
fn is_looked_at(packets: u64) -> bool {
    packets <= EARLY || packets.is_power_of_two()
}

fn place_of(packet: &Packet) -> usize {
    mix(packet.head) as usize % RECENT
}

impl Media {
    /// What most packets come to where a stream has no link: nothing fits, and they are only remembered, as [`Self::seek`] and
    /// [`Self::show`] would do it one after the other. False where there may be more to it.
    pub(super) fn looks_in_vain(&mut self, now: Timestamp, at: u32, packet: &Packet) -> bool {
        let Some(stream) = self.streams.get_mut(at) else { return true };
        let role = &mut stream.relay;
        let (seeks, shows) = (role.seeks > 0, role.shows > 0);
        if role.is_linked() || seeks && is_looked_at(stream.packets) {
            return false;
        }
        if is_telling(packet) {
            if self.relays.same(now, packet).is_some() {
                return false;
            }
            let comes_in = shows && !stream.is_video;
            if comes_in || seeks {
                self.relays.remember(now, at, packet, !comes_in);
            }
        }
        role.seeks -= u16::from(seeks);
        role.shows -= u16::from(shows);
        stream.may_be_relayed = role.is_active();
        true
    }

    /// Shows a payload that came in to the streams that go out.
    pub(super) fn show(&mut self, now: Timestamp, at: u32, packet: &Packet) {
        let Some(stream) = self.streams.get_mut(at) else { return };
        stream.relay.shows = stream.relay.shows.saturating_sub(1);
        if !is_telling(packet) || stream.is_video {
            return;
        }
        match self.relays.same(now, packet) {
            // Where all addresses are ours, a stream that comes in has been seen leaving itself.
            Some(before) if before.slot == at => self.relays.remember(now, at, packet, false),
            Some(before) if before.left => {
                self.relays.remember(now, at, packet, false);
                // What left earlier than it came in came back.
                if before.at >= now {
                    self.left_before(now, at, packet, &before);
                }
            }
            // Of a payload that several bring, as a generator of calls does, nobody knows which of them goes out.
            Some(_) => self.relays.remember(now, NONE, packet, false),
            None => self.relays.remember(now, at, packet, false),
        }
    }

    /// The packet that comes in had been seen leaving: two interfaces are read one after the other.
    fn left_before(&mut self, now: Timestamp, from: u32, packet: &Packet, seen: &Seen) {
        let offset = seen.timestamp.wrapping_sub(packet.timestamp);
        if self.streams.get(seen.slot).is_some_and(|out| out.relay.seeks > 0) && self.agree(from, seen.slot, offset) {
            self.link(from, seen.slot, true, offset, now, packet);
            self.leave_by_link(seen.at, seen.slot, &Packet { timestamp: seen.timestamp, ..*packet });
        }
    }

    /// Looks for the stream that an outgoing one comes from.
    pub(super) fn seek(&mut self, now: Timestamp, at: u32, packet: &Packet) {
        let Some(stream) = self.streams.get_mut(at) else { return };
        stream.relay.seeks = stream.relay.seeks.saturating_sub(1);
        if is_looked_at(stream.packets)
            && let Some(from) = self.numbered_alike(now, at, packet)
        {
            let Some((sequence, timestamp)) = self.streams.get(from).map(Stream::newest) else { return };
            let Some(arrived) = self.streams.get(from).map(|stream| stream.last_arrival) else { return };
            // Of what came in before, the arrival of the last packet is known: mostly the one that leaves now.
            self.link(from, at, false, 0, arrived, &Packet { sequence, timestamp, ..*packet });
            self.leave_by_link(now, at, packet);
        } else if let Some((seen, offset)) = self.same_payload(now, at, packet) {
            self.link(seen.slot, at, true, offset, seen.at, &Packet { timestamp: seen.timestamp, ..*packet });
            self.leave_by_link(now, at, packet);
        } else if is_telling(packet) && self.relays.same(now, packet).is_none() {
            self.relays.remember(now, at, packet, true);
        }
    }

    fn leave_by_link(&mut self, now: Timestamp, at: u32, packet: &Packet) {
        if let Some(link) = self.streams.get(at).map(|stream| stream.relay.fed_by) {
            self.leave(now, at, link, packet, false);
        }
    }

    /// The one incoming stream whose numbers the packet bears: with the same SSRC, or else towards the same party of the same call.
    fn numbered_alike(&mut self, now: Timestamp, at: u32, packet: &Packet) -> Option<u32> {
        let out = self.streams.get(at).filter(|out| out.has_fellow)?;
        let stream = |from: &u32| self.streams.get(*from).filter(|_| *from != at);
        let fits = |from: &u32| stream(from).is_some_and(|from| leads(from, packet));
        let may_feed = |from: &u32| stream(from).is_some_and(|from| self.may_come_from(out, from));
        let same_call = |from: &u32| {
            stream(from).is_some_and(|from| (from.call, from.toward) == (out.call, out.toward) && out.call != 0)
        };
        let same_ssrc = |from: &u32| stream(from).is_some_and(|from| from.key.ssrc == out.key.ssrc);
        let named: SmallVec<[u32; 4]> =
            self.relays.by_ssrc.of(out.key.ssrc).into_iter().filter(same_ssrc).filter(may_feed).collect();
        if let Some(one) = only(named.iter().copied().filter(same_call).filter(fits)) {
            return Some(one);
        }
        match named.as_slice() {
            [] => {
                out.toward?;
                let known = self.bindings.call(out.call)?;
                only(known.streams.iter().copied().filter(same_call).filter(may_feed).filter(fits))
            }
            [one] => Some(*one).filter(fits),
            many => self.followed_at_once(now, at, packet, many),
        }
    }

    /// Of several incoming streams with the same SSRC, the one whose packets this one's follow at once, again and again.
    fn followed_at_once(&mut self, now: Timestamp, at: u32, packet: &Packet, many: &[u32]) -> Option<u32> {
        let same = |from: &&u32| {
            let newest = self.streams.get(**from).map(Stream::newest);
            newest == Some((packet.sequence, packet.timestamp))
        };
        let stay = |from: u32| self.streams.get(from).map_or(i64::MAX, |from| now.nanos_since(from.last_arrival));
        let mut by_stay: Vec<(i64, u32)> = many.iter().filter(same).map(|from| (stay(*from), *from)).collect();
        by_stay.sort_unstable();
        let (nearest, from) = *by_stay.first()?;
        let alone = by_stay.get(1).is_none_or(|(next, _)| nearest.saturating_mul(NEARER) < *next);
        let role = &mut self.streams.get_mut(at)?.relay;
        if (role.candidate, role.offset) != (from, 0) {
            (role.candidate, role.offset, role.agreed) = (from, 0, 0);
        }
        role.agreed = if alone { role.agreed.saturating_add(1) } else { 0 };
        (role.agreed >= AGREED).then_some(from)
    }

    /// The incoming stream whose payloads have agreed often enough, and by how much the timestamps differ.
    fn same_payload(&mut self, now: Timestamp, at: u32, packet: &Packet) -> Option<(Seen, u32)> {
        let seen = self.relays.same(now, packet).filter(|seen| is_telling(packet) && !seen.left && seen.slot != at)?;
        let offset = packet.timestamp.wrapping_sub(seen.timestamp);
        self.agree(seen.slot, at, offset).then_some((seen, offset))
    }

    /// A payload that came in on one stream left on another; whether that has been so often enough to be no chance.
    fn agree(&mut self, from: u32, to: u32, offset: u32) -> bool {
        let (Some(incoming), Some(out)) = (self.streams.get(from), self.streams.get(to)) else { return false };
        if !self.may_come_from(out, incoming) || incoming.is_video || out.is_video {
            return false;
        }
        let Some(role) = self.streams.get_mut(to).map(|out| &mut out.relay) else { return false };
        if (role.candidate, role.offset) != (from, offset) {
            (role.candidate, role.offset, role.agreed) = (from, offset, 0);
        }
        role.agreed = role.agreed.saturating_add(1);
        role.agreed >= AGREED
    }

    /// Whether one stream ends where the other begins, and not in the answer to it.
    fn may_come_from(&self, out: &Stream, from: &Stream) -> bool {
        let here = self.site.is_passed_on(from.key.destination_ip, out.key.source_ip);
        let back = from.key.source() == out.key.destination()
            || matches!((from.toward, out.toward), (Some(from), Some(out)) if from != out);
        here && !back && from.relay.may_feed && from.relay.feeds == NONE
    }
}

/// Whether the packet may be one of the last that came in on a stream: a few numbers and as many packets' time behind.
fn leads(from: &Stream, packet: &Packet) -> bool {
    let (sequence, timestamp) = from.newest();
    let behind = sequence.wrapping_sub(packet.sequence).wrapping_add(AHEAD as u16);
    let ticks = (timestamp.wrapping_sub(packet.timestamp) as i32).unsigned_abs();
    usize::from(behind) < INSIDE + AHEAD && ticks <= from.packet_ticks().saturating_mul(INSIDE as u32)
}

fn only(mut all: impl Iterator<Item = u32>) -> Option<u32> {
    all.next().filter(|_| all.next().is_none())
}

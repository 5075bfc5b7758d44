//! What this host itself adds: the stream that comes in and the one that goes out of a relay, packet by packet.
//!
//! Two streams belong together when the one that leaves this host is numbered like one that comes in (a relay keeps sequence
//! numbers and timestamps, whatever it does to addresses, ports and SSRC), or when its packets carry the payloads of one that
//! comes in, at a constant distance of timestamps (a B2BUA numbers anew). What neither shows is not matched: never a guess.

mod link;

use crate::time::Timestamp;
use crate::wire::rtp::Packet;

use super::Media;
use super::sequence::Arrival;
use super::slots::Slots;
use super::stream::{Key, Stream};

use link::{AHEAD, Entered, INSIDE, Link};

pub use link::Totals;

/// An outgoing stream looks for its source by so many telling payloads at its start, or when the link is lost.
const SEEK_PACKETS: u16 = 256;
/// And by so many in each interval: the two streams of a B2BUA begin together, and so do their intervals.
const SEEK_AGAIN: u16 = 64;
/// Telling payloads of an incoming stream that are shown at its start, and in each interval.
const SHOW_PACKETS: u16 = 48;
/// Payloads in a row that have to agree before two streams are one.
const AGREED: u8 = 3;
/// Outgoing packets without counterpart in a row after which the link is given up.
const MAX_MISSES: u32 = 64;
/// Payloads that are remembered, of all streams together; the newest in its place wins.
const RECENT: usize = 4096;
/// Longest stay in a relay that is believed, nanoseconds.
const MAX_STAY: i64 = 500_000_000;

/// A stream that has no link.
pub const NONE: u32 = u32::MAX;

/// What a stream has to do with relaying; all of it zero for most.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    /// It ends at this host, and may come out of it again.
    may_feed: bool,
    /// It leaves this host, and may have come into it.
    leaves: bool,
    /// So many of its payloads are still shown to the outgoing streams.
    shows: u16,
    /// It looks for where it comes from by so many more of its payloads.
    seeks: u16,
    /// The links in which it is the incoming and the outgoing stream.
    feeds: u32,
    fed_by: u32,
    /// The stream whose payloads agreed, by how much its timestamps differ, and how often.
    candidate: u32,
    offset: u32,
    agreed: u8,
}

impl Role {
    pub const NEW: Role = Role {
        may_feed: false,
        leaves: false,
        shows: 0,
        seeks: 0,
        feeds: NONE,
        fed_by: NONE,
        candidate: NONE,
        offset: 0,
        agreed: 0,
    };

    /// Whether a packet of the stream is of interest here.
    #[inline(always)]
    pub fn is_active(&self) -> bool {
        self.shows | self.seeks != 0 || self.feeds & self.fed_by != NONE
    }

    /// An interval begins.
    pub fn show_again(&mut self) {
        self.shows = if self.may_feed && self.feeds == NONE { SHOW_PACKETS } else { 0 };
        self.seeks = if self.leaves && self.fed_by == NONE { self.seeks.max(SEEK_AGAIN) } else { 0 };
    }
}

/// What an outgoing stream's report says of its way through this host.
#[derive(Clone, Copy, Debug)]
pub struct RelayReport {
    pub from: Key,
    pub totals: Totals,
}

/// A payload that came in.
#[derive(Clone, Copy, Debug)]
struct Seen {
    head: u64,
    length: u32,
    slot: u32,
    timestamp: u32,
    at: Timestamp,
}

/// All links of one worker.
#[derive(Debug, Default)]
pub struct Relays {
    links: Vec<Option<Box<Link>>>,
    free: Vec<u32>,
    /// Streams that end at this host.
    by_ssrc: Slots,
    recent: Vec<Option<Seen>>,
}

/// Silence looks the same in all streams.
fn is_telling(packet: &Packet) -> bool {
    packet.payload_length >= 8 && packet.head != packet.head.rotate_left(8)
}

fn place_of(packet: &Packet) -> usize {
    // 2^64 divided by the golden ratio: the high bits of the product depend on all of the head.
    (packet.head.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % RECENT
}

impl Media {
    /// A stream begins: it may end at this host, or leave it.
    pub(super) fn begin_relaying(&mut self, at: u32) {
        let Some(stream) = self.streams.get(at) else { return };
        let unknown = !self.site.knows_itself();
        let key = stream.key;
        let may_feed = unknown || self.site.is_local(key.destination_ip);
        let leaves = unknown || self.site.is_local(key.source_ip);
        let (shows, seeks) = (u16::from(may_feed) * SHOW_PACKETS, u16::from(leaves) * SEEK_PACKETS);
        let role = Role { may_feed, leaves, shows, seeks, ..Role::NEW };
        if let Some(stream) = self.streams.get_mut(at) {
            (stream.relay, stream.may_be_relayed) = (role, role.is_active());
        }
        if may_feed {
            self.relays.by_ssrc.insert(key.ssrc, at);
        }
    }

    /// A packet of a stream that is relayed, or may be.
    #[inline(never)]
    pub(super) fn relay(&mut self, now: Timestamp, at: u32, packet: &Packet, arrival: Arrival, aside: bool) {
        self.relay_one(now, at, packet, arrival, aside);
        if let Some(stream) = self.streams.get_mut(at) {
            stream.may_be_relayed = stream.relay.is_active();
        }
    }

    fn relay_one(&mut self, now: Timestamp, at: u32, packet: &Packet, arrival: Arrival, aside: bool) {
        if !matches!(arrival, Arrival::InOrder | Arrival::Reordered) {
            return;
        }
        let Some(stream) = self.streams.get(at) else { return };
        let role = stream.relay;
        if role.fed_by != NONE {
            self.leave(now, at, role.fed_by, packet, aside);
        } else if role.seeks > 0 {
            self.seek(now, at, packet);
        }
        if role.feeds != NONE {
            self.enter(now, role.feeds, packet, aside);
        } else if role.shows > 0 {
            self.show(now, at, packet);
        }
    }

    fn enter(&mut self, now: Timestamp, link: u32, packet: &Packet, aside: bool) {
        let Some(Some(link)) = self.relays.links.get_mut(link as usize) else { return };
        // All packets of an event have one timestamp: they cannot be told by it.
        if link.closed || aside && link.by_timestamp {
            return;
        }
        let (entered, to) = (link.enter(now, packet.sequence, packet.timestamp), link.to);
        match entered {
            Entered::Inside => {}
            Entered::Lost => self.count_lost(to, 1),
            Entered::Left(seconds) => self.count_passed(to, seconds),
        }
    }

    fn leave(&mut self, now: Timestamp, at: u32, link: u32, packet: &Packet, aside: bool) {
        let Some(Some(known)) = self.relays.links.get_mut(link as usize) else { return };
        if aside && known.by_timestamp {
            return;
        }
        match known.leave(now, packet.sequence, packet.timestamp) {
            Some(seconds) => self.count_passed(at, seconds),
            None if known.misses >= MAX_MISSES => {
                self.unlink(link);
                if let Some(stream) = self.streams.get_mut(at) {
                    stream.relay.seeks = SEEK_PACKETS;
                }
            }
            None => {}
        }
    }

    fn count_lost(&mut self, to: u32, packets: u64) {
        let Some(stream) = self.streams.get(to) else { return };
        if let Some(cell) = self.numbers.cells.get_mut(stream.cell as usize) {
            cell.relay_lost += packets;
        }
    }

    fn count_passed(&mut self, to: u32, seconds: f64) {
        let Some(stream) = self.streams.get(to) else { return };
        if let Some(cell) = self.numbers.cells.get_mut(stream.cell as usize) {
            cell.relayed += 1;
            let direction = cell.key.direction;
            self.numbers.sundry.observe_relay(direction, seconds);
        }
    }

    /// Shows a payload that came in to the streams that go out.
    fn show(&mut self, now: Timestamp, at: u32, packet: &Packet) {
        let Some(stream) = self.streams.get_mut(at) else { return };
        if is_telling(packet) && !stream.is_video() {
            stream.relay.shows -= 1;
            self.relays.recent.resize(RECENT, None);
            self.relays.recent[place_of(packet)] = Some(Seen {
                head: packet.head,
                length: packet.payload_length,
                slot: at,
                timestamp: packet.timestamp,
                at: now,
            });
        }
    }

    /// Looks for the stream that an outgoing one comes from.
    fn seek(&mut self, now: Timestamp, at: u32, packet: &Packet) {
        let Some(stream) = self.streams.get_mut(at) else { return };
        stream.relay.seeks -= u16::from(is_telling(packet));
        let packets = stream.packets();
        if (packets <= 4 || packets.is_power_of_two())
            && let Some(from) = self.numbered_alike(at, packet)
        {
            self.link(now, from, at, packet, false, 0);
        } else if let Some((from, offset)) = self.same_payload(now, at, packet) {
            self.link(now, from, at, packet, true, offset);
        }
    }

    /// The one incoming stream whose numbers the packet bears: with the same SSRC, or else towards the same party of the same call.
    fn numbered_alike(&self, at: u32, packet: &Packet) -> Option<u32> {
        let out = self.streams.get(at)?;
        let fits = |from: &u32| {
            *from != at
                && self.streams.get(*from).is_some_and(|from| self.may_come_from(out, from) && leads(from, packet))
        };
        let same_ssrc = |from: &u32| self.streams.get(*from).is_some_and(|from| from.key.ssrc == out.key.ssrc);
        let same_call = |from: &u32| {
            let from = self.streams.get(*from);
            from.is_some_and(|from| out.call != 0 && from.call == out.call && from.toward == out.toward)
        };
        let named: Vec<u32> = self.relays.by_ssrc.of(out.key.ssrc).into_iter().filter(same_ssrc).filter(fits).collect();
        if let Some(one) = only(named.iter().copied().filter(same_call)).or_else(|| only(named.into_iter())) {
            return Some(one);
        }
        out.toward?;
        let known = self.bindings.call(out.call)?;
        only(known.streams.iter().copied().filter(same_call).filter(fits))
    }

    /// The incoming stream whose payloads have agreed often enough, and by how much the timestamps differ.
    fn same_payload(&mut self, now: Timestamp, at: u32, packet: &Packet) -> Option<(u32, u32)> {
        let seen = (*self.relays.recent.get(place_of(packet))?)?;
        let same = is_telling(packet) && (seen.head, seen.length) == (packet.head, packet.payload_length);
        if !same || seen.slot == at || now.nanos_since(seen.at) > MAX_STAY {
            return None;
        }
        let (from, out) = (self.streams.get(seen.slot)?, self.streams.get(at)?);
        if !self.may_come_from(out, from) || from.is_video() || out.is_video() {
            return None;
        }
        let offset = packet.timestamp.wrapping_sub(seen.timestamp);
        let role = &mut self.streams.get_mut(at)?.relay;
        if (role.candidate, role.offset) != (seen.slot, offset) {
            (role.candidate, role.offset, role.agreed) = (seen.slot, offset, 0);
        }
        role.agreed += 1;
        (role.agreed >= AGREED).then_some((seen.slot, offset))
    }

    /// Whether one stream ends where the other begins: at this host, or, where that is unknown, at one address.
    fn may_come_from(&self, out: &Stream, from: &Stream) -> bool {
        let here = self.site.knows_itself() || from.key.destination_ip == out.key.source_ip;
        let back = from.key.source() == out.key.destination();
        here && !back && from.relay.may_feed && from.relay.feeds == NONE
    }

    fn link(&mut self, now: Timestamp, from: u32, to: u32, packet: &Packet, by_timestamp: bool, offset: u32) {
        let Some(incoming) = self.streams.get(from) else { return };
        let mut link = Box::new(Link::new(from, incoming.key, to, by_timestamp, offset));
        // Of what came in before, the arrival of the last packet is known: mostly the one that leaves now.
        let (sequence, timestamp) = incoming.newest();
        link.enter(incoming.last_arrival, sequence, timestamp);
        let at = self.relays.free.pop().unwrap_or(self.relays.links.len() as u32);
        if at as usize == self.relays.links.len() {
            self.relays.links.push(None);
        }
        self.relays.links[at as usize] = Some(link);
        if let Some(stream) = self.streams.get_mut(from) {
            (stream.relay.feeds, stream.relay.shows, stream.may_be_relayed) = (at, 0, true);
        }
        if let Some(stream) = self.streams.get_mut(to) {
            (stream.relay.fed_by, stream.relay.seeks) = (at, 0);
        }
        self.leave(now, to, at, packet, false);
    }

    /// Takes two streams apart; what waits although later packets left is lost.
    fn unlink(&mut self, link: u32) -> Option<RelayReport> {
        let mut known = self.relays.links.get_mut(link as usize)?.take()?;
        self.relays.free.push(link);
        let lost = known.close();
        self.count_lost(known.to, lost);
        if let Some(from) = self.streams.get_mut(known.from).filter(|stream| stream.relay.feeds == link) {
            from.relay.feeds = NONE;
        }
        if let Some(to) = self.streams.get_mut(known.to) {
            to.relay.fed_by = NONE;
        }
        Some(RelayReport { from: known.from_key, totals: known.totals })
    }

    /// The call of a stream is over: what still comes in is not expected to leave.
    pub(super) fn close_relaying(&mut self, at: u32) {
        let Some(link) = self.streams.get(at).map(|stream| stream.relay.fed_by) else { return };
        if let Some(Some(link)) = self.relays.links.get_mut(link as usize) {
            link.closed = true;
        }
    }

    /// A stream is about to end; gives what its way through this host was.
    pub(super) fn end_relaying(&mut self, at: u32) -> Option<RelayReport> {
        let stream = self.streams.get(at)?;
        let (role, ssrc) = (stream.relay, stream.key.ssrc);
        if role.may_feed {
            self.relays.by_ssrc.remove(ssrc, at);
        }
        if let Some(Some(link)) = self.relays.links.get_mut(role.feeds as usize) {
            // The link stays for the outgoing stream's report.
            link.from = NONE;
        }
        self.unlink(role.fed_by)
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::wire::Ip;

    pub fn key(ssrc: u32) -> Key {
        let ip = Ip::v4(Ipv4Addr::LOCALHOST.octets());
        Key { source_ip: ip, destination_ip: ip, source_port: 1, destination_port: 2, ssrc }
    }

    #[test]
    fn silence_tells_nothing() {
        let packet = |head| Packet {
            ssrc: 1,
            timestamp: 0,
            sequence: 0,
            payload_type: 8,
            marker: false,
            payload_length: 160,
            head,
        };
        assert!(!is_telling(&packet(0xd5d5_d5d5_d5d5_d5d5)));
        assert!(is_telling(&packet(0xd5d5_d5d5_d5d5_d555)));
    }
}

//! What this host itself adds: the stream that comes in and the one that goes out of a relay, packet by packet.
//!
//! Two streams belong together when the one that leaves this host is numbered like one that comes in (a relay keeps sequence
//! numbers and timestamps, whatever it does to addresses, ports and SSRC), or when its packets carry the payloads of one that
//! comes in, at a constant distance of timestamps (a B2BUA numbers anew). What neither shows is not matched: never a guess.

mod link;
mod seek;

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::fetch::fetch;
use crate::time::Timestamp;
use crate::wire::rtp::Packet;

use super::Media;
use super::key::Key;
use super::sequence::Arrival;
use super::slots::Slots;

use link::{Entered, Link};
use seek::Seen;

pub use link::Totals;

/// An outgoing stream looks for its source in so many packets at its start, or when the link is lost.
const SEEK_PACKETS: u16 = 256;
/// And in so many at the start of each interval: the two streams of a B2BUA begin together, and so do their intervals.
const SEEK_AGAIN: u16 = 64;
/// Packets of an incoming stream whose payloads are shown at its start, and in each interval.
const SHOW_PACKETS: u16 = 64;

/// A stream that has no link.
pub const NONE: u32 = u32::MAX;

/// What a stream has to do with relaying; all of it zero for most.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
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
        self.shows | self.seeks != 0 || self.is_linked()
    }

    #[inline(always)]
    fn is_linked(&self) -> bool {
        self.feeds & self.fed_by != NONE
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

/// All links of one worker.
#[derive(Debug, Default)]
pub struct Relays {
    links: Vec<Option<Box<Link>>>,
    free: Vec<u32>,
    /// Streams that end at this host.
    by_ssrc: Slots,
    recent: Vec<Option<Seen>>,
    /// What links that were given up have measured, by the outgoing stream.
    past: HashMap<u32, RelayReport, RandomState>,
}

impl Relays {
    /// Links that hold; there are no more than streams.
    pub fn len(&self) -> usize {
        self.links.len() - self.free.len()
    }
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
            // What does not come in is not listed by its SSRC: it cannot be told when another comes.
            stream.has_fellow |= !may_feed;
        }
        let fellow = self.relays.by_ssrc.of(key.ssrc).first().copied();
        self.become_fellows(at, fellow);
        if may_feed {
            self.relays.by_ssrc.insert(key.ssrc, at);
        }
    }

    /// Asks for what a packet of a stream that may be relayed needs; the stream's front has been fetched before.
    #[inline(always)]
    pub(super) fn fetch_relaying(&self, at: u32, packet: &Packet) {
        if let Some(stream) = self.streams.get(at).filter(|stream| stream.may_be_relayed) {
            fetch(&stream.relay, 1);
            self.relays.fetch_recent(packet);
        }
    }

    /// A packet of a stream that is relayed, or may be.
    #[inline(never)]
    pub(super) fn relay(&mut self, now: Timestamp, at: u32, packet: &Packet, arrival: Arrival, aside: bool) {
        if !matches!(arrival, Arrival::InOrder | Arrival::Reordered) || self.looks_in_vain(now, at, packet) {
            return;
        }
        self.relay_one(now, at, packet, aside);
        if let Some(stream) = self.streams.get_mut(at) {
            stream.may_be_relayed = stream.relay.is_active();
        }
    }

    fn relay_one(&mut self, now: Timestamp, at: u32, packet: &Packet, aside: bool) {
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
        let (entered, to) = (link.enter(now, packet), link.to);
        match entered {
            Entered::Inside | Entered::Back => {}
            Entered::Lost => self.count_lost(to, 1),
            Entered::Left(seconds) => self.count_passed(to, seconds),
        }
    }

    fn leave(&mut self, now: Timestamp, at: u32, link: u32, packet: &Packet, aside: bool) {
        let Some(Some(known)) = self.relays.links.get_mut(link as usize) else { return };
        if aside && known.by_timestamp {
            return;
        }
        let seconds = known.leave(now, packet);
        let broken = known.is_broken();
        match seconds {
            Some(seconds) => self.count_passed(at, seconds),
            None if broken => self.look_again(link, at),
            None => {}
        }
    }

    /// The outgoing stream has left the incoming one: both look for others, what was measured stays.
    fn look_again(&mut self, link: u32, to: u32) {
        let Some(Some(known)) = self.relays.links.get_mut(link as usize) else { return };
        // What is inside was not lost: it is not known where it went.
        known.forget();
        let from = known.from;
        if let Some(report) = self.unlink(link) {
            self.relays.past.insert(to, report);
        }
        if let Some(stream) = self.streams.get_mut(to) {
            stream.relay.seeks = SEEK_PACKETS;
            (stream.relay.candidate, stream.relay.agreed) = (NONE, 0);
        }
        if let Some(stream) = self.streams.get_mut(from) {
            stream.relay.shows = SHOW_PACKETS;
            stream.may_be_relayed = true;
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

    /// Puts two streams together; `entered` is a packet that came in before, and when.
    fn link(&mut self, from: u32, to: u32, by_timestamp: bool, offset: u32, arrived: Timestamp, entered: &Packet) {
        let Some(from_key) = self.streams.get(from).map(|stream| stream.key) else { return };
        let mut link = Box::new(Link::new(from, from_key, to, by_timestamp, offset));
        if let Some(past) = self.relays.past.remove(&to) {
            link.totals = past.totals;
        }
        link.enter(arrived, entered);
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
        let past = self.relays.past.remove(&at);
        self.unlink(role.fed_by).or(past).filter(|report| report.totals.packets > 0)
    }
}

#[cfg(test)]
mod tests;

//! IP fragments back to datagrams (RFC 791 section 3.2, RFC 8200 section 4.5), bounded in number, bytes and time.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::arrivals::{Arrival, Arrivals};
use crate::generations::Generations;
use crate::time::Timestamp;

use super::Ip;
use super::point::{Point, SEEN_TWICE_NANOS, Way};

/// RFC 8200 section 4.5 waits 60 s; Linux 30 s. A SIP transaction has timed out by then.
const EXPIRY_NANOS: i64 = 30_000_000_000;
/// Datagrams under way, and the bytes of all of them: a SIP host sees a few at a time, a flood as many as it likes.
const MAX_DATAGRAMS: usize = 1024;
const MAX_BYTES: usize = 4 << 20;
/// Pieces of one datagram; 64 KiB in 1,280 byte packets are 52.
const MAX_PIECES: usize = 64;
/// The most that offset and length can name (RFC 791 section 3.2).
const MAX_LENGTH: usize = 65_535;

/// What makes fragments pieces of one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub source: Ip,
    pub destination: Ip,
    /// RFC 791 section 3.2 has it in the key; of IPv6 it is what the fragment header names.
    pub protocol: u8,
    /// 16 bits in IPv4, 32 in IPv6; the addresses tell them apart.
    pub id: u32,
}

/// A piece of a datagram.
#[derive(Clone, Copy, Debug)]
pub struct Fragment<'a> {
    pub key: Key,
    /// Where it belongs, bytes.
    pub offset: usize,
    /// Whether others follow behind it.
    pub more: bool,
    pub payload: &'a [u8],
    pub(super) way: Way,
}

/// What became of a fragment.
#[derive(Debug, PartialEq, Eq)]
pub enum Assembly {
    /// Kept; others are missing.
    Waiting,
    /// It was the last that was missing: what the IP packet carried, from the transport header on.
    Whole(Vec<u8>),
    /// So many fragments, this one among them, will never be a datagram.
    Refused(u64),
    /// The same fragment was there before, at another point of its way.
    SeenTwice,
}

/// Fragments that are lost, and the interface that they came from.
pub type Lost = (usize, u64);

#[derive(Debug)]
struct Partial {
    arrival: Arrival,
    started: Timestamp,
    interface: usize,
    bytes: Vec<u8>,
    /// In order.
    pieces: Vec<Piece>,
    length: Option<usize>,
    frames: u64,
}

/// Where a piece begins and ends, and where it was seen.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: usize,
    end: usize,
    point: Point,
}

impl Piece {
    fn new(fragment: &Fragment<'_>) -> Piece {
        let (start, end) = (fragment.offset, fragment.offset + fragment.payload.len());
        Piece { start, end, point: fragment.way.point() }
    }

    /// The one of these that has the same place.
    fn among(self, pieces: &[Piece]) -> Option<Piece> {
        pieces.iter().find(|other| (other.start, other.end) == (self.start, self.end)).copied()
    }
}

/// Datagrams of which pieces are still missing.
#[derive(Debug)]
pub struct Fragments {
    partial: HashMap<Key, Partial, RandomState>,
    /// Pieces of datagrams that are whole: other points of their way may still send theirs.
    whole: Generations<Key, (Timestamp, Vec<Piece>)>,
    arrivals: Arrivals<Key>,
    bytes: usize,
    pub evicted: u64,
    lost: Vec<Lost>,
}

impl Default for Fragments {
    fn default() -> Self {
        Fragments {
            partial: HashMap::default(),
            whole: Generations::new(MAX_DATAGRAMS, SEEN_TWICE_NANOS),
            arrivals: Arrivals::default(),
            bytes: 0,
            evicted: 0,
            lost: Vec::new(),
        }
    }
}

impl Fragments {
    /// Datagrams of which pieces wait here.
    pub fn waiting(&self) -> usize {
        self.partial.len()
    }

    /// Takes a fragment that came in on `interface`.
    pub fn take(&mut self, now: Timestamp, interface: usize, fragment: &Fragment<'_>) -> Assembly {
        let end = fragment.offset + fragment.payload.len();
        // All but the last are multiples of eight bytes (RFC 791 section 3.2).
        if end > MAX_LENGTH
            || fragment.payload.is_empty()
            || (fragment.more && !fragment.payload.len().is_multiple_of(8))
        {
            return Assembly::Refused(1);
        }
        let piece = Piece::new(fragment);
        if !self.partial.contains_key(&fragment.key) {
            if self.was_whole(now, &fragment.key, piece) {
                return Assembly::SeenTwice;
            }
            self.begin(now, interface, fragment.key);
        }
        let Some(partial) = self.partial.get_mut(&fragment.key) else { return Assembly::Refused(1) };
        if piece.among(&partial.pieces).is_some_and(|other| other.point != piece.point) {
            return Assembly::SeenTwice;
        }
        partial.frames += 1;
        let before = partial.bytes.len();
        let fits = partial.place(fragment, piece);
        let (grown, whole) = (partial.bytes.len() - before, partial.is_whole());
        self.bytes += grown;
        if fits && !whole {
            while self.bytes > MAX_BYTES && self.give_way() {}
            return Assembly::Waiting;
        }
        let Some(done) = self.remove(&fragment.key) else { return Assembly::Refused(1) };
        if !fits {
            return Assembly::Refused(done.frames);
        }
        self.whole.turn(now);
        self.whole.put(fragment.key, (now, done.pieces));
        Assembly::Whole(done.bytes)
    }

    /// Whether this piece of a datagram that is whole was seen just now, at another point.
    fn was_whole(&self, now: Timestamp, key: &Key, piece: Piece) -> bool {
        let Some((at, pieces)) = self.whole.get(key) else { return false };
        now.nanos_since(*at) <= SEEN_TWICE_NANOS && piece.among(pieces).is_some_and(|other| other.point != piece.point)
    }

    fn begin(&mut self, now: Timestamp, interface: usize, key: Key) {
        let arrived = |key: &Key| self.partial.get(key).map(|partial| partial.arrival);
        let arrival = self.arrivals.enter(key, MAX_DATAGRAMS, arrived);
        if self.partial.len() >= MAX_DATAGRAMS {
            self.give_way();
        }
        let (bytes, pieces) = (Vec::new(), Vec::new());
        let partial = Partial { arrival, started: now, interface, bytes, pieces, length: None, frames: 0 };
        self.partial.insert(key, partial);
    }

    /// The oldest makes room; false where none is left.
    fn give_way(&mut self) -> bool {
        let oldest = self.arrivals.oldest(|key| self.partial.get(key).map(|partial| partial.arrival));
        let Some(oldest) = oldest.and_then(|key| self.remove(&key)) else { return false };
        self.evicted += 1;
        self.lost.push((oldest.interface, oldest.frames));
        true
    }

    fn remove(&mut self, key: &Key) -> Option<Partial> {
        let partial = self.partial.remove(key)?;
        self.bytes -= partial.bytes.len();
        Some(partial)
    }

    /// Gives up what has waited too long.
    pub fn expire(&mut self, now: Timestamp) {
        let old = |partial: &Partial| now.nanos_since(partial.started) > EXPIRY_NANOS;
        let keys: Vec<Key> = self.partial.iter().filter(|(_, partial)| old(partial)).map(|(key, _)| *key).collect();
        self.give_up(keys);
    }

    /// The capture is over: nothing that is missing will come.
    pub fn finish(&mut self) {
        let keys = self.partial.keys().copied().collect();
        self.give_up(keys);
    }

    fn give_up(&mut self, keys: Vec<Key>) {
        for partial in keys.iter().filter_map(|key| self.remove(key)).collect::<Vec<_>>() {
            self.lost.push((partial.interface, partial.frames));
        }
    }

    /// Fragments that were given up since the last call.
    pub fn take_lost(&mut self) -> Vec<Lost> {
        std::mem::take(&mut self.lost)
    }
}

impl Partial {
    /// Puts a piece in its place. The same piece again is fine; any other overlap spoils the datagram (RFC 5722).
    fn place(&mut self, fragment: &Fragment<'_>, piece: Piece) -> bool {
        let end = piece.end;
        if piece.among(&self.pieces).is_some() {
            return true;
        }
        let overlaps = self.pieces.iter().any(|other| piece.start < other.end && other.start < end);
        let beyond = self.length.is_some_and(|length| end > length);
        let second_end = !fragment.more && (self.length.is_some() || self.bytes.len() > end);
        if overlaps || beyond || second_end || self.pieces.len() >= MAX_PIECES {
            return false;
        }
        if !fragment.more {
            self.length = Some(end);
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[piece.start..end].copy_from_slice(fragment.payload);
        let at = self.pieces.partition_point(|other| other.start < piece.start);
        self.pieces.insert(at, piece);
        true
    }

    /// Whether the pieces, none of which overlap, fill the whole length.
    fn is_whole(&self) -> bool {
        let filled: usize = self.pieces.iter().map(|piece| piece.end - piece.start).sum();
        self.length == Some(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u32) -> Key {
        Key { source: Ip::v4([1; 4]), destination: Ip::v4([2; 4]), protocol: 17, id }
    }

    fn piece(id: u32, offset: usize, more: bool, payload: &[u8]) -> Fragment<'_> {
        Fragment { key: key(id), offset, more, payload, way: Way::START }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn pieces_in_any_order_make_the_datagram_once() {
        let mut fragments = Fragments::default();
        assert_eq!(fragments.take(at(0), 0, &piece(1, 16, false, b"end")), Assembly::Waiting);
        assert_eq!(fragments.take(at(0), 0, &piece(1, 8, true, b"middle..")), Assembly::Waiting);
        assert_eq!(fragments.take(at(0), 0, &piece(1, 8, true, b"middle..")), Assembly::Waiting);
        let whole = fragments.take(at(0), 0, &piece(1, 0, true, b"start..."));
        assert_eq!(whole, Assembly::Whole(b"start...middle..end".to_vec()));
        assert_eq!((fragments.waiting(), fragments.bytes), (0, 0));
    }

    #[test]
    fn a_copy_from_another_point_is_told_from_one_from_the_same() {
        let mut fragments = Fragments::default();
        let from = |interface: usize, offset: usize, more: bool| {
            let fragment = piece(1, offset, more, b"12345678");
            Fragment { way: fragment.way.on(interface), ..fragment }
        };
        // A router that passes each fragment on at once, seen on both sides.
        assert_eq!(fragments.take(at(0), 0, &from(0, 0, true)), Assembly::Waiting);
        assert_eq!(fragments.take(at(0), 1, &from(1, 0, true)), Assembly::SeenTwice);
        assert!(matches!(fragments.take(at(0), 0, &from(0, 8, false)), Assembly::Whole(_)));
        assert_eq!(fragments.take(at(0), 1, &from(1, 8, false)), Assembly::SeenTwice);
        // The same datagram again, at the same point or much later.
        assert_eq!(fragments.take(at(0), 0, &from(0, 0, true)), Assembly::Waiting);
        assert!(matches!(fragments.take(at(0), 0, &from(0, 8, false)), Assembly::Whole(_)));
        assert_eq!(fragments.take(at(1), 1, &from(1, 0, true)), Assembly::Waiting);
    }

    #[test]
    fn an_overlap_spoils_the_datagram() {
        let mut fragments = Fragments::default();
        assert_eq!(fragments.take(at(0), 0, &piece(1, 0, true, &[1; 16])), Assembly::Waiting);
        assert_eq!(fragments.take(at(0), 0, &piece(1, 8, false, &[2; 16])), Assembly::Refused(2));
        assert_eq!(fragments.take(at(0), 0, &piece(2, 65_528, false, &[2; 16])), Assembly::Refused(1));
        assert_eq!(fragments.take(at(0), 0, &piece(2, 0, true, &[2; 7])), Assembly::Refused(1));
        assert_eq!(fragments.waiting(), 0);
    }

    #[test]
    fn what_never_ends_is_given_up_and_counted() {
        let mut fragments = Fragments::default();
        fragments.take(at(0), 3, &piece(1, 0, true, &[1; 8]));
        fragments.expire(at(29));
        assert_eq!(fragments.waiting(), 1);
        fragments.expire(at(31));
        assert_eq!((fragments.waiting(), fragments.take_lost()), (0, vec![(3, 1)]));
    }

    #[test]
    fn a_flood_stays_within_the_caps() {
        let mut fragments = Fragments::default();
        for id in 0..5_000 {
            fragments.take(at(0), 0, &piece(id, 60_000, true, &[1; 8]));
            assert!(fragments.waiting() <= MAX_DATAGRAMS && fragments.bytes <= MAX_BYTES);
        }
        assert_eq!(fragments.evicted, 5_000 - fragments.waiting() as u64);
    }
}

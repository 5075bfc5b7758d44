//! One direction of a TCP connection: segments as they come to bytes in their order (RFC 9293 section 3.4).
//!
//! What came first wins where segments overlap. A gap is given up when the other end shows that it has what is missing here, when
//! it was open for too long, or when too much waits behind it.

use crate::time::Timestamp;

/// A segment that is further away belongs to another connection, or the capture stood still for long. Sixteen times the
/// largest window without scaling (RFC 7323 section 2).
const WINDOW: u32 = 1 << 20;
/// Pieces that wait behind gaps: their number, and bytes; as many as the longest message.
const MAX_PIECES: usize = 256;
const MAX_WAITING: usize = 320 << 10;
/// What a piece takes beside its bytes.
const PIECE: usize = size_of::<Piece>();
/// An acknowledgment of bytes that were not seen: how long they may still come, since captures reorder. Linux sends nothing again
/// before this time (TCP_RTO_MIN).
const GRACE_NANOS: i64 = 200_000_000;
/// Without acknowledgment: two retransmissions from the start value of 1 s (RFC 6298 sections 2.1, 5.5).
const PATIENCE_NANOS: i64 = 3_000_000_000;

/// Bytes that wait for those before them.
#[derive(Debug)]
pub struct Piece {
    sequence: u32,
    /// Its length on the wire; more than its bytes where the capture cut the segment.
    length: u32,
    pub time: Timestamp,
    pub bytes: Vec<u8>,
}

impl Piece {
    /// Bytes behind it that the capture cut off.
    pub fn cut(&self) -> usize {
        self.length as usize - self.bytes.len()
    }
}

/// What became of a segment.
#[derive(Debug, PartialEq, Eq)]
pub enum Placed<'a> {
    /// All of it was there before.
    Old,
    /// It is kept until what is before it has come, or has been given up.
    Waiting,
    /// It is next, and nothing waits; so many bytes behind it were cut off.
    Next { bytes: &'a [u8], cut: usize },
    /// Far from everything that was seen.
    Elsewhere,
}

#[derive(Debug, Default)]
pub struct Order {
    /// Sequence number of the next byte; none before the first.
    next: Option<u32>,
    /// Sequence number of the very first byte, where SYN was seen.
    begin: Option<u32>,
    /// Of the byte behind the last.
    end: Option<u32>,
    /// In their order, none of which overlap.
    pieces: Vec<Piece>,
    waiting: usize,
    /// When the first gap opened, and when it was seen that the other end has what is missing.
    since: Timestamp,
    received_since: Option<Timestamp>,
    /// What the other end has received, and what it had when it last said something itself.
    acknowledged: Option<u32>,
    answered: Option<u32>,
}

/// How far `a` is ahead of `b`; sequence numbers wrap around.
fn ahead(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b) as i32
}

impl Order {
    /// Whether no byte was seen yet.
    pub fn is_new(&self) -> bool {
        self.next.is_none()
    }

    /// Whether the connection was seen from its first byte on.
    pub fn is_from_start(&self) -> bool {
        self.begin.is_some()
    }

    /// Whether SYN with this number began what is followed here.
    pub fn began_with(&self, syn: u32) -> bool {
        self.begin == Some(syn.wrapping_add(1))
    }

    /// Memory that waits here, bytes.
    pub fn bytes(&self) -> usize {
        self.waiting + self.pieces.capacity() * PIECE
    }

    /// Takes a segment's payload. `begin` is the number of the first byte, where it is known and no byte was seen yet.
    pub fn place<'a>(
        &mut self,
        now: Timestamp,
        sequence: u32,
        begin: Option<u32>,
        payload: &'a [u8],
        length: usize,
    ) -> Placed<'a> {
        let next = match self.next {
            Some(next) => next,
            None => {
                // What is left of another connection on these ports is no beginning of this one.
                self.begin = begin.filter(|begin| ahead(sequence, *begin).unsigned_abs() <= WINDOW);
                self.begin.unwrap_or(sequence)
            }
        };
        self.next = Some(next);
        let distance = ahead(sequence, next);
        if distance.unsigned_abs() > WINDOW || length > WINDOW as usize {
            return Placed::Elsewhere;
        }
        let old = if distance < 0 { distance.unsigned_abs() as usize } else { 0 };
        if old >= length {
            return Placed::Old;
        }
        let (bytes, length) = (payload.get(old..).unwrap_or(&[]), length - old);
        if distance <= 0 && self.pieces.is_empty() {
            self.next = Some(next.wrapping_add(length as u32));
            return Placed::Next { bytes, cut: length - bytes.len() };
        }
        if self.pieces.is_empty() {
            self.since = now;
        }
        self.keep(now, distance.max(0) as u32, next, bytes, length as u32);
        Placed::Waiting
    }

    /// Keeps what of a segment is not there yet; `from` counts from `next`.
    fn keep(&mut self, now: Timestamp, from: u32, next: u32, bytes: &[u8], length: u32) {
        let end = from + length;
        let mut at = from;
        let mut index = 0;
        while at < end {
            let there = self.pieces.get(index).map(|piece| {
                let start = piece.sequence.wrapping_sub(next);
                (start, start + piece.length)
            });
            let stop = there.map_or(end, |(start, _)| start.clamp(at, end));
            if stop > at {
                let range = (at - from) as usize..bytes.len().min((stop - from) as usize);
                let bytes = bytes.get(range).unwrap_or(&[]).to_vec();
                self.waiting += bytes.len();
                let piece = Piece { sequence: next.wrapping_add(at), length: stop - at, time: now, bytes };
                self.pieces.insert(index, piece);
                index += 1;
            }
            at = there.map_or(end, |(_, end)| end.max(at));
            index += 1;
        }
    }

    /// The next piece, if all before it has come.
    pub fn ready(&mut self, now: Timestamp) -> Option<Piece> {
        let next = self.next?;
        if self.pieces.first()?.sequence != next {
            return None;
        }
        let piece = self.pieces.remove(0);
        self.waiting -= piece.bytes.len();
        if self.pieces.is_empty() {
            self.pieces = Vec::new();
        }
        (self.since, self.received_since) = (now, None);
        self.next = Some(next.wrapping_add(piece.length));
        Some(piece)
    }

    /// What the other end says that it has received; `answers` when it says something else too.
    pub fn acknowledge(&mut self, number: u32, answers: bool) {
        let latest = |before: Option<u32>| Some(before.filter(|before| ahead(*before, number) > 0).unwrap_or(number));
        self.acknowledged = latest(self.acknowledged);
        if answers {
            self.answered = latest(self.answered);
        }
    }

    /// Gives up the first gap if it will not be filled, or if it `must` be: its length.
    pub fn give_up(&mut self, now: Timestamp, must: bool) -> Option<usize> {
        let (next, first) = (self.next?, self.pieces.first()?.sequence);
        let covers = |number: Option<u32>| number.is_some_and(|number| ahead(number, first) >= 0);
        // An answer shows that the request was there; a bare acknowledgment may have overtaken it in the capture.
        let received = covers(self.answered)
            || covers(self.acknowledged) && now.nanos_since(*self.received_since.get_or_insert(now)) >= GRACE_NANOS;
        let too_much = self.waiting > MAX_WAITING || self.pieces.len() > MAX_PIECES;
        if !(must || received || too_much || now.nanos_since(self.since) >= PATIENCE_NANOS) {
            return None;
        }
        (self.since, self.received_since) = (now, None);
        self.next = Some(first);
        Some(first.wrapping_sub(next) as usize)
    }

    /// FIN: no byte comes behind `number`.
    pub fn ends_at(&mut self, number: u32) {
        self.end = Some(number);
    }

    /// Whether all that the sender had to send has come, or never sent anything.
    pub fn is_at_end(&self) -> bool {
        self.end.is_some() && (self.next.is_none() || self.next == self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_nanos(millis * 1_000_000)
    }

    /// All that is ready, as text.
    fn drain(order: &mut Order) -> String {
        let pieces = std::iter::from_fn(|| order.ready(at(0)));
        pieces.map(|piece| String::from_utf8_lossy(&piece.bytes).into_owned()).collect()
    }

    #[test]
    fn what_is_next_is_not_kept() {
        let mut order = Order::default();
        assert_eq!(order.place(at(0), u32::MAX, None, b"ab", 2), Placed::Next { bytes: b"ab", cut: 0 });
        assert_eq!(order.place(at(0), 0, None, b"bcd", 5), Placed::Next { bytes: b"cd", cut: 2 });
        assert_eq!(order.place(at(0), 2, None, b"xy", 2), Placed::Old);
        assert_eq!(order.place(at(0), 5 + WINDOW + 1, None, b"far", 3), Placed::Elsewhere);
        assert_eq!(order.bytes(), 0);
    }

    #[test]
    fn pieces_fill_only_what_is_free_between_others() {
        let mut order = Order::default();
        for (sequence, bytes) in [(12, &b"CD"[..]), (16, b"GH"), (11, b"bcdefghij"), (13, b"!!!!"), (14, b"?")] {
            assert_eq!(order.place(at(0), sequence, Some(10), bytes, bytes.len()), Placed::Waiting);
        }
        assert_eq!(drain(&mut order), "");
        assert_eq!(order.place(at(0), 9, None, b"_ABC", 4), Placed::Waiting);
        assert_eq!(drain(&mut order), "AbCDefGHij");
        assert_eq!(order.bytes(), 0);
    }

    #[test]
    fn a_gap_is_given_up_for_an_answer_at_once_and_for_an_acknowledgment_later() {
        let gap = || {
            let mut order = Order::default();
            order.place(at(0), 20, Some(10), b"x", 1);
            order
        };
        let mut order = gap();
        order.acknowledge(19, true);
        assert_eq!(order.give_up(at(1), false), None);
        order.acknowledge(21, true);
        assert_eq!(order.give_up(at(1), false), Some(10));
        assert_eq!(drain(&mut order), "x");
        let mut order = gap();
        order.acknowledge(21, false);
        assert_eq!((order.give_up(at(1), false), order.give_up(at(200), false)), (None, None));
        assert_eq!(order.give_up(at(201), false), Some(10));
        let mut order = gap();
        assert_eq!((order.give_up(at(2_999), false), order.give_up(at(3_000), false)), (None, Some(10)));
    }
}

//! One direction of an SCTP association: chunks to messages (RFC 9260 section 6.9, RFC 4168).
//!
//! Messages come in the order in which they get whole. As with UDP, nothing waits for a message that was lost.

use std::borrow::Cow;

use crate::time::Timestamp;
use crate::wire::Transport;
use crate::wire::sctp::{Data, MessageId};
use crate::wire::sip::framing::{MAX_BODY, MAX_HEAD};
use crate::wire::sip::looks_like_text;

use super::Sink;
use super::numbers::Protocol;

/// Pieces that wait, and their bytes: as many as the longest message has in packets of 1,280 bytes.
const MAX_PIECES: usize = 256;
const MAX_WAITING: usize = MAX_HEAD + MAX_BODY;
/// What a piece takes beside its bytes.
const PIECE: usize = size_of::<Piece>();

#[derive(Debug)]
struct Piece {
    message: MessageId,
    number: u32,
    is_first: bool,
    is_last: bool,
    /// The capture has not all of it.
    is_cut: bool,
    time: Timestamp,
    bytes: Vec<u8>,
}

#[derive(Debug)]
pub struct Association {
    last_seen: Timestamp,
    seen: Seen,
    /// In the order in which they came.
    pieces: Vec<Piece>,
    waiting: usize,
    /// Bytes of pieces that gave way.
    lost: u64,
    on_sip_port: bool,
    proven: bool,
    unreadable: bool,
}

impl Association {
    pub fn new(on_sip_port: bool) -> Association {
        Association {
            last_seen: Timestamp::default(),
            seen: Seen::default(),
            pieces: Vec::new(),
            waiting: 0,
            lost: 0,
            on_sip_port,
            proven: false,
            unreadable: false,
        }
    }

    /// Whether SIP was in it.
    pub fn is_proven(&self) -> bool {
        self.proven
    }

    pub fn prove(&mut self, proven: bool) {
        self.proven = proven;
    }

    /// What is worth less goes first.
    pub fn value(&self) -> (bool, Timestamp) {
        (self.proven, self.last_seen)
    }

    /// Nanoseconds since the last data.
    pub fn idle(&self, now: Timestamp) -> i64 {
        now.nanos_since(self.last_seen)
    }

    /// Memory that pieces of messages take, bytes.
    pub fn bytes(&self) -> usize {
        self.waiting + self.pieces.capacity() * PIECE
    }

    /// Takes a chunk of data; one that was there before is a retransmission, or a copy.
    pub fn take<'a>(&mut self, data: &Data<'a>, sink: &mut Sink<'a, '_>) {
        self.last_seen = sink.time;
        if !self.seen.is_new(data.tsn) {
            return;
        }
        let is_cut = data.payload.len() < data.length;
        if data.is_first && data.is_last {
            return self.message(Cow::Borrowed(data.payload), is_cut, sink);
        }
        let bytes = data.payload.to_vec();
        self.waiting += bytes.len();
        self.pieces.push(Piece {
            message: data.message,
            number: data.piece,
            is_first: data.is_first,
            is_last: data.is_last,
            is_cut,
            time: sink.time,
            bytes,
        });
        if let Some(whole) = self.whole(data) {
            self.assemble(&whole, sink);
        }
        while self.pieces.len() > MAX_PIECES || self.waiting > MAX_WAITING {
            let given_up = self.pieces.remove(0);
            self.forget(&given_up);
        }
        self.shrink();
        sink.numbers.lost_bytes += std::mem::take(&mut self.lost);
    }

    fn forget(&mut self, piece: &Piece) {
        self.waiting -= piece.bytes.len();
        self.lost += piece.bytes.len() as u64;
    }

    /// Places of all pieces of the message that `data` is a piece of, in their order, if none is missing.
    fn whole(&self, data: &Data<'_>) -> Option<Vec<usize>> {
        let of_message = |piece: &&(usize, &Piece)| piece.1.message == data.message;
        let pieces: Vec<_> = self.pieces.iter().enumerate().collect();
        let ends = [|piece: &Piece| piece.is_first, |piece: &Piece| piece.is_last];
        if !ends.iter().all(|end| pieces.iter().filter(of_message).any(|(_, piece)| end(piece))) {
            return None;
        }
        // Numbers wrap around: their order is that of their distance from this piece's.
        let distance = |piece: &Piece| piece.number.wrapping_sub(data.piece) as i32;
        let mut run: Vec<_> = pieces.iter().filter(of_message).map(|(at, piece)| (distance(piece), *at)).collect();
        run.sort_unstable();
        let here = run.iter().position(|(distance, _)| *distance == 0)?;
        let follows = |one: usize, next: usize| run[next].0.wrapping_sub(run[one].0) == 1;
        let mut first = here;
        while !self.pieces[run[first].1].is_first {
            first = first.checked_sub(1).filter(|before| follows(*before, first))?;
        }
        let mut last = here;
        while !self.pieces[run[last].1].is_last {
            last = Some(last + 1).filter(|next| *next < run.len() && follows(last, *next))?;
        }
        Some(run[first..=last].iter().map(|(_, at)| *at).collect())
    }

    fn assemble(&mut self, places: &[usize], sink: &mut Sink<'_, '_>) {
        let mut message = Vec::new();
        let mut is_cut = false;
        for piece in places.iter().filter_map(|at| self.pieces.get(*at)) {
            // Behind what was cut nothing stands where it should.
            if !is_cut {
                message.extend_from_slice(&piece.bytes);
            }
            is_cut |= piece.is_cut;
        }
        let mut at = 0;
        let waiting = &mut self.waiting;
        self.pieces.retain(|piece| {
            let done = places.contains(&at);
            at += 1;
            if done {
                *waiting -= piece.bytes.len();
            }
            !done
        });
        self.message(Cow::Owned(message), is_cut, sink);
    }

    /// The payload protocol identifier is not asked: senders put there what they like.
    fn message<'a>(&mut self, bytes: Cow<'a, [u8]>, is_cut: bool, sink: &mut Sink<'a, '_>) {
        if looks_like_text(&bytes) {
            sink.message(Transport::Sctp, bytes, is_cut);
        } else if self.on_sip_port && !self.unreadable && !self.proven {
            self.unreadable = true;
            sink.numbers.unreadable(Protocol::Other);
        }
    }

    /// Gives up pieces older than `nanos`: bytes that nobody will read.
    pub fn give_up(&mut self, now: Timestamp, nanos: i64) -> u64 {
        while let Some(oldest) = self.pieces.first()
            && now.nanos_since(oldest.time) >= nanos
        {
            let given_up = self.pieces.remove(0);
            self.forget(&given_up);
        }
        self.shrink();
        std::mem::take(&mut self.lost)
    }

    fn shrink(&mut self) {
        if self.pieces.is_empty() {
            self.pieces = Vec::new();
        }
    }
}

/// Which of the last transmission sequence numbers were there.
#[derive(Debug, Default)]
struct Seen {
    highest: Option<u32>,
    /// Bit n: `highest` - n.
    bits: [u64; 4],
}

impl Seen {
    const WINDOW: u32 = 256;

    /// Whether a number was not there before; what is too far back counts as old.
    fn is_new(&mut self, tsn: u32) -> bool {
        let highest = *self.highest.get_or_insert(tsn.wrapping_sub(1));
        let ahead = tsn.wrapping_sub(highest) as i32;
        if ahead > 0 {
            self.shift(ahead.unsigned_abs());
            self.highest = Some(tsn);
        }
        let back = if ahead > 0 { 0 } else { ahead.unsigned_abs() };
        if back >= Self::WINDOW {
            return false;
        }
        let (word, bit) = ((back / 64) as usize, 1u64 << (back % 64));
        let is_new = self.bits[word] & bit == 0;
        self.bits[word] |= bit;
        is_new
    }

    fn shift(&mut self, count: u32) {
        let count = count.min(Self::WINDOW);
        let (words, bits) = ((count / 64) as usize, count % 64);
        for word in (0..4usize).rev() {
            let from = |at: Option<usize>| at.map_or(0, |at| self.bits[at]);
            let high = from(word.checked_sub(words)) << bits;
            let low = from(word.checked_sub(words + 1)).checked_shr(64 - bits).unwrap_or(0);
            self.bits[word] = high | low;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_new_once_around_the_wrap_too() {
        let mut seen = Seen::default();
        let start = u32::MAX - 300;
        for n in 0..600u32 {
            let tsn = start.wrapping_add(n);
            assert!(seen.is_new(tsn) && !seen.is_new(tsn), "{n}");
            if n >= 255 {
                assert!(!seen.is_new(tsn.wrapping_sub(255)) && !seen.is_new(tsn.wrapping_sub(256)));
            }
        }
        let ahead = start.wrapping_add(700);
        assert!(seen.is_new(ahead) && seen.is_new(ahead.wrapping_sub(64)) && !seen.is_new(ahead.wrapping_sub(110)));
        assert!(seen.is_new(ahead.wrapping_sub(100)));
    }
}

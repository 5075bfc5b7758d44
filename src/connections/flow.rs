//! A TCP connection: two directions, what protocol they speak, and how long there is a point in listening.

use std::borrow::Cow;

use crate::time::Timestamp;
use crate::wire::Endpoint;
use crate::wire::tcp::Segment;
use crate::wire::websocket;

use super::Out;
use super::framer::Framer;
use super::frames::{self, Frames};
use super::numbers::{Protocol, Reason};
use super::order::{Order, Placed};

#[derive(Debug)]
enum Reader {
    Sip(Framer),
    WebSocket(Box<Frames>),
}

#[derive(Debug)]
struct Side {
    order: Order,
    reader: Reader,
}

#[derive(Debug)]
pub struct Flow {
    ends: [Endpoint; 2],
    /// What the first end sends, and what the second one does.
    sides: [Side; 2],
    last_seen: Timestamp,
    on_sip_port: bool,
    /// SIP was in it.
    proven: bool,
    /// There is no SIP that could be read; counted, and kept so that it is counted once.
    unreadable: bool,
    refused: bool,
    closed: bool,
}

/// What a connection begins with.
enum Kind {
    Tls,
    /// HTTP that may turn into WebSocket.
    Http,
    Frames,
    Unknown,
}

fn kind(bytes: &[u8]) -> Kind {
    match *bytes {
        // TLSPlaintext.type, and the major version (RFC 8446 section 5.1).
        [20..=24, 3, ..] | [22] => Kind::Tls,
        [b'G' | b'H', ..] if websocket::begins_upgrade(bytes) => Kind::Http,
        [0x01 | 0x02 | 0x81 | 0x82, ..] if frames::begins_with_sip(bytes) => Kind::Frames,
        _ => Kind::Unknown,
    }
}

impl Flow {
    pub fn new(ends: [Endpoint; 2], on_sip_port: bool) -> Flow {
        let side = || Side { order: Order::default(), reader: Reader::Sip(Framer::new(false, on_sip_port)) };
        Flow {
            ends,
            sides: [side(), side()],
            last_seen: Timestamp::default(),
            on_sip_port,
            proven: false,
            unreadable: false,
            refused: false,
            closed: false,
        }
    }

    pub fn ends(&self) -> &[Endpoint; 2] {
        &self.ends
    }

    fn side_of(&self, segment: &Segment<'_>) -> usize {
        usize::from(segment.source != self.ends[0])
    }

    /// Whether the sender of a segment has sent nothing before.
    pub fn is_new(&self, segment: &Segment<'_>) -> bool {
        self.sides[self.side_of(segment)].order.is_new()
    }

    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether it is none of SIP's, and nobody expected it to be.
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// Nanoseconds since the last segment.
    pub fn idle(&self, now: Timestamp) -> i64 {
        now.nanos_since(self.last_seen)
    }

    /// What is worth less goes first.
    pub fn value(&self) -> (bool, bool, Timestamp) {
        (!self.closed, self.proven, self.last_seen)
    }

    /// Memory that pieces of messages take, bytes.
    pub fn bytes(&self) -> usize {
        let of = |side: &Side| {
            side.order.bytes()
                + match &side.reader {
                    Reader::Sip(framer) => framer.bytes(),
                    Reader::WebSocket(frames) => frames.bytes(),
                }
        };
        of(&self.sides[0]) + of(&self.sides[1])
    }

    /// Whether a SYN begins another connection on the same ports.
    pub fn is_restarted_by(&self, syn: &Segment<'_>) -> bool {
        let side = self.side_of(syn);
        let order = &self.sides[side].order;
        // The answer to a SYN may come late, when the client's data is there already.
        let first_answer = syn.is_ack() && order.is_new();
        !first_answer && !order.began_with(syn.sequence)
    }

    /// Takes a segment; `begin` is the sequence number of its sender's first byte, if it is known and nothing came before.
    pub fn segment<'a>(&mut self, now: Timestamp, segment: &Segment<'a>, begin: Option<u32>, out: &mut Out<'a, '_>) {
        self.last_seen = now;
        let side = self.side_of(segment);
        if self.unreadable && !self.becomes_readable(segment) {
            self.closed |= segment.is_reset() || segment.is_fin();
            return;
        }
        if segment.is_ack() {
            self.sides[1 - side].order.acknowledge(segment.acknowledgment, segment.length > 0);
            self.settle_side(1 - side, now, false, out);
        }
        let first = segment.sequence.wrapping_add(u32::from(segment.is_syn()));
        if segment.length > 0 {
            self.closed = false;
            self.payload(side, now, (first, begin), segment, out);
        }
        if segment.is_fin() {
            self.sides[side].order.ends_at(first.wrapping_add(segment.length as u32));
        }
        if segment.is_reset() {
            self.finish(now, out);
            self.closed = true;
        } else if self.sides.iter().any(|side| side.order.is_at_end()) {
            self.close(now, out);
        }
    }

    /// Another protocol may have come to an end, and SIP begun: a connection whose ports were used again.
    fn becomes_readable(&mut self, segment: &Segment<'_>) -> bool {
        if !super::may_carry_sip(segment.payload) {
            return false;
        }
        *self = Flow { last_seen: self.last_seen, ..Flow::new(self.ends, self.on_sip_port) };
        true
    }

    fn payload<'a>(
        &mut self,
        side: usize,
        now: Timestamp,
        (first, begin): (u32, Option<u32>),
        segment: &Segment<'a>,
        out: &mut Out<'a, '_>,
    ) {
        let order = &mut self.sides[side].order;
        let is_new = order.is_new();
        let mut placed = order.place(now, first, begin, segment.payload, segment.length);
        if placed == Placed::Elsewhere {
            self.finish_side(side, now, out);
            if self.proven {
                out.numbers.resynchronised(Reason::Gap);
            }
            let reader = match self.sides[side].reader {
                Reader::Sip(_) => Reader::Sip(Framer::new(false, self.on_sip_port)),
                Reader::WebSocket(_) => Reader::WebSocket(Box::new(Frames::in_the_middle())),
            };
            self.sides[side] = Side { order: Order::default(), reader };
            placed = self.sides[side].order.place(now, first, None, segment.payload, segment.length);
        } else if is_new
            && self.sides[side].order.is_from_start()
            && let Reader::Sip(framer) = &mut self.sides[side].reader
        {
            *framer = Framer::new(true, self.on_sip_port);
        }
        if let Placed::Next { bytes, cut } = placed {
            self.read(side, now, Cow::Borrowed(bytes), cut, out);
        }
        self.settle_side(side, now, false, out);
    }

    /// Reads bytes that are next, and passes over what the capture cut off behind them.
    fn read<'a>(&mut self, side: usize, time: Timestamp, bytes: Cow<'a, [u8]>, cut: usize, out: &mut Out<'a, '_>) {
        if !self.proven && matches!(&self.sides[side].reader, Reader::Sip(framer) if framer.is_open()) {
            self.recognise(side, kind(&bytes), out);
        }
        self.pass(side, time, bytes, out);
        // Another protocol than the first bytes promised: once, since what is refused then is counted.
        if let Reader::Sip(framer) = &mut self.sides[side].reader
            && framer.is_refused()
        {
            let bytes = framer.take();
            match kind(&bytes) {
                Kind::Unknown => self.refuse(Protocol::Other, out),
                kind => {
                    self.recognise(side, kind, out);
                    self.pass(side, time, Cow::Owned(bytes), out);
                }
            }
        }
        if let Reader::WebSocket(frames) = &self.sides[side].reader
            && let Some(protocol) = frames.refused()
        {
            self.refuse(protocol, out);
        }
        if cut > 0 {
            self.lost(side, time, cut, true, out);
        }
    }

    /// Changes to the readers of a protocol.
    fn recognise(&mut self, side: usize, kind: Kind, out: &mut Out<'_, '_>) {
        let (reader, other) = match kind {
            Kind::Unknown => return,
            Kind::Tls => return self.refuse(Protocol::Tls, out),
            Kind::Http => (Frames::behind_upgrade(), Frames::behind_upgrade()),
            Kind::Frames => (Frames::in_the_middle(), Frames::in_the_middle()),
        };
        let other = if self.sides[1 - side].order.is_new() { other } else { Frames::in_the_middle() };
        self.sides[side].reader = Reader::WebSocket(Box::new(reader));
        if !matches!(self.sides[1 - side].reader, Reader::WebSocket(_)) {
            self.sides[1 - side].reader = Reader::WebSocket(Box::new(other));
        }
    }

    /// There is no SIP to be read here.
    fn refuse(&mut self, protocol: Protocol, out: &mut Out<'_, '_>) {
        let speaks_sip = |side: &Side| matches!(&side.reader, Reader::WebSocket(frames) if frames.is_sip());
        // On other ports nobody asked for SIP, unless both ends agreed on it.
        if !self.on_sip_port && !self.sides.iter().any(speaks_sip) {
            self.refused = true;
            return;
        }
        out.numbers.unreadable(protocol);
        *self = Flow { unreadable: true, last_seen: self.last_seen, ..Flow::new(self.ends, self.on_sip_port) };
    }

    fn pass<'a>(&mut self, side: usize, time: Timestamp, bytes: Cow<'a, [u8]>, out: &mut Out<'a, '_>) {
        if self.unreadable || self.refused {
            return;
        }
        let (from, to) = (self.ends[side], self.ends[1 - side]);
        let mut sink = out.sink(time, from, to, &mut self.proven);
        match &mut self.sides[side].reader {
            Reader::Sip(framer) => framer.data(bytes, &mut sink),
            Reader::WebSocket(frames) => frames.data(bytes, &mut sink),
        }
    }

    fn lost(&mut self, side: usize, time: Timestamp, count: usize, cut: bool, out: &mut Out<'_, '_>) {
        if self.unreadable || self.refused {
            return;
        }
        let (from, to) = (self.ends[side], self.ends[1 - side]);
        let mut sink = out.sink(time, from, to, &mut self.proven);
        match &mut self.sides[side].reader {
            Reader::Sip(framer) => framer.lost(count, cut, &mut sink),
            Reader::WebSocket(frames) => frames.lost(count, &mut sink),
        }
        if self.proven && !cut {
            out.numbers.lost_bytes += count as u64;
        }
    }

    /// Gives up gaps that will not be filled.
    pub fn settle(&mut self, now: Timestamp, out: &mut Out<'_, '_>) {
        for side in 0..2 {
            self.settle_side(side, now, false, out);
        }
    }

    /// Reads what waited and is next now; `must`: all that waits.
    fn settle_side(&mut self, side: usize, now: Timestamp, must: bool, out: &mut Out<'_, '_>) {
        loop {
            let order = &mut self.sides[side].order;
            if let Some(piece) = order.ready(now) {
                let cut = piece.cut();
                self.read(side, piece.time, Cow::Owned(piece.bytes), cut, out);
            } else if let Some(count) = order.give_up(now, must) {
                self.lost(side, now, count, false, out);
            } else {
                break;
            }
        }
    }

    fn finish_side(&mut self, side: usize, now: Timestamp, out: &mut Out<'_, '_>) {
        self.settle_side(side, now, true, out);
        self.end(side, now, true, out);
    }

    /// Gives all that is there; nothing follows that belongs to it.
    pub fn finish(&mut self, now: Timestamp, out: &mut Out<'_, '_>) {
        for side in 0..2 {
            self.finish_side(side, now, out);
        }
    }

    /// Each side that has sent its last byte, and the connection when both have.
    fn close(&mut self, now: Timestamp, out: &mut Out<'_, '_>) {
        for side in 0..2 {
            if self.sides[side].order.is_at_end() {
                self.end(side, now, false, out);
            }
        }
        self.closed = self.sides.iter().all(|side| side.order.is_at_end());
    }

    fn end(&mut self, side: usize, now: Timestamp, cut: bool, out: &mut Out<'_, '_>) {
        let (from, to) = (self.ends[side], self.ends[1 - side]);
        let mut sink = out.sink(now, from, to, &mut self.proven);
        match &mut self.sides[side].reader {
            Reader::Sip(framer) => framer.end(cut, &mut sink),
            Reader::WebSocket(frames) => frames.end(&mut sink),
        }
    }
}

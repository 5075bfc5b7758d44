//! SIP over connections: TCP segments, WebSocket frames and SCTP chunks to whole messages. No clock, no I/O.

mod association;
mod beginnings;
mod flow;
mod framer;
mod frames;
mod held;
mod numbers;
mod order;
mod table;

use std::borrow::Cow;

use crate::cap::Cap;
use crate::time::Timestamp;
use crate::wire::sip::{Malformed, framing};
use crate::wire::tcp::Segment;
use crate::wire::{Endpoint, Transport, sctp, websocket};

use association::Association;
use beginnings::Beginnings;
use flow::Flow;
use numbers::Reason;
use table::Table;

pub use numbers::{FAMILIES, Numbers};

/// A connection that was closed stays so long, so that copies of its segments make no new one.
const LINGER_NANOS: i64 = 2_000_000_000;
/// Pieces of an SCTP message are given up after this time; a SIP transaction has timed out by then.
const FRAGMENT_NANOS: i64 = 32_000_000_000;

/// What the configuration says of connections.
#[derive(Clone, Debug)]
pub struct Settings {
    /// TCP connections, and SCTP associations, at the same time.
    pub max_flows: usize,
    pub max_buffered_bytes: usize,
    pub idle_nanos: i64,
}

/// Something that a connection carried.
#[derive(Debug)]
pub struct Carried<'a> {
    /// When the segment came that completed it.
    pub time: Timestamp,
    pub from: Endpoint,
    pub to: Endpoint,
    pub content: Content<'a>,
}

#[derive(Debug)]
pub enum Content<'a> {
    /// One SIP message; `cut`: the capture has not all of it.
    Message { transport: Transport, bytes: Cow<'a, [u8]>, cut: bool },
    /// Something is wrong with a message, or with what stands in place of one.
    Malformed(Malformed),
}

/// Where all that is found goes.
struct Out<'a, 's> {
    carried: &'s mut Vec<Carried<'a>>,
    numbers: &'s mut Numbers,
}

impl<'a> Out<'a, '_> {
    fn sink<'s>(&'s mut self, time: Timestamp, from: Endpoint, to: Endpoint, proven: &'s mut bool) -> Sink<'a, 's> {
        Sink { carried: self.carried, numbers: self.numbers, time, from, to, proven }
    }
}

/// Where the readers of one direction put what they find.
struct Sink<'a, 's> {
    carried: &'s mut Vec<Carried<'a>>,
    numbers: &'s mut Numbers,
    time: Timestamp,
    from: Endpoint,
    to: Endpoint,
    proven: &'s mut bool,
}

impl<'a> Sink<'a, '_> {
    fn message(&mut self, transport: Transport, bytes: Cow<'a, [u8]>, cut: bool) {
        *self.proven = true;
        self.put(Content::Message { transport, bytes, cut });
    }

    fn malformed(&mut self, reason: Malformed) {
        self.put(Content::Malformed(reason));
    }

    fn put(&mut self, content: Content<'a>) {
        self.carried.push(Carried { time: self.time, from: self.from, to: self.to, content });
    }

    /// Whether the connection has carried SIP.
    fn is_proven(&self) -> bool {
        *self.proven
    }

    fn resynchronised(&mut self, reason: Reason) {
        if *self.proven {
            self.numbers.resynchronised(reason);
        }
    }
}

/// All connections of one worker.
#[derive(Debug)]
pub struct Connections {
    settings: Settings,
    /// By their two ends, the lower one first.
    tcp: Table<[Endpoint; 2], Flow>,
    sctp: Table<(Endpoint, Endpoint, u32), Association>,
    tcp_bytes: usize,
    sctp_bytes: usize,
    /// Of both kinds of bytes together.
    buffer: Cap,
    beginnings: Beginnings,
    pub numbers: Numbers,
    evicted: [u64; 2],
}

impl Connections {
    pub fn new(settings: Settings) -> Connections {
        Connections {
            tcp: Table::new(settings.max_flows),
            sctp: Table::new(settings.max_flows),
            buffer: Cap::new(settings.max_buffered_bytes, 0),
            settings,
            tcp_bytes: 0,
            sctp_bytes: 0,
            beginnings: Beginnings::default(),
            numbers: Numbers::default(),
            evicted: [0; 2],
        }
    }

    /// Takes a TCP segment; `on_sip_port`: one of its ports is one of SIP.
    #[inline]
    pub fn segment<'a>(&mut self, now: Timestamp, segment: &Segment<'a>, on_sip_port: bool) -> Vec<Carried<'a>> {
        let mut ends = [segment.source, segment.destination];
        ends.sort_unstable();
        let mut out = Vec::new();
        let found = self.tcp.find(&ends);
        let known = match found {
            Some(at) if segment.is_syn() => self.restarts(now, at, segment, &mut out),
            found => found,
        };
        let at = match known {
            Some(at) => at,
            None if segment.length == 0 => {
                // A SYN leaves a number behind and no state: a flood of them costs nothing.
                if segment.is_syn() && on_sip_port {
                    self.beginnings.note(&ends, segment);
                }
                return out;
            }
            None if !on_sip_port && !may_carry_sip(segment.payload) => return out,
            None => self.begin(ends, on_sip_port),
        };
        self.deliver(now, at, segment, &mut out);
        out
    }

    /// SYN on the ports of a connection: a copy of its own, or the end of it. What is left of it.
    fn restarts<'a>(
        &mut self,
        now: Timestamp,
        at: u32,
        segment: &Segment<'a>,
        out: &mut Vec<Carried<'a>>,
    ) -> Option<u32> {
        let flow = self.tcp.get_mut(at)?;
        if !flow.is_restarted_by(segment) {
            return Some(at);
        }
        let before = flow.bytes();
        flow.finish(now, &mut Out { carried: out, numbers: &mut self.numbers });
        self.tcp_bytes = self.tcp_bytes + flow.bytes() - before;
        self.remove_flow(at);
        None
    }

    fn begin(&mut self, ends: [Endpoint; 2], on_sip_port: bool) -> u32 {
        if self.tcp.is_full() {
            self.evict_flow(|_| true);
        }
        self.tcp.insert(ends, Flow::new(ends, on_sip_port))
    }

    fn deliver<'a>(&mut self, now: Timestamp, at: u32, segment: &Segment<'a>, out: &mut Vec<Carried<'a>>) {
        let Some(flow) = self.tcp.get_mut(at) else { return };
        let begin = match segment.is_syn() {
            true => Some(segment.sequence.wrapping_add(1)),
            false if segment.length > 0 && flow.is_new(segment) => self.beginnings.take(flow.ends(), segment),
            false => None,
        };
        let before = flow.bytes();
        flow.segment(now, segment, begin, &mut Out { carried: out, numbers: &mut self.numbers });
        self.tcp_bytes = self.tcp_bytes + flow.bytes() - before;
        if flow.is_refused() {
            self.remove_flow(at);
        }
        self.keep_within_memory();
    }

    fn remove_flow(&mut self, at: u32) {
        if let Some(flow) = self.tcp.remove(at) {
            self.tcp_bytes -= flow.bytes();
        }
    }

    /// The least valuable makes room: closed, then never proven to be SIP, then silent for longest.
    fn evict_flow(&mut self, may: impl Fn(&Flow) -> bool) -> bool {
        let Some(at) = self.tcp.pick(may, Flow::value) else { return false };
        let closed = self.tcp.get_mut(at).is_some_and(|flow| flow.is_closed());
        self.evicted[0] += u64::from(!closed);
        self.remove_flow(at);
        true
    }

    fn evict_association(&mut self, may: impl Fn(&Association) -> bool) -> bool {
        let Some(at) = self.sctp.pick(may, Association::value) else { return false };
        self.evicted[1] += 1;
        self.remove_association(at);
        true
    }

    fn remove_association(&mut self, at: u32) {
        if let Some(association) = self.sctp.remove(at) {
            self.sctp_bytes -= association.bytes();
        }
    }

    /// Lets tables and buffers grow no further, while memory is short.
    pub fn hold(&mut self, on: bool) {
        self.tcp.hold(on);
        self.sctp.hold(on);
        self.buffer.hold(self.tcp_bytes + self.sctp_bytes, on);
    }

    fn keep_within_memory(&mut self) {
        while self.tcp_bytes + self.sctp_bytes > self.buffer.most() {
            let made_room = match self.tcp_bytes >= self.sctp_bytes {
                true => self.evict_flow(|flow| flow.bytes() > 0),
                false => self.evict_association(|association| association.bytes() > 0),
            };
            if !made_room {
                break;
            }
        }
    }

    /// Takes an SCTP packet.
    pub fn packet<'a>(&mut self, now: Timestamp, packet: &sctp::Packet<'a>, on_sip_port: bool) -> Vec<Carried<'a>> {
        let mut carried = Vec::new();
        let key = (packet.source, packet.destination, packet.verification_tag);
        for data in packet.data() {
            let at = match self.sctp.find(&key) {
                Some(at) => at,
                None if !(on_sip_port || data.is_first && framing::begins_message(data.payload)) => continue,
                None => {
                    if self.sctp.is_full() {
                        self.evict_association(|_| true);
                    }
                    self.sctp.insert(key, Association::new(on_sip_port))
                }
            };
            let Some(association) = self.sctp.get_mut(at) else { continue };
            let before = association.bytes();
            let mut proven = association.is_proven();
            let mut out = Out { carried: &mut carried, numbers: &mut self.numbers };
            association.take(&data, &mut out.sink(now, packet.source, packet.destination, &mut proven));
            association.prove(proven);
            self.sctp_bytes = self.sctp_bytes + association.bytes() - before;
            self.keep_within_memory();
        }
        carried
    }

    /// Does what time makes due: gaps that are not filled, connections that are over.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Carried<'static>> {
        let mut carried = Vec::new();
        for at in 0..self.tcp.slots() {
            let Some(flow) = self.tcp.get_mut(at) else { continue };
            let before = flow.bytes();
            let mut out = Out { carried: &mut carried, numbers: &mut self.numbers };
            if before > 0 {
                flow.settle(now, &mut out);
            }
            let idle = flow.idle(now);
            let over = idle >= self.settings.idle_nanos;
            if over {
                flow.finish(now, &mut out);
            }
            let over = over || (flow.is_closed() && idle >= LINGER_NANOS);
            self.tcp_bytes = self.tcp_bytes + flow.bytes() - before;
            if over {
                self.remove_flow(at);
            }
        }
        for at in 0..self.sctp.slots() {
            let Some(association) = self.sctp.get_mut(at) else { continue };
            let before = association.bytes();
            self.numbers.lost_bytes += association.give_up(now, FRAGMENT_NANOS);
            self.sctp_bytes = self.sctp_bytes + association.bytes() - before;
            if association.idle(now) >= self.settings.idle_nanos {
                self.remove_association(at);
            }
        }
        carried
    }

    /// The capture is over: gives what there is of messages that will not be whole.
    pub fn finish(&mut self, now: Timestamp) -> Vec<Carried<'static>> {
        let mut carried = Vec::new();
        for at in 0..self.tcp.slots() {
            if let Some(flow) = self.tcp.get_mut(at) {
                let before = flow.bytes();
                flow.finish(now, &mut Out { carried: &mut carried, numbers: &mut self.numbers });
                self.tcp_bytes = self.tcp_bytes + flow.bytes() - before;
            }
        }
        carried
    }

    pub fn tracked(&self) -> [(&'static str, usize); 2] {
        [("tcp_flows", self.tcp.len()), ("sctp_flows", self.sctp.len())]
    }

    pub fn evicted(&self) -> [(&'static str, u64); 2] {
        [("tcp_flows", self.evicted[0]), ("sctp_flows", self.evicted[1])]
    }

    /// A copy of the numbers.
    pub fn numbers(&self) -> Numbers {
        let mut numbers = self.numbers.clone();
        numbers.buffered = self.tcp_bytes + self.sctp_bytes;
        numbers
    }
}

/// Whether a segment on ports that are not SIP's may begin SIP: what all other TCP traffic is asked.
#[inline]
fn may_carry_sip(payload: &[u8]) -> bool {
    match payload.first() {
        // A data frame of WebSocket.
        Some(0x01 | 0x02 | 0x81 | 0x82) => frames::begins_with_sip(payload),
        Some(b'G' | b'H') => websocket::may_upgrade(payload) || framing::begins_message(payload),
        _ => framing::begins_message(payload),
    }
}

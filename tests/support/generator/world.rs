//! The order of events: everything that happens anywhere, one after the other, onto one wire.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::call::{Call, Media, Script, Timed};
use super::dialog::{Dialog, Side};
use super::impair::Class;
use super::pcap::PcapWriter;
use super::profile::Scenario;
use super::rng::Rng;
use super::rtcp::{self, Reporter};
use super::sip::Kind;
use super::stream::{Stream, StreamPlan};
use super::truth::Truth;
use super::{Addresses, Options, noise};

/// 2023-11-14 22:13:20 UTC.
const EPOCH_NS: u64 = 1_700_000_000_000_000_000;
const MS: u64 = 1_000_000;
/// Lanes of the random numbers: what is drawn for one purpose does not move what is drawn for another.
const LANE_CALL: u64 = 1 << 40;
const LANE_STREAM: u64 = 2 << 40;
const LANE_WORLD: u64 = 3 << 40;

enum Event {
    /// The next call of the plan.
    Call(u32),
    Sip(Box<(SocketAddr, SocketAddr, Timed)>),
    Noise(Box<noise::Noise>),
    Send(u32),
    Arrive(u32, u32),
    Rtcp(u32),
    /// A keep-alive (RFC 5626 section 3.5.1), so that the capture lasts until the truth of a call is visible.
    End(SocketAddr, SocketAddr),
}

struct Entry {
    ns: u64,
    /// Events at the same time happen in the order in which they were planned.
    order: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    /// The greatest entry of the heap is the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.ns, other.order).cmp(&(self.ns, self.order))
    }
}

/// A stream with what its two ends need for RTCP.
struct Line {
    stream: Stream,
    peer: Option<u32>,
    reporter: Reporter,
    rtcp_mux: bool,
    round_trip_ns: u64,
}

pub struct World<'a, W: Write> {
    options: &'a Options,
    out: PcapWriter<W>,
    truth: Truth,
    heap: BinaryHeap<Entry>,
    planned: u64,
    lines: Vec<Line>,
    rng: Rng,
    filler: Vec<u8>,
    buffer: Vec<u8>,
}

impl<'a, W: Write> World<'a, W> {
    pub fn new(options: &'a Options, out: W) -> io::Result<Self> {
        let mut rng = Rng::new(options.seed, LANE_WORLD);
        let filler = (0..8192).map(|_| rng.next() as u8).collect();
        let truth = Truth {
            profile: options.profile.name.to_string(),
            seed: options.seed,
            link: options.link.name().to_string(),
            ..Truth::default()
        };
        Ok(World {
            options,
            out: PcapWriter::new(out, options.link, options.resolution)?,
            truth,
            heap: BinaryHeap::new(),
            planned: 0,
            lines: Vec::new(),
            rng,
            filler,
            buffer: Vec::new(),
        })
    }

    pub fn run(mut self) -> io::Result<Truth> {
        if self.options.calls > 0 {
            self.at(EPOCH_NS, Event::Call(0));
        }
        while let Some(Entry { ns, event, .. }) = self.heap.pop() {
            match event {
                Event::Call(index) => self.call(index, ns),
                Event::Sip(message) => self.sip(*message)?,
                Event::Noise(noise) => {
                    self.truth.noise_datagrams += 1;
                    self.datagram(ns, noise.source, noise.destination, &noise.payload)?;
                }
                Event::Send(line) => self.send(line),
                Event::Arrive(line, index) => self.arrive(line, index, ns)?,
                Event::Rtcp(line) => self.rtcp(line, ns)?,
                Event::End(from, to) => {
                    self.truth.noise_datagrams += 1;
                    self.datagram(ns, from, to, b"\r\n\r\n")?;
                }
            }
        }
        self.truth.streams = self.lines.iter().map(|line| line.stream.truth()).collect();
        self.truth.packets = self.out.packets;
        self.truth.bytes = self.out.bytes;
        self.out.finish()?;
        Ok(self.truth)
    }

    fn at(&mut self, ns: u64, event: Event) {
        self.planned += 1;
        self.heap.push(Entry { ns, order: self.planned, event });
    }

    fn datagram(&mut self, ns: u64, from: SocketAddr, to: SocketAddr, payload: &[u8]) -> io::Result<()> {
        if self.truth.first_packet_ns == 0 {
            self.truth.first_packet_ns = ns;
        }
        self.truth.last_packet_ns = ns;
        self.out.datagram(ns, &from, &to, payload)
    }

    /// Plans call `index` and the start of the next one.
    fn call(&mut self, index: u32, ns: u64) {
        let profile = self.options.profile;
        let mut rng = Rng::new(self.options.seed, LANE_CALL | u64::from(index));
        let step_ns = self.options.ramp.as_nanos() as u64 / u64::from(self.options.calls);
        let start_ns = ns + rng.below(step_ns.max(1));
        let [caller, callee] = self.parties(index, &mut rng);
        let media = (caller.2, callee.2);
        let dialog = Dialog::new(caller, callee, &mut rng);
        let scenario = if profile.signalling { rng.weighted(profile.scenarios) } else { Scenario::Answered };
        let mut noise_rng = Rng::new(rng.next(), 0);
        let script = Script::new(profile, self.options.resolution, dialog, start_ns, rng);
        let call = script.play(scenario, self.options.duration.as_nanos() as u64);
        let over_ns = self.plan(call, index);
        if profile.noise {
            let at_ns = self.options.resolution.floor(start_ns + noise_rng.below(2000 * MS));
            for (nth, noise) in noise::burst(&mut noise_rng, media).into_iter().enumerate() {
                self.at(at_ns + nth as u64 * 20 * MS, Event::Noise(Box::new(noise)));
            }
        }
        if index + 1 < self.options.calls {
            let next_ns = if profile.reuse_ports { over_ns + 200 * MS } else { ns + step_ns };
            self.at(next_ns, Event::Call(index + 1));
        }
    }

    /// User, signalling address and media address of caller and callee.
    fn parties(&self, index: u32, rng: &mut Rng) -> [(String, SocketAddr, SocketAddr); 2] {
        let v6 = match self.options.addresses {
            Addresses::V4 => false,
            Addresses::V6 => true,
            Addresses::Both => index % 2 == 1,
        };
        let address = |net: u8, host: u32, port: u32| {
            let ip = if v6 {
                IpAddr::V6(Ipv6Addr::new(0xfd00, u16::from(net), 0, 0, 0, 0, 0, host as u16 + 1))
            } else {
                IpAddr::V4(Ipv4Addr::new(10, net, (host / 250) as u8, (host % 250) as u8 + 1))
            };
            SocketAddr::new(ip, port as u16)
        };
        let slot = if self.options.profile.reuse_ports { 0 } else { index };
        let media = |net, hosts: u32| address(net, slot % hosts, 10_000 + 2 * (slot / hosts % 20_000));
        let port = if rng.chance(500) { 5060 } else { rng.between(20_000, 60_000) as u32 };
        let caller = format!("1555{:07}", rng.below(10_000_000));
        let callee = format!("4420{:08}", rng.below(100_000_000));
        [(caller, address(1, index % 50, port), media(3, 2000)), (callee, address(2, index % 20, 5060), media(4, 1500))]
    }

    /// Puts the messages and streams of a call into the order of events; returns when all of it is over.
    fn plan(&mut self, call: Call, index: u32) -> u64 {
        let profile = self.options.profile;
        let mut over_ns = call.visible_until_ns;
        if let Some(media) = &call.media {
            over_ns = over_ns.max(self.streams(&call, media, index));
        }
        if profile.signalling {
            let (caller, callee) = (call.dialog.caller.signalling, call.dialog.callee.signalling);
            if call.truth.ended_by == "timeout" {
                self.at(self.options.resolution.floor(over_ns), Event::End(caller, callee));
            }
            for message in call.messages {
                let (from, to) = if message.from == Side::Caller { (caller, callee) } else { (callee, caller) };
                self.at(message.ns, Event::Sip(Box::new((from, to, message))));
            }
            self.truth.calls.push(call.truth);
        }
        over_ns
    }

    /// Starts the streams of a call; returns when the last one ends.
    fn streams(&mut self, call: &Call, media: &Media, index: u32) -> u64 {
        let profile = self.options.profile;
        let (caller, callee) = (call.dialog.caller.media, call.dialog.callee.media);
        let first = self.lines.len() as u32;
        let mut directions = vec![(caller, callee, media.caller_start_ns), (callee, caller, media.callee_start_ns)];
        if profile.single_stream {
            directions.truncate(1);
        }
        let round_trip_ns = self.rng.between(10 * MS, 120 * MS);
        let mut over_ns = 0;
        for (side, (source, destination, start_ns)) in directions.iter().copied().enumerate() {
            let lane = LANE_STREAM | (2 * u64::from(index) + side as u64);
            let mut rng = Rng::new(self.options.seed, lane);
            let class: Class = rng.weighted(profile.classes);
            let plan = StreamPlan {
                source,
                destination,
                call_id: profile.signalling.then(|| call.dialog.call_id.clone()),
                codec: media.codec,
                ptime_ms: media.ptime_ms,
                start_ns,
                packets: media.packets,
                class,
                restart: profile.restart,
                wrap: profile.wrap,
                event: profile.event,
            };
            let stream = Stream::new(plan, self.options.resolution, rng);
            over_ns = over_ns.max(stream.end_ns());
            let peer = (directions.len() == 2).then_some(first + 1 - side as u32);
            let rtcp_mux = media.rtcp_mux;
            self.lines.push(Line { stream, peer, reporter: Reporter::default(), rtcp_mux, round_trip_ns });
            let line = first + side as u32;
            self.at(start_ns, Event::Send(line));
            self.next_report(line, start_ns);
        }
        over_ns
    }

    fn sip(&mut self, (from, to, message): (SocketAddr, SocketAddr, Timed)) -> io::Result<()> {
        let counter = match message.kind {
            Kind::Request(method) => self.truth.sip.requests.entry(method.to_string()),
            Kind::Response(code) => self.truth.sip.responses.entry(code.to_string()),
        };
        *counter.or_default() += 1;
        self.truth.sip.retransmissions += u64::from(message.retransmission);
        self.datagram(message.ns, from, to, &message.bytes)
    }

    fn send(&mut self, line: u32) {
        let stream = &mut self.lines[line as usize].stream;
        let (index, arrivals) = stream.send();
        let next_ns = (stream.sent < stream.plan.packets).then(|| stream.send_ns(stream.sent));
        for ns in arrivals {
            self.at(ns, Event::Arrive(line, index));
        }
        if let Some(ns) = next_ns {
            self.at(ns, Event::Send(line));
        }
    }

    fn arrive(&mut self, line: u32, index: u32, ns: u64) -> io::Result<()> {
        let mut packet = std::mem::take(&mut self.buffer);
        let stream = &mut self.lines[line as usize].stream;
        stream.arrive(index, ns, &self.filler, &mut packet);
        let (source, destination) = (stream.plan.source, stream.plan.destination);
        let written = self.datagram(ns, source, destination, &packet);
        self.buffer = packet;
        written
    }

    /// Plans the report after `now_ns`: an interval later, varied by half (RFC 3550 section 6.2), or at the end.
    fn next_report(&mut self, line: u32, now_ns: u64) {
        let interval_ns = self.options.rtcp_interval.as_nanos() as u64;
        if interval_ns == 0 {
            return;
        }
        let end_ns = self.lines[line as usize].stream.end_ns() + 2 * MS;
        let next_ns = now_ns + interval_ns / 2 + self.rng.below(interval_ns);
        self.at(self.options.resolution.floor(next_ns.min(end_ns)), Event::Rtcp(line));
    }

    fn rtcp(&mut self, line: u32, ns: u64) -> io::Result<()> {
        let goodbye = ns > self.lines[line as usize].stream.end_ns();
        let peer = self.lines[line as usize].peer.map(|peer| &self.lines[peer as usize]);
        let heard = peer.map(|peer| (&peer.stream, &peer.reporter));
        let own = &self.lines[line as usize];
        let compound = rtcp::report(&own.stream, heard, &own.reporter, ns, own.round_trip_ns, goodbye);
        let port = if own.rtcp_mux { 0 } else { 1 };
        let [source, destination] = [own.stream.plan.source, own.stream.plan.destination]
            .map(|address| SocketAddr::new(address.ip(), address.port() + port));
        self.lines[line as usize].reporter = compound.reporter;
        for kind in compound.types {
            *self.truth.rtcp_packets.entry(kind.to_string()).or_default() += 1;
        }
        self.truth.round_trips.extend(compound.round_trip);
        if !goodbye {
            self.next_report(line, ns);
        }
        self.datagram(ns, source, destination, &compound.bytes)
    }
}

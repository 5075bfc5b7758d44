//! A capture that is put together in any order and then played, in the order of its times, to the core.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use sidetone::config::Config;
use sidetone::engine::{Engine, Settings};
use sidetone::metrics::exposition::openmetrics_to_text;
use sidetone::metrics::{Workers, render};
use sidetone::numbers::Collection;
use sidetone::report::{CaptureSummary, Findings, json};
use sidetone::site::Site;
use sidetone::time::Timestamp;
use sidetone::wire::LinkType;

use crate::harness::{MILLISECOND, START, Samples};
use crate::packets::{Call, From, address, ethernet, message, udp};
use crate::support::items;

/// Nanoseconds of so many milliseconds.
pub fn ms(milliseconds: f64) -> i64 {
    (milliseconds * MILLISECOND as f64).round() as i64
}

/// One RTP stream as it is sent.
#[derive(Clone)]
pub struct Flow {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub ssrc: u32,
    pub payload_type: u8,
}

impl Flow {
    pub fn new(from: &str, to: &str, ssrc: u32, payload_type: u8) -> Flow {
        Flow { from: address(from), to: address(to), ssrc, payload_type }
    }

    /// Of the caller's sound, PCMU.
    pub fn of_caller(call: &Call) -> Flow {
        Flow { from: call.caller_media, to: call.callee_media, ssrc: 0xaaaa_0001, payload_type: 0 }
    }

    pub fn of_callee(call: &Call) -> Flow {
        Flow { from: call.callee_media, to: call.caller_media, ssrc: 0xbbbb_0001, payload_type: 0 }
    }

    pub fn typed(&self, payload_type: u8) -> Flow {
        Flow { payload_type, ..self.clone() }
    }
}

/// An RTP packet.
pub fn rtp(flow: &Flow, sequence: u64, timestamp: u64, marker: bool, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, flow.payload_type | u8::from(marker) << 7];
    packet.extend((sequence as u16).to_be_bytes());
    packet.extend((timestamp as u32).to_be_bytes());
    packet.extend(flow.ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

/// Payload that looks like speech: other bytes in each packet of each talker.
pub fn speech(talker: u64, number: u64, length: usize) -> Vec<u8> {
    let mut state = (talker << 32 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(next).collect()
}

/// A session description of these sections.
pub fn body(ip: &str, sections: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n{sections}")
}

/// Sound as most phones offer it, at an endpoint, with further lines.
pub fn sound(at: SocketAddr, lines: &str) -> String {
    let section = format!(
        "m=audio {} RTP/AVP 0 8 13 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n{lines}",
        at.port()
    );
    body(&at.ip().to_string(), &section)
}

/// Frames and when they pass.
pub struct Scene {
    config: Config,
    site: Site,
    /// When they are read, when they passed, the frame.
    frames: Vec<(i64, i64, Vec<u8>)>,
}

/// What came out.
pub struct Seen {
    pub report: Value,
    pub samples: Samples,
}

impl Scene {
    pub fn new() -> Scene {
        Scene { config: Config::default(), site: Site::default(), frames: Vec::new() }
    }

    /// The same frames under another configuration.
    pub fn configured(mut self, change: impl FnOnce(&mut Config)) -> Scene {
        change(&mut self.config);
        self
    }

    /// A host, or site, whose own networks are these.
    pub fn at_home(networks: &[&str]) -> Scene {
        let local = networks.iter().map(|network| network.parse().expect("a network")).collect();
        Scene::at(Site::new(local, &[]))
    }

    pub fn at(site: Site) -> Scene {
        Scene { site, ..Scene::new() }
    }

    /// A datagram, `nanos` after the start.
    pub fn put(&mut self, nanos: i64, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        self.frames.push((nanos, nanos, ethernet(&udp(from, to, payload))));
    }

    pub fn rtp(&mut self, nanos: i64, flow: &Flow, sequence: u64, timestamp: u64) {
        self.marked(nanos, flow, sequence, timestamp, false);
    }

    pub fn marked(&mut self, nanos: i64, flow: &Flow, sequence: u64, timestamp: u64, marker: bool) {
        let payload = speech(u64::from(flow.ssrc), timestamp, 160);
        self.put(nanos, flow.from, flow.to, &rtp(flow, sequence, timestamp, marker, &payload));
    }

    /// 20 ms packets of an 8 kHz clock, from number `first` to before `end`, each in its time.
    pub fn talk(&mut self, start: i64, flow: &Flow, first: u64, end: u64) {
        for n in first..end {
            self.rtp(start + (n - first) as i64 * ms(20.0), flow, n, n * 160);
        }
    }

    pub fn signal(&mut self, nanos: i64, call: &Call, from: From, message: &[u8]) {
        let (from, to) = match from {
            From::Caller => (call.caller, call.callee),
            From::Callee => (call.callee, call.caller),
        };
        self.put(nanos, from, to, message);
    }

    /// INVITE of number `cseq`: within the call where that is not 1.
    pub fn invite(&mut self, nanos: i64, call: &Call, cseq: u32, sdp: &str) {
        let tag = if cseq == 1 { "" } else { ";tag=b" };
        let invite = message("INVITE sip:bob@b.example SIP/2.0", call, &format!("{cseq} INVITE"), tag, sdp);
        self.signal(nanos, call, From::Caller, &invite);
    }

    /// A response to it.
    pub fn respond(&mut self, nanos: i64, call: &Call, cseq: u32, status: &str, sdp: &str) {
        let response = message(&format!("SIP/2.0 {status}"), call, &format!("{cseq} INVITE"), ";tag=b", sdp);
        self.signal(nanos, call, From::Callee, &response);
    }

    /// Offer and answer of `cseq` at once, and the ACK.
    pub fn agree(&mut self, nanos: i64, call: &Call, cseq: u32, offer: &str, answer: &str) {
        self.invite(nanos, call, cseq, offer);
        self.respond(nanos, call, cseq, "200 OK", answer);
        let ack = message("ACK sip:bob@b.example SIP/2.0", call, &format!("{cseq} ACK"), ";tag=b", "");
        self.signal(nanos, call, From::Caller, &ack);
    }

    /// A plain call is answered.
    pub fn answer(&mut self, nanos: i64, call: &Call) {
        let (offer, answer) = (sound(call.caller_media, ""), sound(call.callee_media, ""));
        self.agree(nanos, call, 1, &offer, &answer);
    }

    pub fn bye(&mut self, nanos: i64, call: &Call) {
        let bye = message("BYE sip:bob@b.example SIP/2.0", call, "99 BYE", ";tag=b", "");
        self.signal(nanos, call, From::Caller, &bye);
        self.signal(nanos, call, From::Callee, &message("SIP/2.0 200 OK", call, "99 BYE", ";tag=b", ""));
    }

    /// What these bytes of the frame tell is read so much earlier than the rest: one interface before the other.
    pub fn read_early(mut self, nanos: i64, early: impl Fn(&[u8]) -> bool) -> Scene {
        for (read, _, frame) in &mut self.frames {
            *read -= if early(frame) { nanos } else { 0 };
        }
        self
    }

    /// Something that passes at this time and means nothing, so that time goes on.
    pub fn pause(&mut self, nanos: i64) {
        self.put(nanos, address("198.51.100.1:40000"), address("198.51.100.2:40000"), b"\0\0\0\0");
    }

    /// Plays the frames in the order of their times; those of the same time in the order in which they were put.
    pub fn run(self) -> Seen {
        let Scene { config, site, mut frames } = self;
        let mut engine = Engine::new(Settings::new(&config, true), Arc::new(site));
        let file = engine.add_interface("file");
        frames.sort_by_key(|(read, ..)| *read);
        for (_, nanos, frame) in &frames {
            let time = Timestamp::from_nanos(START + nanos);
            engine.frame(file, time, LinkType::ETHERNET, frame.len() as u32, frame);
        }
        let analysis = engine.finish();
        let samples = samples(&mut engine);
        samples.check();
        let summary = CaptureSummary {
            file: "scene".to_owned(),
            link_type: "EN10MB".to_owned(),
            packets: frames.len() as u64,
            bytes: 0,
            first_packet_time: None,
            last_packet_time: None,
            truncated: false,
        };
        let mut text = Vec::new();
        json::render(&Findings::new(vec![summary], analysis), &mut text).expect("a Vec takes everything");
        Seen { report: serde_json::from_slice(&text).expect("JSON"), samples }
    }
}

fn samples(engine: &mut Engine) -> Samples {
    let mut collection = Collection::default();
    engine.snapshot().collect(&mut collection);
    let text = render(vec![Box::new(Workers::new(collection))]).expect("a String takes everything");
    Samples::parse(&openmetrics_to_text(&text))
}

impl Seen {
    pub fn streams(&self) -> &[Value] {
        items(&self.report["streams"])
    }

    /// The one stream of a flow.
    pub fn stream(&self, flow: &Flow) -> &Value {
        let all = self.streams_of(flow);
        assert_eq!(all.len(), 1, "{} streams of {:08x} in {:#}", all.len(), flow.ssrc, self.report["streams"]);
        all[0]
    }

    pub fn streams_of(&self, flow: &Flow) -> Vec<&Value> {
        let (ssrc, from, to) = (format!("0x{:08x}", flow.ssrc), flow.from.to_string(), flow.to.to_string());
        let same =
            |stream: &&Value| stream["ssrc"] == *ssrc && stream["source"] == *from && stream["destination"] == *to;
        self.streams().iter().filter(same).collect()
    }

    /// The call of this Call-ID.
    pub fn call(&self, id: &str) -> &Value {
        let call = items(&self.report["calls"]).iter().find(|call| call["call_id"] == id);
        call.unwrap_or_else(|| panic!("no call {id} in {:#}", self.report["calls"]))
    }

    pub fn problems(&self, id: &str) -> Vec<&str> {
        items(&self.call(id)["problems"]).iter().filter_map(Value::as_str).collect()
    }

    pub fn sum(&self, family: &str, label: &str) -> f64 {
        self.samples.sum(family, label)
    }
}

/// A count in JSON.
#[track_caller]
pub fn count(stream: &Value, field: &str) -> u64 {
    stream[field].as_u64().unwrap_or_else(|| panic!("{field} is no count in {stream:#}"))
}

/// A number in JSON, by its path.
#[track_caller]
pub fn float(value: &Value, path: &str) -> f64 {
    value.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path} is no number in {value:#}"))
}

#[track_caller]
pub fn near(got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance, "{got} instead of {want} within {tolerance:e}");
}

//! Calls without end: signalling and media of hundreds of calls a second as raw frames out of one end of a veth pair, with loss,
//! duplicates and reordering, everything drawn from a seed. One thread, one heap of what is to be sent when.

#![allow(clippy::disallowed_methods, reason = "calls are made by the clock")]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::rng::Rng;

use super::ledger::{Ledger, PAYLOAD, Track};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;
/// Packet time of the media.
const PERIOD: u64 = 20 * MS;
/// For so long a binding is granted, seconds.
pub const GRANTED: u64 = 5;
/// How long a source of frames waits between two looks at the heap: the finest that timers give.
const NAP: Duration = Duration::from_millis(1);
/// Packets at either end of a stream that nothing happens to, so that its range is what was meant.
const SAFE: u32 = 5;

/// What to send, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seconds: u64,
    pub calls_per_second: u64,
    pub seed: u64,
}

/// How calls go, and how many of a hundred go so. Outcomes as docs/outcomes.md has them.
const KINDS: [(&[Step], &str, u32); 9] = [
    (&ANSWERED, "completed", 38),
    (&CHALLENGED, "completed", 7),
    (&BUSY, "busy", 15),
    (&MISSING, "not_found", 10),
    (&DECLINED, "rejected", 8),
    (&UNAVAILABLE, "network_failure", 5),
    (&CANCELLED, "cancelled", 9),
    (&IMPATIENT, "cancelled", 3),
    (&UNANSWERED, "network_failure", 5),
];
/// Of a hundred answered calls so many have media; the others last less than what asks for it (calls.late_media).
const WITH_MEDIA: u64 = 18;

/// One message: milliseconds after the one before it, whether the caller sends it, what it is, the CSeq it belongs to, and whether it is
/// the same as one before.
#[derive(Clone, Copy, Debug)]
struct Step {
    after: u64,
    from_caller: bool,
    what: &'static str,
    cseq: (u32, &'static str),
    again: bool,
}

const fn to(after: u64, what: &'static str, cseq: (u32, &'static str)) -> Step {
    Step { after, from_caller: true, what, cseq, again: false }
}

const fn back(after: u64, what: &'static str, cseq: (u32, &'static str)) -> Step {
    Step { from_caller: false, ..to(after, what, cseq) }
}

const fn again(step: Step, after: u64) -> Step {
    Step { after, again: true, ..step }
}

const INVITE: (u32, &str) = (1, "INVITE");
const SECOND_INVITE: (u32, &str) = (2, "INVITE");
/// Where the call's length stands in for the time.
const TALK: u64 = u64::MAX;

const ANSWERED: [Step; 7] = [
    to(0, "INVITE", INVITE),
    back(5, "100", INVITE),
    back(80, "180", INVITE),
    back(300, "200", INVITE),
    to(10, "ACK", (1, "ACK")),
    to(TALK, "BYE", (2, "BYE")),
    back(10, "200", (2, "BYE")),
];
const CHALLENGED: [Step; 10] = [
    to(0, "INVITE", INVITE),
    back(5, "407", INVITE),
    to(3, "ACK", (1, "ACK")),
    to(2, "INVITE", SECOND_INVITE),
    back(4, "100", SECOND_INVITE),
    back(60, "183", SECOND_INVITE),
    back(200, "200", SECOND_INVITE),
    to(10, "ACK", (2, "ACK")),
    back(TALK, "BYE", (7, "BYE")),
    to(10, "200", (7, "BYE")),
];
const BUSY: [Step; 4] =
    [to(0, "INVITE", INVITE), back(5, "100", INVITE), back(70, "486", INVITE), to(5, "ACK", (1, "ACK"))];
const MISSING: [Step; 3] = [to(0, "INVITE", INVITE), back(20, "404", INVITE), to(5, "ACK", (1, "ACK"))];
const DECLINED: [Step; 6] = [
    to(0, "INVITE", INVITE),
    back(5, "100", INVITE),
    back(100, "180", INVITE),
    back(900, "603", INVITE),
    again(back(0, "603", INVITE), 500),
    to(5, "ACK", (1, "ACK")),
];
const UNAVAILABLE: [Step; 3] = [to(0, "INVITE", INVITE), back(30, "503", INVITE), to(5, "ACK", (1, "ACK"))];
const CANCELLED: [Step; 7] = [
    to(0, "INVITE", INVITE),
    back(5, "100", INVITE),
    back(80, "180", INVITE),
    to(1500, "CANCEL", (1, "CANCEL")),
    back(5, "200", (1, "CANCEL")),
    back(5, "487", INVITE),
    to(5, "ACK", (1, "ACK")),
];
const IMPATIENT: [Step; 7] = [
    to(0, "INVITE", INVITE),
    again(to(0, "INVITE", INVITE), 500),
    back(5, "100", INVITE),
    to(300, "CANCEL", (1, "CANCEL")),
    back(5, "200", (1, "CANCEL")),
    back(5, "487", INVITE),
    to(5, "ACK", (1, "ACK")),
];
const UNANSWERED: [Step; 3] =
    [to(0, "INVITE", INVITE), again(to(0, "INVITE", INVITE), 500), again(to(0, "INVITE", INVITE), 1000)];
const REGISTERED: [Step; 4] = [
    to(0, "REGISTER", (1, "REGISTER")),
    back(4, "401", (1, "REGISTER")),
    to(4, "REGISTER", (2, "REGISTER")),
    back(4, "200", (2, "REGISTER")),
];
/// One registration for so many calls.
const CALLS_PER_REGISTRATION: u64 = 10;

/// A call, or a registration, that goes on.
struct Dialog {
    steps: &'static [Step],
    next: usize,
    talk: u64,
    has_media: bool,
}

/// One direction of a call's media.
struct Stream {
    call: u64,
    from_caller: bool,
    packets: u32,
    next: u32,
    first_sequence: u16,
    first_timestamp: u32,
    ssrc: u32,
    /// Packets that are held back, to be overtaken; copies that come later.
    held: u32,
    lossy: bool,
    track: Track,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Call,
    Message(u64),
    Packet(u64),
    /// A packet of a stream that was held back, or a copy of one.
    Late(u64, u32),
}

/// How the sender did.
#[derive(Debug)]
pub struct Sent {
    pub ledger: Ledger,
    /// The longest that a packet waited for its turn.
    pub latest: Duration,
}

pub struct Sender {
    plan: Plan,
    rng: Rng,
    out: pcap::Capture<pcap::Active>,
    due: BinaryHeap<Reverse<(u64, u64, Due)>>,
    order: u64,
    dialogs: HashMap<u64, Dialog>,
    streams: HashMap<u64, Stream>,
    next: u64,
    ledger: Ledger,
    frame: Vec<u8>,
    text: String,
}

impl Sender {
    /// Sends out of this interface.
    pub fn new(interface: &str, plan: Plan) -> Sender {
        let device = pcap::Capture::from_device(interface).expect("a device");
        let mut out = device.snaplen(64).buffer_size(1 << 16).open().expect("to be root");
        // It only sends: nothing is to be copied into its ring.
        out.filter("less 1", true).expect("a filter");
        Sender {
            plan,
            rng: Rng::new(plan.seed, 0),
            out,
            due: BinaryHeap::new(),
            order: 0,
            dialogs: HashMap::new(),
            streams: HashMap::new(),
            next: 0,
            ledger: Ledger::default(),
            frame: Vec::new(),
            text: String::new(),
        }
    }

    /// Makes calls until the time is over, or it is told to stop, and lets those that go on end.
    pub fn run(mut self, stop: &Arc<AtomicBool>) -> Sent {
        let start = Instant::now();
        let mut latest = 0;
        self.at(0, Due::Call);
        while !self.due.is_empty() {
            let now = start.elapsed().as_nanos() as u64;
            while let Some(Reverse((time, _, due))) =
                self.due.peek().copied().filter(|Reverse((time, ..))| *time <= now)
            {
                self.due.pop();
                latest = latest.max(now - time);
                self.act(time, due, stop);
            }
            std::thread::sleep(NAP);
        }
        assert!(self.dialogs.is_empty() && self.streams.is_empty(), "something was left unsent");
        Sent { ledger: self.ledger, latest: Duration::from_nanos(latest) }
    }

    fn at(&mut self, time: u64, due: Due) {
        self.order += 1;
        self.due.push(Reverse((time, self.order, due)));
    }

    fn act(&mut self, time: u64, due: Due, stop: &Arc<AtomicBool>) {
        match due {
            Due::Call => {
                if time < self.plan.seconds * SECOND && !stop.load(Ordering::Relaxed) {
                    self.begin(time);
                    self.at(time + SECOND / self.plan.calls_per_second, Due::Call);
                }
            }
            Due::Message(id) => self.message(time, id),
            Due::Packet(id) => self.packet(time, id),
            Due::Late(id, place) => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.held -= 1;
                }
                self.send_rtp(id, place);
                self.close_stream(id);
            }
        }
    }

    fn begin(&mut self, time: u64) {
        self.next += 1;
        let id = self.next;
        if id.is_multiple_of(CALLS_PER_REGISTRATION) {
            self.ledger.registrations += 1;
            self.dialogs.insert(id, Dialog { steps: &REGISTERED, next: 0, talk: 0, has_media: false });
            self.at(time, Due::Message(id));
            return;
        }
        let kinds: Vec<((&[Step], &str), u32)> =
            KINDS.iter().map(|(steps, outcome, share)| ((*steps, *outcome), *share)).collect();
        let (steps, outcome) = self.rng.weighted(&kinds);
        let is_answered = outcome == "completed";
        let has_media = is_answered && self.rng.below(100) < WITH_MEDIA;
        let talk = if has_media { self.rng.between(3000, 6000) } else { self.rng.between(200, 2000) };
        self.ledger.attempts += 1;
        self.ledger.answers += u64::from(is_answered);
        *self.ledger.outcomes.entry(outcome).or_default() += 1;
        self.dialogs.insert(id, Dialog { steps, next: 0, talk, has_media });
        self.at(time, Due::Message(id));
    }

    /// Sends the next message of a dialog, and notes when the one after it is due.
    fn message(&mut self, time: u64, id: u64) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let (steps, talk, has_media) = (dialog.steps, dialog.talk, dialog.has_media);
        let step = steps[dialog.next];
        dialog.next += 1;
        match steps.get(dialog.next) {
            Some(next) => {
                let after = if next.after == TALK { talk } else { next.after };
                self.at(time + after * MS, Due::Message(id));
            }
            None => drop(self.dialogs.remove(&id)),
        }
        self.write(id, &step, steps);
        self.send_text(id, step.from_caller);
        let is_request = step.what.starts_with(|c: char| c.is_ascii_alphabetic());
        let counts = if is_request { &mut self.ledger.requests } else { &mut self.ledger.responses };
        *counts.entry(step.what).or_default() += 1;
        self.ledger.retransmissions += u64::from(step.again);
        if has_media && step.what == "ACK" && is_accepted(steps, step.cseq.0) {
            self.talk(time, id, talk);
        }
    }

    /// Both directions of a call begin; the last packet comes before the BYE.
    fn talk(&mut self, time: u64, call: u64, talk: u64) {
        for from_caller in [true, false] {
            let stream = Stream {
                call,
                from_caller,
                packets: ((talk - 100) * MS / PERIOD) as u32,
                next: 0,
                first_sequence: self.rng.next() as u16,
                first_timestamp: self.rng.next() as u32,
                ssrc: self.rng.next() as u32 | 0x100,
                held: 0,
                lossy: self.rng.chance(600),
                track: Track::default(),
            };
            let id = call * 2 + u64::from(from_caller);
            self.streams.insert(id, stream);
            let phase = self.rng.below(PERIOD);
            self.at(time + phase, Due::Packet(id));
        }
    }

    /// The next packet of a stream is due: it goes, is lost, is held back, or goes twice.
    fn packet(&mut self, time: u64, id: u64) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let place = stream.next;
        stream.next += 1;
        let (is_last, lossy) = (stream.next >= stream.packets, stream.lossy);
        let is_safe = place < SAFE || place + SAFE >= stream.packets;
        if !is_last {
            self.at(time + PERIOD, Due::Packet(id));
        }
        let fate = if is_safe || !lossy { 1000 } else { self.rng.below(1000) };
        match fate {
            0..30 => {}
            // Overtaken by one to three others: not later than the end, which is safe.
            30..45 => {
                let behind = self.rng.between(1, 3) * PERIOD + PERIOD / 2;
                self.hold(time + behind, id, place);
            }
            45..60 => {
                self.send_rtp(id, place);
                let behind = self.rng.between(0, 60) * MS;
                self.hold(time + behind, id, place);
            }
            _ => self.send_rtp(id, place),
        }
        self.close_stream(id);
    }

    fn hold(&mut self, time: u64, id: u64, place: u32) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.held += 1;
            self.at(time, Due::Late(id, place));
        }
    }

    fn close_stream(&mut self, id: u64) {
        if self.streams.get(&id).is_some_and(|stream| stream.next >= stream.packets && stream.held == 0)
            && let Some(stream) = self.streams.remove(&id)
        {
            self.ledger.close(&stream.track);
        }
    }

    fn send_rtp(&mut self, id: u64, place: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.track.sent(place);
        let mut packet = [0xd5; 12 + PAYLOAD];
        packet[..2].copy_from_slice(&[0x80, 0]);
        packet[2..4].copy_from_slice(&stream.first_sequence.wrapping_add(place as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&stream.first_timestamp.wrapping_add(place * 160).to_be_bytes());
        packet[8..12].copy_from_slice(&stream.ssrc.to_be_bytes());
        // No two packets are alike, as voice is not.
        packet[12..16].copy_from_slice(&(place ^ stream.ssrc).to_be_bytes());
        let (caller, callee) = media(stream.call);
        let ends = if stream.from_caller { (caller, callee) } else { (callee, caller) };
        self.send(ends, &packet);
    }

    fn send_text(&mut self, id: u64, from_caller: bool) {
        let (caller, callee) = signalling(id);
        let text = std::mem::take(&mut self.text);
        self.send(if from_caller { (caller, callee) } else { (callee, caller) }, text.as_bytes());
        self.text = text;
    }

    /// Ethernet, IPv4, UDP.
    fn send(&mut self, ((from, from_port), (to, to_port)): (Address, Address), payload: &[u8]) {
        let length = payload.len() as u16 + 8;
        self.frame.clear();
        self.frame.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0]);
        self.frame.extend((length + 20).to_be_bytes());
        self.frame.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
        self.frame.extend(from.octets());
        self.frame.extend(to.octets());
        self.frame.extend([from_port, to_port, length, 0].into_iter().flat_map(u16::to_be_bytes));
        self.frame.extend(payload);
        self.out.sendpacket(&self.frame[..]).expect("a frame goes out");
        self.ledger.frames += 1;
        self.ledger.bytes += self.frame.len() as u64;
    }

    /// The message of a step. What is sent again is the same to the last byte.
    fn write(&mut self, id: u64, step: &Step, steps: &[Step]) {
        let Step { what, cseq: (number, method), .. } = *step;
        let ((caller, caller_port), (callee, _)) = signalling(id);
        let text = &mut self.text;
        text.clear();
        let is_response = what.as_bytes()[0].is_ascii_digit();
        let registers = method == "REGISTER";
        // Writing to a String cannot fail.
        let _ = match (is_response, registers) {
            (true, _) => write!(text, "SIP/2.0 {what} So\r\n"),
            (false, true) => write!(text, "REGISTER sip:{callee} SIP/2.0\r\n"),
            (false, false) => write!(text, "{what} sip:+49{id}@{callee} SIP/2.0\r\n"),
        };
        // The callee's own request runs the other way: its From is the callee's. An ACK to a 2xx has a branch of its own.
        let is_callees = step.from_caller == is_response;
        let kind = if method == "CANCEL" || what == "ACK" { "INVITE" } else { method };
        let own = if what == "ACK" && is_accepted(steps, number) { "-ack" } else { "" };
        let to_tag = match (what, number) {
            ("INVITE" | "CANCEL" | "REGISTER" | "100", _) => "",
            (_, 1) if steps.len() == CHALLENGED.len() => ";tag=c",
            _ => ";tag=b",
        };
        let (caller_uri, callee_uri) = match registers {
            true => (format!("<sip:user{id}@{callee}>"), format!("<sip:user{id}@{callee}>")),
            false => (format!("<sip:+44{id}@{caller}>"), format!("<sip:+49{id}@{callee}>")),
        };
        let (from, to) = match is_callees {
            true => (format!("{callee_uri}{to_tag}"), format!("{caller_uri};tag=a{id}")),
            false => (format!("{caller_uri};tag=a{id}"), format!("{callee_uri}{to_tag}")),
        };
        let via = if is_callees { callee } else { caller };
        let _ = write!(
            text,
            "Via: SIP/2.0/UDP {via}:5060;branch=z9hG4bK{id}-{number}-{kind}{own}\r\nMax-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\n\
             Call-ID: {id}@soak\r\nCSeq: {number} {method}\r\nContact: <sip:user{id}@{caller}:{caller_port}>\r\nUser-Agent: soak {}\r\n",
            id % 97,
        );
        if registers && (is_response || number == 1) {
            let _ = match what {
                "401" => write!(text, "WWW-Authenticate: Digest realm=\"soak\",nonce=\"{id}\"\r\n"),
                "200" => write!(text, "Expires: {GRANTED}\r\n"),
                _ => Ok(()),
            };
        } else if registers {
            let _ = write!(
                text,
                "Expires: {GRANTED}\r\nAuthorization: Digest realm=\"soak\",nonce=\"{id}\",response=\"1\"\r\n"
            );
        } else if what == "407" {
            let _ = write!(text, "Proxy-Authenticate: Digest realm=\"soak\",nonce=\"{id}\"\r\n");
        } else if what == "INVITE" && number == 2 {
            let _ = write!(text, "Proxy-Authorization: Digest realm=\"soak\",nonce=\"{id}\",response=\"1\"\r\n");
        }
        if what == "INVITE" {
            let _ = write!(text, "Session-ID: {id:032x};remote=00000000000000000000000000000000\r\n");
        }
        let (offering, answering) = media(id);
        let described = match (what, method) {
            ("INVITE", _) => Some(offering),
            ("200", "INVITE") => Some(answering),
            _ => None,
        };
        let _ = match described {
            Some((ip, port)) => {
                let sdp = format!(
                    "v=0\r\no=- {id} 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n\
                     a=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\n"
                );
                write!(text, "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len())
            }
            None => write!(text, "Content-Length: 0\r\n\r\n"),
        };
    }
}

/// Whether the INVITE with this CSeq gets a 200.
fn is_accepted(steps: &[Step], number: u32) -> bool {
    steps.iter().any(|step| step.what == "200" && step.cseq == (number, "INVITE"))
}

type Address = (Ipv4Addr, u16);

/// Callers of one of 250 sources, and one of 250 callees. RFC 2544 appendix C.2.2: 198.18.0.0/15 is for tests.
fn signalling(id: u64) -> (Address, Address) {
    let host = (id % 250) as u8 + 1;
    ((Ipv4Addr::new(198, 18, 0, host), 5060), (Ipv4Addr::new(198, 19, 0, host), 5060))
}

/// Where a call's media comes from on both sides. No two calls within some hours share them.
fn media(id: u64) -> (Address, Address) {
    let (host, port) = ((id / 100) as u16, 20_000 + (id % 100) as u16 * 2);
    let [high, low] = host.to_be_bytes();
    let high = high.wrapping_add(1).max(1);
    ((Ipv4Addr::new(198, 18, high, low), port), (Ipv4Addr::new(198, 19, high, low), port + 200))
}

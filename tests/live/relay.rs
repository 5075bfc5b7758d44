//! A network between two real endpoints: forwards their RTP and RTCP, loses, delays, reorders and duplicates it as a seed
//! says, changes nothing but addresses, and keeps a log from which the truth behind it is computed afterwards.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::disallowed_methods, reason = "a relay needs a clock; the ban is for the core")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::rng::Rng;

pub const MS: u64 = 1_000_000;
/// How long after `finish` was asked for the last packets may still come.
const AFTERMATH_NS: u64 = 300 * MS;

/// How delays vary around the constant one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jitter {
    #[default]
    None,
    /// Between nothing and this much, nanoseconds.
    Uniform(u64),
    /// This standard deviation in nanoseconds, cut off below -3 of them.
    Normal(u64),
}

/// Gilbert-Elliott: two states, each with a loss probability of its own. Per mille.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gilbert {
    /// From good to bad, from bad to good.
    pub p: u32,
    pub r: u32,
    pub loss_good: u32,
    pub loss_bad: u32,
}

/// What is done to the RTP of one direction. Probabilities per mille, times in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Impairment {
    pub loss: u32,
    pub bursts: Option<Gilbert>,
    /// RTCP has this delay too, and nothing else.
    pub delay_ns: u64,
    pub jitter: Jitter,
    /// A packet that waits so much longer; with `in_order` those behind it wait as in a queue.
    pub spike: u32,
    pub spike_ns: u64,
    pub in_order: bool,
    /// A packet held back by one to `held_back_ns` longer, whatever `in_order` says.
    pub held_back: u32,
    pub held_back_ns: u64,
    /// A packet that leaves again, at once up to 30 ms later.
    pub duplicate: u32,
}

/// Decides about the packets of one direction.
pub struct Path {
    impairment: Impairment,
    rng: Rng,
    bad: bool,
    newest_ns: u64,
}

impl Path {
    pub fn new(impairment: Impairment, seed: u64, direction: u64) -> Path {
        Path { impairment, rng: Rng::new(seed, direction), bad: false, newest_ns: 0 }
    }

    /// When the copies of a packet leave that arrives now; none when it is lost.
    pub fn departures(&mut self, now_ns: u64) -> Vec<u64> {
        if self.loses() {
            return Vec::new();
        }
        let first = self.departure(now_ns);
        let again = self.rng.chance(self.impairment.duplicate).then(|| first + self.rng.below(30 * MS));
        [first].into_iter().chain(again).collect()
    }

    fn loses(&mut self) -> bool {
        let at_random = self.rng.chance(self.impairment.loss);
        let Some(Gilbert { p, r, loss_good, loss_bad }) = self.impairment.bursts else { return at_random };
        self.bad = if self.bad { !self.rng.chance(r) } else { self.rng.chance(p) };
        self.rng.chance(if self.bad { loss_bad } else { loss_good }) || at_random
    }

    fn departure(&mut self, now_ns: u64) -> u64 {
        let Impairment { delay_ns, jitter, spike, spike_ns, in_order, held_back, held_back_ns, .. } = self.impairment;
        let varying = match jitter {
            Jitter::None => 0,
            Jitter::Uniform(most) => self.rng.below(most),
            Jitter::Normal(sigma) => (3 * sigma).saturating_add_signed(self.rng.normal(sigma)),
        };
        let spike_ns = if self.rng.chance(spike) { spike_ns } else { 0 };
        let departure = now_ns + delay_ns + varying + spike_ns;
        if self.rng.chance(held_back) {
            return departure + self.rng.between(1, held_back_ns);
        }
        let departure = if in_order { departure.max(self.newest_ns) } else { departure };
        self.newest_ns = self.newest_ns.max(departure);
        departure
    }
}

/// One end of the relay: its own RTP address, and that of the party behind it. RTCP is on the ports above.
#[derive(Clone, Copy, Debug)]
pub struct End {
    pub own: SocketAddr,
    pub party: SocketAddr,
}

/// An RTP packet's way through the relay. Times are Unix nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The end that it came in by.
    pub from: usize,
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    pub arrived_ns: u64,
    /// When each copy left, within the system call; none when it was lost.
    pub sent_ns: Vec<u64>,
}

/// What a relay did.
#[derive(Debug, Default)]
pub struct Log {
    /// In the order of arrival.
    pub rtp: Vec<Passage>,
    /// RTCP datagrams that came in by each end.
    pub rtcp: [u64; 2],
}

impl Log {
    /// The RTP that came in by an end, in order of arrival.
    pub fn from(&self, end: usize) -> Vec<&Passage> {
        self.rtp.iter().filter(|passage| passage.from == end).collect()
    }
}

/// A running relay; ends when dropped.
pub struct Relay {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Log>>,
}

impl Relay {
    /// `impairments[n]` is for what comes in by `ends[n]`.
    pub fn start(ends: [End; 2], impairments: [Impairment; 2], seed: u64) -> Relay {
        let stop = Arc::new(AtomicBool::new(false));
        let worker = Worker::new(ends, impairments, seed, Arc::clone(&stop));
        let thread = std::thread::Builder::new().name("relay".to_owned()).spawn(|| worker.run()).expect("a thread");
        Relay { stop, thread: Some(thread) }
    }

    /// Forwards what is still under way, then ends.
    pub fn finish(mut self) -> Log {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("a thread").join().expect("the relay did not panic")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A datagram that waits for its time: departure, order, socket to leave by, its place in the log, bytes.
type Waiting = (u64, u64, usize, Option<usize>, Vec<u8>);

struct Worker {
    /// RTP of both ends, then their RTCP.
    sockets: [UdpSocket; 4],
    parties: [SocketAddr; 4],
    paths: [Path; 2],
    delays: [u64; 2],
    waiting: BinaryHeap<Reverse<Waiting>>,
    taken: u64,
    log: Log,
    stop: Arc<AtomicBool>,
}

impl Worker {
    fn new(ends: [End; 2], impairments: [Impairment; 2], seed: u64, stop: Arc<AtomicBool>) -> Worker {
        let rtcp = |address: SocketAddr| SocketAddr::new(address.ip(), address.port() + 1);
        let [a, b] = ends;
        let sockets = [a.own, b.own, rtcp(a.own), rtcp(b.own)].map(|address| {
            let socket = UdpSocket::bind(address).expect("a media port of the block");
            socket.set_nonblocking(true).expect("a socket that does not block");
            socket
        });
        Worker {
            sockets,
            parties: [a.party, b.party, rtcp(a.party), rtcp(b.party)],
            paths: [Path::new(impairments[0], seed, 0), Path::new(impairments[1], seed, 1)],
            delays: impairments.map(|impairment| impairment.delay_ns),
            waiting: BinaryHeap::new(),
            taken: 0,
            log: Log::default(),
            stop,
        }
    }

    fn run(mut self) -> Log {
        let mut end_ns = u64::MAX;
        while now_ns() < end_ns || !self.waiting.is_empty() {
            if end_ns == u64::MAX && self.stop.load(Ordering::Relaxed) {
                end_ns = now_ns() + AFTERMATH_NS;
            }
            self.wait();
            for from in 0..4 {
                self.take(from);
            }
            self.send();
        }
        self.log
    }

    /// Until something comes, or is due, or 20 ms have passed.
    fn wait(&self) {
        let due = self.waiting.peek().map_or(u64::MAX, |Reverse(first)| first.0);
        let nanoseconds = due.saturating_sub(now_ns()).min(20 * MS);
        let timeout = Timespec { tv_sec: 0, tv_nsec: nanoseconds as i64 };
        let mut sockets = self.sockets.each_ref().map(|socket| PollFd::new(socket, PollFlags::IN));
        poll(&mut sockets, Some(&timeout)).expect("poll");
    }

    fn take(&mut self, from: usize) {
        let mut buffer = [0; 2048];
        while let Ok((length, _)) = self.sockets[from].recv_from(&mut buffer) {
            let datagram = &buffer[..length];
            let arrived_ns = now_ns();
            // RFC 5761 section 4: payload types 64 to 95 are RTCP, on whichever port.
            let is_rtp = from < 2 && !(64..96).contains(&(datagram[1] & 0x7f));
            let (departures, place) = if is_rtp {
                (self.paths[from].departures(arrived_ns), Some(self.note(from, datagram, arrived_ns)))
            } else {
                self.log.rtcp[from % 2] += 1;
                (vec![arrived_ns + self.delays[from % 2]], None)
            };
            for departure in departures {
                self.taken += 1;
                // The way out is the other end: 0 and 1 are RTP, 2 and 3 RTCP.
                self.waiting.push(Reverse((departure, self.taken, from ^ 1, place, datagram.to_vec())));
            }
        }
    }

    /// RFC 3550 section 5.1.
    fn note(&mut self, from: usize, datagram: &[u8], arrived_ns: u64) -> usize {
        let word = |at: usize| u32::from_be_bytes(datagram[at..at + 4].try_into().expect("four bytes"));
        assert!(datagram.len() >= 12 && datagram[0] >> 6 == 2, "no RTP on an RTP port: {datagram:?}");
        let (sequence, timestamp, ssrc) = (word(0) as u16, word(4), word(8));
        self.log.rtp.push(Passage { from, ssrc, sequence, timestamp, arrived_ns, sent_ns: Vec::new() });
        self.log.rtp.len() - 1
    }

    fn send(&mut self) {
        while self.waiting.peek().is_some_and(|Reverse(first)| first.0 <= now_ns()) {
            let Some(Reverse((_, _, by, place, datagram))) = self.waiting.pop() else { return };
            // On the loopback a packet is captured before the call returns.
            let before = now_ns();
            let sent = self.sockets[by].send_to(&datagram, self.parties[by]);
            assert!(sent.is_ok(), "a datagram is sent: {sent:?}");
            if let Some(place) = place {
                self.log.rtp[place].sent_ns.push(before.midpoint(now_ns()));
            }
        }
    }
}

pub fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    since.as_nanos().try_into().expect("before 2554")
}

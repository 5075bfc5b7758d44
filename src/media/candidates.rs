//! Flows that look like RTP and that no SDP announced: believed after a few packets that only RTP sends.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::arrivals::{Arrival, Arrivals};
use crate::cap::Cap;
use crate::time::Timestamp;
use crate::wire::Point;
use crate::wire::rtp::Packet;

use super::key::Key;

/// Packets in sequence before a flow is believed to be RTP; RFC 3550 A.1 asks for 2 of a source that signalling announced.
const BELIEVED_AFTER: usize = 4;
/// A flow that has not convinced after so many packets is given up, and starts anew.
const MAX_PACKETS: usize = 24;
/// The largest step of sequence numbers inside a believable flow.
const MAX_STEP: u16 = 64;
/// The largest step of timestamps: 20 s of a 90 kHz clock.
const MAX_TIMESTAMP_STEP: u32 = 20 * 90_000;
/// An RFC 4733 event payload; all packets of one event carry one timestamp.
const EVENT_PAYLOAD: u32 = 4;
/// SSRCs are random (RFC 3550 section 8); numbers as small as these are fields of other protocols.
const MIN_SSRC: u32 = 16;

/// Ports of protocols whose bytes may pass for RTP: DNS, mDNS, LLMNR, DHCP, NTP, SNMP, NetBIOS, IKE, NFS RPC, SSDP, STUN.
const NEVER: [u16; 16] = [53, 67, 68, 69, 111, 123, 137, 138, 161, 162, 500, 1900, 2049, 3478, 5353, 5355];

/// A packet that counts later: when it came, and where it was seen.
#[derive(Clone, Copy, Debug)]
pub struct Arrived {
    pub now: Timestamp,
    pub packet: Packet,
    pub point: Point,
}

/// A flow's first packets, kept so that they count once it is believed.
#[derive(Debug)]
struct Candidate {
    arrival: Arrival,
    packets: Vec<Arrived>,
}

/// Candidates by key, at most `capacity` of them.
#[derive(Debug)]
pub struct Candidates {
    flows: HashMap<Key, Candidate, RandomState>,
    arrivals: Arrivals<Key>,
    cap: Cap,
    pub evicted: u64,
}

impl Candidates {
    pub fn new(capacity: usize) -> Candidates {
        Candidates { flows: HashMap::default(), arrivals: Arrivals::default(), cap: Cap::new(capacity, 1), evicted: 0 }
    }

    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Lets it grow no further, while memory is short.
    pub fn hold(&mut self, on: bool) {
        self.cap.hold(self.len(), on);
    }

    /// Takes a packet of an unknown flow; gives the packets of the flow, this one last, when it is believed.
    pub fn offer(&mut self, key: Key, arrived: Arrived) -> Option<Vec<Arrived>> {
        if !plausible(&key, &arrived.packet) {
            return None;
        }
        if !self.flows.contains_key(&key) {
            self.enter(key);
        }
        let flow = self.flows.get_mut(&key)?;
        if let Some(last) = flow.packets.last()
            && (!follows(&last.packet, &arrived.packet) || flow.packets.len() >= MAX_PACKETS)
        {
            flow.packets.clear();
        }
        flow.packets.push(arrived);
        if !believable(&flow.packets) {
            return None;
        }
        self.flows.remove(&key).map(|flow| flow.packets)
    }

    /// Forgets a flow; what it offered is given back, for a stream that SDP announces after all.
    pub fn take(&mut self, key: &Key) -> Vec<Arrived> {
        self.flows.remove(key).map(|flow| flow.packets).unwrap_or_default()
    }

    /// Flows to an endpoint.
    pub fn keys_to(&self, matches: impl Fn(&Key) -> bool) -> Vec<Key> {
        self.flows.keys().filter(|key| matches(key)).copied().collect()
    }

    /// Drops the flows that have been quiet since `before`.
    pub fn expire(&mut self, before: Timestamp) {
        self.flows.retain(|_, flow| flow.packets.last().is_some_and(|last| last.now >= before));
    }

    /// Begins a flow; at the cap the one that came first gives way.
    fn enter(&mut self, key: Key) {
        let arrived = |key: &Key| self.flows.get(key).map(|flow| flow.arrival);
        let arrival = self.arrivals.enter(key, self.cap.most(), arrived);
        if self.flows.len() >= self.cap.most()
            && let Some(oldest) = self.arrivals.oldest(arrived)
        {
            self.flows.remove(&oldest);
            self.evicted += 1;
        }
        self.flows.insert(key, Candidate { arrival, packets: Vec::new() });
    }
}

/// Whether either port is another protocol's: what looks like media there is chance.
pub fn is_other_protocol(source: u16, destination: u16) -> bool {
    [source, destination].iter().any(|port| *port < 1024 || NEVER.contains(port))
}

fn plausible(key: &Key, packet: &Packet) -> bool {
    !is_other_protocol(key.source_port, key.destination_port)
        && packet.ssrc >= MIN_SSRC
        && packet.payload_length > 0
        // RFC 3551 section 6: 72 to 76 stay free because of RTCP; 35 to 71 and 77 to 95 are unassigned or reserved.
        && (packet.payload_type < 35 || packet.payload_type >= 96)
}

fn follows(last: &Packet, next: &Packet) -> bool {
    let step = next.sequence.wrapping_sub(last.sequence);
    let forward = next.timestamp.wrapping_sub(last.timestamp);
    let back = last.timestamp.wrapping_sub(next.timestamp);
    (step <= MAX_STEP || step >= u16::MAX - MAX_STEP) && forward.min(back) <= MAX_TIMESTAMP_STEP
}

fn believable(packets: &[Arrived]) -> bool {
    let steps = packets.windows(2).filter(|pair| {
        let step = pair[1].packet.sequence.wrapping_sub(pair[0].packet.sequence);
        (1..=4).contains(&step)
    });
    if steps.count() + 1 < BELIEVED_AFTER {
        return false;
    }
    let (first, last) = match (packets.first(), packets.last()) {
        (Some(first), Some(last)) => (first.packet, last.packet),
        _ => return false,
    };
    let event = last.payload_type >= 96 && packets.iter().all(|p| p.packet.payload_length == EVENT_PAYLOAD);
    let advanced = last.timestamp.wrapping_sub(first.timestamp);
    event || (advanced != 0 && advanced < i32::MAX as u32)
}

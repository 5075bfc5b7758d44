//! What a network does to a stream: which packets arrive, when, and how often.

use super::rng::Rng;

const US: u64 = 1_000;
const MS: u64 = 1_000_000;
/// A packet overtaken by up to this many others is still found in its place.
pub const LATEST_PACKETS: u64 = 40;

/// What is done to the packets of a stream; probabilities per mille.
#[derive(Clone, Copy, Debug, Default)]
pub struct Impairment {
    pub loss: u32,
    /// Gilbert model: into and out of the state in which every packet is lost.
    pub burst_enter: u32,
    pub burst_leave: u32,
    pub jitter_sigma_ns: u64,
    /// The network delays but never reorders.
    pub in_order: bool,
    /// Overtaken by the next one, or by up to `LATEST_PACKETS`.
    pub swap: u32,
    pub late: u32,
    pub duplicate: u32,
}

/// Named impairments; the profile chooses among them for each stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Clean,
    Loss,
    Bursts,
    Jitter,
    Reorder,
    Duplicates,
    Everything,
    /// 3 per cent loss, part of it in bursts, and 8 ms jitter: what SIPp's play_pcap_audio is to play.
    Audible,
}

impl Class {
    pub fn name(self) -> &'static str {
        match self {
            Class::Clean => "clean",
            Class::Loss => "loss",
            Class::Bursts => "bursts",
            Class::Jitter => "jitter",
            Class::Reorder => "reorder",
            Class::Duplicates => "duplicates",
            Class::Everything => "everything",
            Class::Audible => "audible",
        }
    }

    /// The numbers of one stream of this class.
    pub fn draw(self, rng: &mut Rng) -> Impairment {
        let calm = Impairment { jitter_sigma_ns: rng.between(20, 400) * US, in_order: true, ..Impairment::default() };
        let mut per_mille = |low, high| rng.between(low, high) as u32;
        match self {
            Class::Clean => calm,
            Class::Loss => Impairment { loss: per_mille(1, 60), ..calm },
            Class::Bursts => Impairment { burst_enter: per_mille(2, 15), burst_leave: per_mille(120, 600), ..calm },
            Class::Jitter => Impairment { jitter_sigma_ns: u64::from(per_mille(1, 20)) * MS, ..calm },
            Class::Reorder => Impairment { swap: per_mille(2, 20), late: per_mille(2, 20), ..calm },
            Class::Duplicates => Impairment { duplicate: per_mille(5, 50), late: 2, ..calm },
            Class::Everything => Impairment {
                loss: per_mille(1, 40),
                burst_enter: per_mille(1, 10),
                burst_leave: per_mille(150, 600),
                jitter_sigma_ns: u64::from(per_mille(1, 15)) * MS,
                in_order: false,
                swap: per_mille(2, 15),
                late: per_mille(2, 15),
                duplicate: per_mille(2, 30),
            },
            Class::Audible => {
                Impairment { loss: 17, burst_enter: 5, burst_leave: 400, jitter_sigma_ns: 8 * MS, ..calm }
            }
        }
    }
}

/// One packet on its way.
#[derive(Clone, Copy, Debug)]
pub struct Passage {
    pub sent_ns: u64,
    pub period_ns: u64,
    /// Arrivals must not be later than this.
    pub deadline_ns: u64,
    /// Neither lost, nor delayed, nor doubled.
    pub protected: bool,
}

/// The network path of one stream.
#[derive(Debug)]
pub struct Channel {
    model: Impairment,
    rng: Rng,
    in_burst: bool,
    newest_ns: u64,
}

impl Channel {
    pub fn new(model: Impairment, rng: Rng) -> Self {
        Channel { model, rng, in_burst: false, newest_ns: 0 }
    }

    /// The arrivals of one packet, the first of its copies first; none when it is lost.
    pub fn carry(&mut self, packet: Passage) -> Vec<u64> {
        if packet.protected {
            self.in_burst = false;
            self.newest_ns = self.newest_ns.max(packet.sent_ns);
            return vec![packet.sent_ns];
        }
        if self.loses() {
            return Vec::new();
        }
        let first = self.delayed(&packet);
        let mut arrivals = vec![first];
        if self.rng.chance(self.model.duplicate) {
            let copies = if self.rng.chance(125) { 2 } else { 1 };
            for _ in 0..copies {
                let behind = if self.rng.chance(250) {
                    self.rng.between(1, 30) * packet.period_ns + self.rng.below(packet.period_ns)
                } else {
                    self.rng.between(50, 1500) * US
                };
                arrivals.push(first + behind);
            }
        }
        for arrival in &mut arrivals {
            *arrival = (*arrival).min(packet.deadline_ns);
        }
        arrivals
    }

    fn loses(&mut self) -> bool {
        self.in_burst = match self.in_burst {
            true => !self.rng.chance(self.model.burst_leave),
            false => self.rng.chance(self.model.burst_enter),
        };
        self.in_burst || self.rng.chance(self.model.loss)
    }

    fn delayed(&mut self, packet: &Passage) -> u64 {
        let sigma = self.model.jitter_sigma_ns;
        let delay = (3 * sigma as i64 + self.rng.normal(sigma)).max(0) as u64;
        let mut arrival = packet.sent_ns + delay;
        if self.model.in_order {
            arrival = arrival.max(self.newest_ns + 10 * US);
        }
        let overtaken_by = if self.rng.chance(self.model.swap) {
            1
        } else if self.rng.chance(self.model.late) {
            self.rng.between(2, LATEST_PACKETS)
        } else {
            0
        };
        if overtaken_by > 0 {
            return arrival + overtaken_by * packet.period_ns + self.rng.below(packet.period_ns / 2);
        }
        self.newest_ns = self.newest_ns.max(arrival);
        arrival
    }
}

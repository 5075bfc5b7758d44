//! What is counted of RTCP beyond its packet types: feedback, extended reports, what could not be read.

use std::collections::HashMap;

use crate::labels::Series;
use crate::numbers::{Collection, Family, Histogram, Value, fixed};
use crate::site::{Direction, PeerId, Site};
use crate::wire::rtcp::{BlockKind, Feedback, FeedbackKind, Malformed, Summary, VoipMetrics};

use super::numbers::{JITTER_BOUNDS, LOSS_BOUNDS, MOS_BOUNDS, ROUND_TRIP_BOUNDS};

const PLACE: &[&str] = &["direction", "peer"];

static ENCRYPTED: Family = Family::counter(
    "rtcp_encrypted_packets_total",
    "",
    &["direction"],
    "SRTCP datagrams, known by the index and tag behind their packets; only the first type is counted, no number is read.",
);
static MALFORMED: Family = Family::counter(
    "rtcp_malformed_packets_total",
    "",
    &["reason"],
    "RTCP datagrams or packets in them whose lengths or counts contradict each other; their numbers are not used.",
);
static FEEDBACK: Family = Family::counter(
    "rtcp_feedback_total",
    "",
    &["kind", "direction"],
    "RTCP feedback (RFC 4585, RFC 5104) by what it asks for; direction is the feedback's own, against that of the media.",
);
static NACKED: Family = Family::counter(
    "rtcp_nacked_packets_total",
    "",
    &["direction"],
    "Packets that generic NACKs ask for again (RFC 4585 section 6.2.1); direction is the feedback's own.",
);
static BLOCKS: Family = Family::counter(
    "rtcp_xr_blocks_total",
    "",
    &["type"],
    "Report blocks in extended reports (RFC 3611 section 4) by type.",
);
static MOS: Family = Family::histogram(
    "rtcp_xr_mos",
    "",
    &["kind", "direction", "peer"],
    "MOS in VoIP blocks (RFC 3611 section 4.7.5): lq listening, cq conversational; what endpoints say. Direction is the stream's.",
);
static LOSS: Family = Family::histogram(
    "rtcp_xr_loss_ratio",
    "ratio",
    PLACE,
    "Loss rate in VoIP blocks: over the whole reception so far, once a report.",
);
static DISCARD: Family = Family::histogram(
    "rtcp_xr_discard_ratio",
    "ratio",
    PLACE,
    "Discard rate in VoIP blocks: too late or too early for the receiver's jitter buffer, over the reception so far.",
);
static ROUND_TRIP: Family = Family::histogram(
    "rtcp_xr_round_trip_seconds",
    "seconds",
    PLACE,
    "Round trip between the endpoints in VoIP blocks; rtcp_round_trip_seconds is what is measured here.",
);
static END_SYSTEM: Family = Family::histogram(
    "rtcp_xr_end_system_delay_seconds",
    "seconds",
    PLACE,
    "Delay inside the receiver in VoIP blocks: coding, jitter buffer and playing.",
);
static JITTER: Family = Family::histogram(
    "rtcp_xr_jitter_seconds",
    "seconds",
    PLACE,
    "Mean jitter in statistics summary blocks (RFC 3611 section 4.6); streams of unknown clock are left out.",
);
static PACKETS: Family = Family::counter(
    "rtcp_xr_packets_total",
    "",
    &["kind", "direction", "peer"],
    "Packets in statistics summary blocks: expected, and of them lost and duplicated; each block speaks of its own interval.",
);

/// The families of this file, in the order of the catalogue.
pub static FAMILIES: &[&Family] = &[
    &ENCRYPTED,
    &MALFORMED,
    &FEEDBACK,
    &NACKED,
    &BLOCKS,
    &MOS,
    &LOSS,
    &DISCARD,
    &ROUND_TRIP,
    &END_SYSTEM,
    &JITTER,
    &PACKETS,
];

/// What receivers of one direction and peer say in extended reports.
#[derive(Clone, Debug)]
pub struct Extended {
    mos_lq: Histogram,
    mos_cq: Histogram,
    loss: Histogram,
    discard: Histogram,
    round_trip: Histogram,
    end_system: Histogram,
    jitter: Histogram,
    /// Expected, lost, duplicated.
    packets: [u64; 3],
}

impl Extended {
    fn new() -> Extended {
        Extended {
            mos_lq: Histogram::new(MOS_BOUNDS),
            mos_cq: Histogram::new(MOS_BOUNDS),
            loss: Histogram::new(LOSS_BOUNDS),
            discard: Histogram::new(LOSS_BOUNDS),
            round_trip: Histogram::new(ROUND_TRIP_BOUNDS),
            end_system: Histogram::new(ROUND_TRIP_BOUNDS),
            jitter: Histogram::new(JITTER_BOUNDS),
            packets: [0; 3],
        }
    }

    pub fn observe_metrics(&mut self, said: &VoipMetrics) {
        self.loss.observe(said.loss_ratio);
        self.discard.observe(said.discard_ratio);
        self.end_system.observe(said.end_system_delay_seconds);
        for (histogram, value) in [
            (&mut self.mos_lq, said.mos_lq),
            (&mut self.mos_cq, said.mos_cq),
            (&mut self.round_trip, said.round_trip_seconds),
        ] {
            if let Some(value) = value {
                histogram.observe(value);
            }
        }
    }

    /// `clock_rate` is that of the stream, in Hz; zero where it is not known.
    pub fn observe_summary(&mut self, summary: &Summary, clock_rate: u32) {
        if let Some(jitter) = summary.jitter.filter(|_| clock_rate != 0) {
            self.jitter.observe(f64::from(jitter.mean) / f64::from(clock_rate));
        }
        // A ratio needs both; and no interval of 65,535 packets loses more than it has.
        if let Some(lost) = summary.lost.filter(|lost| *lost <= u32::from(summary.expected)) {
            self.packets[0] += u64::from(summary.expected);
            self.packets[1] += u64::from(lost);
        }
        // What a sender may have sent twice has no bound but the field's; a lie may not run away with the counter.
        self.packets[2] += u64::from(summary.duplicates.unwrap_or(0).min(u32::from(u16::MAX)));
    }
}

/// Numbers of RTCP of one worker.
#[derive(Clone, Debug)]
pub struct Reported {
    encrypted: HashMap<Direction, u64>,
    malformed: [u64; Malformed::ALL.len()],
    feedback: HashMap<(FeedbackKind, Direction), u64>,
    nacked: HashMap<Direction, u64>,
    blocks: [u64; BlockKind::ALL.len()],
    extended: Series<(Direction, PeerId), Extended>,
}

impl Reported {
    /// `max_series`: label sets of one family.
    pub fn new(max_series: usize) -> Reported {
        Reported {
            encrypted: HashMap::new(),
            malformed: Default::default(),
            feedback: HashMap::new(),
            nacked: HashMap::new(),
            blocks: Default::default(),
            extended: Series::new(max_series),
        }
    }

    pub fn count_encrypted(&mut self, direction: Direction) {
        *self.encrypted.entry(direction).or_default() += 1;
    }

    pub fn count_malformed(&mut self, reason: Malformed) {
        self.malformed[reason as usize] += 1;
    }

    pub fn count_feedback(&mut self, feedback: &Feedback<'_>, direction: Direction) {
        *self.feedback.entry((feedback.kind, direction)).or_default() += 1;
        if feedback.kind == FeedbackKind::Nack {
            *self.nacked.entry(direction).or_default() += feedback.nacked();
        }
    }

    pub fn count_block(&mut self, kind: BlockKind) {
        self.blocks[kind as usize] += 1;
    }

    /// Reports of streams that go this way.
    pub fn extended(&mut self, direction: Direction, peer: PeerId) -> &mut Extended {
        self.extended.row((direction, peer), Extended::new)
    }

    /// Encrypted datagrams, for the report.
    pub fn encrypted(&self) -> u64 {
        self.encrypted.values().sum()
    }

    /// Packets that NACKs ask for again, for the report.
    pub fn nacked(&self) -> u64 {
        self.nacked.values().sum()
    }

    pub fn malformed(&self) -> impl Iterator<Item = (Malformed, u64)> + '_ {
        Malformed::ALL.into_iter().zip(self.malformed)
    }

    pub fn blocks(&self) -> impl Iterator<Item = (BlockKind, u64)> + '_ {
        BlockKind::ALL.into_iter().zip(self.blocks)
    }

    pub fn feedback(&self) -> impl Iterator<Item = (FeedbackKind, u64)> + '_ {
        let sum = |kind| self.feedback.iter().filter(|((of, _), _)| *of == kind).map(|(_, n)| n).sum();
        FeedbackKind::ALL.into_iter().map(move |kind| (kind, sum(kind)))
    }

    pub fn collect(&self, site: &Site, out: &mut Collection) {
        for family in FAMILIES {
            out.declare(family);
        }
        for (direction, count) in &self.encrypted {
            out.add(&ENCRYPTED, vec![fixed(direction.name())], Value::Counter(*count));
        }
        for (reason, count) in self.malformed() {
            out.add(&MALFORMED, vec![fixed(reason.reason())], Value::Counter(count));
        }
        for ((kind, direction), count) in &self.feedback {
            out.add(&FEEDBACK, vec![fixed(kind.name()), fixed(direction.name())], Value::Counter(*count));
        }
        for (direction, count) in &self.nacked {
            out.add(&NACKED, vec![fixed(direction.name())], Value::Counter(*count));
        }
        for (kind, count) in self.blocks() {
            out.add(&BLOCKS, vec![fixed(kind.name())], Value::Counter(count));
        }
        self.extended.collect_overflow(&MOS, out);
        for ((direction, peer), extended) in self.extended.iter() {
            let labels = vec![fixed(direction.name()), site.name(*peer)];
            let with = |first: &'static str| [&[fixed(first)][..], &labels].concat();
            for (kind, histogram) in [("lq", &extended.mos_lq), ("cq", &extended.mos_cq)] {
                out.add(&MOS, with(kind), Value::Histogram(histogram.clone()));
            }
            for (family, histogram) in [
                (&LOSS, &extended.loss),
                (&DISCARD, &extended.discard),
                (&ROUND_TRIP, &extended.round_trip),
                (&END_SYSTEM, &extended.end_system),
                (&JITTER, &extended.jitter),
            ] {
                out.add(family, labels.clone(), Value::Histogram(histogram.clone()));
            }
            for (kind, count) in ["expected", "lost", "duplicated"].into_iter().zip(extended.packets) {
                out.add(&PACKETS, with(kind), Value::Counter(count));
            }
        }
    }
}

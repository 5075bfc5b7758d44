//! Voice quality reports (RFC 6035) that endpoints send in PUBLISH and NOTIFY: what they say, apart from what is measured.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::generations::Generations;
use crate::labels::{Labels, Series};
use crate::media::{JITTER_BOUNDS, LOSS_BOUNDS, MOS_BOUNDS, ROUND_TRIP_BOUNDS};
use crate::numbers::{Collection, Family, Histogram, Value, fixed};
use crate::site::{PeerId, Site};
use crate::time::Timestamp;
use crate::wire::Endpoint;
use crate::wire::voice_report::{self, Kind, VoiceReport};

/// The same report again within one to two of these is a copy: on the next hop, or with the credentials that were asked for.
const LIFETIME_NANOS: i64 = 32_000_000_000;
/// Reports that are kept to be shown; more are counted, and only left out of the list.
const MAX_KEPT: usize = 10_000;

const LABELS: &[&str] = &["report", "peer"];

static REPORTS: Family = Family::counter(
    "voice_reports_total",
    "",
    &["peer"],
    "Voice quality reports (RFC 6035) in PUBLISH and NOTIFY, each once however often it was sent.",
);
static UNREADABLE: Family = Family::counter(
    "voice_reports_unreadable_total",
    "",
    &["peer"],
    "Bodies of the type application/vq-rtcpxr in which no report was found.",
);
static MOS: Family = Family::histogram(
    "voice_report_mos",
    "",
    &["kind", "report", "peer"],
    "MOS that reporters give their own reception (LocalMetrics): lq listening, cq conversational; over a session, an interval, or as an alert.",
);
static LOSS: Family = Family::histogram(
    "voice_report_loss_ratio",
    "ratio",
    LABELS,
    "Network packet loss (NLR) of reporters' own reception, as a ratio; discards of their jitter buffers are not in it.",
);
static JITTER: Family = Family::histogram(
    "voice_report_jitter_seconds",
    "seconds",
    LABELS,
    "Interarrival jitter (IAJ) of reporters' own reception.",
);
static ROUND_TRIP: Family = Family::histogram(
    "voice_report_round_trip_seconds",
    "seconds",
    LABELS,
    "Round trip (RTD) that reporters measured themselves.",
);

/// The families of this file, in the order of the catalogue.
pub static FAMILIES: &[&Family] = &[&REPORTS, &UNREADABLE, &MOS, &LOSS, &JITTER, &ROUND_TRIP];

/// A report, and where and when it was seen first.
#[derive(Clone, Debug)]
pub struct SeenReport {
    pub time: Timestamp,
    pub from: Endpoint,
    pub report: VoiceReport,
}

impl super::Signalling {
    /// A report that a mirror sends without the message that it was in.
    pub fn voice_report(&mut self, now: Timestamp, (from, to): (Endpoint, Endpoint), body: &[u8]) {
        let (_, peer) = self.site.place(from.ip, to.ip);
        self.voice_reports.take_body(now, (from, peer), body, &mut self.numbers.voice_reports);
    }
}

/// The reports of one worker.
#[derive(Debug)]
pub struct VoiceReports {
    hasher: RandomState,
    seen: Generations<u64, ()>,
    kept: Vec<SeenReport>,
    left_out: u64,
    keep: bool,
}

impl VoiceReports {
    pub fn new(capacity: usize, keep: bool) -> VoiceReports {
        VoiceReports {
            hasher: RandomState::default(),
            seen: Generations::new(capacity, LIFETIME_NANOS),
            kept: Vec::new(),
            left_out: 0,
            keep,
        }
    }

    pub fn expire(&mut self, now: Timestamp) {
        self.seen.expire(now);
    }

    pub fn len(&self) -> usize {
        self.seen.len()
    }

    pub fn evicted(&self) -> u64 {
        self.seen.evicted
    }

    /// Takes the body of a PUBLISH or NOTIFY, if it is of the type.
    pub fn take(&mut self, now: Timestamp, source: (Endpoint, PeerId), content: (&[u8], &[u8]), numbers: &mut Numbers) {
        if let Some(body) = voice_report::find(content.0, content.1) {
            self.take_body(now, source, body, numbers);
        }
    }

    fn take_body(&mut self, now: Timestamp, (from, peer): (Endpoint, PeerId), body: &[u8], numbers: &mut Numbers) {
        self.seen.turn(now);
        let fingerprint = self.hasher.hash_one(body);
        if self.seen.get(&fingerprint).is_some() {
            return;
        }
        self.seen.insert(fingerprint, ());
        let Some(report) = voice_report::parse(body) else {
            numbers.unreadable.count(peer);
            return;
        };
        numbers.count(&report, peer);
        if self.keep && self.kept.len() < MAX_KEPT {
            self.kept.push(SeenReport { time: now, from, report });
        } else {
            self.left_out += u64::from(self.keep);
        }
    }

    /// The reports since the last call, and how many were left out.
    pub fn take_kept(&mut self) -> (Vec<SeenReport>, u64) {
        (std::mem::take(&mut self.kept), std::mem::take(&mut self.left_out))
    }
}

/// What reports of one kind and peer say.
#[derive(Clone, Debug)]
struct Cell {
    mos_lq: Histogram,
    mos_cq: Histogram,
    loss: Histogram,
    jitter: Histogram,
    round_trip: Histogram,
}

impl Cell {
    fn new() -> Cell {
        Cell {
            mos_lq: Histogram::new(MOS_BOUNDS),
            mos_cq: Histogram::new(MOS_BOUNDS),
            loss: Histogram::new(LOSS_BOUNDS),
            jitter: Histogram::new(JITTER_BOUNDS),
            round_trip: Histogram::new(ROUND_TRIP_BOUNDS),
        }
    }
}

/// Numbers of voice quality reports.
#[derive(Clone, Debug)]
pub struct Numbers {
    reports: Series<PeerId, u64>,
    unreadable: Series<PeerId, u64>,
    cells: Series<(Kind, PeerId), Cell>,
}

impl Labels for (Kind, PeerId) {
    fn other(self) -> (Kind, PeerId) {
        (self.0, PeerId::OTHER)
    }
}

impl Numbers {
    /// `max_series`: label sets of one family.
    pub fn new(max_series: usize) -> Numbers {
        Numbers {
            reports: Series::new(max_series),
            unreadable: Series::new(max_series),
            cells: Series::new(max_series),
        }
    }

    /// Counts what the reporter measured itself. What the other end told it is in that end's own reports, or is hearsay.
    fn count(&mut self, report: &VoiceReport, peer: PeerId) {
        self.reports.count(peer);
        let cell = self.cells.row((report.kind, peer), Cell::new);
        for (histogram, name, unit) in [
            (&mut cell.mos_lq, "MOSLQ", 1.0),
            (&mut cell.mos_cq, "MOSCQ", 1.0),
            (&mut cell.loss, "NLR", 100.0),
            (&mut cell.jitter, "IAJ", 1000.0),
            (&mut cell.round_trip, "RTD", 1000.0),
        ] {
            if let Some(value) = report.local.number(name) {
                histogram.observe(value / unit);
            }
        }
    }

    pub fn collect(&self, site: &Site, out: &mut Collection) {
        for family in FAMILIES {
            out.declare(family);
        }
        for (family, counts) in [(&REPORTS, &self.reports), (&UNREADABLE, &self.unreadable)] {
            counts.collect_overflow(family, out);
            for (peer, count) in counts.iter() {
                out.add(family, vec![site.name(*peer)], Value::Counter(*count));
            }
        }
        self.cells.collect_overflow(&MOS, out);
        for ((report, peer), cell) in self.cells.iter() {
            let labels = vec![fixed(report.name()), site.name(*peer)];
            for (kind, histogram) in [("lq", &cell.mos_lq), ("cq", &cell.mos_cq)] {
                let labels = [&[fixed(kind)][..], &labels].concat();
                out.add(&MOS, labels, Value::Histogram(histogram.clone()));
            }
            for (family, histogram) in [(&LOSS, &cell.loss), (&JITTER, &cell.jitter), (&ROUND_TRIP, &cell.round_trip)] {
                out.add(family, labels.clone(), Value::Histogram(histogram.clone()));
            }
        }
    }
}

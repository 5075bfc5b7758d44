//! What is counted of signalling, calls and registrations.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::labels::{Labels, Series};
use crate::numbers::{Collection, Family, Histogram, Value, fixed, observe};
use crate::site::{Direction, PeerId, Site};
use crate::wire::Transport;
use crate::wire::sip::{Malformed, Method};

use super::cell::{self, Cell, CellKey, Status};
use super::outcome::{Cause, EndedBy, Outcome};

pub(super) const DELAY_BOUNDS: &[f64] =
    &[0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0];
const RESPONSE_BOUNDS: &[f64] =
    &[0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0];
static REQUESTS: Family = Family::counter(
    "sip_requests_total",
    "",
    &["method", "direction", "peer", "transport"],
    "SIP requests on the wire, retransmissions included.",
);
static RESPONSES: Family = Family::counter(
    "sip_responses_total",
    "",
    &["method", "code", "direction", "peer", "transport"],
    "SIP responses on the wire by status code and CSeq method, retransmissions included.",
);
static RETRANSMISSIONS: Family = Family::counter(
    "sip_retransmissions_total",
    "",
    &["method", "kind", "peer"],
    "SIP messages that were on the same hop before: same transaction, for responses same code and To tag.",
);
static MALFORMED: Family = Family::counter(
    "sip_malformed_messages_total",
    "",
    &["reason"],
    "SIP messages that could not be read, or only in part.",
);
static RESPONSE_TIME: Family = Family::histogram(
    "sip_response_time_seconds",
    "seconds",
    &["method", "peer"],
    "Time from a request to its first response, provisional ones included, at this point of the network.",
);
static RELAY_DELAY: Family = Family::histogram(
    "sip_relay_delay_seconds",
    "seconds",
    &["method"],
    "Time that a SIP request or response spent inside this host, where it was seen coming in and going out under one Call-ID.",
);
static RELEASES: Family = Family::counter(
    "call_releases_total",
    "",
    &["side", "cause", "direction"],
    "Ends of calls and attempts by who ended them, and the class of the Q.850 cause: of a Reason header (RFC 3326), or as RFC 3398 section 8.2.6.1 maps the final status.",
);
static TRANSFERS: Family = Family::counter(
    "call_transfers_total",
    "",
    &["kind", "direction"],
    "Transfers: refer is a REFER within a call that was accepted (RFC 3515), replaces an answered INVITE that takes another dialog's place (RFC 3891).",
);
/// The families of this folder, in the order of the catalogue.
pub static FAMILIES: &[&Family] =
    &[&REQUESTS, &RESPONSES, &RETRANSMISSIONS, &MALFORMED, &RESPONSE_TIME, &RELAY_DELAY, &RELEASES, &TRANSFERS];

/// RFC 3261 section 7.2: status codes are below 700.
const CODES: usize = 700;

type Requests = (Method, Direction, PeerId, Transport);
type Responses = (Method, Status, Direction, PeerId, Transport);
type Retransmissions = (Method, &'static str, PeerId);

impl Labels for Requests {
    fn other(self) -> Requests {
        (self.0, self.1, PeerId::OTHER, self.3)
    }

    #[inline]
    fn hint(&self) -> usize {
        self.0 as usize
    }
}

impl Labels for Responses {
    fn other(self) -> Responses {
        (self.0, Status::Other, self.2, PeerId::OTHER, self.4)
    }

    #[inline]
    fn hint(&self) -> usize {
        match self.1 {
            // Those that come most (100, 180, 183, 200, 401, 404, 407, 486, 487, 503) are apart.
            Status::Code(code) => usize::from(code % 15) + self.0 as usize,
            _ => 0,
        }
    }
}

impl Labels for Retransmissions {
    fn other(self) -> Retransmissions {
        (self.0, self.1, PeerId::OTHER)
    }
}

impl Labels for (Method, PeerId) {
    fn other(self) -> (Method, PeerId) {
        (self.0, PeerId::OTHER)
    }

    #[inline]
    fn hint(&self) -> usize {
        self.0 as usize
    }
}

/// All numbers of the signalling side of one worker.
#[derive(Clone, Debug)]
pub struct Numbers {
    requests: Series<Requests, u64>,
    responses: Series<Responses, u64>,
    /// By status code alone, for the report.
    codes: [u64; CODES],
    retransmissions: Series<Retransmissions, u64>,
    malformed: [u64; Malformed::ALL.len()],
    response_time: Series<(Method, PeerId), Histogram>,
    relay_delay: HashMap<Method, Histogram, RandomState>,
    calls: Series<CellKey, Cell>,
    finals: Series<(CellKey, Status), u64>,
    releases: HashMap<(EndedBy, Cause, Direction), u64, RandomState>,
    transfers: HashMap<(&'static str, Direction), u64, RandomState>,
    pub registrations: super::registrations::Numbers,
    pub voice_reports: super::voice_reports::Numbers,
    pub breakdown: super::breakdown::Numbers,
    pub suspicious: super::suspicious::Counts,
    pub business: super::business::Numbers,
}

impl Numbers {
    pub fn new(settings: &super::Settings) -> Numbers {
        let max_series = settings.max_series;
        Numbers {
            requests: Series::new(max_series),
            responses: Series::new(max_series),
            codes: [0; CODES],
            retransmissions: Series::new(max_series),
            malformed: Default::default(),
            response_time: Series::new(max_series),
            relay_delay: HashMap::default(),
            calls: Series::new(max_series),
            finals: Series::new(max_series),
            releases: HashMap::default(),
            transfers: HashMap::default(),
            registrations: super::registrations::Numbers::new(max_series),
            voice_reports: super::voice_reports::Numbers::new(max_series),
            breakdown: super::breakdown::Numbers::new(settings),
            suspicious: super::suspicious::Counts::default(),
            business: super::business::Numbers::new(&settings.business),
        }
    }

    pub fn count_request(&mut self, method: Method, direction: Direction, peer: PeerId, transport: Transport) {
        self.requests.count((method, direction, peer, transport));
    }

    pub fn count_response(&mut self, method: Method, code: u16, to: (Direction, PeerId), transport: Transport) {
        self.responses.count((method, Status::Code(code), to.0, to.1, transport));
        if let Some(count) = self.codes.get_mut(usize::from(code)) {
            *count += 1;
        }
    }

    pub fn count_retransmission(&mut self, method: Method, kind: &'static str, peer: PeerId) {
        self.retransmissions.count((method, kind, peer));
    }

    pub fn count_malformed(&mut self, reason: Malformed) {
        self.malformed[reason as usize] += 1;
    }

    pub fn observe_response(&mut self, method: Method, peer: PeerId, seconds: f64) {
        self.response_time.row((method, peer), || Histogram::new(RESPONSE_BOUNDS)).observe(seconds);
    }

    pub fn observe_relay(&mut self, method: Method, seconds: f64) {
        observe(&mut self.relay_delay, method, RESPONSE_BOUNDS, seconds);
    }

    /// A call ended; one that the end of the capture cut off was not released by anybody.
    pub fn count_release(&mut self, by: EndedBy, cause: Cause, direction: Direction) {
        if by != EndedBy::CaptureEnd {
            *self.releases.entry((by, cause, direction)).or_default() += 1;
        }
    }

    pub fn count_transfer(&mut self, kind: &'static str, direction: Direction) {
        *self.transfers.entry((kind, direction)).or_default() += 1;
    }

    /// The labels under which a call counts from its first message to its last.
    pub fn admit(&mut self, key: CellKey) -> CellKey {
        self.calls.admit(key)
    }

    pub fn cell(&mut self, key: CellKey) -> &mut Cell {
        self.calls.row(key, Cell::new)
    }

    /// An attempt has ended.
    pub fn count_end(&mut self, key: CellKey, outcome: Outcome, status: Option<u16>) {
        let status = Status::of(outcome, status);
        if !self.cell(key).count_end(outcome, status) {
            self.finals.count((key, status));
        }
    }

    /// The peak starts anew from the calls that are in progress now.
    pub fn reset_peaks(&mut self) {
        for cell in self.calls.values_mut() {
            cell.reset_peak();
        }
    }

    /// Requests by method, for the report.
    pub fn requests_by_method(&self) -> impl Iterator<Item = (Method, u64)> + '_ {
        Method::ALL
            .into_iter()
            .map(|method| (method, self.requests.iter().filter(|(key, _)| key.0 == method).map(|(_, n)| n).sum()))
    }

    /// Responses by status code, ascending, for the report.
    pub fn responses_by_code(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        (0..).zip(self.codes).filter(|(_, count)| *count > 0)
    }

    pub fn retransmissions(&self) -> u64 {
        self.retransmissions.iter().map(|(_, n)| n).sum()
    }

    pub fn malformed(&self) -> impl Iterator<Item = (Malformed, u64)> + '_ {
        Malformed::ALL.into_iter().zip(self.malformed)
    }

    pub fn collect(&self, site: &Site, out: &mut Collection) {
        for family in FAMILIES.iter().chain(cell::FAMILIES) {
            out.declare(family);
        }
        self.collect_messages(site, out);
        self.registrations.collect(site, &self.breakdown.names, out);
        self.breakdown.collect(out);
        self.voice_reports.collect(site, out);
        super::suspicious::collect(&self.suspicious, out);
        self.business.collect(out);
        cell::collect(&self.calls, &self.finals, site, out);
        for ((by, cause, direction), count) in &self.releases {
            let labels = vec![fixed(by.name()), fixed(cause.name()), fixed(direction.name())];
            out.add(&RELEASES, labels, Value::Counter(*count));
        }
        for ((kind, direction), count) in &self.transfers {
            out.add(&TRANSFERS, vec![fixed(kind), fixed(direction.name())], Value::Counter(*count));
        }
    }

    fn collect_messages(&self, site: &Site, out: &mut Collection) {
        self.requests.collect_overflow(&REQUESTS, out);
        self.responses.collect_overflow(&RESPONSES, out);
        self.retransmissions.collect_overflow(&RETRANSMISSIONS, out);
        self.response_time.collect_overflow(&RESPONSE_TIME, out);
        for ((method, direction, peer, transport), count) in self.requests.iter() {
            let labels = vec![fixed(method.name()), fixed(direction.name()), site.name(*peer), fixed(transport.name())];
            out.add(&REQUESTS, labels, Value::Counter(*count));
        }
        for ((method, code, direction, peer, transport), count) in self.responses.iter() {
            let labels = vec![
                fixed(method.name()),
                code.name(),
                fixed(direction.name()),
                site.name(*peer),
                fixed(transport.name()),
            ];
            out.add(&RESPONSES, labels, Value::Counter(*count));
        }
        for ((method, kind, peer), count) in self.retransmissions.iter() {
            out.add(
                &RETRANSMISSIONS,
                vec![fixed(method.name()), fixed(kind), site.name(*peer)],
                Value::Counter(*count),
            );
        }
        for (reason, count) in self.malformed() {
            out.add(&MALFORMED, vec![fixed(reason.reason())], Value::Counter(count));
        }
        for ((method, peer), histogram) in self.response_time.iter() {
            let labels = vec![fixed(method.name()), site.name(*peer)];
            out.add(&RESPONSE_TIME, labels, Value::Histogram(histogram.clone()));
        }
        for (method, histogram) in &self.relay_delay {
            out.add(&RELAY_DELAY, vec![fixed(method.name())], Value::Histogram(histogram.clone()));
        }
    }
}

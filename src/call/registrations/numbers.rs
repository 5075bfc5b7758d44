//! What is counted of registrations, by peer.

use crate::call::agents;
use crate::call::numbers::DELAY_BOUNDS;
use crate::labels::Series;
use crate::numbers::{Collection, Family, Histogram, Value, fixed};
use crate::site::{PeerId, Site};

static ACTIVE: Family = Family::gauge(
    "sip_registrations_active",
    "",
    &["peer"],
    "Registered bindings (address of record and contact) that have not expired.",
);
static USERS: Family = Family::gauge(
    "sip_registered_users",
    "",
    &["peer"],
    "Addresses of record that have a binding, each counted at the peer that registered it last.",
);
static CHANGES: Family = Family::counter(
    "sip_registrations_total",
    "",
    &["peer", "kind"],
    "Bindings that an accepted REGISTER made (new), kept (refresh) or took away (removal), that ran out (expired), that their registrar stopped to list (dropped) or was the first to tell of (listed).",
);
static ATTEMPTS: Family = Family::counter(
    "sip_registration_attempts_total",
    "",
    &["peer", "result"],
    "Registration attempts by result; a challenge and the REGISTER that answers it are one attempt.",
);
static BY_AGENT: Family = Family::counter(
    "sip_registration_attempts_by_agent_total",
    "",
    &["agent", "result"],
    "Registration attempts by the family of the User-Agent that sent them ([[user_agents]]; none: it has none) and result.",
);
static INEFFECTIVE: Family = Family::counter(
    "sip_registration_ineffective_attempts_total",
    "",
    &["peer"],
    "RFC 6076 section 4.2: registration attempts that ended in 4xx (but 401, 402, 407), 5xx or 6xx, or that nobody answered.",
);
static DELAY: Family = Family::histogram(
    "sip_registration_delay_seconds",
    "seconds",
    &["peer"],
    "RFC 6076 section 4.1: first REGISTER of a successful attempt to its 200, challenges included.",
);

/// The families of this folder, in the order of the catalogue.
pub static FAMILIES: &[&Family] = &[&ACTIVE, &USERS, &CHANGES, &ATTEMPTS, &BY_AGENT, &INEFFECTIVE, &DELAY];

/// How an attempt ended; the values of the `result` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    Success = 0,
    /// Forbidden, or challenged without a good answer.
    Unauthorized,
    Rejected,
    Timeout,
}

impl Outcome {
    const ALL: [Outcome; 4] = [Outcome::Success, Outcome::Unauthorized, Outcome::Rejected, Outcome::Timeout];

    const fn name(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Unauthorized => "unauthorized",
            Outcome::Rejected => "rejected",
            Outcome::Timeout => "timeout",
        }
    }
}

/// What became of a binding; the values of the `kind` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Change {
    New = 0,
    Refresh,
    Removal,
    Expired,
    /// A later 2xx of its registrar does not list it.
    Dropped,
    /// A 2xx lists it that answers a REGISTER which did not ask for it: it was made before, or elsewhere.
    Listed,
}

impl Change {
    pub const ALL: [Change; 6] =
        [Change::New, Change::Refresh, Change::Removal, Change::Expired, Change::Dropped, Change::Listed];

    pub const fn name(self) -> &'static str {
        match self {
            Change::New => "new",
            Change::Refresh => "refresh",
            Change::Removal => "removal",
            Change::Expired => "expired",
            Change::Dropped => "dropped",
            Change::Listed => "listed",
        }
    }
}

/// Numbers of the registrations of one peer.
#[derive(Clone, Debug)]
pub struct Cell {
    pub active: u64,
    pub users: u64,
    changes: [u64; Change::ALL.len()],
    results: [u64; Outcome::ALL.len()],
    pub ineffective: u64,
    pub delay: Histogram,
}

impl Cell {
    fn new() -> Cell {
        Cell {
            active: 0,
            users: 0,
            changes: [0; Change::ALL.len()],
            results: [0; Outcome::ALL.len()],
            ineffective: 0,
            delay: Histogram::new(DELAY_BOUNDS),
        }
    }

    pub fn count_change(&mut self, change: Change) {
        self.changes[change as usize] += 1;
    }

    #[cfg(test)]
    pub fn results(&self) -> [u64; Outcome::ALL.len()] {
        self.results
    }
}

/// The numbers of all peers together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    pub active: u64,
    pub users: u64,
    pub successes: u64,
    pub attempts: u64,
    pub ineffective: u64,
    changes: [u64; Change::ALL.len()],
}

impl Totals {
    pub fn changes(&self) -> impl Iterator<Item = (Change, u64)> + '_ {
        Change::ALL.into_iter().zip(self.changes)
    }
}

/// Numbers of registrations of one worker.
#[derive(Clone, Debug)]
pub struct Numbers {
    cells: Series<PeerId, Cell>,
    agents: Series<agents::Family, [u64; Outcome::ALL.len()]>,
}

impl Numbers {
    /// `max_series`: label sets of one family.
    pub fn new(max_series: usize) -> Numbers {
        Numbers { cells: Series::new(max_series), agents: Series::new(max_series) }
    }

    pub fn cell(&mut self, peer: PeerId) -> &mut Cell {
        self.cells.row(peer, Cell::new)
    }

    /// An attempt has ended.
    pub fn count_result(&mut self, peer: PeerId, agent: agents::Family, outcome: Outcome) {
        self.cell(peer).results[outcome as usize] += 1;
        self.agents.row(agent, Default::default)[outcome as usize] += 1;
    }

    /// For the report.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for (_, cell) in self.cells.iter() {
            totals.active += cell.active;
            totals.users += cell.users;
            totals.successes += cell.results[Outcome::Success as usize];
            totals.attempts += cell.results.iter().sum::<u64>();
            totals.ineffective += cell.ineffective;
            for (sum, n) in totals.changes.iter_mut().zip(cell.changes) {
                *sum += n;
            }
        }
        totals
    }

    pub fn collect(&self, site: &Site, names: &agents::Names, out: &mut Collection) {
        for family in FAMILIES {
            out.declare(family);
        }
        self.cells.collect_overflow(&ACTIVE, out);
        self.agents.collect_overflow(&BY_AGENT, out);
        // Without families to tell apart all would be other.
        for (agent, results) in self.agents.iter().filter(|_| !names.is_empty()) {
            for (outcome, count) in Outcome::ALL.into_iter().zip(results) {
                out.add(&BY_AGENT, vec![agents::label(names, *agent), fixed(outcome.name())], Value::Counter(*count));
            }
        }
        for (peer, cell) in self.cells.iter() {
            let peer = site.name(*peer);
            let with = |last: &'static str| vec![peer.clone(), fixed(last)];
            out.add(&ACTIVE, vec![peer.clone()], Value::Gauge(cell.active as f64));
            out.add(&USERS, vec![peer.clone()], Value::Gauge(cell.users as f64));
            for (change, count) in Change::ALL.into_iter().zip(cell.changes) {
                out.add(&CHANGES, with(change.name()), Value::Counter(count));
            }
            for (outcome, count) in Outcome::ALL.into_iter().zip(cell.results) {
                out.add(&ATTEMPTS, with(outcome.name()), Value::Counter(count));
            }
            out.add(&INEFFECTIVE, vec![peer.clone()], Value::Counter(cell.ineffective));
            out.add(&DELAY, vec![peer.clone()], Value::Histogram(cell.delay.clone()));
        }
    }
}

//! Questions that packs ask databases: each is a source of its own, so that one that fails or is slow is its own trouble alone.

mod ask;
mod rows;
mod tenants;
mod window;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::business::Board;
use super::{Failure, Instance, Readings, Sampling, Source};
use crate::config::{Config, Engine, Pack, Query, Statement, Window};
use crate::numbers::{Family, Kind};

use ask::{Pool, Question};
use rows::{Finished, Key, Sheet};
use tenants::{Register, Roster};
use window::{Bounds, bounds};

/// What a query exposes of itself.
pub const FAMILIES: [Family; 5] = [
    Family {
        name: DURATION,
        kind: Kind::Histogram,
        unit: "seconds",
        labels: &["query"],
        help: "How long one sample of a query took, all its windows together, waiting for a connection included.",
    },
    Family {
        name: ERRORS,
        kind: Kind::Counter,
        unit: "",
        labels: &["query", "reason"],
        help: "Samples of a query that failed, or a part of them, by reason; the log says more.",
    },
    Family {
        name: LAST_SUCCESS,
        kind: Kind::Gauge,
        unit: "seconds",
        labels: &["query"],
        help: "Unix time of the last sample of a query that was whole: how fresh its families are.",
    },
    Family {
        name: SUPPRESSED,
        kind: Kind::Gauge,
        unit: "",
        labels: &["query"],
        help: "Groups of the last sample that are not shown because they have fewer than minimum_group members.",
    },
    Family {
        name: REFUSED,
        kind: Kind::Counter,
        unit: "",
        labels: &["pack"],
        help: "Values that would have been a label and look like a person: a number, an address, an id, a text. They count as other.",
    },
];

pub const DURATION: &str = "sidetone_sql_query_duration_seconds";
const ERRORS: &str = "sidetone_sql_query_errors_total";
const LAST_SUCCESS: &str = "sidetone_sql_query_last_success_timestamp_seconds";
const SUPPRESSED: &str = "sidetone_privacy_suppressed_groups";
pub const REFUSED: &str = "sidetone_privacy_refused_values_total";
/// Bounds of the histogram.
pub const DURATION_BOUNDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Waiting for a connection that others use.
const QUEUE: Duration = Duration::from_secs(60);
/// Values live for so many intervals.
const INTERVALS: u32 = 3;

/// Every query of every pack that has a database.
pub fn instances(config: &Config, board: &Arc<Board>) -> Vec<Instance> {
    let mut pools: BTreeMap<&str, Arc<Pool>> = BTreeMap::new();
    let mut all = Vec::new();
    for pack in &config.business.packs {
        let database = config.databases.iter().find(|database| Some(&database.name) == pack.database.as_ref());
        let Some(database) = database else { continue };
        let pool = pools.entry(&database.name).or_insert_with(|| Arc::new(Pool::new(Arc::new(database.clone()))));
        let register = pack.tenants.clone().map(|tenants| Arc::new(Register::new(pack, tenants)));
        let shared =
            Arc::new(Shared { pack: pack.clone(), pool: Arc::clone(pool), board: Arc::clone(board), register });
        // In the medical profile nobody would be left of what is not for it.
        let asked = |query: &&Query| query.medical || !pack.medical;
        let parts = pack.queries.iter().filter(asked).flat_map(parts);
        all.extend(parts.map(|(suffix, query)| instance(config, &shared, suffix, query)));
    }
    all
}

/// A query, or its short windows and its long ones where these are asked for less often.
fn parts(query: &Query) -> Vec<(&'static str, Query)> {
    let (long, short): (Vec<Window>, Vec<Window>) = query.windows.iter().partition(|window| window.is_long());
    match query.long_interval {
        Some(interval) if !long.is_empty() && !short.is_empty() => {
            let short = Query { windows: short, ..query.clone() };
            vec![("", short), (":long", Query { windows: long, interval, ..query.clone() })]
        }
        Some(interval) if !long.is_empty() => vec![("", Query { interval, ..query.clone() })],
        _ => vec![("", query.clone())],
    }
}

fn instance(config: &Config, shared: &Arc<Shared>, suffix: &str, query: Query) -> Instance {
    let name = format!("{}/{}{suffix}", shared.pack.name, query.name);
    let max_age = config.sources.max_age.max(query.interval.saturating_mul(INTERVALS) + query.timeout);
    let runs = 1 + query.windows.len().max(1) as u32;
    let (interval, timeout) = (query.interval, query.timeout);
    let (shared, query) = (Arc::clone(shared), Arc::new(query));
    let source = format!("sql:{name}");
    let make = move || -> Box<dyn Source> {
        let (shared, query) = (Arc::clone(&shared), Arc::clone(&query));
        Box::new(Asking { name: name.clone(), shared, query, max_age, last: HashMap::new() })
    };
    Instance {
        name: source,
        interval,
        deadline: QUEUE + timeout.saturating_mul(runs),
        down: Readings::default(),
        make: Box::new(make),
    }
}

/// What all queries of a pack have in common.
struct Shared {
    pack: Pack,
    pool: Arc<Pool>,
    board: Arc<Board>,
    register: Option<Arc<Register>>,
}

/// One query.
struct Asking {
    name: String,
    shared: Arc<Shared>,
    query: Arc<Query>,
    max_age: Duration,
    /// What its counters were.
    last: HashMap<Key, f64>,
}

impl Source for Asking {
    fn sample(&mut self) -> Sampling<'_> {
        Box::pin(async {
            let began = Instant::now();
            let asked = self.ask().await;
            let query = || self.name.clone();
            metrics::histogram!(DURATION, "query" => query()).record(began.elapsed().as_secs_f64());
            let faults = match &asked {
                Ok(readings) => readings.faults(),
                Err(failure) => std::slice::from_ref(failure),
            };
            for fault in faults {
                metrics::counter!(ERRORS, "query" => query(), "reason" => fault.reason.name()).increment(1);
            }
            if faults.is_empty() {
                metrics::gauge!(LAST_SUCCESS, "query" => query()).set(Timestamp::now().as_millisecond() as f64 / 1e3);
            }
            asked
        })
    }
}

impl Asking {
    async fn ask(&mut self) -> Result<Readings, Failure> {
        let (shared, query) = (Arc::clone(&self.shared), Arc::clone(&self.query));
        let roster = match &shared.register {
            Some(register) => Some(register.roster(&shared.pool).await?),
            None => None,
        };
        let now = Timestamp::now();
        let runs = runs(&query.windows, now, &shared.pack.time_zone, roster.as_deref().filter(|_| query.has_tenant));
        let question = Question {
            statement: statement(&query, shared.pool.engine()),
            timeout: query.timeout,
            max_rows: query.max_rows,
        };
        let times: Vec<Bounds> = runs.iter().map(|run| run.bounds).collect();
        let answers = shared.pool.ask(&question, &times, now).await?;
        let mut sheet = Sheet::new(&shared.pack, &query, roster.as_deref());
        for (run, rows) in runs.iter().zip(&answers) {
            sheet.add(run.window, rows, |tenant| run.is_of(roster.as_deref(), tenant, &shared.pack.time_zone))?;
        }
        let windows: Vec<Option<Window>> = match query.windows.as_slice() {
            [] => vec![None],
            windows => windows.iter().copied().map(Some).collect(),
        };
        let Finished { blocks, faults, withheld, refused } = sheet.finish(&windows, &mut self.last);
        shared.board.put(&self.name, blocks, Instant::now() + self.max_age);
        metrics::gauge!(SUPPRESSED, "query" => self.name.clone()).set(withheld as f64);
        if refused > 0 {
            metrics::counter!(REFUSED, "pack" => shared.pack.name.clone()).increment(refused);
        }
        let mut readings = Readings::default();
        faults.into_iter().for_each(|fault| readings.complain(fault));
        Ok(readings)
    }
}

/// The statement for servers of this kind.
fn statement(query: &Query, engine: Engine) -> &Statement {
    let own = match engine {
        Engine::Mysql => query.mysql.as_ref(),
        Engine::Clickhouse => query.clickhouse.as_ref(),
        _ => None,
    };
    own.unwrap_or(&query.sql)
}

/// One window between the same two times, for those whose clocks say so.
struct Run {
    window: Option<Window>,
    bounds: Bounds,
    now: Timestamp,
}

impl Run {
    /// Whether a tenant's window is this one.
    fn is_of(&self, roster: Option<&Roster>, tenant: &str, zone: &TimeZone) -> bool {
        let Some(window) = self.window.filter(|window| window.has_zone()) else { return true };
        let own = roster.and_then(|roster| roster.known.get(tenant)).map_or(zone, |tenant| &tenant.zone);
        bounds(window, self.now, own) == self.bounds
    }
}

/// What has to be asked: windows that begin at midnight once for each midnight that tenants have.
fn runs(windows: &[Window], now: Timestamp, zone: &TimeZone, roster: Option<&Roster>) -> Vec<Run> {
    let run = |window: Option<Window>, bounds: Bounds| Run { window, bounds, now };
    if windows.is_empty() {
        return vec![run(None, Bounds { from: now, to: now })];
    }
    let mut all = Vec::new();
    for &window in windows {
        let zones = roster.into_iter().flat_map(|roster| roster.known.values().map(|tenant| &tenant.zone));
        let mut times: Vec<Bounds> = match window.has_zone() {
            true => zones.chain([zone]).map(|zone| bounds(window, now, zone)).collect(),
            false => vec![bounds(window, now, zone)],
        };
        times.sort_unstable();
        times.dedup();
        all.extend(times.into_iter().map(|times| run(Some(window), times)));
    }
    all
}

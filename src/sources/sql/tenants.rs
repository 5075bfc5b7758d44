//! Whose rows there are, in whose time zone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::Mutex;

use super::ask::{Pool, Question};
use super::window::Bounds;
use crate::config::{Pack, Tenants};
use crate::sources::business::looks_personal;
use crate::sources::db::Answer;
use crate::sources::{Failure, Reason};

const OTHER: &str = "other";
/// For the one statement that lists them.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most rows of it.
const MAX_ROWS: usize = 100_000;

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Tenant {
    /// The label's value; `other` for those that have none of their own.
    pub label: Arc<str>,
    pub zone: TimeZone,
    pub medical: bool,
}

/// All of them, by what the rows call them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roster {
    pub known: HashMap<String, Tenant>,
    /// Those with a label of their own, in its order.
    pub labels: Vec<Arc<str>>,
}

/// What is known of a pack's tenants, for all its queries.
pub struct Register {
    settings: Tenants,
    zone: TimeZone,
    medical: bool,
    last: Mutex<Option<(Instant, Arc<Roster>)>>,
}

impl Register {
    pub fn new(pack: &Pack, settings: Tenants) -> Register {
        Register { settings, zone: pack.time_zone.clone(), medical: pack.medical, last: Mutex::default() }
    }

    /// The tenants as they were a while ago at most.
    pub async fn roster(&self, pool: &Pool) -> Result<Arc<Roster>, Failure> {
        let mut last = self.last.lock().await;
        if let Some((at, roster)) = last.as_ref().filter(|(at, _)| at.elapsed() < self.settings.interval) {
            let _ = at;
            return Ok(Arc::clone(roster));
        }
        let question = Question { statement: &self.settings.sql, timeout: TIMEOUT, max_rows: MAX_ROWS };
        let now = Timestamp::now();
        let asked = pool.ask(&question, &[Bounds { from: now, to: now }], now).await;
        let rows = asked.map_err(|failure| Failure::new(failure.reason, format_args!("tenants: {failure}")))?;
        let roster = Arc::new(self.read(rows.first().map_or(&[][..], Vec::as_slice))?);
        *last = Some((Instant::now(), Arc::clone(&roster)));
        Ok(roster)
    }

    fn read(&self, rows: &[Answer]) -> Result<Roster, Failure> {
        let mut ordered: Vec<(&str, &Answer)> = Vec::new();
        for row in rows {
            let missing = || Failure::new(Reason::Answer, "tenants: there is no column tenant");
            if !row.has("tenant") {
                return Err(missing());
            }
            ordered.extend(row.text("tenant").map(|id| (id, row)));
        }
        ordered.sort_unstable_by_key(|(id, _)| *id);
        ordered.dedup_by_key(|(id, _)| *id);
        let mut roster = Roster::default();
        for (id, row) in ordered {
            let label: Arc<str> = self.label(id, row, roster.labels.len()).into();
            if *label != *OTHER && !roster.labels.contains(&label) {
                roster.labels.push(Arc::clone(&label));
            }
            let zone = row.text("time_zone").and_then(|name| TimeZone::get(name).ok());
            let medical = self.medical || matches!(row.text("medical"), Some("t" | "true" | "1"));
            let zone = zone.unwrap_or_else(|| self.zone.clone());
            roster.known.insert(id.to_owned(), Tenant { label, zone, medical });
        }
        roster.labels.sort_unstable();
        Ok(roster)
    }

    fn label<'a>(&'a self, id: &'a str, row: &'a Answer, so_far: usize) -> &'a str {
        if !self.settings.aliases.is_empty() {
            return self.settings.aliases.get(id).map_or(OTHER, String::as_str);
        }
        let label = row.text("alias").filter(|alias| !alias.is_empty()).unwrap_or(id);
        // A business may be called by an id, but not by somebody's address.
        let is_person = matches!(looks_personal(label), Some(kind) if kind != "id");
        if is_person || so_far >= self.settings.max { OTHER } else { label }
    }
}

//! Pools of connections inside applications: numbers of a JSON document, as the same families that PgBouncer's pools have.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::families::{CONNECTIONS, CONNECTIONS_MAX, WAIT_SECONDS};
use super::{GRACE, http};
use crate::config::{Config, Place, Pool};
use crate::numbers::{Family, fixed};
use crate::sources::{Failure, Instance, Readings, Reason, Row, Sampling, Source, Start};

pub static ROW: Row = Row {
    name: "pools",
    interval: INTERVAL,
    deadline: DEADLINE,
    on: true,
    // Those of the databases.
    families: &[],
    start: Start::Each(all),
};

const INTERVAL: Duration = Duration::from_secs(15);
const DEADLINE: Duration = Duration::from_secs(5);
/// The value of the `engine` label.
const ENGINE: &str = "application";

fn all(config: &Config) -> Vec<Instance> {
    let instance = |pool: &Pool| {
        let pool = Arc::new(pool.clone());
        Instance {
            name: format!("pool:{}", pool.name),
            interval: pool.interval.unwrap_or(INTERVAL),
            deadline: pool.timeout + GRACE,
            down: Readings::default(),
            make: Box::new(move || Box::new(Application(Arc::clone(&pool)))),
        }
    };
    config.pools.iter().map(instance).collect()
}

struct Application(Arc<Pool>);

impl Source for Application {
    fn sample(&mut self) -> Sampling<'_> {
        Box::pin(async {
            let timeout = self.0.timeout;
            let late = |_| {
                let text = format!("no whole answer within {}", humantime::format_duration(timeout));
                Err(Failure::new(Reason::Timeout, text))
            };
            tokio::time::timeout(timeout, self.read()).await.unwrap_or_else(late)
        })
    }
}

impl Application {
    async fn read(&self) -> Result<Readings, Failure> {
        let pool = &*self.0;
        let mut seen: BTreeMap<String, Value> = BTreeMap::new();
        let places = &pool.places;
        let all = [&places.active, &places.idle, &places.total, &places.waiting, &places.max, &places.wait_seconds];
        let mut numbers = [None; 6];
        let mut out = Readings::default();
        for (place, number) in all.into_iter().zip(&mut numbers) {
            let Some(place) = place else { continue };
            let url = format!("{}{}", pool.url, place.path);
            if !seen.contains_key(&url) {
                seen.insert(url.clone(), http::json(&url, pool).await?);
            }
            *number = seen.get(&url).and_then(|document| at(document, place));
            if number.is_none() {
                let text = format!("{url} has no number at {:?}", place.pointer);
                out.complain(Failure::new(Reason::Answer, text));
            }
        }
        let [active, idle, total, waiting, max, wait_seconds] = numbers;
        let active = active.or_else(|| Some((total? - idle?).max(0.0)));
        for (state, number) in [("active", active), ("idle", idle), ("waiting", waiting)] {
            self.add(&mut out, CONNECTIONS, Some(state), number);
        }
        self.add(&mut out, CONNECTIONS_MAX, None, max);
        if let Some(seconds) = wait_seconds {
            out.add(WAIT_SECONDS, vec![fixed(ENGINE), pool.database.clone().into()], seconds);
        }
        Ok(out)
    }

    fn add(&self, out: &mut Readings, family: &'static Family, state: Option<&'static str>, number: Option<f64>) {
        let mut labels = vec![fixed(ENGINE), self.0.database.clone().into(), self.0.name.clone().into()];
        labels.extend(state.map(fixed));
        if let Some(number) = number {
            out.add(family, labels, number);
        }
    }
}

/// A number, or a text that is one.
fn at(document: &Value, place: &Place) -> Option<f64> {
    let value = document.pointer(&place.pointer)?;
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    number.filter(|number| number.is_finite() && *number >= 0.0)
}

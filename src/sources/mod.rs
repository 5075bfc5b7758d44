//! What is sampled beside the calls: this host, its databases, other people's services. Each on its own timer, with its own deadline.
//!
//! A source is one file and one row of [`SOURCES`]. It runs on the sources' own runtime: one that hangs, panics or is slow
//! touches neither the scrape nor another source.

#![allow(clippy::disallowed_methods)] // Intervals, deadlines and ages are this module's business.

mod business;
pub mod db;
pub mod events;
pub mod host;
mod keeper;
mod net;
pub mod probe;
mod readings;
mod slot;
pub mod sql;
mod tls;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::config::Config;
use crate::numbers::{Collection, Family};

pub use business::Blocks;
pub use keeper::{Instance, Sampling, Source};
pub use readings::{Failure, Reading, Readings, Reason};
pub use slot::FAMILIES;

use slot::Slot;

/// One kind of source.
pub struct Row {
    /// What the configuration calls it, and the `source` label where there is one of its kind.
    pub name: &'static str,
    /// How often it is read where the configuration says nothing.
    pub interval: Duration,
    /// How long one sample may take.
    pub deadline: Duration,
    /// Whether it is read where the configuration says nothing.
    pub on: bool,
    pub families: &'static [Family],
    pub start: Start,
}

/// How a row's sources come to be.
pub enum Start {
    /// One that reads files of the kernel.
    Host(fn(&host::Host) -> host::Reader),
    /// One for each server or target that the configuration names.
    Each(fn(&Config) -> Vec<Instance>),
}

/// Every kind of source.
pub fn table() -> impl Iterator<Item = &'static Row> {
    host::ROWS.iter().chain(db::ROWS).copied().chain([&probe::ROW])
}

/// Values live for at least so many intervals.
const MIN_INTERVALS: u32 = 3;

/// The sources that run, and what they last said.
pub struct Sources {
    slots: Vec<Arc<Slot>>,
    names: host::Prefix,
    modules: Arc<probe::Modules>,
    round: Arc<host::Round>,
    board: Arc<business::Board>,
    intake: Option<Arc<events::Intake>>,
    /// Ends with its owner, without waiting for whatever hangs.
    runtime: Option<Runtime>,
}

impl Sources {
    /// Starts every source that the configuration wants.
    pub fn start(config: &Config) -> std::io::Result<Sources> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("sources")
            .enable_all()
            .build()?;
        let mut slots = Vec::new();
        let mut slot = |name: &str, interval: Duration, deadline: Duration, down| {
            // One late sample is no gap, whatever the configuration says.
            let least = interval.saturating_mul(MIN_INTERVALS) + deadline;
            let slot = Arc::new(Slot::new(name.to_owned(), config.sources.max_age.max(least), down));
            slots.push(Arc::clone(&slot));
            slot
        };
        let host = host::Host::new(&config.host);
        let mut round = host::Round::new();
        for row in table().filter(|row| config.sources.is_on(row.name, row.on)) {
            match row.start {
                Start::Host(reader) => {
                    let interval = config.host.interval.unwrap_or(row.interval);
                    round.add(row, reader, &host, slot(row.name, interval, row.deadline, Readings::default()));
                }
                Start::Each(instances) => {
                    for instance in instances(config) {
                        let slot = slot(&instance.name, instance.interval, instance.deadline, instance.down.clone());
                        runtime.spawn(keeper::keep(instance, slot));
                    }
                }
            }
        }
        let board = Arc::new(business::Board::default());
        for instance in sql::instances(config, &board) {
            let slot = slot(&instance.name, instance.interval, instance.deadline, instance.down.clone());
            runtime.spawn(keeper::keep(instance, slot));
        }
        let intake = events::Intake::open(config)?.map(Arc::new);
        if let Some(intake) = &intake {
            events::start(intake, &config.business.events, &runtime)?;
        }
        let round = Arc::new(round);
        round.start()?;
        runtime.spawn(Arc::clone(&round).watch());
        let modules = Arc::new(probe::Modules::new(config));
        Ok(Sources {
            slots,
            names: host::Prefix::new(config.host.prefix),
            modules,
            round,
            board,
            intake,
            runtime: Some(runtime),
        })
    }

    /// Adds what is known and not too old.
    pub fn collect(&self, out: &mut Collection) {
        let now = Instant::now();
        for slot in &self.slots {
            slot.collect(now, &self.names, out);
        }
    }

    /// What packs count.
    pub fn business(&self) -> Blocks {
        let counted = self.intake.as_ref().map(|intake| intake.blocks());
        self.board.shown(Instant::now(), counted.unwrap_or_default())
    }

    /// Where events are taken, if anybody may send some.
    pub fn intake(&self) -> Option<Arc<events::Intake>> {
        self.intake.clone()
    }
}

impl Sources {
    /// Whether anything may be asked on demand.
    pub fn has_modules(&self) -> bool {
        !self.modules.is_empty()
    }

    /// Asks what somebody names, on the sources' own runtime; nothing comes of it only where that ends.
    pub async fn probe(
        &self,
        module: String,
        target: String,
        limit: Duration,
    ) -> Option<Result<Readings, probe::Refusal>> {
        let modules = Arc::clone(&self.modules);
        let runtime = self.runtime.as_ref()?;
        // Whoever gives up waiting ends the probe too.
        let mut asking = tokio::task::JoinSet::new();
        asking.spawn_on(async move { modules.ask(&module, &target, limit).await }, runtime.handle());
        asking.join_next().await?.ok()
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        self.round.stop();
        if let Some(intake) = &self.intake {
            intake.close();
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

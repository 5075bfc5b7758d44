//! The pack careflow on a real PostgreSQL: every series at /metrics beside what is true of the rows.

#![allow(clippy::disallowed_methods, reason = "deadlines need a clock; the ban is for the core")]

#[path = "packs/careflow.rs"]
mod careflow;
#[path = "live/common.rs"]
mod common;
#[path = "live/databases.rs"]
mod databases;
#[allow(dead_code)] // uses a part of it
#[path = "packs/ground.rs"]
mod ground;
#[path = "live/packs.rs"]
mod packs;
#[allow(dead_code)] // uses a part of it
#[path = "support/generator/rng.rs"]
mod rng;
#[path = "live/servers.rs"]
mod servers;

use careflow::{Size, generate};
use databases::{folder, resident};

/// How many the pack has; where long windows have an interval of their own, it is two.
const QUERIES: usize = 30;

#[test]
fn everything_shown_of_the_database_is_true_and_everything_true_is_shown() {
    if !databases::are_here() {
        return;
    }
    let folder = folder();
    let world = generate(7, packs::now(), &Size { users: 20_000, sessions: 150_000, calls: 100_000 });
    let postgres = packs::filled(folder.path(), include_str!("packs/careflow.sql"), |table| world.copy(table));
    let settings = format!("time_zone = \"{}\"", world.zone.name());
    let agent = packs::asking(folder.path(), "careflow", &postgres, &settings, "");
    packs::answered(&agent, QUERIES);
    let shown = packs::shown(&agent);
    println!("{} series, {} MiB", shown.len(), resident(agent.id()) >> 20);
    packs::compare(&shown, &world.truth(packs::now()));
}

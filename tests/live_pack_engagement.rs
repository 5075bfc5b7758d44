//! The pack engagement on a real PostgreSQL: every series at /metrics beside what is true of the rows.

#![allow(clippy::disallowed_methods, reason = "deadlines need a clock; the ban is for the core")]

#[path = "live/common.rs"]
mod common;
#[path = "live/databases.rs"]
mod databases;
#[path = "packs/engagement.rs"]
mod engagement;
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

use databases::{folder, resident};
use engagement::{ALIASES, Size, generate};

/// How many the pack has.
const QUERIES: usize = 7;

#[test]
fn everything_shown_of_the_database_is_true_and_everything_true_is_shown() {
    if !databases::are_here() {
        return;
    }
    let folder = folder();
    let world = generate(7, packs::now(), &Size { users: 5_000, sessions: 24_000, chats: 15_000 });
    let postgres = packs::filled(folder.path(), include_str!("packs/engagement.sql"), |table| world.copy(table));
    let aliases: Vec<String> = ALIASES.iter().map(|(agent, alias)| format!("{agent} = \"{alias}\"")).collect();
    let settings = format!("time_zone = \"{}\"\naliases.agents = {{ {} }}", world.zone.name(), aliases.join(", "));
    let agent = packs::asking(folder.path(), "engagement", &postgres, &settings, "");
    packs::answered(&agent, QUERIES);
    let shown = packs::shown(&agent);
    println!("{} series, {} MiB", shown.len(), resident(agent.id()) >> 20);
    packs::compare(&shown, &world.truth(packs::now()));
}

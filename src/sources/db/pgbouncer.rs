//! PgBouncer 1.18 and later, by its admin console: SHOW commands alone, whose columns differ by version and are taken by name.

use super::facts::{Fact, Label, Part, Row, pivot};
use super::families::*;

const STATS_USERS: &str = "stats_users = {user}, in pgbouncer.ini";
/// The console itself is a database and has a pool.
const CONSOLE: &str = "pgbouncer";

pub static PARTS: [Part; 4] = [
    Part::new(
        "SHOW STATS",
        "SHOW STATS",
        &[
            Fact::new("total_query_count", QUERIES).forgetful(),
            Fact::new("total_query_time", QUERY_SECONDS).times(1e-6).forgetful(),
            Fact::new("total_wait_time", WAIT_SECONDS).times(1e-6).forgetful(),
            Fact::new("total_xact_count", TRANSACTIONS).with(&[Label::Is("unknown")]).forgetful(),
        ],
    )
    .granted_by(STATS_USERS)
    .shaped(without_console),
    Part::new(
        "SHOW POOLS",
        "SHOW POOLS",
        &[
            Fact::connections("sv_active", &[Label::Of("pool"), Label::Is("active")]),
            Fact::connections("idle", &[Label::Of("pool"), Label::Is("idle")]),
            Fact::connections("cl_waiting", &[Label::Of("pool"), Label::Is("waiting")]),
            Fact::connections("other", &[Label::Of("pool"), Label::Is("other")]),
            Fact::new("longest", LONGEST_WAIT).with(&[Label::Of("pool")]),
            Fact::new("pool_size", CONNECTIONS_MAX).with(&[Label::Of("pool")]),
        ],
    )
    .granted_by(STATS_USERS)
    .beside("SHOW DATABASES", sizes)
    .shaped(pools),
    Part::new(
        "SHOW LISTS",
        "SHOW LISTS",
        &[Fact::connections("used_clients", &[Label::Is("clients"), Label::Is("active")])],
    )
    .granted_by(STATS_USERS)
    .shaped(pivot),
    Part::new(
        "SHOW CONFIG",
        "SHOW CONFIG",
        &[Fact::new("max_client_conn", CONNECTIONS_MAX).with(&[Label::Is("clients")])],
    )
    .granted_by(STATS_USERS)
    .shaped(pivot),
];

fn without_console(mut rows: Vec<Row>) -> Vec<Row> {
    rows.retain(|row| row.text("database") != Some(CONSOLE));
    rows
}

/// A pool is of a database and a user.
fn pools(rows: Vec<Row>) -> Vec<Row> {
    let mut rows = without_console(rows);
    for row in &mut rows {
        let pool = format!("{}/{}", row.text("database").unwrap_or_default(), row.text("user").unwrap_or_default());
        let idle = row.sum(&["sv_idle", "sv_used"]);
        let other = row.sum(&["sv_tested", "sv_login", "sv_active_cancel", "sv_being_canceled"]);
        let longest = row.sum(&["maxwait"]) + row.sum(&["maxwait_us"]) * 1e-6;
        row.set("pool", pool);
        row.set("idle", idle);
        row.set("other", other);
        row.set("longest", longest);
    }
    rows
}

/// How many connections each pool may have stands in another list, by database.
fn sizes(pools: &mut [Row], databases: &[Row]) {
    for row in pools {
        let of = databases.iter().find(|database| database.text("name") == row.text("database"));
        let size = of.and_then(|database| {
            let limit = database.number("max_connections").filter(|limit| *limit > 0.0);
            Some(database.number("pool_size")?.min(limit.unwrap_or(f64::INFINITY)))
        });
        if let Some(size) = size {
            row.set("pool_size", size);
        }
    }
}

//! MySQL 5.7 and later, and MariaDB 10.3 and later.

use super::facts::{Fact, Label, Part, Row, pivot};
use super::families::*;

const PROCESS: &str = "GRANT PROCESS ON *.* TO '{user}'";

/// What the server is: version, and whether performance_schema counts.
pub const ABOUT: &str = "SELECT version() AS version, @@global.performance_schema AS statements";

pub static PARTS: [Part; 10] = [
    Part::new(
        "SHOW GLOBAL STATUS",
        "SHOW GLOBAL STATUS WHERE Variable_name IN ('Questions', 'Slow_queries', 'Com_commit', 'Com_rollback', 'Innodb_deadlocks',
            'Connection_errors_max_connections', 'Innodb_buffer_pool_read_requests', 'Innodb_buffer_pool_reads',
            'Innodb_pages_read', 'Innodb_pages_written', 'Innodb_data_reads', 'Innodb_data_writes')",
        &[
            Fact::new("Questions", QUERIES),
            Fact::new("Slow_queries", SLOW_QUERIES),
            Fact::new("Com_commit", TRANSACTIONS).with(&[Label::Is("commit")]),
            Fact::new("Com_rollback", TRANSACTIONS).with(&[Label::Is("rollback")]),
            Fact::new("Innodb_deadlocks", DEADLOCKS),
            Fact::new("Connection_errors_max_connections", REFUSED),
            Fact::new("hits", CACHE_HITS),
            Fact::new("Innodb_buffer_pool_reads", CACHE_MISSES),
            Fact::new("Innodb_pages_read", BLOCKS_READ),
            Fact::new("Innodb_pages_written", BLOCKS_WRITTEN),
            Fact::new("Innodb_data_reads", IO_OPERATIONS).with(&[Label::Is("read")]),
            Fact::new("Innodb_data_writes", IO_OPERATIONS).with(&[Label::Is("write")]),
        ],
    )
    .shaped(status),
    // MySQL has no status variable for them.
    Part::new(
        "INNODB_METRICS",
        "SELECT `COUNT` AS deadlocks FROM information_schema.INNODB_METRICS WHERE NAME = 'lock_deadlocks' AND STATUS = 'enabled'",
        &[Fact::new("deadlocks", DEADLOCKS)],
    )
    .granted_by(PROCESS)
    .asked(|about| !about.is_mariadb),
    // Statements inside stored programs are parts of those that call them.
    Part::new(
        "performance_schema",
        "SELECT sum(SUM_TIMER_WAIT) AS picoseconds FROM performance_schema.events_statements_summary_global_by_event_name
            WHERE EVENT_NAME NOT LIKE 'statement/sp/%'",
        &[Fact::new("picoseconds", QUERY_SECONDS).times(1e-12)],
    )
    .granted_by("GRANT SELECT ON performance_schema.* TO '{user}'")
    .asked(|about| about.counts_statements),
    Part::new(
        "PROCESSLIST, INNODB_TRX",
        "SELECT coalesce(sum(p.COMMAND = 'Sleep' AND t.trx_id IS NULL), 0) AS idle,
            coalesce(sum(p.COMMAND = 'Sleep' AND t.trx_id IS NOT NULL), 0) AS idle_in_transaction,
            coalesce(sum(p.COMMAND IN ('Query', 'Execute', 'Prepare', 'Fetch') AND coalesce(t.trx_state <> 'LOCK WAIT', 1)), 0) AS active,
            coalesce(sum(p.COMMAND <> 'Sleep' AND coalesce(t.trx_state = 'LOCK WAIT', 0)), 0) AS waiting,
            coalesce(sum(p.COMMAND NOT IN ('Sleep', 'Query', 'Execute', 'Prepare', 'Fetch')), 0) AS other
            FROM information_schema.PROCESSLIST AS p LEFT JOIN information_schema.INNODB_TRX AS t ON t.trx_mysql_thread_id = p.ID
            WHERE p.USER NOT IN ('system user', 'event_scheduler')",
        &[
            Fact::connections("active", &[Label::Is("server"), Label::Is("active")]),
            Fact::connections("waiting", &[Label::Is("server"), Label::Is("waiting")]),
            Fact::connections("idle", &[Label::Is("server"), Label::Is("idle")]),
            Fact::connections("idle_in_transaction", &[Label::Is("server"), Label::Is("idle_in_transaction")]),
            Fact::connections("other", &[Label::Is("server"), Label::Is("other")]),
        ],
    )
    .granted_by(PROCESS),
    Part::new(
        "max_connections",
        "SELECT @@global.max_connections AS max",
        &[Fact::connections_max("max")],
    ),
    Part::new(
        "INNODB_TRX",
        "SELECT coalesce(greatest(timestampdiff(SECOND, min(trx_started), now()), 0), 0) AS oldest FROM information_schema.INNODB_TRX",
        &[Fact::new("oldest", OLDEST_TRANSACTION)],
    )
    .granted_by(PROCESS),
    Part::new("SHOW ALL SLAVES STATUS", "SHOW ALL SLAVES STATUS", REPLICA_FACTS)
        .granted_by("GRANT SLAVE MONITOR ON *.* TO '{user}' (before 10.5: REPLICATION CLIENT)")
        .asked(|about| about.is_mariadb)
        .shaped(replica),
    Part::new("SHOW REPLICA STATUS", "SHOW REPLICA STATUS", REPLICA_FACTS)
        .granted_by("GRANT REPLICATION CLIENT ON *.* TO '{user}'")
        .asked(|about| !about.is_mariadb && about.version >= 80_022)
        .shaped(replica),
    Part::new("SHOW SLAVE STATUS", "SHOW SLAVE STATUS", REPLICA_FACTS)
        .granted_by("GRANT REPLICATION CLIENT ON *.* TO '{user}'")
        .asked(|about| !about.is_mariadb && about.version < 80_022)
        .shaped(replica),
    // Without the right to read every table, which information_schema.TABLES would need.
    Part::new(
        "sizes of tables",
        "SELECT concat(database_name, '.', table_name) AS `table`, clustered_index_size * @@global.innodb_page_size AS own,
            sum_of_other_index_sizes * @@global.innodb_page_size AS indexes FROM mysql.innodb_table_stats
            WHERE database_name NOT IN ('mysql', 'sys') ORDER BY clustered_index_size + sum_of_other_index_sizes DESC, 1 LIMIT {limit}",
        &[
            Fact::new("own", TABLE_BYTES).with(&[Label::Of("table")]),
            Fact::new("indexes", INDEX_BYTES).with(&[Label::Of("table")]),
        ],
    )
    .granted_by("GRANT SELECT ON mysql.innodb_table_stats TO '{user}'"),
];

const REPLICA_FACTS: &[Fact] = &[
    Fact::new("lag", REPLICATION_LAG).with(&[Label::Of("replica")]),
    Fact::new("running", REPLICATION_RUNNING).with(&[Label::Of("replica")]),
];

fn status(rows: Vec<Row>) -> Vec<Row> {
    let mut rows = pivot(rows);
    for row in &mut rows {
        let both = (row.number("Innodb_buffer_pool_read_requests"), row.number("Innodb_buffer_pool_reads"));
        if let (Some(requests), Some(reads)) = both {
            row.set("hits", requests - reads);
        }
    }
    rows
}

/// The words changed from master and slave to source and replica in MySQL 8.0.22; MariaDB has kept them.
fn replica(mut rows: Vec<Row>) -> Vec<Row> {
    for row in &mut rows {
        let any = |names: [&str; 2]| names.into_iter().find_map(|name| row.text(name).map(str::to_owned));
        let lag = any(["Seconds_Behind_Source", "Seconds_Behind_Master"]);
        let threads =
            [["Replica_IO_Running", "Slave_IO_Running"], ["Replica_SQL_Running", "Slave_SQL_Running"]].map(any);
        let runs = threads.iter().all(|thread| thread.as_deref() == Some("Yes"));
        let channel = any(["Channel_Name", "Connection_name"]).filter(|name| !name.is_empty());
        row.set("replica", channel.map_or("self".to_owned(), |name| format!("self:{name}")));
        row.set("running", u8::from(runs));
        if let Some(lag) = lag {
            row.set("lag", lag);
        }
    }
    rows
}

/// "10.11.6-MariaDB-0+deb12u1" is 101106, "8.0.36" is 80036.
pub fn version(text: &str) -> (u32, bool) {
    // Some builds hide behind the version of an old replication protocol.
    let own = text.strip_prefix("5.5.5-").unwrap_or(text);
    (number(own), text.to_ascii_lowercase().contains("mariadb"))
}

/// A version of three numbers as one.
pub fn number(text: &str) -> u32 {
    let mut parts = text.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0_u32).min(99));
    let mut next = || parts.next().unwrap_or(0);
    next() * 10_000 + next() * 100 + next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(version("5.5.5-10.11.6-MariaDB-0+deb12u1"), (101_106, true));
        assert_eq!(version("8.0.36-28.1"), (80_036, false));
        assert_eq!(version("x"), (0, false));
    }

    #[test]
    fn a_replica_of_each_family() {
        let row = |cells: &[(&str, &str)]| {
            Row(cells.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect())
        };
        let mysql = row(&[
            ("Channel_Name", ""),
            ("Replica_IO_Running", "Yes"),
            ("Replica_SQL_Running", "Yes"),
            ("Seconds_Behind_Source", "7"),
        ]);
        let mariadb =
            row(&[("Connection_name", "b"), ("Slave_IO_Running", "Connecting"), ("Slave_SQL_Running", "Yes")]);
        let shaped = replica(vec![mysql, mariadb]);
        let all = |row: &Row| ["replica", "running", "lag"].map(|name| row.text(name).map(str::to_owned));
        assert_eq!(all(&shaped[0]), ["self", "1", "7"].map(|text| Some(text.to_owned())));
        assert_eq!(all(&shaped[1]), [Some("self:b".to_owned()), Some("0".to_owned()), None]);
    }
}

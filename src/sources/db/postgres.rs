//! PostgreSQL 12 to 18: the statistics views, server-wide; sizes and statements of what the connected database has.

use super::facts::{Fact, Label, Part};
use super::families::*;

/// Whether pg_stat_statements is there, and where; without the texts of the statements it costs little.
pub const STATEMENTS: &str =
    "SELECT extnamespace::regnamespace::text AS schema FROM pg_extension WHERE extname = 'pg_stat_statements'";

const MONITOR: &str = "GRANT pg_monitor TO {user}";

pub static PARTS: [Part; 10] = [
    Part::new(
        "pg_stat_database",
        "SELECT sum(xact_commit) AS commits, sum(xact_rollback) AS rollbacks, sum(deadlocks) AS deadlocks,
            sum(blks_hit) AS hits, sum(blks_read) AS reads FROM pg_stat_database",
        &[
            Fact::new("commits", TRANSACTIONS).with(&[Label::Is("commit")]),
            Fact::new("rollbacks", TRANSACTIONS).with(&[Label::Is("rollback")]),
            Fact::new("deadlocks", DEADLOCKS),
            Fact::new("hits", CACHE_HITS),
            Fact::new("reads", CACHE_MISSES),
            Fact::new("reads", BLOCKS_READ),
        ],
    )
    .granted_by("GRANT SELECT ON pg_stat_database TO {user}"),
    // Where statements are counted, their time comes from there too, so that both are of the same statements.
    Part::new(
        "pg_stat_database.active_time",
        "SELECT sum(active_time) AS ms FROM pg_stat_database",
        &[Fact::new("ms", QUERY_SECONDS).times(1e-3)],
    )
    .granted_by("GRANT SELECT ON pg_stat_database TO {user}")
    .asked(|about| about.version >= 140_000 && !about.counts_statements),
    // Which of its statements it remembers is limited, so their sum falls at times.
    Part::new(
        "pg_stat_statements",
        "SELECT sum(calls) AS calls, sum(total_exec_time) AS ms FROM {schema}.pg_stat_statements(false)",
        STATEMENT_FACTS,
    )
    .granted_by("GRANT USAGE ON SCHEMA {schema} TO {user}")
    .asked(|about| about.version >= 130_000 && about.counts_statements),
    Part::new(
        "pg_stat_statements",
        "SELECT sum(calls) AS calls, sum(total_time) AS ms FROM {schema}.pg_stat_statements(false)",
        STATEMENT_FACTS,
    )
    .granted_by("GRANT USAGE ON SCHEMA {schema} TO {user}")
    .asked(|about| about.version < 130_000 && about.counts_statements),
    Part::new(
        "pg_stat_activity",
        "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS permitted,
            count(*) FILTER (WHERE state = 'active' AND wait_event_type IS DISTINCT FROM 'Lock') AS active,
            count(*) FILTER (WHERE state = 'active' AND wait_event_type = 'Lock') AS waiting,
            count(*) FILTER (WHERE state = 'idle') AS idle,
            count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle_in_transaction,
            count(*) FILTER (WHERE state IS NULL OR state IN ('disabled', 'fastpath function call', 'starting')) AS other,
            coalesce(extract(epoch FROM clock_timestamp() - least(min(xact_start) FILTER (WHERE pid <> pg_backend_pid()),
                (SELECT min(prepared) FROM pg_prepared_xacts))), 0) AS oldest
            FROM pg_stat_activity WHERE backend_type = 'client backend'",
        &[
            Fact::connections("active", &[Label::Is("server"), Label::Is("active")]),
            Fact::connections("waiting", &[Label::Is("server"), Label::Is("waiting")]),
            Fact::connections("idle", &[Label::Is("server"), Label::Is("idle")]),
            Fact::connections("idle_in_transaction", &[Label::Is("server"), Label::Is("idle_in_transaction")]),
            Fact::connections("other", &[Label::Is("server"), Label::Is("other")]),
            Fact::new("oldest", OLDEST_TRANSACTION),
        ],
    )
    .granted_by(MONITOR),
    Part::new(
        "max_connections",
        "SELECT current_setting('max_connections') AS max",
        &[Fact::connections_max("max")],
    ),
    // Before 16 blocks are all that is counted; before 17 each of them is an operation.
    Part::new(
        "pg_stat_bgwriter",
        "SELECT buffers_checkpoint + buffers_clean + buffers_backend AS written,
            (SELECT sum(blks_read) FROM pg_stat_database) AS reads FROM pg_stat_bgwriter",
        &[
            Fact::new("written", BLOCKS_WRITTEN),
            Fact::new("written", IO_OPERATIONS).with(&[Label::Is("write")]),
            Fact::new("reads", IO_OPERATIONS).with(&[Label::Is("read")]),
        ],
    )
    .granted_by("GRANT SELECT ON pg_stat_bgwriter, pg_stat_database TO {user}")
    .asked(|about| about.version < 160_000),
    // Checkpoints, the background writer and backends together; op_bytes gave way to bytes in 18.
    Part::new(
        "pg_stat_io",
        "SELECT sum(reads) AS reads, sum(coalesce(writes, 0) + coalesce(extends, 0)) AS writes,
            sum(coalesce((to_jsonb(io) ->> 'write_bytes')::numeric, writes * (to_jsonb(io) ->> 'op_bytes')::numeric, 0)
              + coalesce((to_jsonb(io) ->> 'extend_bytes')::numeric, extends * (to_jsonb(io) ->> 'op_bytes')::numeric, 0))
            / current_setting('block_size')::numeric AS written FROM pg_stat_io AS io WHERE object = 'relation'",
        &[
            Fact::new("reads", IO_OPERATIONS).with(&[Label::Is("read")]),
            Fact::new("writes", IO_OPERATIONS).with(&[Label::Is("write")]),
            Fact::new("written", BLOCKS_WRITTEN),
        ],
    )
    .granted_by("GRANT SELECT ON pg_stat_io TO {user}")
    .asked(|about| about.version >= 160_000),
    Part::new(
        "pg_stat_replication, pg_stat_wal_receiver",
        "SELECT NOT recovers OR pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS permitted, 'self' AS replica,
            CASE WHEN recovers THEN CASE WHEN streams > 0 AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
                ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END END AS lag,
            CASE WHEN recovers THEN least(streams, 1) END AS running
            FROM (SELECT pg_is_in_recovery() AS recovers,
                (SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming') AS streams) AS own
         UNION ALL (SELECT true, coalesce(nullif(application_name, ''), client_addr::text, 'unknown') AS replica,
            max(coalesce(extract(epoch FROM replay_lag), CASE WHEN replay_lsn = sent_lsn THEN 0 END)),
            min((state = 'streaming')::int) FROM pg_stat_replication WHERE state <> 'backup'
            GROUP BY 2 ORDER BY 2 LIMIT 100)",
        &[
            Fact::new("lag", REPLICATION_LAG).with(&[Label::Of("replica")]),
            Fact::new("running", REPLICATION_RUNNING).with(&[Label::Of("replica")]),
        ],
    )
    .granted_by(MONITOR),
    Part::new(
        "sizes of tables",
        "SELECT n.nspname || '.' || c.relname AS \"table\", pg_table_size(c.oid) AS own, pg_indexes_size(c.oid) AS indexes
            FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm')
            AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND c.relpersistence <> 't'
            ORDER BY pg_table_size(c.oid) + pg_indexes_size(c.oid) DESC, 1 LIMIT {limit}",
        &[
            Fact::new("own", TABLE_BYTES).with(&[Label::Of("table")]),
            Fact::new("indexes", INDEX_BYTES).with(&[Label::Of("table")]),
        ],
    ),
];

const STATEMENT_FACTS: &[Fact] =
    &[Fact::new("calls", QUERIES).forgetful(), Fact::new("ms", QUERY_SECONDS).times(1e-3).forgetful()];

//! What is known of databases. An engine that cannot know a number has no series of it: docs/databases.md says which knows what.

use crate::numbers::Family;

pub static FAMILIES: [Family; 23] = [
    Family::gauge(
        "db_up",
        "",
        &["engine", "database"],
        "1 while the database server could be asked the last time, 0 while it could not.",
    ),
    Family::gauge(
        "db_probe_duration_seconds",
        "seconds",
        &["engine", "database"],
        "How long it took to ask the server for everything, the last time.",
    ),
    Family::counter(
        "db_connection_attempts_total",
        "",
        &["engine", "database", "result"],
        "The agent's own attempts to connect to the server.",
    ),
    Family::gauge(
        "db_pool_connections",
        "",
        &["engine", "database", "pool", "state"],
        "Connections by state; waiting: for a lock on the server, for a connection in a pool.",
    ),
    Family::gauge("db_pool_connections_max", "", &["engine", "database", "pool"], "How many connections there may be."),
    Family::gauge(
        "db_pool_longest_wait_seconds",
        "seconds",
        &["engine", "database", "pool"],
        "How long the first of the clients in the queue has been waiting for a connection.",
    ),
    Family::counter(
        "db_pool_wait_seconds_total",
        "seconds",
        &["engine", "database"],
        "Seconds that clients waited for a connection.",
    ),
    Family::counter(
        "db_connections_refused_total",
        "",
        &["engine", "database"],
        "Connections that the server refused since it had as many as it may have.",
    ),
    Family::counter("db_queries_total", "", &["engine", "database"], "Statements or commands that were executed."),
    Family::counter(
        "db_query_seconds_total",
        "seconds",
        &["engine", "database"],
        "Seconds that the execution of statements or commands took.",
    ),
    Family::counter(
        "db_slow_queries_total",
        "",
        &["engine", "database"],
        "Statements that took longer than the server's own limit for slow ones.",
    ),
    Family::counter(
        "db_transactions_total",
        "",
        &["engine", "database", "result"],
        "Transactions by how they ended; unknown: a pool that does not look into them.",
    ),
    Family::gauge(
        "db_oldest_transaction_seconds",
        "seconds",
        &["engine", "database"],
        "Age of the oldest open transaction; 0 where there is none.",
    ),
    Family::counter("db_deadlocks_total", "", &["engine", "database"], "Deadlocks that the server resolved."),
    Family::counter(
        "db_cache_hits_total",
        "",
        &["engine", "database"],
        "Blocks or keys that were found in the server's memory.",
    ),
    Family::counter(
        "db_cache_misses_total",
        "",
        &["engine", "database"],
        "Blocks that had to be read from elsewhere, or keys that were not there.",
    ),
    Family::counter("db_blocks_read_total", "", &["engine", "database"], "Blocks read from storage."),
    Family::counter("db_blocks_written_total", "", &["engine", "database"], "Blocks written to storage."),
    Family::counter(
        "db_io_operations_total",
        "",
        &["engine", "database", "operation"],
        "Read and write operations on data files.",
    ),
    Family::gauge(
        "db_replication_lag_seconds",
        "seconds",
        &["engine", "database", "replica"],
        "How far a replica is behind; replica=\"self\": this server behind its source.",
    ),
    Family::gauge(
        "db_replication_running",
        "",
        &["engine", "database", "replica"],
        "1 while the replica receives and applies changes, 0 while it does not.",
    ),
    Family::gauge(
        "db_table_bytes",
        "bytes",
        &["engine", "database", "table"],
        "Size of a table without its indexes: of the largest, or of those that the configuration names.",
    ),
    Family::gauge("db_index_bytes", "bytes", &["engine", "database", "table"], "Size of all indexes of a table."),
];

pub static UP: &Family = &FAMILIES[0];
pub static PROBE_DURATION: &Family = &FAMILIES[1];
pub static ATTEMPTS: &Family = &FAMILIES[2];
pub static CONNECTIONS: &Family = &FAMILIES[3];
pub static CONNECTIONS_MAX: &Family = &FAMILIES[4];
pub static LONGEST_WAIT: &Family = &FAMILIES[5];
pub static WAIT_SECONDS: &Family = &FAMILIES[6];
pub static REFUSED: &Family = &FAMILIES[7];
pub static QUERIES: &Family = &FAMILIES[8];
pub static QUERY_SECONDS: &Family = &FAMILIES[9];
pub static SLOW_QUERIES: &Family = &FAMILIES[10];
pub static TRANSACTIONS: &Family = &FAMILIES[11];
pub static OLDEST_TRANSACTION: &Family = &FAMILIES[12];
pub static DEADLOCKS: &Family = &FAMILIES[13];
pub static CACHE_HITS: &Family = &FAMILIES[14];
pub static CACHE_MISSES: &Family = &FAMILIES[15];
pub static BLOCKS_READ: &Family = &FAMILIES[16];
pub static BLOCKS_WRITTEN: &Family = &FAMILIES[17];
pub static IO_OPERATIONS: &Family = &FAMILIES[18];
pub static REPLICATION_LAG: &Family = &FAMILIES[19];
pub static REPLICATION_RUNNING: &Family = &FAMILIES[20];
pub static TABLE_BYTES: &Family = &FAMILIES[21];
pub static INDEX_BYTES: &Family = &FAMILIES[22];

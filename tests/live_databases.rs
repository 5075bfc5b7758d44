//! Databases: real servers, and each family beside the server's own answer at the same moment, idle and under load.

#![allow(clippy::disallowed_methods, reason = "deadlines need a clock; the ban is for the core")]

#[path = "live/common.rs"]
mod common;
#[path = "live/databases.rs"]
mod databases;
#[allow(dead_code)] // uses a part of it
#[path = "support/generator/rng.rs"]
mod rng;
#[path = "live/servers.rs"]
mod servers;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use common::{Agent, wait_for};
use databases::{Mariadb, PASSWORD, Pgbouncer, Postgres, Redis, Session, Shown, folder, password_file, section, watch};

/// A counter: its family, its last label, and how the server itself says it.
type Counter = (&'static str, Option<(&'static str, &'static str)>, &'static str);

/// Compares counters with what `ask` says before and after a sample.
#[track_caller]
fn compare(agent: &Agent, database: &str, counters: &[Counter], ask: impl Fn(&str) -> f64) {
    let before: Vec<f64> = counters.iter().map(|(_, _, question)| ask(question)).collect();
    let shown = Shown::next(agent, database);
    for ((family, label, question), before) in counters.iter().zip(before) {
        let (shown, after) = (shown.get(family, label.as_slice()), ask(question));
        let holds = before - 1e-6 <= shown && shown <= after + 1e-6;
        assert!(holds, "{family} {label:?}: {shown} is not between {before} and {after}");
    }
}

/// Waits until a session that was begun beside the test has come as far as `question` says.
fn wait_until(what: &str, question: impl Fn() -> f64, is: f64) {
    wait_for(what, || (question() == is).then_some(()));
}

const POSTGRESQL: [Counter; 11] = [
    ("db_transactions_total", Some(("result", "commit")), "SELECT sum(xact_commit) FROM pg_stat_database"),
    ("db_transactions_total", Some(("result", "rollback")), "SELECT sum(xact_rollback) FROM pg_stat_database"),
    ("db_deadlocks_total", None, "SELECT sum(deadlocks) FROM pg_stat_database"),
    ("db_cache_hits_total", None, "SELECT sum(blks_hit) FROM pg_stat_database"),
    ("db_cache_misses_total", None, "SELECT sum(blks_read) FROM pg_stat_database"),
    ("db_blocks_read_total", None, "SELECT sum(blks_read) FROM pg_stat_database"),
    ("db_blocks_written_total", None, WRITTEN),
    ("db_io_operations_total", Some(("operation", "write")), WRITTEN),
    ("db_io_operations_total", Some(("operation", "read")), "SELECT sum(blks_read) FROM pg_stat_database"),
    ("db_queries_total", None, "SELECT sum(calls) FROM pg_stat_statements(false)"),
    ("db_query_seconds_total", None, "SELECT sum(total_exec_time) / 1000 FROM pg_stat_statements(false)"),
];
const WRITTEN: &str = "SELECT buffers_checkpoint + buffers_clean + buffers_backend FROM pg_stat_bgwriter";

#[test]
fn postgresql() {
    if !databases::are_here() {
        return;
    }
    let folder = folder();
    let postgres = Postgres::start(folder.path(), "primary", "");
    postgres.sql(&format!("CREATE ROLE sidetone LOGIN PASSWORD '{PASSWORD}'"));
    postgres
        .sql("GRANT pg_monitor TO sidetone; CREATE SCHEMA \"Odd one\"; GRANT USAGE ON SCHEMA \"Odd one\" TO sidetone");
    postgres.sql("CREATE EXTENSION pg_stat_statements SCHEMA \"Odd one\"");
    postgres.sql("ALTER ROLE postgres SET search_path = public, \"Odd one\"");
    postgres.pgbench(&["-i", "-q", "-s", "2"]);
    let standby = Postgres::follow(folder.path(), "standby", &postgres);
    let file = format!("password_file = \"{}\"\ntables = 3", password_file(folder.path()).display());
    let sections = section("calls", "postgresql", postgres.address, &file)
        + &section("copy", "postgresql", standby.address, &file);
    let agent = watch(folder.path(), &sections);
    wait_until("both", || agent.metrics().sum("db_up", &[]), 2.0);
    compare(&agent, "calls", &POSTGRESQL, |sql| postgres.number(sql));
    postgres.pgbench(&["-c", "4", "-t", "200"]);
    compare(&agent, "calls", &POSTGRESQL, |sql| postgres.number(sql));

    let shown = Shown::now(&agent, "calls");
    let sizes = shown.samples.by_where("db_table_bytes", &[("database", "calls")], "table");
    assert_eq!(sizes.len(), 3, "{sizes:?}");
    for (table, bytes) in sizes {
        assert_eq!(postgres.number(&format!("SELECT pg_table_size('{table}')")), bytes, "{table}");
        let indexes = shown.get("db_index_bytes", &[("table", &table)]);
        assert_eq!(postgres.number(&format!("SELECT pg_indexes_size('{table}')")), indexes, "{table}");
    }
    postgresql_sessions(&agent, &postgres);
    postgresql_replicas(&agent, &postgres, &standby);
    postgresql_deadlock(&agent, &postgres);
}

/// One session in each state, and the age of the oldest transaction.
fn postgresql_sessions(agent: &Agent, postgres: &Postgres) {
    let sleepers = "SELECT count(*) FROM pg_stat_activity WHERE wait_event IN ('PgSleep', 'advisory')";
    let _active = postgres.session("SELECT pg_sleep(60)");
    let _holder = postgres.session("BEGIN; SELECT pg_advisory_xact_lock(1), pg_sleep(60)");
    wait_until("two sleepers", || postgres.number(sleepers), 2.0);
    let _waiting = postgres.session("SELECT pg_advisory_xact_lock(1)");
    wait_until("one who waits", || postgres.number(sleepers), 3.0);
    let mut idle = postgres.interactive("BEGIN; SELECT 1;");
    let state = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'";
    wait_until("one idle in a transaction", || postgres.number(state), 1.0);

    let shown = Shown::next(agent, "calls");
    // The agent's own connection is active while it asks.
    let states =
        ["active", "waiting", "idle", "idle_in_transaction", "other"].map(|state| shown.connections("server", state));
    assert_eq!(states, [3.0, 1.0, 0.0, 1.0, 0.0]);
    assert_eq!(shown.get("db_pool_connections_max", &[("pool", "server")]), 20.0);
    let oldest = "SELECT extract(epoch FROM max(clock_timestamp() - xact_start)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()";
    let (shown, now) = (shown.get("db_oldest_transaction_seconds", &[]), postgres.number(oldest));
    // How far apart the two were asked is the machine's affair.
    assert!(shown > 0.0 && shown <= now && now - shown < 30.0, "{shown}, now {now}");
    idle.say("COMMIT;");
    wait_until("none idle in a transaction", || postgres.number(state), 0.0);
    assert_eq!(Shown::next(agent, "calls").connections("server", "idle"), 1.0);
}

/// What the primary says of the standby, and the standby of itself; then its replay stands still.
fn postgresql_replicas(agent: &Agent, postgres: &Postgres, standby: &Postgres) {
    let shown = Shown::next(agent, "calls");
    assert_eq!(shown.get("db_replication_running", &[("replica", "standby")]), 1.0);
    assert!(shown.get("db_replication_lag_seconds", &[("replica", "standby")]) < 10.0);
    assert_eq!(shown.find("db_replication_running", &[("replica", "self")]), None);
    standby.sql("SELECT pg_wal_replay_pause()");
    postgres.sql("CREATE TABLE late AS SELECT 1 AS a");
    sleep(Duration::from_secs(3));
    let shown = Shown::next(agent, "copy");
    assert_eq!(shown.get("db_replication_running", &[("replica", "self")]), 1.0);
    let lag = shown.get("db_replication_lag_seconds", &[("replica", "self")]);
    let now = standby.number("SELECT extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())");
    assert!(lag > 3.0 && lag <= now && now - lag < 5.0, "{lag}, now {now}");
    standby.sql("SELECT pg_wal_replay_resume()");
    assert_eq!(Shown::next(agent, "copy").get("db_replication_lag_seconds", &[("replica", "self")]), 0.0);
}

/// Two sessions that wait for one another: one deadlock.
fn postgresql_deadlock(agent: &Agent, postgres: &Postgres) {
    assert_eq!(Shown::now(agent, "calls").get("db_deadlocks_total", &[]), 0.0);
    let lock = |first: u8, second: u8| {
        postgres.session(&format!(
            "BEGIN; SELECT pg_advisory_xact_lock({first}); SELECT pg_sleep(1); SELECT pg_advisory_xact_lock({second}); COMMIT"
        ))
    };
    let both = [lock(11, 12), lock(12, 11)];
    agent.wait_for_metrics("a deadlock", |now| now.sum("db_deadlocks_total", &[("database", "calls")]) == 1.0);
    assert_eq!(postgres.number("SELECT sum(deadlocks) FROM pg_stat_database"), 1.0);
    drop(both);
}

#[test]
fn pgbouncer() {
    if !databases::are_here() {
        return;
    }
    let folder = folder();
    let postgres = Postgres::start(folder.path(), "behind", "");
    let bouncer = Pgbouncer::start(folder.path(), &postgres);
    let file = format!("password_file = \"{}\"", password_file(folder.path()).display());
    let agent = watch(folder.path(), &section("front", "pgbouncer", bouncer.address, &file));
    bouncer.wait_for("SELECT 1");
    let bench = |column: &str| bouncer.number("STATS", ("database", "bench"), column);
    let counters: [Counter; 4] = [
        ("db_queries_total", None, "total_query_count"),
        ("db_query_seconds_total", None, "total_query_time"),
        ("db_pool_wait_seconds_total", None, "total_wait_time"),
        ("db_transactions_total", Some(("result", "unknown")), "total_xact_count"),
    ];
    let seconds = |column: &str| if column.ends_with("_time") { bench(column) / 1e6 } else { bench(column) };
    compare(&agent, "front", &counters, seconds);

    // One server connection: the second client and the third have to wait until the first is done.
    let before = Shown::now(&agent, "front");
    let sessions: Vec<Session> = (0..3).map(|_| bouncer.session("SELECT pg_sleep(4)")).collect();
    let pool = |column: &str| bouncer.number("POOLS", ("database", "bench"), column);
    wait_until("two who wait", || pool("cl_waiting"), 2.0);
    let full = Shown::next(&agent, "front");
    let states = ["active", "waiting", "idle", "other"].map(|state| full.connections("bench/postgres", state));
    assert_eq!(states, [1.0, 2.0, 0.0, 0.0]);
    let longest = full.get("db_pool_longest_wait_seconds", &[("pool", "bench/postgres")]);
    let now = pool("maxwait") + pool("maxwait_us") / 1e6;
    assert!(longest > 0.5 && longest <= now && now - longest < 3.0, "{longest}, now {now}");
    assert_eq!(full.get("db_pool_connections_max", &[("pool", "bench/postgres")]), 1.0);
    assert_eq!(full.get("db_pool_connections_max", &[("pool", "clients")]), 50.0);
    assert_eq!(full.connections("clients", "active"), 4.0, "three sessions and the agent");
    for mut session in sessions {
        assert!(session.0.wait().expect("a session ends").success());
    }
    compare(&agent, "front", &counters, seconds);
    let waited = |shown: &Shown| shown.get("db_pool_wait_seconds_total", &[]);
    let waited = waited(&Shown::now(&agent, "front")) - waited(&before);
    assert!((11.5..14.0).contains(&waited), "4 s and 8 s, not {waited}");
}

const MARIADB: [Counter; 14] = [
    ("db_queries_total", None, "Questions"),
    ("db_slow_queries_total", None, "Slow_queries"),
    ("db_transactions_total", Some(("result", "commit")), "Com_commit"),
    ("db_transactions_total", Some(("result", "rollback")), "Com_rollback"),
    ("db_deadlocks_total", None, "Innodb_deadlocks"),
    ("db_connections_refused_total", None, "Connection_errors_max_connections"),
    ("db_cache_hits_total", None, "hits"),
    ("db_cache_misses_total", None, "Innodb_buffer_pool_reads"),
    ("db_blocks_read_total", None, "Innodb_pages_read"),
    ("db_blocks_written_total", None, "Innodb_pages_written"),
    ("db_io_operations_total", Some(("operation", "read")), "Innodb_data_reads"),
    ("db_io_operations_total", Some(("operation", "write")), "Innodb_data_writes"),
    ("db_query_seconds_total", None, "statements"),
    ("db_replication_running", Some(("replica", "self")), "none"),
];

#[test]
fn mariadb() {
    if !databases::are_here() {
        return;
    }
    let folder = folder();
    let primary = ["--server-id=1", "--log-bin=log", "--performance-schema=ON", "--max-connections=10"];
    let mariadb = Mariadb::start(folder.path(), "primary", &[&primary[..], &["--extra-max-connections=2"]].concat());
    for grant in
        ["PROCESS, SLAVE MONITOR ON *.*", "SELECT ON performance_schema.*", "SELECT ON mysql.innodb_table_stats"]
    {
        mariadb.sql(&format!("GRANT {grant} TO sidetone IDENTIFIED BY '{PASSWORD}'"));
    }
    mariadb.sql(
        "CREATE DATABASE app; USE app; CREATE TABLE app.a (id INT PRIMARY KEY, b INT, KEY (b)) ENGINE = InnoDB STATS_PERSISTENT = 1;
         INSERT INTO app.a SELECT seq, seq FROM seq_1_to_20000; ANALYZE TABLE app.a",
    );
    let file = format!("password_file = \"{}\"", password_file(folder.path()).display());
    let agent = watch(folder.path(), &section("bookings", "mariadb", mariadb.address, &file));
    wait_until("it", || agent.metrics().sum("db_up", &[]), 1.0);
    let ask = |name: &str| match name {
        "hits" => mariadb.status("Innodb_buffer_pool_read_requests") - mariadb.status("Innodb_buffer_pool_reads"),
        "statements" => mariadb.number(
            "SELECT sum(SUM_TIMER_WAIT) / 1e12 FROM performance_schema.events_statements_summary_global_by_event_name",
        ),
        name => mariadb.status(name),
    };
    compare(&agent, "bookings", &MARIADB[..13], ask);
    mariadb.sql(
        "SET long_query_time = 0.1; SELECT sleep(0.5); BEGIN; UPDATE app.a SET b = b + 1; COMMIT; BEGIN; ROLLBACK",
    );
    compare(&agent, "bookings", &MARIADB[..13], ask);
    let shown = Shown::now(&agent, "bookings");
    assert!(shown.get("db_slow_queries_total", &[]) >= 1.0);
    let page = mariadb.number("SELECT @@innodb_page_size");
    for (family, column) in [("db_table_bytes", "clustered_index_size"), ("db_index_bytes", "sum_of_other_index_sizes")]
    {
        let pages = mariadb.number(&format!("SELECT {column} FROM mysql.innodb_table_stats WHERE table_name = 'a'"));
        assert_eq!(shown.get(family, &[("table", "app.a")]), pages * page);
    }
    mariadb_sessions(&agent, &mariadb);
    mariadb_replica(&agent, &mariadb, folder.path(), &file);
}

/// Sessions in each state, a deadlock, and more of them than there may be.
fn mariadb_sessions(agent: &Agent, mariadb: &Mariadb) {
    let holder = mariadb.session("BEGIN; UPDATE app.a SET b = 0 WHERE id = 1; SELECT sleep(60)");
    let running = || {
        mariadb.number("SELECT count(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%sleep(60)' AND INFO NOT LIKE '%LIST%'")
    };
    wait_until("a holder", running, 1.0);
    let waiting = mariadb.session("UPDATE app.a SET b = 1 WHERE id = 1");
    let waits = || mariadb.number("SELECT count(*) FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'");
    wait_until("one who waits", waits, 1.0);
    let mut idle = mariadb.interactive("BEGIN; UPDATE app.a SET b = 2 WHERE id = 2;");
    wait_until("an idle one", || mariadb.number("SELECT count(*) FROM information_schema.INNODB_TRX"), 3.0);
    let shown = Shown::next(agent, "bookings");
    let states =
        ["active", "waiting", "idle", "idle_in_transaction", "other"].map(|state| shown.connections("server", state));
    assert_eq!(states, [2.0, 1.0, 0.0, 1.0, 0.0], "the agent is active while it asks");
    // Counted by the server in whole seconds, while the holder sleeps.
    let age = |now: &common::Samples| now.sum("db_oldest_transaction_seconds", &[("database", "bookings")]);
    let old = agent.wait_for_metrics("an old transaction", |now| age(now) >= 2.0);
    assert!(age(&old) <= 60.0, "{}", age(&old));
    idle.say("COMMIT;");
    drop((holder, waiting, idle));

    let lock = |first: u8, second: u8| {
        let update = |id: u8| format!("UPDATE app.a SET b = b + 1 WHERE id = {id}");
        mariadb.session(&format!("BEGIN; {}; SELECT sleep(1); {}; COMMIT", update(first), update(second)))
    };
    let both = [lock(11, 12), lock(12, 11)];
    agent.wait_for_metrics("a deadlock", |now| now.sum("db_deadlocks_total", &[]) == 1.0);
    drop(both);

    assert_eq!(Shown::now(agent, "bookings").get("db_pool_connections_max", &[("pool", "server")]), 10.0);
    let crowd: Vec<Session> = (0..15).map(|_| mariadb.session("SELECT sleep(8)")).collect();
    // What root has beyond the limit is one.
    agent.wait_for_metrics("some to be refused", |now| now.sum("db_connections_refused_total", &[]) >= 5.0);
    let full = agent.metrics();
    assert!(full.sum("db_pool_connections", &[]) >= 9.0, "{:?}", full.by("db_pool_connections", "state"));
    drop(crowd);
    mariadb.wait();
}

/// A second server that follows the first, then does not.
fn mariadb_replica(agent: &Agent, mariadb: &Mariadb, folder: &Path, file: &str) {
    assert_eq!(Shown::now(agent, "bookings").find("db_replication_running", &[("replica", "self")]), None);
    let replica = Mariadb::start(folder, "replica", &["--server-id=2"]);
    let source = format!(
        "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {}, MASTER_USER = 'follower', MASTER_PASSWORD = 'x'",
        mariadb.address.port()
    );
    mariadb.sql("GRANT REPLICATION SLAVE ON *.* TO follower IDENTIFIED BY 'x'");
    let position = mariadb.sql("SHOW MASTER STATUS");
    let mut position = position.split('\t');
    let (log, at) = (position.next().expect("a log"), position.next().expect("a position"));
    replica.sql(&format!("GRANT PROCESS, SLAVE MONITOR ON *.* TO sidetone IDENTIFIED BY '{PASSWORD}'"));
    replica.sql("CREATE DATABASE app");
    replica.sql(&format!("{source}, MASTER_LOG_FILE = '{log}', MASTER_LOG_POS = {at}; START SLAVE"));
    let agent = watch(folder, &section("copy", "mysql", replica.address, file));
    agent.wait_for_metrics("a replica that runs", |now| {
        now.one("db_replication_running", &[("replica", "self")]) == Some(1.0)
            && now.one("db_replication_lag_seconds", &[("replica", "self")]) == Some(0.0)
    });
    // Without the right to see sizes the rest is there.
    let shown = Shown::now(&agent, "copy");
    assert_eq!((shown.get("db_up", &[]), shown.find("db_query_seconds_total", &[])), (1.0, None));
    assert!(agent.log().contains("it takes GRANT SELECT ON mysql.innodb_table_stats TO 'sidetone'"));
    replica.sql("STOP SLAVE");
    agent.wait_for_metrics("a replica that does not run", |now| {
        now.one("db_replication_running", &[("replica", "self")]) == Some(0.0)
            && now.one("db_replication_lag_seconds", &[("replica", "self")]).is_none()
    });
}

const REDIS: [Counter; 5] = [
    ("db_queries_total", None, "total_commands_processed"),
    ("db_cache_hits_total", None, "keyspace_hits"),
    ("db_cache_misses_total", None, "keyspace_misses"),
    ("db_connections_refused_total", None, "rejected_connections"),
    ("db_query_seconds_total", None, "usec"),
];

#[test]
fn redis() {
    if !databases::are_here() {
        return;
    }
    let folder = folder();
    let rights = format!("ACL SETUSER sidetone on >{PASSWORD} resetkeys resetchannels -@all +info +config|get");
    let redis = Redis::start(folder.path(), "primary", &["--maxclients", "20"]);
    let copy = Redis::start(folder.path(), "copy", &["--replicaof", "127.0.0.1", &redis.address.port().to_string()]);
    for server in [&redis, &copy] {
        server.command(&rights.split(' ').collect::<Vec<_>>());
    }
    let file = format!("user = \"sidetone\"\npassword_file = \"{}\"", password_file(folder.path()).display());
    let sections = section("cache", "redis", redis.address, &file) + &section("copy", "redis", copy.address, &file);
    let agent = watch(folder.path(), &sections);
    wait_until("both", || agent.metrics().sum("db_up", &[]), 2.0);
    let ask = |name: &str| match name {
        "usec" => redis.microseconds() / 1e6,
        name => redis.info(name),
    };
    compare(&agent, "cache", &REDIS, ask);
    redis.command(&["SET", "a", "1"]);
    (0..5).for_each(|_| drop(redis.command(&["GET", "a"])));
    (0..3).for_each(|_| drop(redis.command(&["GET", "b"])));
    compare(&agent, "cache", &REDIS, ask);
    let shown = Shown::now(&agent, "cache");
    assert_eq!((shown.get("db_cache_hits_total", &[]), shown.get("db_cache_misses_total", &[])), (5.0, 3.0));

    let _blocked = [redis.session(&["BLPOP", "queue", "60"]), redis.session(&["BLPOP", "queue", "60"])];
    wait_until("two that wait for data", || redis.info("blocked_clients"), 2.0);
    let shown = Shown::next(&agent, "cache");
    assert_eq!((shown.connections("server", "idle"), shown.connections("server", "other")), (2.0, 1.0));
    assert_eq!(shown.get("db_pool_connections_max", &[("pool", "server")]), 20.0);
    let replica = copy.address.to_string();
    assert_eq!(shown.get("db_replication_running", &[("replica", &replica)]), 1.0);
    assert!(shown.get("db_replication_lag_seconds", &[("replica", &replica)]) <= 1.0);

    let crowd: Vec<Session> = (0..30).map(|_| redis.session(&["BLPOP", "queue", "60"])).collect();
    agent.wait_for_metrics("some to be refused", |now| {
        now.sum("db_connections_refused_total", &[("database", "cache")]) >= 5.0
    });
    drop(crowd);

    let shown = Shown::next(&agent, "copy");
    assert_eq!(shown.get("db_replication_running", &[("replica", "self")]), 1.0);
    assert!(shown.get("db_replication_lag_seconds", &[("replica", "self")]) <= 10.0);
    drop(redis);
    agent.wait_for_metrics("a replica without its source", |now| {
        now.one("db_replication_running", &[("database", "copy"), ("replica", "self")]) == Some(0.0)
            && now.one("db_up", &[("database", "cache")]) == Some(0.0)
    });
}

/// Answers each request by its path, where its header fields are as they should be.
fn application(documents: &'static [(&'static str, &'static str)]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 2048];
            let length = stream.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..length]).to_ascii_lowercase();
            let is_known =
                request.contains("authorization: bearer hunter2\r\n") && request.contains("x-tenant: main\r\n");
            let found = documents.iter().find(|(path, _)| request.starts_with(&format!("get {path} ")));
            let (status, body) = match found {
                _ if !is_known => ("401 Unauthorized", ""),
                None => ("404 Not Found", ""),
                Some((_, body)) => ("200 OK", *body),
            };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn pools_of_applications() {
    let address = application(&[
        (
            "/pool",
            r#"{"busy": 7, "pool": {"free": "3"}, "total": 10, "waiting": 2, "max": 20, "waited": 1.5, "none": -1}"#,
        ),
        ("/metrics/hikaricp.active", r#"{"name": "a", "measurements": [{"statistic": "VALUE", "value": 4.0}]}"#),
        ("/metrics/hikaricp.max", r#"{"name": "a", "measurements": [{"statistic": "VALUE", "value": 5.0}]}"#),
    ]);
    let folder = folder();
    let token = folder.path().join("token");
    std::fs::write(&token, "hunter2\n").expect("a file");
    let secret = format!("bearer_file = \"{}\"\nheaders = {{ X-Tenant = \"main\" }}\n", token.display());
    let pool = |name: &str, path: &str, settings: &str| {
        format!(
            "[[pools]]\nname = \"{name}\"\ndatabase = \"calls\"\ninterval = \"1s\"\nurl = \"http://{address}{path}\"\n{settings}\n"
        )
    };
    let whole = "active = \"#/busy\"\nidle = \"#/pool/free\"\nwaiting = \"#/waiting\"\nmax = \"#/max\"\nwait_seconds = \"#/waited\"\n";
    let sections = [
        pool("one", "/pool", &format!("{secret}{whole}")),
        pool(
            "two",
            "/pool",
            &format!("{secret}total = \"#/total\"\nidle = \"#/pool/free\"\nwait_seconds = \"#/waited\"\n"),
        ),
        pool(
            "java",
            "/metrics/",
            &format!(
                "{secret}active = \"hikaricp.active#/measurements/0/value\"\nmax = \"hikaricp.max#/measurements/0/value\"\n"
            ),
        ),
        pool("odd", "/pool", &format!("{secret}active = \"#/busy\"\nidle = \"#/none\"\n")),
        pool("gone", "/nowhere", &format!("{secret}{whole}")),
        pool("stranger", "/pool", whole),
    ];
    let agent = watch(folder.path(), &sections.concat());
    let shown = agent.wait_for_metrics("all of them", |now| {
        now.by("sidetone_source_duration_seconds", "source").keys().filter(|name| name.starts_with("pool:")).count()
            == 6
    });
    let of = |pool: &str| {
        shown.by_where(
            "db_pool_connections",
            &[("engine", "application"), ("database", "calls"), ("pool", pool)],
            "state",
        )
    };
    let states = |pairs: &[(&str, f64)]| pairs.iter().map(|(state, number)| ((*state).to_owned(), *number)).collect();
    assert_eq!(of("one"), states(&[("active", 7.0), ("idle", 3.0), ("waiting", 2.0)]));
    assert_eq!(of("two"), states(&[("active", 7.0), ("idle", 3.0)]));
    assert_eq!(of("java"), states(&[("active", 4.0)]));
    assert_eq!(of("odd"), states(&[("active", 7.0)]));
    assert_eq!(shown.one("db_pool_connections_max", &[("pool", "one")]), Some(20.0));
    assert_eq!(shown.one("db_pool_connections_max", &[("pool", "java")]), Some(5.0));
    assert_eq!(shown.one("db_pool_wait_seconds_total", &[("database", "calls")]), Some(3.0), "of both together");
    let reason = |pool: &str| {
        shown.by_where("sidetone_source_failures_total", &[("source", pool)], "reason").into_keys().collect::<Vec<_>>()
    };
    assert_eq!((reason("pool:one").len(), reason("pool:java").len()), (0, 0));
    assert_eq!(
        [reason("pool:odd"), reason("pool:gone"), reason("pool:stranger")].concat(),
        ["answer", "refused", "authentication"]
    );
    assert!(!agent.log().contains("hunter2"), "{}", agent.log());
}

/// Processor time and memory of an agent with these sections, after it has settled.
fn cost(folder: &Path, sections: &str) -> (f64, f64) {
    let agent = watch(folder, sections);
    sleep(Duration::from_secs(3));
    let before = databases::cpu(agent.id());
    sleep(Duration::from_secs(6));
    ((databases::cpu(agent.id()) - before) / 6.0, databases::resident(agent.id()) as f64 / f64::from(1 << 20))
}

/// Ten of each engine, each second: what one sample of it costs, beside an agent without any.
#[test]
fn what_sampling_costs() {
    if !databases::are_here() {
        return;
    }
    let folder = folder();
    let postgres = Postgres::start(folder.path(), "postgres", "");
    postgres.sql(&format!("CREATE ROLE sidetone LOGIN PASSWORD '{PASSWORD}'; GRANT pg_monitor TO sidetone"));
    postgres.sql("CREATE EXTENSION pg_stat_statements");
    postgres.pgbench(&["-i", "-q"]);
    let bouncer = Pgbouncer::start(folder.path(), &postgres);
    let mariadb = Mariadb::start(folder.path(), "mariadb", &["--performance-schema=ON"]);
    for grant in
        ["PROCESS, SLAVE MONITOR ON *.*", "SELECT ON performance_schema.*", "SELECT ON mysql.innodb_table_stats"]
    {
        mariadb.sql(&format!("GRANT {grant} TO sidetone IDENTIFIED BY '{PASSWORD}'"));
    }
    let redis = Redis::start(folder.path(), "redis", &["--requirepass", PASSWORD]);
    let file = format!("password_file = \"{}\"", password_file(folder.path()).display());
    let servers = [
        ("postgresql", postgres.address),
        ("pgbouncer", bouncer.address),
        ("mysql", mariadb.address),
        ("redis", redis.address),
    ];
    let (idle, least) = cost(folder.path(), "");
    println!("without databases: {:.2} ms of a processor in a second, {least:.1} MiB", idle * 1e3);
    for (engine, address) in servers {
        let ten: String = (0..10).map(|n| section(&format!("e{n}"), engine, address, &file)).collect();
        let (busy, memory) = cost(folder.path(), &ten);
        let each = (busy - idle) * 1e3 / 10.0;
        println!("{engine}: {each:.2} ms a sample, {:.2} MiB a server", (memory - least) / 10.0);
        assert!(each < 20.0, "{engine}: {each} ms");
    }
    let one: String = servers.iter().map(|(engine, address)| section(engine, engine, *address, &file)).collect();
    let (_, memory) = cost(folder.path(), &one);
    println!("one of each: {:.1} MiB", memory - least);
    assert!(memory - least < 16.0, "{least} MiB, {memory} MiB");
}

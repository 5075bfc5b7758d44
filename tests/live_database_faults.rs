//! Databases that refuse, vanish, stand still, lie or never end: what they are shown as, and that nothing else suffers.

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

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use common::{Agent, free_tcp_port, http_get, wait_for};
use databases::{
    Mariadb, PASSWORD, Pgbouncer, Postgres, Redis, Shown, folder, give, password_file, resident, section, watch,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use servers::signal_process;

const MIB: u64 = 1 << 20;

/// Waits until a server is shown as up or down.
fn wait_for_state(agent: &Agent, database: &str, up: f64) {
    let what = format!("db_up of {database} to be {up}");
    agent.wait_for_metrics(&what, |now| now.one("db_up", &[("database", database)]) == Some(up));
}

/// The reasons for which a source has failed.
fn reasons(agent: &Agent, source: &str) -> Vec<String> {
    agent.metrics().by_where("sidetone_source_failures_total", &[("source", source)], "reason").into_keys().collect()
}

/// The password is nowhere that somebody might look.
#[track_caller]
fn nowhere(agent: &Agent) {
    let metrics = http_get(agent.address, "/metrics", &[]).expect("metrics").text();
    let processes = fs::read(format!("/proc/{}/cmdline", agent.id())).expect("cmdline");
    for text in [agent.log(), metrics, String::from_utf8_lossy(&processes).into_owned()] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn servers_that_end_stand_still_and_come_back() {
    if !databases::are_here() {
        return;
    }
    let folder = folder();
    let mut postgres = Postgres::start(folder.path(), "postgres", "");
    let mut mariadb = Mariadb::start(folder.path(), "mariadb", &[]);
    let redis = Redis::start(folder.path(), "redis", &["--requirepass", PASSWORD]);
    postgres.sql(&format!("CREATE ROLE sidetone LOGIN PASSWORD '{PASSWORD}'; GRANT pg_monitor TO sidetone"));
    mariadb.sql(&format!("CREATE USER sidetone IDENTIFIED BY '{PASSWORD}'"));
    let bouncer = Pgbouncer::start(folder.path(), &postgres);
    let file = format!("password_file = \"{}\"\ntimeout = \"1s\"\n", password_file(folder.path()).display());
    let sections = [
        section("pg", "postgresql", postgres.address, &file),
        section("front", "pgbouncer", bouncer.address, &file),
        section("my", "mysql", mariadb.address, &file),
        section("cache", "redis", redis.address, &file),
    ];
    let agent = watch(folder.path(), &sections.concat());
    for database in ["pg", "front", "my", "cache"] {
        wait_for_state(&agent, database, 1.0);
    }
    let before = resident(agent.id());
    for round in 0..3 {
        let id = |server: &Option<servers::Server>| server.as_ref().expect("a server").id();
        let own = "SELECT pid FROM pg_stat_activity WHERE application_name = 'sidetone'";
        let standing = [id(&postgres.server), postgres.number(own) as u32, id(&mariadb.server), redis.server.id()];
        standing.iter().for_each(|process| signal_process("STOP", *process));
        ["pg", "my", "cache"].iter().for_each(|database| wait_for_state(&agent, database, 0.0));
        assert_eq!(Shown::now(&agent, "front").get("db_up", &[]), 1.0, "PgBouncer itself is well");
        assert_eq!(reasons(&agent, "db:cache"), ["timeout"]);
        standing.iter().for_each(|process| signal_process("CONT", *process));
        ["pg", "my", "cache"].iter().for_each(|database| wait_for_state(&agent, database, 1.0));

        for server in [postgres.server.take(), mariadb.server.take()] {
            server.expect("a server").end("KILL");
        }
        ["pg", "my"].iter().for_each(|database| wait_for_state(&agent, database, 0.0));
        let shown = Shown::now(&agent, "pg");
        assert_eq!(
            shown.find("db_transactions_total", &[("result", "commit")]),
            None,
            "what was once known is not shown"
        );
        assert_eq!(Shown::now(&agent, "cache").get("db_up", &[]), 1.0);
        // What holds PostgreSQL's memory ends with its parent.
        wait_for("its last process to end", || TcpStream::connect(postgres.address).is_err().then_some(()));
        postgres.run();
        mariadb.run();
        ["pg", "my"].iter().for_each(|database| wait_for_state(&agent, database, 1.0));
        let attempts = Shown::now(&agent, "pg");
        assert!(attempts.get("db_connection_attempts_total", &[("result", "success")]) >= f64::from(round + 2));
    }
    let after = resident(agent.id());
    assert!(after < before + 8 * MIB, "{before} bytes before, {after} after");
    nowhere(&agent);
}

/// A root and what it signs.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    fn new(folder: &Path) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a root");
        fs::write(folder.join("ca.crt"), issuer.pem()).expect("a file");
        Authority { issuer, folder: folder.to_owned() }
    }

    fn file(&self) -> String {
        self.folder.join("ca.crt").display().to_string()
    }

    /// Certificate and key of "localhost", good until that year.
    fn sign(&self, name: &str, until: i32) -> (String, String) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("names");
        // With the name of its issuer it would seem to have signed itself.
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let files = ["crt", "key"].map(|end| self.folder.join(format!("{name}.{end}")));
        fs::write(&files[0], certificate.pem()).expect("a file");
        fs::write(&files[1], key.serialize_pem()).expect("a file");
        for file in &files {
            give(file);
            fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a mode");
        }
        let [certificate, key] = files.map(|file| file.display().to_string());
        (certificate, key)
    }
}

#[test]
fn logins_names_and_certificates_that_are_wrong() {
    if !databases::are_here() {
        return;
    }
    let folder = folder();
    let authority = Authority::new(folder.path());
    let (good, good_key) = authority.sign("good", 2100);
    let (old, old_key) = authority.sign("old", 2001);
    let (own, own_key) = authority.sign("own", 2100);
    let ssl = format!("ssl = on\nssl_cert_file = '{good}'\nssl_key_file = '{good_key}'");
    let postgres = Postgres::start(folder.path(), "postgres", &ssl);
    postgres.sql(&format!("CREATE ROLE sidetone LOGIN PASSWORD '{PASSWORD}'; GRANT pg_monitor TO sidetone"));
    postgres
        .sql(&format!("CREATE ROLE plain LOGIN PASSWORD '{PASSWORD}'; REVOKE SELECT ON pg_stat_bgwriter FROM PUBLIC"));
    postgres.sql("GRANT SELECT ON pg_stat_bgwriter TO sidetone");
    let files =
        [format!("--ssl-cert={good}"), format!("--ssl-key={good_key}"), format!("--ssl-ca={}", authority.file())];
    let mariadb = Mariadb::start(folder.path(), "mariadb", &files.each_ref().map(String::as_str));
    mariadb.sql(&format!("CREATE USER sidetone IDENTIFIED BY '{PASSWORD}' REQUIRE SSL"));
    let tls_port = free_tcp_port();
    let redis = |name: &str, certificate: &str, key: &str, port: SocketAddr| {
        let (port, ca) = (port.port().to_string(), authority.file());
        let settings =
            ["--tls-port", &port, "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", &ca];
        Redis::start(folder.path(), name, &[&settings[..], &["--requirepass", PASSWORD]].concat())
    };
    let _redis = redis("redis", &good, &good_key, tls_port);
    let old_port = free_tcp_port();
    let _expired = redis("expired", &old, &old_key, old_port);
    let rotating = folder.path().join("rotating");
    fs::write(&rotating, "not yet").expect("a file");

    let file = format!("password_file = \"{}\"\n", password_file(folder.path()).display());
    let ca = format!("ca_file = \"{}\"\n", authority.file());
    let localhost = |address: SocketAddr| format!("host = \"localhost\"\nport = {}\n", address.port());
    let (pg, my) = (localhost(postgres.address), localhost(mariadb.address));
    let (tls, expired) = (localhost(tls_port), localhost(old_port));
    let client = format!("certificate_file = \"{own}\"\nkey_file = \"{own_key}\"\n");
    let full = "tls = \"verify-full\"\n";
    let address = postgres.address;
    let encoded = "hunter2%2F%C3%A4%40%3A%25";
    // Name, engine, settings, and the reason for which it fails; none where it does not.
    let cases = [
        ("good", "postgresql", format!("{pg}{file}{full}{ca}"), None),
        (
            "url",
            "postgresql",
            format!("url = \"postgres://sidetone:{encoded}@localhost:{}/postgres?sslmode=require\"", address.port()),
            None,
        ),
        (
            "socket",
            "postgresql",
            format!("host = \"{}\"\nport = {}\n", postgres.folder.display(), address.port()),
            None,
        ),
        ("password", "postgresql", format!("{pg}url = \"postgres://sidetone:hunter2wrong@x\""), Some("authentication")),
        ("nobody", "postgresql", format!("{pg}{file}user = \"hunter\""), Some("authentication")),
        ("nothing", "postgresql", format!("{pg}{file}database = \"nothing\""), Some("refused")),
        ("plain", "postgresql", format!("{pg}{file}user = \"plain\""), Some("permission")),
        ("stranger", "postgresql", format!("{pg}{file}{full}"), Some("tls")),
        (
            "misnamed",
            "postgresql",
            format!("host = \"127.0.0.1\"\nport = {}\n{file}{full}{ca}", address.port()),
            Some("tls"),
        ),
        (
            "signed",
            "postgresql",
            format!("host = \"127.0.0.1\"\nport = {}\n{file}tls = \"verify-ca\"\n{ca}", address.port()),
            None,
        ),
        ("rotating", "postgresql", format!("{pg}password_file = \"{}\"", rotating.display()), Some("authentication")),
        ("closed", "postgresql", format!("{}{file}", localhost(free_tcp_port())), Some("connect")),
        ("unnamed", "mysql", format!("host = \"database.invalid\"\n{file}"), Some("resolve")),
        ("my", "mysql", format!("{my}{file}{full}{ca}"), None),
        ("my-stranger", "mysql", format!("{my}{file}{full}"), Some("tls")),
        ("my-plain", "mysql", format!("{my}{file}tls = \"disable\""), Some("authentication")),
        ("my-password", "mysql", format!("{my}password_file = \"{}\"", rotating.display()), Some("authentication")),
        ("cache", "redis", format!("{tls}{file}{full}{ca}{client}"), None),
        (
            "cache-signed",
            "redis",
            format!("host = \"127.0.0.1\"\nport = {}\n{file}tls = \"verify-ca\"\n{ca}{client}", tls_port.port()),
            None,
        ),
        ("cache-any", "redis", format!("{tls}{file}tls = \"require\"\n{client}"), None),
        ("cache-stranger", "redis", format!("{tls}{file}{full}{client}"), Some("tls")),
        (
            "cache-misnamed",
            "redis",
            format!("host = \"127.0.0.1\"\nport = {}\n{file}{full}{ca}{client}", tls_port.port()),
            Some("tls"),
        ),
        ("cache-expired", "redis", format!("{expired}{file}{full}{ca}{client}"), Some("tls")),
        (
            "cache-password",
            "redis",
            format!("{tls}password_file = \"{}\"\n{full}{ca}{client}", rotating.display()),
            Some("authentication"),
        ),
        ("missing", "redis", format!("{tls}password_file = \"/nowhere/hunter\"\n{full}{ca}{client}"), Some("io")),
    ];
    let sections: String = cases
        .iter()
        .map(|(name, engine, settings, _)| {
            format!("[[databases]]\nname = \"{name}\"\nengine = \"{engine}\"\ninterval = \"1s\"\n{settings}\n")
        })
        .collect();
    let agent = watch(folder.path(), &sections);
    agent.wait_for_metrics("all of them", |now| now.by("db_probe_duration_seconds", "database").len() == cases.len());
    for (name, _, _, reason) in &cases {
        let found = reasons(&agent, &format!("db:{name}"));
        let (shown, log) = (Shown::now(&agent, name), agent.log());
        let said = log.lines().find(|line| line.contains(&format!("source db:{name}:"))).unwrap_or_default();
        // Some may not see sizes; that fault is no matter here.
        let expected: Vec<&str> = reason.iter().copied().collect();
        let own: Vec<&str> = found
            .iter()
            .map(String::as_str)
            .filter(|found| !(name.starts_with("my") && *found == "permission"))
            .collect();
        assert_eq!(own, expected, "{name}: {said}");
        let up = reason.is_none() || *name == "plain";
        assert_eq!(shown.get("db_up", &[]), f64::from(u8::from(up)), "{name}: {said}");
        println!("{name}: {said}");
    }
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND application_name = 'sidetone'";
    assert_eq!(postgres.number(encrypted), 4.0, "good, url, plain and signed; a socket needs none");

    // What the account may see comes, and the log says what it takes to see the rest.
    let plain = Shown::now(&agent, "plain");
    assert!(plain.get("db_transactions_total", &[("result", "commit")]) > 0.0);
    assert_eq!(plain.find("db_blocks_written_total", &[]), None);
    assert_eq!(plain.samples.sum("db_pool_connections", &[("database", "plain")]), 0.0);
    for grant in ["GRANT pg_monitor TO plain", "GRANT SELECT ON pg_stat_bgwriter, pg_stat_database TO plain"] {
        assert!(agent.log().contains(grant), "{grant}: {}", agent.log());
    }

    // A password that arrives later is taken at the next attempt, and so is one that changes.
    fs::write(&rotating, format!("{PASSWORD}\n")).expect("a file");
    ["rotating", "my-password", "cache-password"].iter().for_each(|database| wait_for_state(&agent, database, 1.0));
    postgres.sql("ALTER ROLE sidetone PASSWORD 'hunter22'");
    fs::write(&rotating, "hunter22").expect("a file");
    postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sidetone'");
    wait_for_state(&agent, "good", 0.0);
    wait_for_state(&agent, "rotating", 1.0);
    nowhere(&agent);
}

/// A server that does the same to everyone.
fn serve(behave: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let behave = behave.clone();
            thread::spawn(move || behave(stream));
        }
    });
    address
}

/// Sends `head`, then the same byte without end, faster than anybody should take it.
fn endless(head: &'static [u8], byte: u8) -> impl Fn(TcpStream) + Clone + Send {
    move |mut stream| {
        let flood = vec![byte; 1 << 16];
        let mut read = [0; 512];
        let _ = stream.set_read_timeout(Some(Duration::from_millis(300)));
        let _ = stream.read(&mut read);
        let _ = stream.write_all(head);
        while stream.write_all(&flood).is_ok() {}
    }
}

fn silent(stream: TcpStream) {
    thread::sleep(Duration::from_secs(600));
    drop(stream);
}

#[test]
fn servers_that_never_answer_or_never_end() {
    if !databases::are_here() {
        return;
    }
    let folder = folder();
    let redis = Redis::start(folder.path(), "redis", &[]);
    let quick = "timeout = \"500ms\"\n";
    let mut sections = section("cache", "redis", redis.address, "");
    let mut names = Vec::new();
    let mut add = |name: &'static str, engine: &str, address: SocketAddr| {
        sections += &section(name, engine, address, quick);
        names.push(name);
    };
    let silent_ones =
        [("pg-silent", "postgresql"), ("front-silent", "pgbouncer"), ("my-silent", "mysql"), ("cache-silent", "redis")];
    silent_ones.iter().for_each(|(name, engine)| add(name, engine, serve(silent)));
    add("cache-endless-line", "redis", serve(endless(b"", b'x')));
    add("cache-endless-text", "redis", serve(endless(b"$1073741824\r\n", b'x')));
    add("cache-endless-list", "redis", serve(endless(b"*1000000000\r\n", b'x')));
    add("cache-negative", "redis", serve(endless(b"$-5\r\n", b'x')));
    add("pg-garbage", "postgresql", serve(endless(b"N", b'x')));
    // Authentication with a length of 2 GiB; a packet of MySQL has 16 MiB.
    add("pg-endless", "postgresql", serve(endless(b"NR\x7f\xff\xff\xff", 0)));
    add("my-endless", "mysql", serve(endless(b"\xff\xff\xff\x00\x0a", b'x')));
    let pool = |name: &str, address: SocketAddr| {
        format!(
            "[[pools]]\nname = \"{name}\"\ndatabase = \"x\"\nurl = \"http://{address}/\"\nactive = \"#/active\"\ninterval = \"1s\"\n{quick}"
        )
    };
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n{\"active\": 1, \"x\": \"";
    sections += &pool("silent", serve(silent));
    sections += &pool("endless", serve(endless(HEAD, b'x')));
    sections += &pool("headless", serve(endless(b"HTTP/1.1 200 OK\r\nx: ", b'x')));
    let agent = watch(folder.path(), &sections);
    let mut most = 0;
    for _ in 0..100 {
        most = most.max(resident(agent.id()));
        thread::sleep(Duration::from_millis(100));
    }
    let shown = agent.metrics();
    for name in &names {
        assert_eq!(shown.one("db_up", &[("database", name)]), Some(0.0), "{name}");
    }
    for pool in ["pool:silent", "pool:endless", "pool:headless"] {
        assert_eq!(shown.one("sidetone_source_up", &[("source", pool)]), Some(0.0), "{pool}");
    }
    assert_eq!(shown.one("db_up", &[("database", "cache")]), Some(1.0));
    assert_eq!(shown.one("sidetone_source_up", &[("source", "cpu")]), Some(1.0));
    println!("resident memory: {} MiB at most\n{}", most / MIB, agent.log());
    // Two servers that never end at 16 MiB each, in buffers that double as they grow, may be at it at the same time.
    assert!(most < 160 * MIB, "{} MiB", most / MIB);
}

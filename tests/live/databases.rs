//! Private database servers on ports of their own in a folder of the test, and what they say of themselves.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::common::{Agent, Samples, find_program, free_tcp_port, wait_for};
use crate::servers::{Server, signal_process};

/// nobody: PostgreSQL and PgBouncer do not run as root.
const NOBODY: u32 = 65_534;
/// The password of every account here; no log, page or process list may show it.
pub const PASSWORD: &str = "hunter2/ä@:%";

/// A folder that nobody may use.
pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    give(folder.path());
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).expect("a mode");
    folder
}

pub fn give(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).expect("a folder of nobody's");
}

/// A program of PATH, or where Debian and scripts/setup have PostgreSQL's.
fn program(name: &str) -> PathBuf {
    let unpacked = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/postgresql/usr/lib/postgresql");
    let versions = ["/usr/lib/postgresql", unpacked].into_iter().flat_map(fs::read_dir).flatten().flatten();
    let there = versions.map(|version| version.path().join("bin").join(name)).find(|file| file.is_file());
    there.or_else(|| find_program(name)).unwrap_or_else(|| panic!("no {name} here"))
}

/// Whether all the servers are here.
pub fn are_here() -> bool {
    let found = std::panic::catch_unwind(|| program("postgres")).is_ok();
    if !found {
        crate::common::skip("no postgres here");
    }
    found
        && crate::common::can_run(&[
            "pgbouncer",
            "mariadbd",
            "mariadb-install-db",
            "mariadb",
            "redis-server",
            "redis-cli",
        ])
}

fn as_nobody(name: &str) -> Command {
    let mut command = Command::new(program(name));
    command.uid(NOBODY).gid(NOBODY).env("HOME", "/");
    command
}

fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("a program starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

pub struct Postgres {
    pub server: Option<Server>,
    pub folder: PathBuf,
    pub address: SocketAddr,
}

impl Postgres {
    pub fn start(folder: &Path, name: &str, settings: &str) -> Postgres {
        let own = folder.join(name);
        fs::create_dir(&own).expect("a folder");
        give(&own);
        let data = own.join("data");
        output(
            as_nobody("initdb")
                .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N", "-D"])
                .arg(&data),
        );
        let access = "local all all trust\nlocal replication all trust\nhost replication all 127.0.0.1/32 trust\n\
                      host all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(data.join("pg_hba.conf"), access).expect("pg_hba.conf");
        let more = format!(
            "fsync = off\nmax_connections = 20\nshared_preload_libraries = 'pg_stat_statements'\ndeadlock_timeout = 100ms\n\
             autovacuum = off\nlog_line_prefix = ''\n{settings}\n"
        );
        let file = data.join("postgresql.conf");
        fs::write(&file, fs::read_to_string(&file).expect("postgresql.conf") + &more).expect("postgresql.conf");
        let mut postgres = Postgres { server: None, folder: own, address: free_tcp_port() };
        postgres.run();
        postgres
    }

    /// A standby that follows `source`.
    pub fn follow(folder: &Path, name: &str, source: &Postgres) -> Postgres {
        let own = folder.join(name);
        fs::create_dir(&own).expect("a folder");
        give(&own);
        let from = format!(
            "host={} port={} user=postgres application_name={name}",
            source.folder.display(),
            source.address.port()
        );
        output(as_nobody("pg_basebackup").args(["-R", "-c", "fast", "-d", &from, "-D"]).arg(own.join("data")));
        let mut postgres = Postgres { server: None, folder: own, address: free_tcp_port() };
        postgres.run();
        postgres
    }

    pub fn run(&mut self) {
        let mut command = as_nobody("postgres");
        command.arg("-D").arg(self.folder.join("data")).arg("-k").arg(&self.folder);
        command.args(["-h", "127.0.0.1", "-p", &self.address.port().to_string()]);
        self.server = Some(Server::start(&self.folder, "postgres", &mut command));
        wait_for("PostgreSQL", || self.try_psql("postgres", "SELECT 1"));
    }

    fn client(&self, name: &str, database: &str) -> Command {
        let mut command = as_nobody(name);
        command.arg("-h").arg(&self.folder).args(["-p", &self.address.port().to_string(), "-U", "postgres"]);
        command.env("PGDATABASE", database).env("PGOPTIONS", "-c statement_timeout=60s");
        command
    }

    fn try_psql(&self, database: &str, sql: &str) -> Option<String> {
        let output = self.client("psql", database).args(["-XAtqc", sql]).output().expect("psql");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// What a superuser is answered.
    pub fn sql(&self, sql: &str) -> String {
        output(self.client("psql", "postgres").args(["-v", "ON_ERROR_STOP=1", "-XAtqc", sql]))
    }

    pub fn number(&self, sql: &str) -> f64 {
        let said = self.sql(sql);
        said.parse().unwrap_or_else(|_| panic!("{sql}: {said:?}"))
    }

    /// A session that runs `sql` beside the test.
    pub fn session(&self, sql: &str) -> Session {
        let mut command = self.client("psql", "postgres");
        Session(
            command
                .args(["-Xqc", sql])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("psql"),
        )
    }

    /// A session that is told what to do.
    pub fn interactive(&self, sql: &str) -> Interactive {
        Interactive::start(self.client("psql", "postgres").args(["-Xq"]), sql)
    }

    pub fn pgbench(&self, arguments: &[&str]) {
        output(self.client("pgbench", "postgres").args(arguments));
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            // It ends without waiting for its clients.
            let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.id())).unwrap_or_default();
            let children = children.split_whitespace().filter_map(|child| child.parse().ok());
            children.chain([server.id()]).for_each(|process| signal_process("CONT", process));
            signal_process("INT", server.id());
        }
    }
}

/// A client that is killed when dropped.
pub struct Session(pub Child);

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A client that does what it is told, until it is dropped.
pub struct Interactive {
    _session: Session,
    input: std::process::ChildStdin,
}

impl Interactive {
    fn start(command: &mut Command, sql: &str) -> Interactive {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut session = Session(command.spawn().expect("a client"));
        let input = session.0.stdin.take().expect("its input");
        let mut interactive = Interactive { _session: session, input };
        interactive.say(sql);
        interactive
    }

    pub fn say(&mut self, sql: &str) {
        writeln!(self.input, "{sql}").expect("it listens");
    }
}

/// PgBouncer before a PostgreSQL: one server connection for database "bench".
pub struct Pgbouncer {
    pub server: Server,
    pub address: SocketAddr,
    folder: PathBuf,
}

impl Pgbouncer {
    pub fn start(folder: &Path, postgres: &Postgres) -> Pgbouncer {
        let own = folder.join("pgbouncer");
        fs::create_dir(&own).expect("a folder");
        give(&own);
        let address = free_tcp_port();
        let users = own.join("users.txt");
        fs::write(
            &users,
            format!("\"sidetone\" \"{PASSWORD}\"\n\"postgres\" \"{PASSWORD}\"\n\"stranger\" \"{PASSWORD}\"\n"),
        )
        .expect("users");
        let settings = format!(
            "[databases]\nbench = host={} port={} dbname=postgres user=postgres pool_size=1\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\nstats_users = sidetone\n\
             admin_users = postgres\nmax_client_conn = 50\npool_mode = transaction\n",
            postgres.folder.display(),
            postgres.address.port(),
            address.port(),
            users.display()
        );
        let file = own.join("pgbouncer.ini");
        fs::write(&file, settings).expect("pgbouncer.ini");
        let mut server = Server::start(&own, "pgbouncer", as_nobody("pgbouncer").arg(&file));
        server.wait_for_log("process up");
        Pgbouncer { server, address, folder: own }
    }

    fn client(&self, database: &str) -> Command {
        let mut command = as_nobody("psql");
        command.args(["-h", "127.0.0.1", "-p", &self.address.port().to_string(), "-U", "postgres", "-XAtq"]);
        command.env("PGPASSWORD", PASSWORD).env("PGDATABASE", database).current_dir(&self.folder);
        command
    }

    /// The rows of a SHOW command, by the names of their columns.
    pub fn show(&self, what: &str) -> Vec<Vec<(String, String)>> {
        let mut command = self.client("pgbouncer");
        let said = output(command.args([
            "--no-align",
            "-P",
            "tuples_only=off",
            "-P",
            "footer=off",
            "-c",
            &format!("SHOW {what}"),
        ]));
        let mut lines = said.lines();
        let names: Vec<String> = lines.next().unwrap_or_default().split('|').map(str::to_owned).collect();
        lines.map(|line| names.iter().cloned().zip(line.split('|').map(str::to_owned)).collect()).collect()
    }

    /// A number of the row in which `key` is `value`.
    pub fn number(&self, what: &str, (key, value): (&str, &str), column: &str) -> f64 {
        let rows = self.show(what);
        let cell = |row: &[(String, String)], name: &str| {
            row.iter().find(|(key, _)| key == name).map(|(_, cell)| cell.clone())
        };
        let row = rows.iter().find(|row| cell(row, key).as_deref() == Some(value));
        row.and_then(|row| cell(row, column)?.parse().ok()).unwrap_or_else(|| panic!("{what}: {rows:?}"))
    }

    /// Waits until a statement comes through.
    pub fn wait_for(&self, sql: &str) {
        wait_for("a statement through PgBouncer", || {
            let output = self.client("bench").args(["-c", sql]).output().expect("psql");
            output.status.success().then_some(())
        });
    }

    pub fn session(&self, sql: &str) -> Session {
        let mut command = self.client("bench");
        Session(
            command
                .args(["-c", sql])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("psql"),
        )
    }
}

pub struct Mariadb {
    pub server: Option<Server>,
    pub folder: PathBuf,
    pub address: SocketAddr,
    settings: Vec<String>,
}

impl Mariadb {
    pub fn start(folder: &Path, name: &str, settings: &[&str]) -> Mariadb {
        let own = folder.join(name);
        fs::create_dir(&own).expect("a folder");
        give(&own);
        let data = own.join("data");
        let mut command = as_nobody("mariadb-install-db");
        command.args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"]);
        output(command.arg(format!("--datadir={}", data.display())).current_dir(&own));
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut mariadb = Mariadb { server: None, folder: own, address: free_tcp_port(), settings };
        mariadb.run();
        mariadb
    }

    pub fn run(&mut self) {
        let mut command = as_nobody("mariadbd");
        command.args(["--no-defaults", "--bind-address=127.0.0.1", "--innodb-flush-log-at-trx-commit=0"]);
        command.arg(format!("--datadir={}", self.folder.join("data").display()));
        command.arg(format!("--socket={}", self.folder.join("socket").display()));
        command.arg(format!("--port={}", self.address.port())).args(&self.settings);
        self.server = Some(Server::start(&self.folder, "mariadb", &mut command));
        self.wait();
    }

    /// Until it takes a connection: those that were cut off keep their places until they notice.
    pub fn wait(&self) {
        wait_for("MariaDB", || self.client("SELECT 1").output().ok().filter(|output| output.status.success()));
    }

    fn client(&self, sql: &str) -> Command {
        let mut command = as_nobody("mariadb");
        command.args(["--no-defaults", "-uroot", "-N", "-B"]).arg("-S").arg(self.folder.join("socket"));
        command.args(["-e", sql]);
        command
    }

    pub fn sql(&self, sql: &str) -> String {
        output(&mut self.client(sql))
    }

    pub fn number(&self, sql: &str) -> f64 {
        let said = self.sql(sql);
        said.parse().unwrap_or_else(|_| panic!("{sql}: {said:?}"))
    }

    pub fn interactive(&self, sql: &str) -> Interactive {
        let mut command = as_nobody("mariadb");
        command.args(["--no-defaults", "-uroot", "-n"]).arg("-S").arg(self.folder.join("socket"));
        Interactive::start(&mut command, sql)
    }

    /// A status variable.
    pub fn status(&self, name: &str) -> f64 {
        self.number(&format!(
            "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = '{name}'"
        ))
    }

    pub fn session(&self, sql: &str) -> Session {
        Session(
            self.client(sql).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("mariadb"),
        )
    }
}

pub struct Redis {
    pub server: Server,
    pub address: SocketAddr,
}

impl Redis {
    pub fn start(folder: &Path, name: &str, settings: &[&str]) -> Redis {
        let own = folder.join(name);
        fs::create_dir(&own).expect("a folder");
        give(&own);
        let address = free_tcp_port();
        let mut command = as_nobody("redis-server");
        command.args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", ""]).args(settings);
        let mut server = Server::start(&own, "redis", &mut command);
        server.wait_for_log("Ready to accept connections");
        Redis { server, address }
    }

    pub fn command(&self, words: &[&str]) -> String {
        output(as_nobody("redis-cli").args(["-p", &self.address.port().to_string()]).args(words))
    }

    /// A field of INFO.
    pub fn info(&self, name: &str) -> f64 {
        let said = self.command(&["INFO", "all"]);
        let found = said.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'));
        found.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name}: {said}"))
    }

    /// Microseconds that all commands took.
    pub fn microseconds(&self) -> f64 {
        let said = self.command(&["INFO", "commandstats"]);
        let fields = said.lines().filter_map(|line| line.split_once("usec=")?.1.split(',').next()?.parse::<f64>().ok());
        fields.sum()
    }

    pub fn session(&self, words: &[&str]) -> Session {
        let mut command = as_nobody("redis-cli");
        command.args(["-p", &self.address.port().to_string()]).args(words);
        Session(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("redis-cli"))
    }
}

/// A file that holds the password.
pub fn password_file(folder: &Path) -> PathBuf {
    let file = folder.join("password");
    fs::write(&file, format!("{PASSWORD}\n")).expect("a file");
    file
}

/// An agent that samples these sections each second, and captures nothing.
pub fn watch(folder: &Path, sections: &str) -> Agent {
    let address = free_tcp_port();
    let configuration = format!(
        "web.listen_address = \"{address}\"\ncapture.interfaces = [\"none\"]\nhep.listen_udp = \"127.0.0.1:0\"\nlog.level = \"debug\"\n{sections}"
    );
    Agent::start(folder, address, &configuration)
}

/// A section for a server at 127.0.0.1, sampled each second.
pub fn section(name: &str, engine: &str, address: SocketAddr, more: &str) -> String {
    format!(
        "[[databases]]\nname = \"{name}\"\nengine = \"{engine}\"\nhost = \"{}\"\nport = {}\ninterval = \"1s\"\ntable_interval = \"1s\"\n{more}\n",
        address.ip(),
        address.port()
    )
}

/// What the agent shows of one database.
pub struct Shown {
    pub samples: Samples,
    database: String,
}

impl Shown {
    /// After a sample that began after this was called has ended.
    pub fn next(agent: &Agent, database: &str) -> Shown {
        // Each second one begins, and it takes some milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(2500));
        Shown::now(agent, database)
    }

    pub fn now(agent: &Agent, database: &str) -> Shown {
        Shown { samples: agent.metrics(), database: database.to_owned() }
    }

    /// The one series of a family with these labels.
    #[track_caller]
    pub fn get(&self, family: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(family, labels).unwrap_or_else(|| panic!("no {family} {labels:?} of {}", self.database))
    }

    pub fn find(&self, family: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let all = [labels, &[("database", self.database.as_str())]].concat();
        self.samples.one(family, &all)
    }

    /// `state` of the server's connections.
    #[track_caller]
    pub fn connections(&self, pool: &str, state: &str) -> f64 {
        self.get("db_pool_connections", &[("pool", pool), ("state", state)])
    }
}

/// Resident memory of a process, bytes.
pub fn resident(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/statm")).expect("statm");
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("pages") * 4096
}

/// Seconds that a process has had of processors.
pub fn cpu(process: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("threads").flatten();
    let of = |path: PathBuf| fs::read_to_string(path.join("schedstat")).ok()?.split(' ').next()?.parse::<f64>().ok();
    threads.filter_map(|thread| of(thread.path())).sum::<f64>() / 1e9
}

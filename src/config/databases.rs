//! `[[databases]]`: servers that are sampled, and how they are reached.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::dsn::{self, Url};
use super::hep::Secret;
use super::section::{Document, Section};
use super::value::{self, Checked, Value, fault, mismatch, string};

/// Most sections of either kind: each is a connection and some dozens of series.
pub(super) const MAX_SECTIONS: usize = 100;
/// Longest name, as long as a peer's.
const MAX_NAME: usize = 63;
/// Most tables of a server: each is two series.
const MAX_TABLES: usize = 1000;

/// One server.
#[derive(Clone, Debug, PartialEq)]
pub struct Database {
    /// The value of the `database` label.
    pub name: String,
    pub engine: Engine,
    /// A name, an address, or the path of a Unix socket (of its folder for PostgreSQL and PgBouncer).
    pub host: String,
    pub port: u16,
    /// Empty: the engine's own without a name.
    pub user: String,
    /// What is connected to; empty: none.
    pub database: String,
    pub password: Password,
    pub tls: Tls,
    /// Whether its own statistics are read.
    pub sample: bool,
    pub interval: Option<Duration>,
    /// For one whole sample.
    pub timeout: Duration,
    /// How many of the largest tables are shown.
    pub tables: usize,
    /// The tables that are shown in place of the largest.
    pub table_names: Vec<String>,
    /// How often sizes are read.
    pub table_interval: Duration,
}

/// What is spoken there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    #[default]
    Postgresql,
    Pgbouncer,
    Mysql,
    Redis,
    /// Through its MySQL port, for questions of packs alone.
    Clickhouse,
}

impl Engine {
    const NAMES: [(&'static str, Engine); 6] = [
        ("postgresql", Engine::Postgresql),
        ("pgbouncer", Engine::Pgbouncer),
        ("mysql", Engine::Mysql),
        ("mariadb", Engine::Mysql),
        ("redis", Engine::Redis),
        ("clickhouse", Engine::Clickhouse),
    ];

    /// The value of the `engine` label.
    pub fn name(self) -> &'static str {
        Engine::NAMES.iter().find(|(_, engine)| *engine == self).map_or("", |(name, _)| name)
    }

    fn port(self) -> u16 {
        match self {
            Engine::Postgresql => 5432,
            Engine::Pgbouncer => 6432,
            Engine::Mysql => 3306,
            Engine::Redis => 6379,
            Engine::Clickhouse => 9004,
        }
    }

    fn database(self) -> &'static str {
        match self {
            Engine::Postgresql => "postgres",
            Engine::Pgbouncer => "pgbouncer",
            Engine::Mysql | Engine::Redis | Engine::Clickhouse => "",
        }
    }
}

/// Where a password comes from, in the order in which they are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Password {
    pub file: Option<PathBuf>,
    /// A name below $CREDENTIALS_DIRECTORY (systemd.exec(5)).
    pub credential: Option<String>,
    /// A variable of the environment.
    pub environment: Option<String>,
    /// What the URL holds.
    pub given: Option<Secret>,
}

/// Encryption, and whom it is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    pub mode: TlsMode,
    /// PEM: roots beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// PEM: the client's own certificate, and its key.
    pub certificate_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
}

/// libpq's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    #[default]
    Disable,
    /// Where the server can.
    Prefer,
    /// Whoever the server is.
    Require,
    /// A server that a root vouches for, whatever its name.
    VerifyCa,
    VerifyFull,
}

impl TlsMode {
    pub(super) const NAMES: [(&'static str, TlsMode); 5] = [
        ("disable", TlsMode::Disable),
        ("prefer", TlsMode::Prefer),
        ("require", TlsMode::Require),
        ("verify-ca", TlsMode::VerifyCa),
        ("verify-full", TlsMode::VerifyFull),
    ];
}

pub(super) fn read(document: &mut Document<'_>) -> Vec<Database> {
    let (mut names, mut count) = (BTreeSet::new(), 0);
    document.sections("databases", |section| {
        few(section, &mut count);
        let own = section.take_required("name", "\"calls\"", name);
        distinct(section, &own, &mut names);
        let url = section.take("url", None, url);
        database(section, own, url)
    })
}

fn database(section: &mut Section<'_, '_>, name: String, url: Option<Url>) -> Database {
    let engine = section.take("engine", None, |typed| value::choice(typed, &Engine::NAMES).map(Some));
    section.require_one_of(["engine", "url"], "\"postgresql\"");
    let said = url.as_ref().map(|url| url.engine);
    // Its admin console is reached by the same protocol.
    let fits = said.is_none_or(|said| {
        engine.is_none_or(|engine| engine == said || (engine, said) == (Engine::Pgbouncer, Engine::Postgresql))
    });
    section.require(
        fits,
        ["engine", "url"],
        "is not the one that `databases.url` begins with",
        "delete one of the two",
    );
    let engine = engine.or(said).unwrap_or_default();
    let url = url.unwrap_or_else(|| Url {
        engine,
        user: String::new(),
        password: None,
        host: String::new(),
        port: None,
        database: String::new(),
        tls: None,
        ca_file: None,
    });
    let or = |said: String, other: &str| if said.is_empty() { other.to_owned() } else { said };
    let user = if engine == Engine::Redis { "" } else { "sidetone" };
    let mode = if engine == Engine::Redis { TlsMode::Disable } else { TlsMode::Prefer };
    let database = Database {
        name,
        engine,
        host: section.take("host", or(url.host, "localhost"), host),
        port: section.take("port", url.port.unwrap_or(engine.port()), port),
        user: section.take("user", or(url.user, user), value::text),
        database: section.take("database", or(url.database, engine.database()), value::text),
        password: Password {
            file: section.take("password_file", None, path),
            credential: section.take("password_credential", None, credential),
            environment: section.take("password_env", None, |typed| value::text(typed).map(Some)),
            given: url.password,
        },
        tls: Tls {
            mode: section.take("tls", url.tls.unwrap_or(mode), |typed| value::choice(typed, &TlsMode::NAMES)),
            ca_file: section.take("ca_file", url.ca_file.map(PathBuf::from), path),
            certificate_file: section.take("certificate_file", None, path),
            key_file: section.take("key_file", None, path),
        },
        sample: section.take("sample", engine != Engine::Clickhouse, value::boolean),
        interval: section.take("interval", None, |typed| interval(typed).map(Some)),
        timeout: section.take("timeout", Duration::from_secs(5), timeout),
        tables: section.take("tables", 20, |typed| value::count(typed, 0..=MAX_TABLES)),
        table_names: section.take("table_names", Vec::new(), table_names),
        table_interval: section.take("table_interval", Duration::from_secs(300), interval),
    };
    section.require(
        engine != Engine::Redis || database.tls.mode != TlsMode::Prefer,
        ["tls", "engine"],
        "is \"prefer\", and Redis cannot be asked whether it has TLS",
        "write \"require\" or stricter for its TLS port, and \"disable\" for the other",
    );
    section.require(
        engine != Engine::Clickhouse || !database.sample,
        ["sample", "engine"],
        "is true, and ClickHouse has a /metrics of its own",
        "delete the line, and let Prometheus scrape the server's port 9363",
    );
    section.require(
        database.tls.certificate_file.is_some() == database.tls.key_file.is_some(),
        ["certificate_file", "key_file"],
        "and `databases.key_file` need one another",
        "name both files, or none",
    );
    database
}

/// Counts a section, and says where there are too many.
pub(super) fn few(section: &mut Section<'_, '_>, count: &mut usize) {
    *count += 1;
    if *count == MAX_SECTIONS + 1 {
        let message = format!("more than {MAX_SECTIONS} sections of one kind");
        section.complain(section.place("name"), message, "let a second agent watch the others");
    }
}

/// Says where a name is taken.
pub(super) fn distinct(section: &mut Section<'_, '_>, name: &str, names: &mut BTreeSet<String>) {
    if !name.is_empty() && !names.insert(name.to_owned()) {
        section.complain(
            section.place("name"),
            format!("the name {name:?} is taken further up"),
            "choose another name",
        );
    }
}

/// A name that is a label value and a part of a source's name.
pub(super) fn name(value: Value<'_>) -> Checked<String> {
    let name = string(value.clone())?;
    let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-');
    if (1..=MAX_NAME).contains(&name.len()) && name.chars().all(plain) {
        return Ok(name);
    }
    mismatch(&value, &format!("1 to {MAX_NAME} of a-z, 0-9, _ and -"), "choose one such as \"calls\"")
}

fn url(value: Value<'_>) -> Checked<Option<Url>> {
    let span = value.span();
    match value.get_ref().as_str().map(dsn::parse) {
        None => fault(span, "must be a string", "write \"postgresql://USER@HOST:PORT/DATABASE\""),
        Some(Err((message, hint))) => fault(span, message, hint),
        Some(Ok(url)) => Ok(Some(url)),
    }
}

fn host(value: Value<'_>) -> Checked<String> {
    let span = value.span();
    let host = value::text(value)?;
    if host.contains("://") {
        return fault(span, "is an URL", "write it as url = \"...\"");
    }
    if !host.starts_with('/') && host.contains(['/', '@', ' ']) {
        return fault(span, "is no host", "write a name or an address alone, or the path of a socket");
    }
    Ok(host.trim_matches(['[', ']']).to_owned())
}

fn port(value: Value<'_>) -> Checked<u16> {
    value::count(value, 1..=usize::from(u16::MAX)).map(|port| port as u16)
}

pub(super) fn path(value: Value<'_>) -> Checked<Option<PathBuf>> {
    let span = value.span();
    let path = PathBuf::from(value::text(value)?);
    match path.is_absolute() {
        true => Ok(Some(path)),
        false => fault(span, "is no absolute path", "begin it with /"),
    }
}

fn credential(value: Value<'_>) -> Checked<Option<String>> {
    let span = value.span();
    let name = value::text(value)?;
    match name.contains('/') {
        true => fault(span, "is a path", "write the name that LoadCredential= gives it"),
        false => Ok(Some(name)),
    }
}

pub(super) fn interval(value: Value<'_>) -> Checked<Duration> {
    value::duration(value, Duration::from_secs(1)..=Duration::from_secs(3600))
}

pub(super) fn timeout(value: Value<'_>) -> Checked<Duration> {
    value::duration(value, Duration::from_millis(100)..=Duration::from_secs(60))
}

fn table_names(value: Value<'_>) -> Checked<Vec<String>> {
    let span = value.span();
    let items = value::list(value, "table names", "\"public.calls\"")?;
    let names = value::plain(value::distinct(value::each(items, value::text)?)?);
    match names.len() <= MAX_TABLES {
        true => Ok(names),
        false => fault(span, format!("has more than {MAX_TABLES} entries"), "each of them makes two series"),
    }
}

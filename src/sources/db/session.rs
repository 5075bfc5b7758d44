//! One connection: opened read-only and with the server's own limits, asked in the simple protocol, whose values are texts.

use std::path::Path;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode, MySqlValueRef};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode, PgValueRef};
use sqlx::{AssertSqlSafe, Column as _, ConnectOptions as _, Database as SqlxDatabase, Row as _, ValueRef as _};
use tokio_stream::StreamExt as _;

use super::facts::{About, Row};
use super::relay::Relay;
use super::resp::Resp;
use super::{mysql, postgres, redis};
use crate::config::{Database, Engine, Password, Tls, TlsMode};
use crate::sources::{Failure, Reason};

/// Largest answer, bytes: hundreds of times what any of the questions asks for.
const MAX_ANSWER: usize = 4 << 20;
/// Largest file of a password.
const MAX_PASSWORD: u64 = 4096;

/// A connection and what its server is.
pub struct Session {
    link: Link,
    pub about: About,
    /// The schema of pg_stat_statements, quoted.
    pub schema: String,
}

enum Link {
    Postgres(PgConnection, Relay),
    Mysql(MySqlConnection, Relay),
    Redis(Resp),
}

/// A question that has no answer.
pub enum Refusal {
    /// It alone was refused.
    Part(Failure),
    /// The connection is not good any more.
    Lost(Failure),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        match refusal {
            Refusal::Part(failure) | Refusal::Lost(failure) => failure,
        }
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The server's own numbers.
    Statistics,
    /// Questions about tables; their limits are those of each transaction, which PgBouncer hands on.
    Questions,
}

impl Session {
    pub async fn open(settings: &Database, purpose: Purpose) -> Result<Session, Failure> {
        let password = password(&settings.password)?;
        let password = password.as_deref();
        let link = match settings.engine {
            Engine::Redis => Link::Redis(Resp::open(settings, password).await?),
            engine => {
                let (relay, socket) = Relay::open(settings).await?;
                let failed = |error: sqlx::Error| cut(&relay).unwrap_or_else(|| failure(&error));
                match engine {
                    Engine::Mysql | Engine::Clickhouse => {
                        let link = my_sql(settings, &socket, password).connect().await.map_err(failed)?;
                        Link::Mysql(link, relay)
                    }
                    _ => {
                        let link = postgres(settings, purpose, &socket, password).connect().await.map_err(failed)?;
                        Link::Postgres(link, relay)
                    }
                }
            }
        };
        let mut session = Session { link, about: About::default(), schema: String::new() };
        session.look_around(settings, purpose).await?;
        Ok(session)
    }

    /// What later questions depend on.
    async fn look_around(&mut self, settings: &Database, purpose: Purpose) -> Result<(), Failure> {
        match settings.engine {
            Engine::Postgresql if purpose == Purpose::Questions => {}
            Engine::Postgresql => {
                if let Link::Postgres(link, _) = &self.link {
                    self.about.version = link.server_version_num().unwrap_or(0);
                }
                let found = self.rows(postgres::STATEMENTS.to_owned(), 1).await?;
                if let Some(schema) = found.first().and_then(|row| row.text("schema")) {
                    // regnamespace as text is quoted where it has to be.
                    schema.clone_into(&mut self.schema);
                    self.about.counts_statements = true;
                }
            }
            Engine::Mysql => {
                let found = self.rows(mysql::ABOUT.to_owned(), 1).await?;
                let text = |name| found.first().and_then(|row| row.text(name)).unwrap_or_default();
                let (version, is_mariadb) = mysql::version(text("version"));
                self.about = About { version, is_mariadb, counts_statements: text("statements") == "1" };
                if purpose == Purpose::Statistics {
                    self.set_limits(settings.timeout).await?;
                }
            }
            Engine::Redis => {
                let found = self.rows("INFO server".to_owned(), 1).await?;
                let version = found.first().and_then(|row| row.text("redis_version")).unwrap_or_default();
                self.about.version = mysql::number(version);
            }
            Engine::Pgbouncer | Engine::Clickhouse => {}
        }
        Ok(())
    }

    async fn set_limits(&mut self, timeout: Duration) -> Result<(), Failure> {
        let limit = server_limit(timeout);
        let time = match self.about.is_mariadb {
            true => format!("max_statement_time = {}", limit.as_secs_f64()),
            false => format!("max_execution_time = {}", limit.as_millis()),
        };
        // Ages of transactions are times of the server's own zone.
        let set = format!("SET SESSION {time}, SESSION lock_wait_timeout = 1, SESSION time_zone = 'SYSTEM'");
        self.rows("SET SESSION TRANSACTION READ ONLY".to_owned(), 1).await?;
        self.rows(set, 1).await?;
        Ok(())
    }

    /// Another sample begins: its answers have their own bound.
    pub fn begin(&self) {
        if let Link::Postgres(_, relay) | Link::Mysql(_, relay) = &self.link {
            relay.renew();
        }
    }

    /// Asks, and gives at most `most` rows.
    pub async fn rows(&mut self, query: String, most: usize) -> Result<Vec<Row>, Refusal> {
        let (rows, relay) = match &mut self.link {
            Link::Postgres(link, relay) => {
                let text = |value: PgValueRef<'_>| value.as_str().map(str::to_owned).ok();
                let stream = sqlx::raw_sql(AssertSqlSafe(query)).fetch(link);
                (collect::<sqlx::Postgres, _, _>(stream, most, text).await, relay)
            }
            Link::Mysql(link, relay) => {
                let text = |value: MySqlValueRef<'_>| <String as sqlx::Decode<sqlx::MySql>>::decode(value).ok();
                let stream = sqlx::raw_sql(AssertSqlSafe(query)).fetch(link);
                (collect::<sqlx::MySql, _, _>(stream, most, text).await, relay)
            }
            Link::Redis(link) => return Ok(redis_rows(link.command(&query).await?)),
        };
        rows.map_err(|refusal| cut(relay).map_or(refusal, Refusal::Lost))
    }
}

/// Why a connection ended, where it is we who ended it.
fn cut(relay: &Relay) -> Option<Failure> {
    relay.is_cut().then(|| Failure::new(Reason::Answer, "the server has sent far more than was asked for"))
}

/// INFO is a text of lines, CONFIG GET a list of names and values.
fn redis_rows(answer: Vec<String>) -> Vec<Row> {
    match answer.as_slice() {
        [text] => vec![redis::lines(text)],
        pairs => vec![Row(pairs.chunks_exact(2).map(|pair| (pair[0].clone(), Some(pair[1].clone()))).collect())],
    }
}

/// Takes rows as they come, so that an answer without end does not stay in memory.
async fn collect<DB, S, F>(mut stream: S, most: usize, text: F) -> Result<Vec<Row>, Refusal>
where
    DB: SqlxDatabase,
    S: tokio_stream::Stream<Item = Result<DB::Row, sqlx::Error>> + Unpin,
    F: Fn(DB::ValueRef<'_>) -> Option<String>,
    usize: sqlx::ColumnIndex<DB::Row>,
{
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(row) = stream.next().await {
        let row = row.map_err(|error| refusal(&error))?;
        let cell = |at: usize, column: &<DB as SqlxDatabase>::Column| {
            let value = row.try_get_raw(at).ok().filter(|value| !value.is_null()).and_then(&text);
            (column.name().to_owned(), value)
        };
        let cells: Vec<_> = row.columns().iter().enumerate().map(|(at, column)| cell(at, column)).collect();
        bytes += cells.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, String::len)).sum::<usize>();
        if rows.len() >= most || bytes > MAX_ANSWER {
            let text = format!("more than {most} rows or {MAX_ANSWER} bytes");
            return Err(Refusal::Lost(Failure::new(Reason::Answer, text)));
        }
        rows.push(Row(cells));
    }
    Ok(rows)
}

/// Time for one statement by the server's own clock: one that is slow shall leave time for the others.
fn server_limit(timeout: Duration) -> Duration {
    timeout / 2
}

fn postgres(settings: &Database, purpose: Purpose, socket: &Path, password: Option<&str>) -> PgConnectOptions {
    let Tls { mode, ca_file, certificate_file, key_file } = &settings.tls;
    let mode = match mode {
        TlsMode::Disable => PgSslMode::Disable,
        TlsMode::Prefer => PgSslMode::Prefer,
        TlsMode::Require => PgSslMode::Require,
        TlsMode::VerifyCa => PgSslMode::VerifyCa,
        TlsMode::VerifyFull => PgSslMode::VerifyFull,
    };
    let mut options = PgConnectOptions::new_without_pgpass()
        .socket(socket)
        // Its certificate has the name of the server.
        .host(certified(settings))
        .port(settings.port)
        .username(&settings.user)
        .database(&settings.database)
        .application_name("sidetone")
        // PgBouncer knows this one only where it is told to ignore it.
        .extra_float_digits(None)
        .statement_cache_capacity(0)
        .ssl_mode(mode)
        .disable_statement_logging();
    if settings.engine == Engine::Postgresql && purpose == Purpose::Statistics {
        let limit = server_limit(settings.timeout).as_millis().to_string();
        let limits = [
            ("default_transaction_read_only", "on"),
            ("statement_timeout", &limit),
            ("lock_timeout", "1000"),
            ("search_path", "pg_catalog"),
        ];
        options = options.options(limits);
    }
    if let Some(password) = password {
        options = options.password(password);
    }
    if let Some(file) = ca_file {
        options = options.ssl_root_cert(file);
    }
    if let (Some(certificate), Some(key)) = (certificate_file, key_file) {
        options = options.ssl_client_cert(certificate).ssl_client_key(key);
    }
    options
}

/// The name that a certificate has to have: over a Unix socket, that of this host.
fn certified(settings: &Database) -> &str {
    if settings.host.starts_with('/') { "localhost" } else { &settings.host }
}

fn my_sql(settings: &Database, socket: &Path, password: Option<&str>) -> MySqlConnectOptions {
    let Tls { mode, ca_file, certificate_file, key_file } = &settings.tls;
    let mode = match mode {
        TlsMode::Disable => MySqlSslMode::Disabled,
        TlsMode::Prefer => MySqlSslMode::Preferred,
        TlsMode::Require => MySqlSslMode::Required,
        TlsMode::VerifyCa => MySqlSslMode::VerifyCa,
        TlsMode::VerifyFull => MySqlSslMode::VerifyIdentity,
    };
    let mut options = MySqlConnectOptions::new()
        .socket(socket)
        .host(certified(settings))
        .port(settings.port)
        .username(&settings.user)
        .ssl_mode(mode)
        .timezone(None)
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .statement_cache_capacity(0)
        .disable_statement_logging();
    if !settings.database.is_empty() {
        options = options.database(&settings.database);
    }
    if let Some(password) = password {
        options = options.password(password);
    }
    if let Some(file) = ca_file {
        options = options.ssl_ca(file);
    }
    if let (Some(certificate), Some(key)) = (certificate_file, key_file) {
        options = options.ssl_client_cert(certificate).ssl_client_key(key);
    }
    options
}

/// The password as it is now: files and credentials change while the agent runs.
fn password(from: &Password) -> Result<Option<String>, Failure> {
    let file = match (&from.file, &from.credential) {
        (Some(file), _) => Some(file.clone()),
        (None, Some(name)) => {
            let missing = || Failure::new(Reason::Io, "password_credential: there is no $CREDENTIALS_DIRECTORY");
            Some(std::path::PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(missing)?).join(name))
        }
        (None, None) => None,
    };
    if let Some(file) = file {
        return secret(&file).map(Some);
    }
    if let Some(name) = &from.environment {
        let missing = |_| Failure::new(Reason::Io, format_args!("password_env: there is no variable {name}"));
        return std::env::var(name).map(Some).map_err(missing);
    }
    Ok(from.given.as_ref().map(|secret| String::from_utf8_lossy(secret.bytes()).into_owned()))
}

/// A secret that a file holds in its first line.
pub fn secret(file: &Path) -> Result<String, Failure> {
    use std::io::Read;
    let mut text = String::new();
    let read = std::fs::File::open(file).and_then(|file| file.take(MAX_PASSWORD).read_to_string(&mut text));
    read.map_err(|error| Failure::io(file.display(), &error))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn refusal(error: &sqlx::Error) -> Refusal {
    // Classes 08 and 57P: the connection ends (PostgreSQL, appendix A); what the protocol does not foresee ends it too.
    let is_lost = |code: &str| code.starts_with("08") || code.starts_with("57P");
    match error {
        sqlx::Error::Database(said) if !said.code().is_some_and(|code| is_lost(&code)) => Refusal::Part(failure(error)),
        _ => Refusal::Lost(failure(error)),
    }
}

/// What sqlx says, by its kind. None of its texts holds what was sent.
fn failure(error: &sqlx::Error) -> Failure {
    match error {
        sqlx::Error::Database(said) => {
            let number = said.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().map(|said| said.number());
            let code = said.code().unwrap_or_default();
            Failure::new(reason(&code, number, said.message()), said.message())
        }
        sqlx::Error::Tls(inner) => Failure::new(Reason::Tls, inner),
        // rustls speaks through the socket.
        sqlx::Error::Io(inner) => Failure::new(io_reason(inner), inner),
        _ => Failure::new(Reason::Answer, error),
    }
}

/// Why a connection failed or ended.
pub fn io_reason(error: &std::io::Error) -> Reason {
    match error.kind() {
        _ if error.get_ref().is_some_and(|inner| inner.is::<tokio_rustls::rustls::Error>()) => Reason::Tls,
        std::io::ErrorKind::PermissionDenied => Reason::Permission,
        _ => Reason::Connect,
    }
}

/// From SQLSTATE (PostgreSQL, appendix A) or MySQL's error number.
fn reason(code: &str, number: Option<u16>, message: &str) -> Reason {
    match (code, number) {
        (_, Some(1045 | 1698)) => Reason::Authentication,
        (_, Some(1044 | 1142 | 1143 | 1227)) => Reason::Permission,
        (_, Some(1205 | 1969 | 3024)) => Reason::Timeout,
        (_, Some(_)) => Reason::Refused,
        ("42501", _) => Reason::Permission,
        ("57014" | "55P03", _) => Reason::Timeout,
        // PgBouncer has no codes of its own.
        (code, None) if code.starts_with("28") || message.contains("authentication") => Reason::Authentication,
        _ if message.contains("admin access") || message.contains("not allowed") => Reason::Permission,
        _ => Reason::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_of_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("p");
        std::fs::write(&file, "pä ss\n\nrest").expect("a file");
        let from = Password { file: Some(file.clone()), environment: Some("HOME".to_owned()), ..Password::default() };
        assert_eq!(password(&from), Ok(Some("pä ss".to_owned())));
        std::fs::remove_file(&file).expect("removed");
        assert_eq!(password(&from).map_err(|failure| failure.reason), Err(Reason::Io));
        let from = Password { environment: Some("SIDETONE_NO_SUCH".to_owned()), ..Password::default() };
        assert!(password(&from).is_err_and(|failure| failure.to_string().contains("SIDETONE_NO_SUCH")));
        assert_eq!(password(&Password::default()), Ok(None));
    }

    #[test]
    fn reasons() {
        assert_eq!(reason("28P01", None, ""), Reason::Authentication);
        assert_eq!(reason("08P01", None, "password authentication failed"), Reason::Authentication);
        assert_eq!(reason("HY000", Some(1227), ""), Reason::Permission);
        assert_eq!(reason("3D000", None, "database \"x\" does not exist"), Reason::Refused);
    }
}

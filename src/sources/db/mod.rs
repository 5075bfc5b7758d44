//! Databases: what a server says of itself, by one connection that is kept. Each engine is a table of questions (`facts::Part`).

mod facts;
mod families;
mod http;
mod mysql;
mod pgbouncer;
mod pool;
mod postgres;
mod redis;
mod relay;
mod resp;
mod session;
mod tls;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Failure, Instance, Readings, Reason, Row, Sampling, Source, Start};
use crate::config::{Config, Database, Engine};
use crate::numbers::{Labels, fixed};

pub use facts::Row as Answer;
use facts::{Memory, Part, Tally};
use families::{ATTEMPTS, FAMILIES, PROBE_DURATION, UP};
pub use session::{Purpose, Refusal, Session, secret};

/// Both kinds of source about databases.
pub static ROWS: &[&Row] = &[&ROW, &pool::ROW];

static ROW: Row = Row {
    name: "databases",
    interval: INTERVAL,
    deadline: DEADLINE,
    on: true,
    families: &FAMILIES,
    start: Start::Each(all),
};

const INTERVAL: Duration = Duration::from_secs(15);
const DEADLINE: Duration = Duration::from_secs(5);
/// What is left of a sample's time when its own timer has run out.
const GRACE: Duration = Duration::from_secs(1);
/// Most rows that an answer may have where it is not the number of tables that is asked for.
const MAX_ROWS: usize = 2000;
/// Tables that are looked through for those that the configuration names.
const MAX_NAMED: usize = 5000;

fn all(config: &Config) -> Vec<Instance> {
    let instance = |database: &Database| {
        let settings = Arc::new(database.clone());
        let mut down = Readings::default();
        down.add(UP, labels(database), 0.0);
        Instance {
            name: format!("db:{}", database.name),
            interval: database.interval.unwrap_or(INTERVAL),
            deadline: database.timeout + GRACE,
            down,
            make: Box::new(move || Box::new(Server::new(Arc::clone(&settings)))),
        }
    };
    config.databases.iter().filter(|database| database.sample).map(instance).collect()
}

fn labels(database: &Database) -> Labels {
    vec![fixed(database.engine.name()), database.name.clone().into()]
}

/// One server, and the connection to it.
struct Server {
    settings: Arc<Database>,
    session: Option<Session>,
    memory: Memory,
    /// What was found of the sizes of tables, and when.
    sizes: Option<(Instant, Vec<facts::Row>)>,
    /// Attempts to connect that failed, and that did not.
    attempts: [u64; 2],
}

impl Source for Server {
    fn sample(&mut self) -> Sampling<'_> {
        Box::pin(async { Ok(self.read().await) })
    }
}

impl Server {
    fn new(settings: Arc<Database>) -> Server {
        Server { settings, session: None, memory: Memory::default(), sizes: None, attempts: [0; 2] }
    }

    async fn read(&mut self) -> Readings {
        let (began, timeout) = (Instant::now(), self.settings.timeout);
        let (mut out, mut tally, mut faults) = (Readings::default(), Tally::default(), Vec::new());
        // While it is asked the connection is nobody's: where that is given up, it is closed with an answer still to come.
        let asked = match tokio::time::timeout(timeout, self.ask(&mut tally, &mut faults)).await {
            Ok(asked) => asked,
            Err(_) => {
                let text = format!("no whole answer within {}", humantime::format_duration(timeout));
                Err(Failure::new(Reason::Timeout, text))
            }
        };
        let first = labels(&self.settings);
        let with = |label: &'static str| [first.as_slice(), &[fixed(label)]].concat();
        out.add(UP, first.clone(), f64::from(u8::from(asked.is_ok())));
        out.add(PROBE_DURATION, first.clone(), began.elapsed().as_secs_f64());
        out.add(ATTEMPTS, with("failure"), self.attempts[0] as f64);
        out.add(ATTEMPTS, with("success"), self.attempts[1] as f64);
        match asked {
            Ok(session) => {
                self.session = Some(session);
                tally.tell(&first, &mut self.memory, &mut out);
            }
            Err(failure) => out.complain(failure),
        }
        faults.into_iter().for_each(|fault| out.complain(fault));
        out
    }

    /// Asks everything; gives the connection back where it is still good.
    async fn ask(&mut self, tally: &mut Tally, faults: &mut Vec<Failure>) -> Result<Session, Failure> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.connect().await?,
        };
        session.begin();
        let about = session.about.clone();
        for part in parts(self.settings.engine).iter().filter(|part| (part.asks)(&about)) {
            match self.answer(&mut session, part).await {
                Ok(rows) if rows.iter().any(|row| row.text("permitted") == Some("f")) => {
                    let fault = Failure::new(Reason::Permission, "the account sees only its own");
                    faults.push(self.with_grant(part, &session.schema, fault));
                }
                Ok(rows) => tally.add(part, rows),
                Err(Refusal::Part(fault)) => faults.push(self.with_grant(part, &session.schema, fault)),
                Err(Refusal::Lost(fault)) => return Err(fault),
            }
        }
        Ok(session)
    }

    async fn connect(&mut self) -> Result<Session, Failure> {
        // Counted as failed until it has not: it may be given up on the way.
        self.attempts[0] += 1;
        let session = Session::open(&self.settings, Purpose::Statistics).await?;
        self.attempts[0] -= 1;
        self.attempts[1] += 1;
        Ok(session)
    }

    async fn answer(&mut self, session: &mut Session, part: &Part) -> Result<Vec<facts::Row>, Refusal> {
        let query = part.query.replace("{schema}", &session.schema);
        if part.is_slow() {
            return self.sizes(session, query).await;
        }
        let mut rows = session.rows(query, MAX_ROWS).await?;
        if let Some((other, join)) = part.beside {
            join(&mut rows, &session.rows(other.to_owned(), MAX_ROWS).await?);
        }
        Ok(rows)
    }

    /// Sizes of tables, as they were a while ago.
    async fn sizes(&mut self, session: &mut Session, query: String) -> Result<Vec<facts::Row>, Refusal> {
        let names = &self.settings.table_names;
        let most = if names.is_empty() { self.settings.tables } else { MAX_NAMED };
        if let Some((at, rows)) = &self.sizes
            && at.elapsed() < self.settings.table_interval
        {
            return Ok(rows.clone());
        }
        if most == 0 {
            return Ok(Vec::new());
        }
        let mut rows = session.rows(query.replace("{limit}", &most.to_string()), most).await?;
        rows.retain(|row| names.is_empty() || names.iter().any(|name| row.text("table") == Some(name)));
        self.sizes = Some((Instant::now(), rows.clone()));
        Ok(rows)
    }

    /// What is missing, for who has to give it.
    fn with_grant(&self, part: &Part, schema: &str, fault: Failure) -> Failure {
        if fault.reason != Reason::Permission || part.grant.is_empty() {
            return Failure::new(fault.reason, format_args!("{}: {fault}", part.what));
        }
        let grant = part.grant.replace("{user}", &self.settings.user).replace("{schema}", schema);
        Failure::new(Reason::Permission, format_args!("{}: {fault}; it takes {grant}", part.what))
    }
}

fn parts(engine: Engine) -> &'static [Part] {
    match engine {
        Engine::Postgresql => &postgres::PARTS,
        Engine::Pgbouncer => &pgbouncer::PARTS,
        Engine::Mysql => &mysql::PARTS,
        Engine::Redis => &redis::PARTS,
        Engine::Clickhouse => &[],
    }
}

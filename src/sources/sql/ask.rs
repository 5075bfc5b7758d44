//! Asks a database in a transaction that only reads, by a few connections that are kept.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::window::Bounds;
use crate::config::{Database, Engine, Parameter, Statement};
use crate::sources::db::{Answer, Purpose, Refusal, Session};
use crate::sources::{Failure, Reason};

/// Connections to one database at the same time.
const CONNECTIONS: usize = 2;
/// What is left to the server to say that a statement took too long.
const GRACE: Duration = Duration::from_secs(1);

/// The connections to one database.
pub struct Pool {
    settings: Arc<Database>,
    idle: Mutex<Vec<Session>>,
    free: Semaphore,
}

impl Pool {
    pub fn new(settings: Arc<Database>) -> Pool {
        Pool { settings, idle: Mutex::default(), free: Semaphore::new(CONNECTIONS) }
    }

    pub fn engine(&self) -> Engine {
        self.settings.engine
    }

    /// Runs a statement for each of the bounds, in one transaction; waiting for a connection costs nobody's time.
    pub async fn ask(
        &self,
        question: &Question<'_>,
        runs: &[Bounds],
        now: Timestamp,
    ) -> Result<Vec<Vec<Answer>>, Failure> {
        let stopped = |_| Failure::new(Reason::Io, "the agent is stopping");
        let _permit = self.free.acquire().await.map_err(stopped)?;
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let was_kept = kept.is_some();
        match self.run(kept, question, runs, now).await {
            // One that was kept may have ended long ago: the server was restarted.
            Err(Refusal::Lost(_)) if was_kept => {
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
                self.run(None, question, runs, now).await.map_err(Failure::from)
            }
            answers => answers.map_err(Failure::from),
        }
    }

    async fn run(
        &self,
        kept: Option<Session>,
        question: &Question<'_>,
        runs: &[Bounds],
        now: Timestamp,
    ) -> Result<Vec<Vec<Answer>>, Refusal> {
        let late = || Refusal::Lost(Failure::late(question.timeout));
        let limit = question.timeout + GRACE;
        let mut session = match kept {
            Some(session) => session,
            None => match tokio::time::timeout(limit, Session::open(&self.settings, Purpose::Questions)).await {
                Ok(opened) => opened.map_err(Refusal::Lost)?,
                Err(_) => return Err(late()),
            },
        };
        let mut talk = Talk { engine: self.settings.engine, session: &mut session, question, now };
        tokio::time::timeout(limit, talk.begin()).await.map_err(|_| late())??;
        let mut answers = Vec::new();
        for bounds in runs {
            match tokio::time::timeout(limit, talk.run(bounds)).await.map_err(|_| late())? {
                Ok(rows) => answers.push(rows),
                Err(refusal) => {
                    // What the transaction has prepared goes with its connection.
                    drop(session);
                    return Err(refusal);
                }
            }
        }
        tokio::time::timeout(limit, talk.end()).await.map_err(|_| late())??;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
        Ok(answers)
    }
}

/// What is asked, and what the answer may cost.
pub struct Question<'a> {
    pub statement: &'a Statement,
    pub timeout: Duration,
    pub max_rows: usize,
}

/// One transaction.
struct Talk<'a> {
    engine: Engine,
    session: &'a mut Session,
    question: &'a Question<'a>,
    now: Timestamp,
}

impl Talk<'_> {
    async fn say(&mut self, text: &str) -> Result<(), Refusal> {
        self.session.rows(text.to_owned(), 1).await.map(|_| ())
    }

    async fn begin(&mut self) -> Result<(), Refusal> {
        self.session.begin();
        let limit = self.question.timeout;
        match self.engine {
            Engine::Mysql => {
                let time = match self.session.about.is_mariadb {
                    true => format!("max_statement_time = {}", limit.as_secs_f64()),
                    false => format!("max_execution_time = {}", limit.as_millis()),
                };
                self.say(&format!("SET SESSION {time}, SESSION lock_wait_timeout = 1, SESSION time_zone = '+00:00'"))
                    .await?;
                self.say("START TRANSACTION READ ONLY").await?;
                let text = self.question.statement.text(|_, _| "?".to_owned());
                self.say(&format!("SET @sidetone = CONVERT(X'{}' USING utf8mb4)", hex(text.as_bytes()))).await?;
                self.say("PREPARE sidetone FROM @sidetone").await
            }
            // It knows neither transactions nor PREPARE; what is sent is made of times alone.
            Engine::Clickhouse => Ok(()),
            _ => {
                self.say("BEGIN TRANSACTION READ ONLY").await?;
                let milliseconds = limit.as_millis();
                self.say(&format!("SET LOCAL statement_timeout = {milliseconds}")).await?;
                self.say("SET LOCAL lock_timeout = 1000").await?;
                // Compiling a report often takes longer than the report.
                self.say("SET LOCAL jit = off").await?;
                self.say("SET LOCAL TIME ZONE 'UTC'").await?;
                let text = self.question.statement.text(|at, _| format!("${}", at + 1));
                let types = vec!["timestamptz"; self.question.statement.parameters.len()].join(", ");
                let types = if types.is_empty() { types } else { format!(" ({types})") };
                self.say(&format!("PREPARE sidetone{types} AS {text}")).await
            }
        }
    }

    async fn run(&mut self, bounds: &Bounds) -> Result<Vec<Answer>, Refusal> {
        self.session.begin();
        let (now, bounds) = (self.now, *bounds);
        let of = |parameter: Parameter| {
            shown(match parameter {
                Parameter::From => bounds.from,
                Parameter::To => bounds.to,
                Parameter::Now => now,
            })
        };
        let parameters = &self.question.statement.parameters;
        let text = match self.engine {
            Engine::Mysql => {
                let names: Vec<String> = (0..parameters.len()).map(|at| format!("@sidetone{at}")).collect();
                for (name, parameter) in names.iter().zip(parameters) {
                    self.session.rows(format!("SET {name} = '{}'", of(*parameter)), 1).await?;
                }
                let using = if names.is_empty() { String::new() } else { format!(" USING {}", names.join(", ")) };
                format!("EXECUTE sidetone{using}")
            }
            Engine::Clickhouse => {
                self.question.statement.text(|_, parameter| format!("toDateTime64('{}', 3, 'UTC')", of(parameter)))
            }
            _ => {
                let values: Vec<String> =
                    parameters.iter().map(|parameter| format!("'{}+00'", of(*parameter))).collect();
                let values = if values.is_empty() { String::new() } else { format!(" ({})", values.join(", ")) };
                format!("EXECUTE sidetone{values}")
            }
        };
        self.session.rows(text, self.question.max_rows).await
    }

    async fn end(&mut self) -> Result<(), Refusal> {
        match self.engine {
            Engine::Clickhouse => Ok(()),
            Engine::Mysql => {
                self.say("DEALLOCATE PREPARE sidetone").await?;
                self.say("COMMIT").await
            }
            _ => {
                self.say("DEALLOCATE sidetone").await?;
                self.say("COMMIT").await
            }
        }
    }
}

/// A time of UTC as all of them read it.
fn shown(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

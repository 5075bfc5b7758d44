//! Redis' protocol (RESP2), as far as asking takes it: a command's words out, a text or a list of texts back, none of it without bound.

use std::io::{Error, ErrorKind};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::session::{Refusal, io_reason};
use super::tls;
use crate::config::Database;
use crate::sources::net::Stream;
use crate::sources::{Failure, Reason};

/// Longest line, and longest text of an answer, bytes; INFO of a busy server takes 20 KiB.
const MAX_LINE: u64 = 4096;
const MAX_TEXT: usize = 1 << 20;
/// Most texts of a list.
const MAX_TEXTS: usize = 64;

pub struct Resp(BufReader<Box<dyn Stream>>);

impl Resp {
    pub async fn open(settings: &Database, password: Option<&str>) -> Result<Resp, Failure> {
        let stream: Box<dyn Stream> = match settings.host.starts_with('/') {
            true => Box::new(UnixStream::connect(&settings.host).await.map_err(|error| failed(&error))?),
            false => tls::connect(&settings.host, settings.port, &settings.tls).await?,
        };
        let mut resp = Resp(BufReader::new(stream));
        let login = match (settings.user.as_str(), password) {
            (_, None) => return Ok(resp),
            ("", Some(password)) => vec!["AUTH", password],
            (user, Some(password)) => vec!["AUTH", user, password],
        };
        // What it answers may repeat what was sent.
        let refused = |_| Failure::new(Reason::Authentication, "the server takes neither this user nor this password");
        match resp.ask(&login).await {
            Err(Refusal::Part(failure)) => Err(refused(failure)),
            Err(Refusal::Lost(failure)) => Err(failure),
            Ok(_) => Ok(resp),
        }
    }

    /// A command that has no blanks in its words.
    pub async fn command(&mut self, command: &str) -> Result<Vec<String>, Refusal> {
        self.ask(&command.split(' ').collect::<Vec<_>>()).await
    }

    async fn ask(&mut self, words: &[&str]) -> Result<Vec<String>, Refusal> {
        let mut request = format!("*{}\r\n", words.len());
        words.iter().for_each(|word| request += &format!("${}\r\n{word}\r\n", word.len()));
        let answer = async {
            self.0.write_all(request.as_bytes()).await?;
            self.0.flush().await?;
            self.answer().await
        };
        match answer.await {
            Ok(Ok(texts)) => Ok(texts),
            Ok(Err(said)) => Err(Refusal::Part(Failure::new(reason(&said), said))),
            Err(error) => Err(Refusal::Lost(failed(&error))),
        }
    }

    /// The texts of an answer, or what the server complains of.
    async fn answer(&mut self) -> Result<Result<Vec<String>, String>, Error> {
        let head = self.line().await?;
        let (kind, rest) = head.split_at_checked(1).ok_or_else(odd)?;
        let count = || rest.parse::<usize>().map_err(|_| odd());
        match kind {
            "-" => Ok(Err(rest.to_owned())),
            "+" | ":" => Ok(Ok(vec![rest.to_owned()])),
            "$" => Ok(Ok(vec![self.text(count()?).await?])),
            "*" if count()? <= MAX_TEXTS => {
                let mut texts = Vec::new();
                for _ in 0..count()? {
                    let head = self.line().await?;
                    let length = head.strip_prefix('$').and_then(|length| length.parse().ok()).ok_or_else(odd)?;
                    texts.push(self.text(length).await?);
                }
                Ok(Ok(texts))
            }
            _ => Err(odd()),
        }
    }

    async fn line(&mut self) -> Result<String, Error> {
        let mut line = Vec::new();
        (&mut self.0).take(MAX_LINE).read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let line = line.strip_suffix(b"\r\n").ok_or_else(odd)?;
        Ok(String::from_utf8_lossy(line).into_owned())
    }

    async fn text(&mut self, length: usize) -> Result<String, Error> {
        if length > MAX_TEXT {
            return Err(odd());
        }
        let mut text = vec![0; length + 2];
        self.0.read_exact(&mut text).await?;
        text.truncate(length);
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

fn odd() -> Error {
    Error::new(ErrorKind::InvalidData, "this is not the protocol of Redis, or far too long")
}

fn failed(error: &Error) -> Failure {
    match error.kind() {
        ErrorKind::InvalidData if io_reason(error) != Reason::Tls => Failure::new(Reason::Answer, error),
        _ => Failure::new(io_reason(error), error),
    }
}

/// The first word of an error says what kind it is.
fn reason(said: &str) -> Reason {
    match said.split(' ').next() {
        Some("NOPERM") => Reason::Permission,
        Some("NOAUTH" | "WRONGPASS") => Reason::Authentication,
        _ => Reason::Refused,
    }
}

//! TCP and TLS: a connection, and what a server says on it.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::sheet::Sheet;
use super::{answer, dial};
use crate::config::{Probe as Settings, ProbeKind, Target};
use crate::sources::{Failure, Reason};

pub async fn ask(settings: &Settings, target: &Target, sheet: &mut Sheet) -> Result<(), Failure> {
    let mut line = dial::connect(settings, target, settings.kind == ProbeKind::Tls, sheet).await?;
    let broken = |error: std::io::Error| Failure::io("the connection", &error);
    if let Some(text) = &settings.send {
        line.stream.write_all(text.as_bytes()).await.map_err(broken)?;
        line.stream.flush().await.map_err(broken)?;
    }
    if settings.matches.is_none() && settings.refuses.is_none() {
        return Ok(());
    }
    let mut heard = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let n = line.stream.read(&mut piece).await.map_err(broken)?;
        heard.extend_from_slice(&piece[..n]);
        let is_over = n == 0 || heard.len() >= settings.max_answer as usize;
        // What must not come may still come; what must come is enough when it has.
        let found = settings.matches.as_ref().is_some_and(|pattern| pattern.0.is_match(&heard));
        if is_over || found {
            return match heard.is_empty() {
                true => Err(Failure::new(Reason::Answer, "the server closed the connection without a word")),
                false => answer::search(settings, &heard, sheet),
            };
        }
    }
}

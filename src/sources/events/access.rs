//! Who may send: tokens and signatures, and how much.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ring::hmac;

use crate::config::{EventSource, Key, Signature};
use crate::sources::db::secret;

/// How long a key that was read is good: files change while the agent runs.
const FRESH: Duration = Duration::from_secs(5);
/// A signature of a time that is further away is no longer believed: it may be a recorded one.
const TOLERANCE_SECONDS: i64 = 300;
/// How many seconds' worth of events may come at once.
const BURST_SECONDS: f64 = 10.0;

/// What came with a request.
#[derive(Debug, Default)]
pub struct Credentials<'a> {
    /// The source that it says it is.
    pub source: Option<&'a str>,
    /// Authorization, without `Bearer `.
    pub bearer: Option<&'a str>,
    /// Its header fields, by lower-case name.
    pub headers: Vec<(&'a str, &'a str)>,
}

/// One source, its key, and what it may still send.
pub struct Gate {
    pub source: EventSource,
    key: Mutex<Option<(Instant, String)>>,
    budget: Mutex<(Instant, f64)>,
}

impl Gate {
    pub fn new(source: EventSource) -> Gate {
        let full = source.rate as f64 * BURST_SECONDS;
        Gate { source, key: Mutex::default(), budget: Mutex::new((Instant::now(), full)) }
    }

    /// Whether this request comes from this source.
    pub fn admits(&self, credentials: &Credentials<'_>, body: &[u8], now_seconds: i64) -> bool {
        match &self.source.key {
            Key::Open => true,
            Key::Bearer(file) => self.key(file).is_some_and(|key| {
                let given = credentials.bearer.unwrap_or_default();
                !key.is_empty() && is_same(&key, given)
            }),
            Key::Hmac(file) => self.key(file).is_some_and(|key| {
                !key.is_empty() && is_signed(&self.source.shape.signature, &key, credentials, body, now_seconds)
            }),
        }
    }

    fn key(&self, file: &std::path::Path) -> Option<String> {
        let mut kept = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, key)) = kept.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return Some(key.clone());
        }
        match secret(file) {
            Ok(key) => {
                *kept = Some((Instant::now(), key.clone()));
                Some(key)
            }
            Err(failure) => {
                tracing::warn!("event source {}: its key cannot be read: {failure}", self.source.name);
                None
            }
        }
    }

    /// Takes so many events out of the budget, or says after how many seconds there will be enough.
    pub fn allow(&self, events: usize) -> Result<(), u64> {
        let rate = self.source.rate as f64;
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let grown = budget.1 + now.saturating_duration_since(budget.0).as_secs_f64() * rate;
        let left = grown.min(rate * BURST_SECONDS);
        *budget = (now, left);
        // More than ever fit would never be taken.
        let wanted = (events as f64).min(rate * BURST_SECONDS);
        if wanted <= left {
            budget.1 -= wanted;
            return Ok(());
        }
        Err(((wanted - left) / rate).ceil() as u64)
    }
}

/// Compares in a time that tells nothing of where they differ.
fn is_same(key: &str, given: &str) -> bool {
    let keyed = |text: &str| hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes());
    hmac::verify(&keyed(key), b"", hmac::sign(&keyed(given), b"").as_ref()).is_ok()
}

/// Whether the body has the signature that the header says.
fn is_signed(shape: &Signature, key: &str, credentials: &Credentials<'_>, body: &[u8], now_seconds: i64) -> bool {
    let wanted = shape.header.to_ascii_lowercase();
    let Some((_, given)) = credentials.headers.iter().find(|(name, _)| *name == wanted) else { return false };
    let Some((digest, time)) = parts(&shape.value, given) else { return false };
    let Some(tag) = unhex(digest) else { return false };
    if let Some(time) = time {
        let Ok(number) = time.parse::<i64>() else { return false };
        let seconds = if number > 100_000_000_000 { number / 1000 } else { number };
        if seconds.saturating_sub(now_seconds).saturating_abs() > TOLERANCE_SECONDS {
            return false;
        }
    }
    let (before, after) = shape.signed.split_once("{body}").unwrap_or_default();
    let fill = |text: &str| text.replace("{time}", time.unwrap_or_default());
    let signed = [fill(before).as_bytes(), body, fill(after).as_bytes()].concat();
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), &signed, &tag).is_ok()
}

/// Digest and time of a header as a pattern has them: `t={time},v1={digest}`.
fn parts<'a>(pattern: &str, given: &'a str) -> Option<(&'a str, Option<&'a str>)> {
    let (mut digest, mut time) = (None, None);
    let (mut pattern, mut given) = (pattern, given.trim());
    while let Some(open) = pattern.find('{') {
        given = given.strip_prefix(&pattern[..open])?;
        let close = open + pattern[open..].find('}')?;
        let name = &pattern[open + 1..close];
        pattern = &pattern[close + 1..];
        let next = pattern.split('{').next().unwrap_or_default();
        let length = if next.is_empty() { given.len() } else { given.find(next)? };
        let value = &given[..length];
        given = &given[length..];
        match name {
            "digest" => digest = Some(value),
            "time" => time = Some(value),
            _ => return None,
        }
    }
    (given == pattern).then_some((digest?, time))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    digits.chunks_exact(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures() {
        let sign = |key: &str, text: &str| {
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), text.as_bytes());
            tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let check = |value: &str, signed: &str, header: &str, key: &str, now: i64| {
            let shape = Signature { header: "X-Sig".to_owned(), value: value.to_owned(), signed: signed.to_owned() };
            let credentials = Credentials { headers: vec![("x-sig", header)], ..Credentials::default() };
            is_signed(&shape, key, &credentials, b"{}", now)
        };
        let plain = format!("sha256={}", sign("k", "{}"));
        assert!(check("sha256={digest}", "{body}", &plain, "k", 0));
        assert!(check("sha256={digest}", "{body}", &plain.to_uppercase().replace("SHA256", "sha256"), "k", 0));
        assert!(!check("sha256={digest}", "{body}", &plain, "other", 0));
        assert!(!check("sha256={digest}", "{body}", &plain[..20], "k", 0));
        assert!(!check("sha256={digest}", "{body}", "sha256=zz", "k", 0));
        let timed = format!("t=1000,v1={}", sign("k", "1000.{}"));
        assert!(check("t={time},v1={digest}", "{time}.{body}", &timed, "k", 1100));
        assert!(!check("t={time},v1={digest}", "{time}.{body}", &timed, "k", 1301), "recorded");
        assert!(!check("t={time},v1={digest}", "{time}.{body}", &timed.replace("t=1000", "t=1001"), "k", 1100));
        let behind = format!("v=1000000000000,d={}", sign("k", "{}1000000000000"));
        assert!(check("v={time},d={digest}", "{body}{time}", &behind, "k", 1_000_000_000));
    }
}

//! What one sample said: values, and what was wrong with it.

use std::fmt;
use std::time::Duration;

use crate::numbers::{Collection, Family, Kind, Labels, Value};

/// Most series of one source: a host with thousands of containers has more network devices and mounts than anybody looks at.
const MAX_READINGS: usize = 20_000;
/// Most faults of one sample that are kept.
const MAX_FAULTS: usize = 16;
/// Longest text of a fault, characters: it may hold what a stranger's server said.
const MAX_TEXT: usize = 300;

/// One series of one sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub family: &'static Family,
    pub labels: Labels,
    pub value: Value,
}

/// Why a sample failed, or a part of it; the `reason` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// No answer within the deadline.
    Timeout,
    /// A fault of this program.
    Panic,
    /// A file or a socket could not be read or written.
    Io,
    /// The account or the process may not see it.
    Permission,
    /// No connection.
    Connect,
    /// A certificate or the handshake of TLS.
    Tls,
    /// The name has no address, or its server gave no answer.
    Resolve,
    /// User, password or key were refused.
    Authentication,
    /// It answered that it cannot.
    Refused,
    /// What it answered cannot be understood, or is not what was expected.
    Answer,
    /// It has more series than a source may have.
    TooMany,
}

impl Reason {
    pub const ALL: [Reason; 11] = [
        Reason::Timeout,
        Reason::Panic,
        Reason::Io,
        Reason::Permission,
        Reason::Connect,
        Reason::Tls,
        Reason::Resolve,
        Reason::Authentication,
        Reason::Refused,
        Reason::Answer,
        Reason::TooMany,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Reason::Timeout => "timeout",
            Reason::Panic => "panic",
            Reason::Io => "io",
            Reason::Permission => "permission",
            Reason::Connect => "connect",
            Reason::Tls => "tls",
            Reason::Resolve => "resolve",
            Reason::Authentication => "authentication",
            Reason::Refused => "refused",
            Reason::Answer => "answer",
            Reason::TooMany => "too_many",
        }
    }
}

/// What was wrong, for the log; never with a secret in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub reason: Reason,
    text: String,
}

impl Failure {
    /// `text` is made printable and short.
    pub fn new(reason: Reason, text: impl fmt::Display) -> Failure {
        let mut shown: String = text.to_string().chars().take(MAX_TEXT).flat_map(printable).collect();
        if shown.is_empty() {
            shown.push_str(reason.name());
        }
        Failure { reason, text: shown }
    }

    /// No answer in time.
    pub fn late(limit: Duration) -> Failure {
        Failure::new(Reason::Timeout, format_args!("no answer within {}", humantime::format_duration(limit)))
    }

    /// A file that is there and cannot be read.
    pub fn io(what: impl fmt::Display, error: &std::io::Error) -> Failure {
        let reason = match error.kind() {
            std::io::ErrorKind::PermissionDenied => Reason::Permission,
            _ => Reason::Io,
        };
        Failure::new(reason, format_args!("{what}: {error}"))
    }
}

fn printable(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_debug());
    let plain = escaped.is_none().then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

/// The values of one sample, and what is missing from it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readings {
    values: Vec<Reading>,
    faults: Vec<Failure>,
}

impl Readings {
    /// Adds a series, as its family's kind wants it. What is no number is left out.
    pub fn add(&mut self, family: &'static Family, labels: Labels, value: f64) {
        debug_assert_eq!(family.labels.len(), labels.len(), "{}", family.name);
        if value.is_nan() {
            return;
        }
        if self.values.len() >= MAX_READINGS {
            if self.faults.iter().all(|fault| fault.reason != Reason::TooMany) {
                self.complain(Failure::new(Reason::TooMany, format_args!("more than {MAX_READINGS} series")));
            }
            return;
        }
        let value = match family.kind {
            Kind::Counter => Value::CounterFloat(value),
            _ => Value::Gauge(value),
        };
        self.values.push(Reading { family, labels, value });
    }

    /// Takes over what others have.
    pub fn extend(&mut self, other: Readings) {
        self.values.extend(other.values);
        other.faults.into_iter().for_each(|fault| self.complain(fault));
    }

    /// Says that a part of the sample is missing.
    pub fn complain(&mut self, fault: Failure) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault);
        }
    }

    /// Moves the values to where they are exposed.
    pub fn into_collection(self) -> Collection {
        let mut collection = Collection::default();
        for reading in self.values {
            collection.add(reading.family, reading.labels, reading.value);
        }
        collection
    }

    pub fn values(&self) -> &[Reading] {
        &self.values
    }

    pub fn faults(&self) -> &[Failure] {
        &self.faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static LEVEL: Family = Family::gauge("level", "", &["of"], "A level.");

    #[test]
    fn a_source_cannot_make_series_without_bound() {
        let mut readings = Readings::default();
        for n in 0..MAX_READINGS + 100 {
            readings.add(&LEVEL, vec![n.to_string().into()], 1.0);
        }
        assert_eq!(readings.values().len(), MAX_READINGS);
        assert_eq!(readings.faults().iter().map(|fault| fault.reason).collect::<Vec<_>>(), [Reason::TooMany]);
        for _ in 0..100 {
            readings.complain(Failure::new(Reason::Io, "again"));
        }
        assert_eq!(readings.faults().len(), MAX_FAULTS);
    }

    #[test]
    fn what_strangers_said_fits_into_a_log_line() {
        let failure = Failure::new(Reason::Answer, format_args!("got \u{1b}[2J\n{}", "x".repeat(5000)));
        assert!(failure.to_string().starts_with("got \\u{1b}[2J\\nxxx"), "{failure}");
        assert!(failure.to_string().len() < 400);
    }
}

//! What a section of a voice quality report holds: `NAME=value` pairs (RFC 6035 section 4.6.2).

use crate::time::Timestamp;

use super::{append, date_time};

/// Longest delay that is believed, ms: an hour.
const LONGEST_MS: f64 = 3_600_000.0;

/// Numbers by their names, and between what they are believed. R goes to 120 for wideband; 127 is "unavailable" (RFC 3611
/// section 4.7), and above all bounds where it may stand.
const NUMBERS: [(&str, f64, f64); 34] = [
    // SessionDesc: payload type, clock (Hz), frame duration (ms) and octets, frames a packet, packets a second, concealment.
    ("PT", 0.0, 127.0),
    ("SR", 1.0, 1_000_000.0),
    ("FD", 0.0, LONGEST_MS),
    ("FO", 0.0, 65_535.0),
    ("FPP", 0.0, 65_535.0),
    ("PPS", 0.0, 65_535.0),
    ("PLC", 0.0, 3.0),
    // JitterBuffer: adaptive, rate, nominal, maximum, absolute maximum (ms).
    ("JBA", 0.0, 3.0),
    ("JBR", 0.0, 15.0),
    ("JBN", 0.0, LONGEST_MS),
    ("JBM", 0.0, LONGEST_MS),
    ("JBX", 0.0, LONGEST_MS),
    // PacketLoss: lost and discarded, per cent.
    ("NLR", 0.0, 100.0),
    ("JDR", 0.0, 100.0),
    // BurstGapLoss: densities (per cent), durations (ms), minimum gap (packets).
    ("BLD", 0.0, 100.0),
    ("BD", 0.0, LONGEST_MS),
    ("GLD", 0.0, 100.0),
    ("GD", 0.0, LONGEST_MS),
    ("GMIN", 1.0, 255.0),
    // Delay: round trip, end system, one way, symmetric one way, interarrival and mean absolute jitter (ms).
    ("RTD", 0.0, LONGEST_MS),
    ("ESD", 0.0, LONGEST_MS),
    ("OWD", 0.0, LONGEST_MS),
    ("SOWD", 0.0, LONGEST_MS),
    ("IAJ", 0.0, LONGEST_MS),
    ("MAJ", 0.0, LONGEST_MS),
    // Signal: levels (dBm0) and residual echo return loss (dB).
    ("SL", -128.0, 126.0),
    ("NL", -128.0, 126.0),
    ("RERL", 0.0, 126.0),
    // QualityEst.
    ("RLQ", 0.0, 120.0),
    ("RCQ", 0.0, 120.0),
    ("EXTRI", 0.0, 120.0),
    ("EXTRO", 0.0, 120.0),
    ("MOSLQ", 1.0, 5.0),
    ("MOSCQ", 1.0, 5.0),
];

/// Texts by their names: codec, its parameters, silence suppression, and how the estimates were made.
const TEXTS: [&str; 10] = [
    "PD",
    "FMTP",
    "SSUP",
    "QoEEstAlg",
    "RLQEstAlg",
    "RCQEstAlg",
    "ExtRIEstAlg",
    "ExtROEstAlg",
    "MOSLQEstAlg",
    "MOSCQEstAlg",
];

/// One section, local or remote.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    pub start: Option<Timestamp>,
    pub stop: Option<Timestamp>,
    numbers: [Option<f64>; NUMBERS.len()],
    texts: [Option<Box<str>>; TEXTS.len()],
}

impl Default for Section {
    fn default() -> Section {
        Section { start: None, stop: None, numbers: [None; NUMBERS.len()], texts: Default::default() }
    }
}

impl Section {
    /// A number by its name in RFC 6035, in that document's unit; `None` where it was not said, or nothing believable.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.numbers[NUMBERS.iter().position(|(known, ..)| *known == name)?]
    }

    /// A text by its name in RFC 6035.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts[TEXTS.iter().position(|known| *known == name)?].as_deref()
    }

    /// All numbers that are there, by their names in RFC 6035 and in its units.
    pub fn numbers(&self) -> impl Iterator<Item = (&'static str, f64)> {
        NUMBERS.iter().zip(self.numbers).filter_map(|((name, ..), value)| Some((*name, value?)))
    }

    /// All texts that are there, by their names in RFC 6035.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        TEXTS.iter().zip(&self.texts).filter_map(|(name, text)| Some((*name, text.as_deref()?)))
    }

    pub fn is_empty(&self) -> bool {
        *self == Section::default()
    }

    /// Takes the pairs of a line.
    pub(super) fn take(&mut self, line: &str) {
        for (name, value) in pairs(line) {
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            if let Some(at) = NUMBERS.iter().position(|(known, ..)| is(known)) {
                let (_, low, high) = NUMBERS[at];
                self.numbers[at] = self.numbers[at].or_else(|| number(value, low, high));
            } else if let Some(at) = TEXTS.iter().position(|known| is(known)) {
                if self.texts[at].is_none() {
                    append(&mut self.texts[at], value);
                }
            } else if is("START") {
                self.start = self.start.or_else(|| date_time(value));
            } else if is("STOP") {
                self.stop = self.stop.or_else(|| date_time(value));
            }
        }
    }
}

/// Digits with a point or a minus sign: `inf`, `nan` and exponents are not of the grammar.
fn number(text: &str, low: f64, high: f64) -> Option<f64> {
    let plain = text.len() <= 16 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
    let value = plain.then(|| text.parse::<f64>().ok())??;
    (low <= value && value <= high).then_some(value)
}

/// `NAME=value` pairs between white space; there may be some around the sign (RFC 3261 section 25.1, EQUAL), and a value may
/// be quoted. What is no pair is passed over.
pub(super) fn pairs(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = line.trim_start();
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
            let (name, behind) = (&rest[..end], rest[end..].trim_start());
            let Some(value) = behind.strip_prefix('=') else {
                rest = behind;
                continue;
            };
            let value = value.trim_start();
            let (value, behind) = match value.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
            };
            rest = behind.trim_start();
            return Some((name, value));
        }
        None
    })
}

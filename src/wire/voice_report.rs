//! Voice quality reports (RFC 6035): the body `application/vq-rtcpxr` of a PUBLISH or NOTIFY.

mod fields;

use std::net::IpAddr;

use crate::time::Timestamp;

use super::multipart;
pub use fields::Section;

const MIME: &[u8] = b"application/vq-rtcpxr";
/// Characters that are kept of a text; longer ones are cut.
const MAX_TEXT: usize = 256;

/// What makes an endpoint report; the values of the `report` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// At the end of a session, over all of it.
    Session,
    /// From time to time.
    Interval,
    /// Something got worse than a threshold.
    Alert,
}

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Session => "session",
            Kind::Interval => "interval",
            Kind::Alert => "alert",
        }
    }
}

/// Session information that is text: names of RFC 6035 section 4.6.1, and how reports here name them.
const TEXTS: [(&str, &str); 12] = [
    ("CallID", "call_id"),
    ("LocalID", "local_id"),
    ("RemoteID", "remote_id"),
    ("OrigID", "orig_id"),
    ("LocalGroup", "local_group"),
    ("RemoteGroup", "remote_group"),
    ("LocalMAC", "local_mac"),
    ("RemoteMAC", "remote_mac"),
    ("DialogID", "dialog_id"),
    ("Type", "alert_type"),
    ("Severity", "alert_severity"),
    ("Dir", "alert_direction"),
];
/// Of those, the ones that stand in the line of an alert.
const ALERT: [&str; 3] = ["Type", "Severity", "Dir"];

/// Lines of either section that hold `NAME=value` (section 4.6.2).
const METRIC_LINES: [&str; 8] =
    ["Timestamps", "SessionDesc", "JitterBuffer", "PacketLoss", "BurstGapLoss", "Delay", "Signal", "QualityEst"];

/// Where an end of the media is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address {
    pub ip: Option<IpAddr>,
    pub port: Option<u16>,
    pub ssrc: Option<u32>,
}

/// One report.
#[derive(Clone, Debug, PartialEq)]
pub struct VoiceReport {
    pub kind: Kind,
    texts: [Option<Box<str>>; TEXTS.len()],
    pub local_address: Address,
    pub remote_address: Address,
    /// What the reporter measured itself.
    pub local: Section,
    /// What the other end told it.
    pub remote: Section,
}

/// The line that is being read: a folded line goes on with it.
#[derive(Clone, Copy)]
enum Line {
    Text(usize),
    Alert,
    LocalAddress,
    RemoteAddress,
    Metrics,
    /// The start of a section, or a line that we do not know.
    Nothing,
}

/// What of a body is a report by its type: all of it, or a part of a multipart body.
pub fn find<'a>(content_type: &[u8], body: &'a [u8]) -> Option<&'a [u8]> {
    multipart::part(content_type, body, MIME)
}

/// Reads a report. Case of names does not matter, line ends may be LF; unknown lines and names are passed over, values that are
/// no number in their range are left out, and the first of a kind wins.
pub fn parse(body: &[u8]) -> Option<VoiceReport> {
    let mut report: Option<VoiceReport> = None;
    let (mut line, mut is_remote) = (Line::Nothing, false);
    for raw in body.split(|&b| b == b'\n' || b == b'\r').filter(|line| !line.trim_ascii().is_empty()) {
        let text = String::from_utf8_lossy(raw.trim_ascii());
        let (name, value) = text.split_once(':').map_or((&*text, ""), |(name, value)| (name.trim_end(), value));
        let Some(report) = &mut report else {
            report = start(name);
            line = Line::Alert;
            if let Some(report) = &mut report {
                report.take(line, is_remote, value);
            }
            continue;
        };
        if start(name).is_some() {
            break;
        }
        let folded = raw.first().is_some_and(u8::is_ascii_whitespace);
        let value = match kind_of(name, &mut is_remote) {
            Some(known) => {
                line = known;
                value
            }
            None if folded => &*text,
            // Before RFC 6035 an alert's parameters stood on the next line.
            None if matches!(line, Line::Alert) && !text.contains(':') => &*text,
            None => {
                line = Line::Nothing;
                continue;
            }
        };
        report.take(line, is_remote, value);
    }
    report
}

/// Whether a body begins as a report does; for what comes without a type.
pub fn is_report(body: &[u8]) -> bool {
    let line = body.trim_ascii_start().split(|&b| b == b'\n' || b == b'\r').next().unwrap_or(&[]);
    let name = line.split(|&b| b == b':').next().unwrap_or(&[]).trim_ascii_end();
    std::str::from_utf8(name).is_ok_and(|name| start(name).is_some())
}

/// The line that a report begins with; colon and `CallTerm` may be missing.
fn start(name: &str) -> Option<VoiceReport> {
    let kinds =
        [("VQSessionReport", Kind::Session), ("VQIntervalReport", Kind::Interval), ("VQAlertReport", Kind::Alert)];
    let (_, kind) = kinds.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known))?;
    Some(VoiceReport {
        kind,
        texts: Default::default(),
        local_address: Address::default(),
        remote_address: Address::default(),
        local: Section::default(),
        remote: Section::default(),
    })
}

/// What a line holds by its name; the start of a section is noted.
fn kind_of(name: &str, is_remote: &mut bool) -> Option<Line> {
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    // The example of an alert in section 4.7 has `Metrics:`.
    if is("LocalMetrics") || is("RemoteMetrics") || is("Metrics") {
        *is_remote = is("RemoteMetrics");
        return Some(Line::Nothing);
    }
    if METRIC_LINES.iter().any(|known| is(known)) {
        return Some(Line::Metrics);
    }
    if is("LocalAddr") {
        return Some(Line::LocalAddress);
    }
    if is("RemoteAddr") {
        return Some(Line::RemoteAddress);
    }
    // Section 4.6.1 has LocalGroup, and drafts before it LocalGroupID.
    let group = |known: &str| known.ends_with("Group") && name.len() == known.len() + 2;
    let same = |known: &str| {
        is(known) || (group(known) && name.get(..known.len()).is_some_and(|n| n.eq_ignore_ascii_case(known)))
    };
    TEXTS.iter().position(|(known, _)| !ALERT.contains(known) && same(known)).map(Line::Text)
}

impl VoiceReport {
    /// What a text of the session says, by the name that reports here have for it.
    pub fn text(&self, name: &str) -> Option<&str> {
        let at = TEXTS.iter().position(|(_, own)| *own == name)?;
        self.texts[at].as_deref()
    }

    /// All texts of the session that are there.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        TEXTS.iter().zip(&self.texts).filter_map(|((_, own), text)| Some((*own, text.as_deref()?)))
    }

    fn take(&mut self, line: Line, is_remote: bool, value: &str) {
        match line {
            Line::Text(at) => append(&mut self.texts[at], value.trim()),
            Line::Alert => {
                for (name, value) in fields::pairs(value) {
                    let known = TEXTS.iter().position(|(known, _)| known.eq_ignore_ascii_case(name));
                    if let Some(at) = known.filter(|at| ALERT.contains(&TEXTS[*at].0) && self.texts[*at].is_none()) {
                        append(&mut self.texts[at], value);
                    }
                }
            }
            Line::LocalAddress => self.local_address.take(value),
            Line::RemoteAddress => self.remote_address.take(value),
            Line::Metrics if is_remote => self.remote.take(value),
            Line::Metrics => self.local.take(value),
            Line::Nothing => {}
        }
    }
}

/// Texts go on over folded lines.
fn append(text: &mut Option<Box<str>>, more: &str) {
    let before = text.as_deref().unwrap_or_default();
    let room = MAX_TEXT.saturating_sub(before.len());
    if room == 0 || more.is_empty() {
        return;
    }
    let more: String = more.chars().take(room).map(|c| if c.is_control() { ' ' } else { c }).collect();
    *text = Some(if before.is_empty() { more.into() } else { format!("{before} {more}").into() });
}

impl Address {
    /// `IP=192.0.2.1 PORT=4000 SSRC=0x2468abcd`
    fn take(&mut self, value: &str) {
        for (name, value) in fields::pairs(value) {
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            if is("IP") && self.ip.is_none() {
                self.ip = value.trim_start_matches('[').trim_end_matches(']').parse().ok();
            } else if is("PORT") && self.port.is_none() {
                self.port = value.parse().ok();
            } else if is("SSRC") && self.ssrc.is_none() {
                let hexadecimal = value.strip_prefix("0x").or_else(|| value.strip_prefix("0X"));
                self.ssrc = hexadecimal.map_or_else(|| value.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok());
            }
        }
    }

    /// Whether anything was said of it.
    pub fn is_known(&self) -> bool {
        *self != Address::default()
    }
}

/// RFC 3339 date and time, as `Timestamps` has it: `2024-01-31T10:00:00.5Z`, `...+01:00`.
fn date_time(text: &str) -> Option<Timestamp> {
    let digits = |from: usize, to: usize| -> Option<i64> {
        let part = text.get(from..to)?;
        part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let mark = |at: usize, wanted: &[u8]| text.as_bytes().get(at).filter(|b| wanted.contains(b)).map(|_| ());
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
    mark(4, b"-").and(mark(7, b"-")).and(mark(10, b"Tt")).and(mark(13, b":")).and(mark(16, b":"))?;
    // A leap second is 60.
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let behind = text.get(19..)?;
    let fraction =
        behind.strip_prefix('.').map_or("", |rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or(""));
    let zone = behind.get(if behind.starts_with('.') { fraction.len() + 1 } else { 0 }..)?;
    let nanos: i64 = format!("{:0<9.9}", fraction).parse().ok()?;
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset(zone)?;
    Some(Timestamp::from_nanos(seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?))
}

/// Seconds that a zone is ahead of UTC; no zone is taken for UTC.
fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.as_bytes() {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let part = |text: &str| text.parse::<i64>().ok().filter(|n| text.len() == 2 && (0..60).contains(n));
    Some(sign * (part(hours)? * 3_600 + part(minutes)? * 60))
}

/// Days from 1970-01-01 in the Gregorian calendar; years start in March, so that the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests;

//! The report that an engineer reads: what was wrong first, then calls, streams and signalling.

use std::fmt::{self, Display, Write};

use crate::call::{Call, Outcome};
use crate::media::{FAIR_MOS, GOOD_MOS, Problem, RelayReport, StreamReport};
use crate::wire::Undecoded;

use super::Findings;

/// Rows of a table beyond which only the worst are shown.
const MAX_ROWS: usize = 50;
/// Loss and jitter from which a stream is worth a line under "what was wrong".
const LOSS_WORTH_SAYING: f64 = 0.01;
const JITTER_WORTH_SAYING: f64 = 0.03;

/// The whole report.
pub fn render(findings: &Findings) -> Result<String, fmt::Error> {
    let mut out = String::new();
    captures(findings, &mut out)?;
    wrong(findings, &mut out)?;
    calls(findings, &mut out)?;
    streams(findings, &mut out)?;
    relays(findings, &mut out)?;
    signalling(findings, &mut out)?;
    Ok(out)
}

fn captures(findings: &Findings, out: &mut String) -> fmt::Result {
    for capture in &findings.captures {
        let seconds = match (capture.first_packet_time, capture.last_packet_time) {
            (Some(first), Some(last)) => last - first,
            _ => 0.0,
        };
        let cut = if capture.truncated { ", CUT OFF in its last record" } else { "" };
        writeln!(
            out,
            "{}: {} packets, {} bytes, {seconds:.1} s, {}{cut}",
            capture.file, capture.packets, capture.bytes, capture.link_type
        )?;
    }
    let seen_twice: u64 = findings.analysis.interfaces.iter().map(|interface| interface.seen_twice).sum();
    if seen_twice > 0 {
        writeln!(out, "{seen_twice} packets were seen twice, at two points of their way, and count once")?;
    }
    Ok(())
}

fn wrong(findings: &Findings, out: &mut String) -> fmt::Result {
    let analysis = &findings.analysis;
    let mut lines = Vec::new();
    for (at, stream) in analysis.streams.iter().enumerate() {
        let what = troubles(stream);
        if !what.is_empty() {
            lines.push(format!(
                "stream {at} {} -> {}: {}",
                stream.key.source(),
                stream.key.destination(),
                what.join(", ")
            ));
        }
    }
    let failed = |outcome| matches!(outcome, Outcome::NetworkFailure | Outcome::ServerFailure | Outcome::Dropped);
    for (_, call) in findings.calls().filter(|(_, call)| call.outcome.is_some_and(failed)) {
        let status = call.final_status.map_or("no final answer".to_owned(), |code| code.to_string());
        let outcome = call.outcome.unwrap_or(Outcome::Unknown).name();
        lines.push(format!("call {} -> {}: {outcome} ({status})", call.names.caller(), call.names.callee()));
    }
    for (_, call) in findings.calls() {
        let problems: Vec<&str> = findings.problems_of(call).map(Problem::name).collect();
        if !problems.is_empty() {
            lines.push(format!("call {} -> {}: {}", call.names.caller(), call.names.callee(), problems.join(", ")));
        }
    }
    for (reason, count) in analysis.signalling.malformed().filter(|(_, count)| *count > 0) {
        lines.push(format!("{count} SIP messages: {reason}"));
    }
    for interface in &analysis.interfaces {
        for (reason, count) in Undecoded::ALL.into_iter().zip(interface.undecoded) {
            if count > 0 && !matches!(reason, Undecoded::NotIp | Undecoded::OtherProtocol) {
                lines.push(format!("{count} frames not decoded: {reason}"));
            }
        }
    }
    writeln!(out, "\nWhat was wrong")?;
    if lines.is_empty() {
        writeln!(out, "  nothing that was looked for")?;
    }
    for line in lines.iter().take(MAX_ROWS) {
        writeln!(out, "  {line}")?;
    }
    more(lines.len(), out)
}

fn troubles(stream: &StreamReport) -> Vec<String> {
    let mut what = Vec::new();
    if stream.loss_ratio >= LOSS_WORTH_SAYING {
        let longest = stream.runs.longest;
        what.push(format!("{:.1} % lost (longest run {longest})", stream.loss_ratio * 100.0));
    }
    let late = stream.playout.map_or(0, |playout| playout.discarded);
    if late as f64 >= LOSS_WORTH_SAYING * stream.expected as f64 {
        what.push(format!("{:.1} % too late to be played", late as f64 / stream.expected as f64 * 100.0));
    }
    if let Some(jitter) = stream.jitter.filter(|jitter| jitter.max >= JITTER_WORTH_SAYING) {
        what.push(format!(
            "jitter {:.1} ms mean, {:.1} ms max",
            jitter.mean.unwrap_or_default() * 1e3,
            jitter.max * 1e3
        ));
    }
    if let Some(rating) = stream.rating.filter(|rating| rating.mos < FAIR_MOS) {
        what.push(format!("MOS {:.2}", rating.mos));
    }
    what
}

fn more(rows: usize, out: &mut String) -> fmt::Result {
    if rows > MAX_ROWS {
        writeln!(out, "  ... and {} more; --format json has them all", rows - MAX_ROWS)?;
    }
    Ok(())
}

fn calls(findings: &Findings, out: &mut String) -> fmt::Result {
    let mut rows: Vec<(&Call, Option<f64>, Option<f64>)> = findings
        .calls()
        .map(|(at, call)| {
            let media = findings.media_of(at);
            (call, media.duration, media.mos)
        })
        .collect();
    writeln!(out, "\nCalls: {}", rows.len())?;
    if rows.is_empty() {
        return Ok(());
    }
    // Worst first: bad quality, then those that failed, then the rest as they came.
    if rows.len() > MAX_ROWS {
        rows.sort_by(|a, b| a.2.unwrap_or(5.0).total_cmp(&b.2.unwrap_or(5.0)));
    }
    writeln!(
        out,
        "  {:<22} {:<22} {:<15} {:>6} {:>8} {:>8} {:>9} {:>5}",
        "caller", "callee", "outcome", "status", "setup s", "answer s", "talk s", "MOS"
    )?;
    for (call, duration, mos) in rows.iter().take(MAX_ROWS) {
        let since = |time: Option<crate::time::Timestamp>| time.map(|time| time.seconds_since(call.started));
        writeln!(
            out,
            "  {:<22} {:<22} {:<15} {:>6} {:>8} {:>8} {:>9} {:>5}",
            cut(call.names.caller(), 22),
            cut(call.names.callee(), 22),
            call.outcome.map_or("in progress", Outcome::name),
            or_dash(call.final_status, 0),
            or_dash(since(call.set_up), 3),
            or_dash(since(call.answered), 3),
            or_dash(*duration, 1),
            or_dash(*mos, 2),
        )?;
    }
    more(rows.len(), out)
}

fn streams(findings: &Findings, out: &mut String) -> fmt::Result {
    let streams = &findings.analysis.streams;
    writeln!(out, "\nStreams: {}", streams.len())?;
    if streams.is_empty() {
        return Ok(());
    }
    let mut rows: Vec<(usize, &StreamReport)> = streams.iter().enumerate().collect();
    if rows.len() > MAX_ROWS {
        rows.sort_by(|a, b| badness(a.1).total_cmp(&badness(b.1)));
    }
    writeln!(
        out,
        "  {:>4} {:<21} {:<21} {:<10} {:<8} {:>8} {:>6} {:>6} {:>5} {:>6} {:>5} {:>8} {:>8} {:>5} {:<7}",
        "#",
        "from",
        "to",
        "ssrc",
        "codec",
        "packets",
        "lost",
        "lost %",
        "dup",
        "reord",
        "late",
        "jit ms",
        "jmax ms",
        "MOS",
        "quality"
    )?;
    for (at, stream) in rows.iter().take(MAX_ROWS) {
        let mos = stream.rating.map(|rating| rating.mos);
        writeln!(
            out,
            "  {at:>4} {:<21} {:<21} {:08x}   {:<8} {:>8} {:>6} {:>6.2} {:>5} {:>6} {:>5} {:>8} {:>8} {:>5} {:<7}",
            stream.key.source().to_string(),
            stream.key.destination().to_string(),
            stream.key.ssrc,
            stream.codec.name(),
            stream.packets,
            stream.lost,
            stream.loss_ratio * 100.0,
            stream.duplicates,
            stream.reordered,
            or_dash(stream.playout.map(|playout| playout.discarded), 0),
            or_dash(stream.jitter.and_then(|jitter| jitter.mean).map(|mean| mean * 1e3), 2),
            or_dash(stream.jitter.map(|jitter| jitter.max * 1e3), 2),
            or_dash(mos, 2),
            quality(mos),
        )?;
    }
    more(rows.len(), out)
}

/// What this host added to the streams that it passed on; the slowest first.
fn relays(findings: &Findings, out: &mut String) -> fmt::Result {
    let streams = findings.analysis.streams.iter().enumerate();
    let mut rows: Vec<(usize, &StreamReport, &RelayReport)> =
        streams.filter_map(|(at, stream)| Some((at, stream, stream.relay.as_ref()?))).collect();
    if rows.is_empty() {
        return Ok(());
    }
    rows.sort_by(|a, b| b.2.totals.delay_max.total_cmp(&a.2.totals.delay_max));
    writeln!(out, "\nPassed on by a relay: {}", rows.len())?;
    writeln!(out, "  {:>4} {:>4} {:>8} {:>6} {:>8} {:>8}", "in", "out", "packets", "lost", "mean ms", "max ms")?;
    for (at, stream, relay) in rows.iter().take(MAX_ROWS) {
        let totals = relay.totals;
        let mean = (totals.packets > 0).then(|| totals.delay_sum / totals.packets as f64 * 1e3);
        writeln!(
            out,
            "  {:>4} {at:>4} {:>8} {:>6} {:>8} {:>8.3}",
            or_dash(findings.index_of(&relay.from, stream.first_arrival), 0),
            totals.packets,
            totals.lost,
            or_dash(mean, 3),
            totals.delay_max * 1e3,
        )?;
    }
    more(rows.len(), out)
}

fn badness(stream: &StreamReport) -> f64 {
    stream.rating.map_or(5.0, |rating| rating.mos) - stream.loss_ratio
}

fn quality(mos: Option<f64>) -> &'static str {
    match mos {
        Some(mos) if mos >= GOOD_MOS => "good",
        Some(mos) if mos >= FAIR_MOS => "fair",
        Some(_) => "poor",
        None => "unknown",
    }
}

fn signalling(findings: &Findings, out: &mut String) -> fmt::Result {
    let numbers = &findings.analysis.signalling;
    let requests: Vec<String> = numbers
        .requests_by_method()
        .filter(|(_, count)| *count > 0)
        .map(|(method, count)| format!("{} {count}", method.name()))
        .collect();
    let responses: Vec<String> = numbers.responses_by_code().map(|(code, count)| format!("{code} x {count}")).collect();
    let rtcp: Vec<String> = findings
        .analysis
        .media
        .rtcp_by_type()
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{} {count}", kind.name()))
        .collect();
    let or_none = |list: Vec<String>| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    writeln!(out, "\nSignalling")?;
    writeln!(out, "  requests         {}", or_none(requests))?;
    writeln!(out, "  responses        {}", or_none(responses))?;
    writeln!(out, "  retransmissions  {}", numbers.retransmissions())?;
    let registrations = numbers.registrations.totals();
    let (attempts, successes, active) = (registrations.attempts, registrations.successes, registrations.active);
    writeln!(out, "  registrations    {attempts} attempts, {successes} successful, {active} active at the end")?;
    writeln!(out, "  RTCP packets     {}", or_none(rtcp))
}

fn or_dash(value: Option<impl Display>, digits: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
}

fn cut(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    text.chars().take(length - 1).chain(['~']).collect()
}

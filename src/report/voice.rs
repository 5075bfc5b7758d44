//! Voice quality reports (RFC 6035) in the JSON: in base units, and beside them as the reporter wrote them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::call::SeenReport;
use crate::time::Timestamp;
use crate::wire::voice_report::{Address, Section};

#[derive(Serialize)]
pub struct Entry<'a> {
    call_id: Option<&'a str>,
    kind: &'static str,
    /// When and where from the report was seen first.
    time: f64,
    source: String,
    /// Who was in the session, the dialog, and what alerted.
    session: BTreeMap<&'static str, &'a str>,
    local_address: Option<AddressEntry>,
    remote_address: Option<AddressEntry>,
    local: Option<SectionEntry<'a>>,
    remote: Option<SectionEntry<'a>>,
}

#[derive(Serialize)]
struct AddressEntry {
    ip: Option<String>,
    port: Option<u16>,
    ssrc: Option<String>,
}

#[derive(Serialize)]
struct SectionEntry<'a> {
    start: Option<f64>,
    stop: Option<f64>,
    codec: Option<&'a str>,
    loss_ratio: Option<f64>,
    discard_ratio: Option<f64>,
    jitter_seconds: Option<f64>,
    round_trip_seconds: Option<f64>,
    one_way_delay_seconds: Option<f64>,
    end_system_delay_seconds: Option<f64>,
    r_lq: Option<f64>,
    r_cq: Option<f64>,
    mos_lq: Option<f64>,
    mos_cq: Option<f64>,
    /// All that was said, by the names and in the units of RFC 6035 section 4.6.2.
    numbers: BTreeMap<&'static str, f64>,
    texts: BTreeMap<&'static str, &'a str>,
}

pub fn entry(seen: &SeenReport) -> Entry<'_> {
    let report = &seen.report;
    Entry {
        call_id: report.text("call_id"),
        kind: report.kind.name(),
        time: seen.time.seconds(),
        source: seen.from.to_string(),
        session: report.texts().filter(|(name, _)| *name != "call_id").collect(),
        local_address: address(&report.local_address),
        remote_address: address(&report.remote_address),
        local: section(&report.local),
        remote: section(&report.remote),
    }
}

fn address(at: &Address) -> Option<AddressEntry> {
    at.is_known().then(|| AddressEntry {
        ip: at.ip.map(|ip| ip.to_string()),
        port: at.port,
        ssrc: at.ssrc.map(super::rtcp::ssrc),
    })
}

fn section(of: &Section) -> Option<SectionEntry<'_>> {
    let percent = |name| of.number(name).map(|value| value / 100.0);
    let milliseconds = |name| of.number(name).map(|value| value / 1000.0);
    (!of.is_empty()).then(|| SectionEntry {
        start: of.start.map(Timestamp::seconds),
        stop: of.stop.map(Timestamp::seconds),
        codec: of.text("PD"),
        loss_ratio: percent("NLR"),
        discard_ratio: percent("JDR"),
        jitter_seconds: milliseconds("IAJ"),
        round_trip_seconds: milliseconds("RTD"),
        one_way_delay_seconds: milliseconds("OWD").or_else(|| milliseconds("SOWD")),
        end_system_delay_seconds: milliseconds("ESD"),
        r_lq: of.number("RLQ"),
        r_cq: of.number("RCQ"),
        mos_lq: of.number("MOSLQ"),
        mos_cq: of.number("MOSCQ"),
        numbers: of.numbers().collect(),
        texts: of.texts().collect(),
    })
}

//! The JSON of the contract, `sidetone.analysis/1`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;

use serde::{Serialize, Serializer};
use serde_json::Serializer as Json;

use crate::call::{Call, Cause, EndedBy, Outcome};
use crate::engine::Analysis;
use crate::media::Problem;
use crate::wire::{Endpoint, Undecoded};

use super::indent::Indented;
use super::rtcp::{self, Rtcp};
use super::streams;
use super::{CaptureSummary, Findings, voice};

const SCHEMA: &str = "sidetone.analysis/1";

/// A list whose items are made one by one while they are written: there may be millions.
struct Each<I>(I);

impl<I: Iterator<Item: Serialize> + Clone> Serialize for Each<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone())
    }
}

#[derive(Serialize)]
#[serde(bound = "Each<C>: Serialize, Each<S>: Serialize")]
struct Document<'a, C, S> {
    schema: &'static str,
    captures: &'a [CaptureSummary],
    frames: Frames,
    sip: Sip,
    registrations: Registrations,
    calls: Each<C>,
    streams: Each<S>,
    rtcp: Rtcp,
    voice_reports: Vec<voice::Entry<'a>>,
    /// Voice reports that the list had no room for.
    voice_reports_left_out: u64,
}

#[derive(Serialize)]
struct Frames {
    total: u64,
    decoded: u64,
    undecoded: BTreeMap<&'static str, u64>,
    /// Copies of packets that were seen before at another point of their way.
    seen_twice: u64,
}

#[derive(Serialize)]
struct Sip {
    requests: BTreeMap<&'static str, u64>,
    responses: BTreeMap<String, u64>,
    retransmissions: u64,
    malformed: u64,
}

#[derive(Serialize)]
struct Registrations {
    attempts: u64,
    successes: u64,
    failures: u64,
    ineffective: u64,
    active_at_end: u64,
    users_at_end: u64,
    bindings: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct CallEntry<'a> {
    #[serde(flatten)]
    invite: Invite<'a>,
    setup_delay_seconds: Option<f64>,
    answer_delay_seconds: Option<f64>,
    duration_seconds: Option<f64>,
    outcome: &'static str,
    final_status: Option<u16>,
    ended_by: &'static str,
    /// Class of the Q.850 cause; of a call that has ended.
    cause: Option<&'static str>,
    /// Time on hold, of an answered call.
    hold_seconds: Option<f64>,
    /// Whether the call was under way when it was first seen.
    half_seen: bool,
    mos: Option<f64>,
    problems: Vec<&'static str>,
    streams: Vec<usize>,
    legs: Vec<Leg<'a>>,
}

/// Another leg of a call.
#[derive(Serialize)]
struct Leg<'a> {
    #[serde(flatten)]
    invite: Invite<'a>,
    final_status: Option<u16>,
}

/// What the first INVITE of a dialog says.
#[derive(Serialize)]
struct Invite<'a> {
    call_id: Cow<'a, str>,
    caller: &'a str,
    callee: &'a str,
    #[serde(serialize_with = "as_text")]
    source: Endpoint,
    #[serde(serialize_with = "as_text")]
    destination: Endpoint,
    started_at: f64,
}

pub(super) fn as_text<S: Serializer>(at: &Endpoint, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

/// Writes the whole document, indented.
pub fn render(findings: &Findings, out: impl Write) -> Result<(), serde_json::Error> {
    let analysis = &findings.analysis;
    let document = Document {
        schema: SCHEMA,
        captures: &findings.captures,
        frames: frames(analysis),
        sip: sip(analysis),
        registrations: registrations(analysis),
        calls: Each(findings.calls().map(|(at, _)| call(findings, at))),
        streams: Each(analysis.streams.iter().map(|report| streams::entry(findings, report))),
        rtcp: rtcp::rtcp(analysis),
        voice_reports: analysis.voice_reports.0.iter().map(voice::entry).collect(),
        voice_reports_left_out: analysis.voice_reports.1,
    };
    document.serialize(&mut Json::with_formatter(out, Indented::default()))
}

fn frames(analysis: &Analysis) -> Frames {
    let total = analysis.interfaces.iter().map(|interface| interface.packets).sum();
    let mut undecoded = BTreeMap::new();
    for interface in &analysis.interfaces {
        for (reason, count) in Undecoded::ALL.into_iter().zip(interface.undecoded).filter(|(_, count)| *count > 0) {
            *undecoded.entry(reason.reason()).or_default() += count;
        }
    }
    let seen_twice = analysis.interfaces.iter().map(|interface| interface.seen_twice).sum();
    Frames { total, decoded: total - undecoded.values().sum::<u64>(), undecoded, seen_twice }
}

fn sip(analysis: &Analysis) -> Sip {
    let numbers = &analysis.signalling;
    Sip {
        requests: numbers.requests_by_method().filter(|(_, n)| *n > 0).map(|(m, n)| (m.name(), n)).collect(),
        responses: numbers.responses_by_code().map(|(code, n)| (code.to_string(), n)).collect(),
        retransmissions: numbers.retransmissions(),
        malformed: numbers.malformed().map(|(_, n)| n).sum(),
    }
}

fn registrations(analysis: &Analysis) -> Registrations {
    let totals = analysis.signalling.registrations.totals();
    Registrations {
        attempts: totals.attempts,
        successes: totals.successes,
        failures: totals.attempts - totals.successes,
        ineffective: totals.ineffective,
        active_at_end: totals.active,
        users_at_end: totals.users,
        bindings: totals.changes().map(|(change, count)| (change.name(), count)).collect(),
    }
}

fn call(findings: &Findings, at: usize) -> CallEntry<'_> {
    let call = &findings.analysis.calls[at];
    let media = findings.media_of(at);
    let since_start = |time: Option<crate::time::Timestamp>| time.map(|time| time.seconds_since(call.started));
    CallEntry {
        invite: invite(call),
        setup_delay_seconds: since_start(call.set_up),
        answer_delay_seconds: since_start(call.answered),
        duration_seconds: media.duration,
        outcome: call.outcome.unwrap_or(Outcome::Unknown).name(),
        final_status: call.final_status,
        ended_by: call.ended_by.unwrap_or(EndedBy::CaptureEnd).name(),
        cause: call.ended.and(call.cause).map(Cause::name),
        hold_seconds: call.answered.map(|_| call.hold.nanos as f64 / 1e9),
        half_seen: call.is_half_seen,
        mos: media.mos,
        problems: findings.problems_of(call).map(Problem::name).collect(),
        streams: media.streams,
        legs: findings.legs(call).iter().map(|leg| self::leg(&findings.analysis.calls[*leg])).collect(),
    }
}

fn leg(call: &Call) -> Leg<'_> {
    Leg { invite: invite(call), final_status: call.final_status }
}

fn invite(call: &Call) -> Invite<'_> {
    Invite {
        call_id: call.names.call_id(),
        caller: call.names.caller(),
        callee: call.names.callee(),
        source: call.source,
        destination: call.destination,
        started_at: call.started.seconds(),
    }
}

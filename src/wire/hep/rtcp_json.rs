//! RTCP that a mirror has put into JSON, as bytes again: one way to read RTCP is enough.
//!
//! All senders use the names that captagent began with. What they leave out stays out: of VoIP metrics all but loss, discards,
//! bursts and delays; SDES items; which packet of a compound a report block stood in.

use serde_json::{Map, Value};

/// Seconds from 1900 to 1970 (RFC 868); Asterisk gives the time of a sender report as Unix seconds and microseconds, all others
/// as the two words of the NTP time.
const NTP_TO_UNIX: u32 = 2_208_988_800;
/// A header counts at most so many (RFC 3550 section 6.4.1).
const MAX_BLOCKS: usize = 31;
/// RFC 3611 section 4.7: the parameter is unavailable.
const UNAVAILABLE: u8 = 127;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const EXTENDED_REPORT: u8 = 207;

/// The packets that the JSON tells of, each type once; `None` where it tells of none.
pub(super) fn to_rtcp(json: &[u8]) -> Option<Vec<u8>> {
    let Ok(Value::Object(told)) = serde_json::from_slice(json) else { return None };
    // Of a compound datagram heplify tells the last type, so that what is there says more than the type does.
    let kind = number(&told, "type");
    let is = |wanted: u8| kind == Some(u32::from(wanted));
    let ssrc = number(&told, "ssrc").unwrap_or(0);
    let part = |name: &str| told.get(name).and_then(Value::as_object);
    let sender = part("sender_information").filter(|info| is(SENDER_REPORT) || !is_zero(info));
    let blocks: Vec<&Map<String, Value>> = told
        .get("report_blocks")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .collect();
    let blocks = &blocks[..blocks.len().min(MAX_BLOCKS)];
    let voip = part("report_blocks_xr").filter(|xr| number(xr, "type") == Some(7));
    let mut out = Vec::new();
    if let Some(info) = sender {
        report(&mut out, SENDER_REPORT, ssrc, &sender_info(info), blocks);
    } else if !blocks.is_empty() || is(RECEIVER_REPORT) {
        report(&mut out, RECEIVER_REPORT, ssrc, &[], blocks);
    }
    if voip.is_some() || is(EXTENDED_REPORT) {
        let block = voip.map(voip_metrics).unwrap_or_default();
        packet(&mut out, 0, EXTENDED_REPORT, &[&ssrc.to_be_bytes(), &block[..]].concat());
    }
    // captagent and heplify name the source, rtpengine counts what it says of itself.
    let described = number(&told, "sdes_ssrc").filter(|ssrc| *ssrc != 0);
    let counted = number(&told, "sdes_report_count").is_some_and(|count| count != 0);
    if described.is_some() || counted || is(SOURCE_DESCRIPTION) {
        // One source, and the zero that ends its list of items.
        packet(&mut out, 1, SOURCE_DESCRIPTION, &[described.unwrap_or(ssrc).to_be_bytes(), [0; 4]].concat());
    }
    if is(BYE) {
        packet(&mut out, 1, BYE, &ssrc.to_be_bytes());
    }
    (!out.is_empty()).then_some(out)
}

/// A number of 32 bits, which may be a text (Asterisk), and negative where its sender has it with a sign.
fn number(of: &Map<String, Value>, name: &str) -> Option<u32> {
    let value = match of.get(name)? {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|float| float.round() as i64))?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    u32::try_from(value).ok().or_else(|| i32::try_from(value).ok().map(|signed| signed as u32))
}

fn is_zero(info: &Map<String, Value>) -> bool {
    info.keys().all(|name| number(info, name).unwrap_or(0) == 0)
}

fn word(out: &mut Vec<u8>, of: &Map<String, Value>, name: &str) {
    out.extend(number(of, name).unwrap_or(0).to_be_bytes());
}

fn sender_info(info: &Map<String, Value>) -> Vec<u8> {
    let times = number(info, "ntp_timestamp_sec").zip(number(info, "ntp_timestamp_usec"));
    let (seconds, fraction) = match times {
        Some((unix, micros)) if unix != 0 && unix < NTP_TO_UNIX && micros < 1_000_000 => {
            (unix.wrapping_add(NTP_TO_UNIX), ((u64::from(micros) << 32) / 1_000_000) as u32)
        }
        Some(words) => words,
        None => (0, 0),
    };
    let mut out = [seconds.to_be_bytes(), fraction.to_be_bytes()].concat();
    for name in ["rtp_timestamp", "packets", "octets"] {
        word(&mut out, info, name);
    }
    out
}

fn report(out: &mut Vec<u8>, kind: u8, ssrc: u32, info: &[u8], blocks: &[&Map<String, Value>]) {
    let mut body = [&ssrc.to_be_bytes(), info].concat();
    for block in blocks {
        word(&mut body, block, "source_ssrc");
        let fraction = number(block, "fraction_lost").unwrap_or(0).min(255);
        let lost = number(block, "packets_lost").unwrap_or(0) & 0x00ff_ffff;
        body.extend((fraction << 24 | lost).to_be_bytes());
        for name in ["highest_seq_no", "ia_jitter", "lsr", "dlsr"] {
            word(&mut body, block, name);
        }
    }
    packet(out, blocks.len() as u8, kind, &body);
}

/// RFC 3611 section 4.7, as far as heplify tells.
fn voip_metrics(xr: &Map<String, Value>) -> Vec<u8> {
    let byte = |name| number(xr, name).unwrap_or(0).min(255) as u8;
    let half = |name| (number(xr, name).unwrap_or(0).min(65_535) as u16).to_be_bytes();
    let mut out = vec![7, 0, 0, 8];
    word(&mut out, xr, "id");
    out.extend(["fraction_lost", "fraction_discard", "burst_density", "gap_density"].map(byte));
    out.extend(["burst_duration", "gap_duration", "round_trip_delay", "end_system_delay"].map(half).as_flattened());
    // Signal, noise, echo; Gmin is not told; R, external R and both MOS; the receiver's buffer is not told.
    out.extend([UNAVAILABLE, UNAVAILABLE, UNAVAILABLE, 0]);
    out.extend([UNAVAILABLE; 4]);
    out.extend([0; 8]);
    out
}

/// `body` is whole words.
fn packet(out: &mut Vec<u8>, count: u8, kind: u8, body: &[u8]) {
    out.extend([0x80 | count, kind]);
    out.extend(((body.len() / 4) as u16).to_be_bytes());
    out.extend(body);
}

//! RTCP sender reports, source descriptions and goodbyes (RFC 3550 section 6).

use super::stream::Stream;
use super::truth::{RoundTrip, seconds, ssrc_text};

const SR: u8 = 200;
const SDES: u8 = 202;
const BYE: u8 = 203;
const CNAME: u8 = 1;
/// Seconds from 1900 (NTP) to 1970 (Unix), RFC 868.
const NTP_OFFSET: u64 = 2_208_988_800;

/// What one end of a stream pair remembers between its reports.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reporter {
    last_sr_ns: Option<u64>,
    expected_before: u64,
    received_before: u64,
}

/// One compound datagram, the types in it, and what its sender remembers of it.
pub struct Compound {
    pub bytes: Vec<u8>,
    pub types: Vec<&'static str>,
    pub round_trip: Option<RoundTrip>,
    pub reporter: Reporter,
}

/// The report that the sender of `own` sends at `now_ns`, with a block about the peer's stream once it is heard.
pub fn report(
    own: &Stream,
    peer: Option<(&Stream, &Reporter)>,
    reporter: &Reporter,
    now_ns: u64,
    path_round_trip_ns: u64,
    goodbye: bool,
) -> Compound {
    let heard = peer.filter(|(stream, _)| stream.tally.packets > 0);
    let mut compound = Compound {
        bytes: vec![0x80 | u8::from(heard.is_some()), SR],
        types: vec!["SR", "SDES"],
        round_trip: None,
        reporter: Reporter { last_sr_ns: Some(now_ns), ..*reporter },
    };
    let bytes = &mut compound.bytes;
    bytes.extend_from_slice(&(if heard.is_some() { 12_u16 } else { 6 }).to_be_bytes());
    bytes.extend_from_slice(&own.ssrc.to_be_bytes());
    bytes.extend_from_slice(&ntp(now_ns).to_be_bytes());
    for value in [own.timestamp_at(now_ns), own.sent, own.tally.payload_bytes as u32] {
        bytes.extend_from_slice(&value.to_be_bytes());
    }
    if let Some((stream, peer_reporter)) = heard {
        // The answer to a report that is younger than the path is long cannot be on the wire yet.
        let echoed = peer_reporter.last_sr_ns.filter(|last_ns| now_ns - last_ns > path_round_trip_ns);
        let held = echoed.map(|last_ns| (last_ns, now_ns - last_ns - path_round_trip_ns));
        block(bytes, stream, &mut compound.reporter, held);
        compound.round_trip = echoed.map(|_| RoundTrip {
            ssrc: ssrc_text(stream.ssrc),
            reporter_ssrc: ssrc_text(own.ssrc),
            time_ns: now_ns,
            seconds: seconds(path_round_trip_ns),
        });
    }
    source_description(bytes, own);
    if goodbye {
        bytes.extend_from_slice(&[0x81, BYE, 0, 1]);
        bytes.extend_from_slice(&own.ssrc.to_be_bytes());
        compound.types.push("BYE");
    }
    compound
}

/// Report block (RFC 3550 section 6.4.1), its loss arithmetic that of A.3; `held` is when the peer's last report was
/// sent, and for how many nanoseconds it lay here.
fn block(bytes: &mut Vec<u8>, peer: &Stream, reporter: &mut Reporter, held: Option<(u64, u64)>) {
    let (expected, received) = (peer.tally.expected_so_far(), peer.tally.packets);
    let expected_now = (expected - reporter.expected_before) as i64;
    let lost_now = expected_now - (received - reporter.received_before) as i64;
    let fraction = if lost_now > 0 { (lost_now * 256 / expected_now).min(255) as u32 } else { 0 };
    let cumulative = (expected as i64 - received as i64).clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
    reporter.expected_before = expected;
    reporter.received_before = received;
    let (lsr, dlsr) = match held {
        Some((sent_ns, held_ns)) => ((ntp(sent_ns) >> 16) as u32, (held_ns * 65_536 / 1_000_000_000) as u32),
        None => (0, 0),
    };
    let highest = peer.sequence_at(expected.saturating_sub(1) as u32);
    let jitter = peer.tally.jitter_ticks();
    for value in [peer.ssrc, (fraction << 24) | cumulative, u32::from(highest), jitter, lsr, dlsr] {
        bytes.extend_from_slice(&value.to_be_bytes());
    }
}

/// SDES with a CNAME (RFC 3550 section 6.5), the chunk padded with zeros to 32 bits.
fn source_description(bytes: &mut Vec<u8>, own: &Stream) {
    let name = format!("{:08x}@{}", own.ssrc, own.plan.source.ip());
    let mut chunk = own.ssrc.to_be_bytes().to_vec();
    chunk.extend_from_slice(&[CNAME, name.len() as u8]);
    chunk.extend_from_slice(name.as_bytes());
    chunk.push(0);
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    bytes.extend_from_slice(&[0x81, SDES]);
    bytes.extend_from_slice(&((chunk.len() / 4) as u16).to_be_bytes());
    bytes.extend_from_slice(&chunk);
}

/// NTP time stamp, 32 bits of seconds and 32 of fraction.
fn ntp(ns: u64) -> u64 {
    let (whole, part) = (ns / 1_000_000_000 + NTP_OFFSET, ns % 1_000_000_000);
    (whole << 32) | ((part << 32) / 1_000_000_000)
}

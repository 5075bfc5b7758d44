//! What mirrors send, broken in every way: through the parser, out of a capture, and out of a listener.

use proptest::prelude::*;
use sidetone::wire::LinkType;
use sidetone::wire::hep::Packet;

use crate::harness::{Core, MILLISECOND, Random, SECOND, START, small};
use crate::hep_packets::Mirror;
use crate::mutations::{mutated, naming};
use crate::packets::{Call, From, ethernet, rtcp_compound, udp};
use crate::parsers;

/// SIP, RTCP as bytes and as JSON, a bare report, a log line; versions 1, 2, 3; compressed.
fn fixtures() -> Vec<(&'static str, Vec<u8>)> {
    let call = Call::v4("mirrored");
    let sip = Mirror::sip(call.caller, call.callee, START);
    let six = Call::v6("mirrored");
    let json = br#"{"ssrc":1,"type":200,"sender_information":{"ntp_timestamp_sec":"1704067200","ntp_timestamp_usec":5,
        "rtp_timestamp":1,"packets":2,"octets":3},"report_count":1,"report_blocks":[{"source_ssrc":2,"fraction_lost":3,
        "packets_lost":-4,"highest_seq_no":5,"ia_jitter":6,"lsr":7,"dlsr":8}],"report_blocks_xr":{"type":7,"id":9},
        "sdes_ssrc":1}"#;
    let rtcp = Mirror { kind: 5, key: Some(b"key"), ..sip.clone() };
    let report = b"VQSessionReport: CallTerm\r\nCallID: mirrored\r\nLocalMetrics:\r\nQualityEst:MOSLQ=4.1\r\n";
    vec![
        ("SIP", sip.version_3(15, &call.invite())),
        ("SIP over IPv6", Mirror::sip(six.caller, six.callee, START).version_3(15, &six.ok())),
        ("SIP in version 1", sip.classic(1, &call.ok())),
        ("SIP in version 2", sip.classic(2, &call.ok())),
        ("compressed SIP", sip.version_3(16, &zlib(&call.invite()))),
        ("RTCP", rtcp.version_3(15, &rtcp_compound())),
        ("RTCP as JSON", rtcp.version_3(15, json)),
        ("a voice report", Mirror { kind: 35, ..sip.clone() }.version_3(15, report)),
        ("a log line", Mirror { kind: 100, ..sip }.version_3(15, b"something happened")),
    ]
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).expect("a Vec takes everything");
    out.finish().expect("a Vec takes everything")
}

#[test]
fn fixtures_are_taken() {
    let mut core = Core::new(&small(), false);
    for (name, bytes) in fixtures() {
        let packet = Packet::parse(&bytes).and_then(|packet| packet.open()).unwrap_or_else(|e| panic!("{name}: {e}"));
        core.mirrored(START, &packet);
    }
    let samples = core.scrape();
    assert_eq!(samples.sum("hep_packets_total", ""), fixtures().len() as f64);
    assert_eq!(samples.sum("hep_packets_total", "content=\"sip\""), 5.0);
    assert_eq!(samples.sum("capture_packets_total", ""), fixtures().len() as f64);
    assert_eq!(samples.sum("sip_malformed_messages_total", ""), 0.0);
    assert_eq!(samples.sum("sip_requests_total", "method=\"INVITE\""), 2.0);
    // The compound's SR and the SR of the JSON.
    assert_eq!(samples.sum("rtcp_packets_total", "type=\"SR\""), 2.0);
    assert_eq!(samples.sum("rtcp_packets_total", "type=\"XR\""), 2.0);
    assert_eq!(samples.sum("voice_reports_total", ""), 1.0);
    assert_eq!(samples.sum("hep_skewed_packets_total", ""), 0.0);
}

#[test]
fn every_truncation_and_bit_flip() {
    let ports = Call::v4("outer");
    for (name, bytes) in fixtures() {
        let mut captured = Core::new(&small(), true);
        let mut listened = Core::new(&small(), false);
        let mut now = START;
        mutated(&bytes, |how, broken| {
            now += MILLISECOND;
            naming(
                || format!("{name} {how}"),
                || {
                    parsers::all(broken);
                    let frame = ethernet(&udp(ports.caller_media, ports.callee_media, broken));
                    captured.frame(now, LinkType::ETHERNET, &frame);
                    if let Ok(packet) = Packet::parse(broken).and_then(|packet| packet.open()) {
                        listened.mirrored(now, &packet);
                    }
                },
            );
        });
        captured.finish();
        listened.tick(now + 100 * SECOND);
        listened.finish();
    }
}

/// Mirrors whose clocks are off by anything, in turn: the core's own time goes on by arrival.
#[test]
fn clocks_of_mirrors_do_not_move_ours() {
    let mut core = Core::new(&small(), false);
    let mut random = Random::new(7);
    for n in 0..20_000i64 {
        let arrival = START + n * 10 * MILLISECOND;
        let call = Call::v4(&format!("clock-{}", n / 4));
        let (from, message) = match n % 4 {
            0 => (From::Caller, call.invite()),
            1 => (From::Callee, call.ringing()),
            2 => (From::Callee, call.ok()),
            _ => (From::Caller, call.request("BYE", 2)),
        };
        let off = match random.below(4) {
            0 => 0,
            1 => (random.below(10_000) as i64 - 5_000) * MILLISECOND,
            2 => (random.below(100_000) as i64 - 50_000) * SECOND,
            _ => -arrival,
        };
        let (from, to) = if from == From::Caller { (call.caller, call.callee) } else { (call.callee, call.caller) };
        let bytes = Mirror::sip(from, to, arrival + off).version_3(15, &message);
        core.mirrored(arrival, &Packet::parse(&bytes).and_then(|packet| packet.open()).expect("a good packet"));
        if n % 1000 == 0 {
            core.scrape().check();
        }
    }
    let samples = core.scrape();
    assert_eq!(samples.sum("call_attempts_total", ""), 5_000.0);
    let skewed = samples.sum("hep_skewed_packets_total", "");
    assert!((4_500.0..5_500.0).contains(&skewed), "{skewed} of 20,000 have a wrong clock");
    core.finish();
}

/// Our bound on what is unpacked, whatever the compressed payload says.
#[test]
fn compressed_floods_cost_little() {
    let call = Call::v4("bomb");
    let bomb = Mirror::sip(call.caller, call.callee, START).version_3(16, &zlib(&vec![0; 40 << 20]));
    assert!(Packet::parse(&bomb).is_ok_and(|packet| packet.open().is_err()));
    let deep = Mirror { kind: 5, ..Mirror::sip(call.caller, call.callee, START) };
    let nested = [b"{\"a\":".repeat(10_000), b"[".repeat(5_000)].concat();
    assert!(Packet::parse(&deep.version_3(15, &nested)).is_ok_and(|packet| packet.open().is_err()));
}

fn chunks() -> impl Strategy<Value = Vec<u8>> {
    let one = (0u16..3, 0u16..24, 0usize..9, prop::collection::vec(any::<u8>(), 0..24)).prop_map(
        |(vendor, kind, off, value)| {
            let length = (value.len() + 6 + off).saturating_sub(4) as u16;
            [&(vendor / 2).to_be_bytes()[..], &kind.to_be_bytes(), &length.to_be_bytes(), &value].concat()
        },
    );
    (prop::collection::vec(one, 0..12), any::<bool>()).prop_map(|(chunks, right)| {
        let body = chunks.concat();
        let length = if right { body.len() as u16 + 6 } else { body.len() as u16 / 2 };
        [b"HEP3", &length.to_be_bytes()[..], &body].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn chunks_in_no_order(bytes in chunks()) {
        parsers::all(&bytes);
    }

    #[test]
    fn classic_headers_of_anything(version in 1u8..3, mut bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        bytes.insert(0, version);
        parsers::all(&bytes);
    }
}

//! RTCP and voice quality reports that lie: lengths beyond the end, a thousand sub-blocks, bodies of a megabyte of nothing.

#![allow(clippy::disallowed_methods)] // whether a parser takes time in proportion is a matter of the clock on the wall

use std::time::{Duration, Instant};

use sidetone::wire::rtcp::{Compound, Form};
use sidetone::wire::voice_report;

use crate::harness::{Core, MILLISECOND, Random, START, small};
use crate::packets::{Call, From, message};
use crate::parsers;

/// An XR packet with this body behind its SSRC.
fn extended(body: &[u8]) -> Vec<u8> {
    let words = (body.len() / 4 + 1) as u16;
    [&[0x80, 207][..], &words.to_be_bytes(), &[0, 0, 0, 7], body].concat()
}

/// A block of every type of RFC 3611, and one that nobody knows.
fn blocks() -> Vec<u8> {
    let sizes = [(1u8, 3u16), (2, 2), (3, 4), (4, 2), (5, 6), (6, 9), (7, 8), (99, 1)];
    sizes
        .iter()
        .flat_map(|(kind, words)| {
            let mut block = vec![*kind, 0xff];
            block.extend(words.to_be_bytes());
            block.resize(4 + 4 * usize::from(*words), 0x5a);
            block
        })
        .collect()
}

#[test]
fn blocks_are_cut_and_their_lengths_lie() {
    let whole = extended(&blocks());
    assert_eq!(Compound::read(&whole, whole.len()).map(|compound| compound.form), Some(Form::Plain));
    for cut in 0..whole.len() {
        parsers::rtcp(&whole[..cut]);
        // The packet's own length says that it is whole.
        if cut % 4 == 0 && cut >= 8 {
            let mut shorter = whole[..cut].to_vec();
            shorter[2..4].copy_from_slice(&((cut / 4 - 1) as u16).to_be_bytes());
            parsers::rtcp(&shorter);
        }
    }
    for at in 0..whole.len() - 1 {
        for length in [0u16, 1, 2, 8, 255, 0x7fff, 0xffff] {
            let mut lying = whole.clone();
            lying[at..at + 2].copy_from_slice(&length.to_be_bytes());
            parsers::rtcp(&lying);
        }
    }
}

#[test]
fn ten_thousand_mutations_break_no_walk() {
    let mut random = Random::new(3611);
    let feedback: Vec<u8> = [&[0x81, 205, 0, 6][..], &[9; 24]].concat();
    let whole = [extended(&blocks()), feedback, vec![0xa1, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4]].concat();
    let call = Call::v4("mutated");
    let mut core = Core::new(&small(), true);
    for n in 0..10_000 {
        let mut bytes = whole.clone();
        for _ in 0..1 + random.below(6) {
            let at = random.below(bytes.len());
            bytes[at] = random.next() as u8;
        }
        bytes.truncate(bytes.len() - random.below(3) * random.below(bytes.len() / 2));
        parsers::rtcp(&bytes);
        core.packet(START + n * MILLISECOND, &call.media(From::Caller, &bytes));
    }
    core.finish();
}

#[test]
fn a_thousand_sub_blocks_and_the_longest_feedback_are_read_in_a_moment() {
    let call = Call::v4("long");
    let mut core = Core::new(&small(), true);
    let delays: Vec<u8> = [&[5u8, 0][..], &3000u16.to_be_bytes(), &[0x11; 12_000]].concat();
    // As much as a datagram can hold: 16,000 identifiers, each with all 16 that follow.
    let mut nack = [&[0x81u8, 205][..], &16_002u16.to_be_bytes(), &[0; 8]].concat();
    nack.resize(4 * 16_003, 0xff);
    let began = Instant::now();
    for n in 0..50 {
        core.packet(START + n * MILLISECOND, &call.media(From::Caller, &extended(&delays)));
        core.packet(START + n * MILLISECOND, &call.media(From::Callee, &nack));
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "100 datagrams took {took:?}");
    let samples = core.scrape();
    assert_eq!(samples.sum("rtcp_xr_blocks_total", "type=\"dlrr\""), 50.0);
    assert_eq!(samples.sum("rtcp_nacked_packets_total", ""), 50.0 * 16_000.0 * 17.0);
    assert_eq!(samples.sum("rtcp_malformed_packets_total", ""), 0.0);
    core.finish();
}

#[test]
fn what_lies_is_counted_and_not_believed() {
    let call = Call::v4("lies");
    let mut core = Core::new(&small(), true);
    let voip = [&[7u8, 0, 0, 8][..], &[0x20; 32]].concat();
    let mut overlong = voip.clone();
    overlong[3] = 9;
    let datagrams = [
        (extended(&voip), ""),
        (extended(&overlong), "xr_block"),
        (extended(&voip)[..40].to_vec(), "length"),
        ([extended(&voip), vec![0; 5]].concat(), "trailing"),
        (vec![0xa0, 201, 0, 1, 0, 0, 0, 9], "padding"),
        (vec![0x81, 201, 0, 1, 0, 0, 0, 1], "contents"),
        (vec![0x81, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2], "feedback"),
    ];
    for (n, (bytes, _)) in datagrams.iter().enumerate() {
        core.packet(START + n as i64 * MILLISECOND, &call.media(From::Caller, bytes));
    }
    let samples = core.scrape();
    for (_, reason) in datagrams.iter().filter(|(_, reason)| !reason.is_empty()) {
        let counted = samples.sum("rtcp_malformed_packets_total", &format!("reason=\"{reason}\""));
        assert_eq!(counted, 1.0, "{reason}");
    }
    let report = core.finish();
    assert_eq!(report["rtcp"]["xr"].as_array().map(Vec::len), Some(1), "{}", report["rtcp"]);
}

/// SRTCP whose first header is clear: one type, no number, whatever the ciphertext is.
#[test]
fn no_ciphertext_becomes_a_number() {
    let mut random = Random::new(3711);
    let call = Call::v4("srtcp");
    let mut core = Core::new(&small(), true);
    for n in 0..5_000u32 {
        let mut bytes = vec![0x81, 200, 0, 12, 0, 0, 0, 1];
        bytes.extend((0..64).map(|_| random.next() as u8));
        bytes.extend((0x8000_0000 | n).to_be_bytes());
        bytes.extend((0..10).map(|_| random.next() as u8));
        core.packet(START + i64::from(n) * MILLISECOND, &call.media(From::Caller, &bytes));
    }
    let samples = core.scrape();
    assert_eq!(samples.sum("rtcp_encrypted_packets_total", ""), 5_000.0);
    assert_eq!(samples.sum("rtcp_packets_total", ""), 5_000.0);
    assert_eq!(samples.sum("rtcp_packets_total", "type=\"SR\""), 5_000.0);
    let silent = ["rtcp_malformed_packets_total", "rtcp_xr_blocks_total", "rtcp_round_trip_seconds_count"];
    assert!(silent.iter().all(|family| samples.sum(family, "") == 0.0));
    core.finish();
}

const REPORT: &str = "VQSessionReport: CallTerm\r\nCallID: hostile\r\nLocalID: <sip:a@b>\r\nLocalAddr: IP=192.0.2.1 PORT=1 SSRC=0x1\r\n\
    LocalMetrics:\r\nTimestamps: START=2024-01-01T10:00:00Z STOP=2024-01-01T10:02:30Z\r\n\
    SessionDesc: PT=8 PD=\"PCMA\" SR=8000\r\n FD=20\r\nPacketLoss: NLR=1.2 JDR=0.4\r\nDelay: RTD=120 IAJ=7\r\n\
    QualityEst: RLQ=88 MOSLQ=4.2 MOSCQ=4.0 QoEEstAlg=G.107\r\nRemoteMetrics:\r\nQualityEst: MOSLQ=4.4\r\n\
    DialogID: x;to-tag=y\r\n";

fn check(body: &[u8]) {
    let Some(report) = voice_report::parse(body) else { return };
    for section in [&report.local, &report.remote] {
        for (name, value) in section.numbers() {
            assert!(value.is_finite() && (-128.0..=3_600_000.0).contains(&value), "{name} is {value}");
            assert!(value >= 0.0 || name == "SL" || name == "NL", "{name} is {value}");
        }
        assert!(section.texts().all(|(_, text)| text.chars().count() <= 257));
    }
    assert!(report.texts().all(|(_, text)| text.chars().count() <= 257 && !text.contains(char::is_control)));
}

#[test]
fn voice_reports_take_every_mutation() {
    let whole = REPORT.as_bytes();
    (0..whole.len()).for_each(|cut| check(&whole[..cut]));
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        check(&flipped);
    }
    let pieces: Vec<&[u8]> = whole.split_inclusive(|b| b" :=\n\"".contains(b)).collect();
    let odd: [&[u8]; 10] = [
        b"nan ",
        b"inf ",
        b"-1 ",
        b"1e309 ",
        b"\xff\xfe",
        b"\n\t",
        b"====",
        b"\"",
        b"\0",
        b"9999-99-99T99:99:99+99:99 ",
    ];
    let mut random = Random::new(6035);
    for _ in 0..20_000 {
        let soup = (0..random.below(60)).flat_map(|_| {
            let known = random.below(4) > 0;
            let piece = if known { pieces[random.below(pieces.len())] } else { odd[random.below(odd.len())] };
            piece.to_vec()
        });
        let soup: Vec<u8> = soup.collect();
        check(&soup);
        check(&[b"VQAlertReport:", &soup[..]].concat());
    }
}

#[test]
fn voice_reports_are_read_in_time_in_proportion() {
    let repeated: [&str; 8] =
        [" x\n", "A=", "\"", "LocalID:x\n y\n", "Delay:RTD=1 RTD=2\n", "\n\n", "Delay:RTD =\n", "LocalGroup"];
    for piece in repeated {
        let body = |size: usize| format!("VQSessionReport\n{}", piece.repeat(size / piece.len())).into_bytes();
        let (small, large) = (body(64 << 10), body(1 << 20));
        let time = |body: &[u8]| {
            let began = Instant::now();
            check(body);
            began.elapsed().max(Duration::from_millis(3))
        };
        time(&small);
        let (one, sixteen) = (time(&small), time(&large));
        assert!(sixteen < one * 64, "{piece:?}: 64 KiB took {one:?}, 1 MiB {sixteen:?}");
    }
}

/// PUBLISH without end: the table of what was seen has its cap.
#[test]
fn a_flood_of_voice_reports_fills_one_table() {
    let mut core = Core::new(&small(), false);
    let call = Call::v4("flood");
    for n in 0..2_000 {
        let body = REPORT.replace("hostile", &n.to_string());
        let publish = message("PUBLISH sip:c@h SIP/2.0", &call, &format!("{n} PUBLISH"), "", &body);
        let publish = String::from_utf8_lossy(&publish).replace("application/sdp", "application/vq-rtcpxr");
        core.packet(START + n * MILLISECOND, &call.signal(From::Caller, publish.as_bytes()));
    }
    let samples = core.scrape();
    assert_eq!(samples.sum("voice_reports_total", ""), 2_000.0);
    assert!(samples.tracked("voice_reports") <= 100, "{} entries", samples.tracked("voice_reports"));
    assert!(samples.evicted("voice_reports") > 0);
    core.finish();
}

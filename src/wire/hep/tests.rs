use flate2::{Compress, Compression, FlushCompress};
use serde_json::json;

use crate::wire::Transport;
use crate::wire::rtcp::{Compound, Form, PacketType};

use super::*;

const MESSAGE: &[u8] = b"OPTIONS sip:b@example.net SIP/2.0\r\nCall-ID: h\r\n\r\n";

fn chunk(kind: u16, value: &[u8]) -> Vec<u8> {
    vendor_chunk(0, kind, value)
}

fn vendor_chunk(vendor: u16, kind: u16, value: &[u8]) -> Vec<u8> {
    let length = (value.len() + CHUNK_HEADER) as u16;
    [&vendor.to_be_bytes()[..], &kind.to_be_bytes(), &length.to_be_bytes(), value].concat()
}

fn version_3(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    [MAGIC, &((body.len() + HEADER) as u16).to_be_bytes()[..], &body].concat()
}

fn ends() -> Vec<u8> {
    let all = [chunk(3, &[192, 0, 2, 1]), chunk(4, &[192, 0, 2, 2]), chunk(7, &[0x13, 0xc4]), chunk(8, &[0x13, 0xc6])];
    all.concat()
}

/// Of version 1 or 2, the time in the given order of bytes.
fn classic(version: u8, family: u8, time: Option<[u8; 12]>, payload: &[u8]) -> Vec<u8> {
    let size = if family == 2 { 4 } else { 16 };
    let mut out = vec![version, 99, family, 6, 0x13, 0xc4, 0x13, 0xc6];
    out.extend([1u8, 2].iter().flat_map(|end| (0..size).map(move |at| if at == size - 1 { *end } else { 0x20 })));
    out.extend(time.into_iter().flatten());
    out.extend(payload);
    out
}

/// 1,600,000,000.5 s, capture id 7.
fn stamp(big: bool) -> [u8; 12] {
    let (seconds, micros, id) = (1_600_000_000u32, 500_000u32, 7u16);
    let words = match big {
        true => [&seconds.to_be_bytes()[..], &micros.to_be_bytes(), &id.to_be_bytes()].concat(),
        false => [&seconds.to_le_bytes()[..], &micros.to_le_bytes(), &id.to_le_bytes()].concat(),
    };
    let mut out = [0xee; 12];
    out[..10].copy_from_slice(&words);
    out
}

#[test]
fn versions_1_and_2_in_both_orders_of_bytes() {
    for family in [2, 10, 28, 30] {
        let first = classic(1, family, None, MESSAGE);
        let packet = Packet::parse(&first).expect("version 1");
        assert_eq!((packet.version, packet.time, packet.ip_protocol), (Version::V1, None, Some(6)));
        assert_eq!(&*packet.payload().expect("a payload"), MESSAGE);
        let (from, to) = packet.ends().expect("both ends");
        assert_eq!((from.port, to.port), (5060, 5062));
        let text = if family == 2 { "32.32.32.1:5060" } else { "[2020:2020:2020:2020:2020:2020:2020:2001]:5060" };
        assert_eq!(from.to_string(), text);
        for big in [false, true] {
            let second = classic(2, family, Some(stamp(big)), MESSAGE);
            let packet = Packet::parse(&second).expect("version 2");
            assert_eq!(packet.time, Some(Timestamp::from_nanos(1_600_000_000_500_000_000)), "big {big}");
            assert_eq!((packet.capture_id, packet.protocol_type), (Some(7), None), "big {big}");
            assert_eq!(&*packet.payload().expect("a payload"), MESSAGE);
            assert_eq!(packet.open().map(|open| open.content), Ok(Content::Sip));
        }
    }
    assert_eq!(Packet::parse(&classic(1, 7, None, MESSAGE)).err(), Some(Refused::Family));
    assert_eq!(Packet::parse(&classic(2, 2, None, b"short")).err(), Some(Refused::Truncated));
    assert_eq!(Packet::parse(b"\x04junk").err(), Some(Refused::Version));
}

#[test]
fn a_time_without_its_filling_is_seen_by_what_follows() {
    for payload in [MESSAGE, b"SIP/2.0 200 OK\r\n\r\n"] {
        let mut packed = classic(2, 2, None, &stamp(false)[..10]);
        packed.extend(payload);
        assert_eq!(&*Packet::parse(&packed).and_then(|packet| packet.payload()).expect("a payload"), payload);
    }
}

#[test]
fn chunks_of_others_and_of_later_drafts_are_passed_over() {
    let bytes = version_3(&[
        vendor_chunk(4, 15, b"not the payload"),
        chunk(1, &[10]),
        chunk(18, &[0, 7]),
        chunk(19, b"node"),
        chunk(0x0020, &[1, 2]),
        chunk(0x7fff, &[]),
        ends(),
        chunk(11, &[1]),
        chunk(14, b""),
        chunk(15, MESSAGE),
        chunk(15, b"a second payload"),
        chunk(14, b"a second key"),
    ]);
    let packet = Packet::parse(&bytes).expect("HEP 3");
    assert_eq!((packet.auth_key, packet.protocol_type), (Some(&b""[..]), Some(1)));
    assert_eq!(&*packet.payload().expect("a payload"), MESSAGE);
    assert_eq!(
        packet.ends().map(|(from, to)| format!("{from} {to}")).as_deref(),
        Some("192.0.2.1:5060 192.0.2.2:5062")
    );
}

#[test]
fn what_contradicts_itself_is_refused_by_its_reason() {
    let wrong = |chunks: &[Vec<u8>]| Packet::parse(&version_3(chunks)).and_then(|packet| packet.open()).err();
    assert_eq!(wrong(&[vec![0, 0, 0, 1, 0, 5]]), Some(Refused::ChunkLength));
    assert_eq!(wrong(&[vec![0, 0, 0, 1, 0, 99, 1]]), Some(Refused::ChunkLength));
    assert_eq!(wrong(&[vec![0, 0, 0]]), Some(Refused::Truncated));
    assert_eq!(wrong(&[chunk(3, &[1, 2, 3])]), Some(Refused::ChunkValue));
    assert_eq!(wrong(&[chunk(7, &[0, 1, 0, 0])]), Some(Refused::ChunkValue));
    assert_eq!(wrong(&[chunk(9, &[])]), Some(Refused::ChunkValue));
    assert_eq!(wrong(&[ends(), chunk(11, &[1])]), Some(Refused::Payload));
    assert_eq!(wrong(&[chunk(11, &[1]), chunk(15, MESSAGE)]), Some(Refused::Address));
    assert_eq!(wrong(&[chunk(11, &[100]), chunk(15, b"a line without addresses")]), None);
    assert_eq!(wrong(&[ends(), chunk(11, &[5]), chunk(15, b"{\"ssrc\":")]), Some(Refused::Json));
    assert_eq!(wrong(&[ends(), chunk(11, &[5]), chunk(15, b"{\"type\":\"x\",\"other\":[1]}")]), Some(Refused::Json));
    assert_eq!(wrong(&[ends(), chunk(11, &[1]), chunk(16, MESSAGE)]), Some(Refused::Compression));
    assert_eq!(Packet::parse(b"HEP3\0\x05").err(), Some(Refused::TotalLength));
    assert_eq!(Packet::parse(b"HEP3").err(), Some(Refused::Truncated));
}

fn compressed(mut state: Compress, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 1024);
    state.compress_vec(bytes, &mut out, FlushCompress::Finish).expect("compressed");
    out
}

#[test]
fn payloads_are_unpacked_whatever_they_were_packed_with() {
    let long = [MESSAGE, &b"x".repeat(20_000)].concat();
    for payload in [MESSAGE, &long, b""] {
        let level = Compression::best();
        for state in [Compress::new_gzip(level, 15), Compress::new(level, true), Compress::new(level, false)] {
            let bytes = version_3(&[ends(), chunk(11, &[1]), chunk(16, &compressed(state, payload))]);
            let packet = Packet::parse(&bytes).expect("HEP 3");
            assert_eq!(&*packet.payload().expect("unpacked"), payload);
            let short = version_3(&[chunk(16, &packet.payload.bytes.expect("there")[..1])]);
            assert_eq!(Packet::parse(&short).and_then(|packet| packet.payload()).err(), Some(Refused::Compression));
        }
    }
    let bomb = compressed(Compress::new(Compression::best(), true), &vec![0; 50 << 20]);
    assert!(bomb.len() < 60_000, "{} bytes", bomb.len());
    let bytes = version_3(&[chunk(16, &bomb)]);
    assert_eq!(Packet::parse(&bytes).and_then(|packet| packet.payload()).err(), Some(Refused::Expansion));
}

#[test]
fn the_via_tells_what_the_ip_protocol_cannot() {
    for (protocol, via, wanted) in [
        (Some(17), "SIP/2.0/TLS a", Transport::Udp),
        (Some(132), "SIP/2.0/TLS-SCTP a", Transport::Sctp),
        (Some(6), "SIP/2.0/TCP a", Transport::Tcp),
        (Some(6), "SIP/2.0/TLS a", Transport::Tls),
        (Some(6), "SIP/2.0/WSS a", Transport::Wss),
        (Some(6), "SIP / 2.0 / ws a", Transport::Ws),
        (Some(6), "SIP/2.0/UDP a", Transport::Tcp),
        (Some(6), "", Transport::Tcp),
        (Some(22), "SIP/2.0/TLS a", Transport::Tls),
        (Some(22), "SIP/2.0/WSS a", Transport::Wss),
        (Some(22), "SIP/2.0/WS a", Transport::Ws),
        (Some(22), "SIP/2.0/TCP a", Transport::Tls),
        (Some(22), "", Transport::Tls),
        (Some(50), "SIP/2.0/WSS a", Transport::Wss),
        (Some(50), "SIP/2.0/TLS a", Transport::Ws),
        (None, "SIP/2.0/TLS a", Transport::Tls),
        (None, "SIP/2.0", Transport::Udp),
        (Some(0), "SIP/2.0/SCTP a", Transport::Sctp),
    ] {
        assert_eq!(transport(protocol, via.as_bytes()), wanted, "{protocol:?} {via}");
    }
}

/// The RTCP of a JSON: types, SSRC of the sender, first report block.
fn rtcp(json: &serde_json::Value) -> Vec<u8> {
    let bytes = rtcp_json::to_rtcp(json.to_string().as_bytes()).expect("RTCP");
    let compound = Compound::read(&bytes, bytes.len()).expect("RTCP");
    assert_eq!(compound.form, Form::Plain);
    assert!(compound.packets().all(|packet| packet.problem().is_none()));
    bytes
}

fn types(bytes: &[u8]) -> Vec<PacketType> {
    Compound::read(bytes, bytes.len()).expect("RTCP").packets().map(|packet| packet.kind).collect()
}

#[test]
fn rtcp_as_json_is_rtcp_again() {
    let block = json!({"source_ssrc": 0x0102_0304, "highest_seq_no": 70_000, "fraction_lost": 64, "packets_lost": -3,
        "ia_jitter": 80, "lsr": -1_097_006_646, "dlsr": 7733});
    let bytes = rtcp(&json!({"ssrc": 0xf000_0001u32, "type": 200, "report_count": 1, "report_blocks": [block],
        "sender_information": {"ntp_timestamp_sec": 3_650_797_214u32, "ntp_timestamp_usec": 0x8000_0000u32,
            "packets": 106, "octets": 16_960, "rtp_timestamp": 5}}));
    let packet = Compound::read(&bytes, bytes.len()).expect("RTCP").packets().next().expect("a packet");
    assert_eq!(types(&bytes), [PacketType::SenderReport]);
    assert_eq!(packet.sender(), Some(0xf000_0001));
    let info = packet.sender_info().expect("sender information");
    assert_eq!(info.ntp_middle, (3_650_797_214u32 << 16) | 0x8000);
    assert_eq!((info.packets, info.octets, info.rtp_timestamp), (106, 16_960, 5));
    let read = packet.report_blocks().next().expect("a block");
    assert_eq!((read.ssrc, read.fraction_lost, read.cumulative_lost, read.jitter), (0x0102_0304, 64, -3, 80));
    assert_eq!(
        (read.last_sr, read.delay_since_last_sr, read.extended_highest),
        (-1_097_006_646i32 as u32, 7733, 70_000)
    );
}

/// Asterisk gives Unix time, and numbers as texts; its receiver reports have null for sender information.
#[test]
fn rtcp_as_asterisk_tells_it() {
    let bytes = rtcp(&json!({"ssrc": 7, "type": 200, "report_count": 0, "report_blocks": [],
        "sender_information": {"ntp_timestamp_sec": "1600000000", "ntp_timestamp_usec": "500000", "packets": 1,
            "octets": 160, "rtp_timestamp": 160}}));
    let info = Compound::read(&bytes, bytes.len()).expect("RTCP").packets().next().and_then(|p| p.sender_info());
    let seconds = 1_600_000_000u32.wrapping_add(2_208_988_800);
    assert_eq!(info.map(|info| info.ntp_middle), Some(seconds << 16 | 0x8000));
    let bytes = rtcp(&json!({"ssrc": 7, "type": 201, "report_count": 1, "sender_information": null,
        "report_blocks": [{"source_ssrc": 9, "lsr": "305419896", "dlsr": 1}]}));
    assert_eq!(types(&bytes), [PacketType::ReceiverReport]);
    let block = Compound::read(&bytes, bytes.len()).expect("RTCP").packets().flat_map(|p| p.report_blocks()).next();
    assert_eq!(block.map(|block| block.last_sr), Some(0x1234_5678));
}

/// As rtpengine 10.5.3 sends it for an SR and an SDES.
#[test]
fn rtcp_as_rtpengine_tells_it() {
    let json = br#"{ "sender_information":{"ntp_timestamp_sec":3758096385,"ntp_timestamp_usec":1073741824,"octets":8000,
        "rtp_timestamp":160, "packets":50},"ssrc":235798529,"type":200,"report_count":1,"report_blocks":[{"source_ssrc":
        235798530,"highest_seq_no":1001,"fraction_lost":26,"ia_jitter":80,"packets_lost":1,"lsr":3758096385,"dlsr":32768}],
        "sdes_report_count":1,"sdes_information": [ {"sdes_chunk_ssrc":235798529,"type":1,"text":"u@ex_"}] }"#;
    let bytes = rtcp_json::to_rtcp(json).expect("RTCP");
    assert_eq!(types(&bytes), [PacketType::SenderReport, PacketType::SourceDescription]);
}

/// heplify fills in what was not there with zeros, and its type is that of the last packet.
#[test]
fn rtcp_as_heplify_tells_it() {
    let zero = json!({"ntp_timestamp_sec": 0, "ntp_timestamp_usec": 0, "rtp_timestamp": 0, "packets": 0, "octets": 0});
    let metrics = json!({"type": 7, "id": 5, "fraction_lost": 26, "fraction_discard": 51, "burst_density": 1,
        "gap_density": 2, "burst_duration": 300, "gap_duration": 400, "round_trip_delay": 90, "end_system_delay": 40});
    let bytes = rtcp(&json!({"sender_information": zero, "ssrc": 3, "type": 202, "report_count": 1,
        "report_blocks": [{"source_ssrc": 4, "fraction_lost": 0, "packets_lost": 0, "highest_seq_no": 1, "ia_jitter": 0,
            "lsr": 0, "dlsr": 0}], "report_blocks_xr": {"type": 0, "id": 0}, "sdes_ssrc": 3}));
    assert_eq!(types(&bytes), [PacketType::ReceiverReport, PacketType::SourceDescription]);
    let bytes = rtcp(&json!({"sender_information": zero, "ssrc": 3, "type": 207, "report_count": 0,
        "report_blocks": null, "report_blocks_xr": metrics, "sdes_ssrc": 0}));
    assert_eq!(types(&bytes), [PacketType::ExtendedReport]);
    let said =
        Compound::read(&bytes, bytes.len()).expect("RTCP").packets().flat_map(|packet| packet.xr_blocks()).next();
    let said = said.and_then(|block| block.voip_metrics()).expect("VoIP metrics");
    assert_eq!((said.ssrc, said.loss_ratio, said.discard_ratio), (5, 26.0 / 256.0, 51.0 / 256.0));
    assert_eq!((said.round_trip_seconds, said.end_system_delay_seconds), (Some(0.09), 0.04));
    assert_eq!((said.mos_lq, said.mos_cq, said.r_factor), (None, None, None));
    assert_eq!(types(&rtcp(&json!({"ssrc": 3, "type": 203}))), [PacketType::Bye]);
}

#[test]
fn content_by_type_and_by_looks() {
    let report: &[u8] = b"VQSessionReport: CallTerm\r\nCallID: a\r\n";
    for (kind, payload, wanted) in [
        (Some(1), &b"anything"[..], Content::Sip),
        (Some(5), b" {\"ssrc\":1}", Content::RtcpJson),
        (Some(5), b"\x80\xc9\0\x01\0\0\0\x07", Content::Rtcp),
        (Some(5), b"neither", Content::Other),
        (Some(99), MESSAGE, Content::Sip),
        (Some(35), report, Content::VoiceReport),
        (Some(34), b"{\"mos\":4}", Content::Other),
        (Some(100), MESSAGE, Content::Log),
        (Some(86), b"a line", Content::Log),
        (Some(53), b"\0\x01", Content::Other),
        (None, b"{\"ssrc\":1}", Content::RtcpJson),
        (None, b"", Content::Sip),
    ] {
        assert_eq!(Content::of(kind, payload), wanted, "{kind:?} {payload:?}");
    }
}

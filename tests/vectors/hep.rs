//! HEP: the shared vectors field by field, as a stream cut anywhere, and a capture of a mirror's traffic.

use std::net::IpAddr;

use serde_json::{Value, json};
use sidetone::wire::hep::{self, Content, Packet, Refused};

use crate::support::{Differences, analyze, analyze_json, items, shared_dir, stdout_of};
use crate::{BASE_NS, Frame, address, report, vectors};

fn bytes(vector: &Value) -> Vec<u8> {
    let hex = vector["hex"].as_str().expect("hex");
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("two digits")).collect()
}

/// The packets of a stream, each read as its length says.
fn packets(stream: &[u8]) -> Vec<Result<Packet<'_>, Refused>> {
    let (mut rest, mut packets) = (stream, Vec::new());
    while !rest.is_empty() {
        let Ok(Some(length)) = hep::stream_length(rest) else { return vec![Err(Refused::TotalLength)] };
        let (packet, behind) = rest.split_at(length.min(rest.len()));
        packets.push(Packet::parse(packet));
        rest = behind;
    }
    packets
}

/// What the vectors ask of a packet, under their names.
fn fields(packet: &Packet<'_>) -> Value {
    let end = |ip: Option<sidetone::wire::Ip>| ip.map(|ip| IpAddr::from(ip).to_string());
    let nanos = packet.time.map(|time| time.nanos());
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let payload = packet.payload().expect("a payload");
    let first = String::from_utf8_lossy(payload.split(|b| *b == b'\r').next().unwrap_or(&[])).into_owned();
    json!({
        "version": packet.version.name().parse::<u64>().expect("a number"),
        "total_length": packet.length,
        "ip_protocol": packet.ip_protocol,
        "src": end(packet.source_ip),
        "dst": end(packet.destination_ip),
        "sport": packet.source_port,
        "dport": packet.destination_port,
        "time": packet.time.map(|time| time.seconds()),
        "time_sec": nanos.map(|nanos| nanos / 1_000_000_000),
        "time_usec": nanos.map(|nanos| nanos / 1000 % 1_000_000),
        "protocol_type": packet.protocol_type,
        "protocol_type_name": packet.open().ok().map(|open| open.content.name().to_uppercase()),
        "agent": packet.capture_id,
        "capture_agent_id": packet.capture_id,
        "auth_key": text(packet.auth_key),
        "correlation_id": text(packet.correlation_id),
        "method": first.split(' ').next(),
        "payload_length": payload.len(),
        "payload_first_line": first,
        "payload_ascii": String::from_utf8_lossy(&payload),
    })
}

#[test]
fn the_vectors_are_read_exactly() {
    let Some(vectors) = vectors() else { return };
    let mut differences = Differences::default();
    for vector in items(&vectors["hep"]) {
        let (id, bytes, expected) = (vector["id"].as_str().unwrap_or_default(), bytes(vector), &vector["expected"]);
        if expected["malformed"] == true {
            assert_eq!(Packet::parse(&bytes).err(), Some(Refused::ChunkLength), "{id}");
            continue;
        }
        let packets = packets(&bytes);
        assert_eq!(packets.len() as u64, expected["messages"].as_u64().unwrap_or(1), "{id}");
        for packet in packets {
            let found = fields(&packet.unwrap_or_else(|reason| panic!("{id}: {reason}")));
            for (name, value) in expected.as_object().into_iter().flatten() {
                // The family is that of the addresses; the digest is of what its length and first line are compared.
                if !["note", "messages", "ip_family", "payload_sha256"].contains(&name.as_str()) {
                    differences.equal(&format!("{id} {name}"), &found[name], value.clone());
                }
            }
        }
    }
    differences.finish();
}

/// The same as datagrams of a capture: what they mirror is counted, with the mirrored addresses.
#[test]
fn mirrored_messages_in_a_capture_are_counted() {
    let Some(vectors) = vectors() else { return };
    for vector in items(&vectors["hep"]) {
        let Some(method) = vector["expected"]["method"].as_str() else { continue };
        let payload = bytes(vector);
        let report = report(&[Frame { ns: BASE_NS, from: address(1, 4000), to: address(2, 9060), payload }]);
        assert_eq!(report["sip"]["requests"], json!({ method: 1 }), "{}", vector["id"]);
        assert_eq!(report["frames"]["decoded"], 1, "{}", vector["id"]);
    }
}

#[test]
fn a_stream_may_be_cut_anywhere() {
    let Some(vectors) = vectors() else { return };
    let vector = items(&vectors["hep"]).iter().find(|vector| vector["expected"]["messages"] == 2);
    let stream = bytes(vector.expect("the vector of two messages"));
    let whole = stream.len() / 2;
    for cut in 0..=stream.len() {
        let said = hep::stream_length(&stream[..cut]).expect("HEP 3");
        assert_eq!(said, (cut >= 6).then_some(whole), "{cut} bytes are there");
    }
    for wrong in [&b"\x01\x10"[..], b"G", b"HEP2....", b"HEP3\0\x05"] {
        assert!(hep::stream_length(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_capture_of_a_mirror() {
    let Some(shared) = shared_dir() else { return };
    let path = shared.join("captures/hep-wireshark--hep.pcap");
    let text = std::fs::read_to_string(shared.join("captures/expected/hep-wireshark--hep.pcap.json")).expect("a file");
    let expected: Value = serde_json::from_str(&text).expect("JSON");
    let report = analyze_json(&path);
    assert_eq!(report["sip"]["requests"], expected["hep"]["sip_requests"]);
    assert_eq!(report["sip"]["responses"], expected["hep"]["sip_responses"]);
    assert_eq!(report["rtcp"]["packets"]["SR"], 1);
    assert_eq!(report["calls"][0]["source"], "192.168.1.1:5060");
    assert_eq!(report["voice_reports"][0]["call_id"], "qgf3dm9rudi@127.0.0.1");
    let text = stdout_of(&analyze("prometheus", &path, b""), &path);
    for line in [
        "hep_packets_total{version=\"3\",content=\"sip\"} 6",
        "hep_packets_total{version=\"3\",content=\"log\"} 1",
        "hep_packets_total{version=\"3\",content=\"rtcp_json\"} 1",
        "hep_skewed_packets_total 0",
        "capture_packets_total{interface=\"file\"} 8",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
    for (index, decoded) in items(&expected["hep"]["decoded"]).iter().enumerate() {
        let wanted = match decoded["protocol_type_name"].as_str() {
            Some("SIP") => Content::Sip,
            Some("LOG") => Content::Log,
            Some("RTCP_JSON") => Content::RtcpJson,
            other => panic!("what is {other:?}?"),
        };
        let payload = datagrams(&path).remove(index);
        let packet = Packet::parse(&payload).expect("HEP 3");
        assert_eq!(packet.open().expect("a whole packet").content, wanted);
        let found = fields(&packet);
        for name in ["total_length", "src", "dst", "sport", "dport", "time_sec", "time_usec", "protocol_type"] {
            assert_eq!(found[name], decoded[name], "{name} of packet {index}");
        }
        for name in ["capture_agent_id", "auth_key", "correlation_id", "payload_length"] {
            assert_eq!(found[name], decoded[name], "{name} of packet {index}");
        }
    }
}

/// The UDP payloads of a pcap file.
fn datagrams(path: &std::path::Path) -> Vec<Vec<u8>> {
    let mut file = sidetone::capture::file::CaptureFile::open(path).expect("a capture");
    let mut all = Vec::new();
    while let Some(frame) = file.next().expect("a frame") {
        let decoded = sidetone::wire::decode(frame.link, frame.data).expect("a datagram");
        all.push(decoded.datagram().expect("a datagram").payload.to_vec());
    }
    all
}

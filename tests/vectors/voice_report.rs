//! Voice quality reports (RFC 6035) in every wrapping that they come in.

use serde_json::{Value, json};

use crate::support::{Differences, items};
use crate::{BASE_NS, Frame, address, report, sample, vectors};

/// A request with this body; `hop` and `cseq` tell it from others.
fn request(method: &str, (hop, cseq): (u8, u32), content_type: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} sip:collector@192.0.2.20 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKq{hop}{cseq}\r\n\
         From: <sip:a@192.0.2.10>;tag=a\r\nTo: <sip:collector@192.0.2.20>\r\nCall-ID: publication\r\nCSeq: {cseq} {method}\r\n\
         Event: vq-rtcpxr\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn sent(ms: u64, host: u8, payload: Vec<u8>) -> Frame {
    Frame { ns: BASE_NS + ms * 1_000_000, from: address(host, 5060), to: address(20, 5060), payload }
}

/// Whether every value that the vector has of a section is in the report.
fn compare(differences: &mut Differences, what: &str, found: &Value, expected: &Value) {
    for (name, value) in expected.as_object().into_iter().flatten() {
        differences.near(&format!("{what} {name}"), &found["numbers"][name], value.as_f64(), 1e-12);
    }
}

#[test]
fn reports_are_read_in_publish_notify_and_multipart() {
    let Some(vectors) = vectors() else { return };
    let mut differences = Differences::default();
    for vector in items(&vectors["vq_rtcpxr_rfc6035"]) {
        let text = |name: &str| vector[name].as_str().unwrap_or_default().to_owned();
        let (body, content_type, expected) = (text("body"), text("content_type"), &vector["expected"]);
        let parts = format!(
            "--x\r\nContent-Type: text/plain\r\n\r\nMOSLQ=1\r\n--x\r\nContent-Type: {content_type}\r\n\r\n{body}\r\n--x--\r\n"
        );
        for (what, payload) in [
            ("PUBLISH", request("PUBLISH", (1, 1), &content_type, &body)),
            ("NOTIFY", request("NOTIFY", (1, 1), &format!("{};q=1", content_type.to_uppercase()), &body)),
            ("LF", request("PUBLISH", (1, 1), &content_type, &body.replace("\r\n", "\n"))),
            ("multipart", request("PUBLISH", (1, 1), "multipart/mixed;boundary=x", &parts)),
        ] {
            let what = format!("{} in {what}", vector["id"]);
            let frames = [sent(0, 10, payload)];
            let found = report(&frames);
            let reports = items(&found["voice_reports"]);
            assert_eq!(reports.len(), 1, "{what}: {}", found["voice_reports"]);
            differences.equal(&format!("{what} Call-ID"), &reports[0]["call_id"], expected["call_id"].clone());
            compare(&mut differences, &format!("{what} local"), &reports[0]["local"], &expected["local"]);
            compare(&mut differences, &format!("{what} remote"), &reports[0]["remote"], &expected["remote"]);
            let lq = "voice_report_mos_sum{kind=\"lq\",report=\"session\",peer=\"other\"}";
            assert_eq!(sample(&frames, lq), expected["local"]["MOSLQ"].as_f64(), "{what}");
            assert_eq!(sample(&frames, "voice_reports_total{peer=\"other\"}"), Some(1.0), "{what}");
        }
    }
    differences.finish();
}

#[test]
fn units_of_the_json_are_base_units() {
    let body = "VQIntervalReport\r\nCallID: c\r\nLocalAddr: IP=192.0.2.10 PORT=4000 SSRC=0x11\r\nLocalMetrics:\r\n\
                Timestamps: START=2024-01-01T10:00:00Z STOP=2024-01-01T10:00:10Z\r\nPacketLoss: NLR=1.5 JDR=0.5\r\n\
                Delay: RTD=120 SOWD=60 IAJ=7\r\nQualityEst: MOSCQ=4.0\r\n";
    let found = report(&[sent(0, 10, request("PUBLISH", (1, 1), "application/vq-rtcpxr", body))]);
    let (one, local) = (&found["voice_reports"][0], &found["voice_reports"][0]["local"]);
    assert_eq!((&one["kind"], &one["remote"]), (&json!("interval"), &Value::Null));
    assert_eq!(one["local_address"], json!({"ip": "192.0.2.10", "port": 4000, "ssrc": "0x00000011"}));
    for (name, value) in [
        ("start", json!(1_704_103_200.0)),
        ("stop", json!(1_704_103_210.0)),
        ("loss_ratio", json!(0.015)),
        ("discard_ratio", json!(0.005)),
        ("jitter_seconds", json!(0.007)),
        ("round_trip_seconds", json!(0.12)),
        ("one_way_delay_seconds", json!(0.06)),
        ("mos_cq", json!(4.0)),
        ("mos_lq", Value::Null),
    ] {
        assert_eq!(local[name], value, "{name}");
    }
}

/// Retransmitted, sent again with credentials, seen again on the next hop: one report.
#[test]
fn a_report_counts_once() {
    let body = "VQSessionReport: CallTerm\r\nCallID: once\r\nLocalMetrics:\r\nQualityEst: MOSLQ=4.2 MOSCQ=4.1\r\n";
    let publish = |which| request("PUBLISH", which, "application/vq-rtcpxr", body);
    let other = request("PUBLISH", (1, 3), "application/vq-rtcpxr", &body.replace("once", "another"));
    let unreadable = request("PUBLISH", (1, 4), "application/vq-rtcpxr", "nothing\r\n");
    let frames = [
        sent(0, 10, publish((1, 1))),
        sent(500, 10, publish((1, 1))),
        sent(600, 10, publish((1, 2))),
        sent(601, 30, publish((2, 2))),
        sent(900, 10, other),
        sent(901, 10, unreadable.clone()),
        sent(902, 10, unreadable),
    ];
    assert_eq!(sample(&frames, "voice_reports_total{peer=\"other\"}"), Some(2.0));
    assert_eq!(sample(&frames, "voice_reports_unreadable_total{peer=\"other\"}"), Some(1.0));
    let count = "voice_report_mos_count{kind=\"cq\",report=\"session\",peer=\"other\"}";
    assert_eq!(sample(&frames, count), Some(2.0));
    assert_eq!(items(&report(&frames)["voice_reports"]).len(), 2);
}

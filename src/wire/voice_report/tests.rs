use super::*;

/// As section 4.7 lays an alert out, with what real phones do to it.
const ALERT: &str = "VQAlertReport: Type=NLR Severity=Critical Dir=local\r\nCallID: 6dg37f1890463\r\n\
    LocalID: Alice <sip:alice@example.org>\r\nRemoteID: Bill\r\n <sip:bill@example.net>\r\nLocalGroupID:phones-a\r\n\
    LocalAddr:IP=10.10.1.100 PORT=5000 SSRC=2468\r\nRemoteAddr: IP=[2001:db8::7] PORT=70000 SSRC=0x1a2B3c4d\r\n\
    Metrics:\r\nTimeStamps:START=2004-10-10T18:23:43Z STOP=2004-10-10T20:26:02.25+02:00\r\n\
    SessionDesc:PT=18 PD=\"G.729 A\" SR = 8000\r\n\tFD=20 FMTP=\"annexb=no; x\" SSUP=on\r\nX-Own: NLR=99\r\n NLR=98\r\n\
    packetloss:NLR=5.0 nlr=7 JDR\r\nDelay:RTD=inf ESD=NaN OWD=-3 SOWD=1e3 IAJ=13 MAJ=99999999999999999\r\n\
    Signal:SL=-18 NL=127 RERL=14\r\nQualityEst:RLQ=127 RCQ=85 MOSLQ=0 MOSCQ=4.1 UNKNOWN=1 QoEEstAlg=P.564\r\n\
    DialogID:1890463548@alice.example.org;to-tag=8472761;from-tag=9123dh311\r\n";

fn check(report: &VoiceReport) {
    assert_eq!(report.kind, Kind::Alert);
    let texts: Vec<(&str, &str)> = report.texts().collect();
    assert_eq!(
        texts,
        [
            ("call_id", "6dg37f1890463"),
            ("local_id", "Alice <sip:alice@example.org>"),
            ("remote_id", "Bill <sip:bill@example.net>"),
            ("local_group", "phones-a"),
            ("dialog_id", "1890463548@alice.example.org;to-tag=8472761;from-tag=9123dh311"),
            ("alert_type", "NLR"),
            ("alert_severity", "Critical"),
            ("alert_direction", "local"),
        ]
    );
    let local = Address { ip: "10.10.1.100".parse().ok(), port: Some(5000), ssrc: Some(2468) };
    let remote = Address { ip: "2001:db8::7".parse().ok(), port: None, ssrc: Some(0x1a2b_3c4d) };
    assert_eq!((report.local_address, report.remote_address), (local, remote));
    let numbers: Vec<(&str, f64)> = report.local.numbers().collect();
    let expected = [
        ("PT", 18.0),
        ("SR", 8000.0),
        ("FD", 20.0),
        ("NLR", 5.0),
        ("IAJ", 13.0),
        ("SL", -18.0),
        ("RERL", 14.0),
        ("RCQ", 85.0),
        ("MOSCQ", 4.1),
    ];
    assert_eq!(numbers, expected);
    assert_eq!((report.local.text("PD"), report.local.text("FMTP")), (Some("G.729 A"), Some("annexb=no; x")));
    assert_eq!(report.local.start.map(Timestamp::seconds), Some(1_097_432_623.0));
    assert_eq!(report.local.stop.map(Timestamp::seconds), Some(1_097_432_762.25));
    assert!(report.remote.is_empty());
}

#[test]
fn a_report_is_read_however_it_is_laid_out() {
    check(&parse(ALERT.as_bytes()).unwrap());
    check(&parse(ALERT.replace("\r\n", "\n").as_bytes()).unwrap());
    check(&parse(ALERT.replace("Report: ", "Report\r\n").as_bytes()).unwrap());
    let names = ["VQAlertReport", "CallID", "LocalAddr", "Metrics", "Delay", "QualityEst", "DialogID"];
    let lower = names.iter().fold(ALERT.to_owned(), |text, name| text.replace(name, &name.to_lowercase()));
    check(&parse(lower.as_bytes()).unwrap());
    // Lines of a section may be indented, and another report ends this one.
    let indented = ALERT.replace("\r\nDelay", "\r\n  Delay") + "VQSessionReport\r\nLocalMetrics:\r\nDelay:RTD=1\r\n";
    check(&parse(indented.as_bytes()).unwrap());
}

#[test]
fn local_and_remote_are_kept_apart() {
    let body = b"VQSessionReport\nRemoteMetrics:\nQualityEst:MOSLQ=2.5\nLocalMetrics:\nQualityEst:MOSLQ=4.2\n";
    let report = parse(body).unwrap();
    assert_eq!(report.kind, Kind::Session);
    assert_eq!((report.local.number("MOSLQ"), report.remote.number("MOSLQ")), (Some(4.2), Some(2.5)));
    assert!(!report.local_address.is_known());
    assert_eq!(report.text("call_id"), None);
}

#[test]
fn what_is_no_report_is_none() {
    for body in [&b""[..], b"\r\n\r\n", b"QualityEst:MOSLQ=4.2\r\n", b"VQReport: CallTerm\r\n", b"\xff\xfe\n\0"] {
        assert!(parse(body).is_none(), "{body:?}");
    }
}

#[test]
fn times_are_those_of_the_calendar() {
    let seconds = |text: &str| date_time(text).map(Timestamp::seconds);
    assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0.0));
    assert_eq!(seconds("2024-02-29T23:59:60Z"), Some(1_709_251_200.0));
    assert_eq!(seconds("2000-03-01t00:00:00-01:30"), Some(951_874_200.0));
    assert_eq!(seconds("2024-01-01T10:00:00.123456789123Z"), Some(1_704_103_200.123_456_8));
    assert_eq!(seconds("2024-01-01T10:00:00"), Some(1_704_103_200.0));
    for wrong in [
        "",
        "2024-13-01T10:00:00Z",
        "2024-01-01 10:00:00Z",
        "2024-01-01T10:00",
        "9999-01-01T00:00:00Z",
        "2024-01-01T10:00:00+1",
    ] {
        assert_eq!(seconds(wrong), None, "{wrong}");
    }
    assert_eq!(seconds("2024-01-0\u{e9}T10:00:00Z"), None);
}

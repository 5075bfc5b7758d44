//! RFC 4475 and RFC 5118: what is valid is read right, and what is not is refused or tolerated as the tables say.

use std::fs;

use sidetone::wire::sip::{self, Content, Malformed, Message, Method, Start};

use crate::harness::{Core, MILLISECOND, START, small};
use crate::packets::{address, udp};
use crate::support::{analyze_json, shared_dir};
use crate::torture_messages::{MESSAGES, Verdict};

/// The messages of the RFCs that are not read as clean ones, and why; all others have to be.
const RFC: &[(&str, Verdict, &str)] = &[
    ("ncl", Verdict::Odd(Malformed::ContentLength), "negative Content-Length: the body is what came"),
    ("scalarlg", Verdict::Odd(Malformed::CSeq), "CSeq of 22 digits: no number to match a request by"),
    ("lwsstart", Verdict::Refused(Malformed::StartLine), "several spaces: where the Request-URI stands is a guess"),
    ("mismatch01", Verdict::Odd(Malformed::CSeqMethod), "OPTIONS or INVITE? Counted as OPTIONS, followed as neither"),
    ("bigcode", Verdict::Refused(Malformed::StatusCode), "ten digits must not become a label, nor wrap into one"),
    ("insuf", Verdict::Odd(Malformed::CallId), "no Call-ID: an INVITE that belongs to no call"),
];

/// Messages that one status or method counts, of those in the shared capture.
fn is_counted(verdict: Verdict) -> bool {
    !matches!(verdict, Verdict::Refused(_))
}

fn is_malformed(verdict: Verdict) -> bool {
    verdict != Verdict::Clean
}

/// Method or status code.
fn start(message: &Message<'_>) -> String {
    match message.start {
        Start::Request { method, .. } => method.name().to_owned(),
        Start::Response { code } => code.to_string(),
    }
}

/// Checks the verdict, and gives the message if there is one.
fn judge<'a>(name: &str, bytes: &'a [u8], verdict: Verdict) -> Option<Message<'a>> {
    let problem = match (sip::parse(bytes), verdict) {
        (Err(reason), Verdict::Refused(want)) => {
            assert_eq!(reason, want, "{name}");
            return None;
        }
        (Ok(Content::Message(message)), Verdict::Clean) => (message, None),
        (Ok(Content::Message(message)), Verdict::Odd(want)) => (message, Some(want)),
        (other, _) => panic!("{name}: {other:?}, want {verdict:?}"),
    };
    assert_eq!(problem.0.problem, problem.1, "{name}");
    Some(problem.0)
}

fn cseq_method(message: &Message<'_>) -> &'static str {
    message.cseq.map_or("", |(_, method)| method.name())
}

#[test]
fn own_messages() {
    for case in MESSAGES {
        let name = case.section;
        assert!(!case.why.is_empty(), "{name}");
        let Some(message) = judge(name, case.bytes, case.verdict) else { continue };
        assert_eq!(start(&message), case.start, "{name}");
        assert_eq!(cseq_method(&message), case.cseq_method, "{name}");
        let tag = sip::parameter(message.from, sip::Name::TAG).unwrap_or_default();
        let branch = sip::parameter(message.via, sip::Name::BRANCH).unwrap_or_default();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(
            [message.call_id, tag, branch].map(text),
            [case.call_id, case.from_tag, case.branch].map(text),
            "{name}"
        );
    }
}

/// Through the core: every message is counted once by method or code, and once more by reason where it is malformed.
#[test]
fn own_messages_in_the_core() {
    let mut core = Core::new(&small(), true);
    for (at, case) in MESSAGES.iter().enumerate() {
        let packet = udp(address("192.0.2.77:5060"), address("192.0.2.78:5060"), case.bytes);
        core.packet(START + at as i64 * MILLISECOND, &packet);
    }
    let json = core.finish();
    let count = |want: fn(Verdict) -> bool| MESSAGES.iter().filter(|case| want(case.verdict)).count() as u64;
    assert_eq!(messages(&json), count(is_counted));
    assert_eq!(json["sip"]["malformed"], count(is_malformed));
}

/// Requests and responses of a report.
fn messages(json: &serde_json::Value) -> u64 {
    let of =
        |kind: &str| json["sip"][kind].as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum::<u64>();
    of("requests") + of("responses")
}

/// One row of the shared table of expected values.
struct Row {
    file: String,
    /// Method or status code, CSeq method, Call-ID (`-` for none).
    fields: [String; 3],
    verdict: Verdict,
}

fn rows(table: &str) -> Vec<Row> {
    let column = |name: &str| table.lines().next().and_then(|head| head.split('\t').position(|column| column == name));
    let columns = ["file", "method_or_code", "cseq_method", "call_id"].map(|name| column(name).expect("a column"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let [file, fields @ ..] = columns.map(|at| cells[at].to_owned());
        let name = file.trim_end_matches(".dat").rsplit('-').next().unwrap_or_default();
        let known = RFC.iter().find(|(of, ..)| *of == name && file.starts_with("rfc4475"));
        Row { verdict: known.map_or(Verdict::Clean, |(_, verdict, _)| *verdict), file, fields }
    };
    table.lines().skip(1).filter(|line| !line.is_empty()).map(row).collect()
}

#[test]
fn messages_of_the_rfcs() {
    let Some(shared) = shared_dir() else { return };
    let dir = shared.join("captures/torture");
    let table = fs::read_to_string(dir.join("EXPECTED.tsv")).expect("the table of the torture messages");
    let rows = rows(&table);
    assert!(rows.len() >= 32, "{} rows", rows.len());
    for (name, ..) in RFC {
        assert!(rows.iter().any(|row| row.file == format!("rfc4475-{name}.dat")), "{name} is not there");
    }
    for row in &rows {
        let bytes = fs::read(dir.join(&row.file)).expect("a message");
        let Some(message) = judge(&row.file, &bytes, row.verdict) else { continue };
        let call_id = String::from_utf8_lossy(message.call_id);
        let cseq =
            if row.verdict == Verdict::Odd(Malformed::CSeq) { row.fields[1].as_str() } else { cseq_method(&message) };
        let none = if call_id.is_empty() { "-" } else { &call_id };
        assert_eq!([start(&message).as_str(), cseq, none], row.fields.each_ref().map(String::as_str), "{}", row.file);
    }
    let json = analyze_json(&shared.join("captures/torture.pcap"));
    let count = |want: fn(Verdict) -> bool| rows.iter().filter(|row| want(row.verdict)).count() as u64;
    assert_eq!(messages(&json), count(is_counted));
    assert_eq!(json["sip"]["malformed"], count(is_malformed));
}

/// The label has as many values as there are methods, whatever comes.
#[test]
fn a_method_of_the_wire_becomes_no_label() {
    for name in
        ["invite", "Invite", "INVITEX", "INVIT", "", "\u{0}INVITE", "INVITE ", "REGISTER\t", &"A".repeat(60_000)]
    {
        assert_eq!(Method::from_bytes(name.as_bytes()), Method::Other, "{name:?}");
    }
}

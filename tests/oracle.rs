//! The SIP scanner against rsip, which follows the grammar: where both read a message they have to read the same; and where
//! they differ, on what.

#[path = "support/cases.rs"]
mod cases;

use cases::cases;
use proptest::prelude::*;
use rsip::SipMessage;
use rsip::prelude::{HasHeaders, HeadersExt, ToTypedHeader, UntypedHeader};
use sidetone::wire::sip::{self, Content, Method, Start};

/// What both are asked for.
#[derive(Debug, PartialEq)]
struct Reading {
    /// Method or status code.
    start: String,
    call_id: String,
    cseq: (u32, String),
    from_tag: Option<String>,
    to_tag: Option<String>,
    branch: Option<String>,
    body: Vec<u8>,
}

fn ours(bytes: &[u8]) -> Option<Reading> {
    let Ok(Content::Message(message)) = sip::parse(bytes) else { return None };
    if message.problem.is_some() {
        return None;
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (number, method) = message.cseq?;
    Some(Reading {
        start: match message.start {
            Start::Request { method, .. } => method.name().to_owned(),
            Start::Response { code } => code.to_string(),
        },
        call_id: text(message.call_id),
        cseq: (number, method.name().to_owned()),
        from_tag: sip::parameter(message.from, sip::Name::TAG).map(text),
        to_tag: sip::parameter(message.to, sip::Name::TAG).map(text),
        branch: sip::parameter(message.via, sip::Name::BRANCH).map(text),
        body: message.body.to_vec(),
    })
}

/// rsip leaves the body as long as the datagram; RFC 3261 section 18.3 has it end where Content-Length says.
fn theirs(bytes: &[u8]) -> Result<Reading, rsip::Error> {
    let message = SipMessage::try_from(bytes)?;
    let start = match &message {
        SipMessage::Request(request) => request.method.to_string(),
        SipMessage::Response(response) => response.status_code.code().to_string(),
    };
    let cseq = message.cseq_header()?.typed()?;
    let length = message.headers().iter().find_map(|header| match header {
        rsip::Header::ContentLength(length) => length.length().ok(),
        _ => None,
    });
    let end = length.map_or(message.body().len(), |length| message.body().len().min(length as usize));
    Ok(Reading {
        start,
        call_id: message.call_id_header()?.value().to_owned(),
        cseq: (cseq.seq, cseq.method.to_string()),
        from_tag: message.from_header()?.typed()?.tag().map(ToString::to_string),
        to_tag: message.to_header()?.typed()?.tag().map(ToString::to_string),
        branch: message.via_header()?.typed()?.branch().map(ToString::to_string),
        body: message.body()[..end].to_vec(),
    })
}

/// A message of the part of the grammar that rsip reads.
#[derive(Clone, Debug)]
struct Spec {
    method: Method,
    code: Option<u16>,
    cseq: u32,
    call_id: String,
    users: (String, String),
    tags: (String, Option<String>),
    branch: String,
    port: Option<u16>,
    display: Option<String>,
    extra: Vec<(String, String)>,
    body: String,
    trailing: String,
    has_length: bool,
    order: Vec<usize>,
}

fn spec() -> impl Strategy<Value = Spec> {
    let known: Vec<Method> = Method::ALL.into_iter().filter(|method| *method != Method::Other).collect();
    let codes =
        vec![100, 180, 181, 182, 183, 200, 202, 302, 401, 404, 407, 408, 480, 481, 486, 487, 488, 500, 503, 603];
    let token = "[A-Za-z0-9.!%*_+`'~-]{1,30}";
    let start = (prop::sample::select(known), prop::option::of(prop::sample::select(codes)), 0..=i32::MAX as u32);
    let names = (
        "[A-Za-z0-9.-]{1,20}(@[a-z0-9.-]{1,20})?",
        ("[a-z0-9]{1,12}", "[a-z0-9]{1,12}"),
        (token, prop::option::of(token)),
        "z9hG4bK[A-Za-z0-9.-]{1,30}",
    );
    let rest = (
        prop::option::of(1..=u16::MAX),
        prop::option::of("[A-Za-z][A-Za-z0-9]{0,20}"),
        prop::collection::vec(("X-[A-Za-z]{1,12}", "[ -9;-~]{0,60}[!-9;-~]"), 0..5),
        ("[ -~\r\n]{0,200}", "[ -~]{0,20}", any::<bool>()),
        Just((0..7).collect::<Vec<usize>>()).prop_shuffle(),
    );
    (start, names, rest).prop_map(|(start, names, rest)| {
        let ((method, code, cseq), (call_id, users, tags, branch)) = (start, names);
        let (port, display, extra, (body, trailing, has_length), order) = rest;
        Spec {
            method,
            code,
            cseq,
            call_id,
            users,
            tags,
            branch,
            port,
            display,
            extra,
            body,
            trailing,
            has_length,
            order,
        }
    })
}

impl Spec {
    fn bytes(&self) -> Vec<u8> {
        let port = self.port.map_or(String::new(), |port| format!(":{port}"));
        let display = self.display.as_ref().map_or(String::new(), |name| format!("\"{name}\" "));
        let to_tag = self.tags.1.as_ref().map_or(String::new(), |tag| format!(";tag={tag}"));
        let mut text = match self.code {
            Some(code) => format!("SIP/2.0 {code} Reason\r\n"),
            None => format!("{} sip:{}@host.example{port} SIP/2.0\r\n", self.method.name(), self.users.1),
        };
        let headers = [
            format!("Via: SIP/2.0/UDP 192.0.2.1{port};branch={}", self.branch),
            format!("From: {display}<sip:{}@a.example>;tag={}", self.users.0, self.tags.0),
            format!("To: <sip:{}@b.example>{to_tag}", self.users.1),
            format!("Call-ID: {}", self.call_id),
            format!("CSeq: {} {}", self.cseq, self.method.name()),
            "Via: SIP/2.0/TCP 198.51.100.1;branch=z9hG4bKlower".to_owned(),
            "Max-Forwards: 70".to_owned(),
        ];
        // The topmost Via is the one that counts: it stays above the other.
        let lower = self.order.iter().filter(|at| **at != 0);
        for at in std::iter::once(&0).chain(lower) {
            text += &format!("{}\r\n", headers[*at]);
        }
        for (name, value) in &self.extra {
            text += &format!("{name}: {value}\r\n");
        }
        if self.has_length {
            text += &format!("Content-Length: {}\r\n", self.body.len());
        }
        text += &format!("\r\n{}", self.body);
        if self.has_length {
            text += &self.trailing;
        }
        text.into_bytes()
    }
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn both_read_a_message_of_the_grammar_alike(spec in spec()) {
        let bytes = spec.bytes();
        let theirs = theirs(&bytes).unwrap_or_else(|error| panic!("rsip: {error}\n{}", String::from_utf8_lossy(&bytes)));
        prop_assert_eq!(ours(&bytes), Some(theirs));
    }
}

const PLAIN: &str = "OPTIONS sip:b@b.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@a.example>;tag=1\r\n\
    To: <sip:b@b.example>\r\nCall-ID: plain@a.example\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

/// What real wires carry and rsip does not read, or not all of it: why it is no part of the capture path. A new version of
/// rsip that reads one of them fails here, and takes it off the list.
#[test]
fn messages_that_rsip_does_not_read() {
    assert_eq!(theirs(PLAIN.as_bytes()).ok(), ours(PLAIN.as_bytes()));
    let differs = |what: &str, bytes: &[u8]| {
        let read = ours(bytes).unwrap_or_else(|| panic!("{what}: the scanner does not read it either"));
        assert_eq!(read.call_id, "plain@a.example", "{what}");
        assert!(theirs(bytes).ok() != Some(read), "{what}: rsip reads it now");
    };
    let with = |what: &str, from: &str, to: &str| {
        assert!(PLAIN.contains(from), "{what}: nothing is replaced");
        differs(what, PLAIN.replace(from, to).as_bytes());
    };
    with("lines that end with LF only", "\r\n", "\n");
    with("a folded header", "From: <sip:a@a.example>", "From:\r\n <sip:a@a.example>");
    with("white space before the colon", "Call-ID:", "Call-ID :");
    with("compact Call-ID", "Call-ID:", "i:");
    with("compact From", "From:", "f:");
    with("compact Via", "Via:", "v:");
    with("an unknown method", "OPTIONS", "FROBNICATE");
    with("a tel URI", "sip:b@b.example SIP", "tel:+4930123 SIP");
    with("an IPv6 address", "sip:b@b.example SIP", "sip:[2001:db8::1] SIP");
    with("a status line without reason", "OPTIONS sip:b@b.example SIP/2.0", "SIP/2.0 200");
    differs("line ends before the message", format!("\r\n\r\n{PLAIN}").as_bytes());
    let mut odd = PLAIN.replace("tag=1", "tag=1\r\nX-Name: ?").into_bytes();
    let at = odd.iter().position(|b| *b == b'?').expect("a mark");
    odd[at] = 0xe9;
    differs("one byte that is no UTF-8", &odd);
}

/// rsip gives what follows Content-Length to the body, too; `theirs` cuts it off.
#[test]
fn rsip_does_not_end_a_body_where_content_length_says() {
    let bytes = format!("{}more", PLAIN).into_bytes();
    let message = SipMessage::try_from(bytes.as_slice()).expect("rsip reads it");
    assert_eq!(message.body(), b"more");
    assert_eq!(ours(&bytes).expect("a message").body, b"");
}

//! SIP messages as real wires bend them, together with what has to be read from them.

use proptest::prelude::*;
use sidetone::wire::sip::{MAX_CALL_ID, Malformed};

use crate::harness::Random;

/// What Content-Length says of the body.
#[derive(Clone, Copy, Debug)]
pub enum Length {
    Absent,
    Right,
    Short,
    Long,
    NoNumber,
}

/// What a message is made of; how it is laid out follows from `layout`.
#[derive(Clone, Debug)]
pub struct Spec {
    pub request: Option<String>,
    pub code: u16,
    pub cseq: u32,
    pub call_id: Vec<u8>,
    pub from_tag: String,
    pub to_tag: Option<String>,
    pub branch: String,
    pub display: Vec<u8>,
    pub unknown: Vec<Vec<u8>>,
    pub body: usize,
    pub length: Length,
    pub layout: u64,
}

/// Bytes that may stand inside a header line, at its ends none that is white space.
fn line(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    let inside = any::<u8>().prop_map(|b| if b == b'\r' || b == b'\n' { b'~' } else { b });
    prop::collection::vec(inside, 1..longest).prop_map(|mut bytes| {
        for end in [0, bytes.len() - 1] {
            if bytes[end].is_ascii_whitespace() {
                bytes[end] = b'~';
            }
        }
        bytes
    })
}

pub fn spec() -> impl Strategy<Value = Spec> {
    let methods = ["INVITE", "ACK", "BYE", "REGISTER", "OPTIONS", "invite", "FROBNICATE", "x-y.z!%*_+`'~"];
    let request = prop::option::of(prop::sample::select(methods.to_vec()).prop_map(str::to_owned));
    let token = "[A-Za-z0-9.!%*_+`'~-]{1,40}";
    let lengths = [Length::Absent, Length::Right, Length::Short, Length::Long, Length::NoNumber];
    let names = (line(MAX_CALL_ID + 20), token, prop::option::of(token), token, line(3000));
    let rest = (
        prop::collection::vec(line(200), 0..6),
        prop_oneof![8 => 0..800usize, 1 => 60_000..65_000usize],
        prop::sample::select(lengths.to_vec()),
        any::<u64>(),
    );
    (request, 100..700u16, any::<u32>(), names, rest).prop_map(|(request, code, cseq, names, rest)| {
        let (call_id, from_tag, to_tag, branch, display) = names;
        let (unknown, body, length, layout) = rest;
        Spec { request, code, cseq, call_id, from_tag, to_tag, branch, display, unknown, body, length, layout }
    })
}

impl Spec {
    pub fn method(&self) -> &str {
        self.request.as_deref().unwrap_or("INVITE")
    }

    /// The first thing that is wrong with it.
    pub fn problem(&self) -> Option<Malformed> {
        if self.call_id.len() > MAX_CALL_ID {
            return Some(Malformed::CallId);
        }
        matches!(self.length, Length::Long | Length::NoNumber).then_some(Malformed::ContentLength)
    }

    fn body_bytes(&self) -> Vec<u8> {
        let mut random = Random::new(self.layout ^ 7);
        (0..self.body).map(|_| random.next() as u8).collect()
    }

    /// What is to be read as the body.
    pub fn body_read(&self) -> Vec<u8> {
        let mut body = self.body_bytes();
        if let Length::Short = self.length {
            body.truncate(self.body / 2);
        }
        body
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut layout = Layout { random: Random::new(self.layout), out: Vec::new() };
        (0..layout.random.below(4)).for_each(|_| layout.end_line());
        match &self.request {
            Some(method) => layout.put(format!("{method} sip:u@h;p=1 SIP/2.0").as_bytes()),
            None => layout.put(format!("SIP/2.0 {:03} Some reason", self.code).as_bytes()),
        }
        layout.end_line();
        let mut headers = self.headers(&mut layout.random);
        while !headers.is_empty() {
            let (name, short, value) = headers.swap_remove(layout.random.below(headers.len()));
            layout.header(name, short, &value);
        }
        layout.repeats();
        layout.end_line();
        layout.put(&self.body_bytes());
        layout.out
    }

    fn headers(&self, random: &mut Random) -> Vec<(&'static str, Option<char>, Vec<u8>)> {
        let tag = self.to_tag.as_ref().map_or(String::new(), |tag| format!(";tag={tag}"));
        let mut quoted: Vec<u8> = self.display.iter().copied().filter(|b| *b != b'"' && *b != b'\\').collect();
        quoted.extend(b"\\\" ;tag=no <,");
        let from = match random.below(3) {
            0 => format!("sip:u@h;tag={}", self.from_tag).into_bytes(),
            1 => format!("<sip:u;tag=no@h>;x;TAG = {} ;y=\"a;tag=no\"", self.from_tag).into_bytes(),
            _ => [b"\"", &quoted[..], b"\"\r\n <sip:u@h>\r\n\t;tag=", self.from_tag.as_bytes()].concat(),
        };
        let via = match random.below(2) {
            0 => format!("SIP/2.0/UDP h:5060;rport;branch={}", self.branch),
            _ => format!("SIP / 2.0 / UDP h ; Branch = {} ,\n SIP/2.0/TCP i;branch=no", self.branch),
        };
        let to = format!("<sip:v@h;lr>{tag}").into_bytes();
        let cseq = format!("{:0>12}\r\n\t {}", self.cseq, self.method()).into_bytes();
        let mut all = vec![
            ("From", Some('f'), from),
            ("To", Some('t'), to),
            ("Call-ID", Some('i'), self.call_id.clone()),
            ("CSeq", None, cseq),
            ("Via", Some('v'), via.into_bytes()),
        ];
        let length = match self.length {
            Length::Absent => None,
            Length::Right => Some(self.body.to_string()),
            Length::Short => Some((self.body / 2).to_string()),
            Length::Long => Some((self.body + 1).to_string()),
            Length::NoNumber => Some(["-1", "+5", "x", "99999999999999999999", ""][random.below(5)].to_owned()),
        };
        all.extend(length.map(|length| ("Content-Length", Some('l'), length.into_bytes())));
        all.extend(self.unknown.iter().map(|value| ("X-Unknown", None, value.clone())));
        all
    }
}

struct Layout {
    random: Random,
    out: Vec<u8>,
}

impl Layout {
    fn put(&mut self, bytes: &[u8]) {
        self.out.extend(bytes);
    }

    fn end_line(&mut self) {
        let end: &[u8] = if self.random.below(3) == 0 { b"\n" } else { b"\r\n" };
        self.put(end);
    }

    /// In any case, in its short form, with white space around the colon, with the value on the next line.
    fn header(&mut self, name: &str, short: Option<char>, value: &[u8]) {
        let name = match short {
            Some(letter) if self.random.below(3) == 0 => letter.to_string(),
            _ => name.to_owned(),
        };
        for letter in name.bytes() {
            let upper = self.random.below(2) == 0;
            self.out.push(if upper { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() });
        }
        let before = ["", "", " ", "\t "][self.random.below(4)];
        let after = ["", " ", "   ", "\r\n ", "\n\t", " \r\n\t "][self.random.below(6)];
        let behind = ["", "", " ", "\t\t"][self.random.below(4)];
        [before, ":", after].iter().for_each(|part| self.put(part.as_bytes()));
        self.put(value);
        self.put(behind.as_bytes());
        self.end_line();
    }

    /// What stands a second time does not count.
    fn repeats(&mut self) {
        let again = [
            ("Call-ID", "second"),
            ("From", "<sip:x@y>;tag=no"),
            ("CSeq", "1 ACK"),
            ("Via", "SIP/2.0/UDP z"),
            ("To", "x"),
        ];
        for (name, value) in again {
            if self.random.below(2) == 0 {
                self.header(name, None, value.as_bytes());
            }
        }
    }
}

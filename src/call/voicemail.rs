//! Whether a call goes to a voicemail: by its target, or by the way that it came there.

use crate::wire::sip::{Message, Name, host_of, parameter, user_of, values};

/// What the configuration says of voicemail.
#[derive(Clone, Debug, Default)]
pub struct Voicemail {
    /// Patterns of the user part or host of the Request-URI; `*` stands for anything.
    pub targets: Vec<Box<str>>,
    /// Reasons of diversions (RFC 5806 section 3) that lead to voicemail.
    pub diversions: Vec<Box<str>>,
}

/// The causes of RFC 4458 section 2.1 (History-Info, Request-URI) that mean the same as a reason of RFC 5806.
const CAUSES: [(&str, &[u16]); 6] = [
    ("no-answer", &[408]),
    ("user-busy", &[486]),
    // 480 is what History-Info has of whoever was not there; RFC 4458 calls it an immediate deflection.
    ("unavailable", &[404, 480, 503]),
    ("do-not-disturb", &[600, 603]),
    ("unconditional", &[302]),
    ("deflection", &[487]),
];

impl Voicemail {
    /// An INVITE that goes to a voicemail, or a response that says that it got there.
    pub fn is_reached(&self, request_uri: &[u8], message: &Message<'_>) -> bool {
        (!request_uri.is_empty() && self.is_target(request_uri))
            || message.may_have(b"Diversion")
                && message.headers(b"Diversion", None).flat_map(values).any(|one| self.is_diversion(one))
            || message.may_have(b"History-Info")
                && message.headers(b"History-Info", None).any(|value| self.has_cause(value))
    }

    fn is_target(&self, uri: &[u8]) -> bool {
        let (user, host) = (user_of(uri), host_of(uri));
        let named = |pattern: &str| matches(pattern.as_bytes(), user) || matches(pattern.as_bytes(), host);
        // RFC 4458 section 2: whose mailbox it is, and why the call came there.
        let mailbox = parameter(uri, Name::new(b"target")).is_some() && self.has_cause(uri);
        mailbox || self.targets.iter().any(|pattern| named(pattern))
    }

    fn is_diversion(&self, value: &[u8]) -> bool {
        let reason = parameter(value, Name::new(b"reason")).unwrap_or(&[]);
        self.diversions.iter().any(|known| reason.eq_ignore_ascii_case(known.as_bytes()))
    }

    /// `cause=486` as a URI parameter, or escaped in the header of a URI (RFC 7044 section 5.1).
    fn has_cause(&self, value: &[u8]) -> bool {
        let words = value.split(|b| !b.is_ascii_alphanumeric());
        let causes = words.clone().zip(words.skip(1)).filter_map(|(name, code)| {
            // `%3D` is an equals sign: its digits cling to the number.
            let code = code.strip_prefix(b"3D").or_else(|| code.strip_prefix(b"3d")).unwrap_or(code);
            let code = std::str::from_utf8(code).ok()?.parse::<u16>().ok()?;
            name.to_ascii_lowercase().ends_with(b"cause").then_some(code)
        });
        let leads_there = |code: u16| {
            let names = CAUSES.iter().filter(|(_, codes)| codes.contains(&code)).map(|(name, _)| *name);
            names.into_iter().any(|name| self.diversions.iter().any(|known| known.eq_ignore_ascii_case(name)))
        };
        causes.into_iter().any(leads_there)
    }
}

/// Whether a pattern, in which `*` stands for anything, fits the whole text; letters of both cases are alike.
#[inline]
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    // Most do not even begin alike.
    match (pattern.first(), text.first()) {
        (Some(first), Some(begin)) if *first != b'*' && !first.eq_ignore_ascii_case(begin) => false,
        _ => fits(pattern, text),
    }
}

fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let mut pieces = pattern.split(|&b| b == b'*');
    let first = pieces.next().unwrap_or_default();
    let starts =
        |text: &[u8], piece: &[u8]| text.len() >= piece.len() && text[..piece.len()].eq_ignore_ascii_case(piece);
    if text.is_empty() || !starts(text, first) {
        return false;
    }
    let mut rest = &text[first.len()..];
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.len() >= piece.len() && rest[rest.len() - piece.len()..].eq_ignore_ascii_case(piece);
        }
        let Some(at) = (0..=rest.len()).find(|at| starts(&rest[*at..], piece)) else { return false };
        rest = &rest[at + piece.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::sip::{Content, Start, parse};

    fn reached(target: &str, headers: &str) -> bool {
        let voicemail = Voicemail {
            targets: vec!["voicemail".into(), "vm-*".into(), "*.mailbox.example".into()],
            diversions: vec!["no-answer".into(), "user-busy".into()],
        };
        let text =
            format!("INVITE {target} SIP/2.0\r\n{headers}Call-ID: 1\r\nCSeq: 1 INVITE\r\nFrom: a\r\nTo: b\r\n\r\n");
        let Ok(Content::Message(message)) = parse(text.as_bytes()) else { panic!("a message") };
        let Start::Request { uri, .. } = message.start else { panic!("a request") };
        voicemail.is_reached(uri, &message)
    }

    #[test]
    fn by_target() {
        assert!(reached("sip:voicemail@pbx", ""));
        assert!(reached("sip:VM-17@pbx", ""));
        assert!(reached("sip:17@a.mailbox.example:5060", ""));
        assert!(!reached("sip:voicemails@pbx", ""));
        assert!(reached("sip:99@pbx;target=sip:bob%40x;cause=486", ""), "RFC 4458");
        assert!(!reached("sip:99@pbx;target=sip:bob%40x;cause=302", ""));
    }

    #[test]
    fn by_the_way_there() {
        assert!(reached("sip:99@pbx", "Diversion: <sip:17@pbx>;reason=no-answer;counter=1\r\n"));
        assert!(!reached("sip:99@pbx", "Diversion: <sip:17@pbx>;reason=unconditional\r\n"));
        assert!(reached("sip:99@pbx", "Diversion: \"Doe, J.\" <sip:17@pbx>;reason=no-answer\r\n"));
        let history = "<sip:17@pbx?Reason=SIP%3Bcause%3D486>;index=1, <sip:99@pbx>;index=1.1";
        assert!(reached("sip:99@pbx", &format!("History-Info: {history}\r\n")));
        assert!(!reached("sip:99@pbx", "History-Info: <sip:17@pbx>;index=1\r\n"));
    }
}

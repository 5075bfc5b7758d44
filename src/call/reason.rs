//! Reason header fields (RFC 3326): why a request was sent, or a response given.

use crate::wire::sip::{Message, Name, parameter, values};

use super::outcome::Reason;

/// What the Reason fields of a message say; there may be one for each protocol, in one field or in several.
pub fn of(message: &Message<'_>) -> Reason {
    let mut reason = Reason::default();
    for value in message.headers(b"Reason", None).flat_map(values) {
        let protocol = value.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
        let Some(cause) = parameter(value, Name::new(b"cause"))
            .and_then(|cause| std::str::from_utf8(cause).ok()?.parse::<u16>().ok())
        else {
            continue;
        };
        if protocol.eq_ignore_ascii_case(b"Q.850") {
            // Seven bits (Q.850 section 2.2.5).
            reason.cause = reason.cause.or(u8::try_from(cause).ok().filter(|cause| (1..=127).contains(cause)));
        } else if protocol.eq_ignore_ascii_case(b"SIP") {
            reason.status = reason.status.or(Some(cause));
        }
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::sip::{Content, parse};

    fn read(fields: &str) -> Reason {
        let text = format!("BYE sip:a SIP/2.0\r\n{fields}Call-ID: 1\r\nCSeq: 1 BYE\r\nFrom: a\r\nTo: b\r\n\r\n");
        let Ok(Content::Message(message)) = parse(text.as_bytes()) else { panic!("a message") };
        of(&message)
    }

    #[test]
    fn one_of_each_protocol() {
        let both = Reason { cause: Some(16), status: Some(200) };
        assert_eq!(read("Reason: Q.850;cause=16;text=\"Terminated, at last\"\r\nReason: SIP ;cause=200\r\n"), both);
        assert_eq!(read("reason: SIP;cause=200;text=\"x\", q.850 ; cause=16\r\n"), both);
        assert_eq!(read("Reason: Q.850;text=\"Terminated, at last; cause=1\";cause=16, SIP;cause=200\r\n"), both);
        assert_eq!(read(""), Reason::default());
        assert_eq!(read("Reason: Q.850;cause=300\r\nReason: Q.850\r\nReason: X;cause=3\r\n"), Reason::default());
    }
}

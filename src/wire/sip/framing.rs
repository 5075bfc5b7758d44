//! Where messages begin and end in a stream of bytes (RFC 3261 sections 7.5 and 18.3).

use memchr::{memchr, memmem, memrchr};

use super::header;
use super::method::{Method, is_token, is_token_byte};
use super::{Content, Fields, Known, Malformed, Start, parse, start_line, trim_end};

/// The longest head (start line and header fields) that is taken for one: what one UDP datagram could hold.
pub const MAX_HEAD: usize = 64 << 10;
/// The longest body: four times what any datagram could hold.
pub const MAX_BODY: usize = 256 << 10;
/// The longest start line: RFC 3261 names no bound, and HTTP servers take 8 KiB.
const MAX_LINE: usize = 8 << 10;
/// The longest method: the longest registered one has nine letters.
const MAX_METHOD: usize = 32;
const VERSION: &[u8] = b"SIP/2.0";

/// What stands where a message should begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// What there is may be the beginning of a start line.
    Incomplete,
    Start,
    /// A line that speaks of SIP and is no start line.
    Broken,
    Nothing,
}

/// Looks at where a message should begin, empty lines before it left out by the caller.
pub fn opening(bytes: &[u8]) -> Opening {
    if !may_begin(bytes) {
        return Opening::Nothing;
    }
    let Some(end) = memchr(b'\n', &bytes[..bytes.len().min(MAX_LINE)]) else {
        return if bytes.len() < MAX_LINE { Opening::Incomplete } else { Opening::Nothing };
    };
    let line = trim_end(&bytes[..end]);
    match start_line(line) {
        Ok(_) | Err(Malformed::Version | Malformed::StatusCode) => Opening::Start,
        Err(_) if memmem::find(line, b"SIP/").is_some() => Opening::Broken,
        Err(_) => Opening::Nothing,
    }
}

/// Whether a whole and valid start line stands here: for streams of which nothing is known, so at the least cost.
#[inline]
pub fn begins_message(bytes: &[u8]) -> bool {
    may_begin(bytes)
        && memchr(b'\n', &bytes[..bytes.len().min(MAX_LINE)])
            .is_some_and(|end| start_line(trim_end(&bytes[..end])).is_ok())
}

/// A method and a space, or `SIP/`, as far as the bytes go.
#[inline]
fn may_begin(bytes: &[u8]) -> bool {
    match bytes.iter().take(MAX_METHOD + 1).position(|&b| !is_token_byte(b)) {
        None => bytes.len() <= MAX_METHOD,
        Some(at) if bytes[at] == b'/' => bytes[..at].eq_ignore_ascii_case(b"SIP"),
        Some(at) => at > 0 && bytes[at] == b' ',
    }
}

/// How far a head goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// So many bytes, the empty line included.
    Whole(usize),
    /// No end yet; the search goes on at this line.
    Incomplete(usize),
    /// This line is no header field.
    Broken(usize),
}

/// Finds the empty line behind the header fields. `line` is 0, or where an earlier search of so many bytes stopped; with `check`
/// every line behind the first has to look like a header field.
pub fn head(bytes: &[u8], mut line: usize, searched: usize, check: bool) -> Head {
    if !check {
        return head_end(bytes, searched.saturating_sub(2)).map_or(Head::Incomplete(0), Head::Whole);
    }
    let mut from = line.max(searched);
    while let Some(length) = memchr(b'\n', bytes.get(from..).unwrap_or(&[])) {
        let end = from + length;
        match &bytes[line..end] {
            b"" | b"\r" => return Head::Whole(end + 1),
            content if line > 0 && !is_field(content) => return Head::Broken(line),
            _ => (line, from) = (end + 1, end + 1),
        }
    }
    Head::Incomplete(line)
}

/// Where the first empty line at `from` or behind it ends.
fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let carriage_return = memmem::find(rest, b"\n\r\n");
    let bare = memmem::find(&rest[..carriage_return.map_or(rest.len(), |at| at + 1)], b"\n\n");
    Some(from + bare.map(|at| at + 2).or(carriage_return.map(|at| at + 3))?)
}

/// `name:`, white space before the colon allowed, or the continuation of a field (RFC 3261 section 7.3.1); without a start line
/// in it, as the last line of a body has that a message follows directly.
fn is_field(line: &[u8]) -> bool {
    let is_continued = matches!(line.first(), Some(b' ' | b'\t'));
    (is_continued || memchr(b':', line).is_some_and(|colon| is_token(trim_end(&line[..colon]))))
        && !memmem::find_iter(line, VERSION).any(|at| start_in(line, 0, at).is_some())
}

/// What a head says of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Known(usize),
    /// No Content-Length, which RFC 3261 section 20.14 demands on streams.
    Missing,
    /// No number, or more than a body may have.
    Unusable,
}

/// Reads Content-Length as [`parse`] does: the first one counts.
pub fn body_length(head: &[u8]) -> Length {
    let mut rest = head;
    while let Some(end) = memchr(b'\n', rest) {
        rest = &rest[end + 1..];
        // Few lines begin with either letter: the others are not looked at.
        if !matches!(rest.first(), Some(b'c' | b'C' | b'l' | b'L')) {
            continue;
        }
        let Some(field) = Fields::of(rest).read() else { continue };
        if field.known() == Some(Known::ContentLength) {
            return match header::number(field.value) {
                Some(length) if length as usize <= MAX_BODY => Length::Known(length as usize),
                _ => Length::Unusable,
            };
        }
    }
    Length::Missing
}

/// Whether a head has what every message must have (RFC 3261 section 8.1.1): what only quotes a message mostly has not.
pub fn is_plausible(head: &[u8]) -> bool {
    match parse(head) {
        Ok(Content::Message(message)) => {
            !message.via.is_empty() && matches!(message.problem, None | Some(Malformed::ContentLength))
        }
        _ => false,
    }
}

/// Whether a head where a capture begins is one that was seen from its first letter on: `OTIFY` would be a method too, but not
/// that of CSeq, and `SIP/2.0/TCP` a version. Two mandatory fields are more than what quotes a message mostly has.
pub fn is_whole_start(head: &[u8]) -> bool {
    match parse(head) {
        Ok(Content::Message(message)) => {
            let fields = [message.via, message.from, message.to, message.call_id];
            let mandatory =
                fields.iter().filter(|value| !value.is_empty()).count() + usize::from(message.cseq.is_some());
            let strange = matches!(message.start, Start::Request { method: Method::Other, .. });
            mandatory >= 2 && !(strange && message.problem == Some(Malformed::CSeqMethod))
        }
        Ok(Content::KeepAlive) => false,
        Err(reason) => reason == Malformed::StatusCode || !head.starts_with(b"SIP/"),
    }
}

/// Where the next message may begin in bytes of which the beginning is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Start(usize),
    /// Nowhere yet; what stands before this place is of no use.
    Keep(usize),
}

/// Looks for a start line: at the beginning of a line, or right behind a body that did not end with one.
pub fn find_start(bytes: &[u8]) -> Found {
    // A start line is known by its end: the last line, which has none, is not looked at.
    let lines = memrchr(b'\n', bytes).map_or(0, |end| end + 1);
    for at in memmem::find_iter(&bytes[..lines], VERSION) {
        let from = at.saturating_sub(MAX_LINE);
        let line = memrchr(b'\n', &bytes[from..at]).map_or(from, |before| from + before + 1);
        if let Some(start) = start_in(&bytes[..lines], line, at) {
            return Found::Start(start);
        }
    }
    Found::Keep(lines.max(bytes.len().saturating_sub(MAX_LINE)))
}

/// Where the start line begins that has its version at `version` in the line that begins at `line`; a line may end with `bytes`.
fn start_in(bytes: &[u8], line: usize, version: usize) -> Option<usize> {
    match bytes[version + VERSION.len()..] {
        [b' ', b'1'..=b'6', ..] => is_status_line(&bytes[version..]).then_some(version),
        [] | [b'\n', ..] | [b'\r'] | [b'\r', b'\n', ..] => request_start(bytes, line, version),
        _ => None,
    }
}

fn is_status_line(bytes: &[u8]) -> bool {
    let bytes = &bytes[..bytes.len().min(MAX_LINE)];
    let line = &bytes[..memchr(b'\n', bytes).unwrap_or(bytes.len())];
    matches!(start_line(trim_end(line)), Ok(Start::Response { .. }))
}

/// Where a request line begins: at the line's beginning, or at a known method that follows a body.
fn request_start(bytes: &[u8], line: usize, version: usize) -> Option<usize> {
    let before_version = bytes[line..version].strip_suffix(b" ")?;
    let name = &before_version[..memrchr(b' ', before_version)?];
    let mut methods =
        Method::ALL.iter().filter(|method| **method != Method::Other).map(|method| method.name().as_bytes());
    let known = methods.find(|known| name.ends_with(known));
    let start = line + name.len() - known.unwrap_or(name).len();
    let end = version + VERSION.len();
    matches!(start_line(&bytes[start..end]), Ok(Start::Request { .. })).then_some(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &[u8] =
        b"OPTIONS sip:b@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=1\r\nf: <sip:a>;tag=1\r\nTo: <sip:b>\r\n\
        Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nl : 4\r\n\r\nbody";

    #[test]
    fn what_may_be_a_start_line_is_told_from_what_cannot_be_one() {
        for (bytes, want) in [
            (&b""[..], Opening::Incomplete),
            (b"SIP/2", Opening::Incomplete),
            (b"INVITE sip:b", Opening::Incomplete),
            (b"INVITE sip:b SIP/2.0\n", Opening::Start),
            (b"sip/2.0 200\r\n", Opening::Start),
            (b"SIP/2.0 9999 x\r\n", Opening::Start),
            (b"INVITE sip:b SIP/7.0\r\n", Opening::Start),
            (b"INVITE  sip:b  SIP/2.0\r\n", Opening::Broken),
            (b"GET / HTTP/1.1\r\n", Opening::Nothing),
            (b"v=0\r\n", Opening::Nothing),
            (b"\x16\x03\x01", Opening::Nothing),
            (&[b'A'; 33], Opening::Nothing),
        ] {
            assert_eq!(opening(bytes), want, "{}", String::from_utf8_lossy(bytes));
        }
        assert!(begins_message(OPTIONS) && !begins_message(b"GET / HTTP/1.1\r\n") && !begins_message(b"INVITE sip:b"));
    }

    #[test]
    fn a_head_ends_at_its_empty_line_wherever_the_search_went_on() {
        let end = OPTIONS.len() - 4;
        assert_eq!(head(OPTIONS, 0, 0, true), Head::Whole(end));
        for cut in 0..end {
            for check in [false, true] {
                let Head::Incomplete(line) = head(&OPTIONS[..cut], 0, 0, check) else { panic!("an end at {cut}") };
                assert_eq!(head(OPTIONS, line, cut, check), Head::Whole(end));
            }
        }
        for check in [false, true] {
            assert_eq!(head(b"A b SIP/2.0\n c:\n\nx\n\r\n", 0, 0, check), Head::Whole(17));
        }
        let quoted = b"SIP/2.0 200 OK\r\nNOTIFY sip:b SIP/2.0\r\n";
        assert_eq!((head(quoted, 0, 0, true), head(quoted, 0, 0, false)), (Head::Broken(16), Head::Incomplete(0)));
        for end in ["xBYE sip:b SIP/2.0", "xSIP/2.0 200 OK"] {
            let joined = format!("SIP/2.0 200 OK\r\nSubject: {end}\r\nVia: SIP/2.0/TCP h\r\n\r\n");
            assert_eq!(head(joined.as_bytes(), 0, 0, true), Head::Broken(16), "{end}");
        }
    }

    #[test]
    fn the_length_of_a_body_is_what_the_parser_takes_it_for() {
        let of = |field: &str| body_length(format!("A b SIP/2.0\r\nl-x: 9\r\n{field}\r\n\r\n").as_bytes());
        assert_eq!(body_length(&OPTIONS[..OPTIONS.len() - 4]), Length::Known(4));
        assert_eq!(of("CONTENT-length:\r\n\t 17 \r\nl: 3"), Length::Known(17));
        assert_eq!(of("L:262144"), Length::Known(MAX_BODY));
        assert_eq!(of("L:262145"), Length::Unusable);
        assert_eq!(
            (of("l: -1"), of("l:"), of("l: 99999999999")),
            (Length::Unusable, Length::Unusable, Length::Unusable)
        );
        assert_eq!(of("Subject: l"), Length::Missing);
        assert!(is_plausible(OPTIONS) && !is_plausible(b"SIP/2.0 200 OK\r\n\r\n"));
    }

    #[test]
    fn start_lines_are_found_behind_lines_and_behind_bodies() {
        assert_eq!(find_start(b"a=1\r\nBYE sip:b SIP/2.0\r\nVia"), Found::Start(5));
        assert_eq!(find_start(b"helloBYE sip:b SIP/2.0\r\n"), Found::Start(5));
        assert_eq!(find_start(b"xSIP/2.0 200 OK\n"), Found::Start(1));
        assert_eq!(find_start(b"Via: SIP/2.0/TCP h\r\nNEW sip:b SIP/2.0\n"), Found::Start(20));
        assert_eq!(find_start(b"Via: SIP/2.0/TCP h\r\nSIP/2.0 200"), Found::Keep(20));
        assert_eq!(find_start(b"SIP/2.0\n SIP/2.0\nx SIP/2.0\r\n"), Found::Keep(28));
        assert_eq!(find_start(&[b'x'; 10_000]), Found::Keep(10_000 - MAX_LINE));
    }
}

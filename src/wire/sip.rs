//! SIP messages (RFC 3261 section 7) as they are on real wires: a scanner that borrows and never allocates.

use super::scan::{find, trim_end};

mod fields;
pub mod framing;
mod header;
mod method;

pub use header::{Name, host_of, parameter, tag_of, uri_of, user_of, values};
pub use method::Method;

use fields::{Field, Fields, Known, mark};

/// The longest Call-ID that is taken for one; longer ones are refused, so that no table keeps them.
pub const MAX_CALL_ID: usize = 512;

/// Why a message could not be used, or only in part; the `reason` label of `sip_malformed_messages_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    #[error("start line is neither a request nor a status line")]
    StartLine,
    #[error("SIP version is not 2.0")]
    Version,
    #[error("status code is not three digits from 100 to 699")]
    StatusCode,
    #[error("no Call-ID, or one of more than 512 bytes")]
    CallId,
    #[error("no CSeq, or one that is no number and method")]
    CSeq,
    #[error("CSeq names another method than the request line")]
    CSeqMethod,
    #[error("no From or no To")]
    FromTo,
    #[error("Content-Length is no number, or more than the datagram holds")]
    ContentLength,
}

impl Malformed {
    pub const ALL: [Malformed; 8] = [
        Malformed::StartLine,
        Malformed::Version,
        Malformed::StatusCode,
        Malformed::CallId,
        Malformed::CSeq,
        Malformed::CSeqMethod,
        Malformed::FromTo,
        Malformed::ContentLength,
    ];

    /// The value of the `reason` label.
    pub const fn reason(self) -> &'static str {
        match self {
            Malformed::StartLine => "start_line",
            Malformed::Version => "version",
            Malformed::StatusCode => "status_code",
            Malformed::CallId => "call_id",
            Malformed::CSeq => "cseq",
            Malformed::CSeqMethod => "cseq_method",
            Malformed::FromTo => "from_to",
            Malformed::ContentLength => "content_length",
        }
    }
}

/// The two ends of a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Party {
    Caller = 0,
    Callee,
}

impl Party {
    pub const BOTH: [Party; 2] = [Party::Caller, Party::Callee];

    pub const fn other(self) -> Party {
        match self {
            Party::Caller => Party::Callee,
            Party::Callee => Party::Caller,
        }
    }
}

/// A message's first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start<'a> {
    Request { method: Method, uri: &'a [u8] },
    Response { code: u16 },
}

/// A message, borrowed from its datagram. Header values are as on the wire, folds included.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub start: Start<'a>,
    pub call_id: &'a [u8],
    pub from: &'a [u8],
    pub to: &'a [u8],
    /// The topmost Via value, and its branch.
    pub via: &'a [u8],
    pub branch: Option<&'a [u8]>,
    pub cseq: Option<(u32, Method)>,
    /// The first Contact header's values.
    pub contact: &'a [u8],
    pub expires: Option<u32>,
    pub content_type: &'a [u8],
    pub user_agent: &'a [u8],
    /// Whether it has an Authorization or Proxy-Authorization header field.
    pub has_credentials: bool,
    /// All header fields, for [`Self::headers`].
    head: &'a [u8],
    /// Which names they may have: [`mark`] of each.
    marks: u64,
    pub body: &'a [u8],
    /// The first thing found wrong in a message that is still recognised.
    pub problem: Option<Malformed>,
}

impl<'a> Message<'a> {
    /// Whether it has what tells it from others: Call-ID, CSeq, From and To.
    pub fn is_usable(&self) -> bool {
        !matches!(self.problem, Some(Malformed::CallId | Malformed::CSeq | Malformed::CSeqMethod | Malformed::FromTo))
    }

    /// Values of a header field that few messages have or few look at, in their order on the wire; `compact` is its one-letter
    /// form (RFC 3261 section 7.3.3). Where there may be one it scans the header again.
    pub fn headers<'n>(&self, name: &'n [u8], compact: Option<u8>) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let wanted = mark(name) | compact.map_or(0, |letter| mark(&[letter]));
        let mut fields = Fields::of(self.head);
        let fields = (self.marks & wanted != 0).then(|| std::iter::from_fn(move || fields.read()).fuse());
        fields
            .into_iter()
            .flatten()
            .filter(move |field| match field.name {
                [letter] => compact.is_some_and(|compact| letter.eq_ignore_ascii_case(&compact)),
                _ => field.name.eq_ignore_ascii_case(name),
            })
            .map(|field| field.value)
    }

    /// Whether it may have a header field of this name: mostly there is none, and no reason to look for it.
    #[inline]
    pub fn may_have(&self, name: &[u8]) -> bool {
        self.marks & mark(name) != 0
    }

    /// The first of [`Self::headers`] that has a name looked for in many messages.
    #[inline]
    pub fn named(&self, name: &FieldName) -> Option<&'a [u8]> {
        if self.marks & name.mark == 0 { None } else { self.headers(&name.name, None).next() }
    }

    /// The first of [`Self::headers`].
    #[inline]
    pub fn header(&self, name: &[u8], compact: Option<u8>) -> Option<&'a [u8]> {
        let wanted = mark(name) | compact.map_or(0, |letter| mark(&[letter]));
        if self.marks & wanted == 0 { None } else { self.headers(name, compact).next() }
    }
}

/// The name of a header field that many messages are looked through for: its mark is known once.
#[derive(Clone, Debug)]
pub struct FieldName {
    name: Box<[u8]>,
    mark: u64,
}

impl FieldName {
    pub fn new(name: Box<[u8]>) -> FieldName {
        FieldName { mark: mark(&name), name }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.name
    }
}

/// What a datagram on a SIP port holds.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are messages, and none is kept")]
pub enum Content<'a> {
    Message(Message<'a>),
    /// CRLF (RFC 5626 section 3.5.1), zero bytes and other fillers that keep a NAT binding open.
    KeepAlive,
}

/// Whether a datagram may be SIP by its first byte: one of a token, after the line ends that RFC 3261 section 7.5 allows.
#[inline]
pub fn looks_like_text(payload: &[u8]) -> bool {
    match payload.iter().find(|&&b| b != b'\r' && b != b'\n') {
        Some(first) => method::is_token_byte(*first),
        None => !payload.is_empty(),
    }
}

/// Whether the first line ends as a SIP request line does, or starts as a status line does.
pub fn has_start_line(payload: &[u8]) -> bool {
    let bytes = skip_line_ends(payload);
    let line = trim_end(&bytes[..find(bytes, b'\n').unwrap_or(bytes.len())]);
    start_line(line).is_ok()
}

/// Reads one message from a datagram.
pub fn parse(payload: &[u8]) -> Result<Content<'_>, Malformed> {
    let bytes = skip_line_ends(payload);
    if bytes.iter().all(|&b| b == 0 || b == b' ') {
        return Ok(Content::KeepAlive);
    }
    let (first_line, mut fields) = Fields::of_message(bytes);
    let mut message = Message {
        start: start_line(first_line)?,
        call_id: &[],
        from: &[],
        to: &[],
        via: &[],
        branch: None,
        cseq: None,
        contact: &[],
        expires: None,
        content_type: &[],
        user_agent: &[],
        has_credentials: false,
        head: &bytes[fields.from..],
        marks: 0,
        body: &[],
        problem: None,
    };
    let mut length = None;
    while let Some(field) = fields.read() {
        take(&field, &mut message, &mut length);
    }
    let body = &bytes[fields.from..];
    message.body = body;
    if let Some(length) = length {
        match length {
            Some(length) if length <= body.len() => message.body = &body[..length],
            _ => message.problem = Some(Malformed::ContentLength),
        }
    }
    check(&mut message);
    Ok(Content::Message(message))
}

/// What makes a message unusable outranks what makes it odd.
fn check(message: &mut Message<'_>) {
    if message.call_id.is_empty() || message.call_id.len() > MAX_CALL_ID {
        message.call_id = &[];
        message.problem = Some(Malformed::CallId);
    } else if message.from.is_empty() || message.to.is_empty() {
        message.problem = Some(Malformed::FromTo);
    } else {
        match (message.cseq, message.start) {
            (None, _) => message.problem = Some(Malformed::CSeq),
            (Some((_, named)), Start::Request { method, .. }) if named != method => {
                message.problem = Some(Malformed::CSeqMethod);
            }
            _ => {}
        }
    }
}

fn skip_line_ends(payload: &[u8]) -> &[u8] {
    let start = payload.iter().position(|&b| b != b'\r' && b != b'\n').unwrap_or(payload.len());
    &payload[start..]
}

/// `METHOD SP Request-URI SP SIP/2.0` or `SIP/2.0 SP code SP reason`; a status line without reason is taken.
fn start_line(line: &[u8]) -> Result<Start<'_>, Malformed> {
    if let Some((b"SIP/2.0 ", rest)) = line.split_first_chunk() {
        return status(rest);
    }
    let space = find(line, b' ').ok_or(Malformed::StartLine)?;
    let (first, rest) = (&line[..space], &line[space + 1..]);
    if first.len() > 4 && first[..4].eq_ignore_ascii_case(b"SIP/") {
        return if first.eq_ignore_ascii_case(b"SIP/2.0") { status(rest) } else { Err(Malformed::Version) };
    }
    let space = find(rest, b' ').ok_or(Malformed::StartLine)?;
    let (uri, version) = (&rest[..space], &rest[space + 1..]);
    let method = Method::from_bytes(first);
    if uri.is_empty() || method == Method::Other && !method::is_token(first) {
        return Err(Malformed::StartLine);
    }
    if version == b"SIP/2.0" || version.eq_ignore_ascii_case(b"SIP/2.0") {
        Ok(Start::Request { method, uri })
    } else if version.len() > 4 && version[..4].eq_ignore_ascii_case(b"SIP/") && find(version, b' ').is_none() {
        Err(Malformed::Version)
    } else {
        Err(Malformed::StartLine)
    }
}

/// What stands behind the version in a status line.
fn status(rest: &[u8]) -> Result<Start<'static>, Malformed> {
    match rest {
        [a @ b'1'..=b'6', b @ b'0'..=b'9', c @ b'0'..=b'9']
        | [a @ b'1'..=b'6', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', ..] => {
            Ok(Start::Response { code: u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0') })
        }
        _ => Err(Malformed::StatusCode),
    }
}

/// Keeps a field that later stages need; the first of a kind wins.
#[inline(always)]
fn take<'a>(field: &Field<'a>, message: &mut Message<'a>, length: &mut Option<Option<usize>>) {
    let value = field.value;
    let keep = |kept: &mut &'a [u8]| {
        if kept.is_empty() {
            *kept = value;
        }
    };
    message.marks |= field.mark();
    match field.known() {
        None => {}
        Some(Known::Via) if message.via.is_empty() => (message.via, message.branch) = header::via(value),
        Some(Known::From) => keep(&mut message.from),
        Some(Known::To) => keep(&mut message.to),
        Some(Known::CallId) => keep(&mut message.call_id),
        Some(Known::CSeq) if message.cseq.is_none() => message.cseq = header::cseq(value),
        Some(Known::Contact) => keep(&mut message.contact),
        Some(Known::ContentLength) if length.is_none() => {
            *length = Some(header::number(value).map(|n| n as usize));
        }
        Some(Known::ContentType) => keep(&mut message.content_type),
        Some(Known::Expires) if message.expires.is_none() => message.expires = header::number(value),
        Some(Known::UserAgent) => keep(&mut message.user_agent),
        Some(Known::Credentials) => message.has_credentials = true,
        Some(Known::Via | Known::CSeq | Known::ContentLength | Known::Expires) => {}
    }
}

//! SDP (RFC 8866): where media is received, and what its payload types mean.

mod seen;

use std::net::IpAddr;

use smallvec::SmallVec;

use super::scan::{self, Places};
use super::{Endpoint, Ip, multipart};
use crate::quality::codec::CodecId;

pub use seen::Seen;

use seen::Section;

/// Media descriptions and payload types that are kept; the rest of a longer SDP is passed over.
const MAX_MEDIA: usize = 16;
const MAX_FORMATS: usize = 32;
/// The format parameter that is read.
const OCTET_ALIGN: &[u8] = b"octet-align=1";
/// ICE candidates that are kept of one media description.
const MAX_CANDIDATES: usize = 8;

/// What an `m=` line describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    Audio,
    Video,
    /// T.38 over UDPTL (RFC 7345, ITU-T T.38 annex D): `image ... udptl t38`.
    Fax,
    /// `application`, `message`, `text`, ...: no RTP stream is expected.
    Other,
}

/// What a payload type number means in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    pub payload_type: u8,
    pub codec: CodecId,
    /// RTP clock in Hz; zero where neither rtpmap nor RFC 3551 tells it.
    pub clock_rate: u32,
    /// `octet-align=1` (RFC 4867 section 8.1); otherwise AMR comes bandwidth-efficient.
    pub octet_aligned: bool,
    /// The profile is that of SRTP: the payload is not to be read.
    pub encrypted: bool,
}

/// The payload types of one section: mostly a few.
pub type Formats = SmallVec<[Format; 2]>;

impl Format {
    /// What RFC 3551 says of a payload type.
    pub fn of_static(payload_type: u8) -> Format {
        let (codec, clock_rate) = CodecId::from_static_payload(payload_type).unwrap_or((CodecId::UNKNOWN, 0));
        Format { payload_type, codec, clock_rate, octet_aligned: false, encrypted: false }
    }
}

/// One `m=` section: the sender of this SDP receives here.
#[derive(Clone, Debug, PartialEq)]
pub struct Media {
    pub media_type: MediaType,
    /// Whether the profile carries RTP (`RTP/AVP`, `UDP/TLS/RTP/SAVPF`, ...).
    pub rtp: bool,
    /// Zero: rejected.
    pub port: u16,
    /// `None` for a port of zero or an address that is no IP literal.
    pub receives_at: Option<Endpoint>,
    /// Where ICE (RFC 8839 section 5.1) says that it might receive instead.
    pub candidates: Vec<Endpoint>,
    /// What the direction attribute lets it do (RFC 8866 section 6.7); both without one.
    pub sends: bool,
    pub receives: bool,
    /// Whether the profile is that of SRTP, and whether there is anything to agree on its keys with.
    pub secure: bool,
    pub keyed: bool,
    /// Where RTCP is received, if a line says so (RFC 3605).
    pub rtcp: Option<Endpoint>,
    pub formats: Formats,
}

/// What the lines before the first `m=` say for all sections.
#[derive(Default)]
struct Session {
    address: Option<Ip>,
    direction: Option<(bool, bool)>,
    keyed: bool,
}

impl Session {
    /// Whether it says nothing but an address.
    fn is_silent(&self) -> bool {
        self.direction.is_none() && !self.keyed
    }
}

/// Reads the media sections of a session description; what it does not know it passes over.
pub fn parse(body: &[u8]) -> Vec<Media> {
    Seen::none().parse(body)
}

fn parse_lines<const END: u8>(body: &[u8], seen: &mut Seen) -> Vec<Media> {
    let mut session = Session::default();
    let mut sections: Vec<Media> = Vec::with_capacity(1);
    let (mut ends, mut from) = (Places::<END>::of(body), 0);
    // What a section without anything before it is like, as long as nothing speaks against it.
    let mut only = None;
    while from < body.len() {
        let end = ends.next().unwrap_or(body.len());
        let (line, rest) = (&body[from..end], &body[from..]);
        from = end + 1;
        let Some((kind, value)) = line.strip_suffix(b"\r").unwrap_or(line).split_first_chunk::<2>() else { continue };
        match kind {
            b"c=" => {
                let address = connection(value);
                match sections.last_mut() {
                    None => session.address = address,
                    Some(media) => {
                        readdress(media, address);
                        only = None;
                    }
                }
            }
            b"m=" if sections.len() == MAX_MEDIA => break,
            b"m=" => {
                only = Section::of(value, rest).filter(|_| sections.is_empty() && session.is_silent());
                if let Some(media) = only.as_ref().and_then(|section| seen.again(section, &session)) {
                    sections.push(media);
                    return sections;
                }
                sections.extend(media(value, &session));
            }
            b"a=" => match sections.last_mut() {
                Some(media) => attribute(media, value),
                None => {
                    session.direction = direction(value).or(session.direction);
                    session.keyed |= is_key(value);
                }
            },
            _ => {}
        }
    }
    if let (Some(section), [media]) = (only, &sections[..]) {
        seen.keep(&section, media);
    }
    sections
}

fn attribute(media: &mut Media, value: &[u8]) {
    // Most are others, and told by their first letter.
    match value.first() {
        Some(b'r') => {
            if let Some(map) = value.strip_prefix(b"rtpmap:") {
                rtpmap(media, map);
            } else if let Some(place) = value.strip_prefix(b"rtcp:") {
                media.rtcp = rtcp(place, media.receives_at);
            } else {
                redirect(media, value);
            }
        }
        Some(b'f') => match value.strip_prefix(b"fmtp:") {
            Some(parameters) => fmtp(media, parameters),
            None => media.keyed |= is_key(value),
        },
        Some(b'c' | b'k' | b'z') => match value.strip_prefix(b"candidate:") {
            Some(line) => {
                let room = media.candidates.len() < MAX_CANDIDATES;
                media.candidates.extend(candidate(line).filter(|_| room));
            }
            None => media.keyed |= is_key(value),
        },
        Some(b's' | b'i' | b'\t'..=b' ') => redirect(media, value),
        _ => {}
    }
}

fn redirect(media: &mut Media, value: &[u8]) {
    if let Some((sends, receives)) = direction(value) {
        (media.sends, media.receives) = (sends, receives);
    }
}

/// Whether the section sends and receives.
fn direction(attribute: &[u8]) -> Option<(bool, bool)> {
    match attribute.trim_ascii() {
        b"sendrecv" => Some((true, true)),
        b"sendonly" => Some((true, false)),
        b"recvonly" => Some((false, true)),
        b"inactive" => Some((false, false)),
        _ => None,
    }
}

/// SDES (RFC 4568), DTLS-SRTP (RFC 8122), MIKEY (RFC 4567), ZRTP (RFC 6189 section 8).
fn is_key(attribute: &[u8]) -> bool {
    [&b"crypto:"[..], b"fingerprint:", b"key-mgmt:", b"zrtp-hash:"].iter().any(|name| attribute.starts_with(name))
}

/// `1 1 UDP 2130706431 192.0.2.1 8998 typ host`, of component 1 (RTP) over UDP.
fn candidate(value: &[u8]) -> Option<Endpoint> {
    let mut words = words(value);
    let (component, transport) = (words.nth(1)?, words.next()?);
    if component != b"1" || !transport.eq_ignore_ascii_case(b"udp") {
        return None;
    }
    let (address, port) = (words.nth(1)?, words.next()?);
    let port = digits::<u16>(port).filter(|port| *port != 0)?;
    Some(Endpoint { ip: address_of(address)?, port })
}

/// The session description in a body: all of it, or the part of a multipart body (RFC 5621).
pub fn find<'a>(content_type: &[u8], body: &'a [u8]) -> Option<&'a [u8]> {
    match content_type {
        b"application/sdp" => return Some(body),
        b"" if body.is_empty() => return None,
        _ => {}
    }
    let mime = multipart::media_type(content_type);
    if mime.eq_ignore_ascii_case(b"application/sdp") || (mime.is_empty() && body.starts_with(b"v=0")) {
        return Some(body);
    }
    if !multipart::is_multipart(mime) {
        return None;
    }
    let at = memchr::memmem::find(body, b"application/sdp")?;
    let part = &body[at..];
    let start = memchr::memmem::find(part, b"v=0")?;
    let part = &part[start..];
    Some(&part[..memchr::memmem::find(part, b"\n--").unwrap_or(part.len())])
}

/// `IN IP4 192.0.2.1`, with a multicast TTL cut off.
fn connection(value: &[u8]) -> Option<Ip> {
    let address = match value.strip_prefix(b"IN IP4 ") {
        Some(rest) => skip_spaces(rest),
        None => words(value).nth(2)?,
    };
    let end = address.iter().position(|b| matches!(b, b' ' | b'/'));
    address_of(&address[..end.unwrap_or(address.len())])
}

fn readdress(media: &mut Media, address: Option<Ip>) {
    media.receives_at = endpoint(address, media.port);
}

fn endpoint(address: Option<Ip>, port: u16) -> Option<Endpoint> {
    Some(Endpoint { ip: address?, port }).filter(|at| at.port != 0)
}

/// `audio 49170/2 RTP/AVP 0 8 97`
fn media(value: &[u8], session: &Session) -> Option<Media> {
    let mut words = words(value);
    let kind = words.next()?;
    let port = digits::<u16>(words.next()?.split(|&b| b == b'/').next()?)?;
    let profile = words.next()?;
    let (rtp, secure) = match profile {
        b"RTP/AVP" => (true, false),
        _ => (contains(profile, b"RTP/"), contains(profile, b"RTP/SAVP")),
    };
    let media_type = match kind {
        b"audio" => MediaType::Audio,
        b"video" => MediaType::Video,
        b"image" if contains(&profile.to_ascii_lowercase(), b"udptl") => MediaType::Fax,
        _ => MediaType::Other,
    };
    let mut formats = Formats::new();
    for payload_type in words.filter_map(digits::<u8>).filter(|pt| *pt < 128) {
        if !rtp || formats.len() == MAX_FORMATS {
            break;
        }
        formats.push(Format { encrypted: secure, ..Format::of_static(payload_type) });
    }
    let (sends, receives) = session.direction.unwrap_or((true, true));
    Some(Media {
        media_type,
        rtp,
        port,
        receives_at: endpoint(session.address, port),
        rtcp: None,
        candidates: Vec::new(),
        sends,
        receives,
        secure,
        keyed: session.keyed,
        formats,
    })
}

/// `53020`, or `53020 IN IP4 192.0.2.1`; without an address it is the media's.
fn rtcp(value: &[u8], media: Option<Endpoint>) -> Option<Endpoint> {
    let value = value.trim_ascii();
    let (port, address) = value.split_at(value.iter().position(|&b| b == b' ').unwrap_or(value.len()));
    let port = digits::<u16>(port).filter(|port| *port != 0)?;
    let ip = if address.trim_ascii().is_empty() { media?.ip } else { connection(address)? };
    Some(Endpoint { ip, port })
}

fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = value;
    std::iter::from_fn(move || {
        rest = skip_spaces(rest);
        let (word, more) = rest.split_at(rest.iter().position(|b| *b == b' ').unwrap_or(rest.len()));
        rest = more;
        (!word.is_empty()).then_some(word)
    })
}

/// A number as it is written, in digits only.
fn digits<N: TryFrom<u32>>(word: &[u8]) -> Option<N> {
    let (number, rest) = scan::digits(word)?;
    N::try_from(number).ok().filter(|_| rest.is_empty())
}

fn address_of(word: &[u8]) -> Option<Ip> {
    match ipv4(word) {
        Some(octets) => Some(Ip::v4(octets)),
        None => std::str::from_utf8(word).ok()?.parse::<IpAddr>().ok().map(Ip::from),
    }
}

/// Four numbers without leading zeros, as std reads them.
fn ipv4(word: &[u8]) -> Option<[u8; 4]> {
    let (mut octets, mut at, mut number) = ([0; 4], 0, None);
    for &b in word {
        number = match (b, number) {
            (b'0'..=b'9', None) => Some(u32::from(b - b'0')),
            (b'0'..=b'9', Some(more @ 1..=25)) => Some(more * 10 + u32::from(b - b'0')),
            (b'.', Some(octet)) if at < 3 => {
                octets[at] = u8::try_from(octet).ok()?;
                at += 1;
                None
            }
            _ => return None,
        };
    }
    octets[3] = u8::try_from(number.filter(|_| at == 3)?).ok()?;
    Some(octets)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

/// `97 opus/48000/2`
fn rtpmap(media: &mut Media, value: &[u8]) {
    let Some((number, encoding)) = numbered(value) else { return };
    if media.formats.iter().all(|format| format.payload_type != number) {
        return;
    }
    let Some(end) = encoding.iter().position(|b| matches!(b, b' ' | b'/')) else { return };
    let (name, Some(rest)) = (&encoding[..end], encoding[end..].strip_prefix(b"/")) else { return };
    let Some((clock_rate, [] | [b' ' | b'/', ..])) = scan::digits(rest) else { return };
    for format in media.formats.iter_mut().filter(|format| format.payload_type == number) {
        // Mostly a static payload type is what it always is.
        if format.codec == CodecId::UNKNOWN || format.codec.codec().name.as_bytes() != name {
            format.codec = CodecId::from_encoding(name);
        }
        format.clock_rate = clock_rate;
    }
}

/// A payload type, and what the next word begins with: `97 opus/48000/2`.
fn numbered(value: &[u8]) -> Option<(u8, &[u8])> {
    let (number, rest) = scan::digits(skip_spaces(value))?;
    let rest = rest.strip_prefix(b" ")?;
    Some((u8::try_from(number).ok()?, skip_spaces(rest)))
}

fn skip_spaces(mut text: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] = text {
        text = rest;
    }
    text
}

/// `97 mode-set=0,2; octet-align=1`
fn fmtp(media: &mut Media, value: &[u8]) {
    let Some((number, parameters)) = scan::digits(value) else { return };
    let (Some(parameters), Ok(number)) = (parameters.strip_prefix(b" "), u8::try_from(number)) else { return };
    // The shortest one that says anything.
    if parameters.len() < OCTET_ALIGN.len() {
        return;
    }
    let aligned = parameters.split(|&b| b == b';').any(|one| one.trim_ascii().eq_ignore_ascii_case(OCTET_ALIGN));
    for format in media.formats.iter_mut().filter(|format| format.payload_type == number) {
        format.octet_aligned |= aligned;
    }
}

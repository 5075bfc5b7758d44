//! SDP (RFC 8866): where media is received, and what its payload types mean.

use std::net::IpAddr;

use super::{Endpoint, Ip};
use crate::quality::codec::CodecId;

/// Media descriptions and payload types that are kept; the rest of a longer SDP is passed over.
const MAX_MEDIA: usize = 16;
const MAX_FORMATS: usize = 32;

/// What an `m=` line describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    Audio,
    Video,
    /// `image` (T.38), `application`, `message`, `text`: no RTP stream is expected.
    Other,
}

/// What a payload type number means in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    pub payload_type: u8,
    pub codec: CodecId,
    /// RTP clock in Hz; zero where neither rtpmap nor RFC 3551 tells it.
    pub clock_rate: u32,
}

/// One `m=` section: the sender of this SDP receives here.
#[derive(Clone, Debug)]
pub struct Media {
    pub media_type: MediaType,
    /// Whether the profile carries RTP (`RTP/AVP`, `UDP/TLS/RTP/SAVPF`, ...).
    pub rtp: bool,
    /// `None` for a port of zero (rejected) or an address that is no IP literal.
    pub receives_at: Option<Endpoint>,
    pub formats: Vec<Format>,
}

/// Reads the media sections of a session description; what it does not know it passes over.
pub fn parse(body: &[u8]) -> Vec<Media> {
    let mut session_address = None;
    let mut sections: Vec<Media> = Vec::new();
    for line in body.split(|&b| b == b'\n' || b == b'\r') {
        let Some((kind, value)) = line.split_first_chunk::<2>() else { continue };
        match kind {
            b"c=" => {
                let address = connection(value);
                match sections.last_mut() {
                    None => session_address = address,
                    Some(media) => readdress(media, address),
                }
            }
            b"m=" if sections.len() == MAX_MEDIA => break,
            b"m=" => sections.extend(media(value, session_address)),
            b"a=" => {
                if let (Some(media), Some(map)) = (sections.last_mut(), value.strip_prefix(b"rtpmap:")) {
                    rtpmap(media, map);
                }
            }
            _ => {}
        }
    }
    sections
}

/// The session description in a body: all of it, or the part of a multipart body (RFC 5621).
pub fn find<'a>(content_type: &[u8], body: &'a [u8]) -> Option<&'a [u8]> {
    let mime = content_type.split(|&b| b == b';').next().unwrap_or(&[]).trim_ascii();
    if mime.eq_ignore_ascii_case(b"application/sdp") || (mime.is_empty() && body.starts_with(b"v=0")) {
        return Some(body);
    }
    if mime.len() < 10 || !mime[..10].eq_ignore_ascii_case(b"multipart/") {
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
    let address = value.split(|&b| b == b' ').filter(|piece| !piece.is_empty()).nth(2)?;
    let address = address.split(|&b| b == b'/').next()?;
    std::str::from_utf8(address).ok()?.parse::<IpAddr>().ok().map(Ip::from)
}

fn readdress(media: &mut Media, address: Option<Ip>) {
    let port = media.receives_at.map(|at| at.port);
    media.receives_at = match (address, port) {
        (Some(ip), Some(port)) => Some(Endpoint { ip, port }),
        _ => None,
    };
}

/// `audio 49170/2 RTP/AVP 0 8 97`
fn media(value: &[u8], address: Option<Ip>) -> Option<Media> {
    let mut words = value.split(|&b| b == b' ').filter(|word| !word.is_empty());
    let media_type = match words.next()? {
        b"audio" => MediaType::Audio,
        b"video" => MediaType::Video,
        _ => MediaType::Other,
    };
    let port = std::str::from_utf8(words.next()?.split(|&b| b == b'/').next()?).ok()?.parse::<u16>().ok()?;
    let rtp = memchr::memmem::find(words.next()?, b"RTP/").is_some();
    // The address may still come in this section's own c= line.
    let ip = address.unwrap_or(Ip::v4([0; 4]));
    let formats = words
        .filter_map(|word| std::str::from_utf8(word).ok()?.parse::<u8>().ok())
        .filter(|pt| *pt < 128)
        .take(if rtp { MAX_FORMATS } else { 0 })
        .map(static_format)
        .collect();
    Some(Media { media_type, rtp, receives_at: (port != 0).then_some(Endpoint { ip, port }), formats })
}

fn static_format(payload_type: u8) -> Format {
    let (codec, clock_rate) = CodecId::from_static_payload(payload_type).unwrap_or((CodecId::UNKNOWN, 0));
    Format { payload_type, codec, clock_rate }
}

/// `97 opus/48000/2`
fn rtpmap(media: &mut Media, value: &[u8]) {
    let mut words = value.split(|&b| b == b' ').filter(|word| !word.is_empty());
    let number = words.next().and_then(|word| std::str::from_utf8(word).ok()?.parse::<u8>().ok());
    let (Some(number), Some(encoding)) = (number, words.next()) else { return };
    let mut pieces = encoding.split(|&b| b == b'/');
    let (Some(name), Some(clock)) = (pieces.next(), pieces.next()) else { return };
    let Some(clock_rate) = std::str::from_utf8(clock).ok().and_then(|c| c.parse::<u32>().ok()) else { return };
    for format in media.formats.iter_mut().filter(|format| format.payload_type == number) {
        *format = Format { payload_type: number, codec: CodecId::from_encoding(name), clock_rate };
    }
}

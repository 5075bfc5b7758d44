//! SIP messages and SDP bodies as text, in the ways in which they are written on real wires.

use std::net::SocketAddr;

use super::codec::Codec;
use super::rng::Rng;
use super::stream::EVENT_PAYLOAD_TYPE;

/// How one message is written; all of it is legal or common.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// RFC 3261 section 7.3.3.
    pub compact: bool,
    /// Continuation lines and space before the colon (RFC 3261 section 7.3.1).
    pub folded: bool,
    pub bare_lf: bool,
    pub lower_case: bool,
    /// Over UDP the datagram bounds the body (RFC 3261 section 18.3).
    pub no_length: bool,
}

impl Style {
    pub fn draw(rng: &mut Rng, per_mille: u32) -> Style {
        Style {
            compact: rng.chance(per_mille),
            folded: rng.chance(per_mille),
            bare_lf: rng.chance(per_mille),
            lower_case: rng.chance(per_mille),
            no_length: rng.chance(per_mille),
        }
    }
}

/// The first word of a start line, or the status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Request(&'static str),
    Response(u16),
}

pub struct Message {
    pub kind: Kind,
    pub start_line: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<String>,
}

impl Message {
    pub fn render(&self, style: Style) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start_line);
        for (name, value) in &self.headers {
            text.push_str(&header(name, value, style));
        }
        let body = self.body.as_deref().unwrap_or("");
        let body = if style.bare_lf { body.replace("\r\n", "\n") } else { body.to_string() };
        if !body.is_empty() {
            text.push_str(&header("Content-Type", "application/sdp", style));
        }
        if !style.no_length {
            text.push_str(&header("Content-Length", &body.len().to_string(), style));
        }
        text.push_str("\r\n");
        if style.bare_lf {
            text = text.replace("\r\n", "\n");
        }
        text.push_str(&body);
        text.into_bytes()
    }
}

fn header(name: &str, value: &str, style: Style) -> String {
    let short = if style.compact { compact(name) } else { name };
    let written = if style.lower_case { short.to_ascii_lowercase() } else { short.to_string() };
    if !style.folded {
        return format!("{written}: {value}\r\n");
    }
    match name {
        "From" | "To" => format!("{written}:\r\n\t{}\r\n", value.replace(">;tag", ">\r\n ;tag")),
        "Via" => format!("{written} : {}\r\n", value.replace(";branch", "\r\n    ;branch")),
        "CSeq" => format!("{written}: {}\r\n", value.replace(' ', "\r\n  ")),
        _ => format!("{written} :\r\n {value}\r\n"),
    }
}

/// The compact forms of RFC 3261 section 20.
fn compact(name: &str) -> &str {
    match name {
        "Via" => "v",
        "From" => "f",
        "To" => "t",
        "Call-ID" => "i",
        "Contact" => "m",
        "Content-Type" => "c",
        "Content-Length" => "l",
        "Supported" => "k",
        other => other,
    }
}

/// What one side offers or answers.
pub struct Sdp<'a> {
    pub address: SocketAddr,
    pub session: u64,
    pub codecs: &'a [&'static Codec],
    pub ptime_ms: u32,
    pub rtcp_mux: bool,
    /// The connection line stands in the media section, not in the session's.
    pub media_level: bool,
    /// Static payload types need no rtpmap (RFC 3551 section 6).
    pub terse: bool,
}

impl Sdp<'_> {
    pub fn text(&self) -> String {
        let ip = self.address.ip();
        let family = if ip.is_ipv6() { "IP6" } else { "IP4" };
        let connection = format!("c=IN {family} {ip}\r\n");
        let formats: String = self.codecs.iter().map(|codec| format!("{} ", codec.payload_type)).collect();
        let mut text = format!("v=0\r\no=- {0} {0} IN {family} {ip}\r\ns=-\r\n", self.session);
        if !self.media_level {
            text.push_str(&connection);
        }
        let port = self.address.port();
        text.push_str(&format!("t=0 0\r\nm=audio {port} RTP/AVP {formats}{EVENT_PAYLOAD_TYPE}\r\n"));
        if self.media_level {
            text.push_str(&connection);
        }
        for codec in self.codecs.iter().filter(|codec| !self.terse || !codec.is_static()) {
            text.push_str(&format!("a=rtpmap:{} {}\r\n", codec.payload_type, codec.rtpmap));
        }
        let clock = self.codecs[0].clock_rate_hz;
        text.push_str(&format!(
            "a=rtpmap:{0} telephone-event/{clock}\r\na=fmtp:{0} 0-15\r\na=ptime:{1}\r\na=sendrecv\r\n",
            EVENT_PAYLOAD_TYPE, self.ptime_ms
        ));
        if self.rtcp_mux {
            text.push_str("a=rtcp-mux\r\n");
        }
        text
    }
}

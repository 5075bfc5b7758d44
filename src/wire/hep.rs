//! HEP, in which SIP servers and probes mirror what they see: versions 1 and 2 have a fixed header, version 3 has chunks (HEP3
//! network protocol specification, revision 37). What a sender means beyond it was read off Kamailio's siptrace, OpenSIPS'
//! siptrace, Sofia-SIP (FreeSWITCH), Asterisk's res_hep, rtpengine, captagent, heplify and sngrep.

mod classic;
mod content;
mod inflate;
mod refused;
mod rtcp_json;

use std::borrow::Cow;

use crate::time::Timestamp;

use super::{Endpoint, Ip, be16};

pub use content::{Content, transport};
pub use inflate::MAX_PAYLOAD;
pub use refused::Refused;

const MAGIC: &[u8; 4] = b"HEP3";
/// Magic and total length.
const HEADER: usize = 6;
/// Vendor, type and length of a chunk.
const CHUNK_HEADER: usize = 6;
/// What the specification defines itself; chunks of vendors are passed over.
const GENERIC: u16 = 0;
/// Version 3's longest packet: its length has 16 bits. No datagram is longer either.
pub const MAX_LENGTH: usize = 65_535;

/// The values of the `version` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Version {
    V1 = 0,
    V2,
    V3,
}

impl Version {
    pub const ALL: [Version; 3] = [Version::V1, Version::V2, Version::V3];

    pub const fn name(self) -> &'static str {
        match self {
            Version::V1 => "1",
            Version::V2 => "2",
            Version::V3 => "3",
        }
    }
}

/// A HEP packet, borrowed. What a chunk tells is `None` where the packet has no such chunk; of several the first counts.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    pub version: Version,
    /// Length that version 3 says the packet has; else that of its bytes.
    pub length: usize,
    /// 17 is UDP, 6 TCP, 132 SCTP; 22 and 50 stand for TLS and WebSocket ([`transport`]).
    pub ip_protocol: Option<u8>,
    pub source_ip: Option<Ip>,
    pub destination_ip: Option<Ip>,
    pub source_port: Option<u16>,
    pub destination_port: Option<u16>,
    /// When the mirror saw what it sends.
    pub time: Option<Timestamp>,
    /// 1 is SIP, 5 RTCP, 100 a log line; `None` in versions 1 and 2.
    pub protocol_type: Option<u8>,
    pub capture_id: Option<u32>,
    pub auth_key: Option<&'a [u8]>,
    pub correlation_id: Option<&'a [u8]>,
    payload: Payload<'a>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Payload<'a> {
    bytes: Option<&'a [u8]>,
    compressed: bool,
    /// Its length as the packet says; more than `bytes` where the packet was cut.
    length: usize,
}

/// What a HEP packet mirrors, unpacked: text as it was, RTCP as bytes, also where it came as JSON.
#[derive(Clone, Debug)]
pub struct Mirrored<'a> {
    pub version: Version,
    pub content: Content,
    pub time: Option<Timestamp>,
    /// Absent where the mirror names none; only SIP, RTCP and voice reports need them.
    pub ends: Option<(Endpoint, Endpoint)>,
    pub ip_protocol: Option<u8>,
    pub payload: Cow<'a, [u8]>,
    /// Length of the payload as it was; more than `payload` where the packet was cut.
    pub length: usize,
    /// Bytes of the HEP packet.
    pub packet_length: usize,
}

impl<'a> Packet<'a> {
    /// Reads a packet from a datagram, or from a stream where [`stream_length`] says that it is whole.
    pub fn parse(bytes: &'a [u8]) -> Result<Packet<'a>, Refused> {
        match bytes.first() {
            _ if bytes.starts_with(MAGIC) => chunked(bytes),
            Some(1) => classic::parse(Version::V1, bytes),
            Some(2) => classic::parse(Version::V2, bytes),
            _ => Err(Refused::Version),
        }
    }

    fn empty(version: Version, length: usize) -> Packet<'a> {
        Packet {
            version,
            length,
            ip_protocol: None,
            source_ip: None,
            destination_ip: None,
            source_port: None,
            destination_port: None,
            time: None,
            protocol_type: None,
            capture_id: None,
            auth_key: None,
            correlation_id: None,
            payload: Payload::default(),
        }
    }

    /// The payload, decompressed where it came so.
    pub fn payload(&self) -> Result<Cow<'a, [u8]>, Refused> {
        let bytes = self.payload.bytes.ok_or(Refused::Payload)?;
        if self.payload.compressed { inflate::inflate(bytes).map(Cow::Owned) } else { Ok(Cow::Borrowed(bytes)) }
    }

    /// From where to where the mirrored message went; a port that is not told is 0.
    pub fn ends(&self) -> Option<(Endpoint, Endpoint)> {
        let end = |ip: Option<Ip>, port: Option<u16>| Some(Endpoint { ip: ip?, port: port.unwrap_or(0) });
        Some((end(self.source_ip, self.source_port)?, end(self.destination_ip, self.destination_port)?))
    }

    /// Unpacks it, and says what it mirrors.
    pub fn open(&self) -> Result<Mirrored<'a>, Refused> {
        let unpacked = self.payload()?;
        let content = Content::of(self.protocol_type, &unpacked);
        let ends = self.ends();
        if ends.is_none() && content.has_ends() {
            return Err(Refused::Address);
        }
        let payload = match content {
            Content::RtcpJson => Cow::Owned(rtcp_json::to_rtcp(&unpacked).ok_or(Refused::Json)?),
            _ => unpacked,
        };
        let length = match payload {
            Cow::Borrowed(_) => self.payload.length,
            Cow::Owned(ref own) => own.len(),
        };
        Ok(Mirrored {
            version: self.version,
            content,
            time: self.time,
            ends,
            ip_protocol: self.ip_protocol,
            payload,
            length,
            packet_length: self.length,
        })
    }
}

impl Mirrored<'_> {
    /// The same, on its own.
    pub fn into_owned(self) -> Mirrored<'static> {
        Mirrored { payload: Cow::Owned(self.payload.into_owned()), ..self }
    }
}

/// Whether a datagram is HEP of version 3; versions 1 and 2 have nothing that tells them from others.
pub fn is_version_3(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER && bytes.starts_with(MAGIC)
}

/// The length of the packet that a stream goes on with; `None` until its header is there. Versions 1 and 2 say no length, so
/// that no stream can carry them.
pub fn stream_length(stream: &[u8]) -> Result<Option<usize>, Refused> {
    let begun = stream.len().min(MAGIC.len());
    if stream[..begun] != MAGIC[..begun] {
        return Err(Refused::Version);
    }
    match be16(stream, MAGIC.len()).map(usize::from) {
        None => Ok(None),
        Some(length) if length < HEADER => Err(Refused::TotalLength),
        Some(length) => Ok(Some(length)),
    }
}

/// ```text
/// |     H     |     E     |     P     |     3     |     total length      |   chunks ...
/// |        vendor         |         type          |        length         |   of the chunk, these six bytes included
/// ```
fn chunked(bytes: &[u8]) -> Result<Packet<'_>, Refused> {
    let length = be16(bytes, MAGIC.len()).map(usize::from).ok_or(Refused::Truncated)?;
    if length < HEADER {
        return Err(Refused::TotalLength);
    }
    let mut packet = Packet::empty(Version::V3, length);
    let (mut seconds, mut micros) = (None, None);
    let there = &bytes[..length.min(bytes.len())];
    let mut at = HEADER;
    while at < there.len() {
        let head = |offset: usize| be16(there, at + offset).ok_or(Refused::Truncated);
        let (vendor, kind, size) = (head(0)?, head(2)?, usize::from(head(4)?));
        if size < CHUNK_HEADER || at + size > length {
            return Err(Refused::ChunkLength);
        }
        let end = (at + size).min(there.len());
        let value = &there[at + CHUNK_HEADER..end];
        let is_whole = end == at + size;
        at = end;
        match kind {
            _ if vendor != GENERIC => {}
            15 | 16 if packet.payload.bytes.is_none() => {
                packet.payload = Payload { bytes: Some(value), compressed: kind == 16, length: size - CHUNK_HEADER };
            }
            // What the packet was cut in is not there; only of a payload the beginning is worth something.
            _ if !is_whole => {}
            9 => first(&mut seconds, number(value)?),
            10 => first(&mut micros, number(value)?),
            _ => packet.take(kind, value)?,
        }
    }
    packet.time = time(seconds.unwrap_or(0), micros.unwrap_or(0));
    Ok(packet)
}

impl<'a> Packet<'a> {
    /// A chunk of the specification (table of generic chunk types); 13 is a keep-alive timer, 18 a VLAN, 19 and more name the
    /// mirror: nothing here needs them.
    fn take(&mut self, kind: u16, value: &'a [u8]) -> Result<(), Refused> {
        match kind {
            2 => first(&mut self.ip_protocol, narrow(number(value)?)?),
            3 | 5 => first(&mut self.source_ip, address(value)?),
            4 | 6 => first(&mut self.destination_ip, address(value)?),
            7 => first(&mut self.source_port, narrow(number(value)?)?),
            8 => first(&mut self.destination_port, narrow(number(value)?)?),
            11 => first(&mut self.protocol_type, narrow(number(value)?)?),
            12 => first(&mut self.capture_id, number(value)?),
            14 => first(&mut self.auth_key, value),
            17 => first(&mut self.correlation_id, value),
            _ => {}
        }
        Ok(())
    }
}

fn first<T>(kept: &mut Option<T>, value: T) {
    if kept.is_none() {
        *kept = Some(value);
    }
}

/// A number of one, two or four bytes.
fn number(value: &[u8]) -> Result<u32, Refused> {
    match *value {
        [a] => Ok(u32::from(a)),
        [a, b] => Ok(u32::from(u16::from_be_bytes([a, b]))),
        [a, b, c, d] => Ok(u32::from_be_bytes([a, b, c, d])),
        _ => Err(Refused::ChunkValue),
    }
}

fn narrow<T: TryFrom<u32>>(value: u32) -> Result<T, Refused> {
    T::try_from(value).map_err(|_| Refused::ChunkValue)
}

/// The size tells the family: some send IPv4 as IPv4-mapped IPv6, in the chunks of IPv4 (SIP3's salto has such a packet).
fn address(value: &[u8]) -> Result<Ip, Refused> {
    let v4 = || value.try_into().ok().map(Ip::v4);
    let v6 = || value.try_into().ok().map(Ip::v6);
    v4().or_else(v6).ok_or(Refused::ChunkValue)
}

/// Unix seconds and microseconds; 0 and what is no time are none.
fn time(seconds: u32, micros: u32) -> Option<Timestamp> {
    let is_time = seconds != 0 && micros < 1_000_000;
    is_time.then(|| Timestamp::from_nanos(i64::from(seconds) * 1_000_000_000 + i64::from(micros) * 1_000))
}

#[cfg(test)]
mod tests;

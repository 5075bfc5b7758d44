//! SCTP packets (RFC 9260 section 3): the common header; chunks follow it.

use super::{Endpoint, Ip, Point, Undecoded};

const HEADER: usize = 12;

/// One SCTP packet, borrowed from its frame.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    pub source: Endpoint,
    pub destination: Endpoint,
    pub verification_tag: u32,
    /// What was captured of the chunks.
    pub chunks: &'a [u8],
    /// Where it was seen.
    pub point: Point,
}

impl<'a> Packet<'a> {
    ///  0                   1                   2                   3
    /// |          Source Port          |       Destination Port        |
    /// |                      Verification Tag                         |
    /// |                           Checksum                            |
    pub(super) fn parse(
        bytes: &'a [u8],
        (source, destination): (Ip, Ip),
        point: Point,
    ) -> Result<Packet<'a>, Undecoded> {
        let Some(header) = bytes.first_chunk::<HEADER>() else { return Err(Undecoded::Truncated) };
        let port = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        if port(0) == 0 || port(2) == 0 {
            return Err(Undecoded::SctpHeader);
        }
        Ok(Packet {
            source: Endpoint { ip: source, port: port(0) },
            destination: Endpoint { ip: destination, port: port(2) },
            verification_tag: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            chunks: &bytes[HEADER..],
            point,
        })
    }
}

//! TCP segments (RFC 9293 section 3.1).

use super::{Endpoint, Ip, Point, Undecoded};

const HEADER: usize = 20;

/// One TCP segment, borrowed from its frame.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    pub source: Endpoint,
    pub destination: Endpoint,
    /// Sequence number of the first byte of the payload; of SYN itself where that flag is set.
    pub sequence: u32,
    pub acknowledgment: u32,
    flags: u8,
    /// What was captured of the payload.
    pub payload: &'a [u8],
    /// Payload length on the wire; more than `payload.len()` where the capture cut the frame.
    pub length: usize,
    /// Where it was seen.
    pub point: Point,
}

impl<'a> Segment<'a> {
    ///  0                   1                   2                   3
    /// |          Source Port          |       Destination Port        |
    /// |                        Sequence Number                        |
    /// |                    Acknowledgment Number                      |
    /// | Offset| Rsrvd |C|E|U|A|P|R|S|F|            Window             |
    /// |           Checksum            |         Urgent Pointer        |
    pub(super) fn parse(
        bytes: &'a [u8],
        on_wire: usize,
        (source, destination): (Ip, Ip),
        point: Point,
    ) -> Result<Segment<'a>, Undecoded> {
        let Some(header) = bytes.first_chunk::<HEADER>() else { return Err(Undecoded::Truncated) };
        let offset = usize::from(header[12] >> 4) * 4;
        if offset < HEADER || offset > on_wire {
            return Err(Undecoded::TcpHeader);
        }
        Ok(Segment {
            source: Endpoint { ip: source, port: u16::from_be_bytes([header[0], header[1]]) },
            destination: Endpoint { ip: destination, port: u16::from_be_bytes([header[2], header[3]]) },
            sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            acknowledgment: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
            flags: header[13],
            payload: bytes.get(offset..bytes.len().min(on_wire)).unwrap_or(&[]),
            length: on_wire - offset,
            point,
        })
    }

    pub const fn is_syn(&self) -> bool {
        self.flags & 0x02 != 0
    }

    /// Whether [`Self::acknowledgment`] says something.
    pub const fn is_ack(&self) -> bool {
        self.flags & 0x10 != 0
    }

    pub const fn is_fin(&self) -> bool {
        self.flags & 0x01 != 0
    }

    pub const fn is_reset(&self) -> bool {
        self.flags & 0x04 != 0
    }
}

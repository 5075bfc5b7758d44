//! RTP header (RFC 3550 section 5.1), read by `rtp-rs`, and what shares its ports (RFC 7983).

use rtp_rs::{RtpReader, RtpReaderError};

/// What the first two bytes of a datagram on a media port say it is (RFC 7983 section 7, RFC 5761 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Rtp,
    Rtcp,
    /// STUN, TURN channels, DTLS, ZRTP, or nothing that we know.
    Other,
}

/// Sorts a datagram by its first two bytes.
#[inline(always)]
pub fn kind(payload: &[u8]) -> Kind {
    match payload {
        [128..=191, kind, ..] if is_rtcp_type(*kind) => Kind::Rtcp,
        [128..=191, _, ..] => Kind::Rtp,
        _ => Kind::Other,
    }
}

/// RFC 5761 section 4: packet types 192 to 223 are RTCP's.
#[inline(always)]
pub(super) const fn is_rtcp_type(kind: u8) -> bool {
    matches!(kind, 192..=223)
}

/// The fields of an RTP packet that streams are measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    pub ssrc: u32,
    pub timestamp: u32,
    pub sequence: u16,
    pub payload_type: u8,
    pub marker: bool,
    /// Payload bytes on the wire, without header, CSRCs, extension and padding.
    pub payload_length: u32,
    /// The first eight bytes of the payload, the first one highest; zeros where it is shorter.
    pub head: u64,
}

impl Packet {
    /// Reads a packet of `length` bytes of which `bytes` were captured; `None` where the header does not hold together.
    #[inline(always)]
    pub fn parse(bytes: &[u8], length: usize) -> Option<Packet> {
        if bytes.len() < length {
            return Packet::parse_cut(bytes, length);
        }
        let reader = match RtpReader::new(bytes) {
            Ok(reader) => reader,
            // SRTP encrypts the padding and its length with the payload (RFC 3711 section 3.1).
            Err(RtpReaderError::PaddingLengthInvalid(_)) => return Packet::parse_cut(bytes, length),
            Err(_) => return None,
        };
        let payload = reader.payload();
        Some(Packet {
            ssrc: reader.ssrc(),
            timestamp: reader.timestamp(),
            sequence: reader.sequence_number().into(),
            payload_type: reader.payload_type(),
            marker: reader.mark(),
            payload_length: payload.len() as u32,
            head: head(payload),
        })
    }

    /// Where padding cannot be checked (cut by the capture, encrypted): it counts as payload.
    fn parse_cut(bytes: &[u8], length: usize) -> Option<Packet> {
        let header = bytes.first_chunk::<12>()?;
        if header[0] >> 6 != 2 {
            return None;
        }
        let mut header_length = 12 + 4 * usize::from(header[0] & 0x0f);
        if header[0] & 0x10 != 0
            && let Some(words) = bytes.get(header_length + 2..header_length + 4)
        {
            // RFC 3550 section 5.3.1: it counts the 32-bit words behind the first.
            header_length += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
        }
        Some(Packet {
            ssrc: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
            timestamp: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            sequence: u16::from_be_bytes([header[2], header[3]]),
            payload_type: header[1] & 0x7f,
            marker: header[1] & 0x80 != 0,
            payload_length: length.checked_sub(header_length)? as u32,
            head: bytes.get(header_length..).map_or(0, head),
        })
    }

    /// The first bytes of the payload, as many as there are, at most eight.
    pub fn head_bytes(&self) -> ([u8; 8], usize) {
        (self.head.to_be_bytes(), self.payload_length.min(8) as usize)
    }
}

#[inline(always)]
fn head(payload: &[u8]) -> u64 {
    match payload.first_chunk::<8>() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => payload.iter().enumerate().map(|(n, byte)| u64::from(*byte) << (56 - 8 * n)).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_capture_cuts_off_changes_nothing() {
        for (flags, csrcs, extension) in
            [(0x80, 0, None), (0x83, 3, None), (0x90, 0, Some(2)), (0x9f, 15, Some(3)), (0x90, 0, Some(0))]
        {
            let mut bytes = vec![flags, 0x88, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
            bytes.extend(vec![0xcc; 4 * csrcs]);
            if let Some(words) = extension {
                bytes.extend([0xbe, 0xde, 0, words]);
                bytes.extend(vec![0xee; 4 * usize::from(words)]);
            }
            let head = bytes.len();
            bytes.extend(1..=160);
            let whole = Packet::parse(&bytes, bytes.len());
            assert!(whole.is_some_and(|packet| packet.payload_length == 160 && packet.head >> 56 == 1), "{flags:x}");
            for cut in head + 8..bytes.len() {
                assert_eq!(Packet::parse(&bytes[..cut], bytes.len()), whole, "{flags:x} cut at {cut}");
            }
            // Less than the header says less, and is taken nonetheless.
            assert!(Packet::parse(&bytes[..12], bytes.len()).is_some());
        }
    }
}

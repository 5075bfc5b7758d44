//! What else uses the ports of RTP (RFC 7983 section 7): told by the first byte, and by what each protocol is sure to have.

/// A protocol that is not RTP or RTCP; the values of the `protocol` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Protocol {
    Stun = 0,
    Turn,
    Dtls,
    Zrtp,
    T38,
}

impl Protocol {
    pub const ALL: [Protocol; 5] = [Protocol::Stun, Protocol::Turn, Protocol::Dtls, Protocol::Zrtp, Protocol::T38];

    pub const fn name(self) -> &'static str {
        match self {
            Protocol::Stun => "stun",
            Protocol::Turn => "turn",
            Protocol::Dtls => "dtls",
            Protocol::Zrtp => "zrtp",
            Protocol::T38 => "t38",
        }
    }
}

/// RFC 8489 section 5.
const STUN_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// RFC 6189 section 5.
const ZRTP_COOKIE: &[u8] = b"ZRTP";

/// The protocol of a datagram of `length` bytes, of which `payload` was captured. T.38 has no mark of its own: only SDP tells.
pub fn protocol(payload: &[u8], length: usize) -> Option<Protocol> {
    let cookie = payload.get(4..8)?;
    match payload[0] {
        0..=3 if cookie == STUN_COOKIE => Some(Protocol::Stun),
        // RFC 6189 section 5: 0001, then 12 bits that are not used.
        16..=19 if cookie == ZRTP_COOKIE => Some(Protocol::Zrtp),
        // RFC 6347 section 4.1: content type, version 254.255 to 254.253; RFC 9147 section 4: a unified header is not seen before keys.
        20..=63 if payload[1] == 254 && payload[2] >= 252 => Some(Protocol::Dtls),
        // RFC 8656 section 12.4: channel number, length of the data; over UDP padding to four bytes is optional.
        64..=79 => {
            let data = usize::from(u16::from_be_bytes([payload[2], payload[3]]));
            (4 + data <= length && length < 4 + data + 4).then_some(Protocol::Turn)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_by_its_mark() {
        let stun = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        assert_eq!(protocol(&stun, 20), Some(Protocol::Stun));
        assert_eq!(protocol(&[0, 1, 0, 0, 0, 0, 0, 0], 8), None);
        assert_eq!(protocol(b"\x10\0\0\x01ZRTP\0\0\0\0", 12), Some(Protocol::Zrtp));
        assert_eq!(protocol(&[22, 254, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 13), Some(Protocol::Dtls));
        assert_eq!(protocol(&[22, 3, 1, 0, 0, 0, 0, 0], 8), None, "TLS is not DTLS");
        assert_eq!(protocol(&[0x40, 1, 0, 4, 1, 2, 3, 4], 8), Some(Protocol::Turn));
        assert_eq!(protocol(b"ACK sip:a@example.net SIP/2.0\r\n", 31), None);
        assert_eq!(protocol(&[0x40], 1), None);
    }
}

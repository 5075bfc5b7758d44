//! WebSocket frames (RFC 6455 section 5.2), and the HTTP exchange before them (section 4).

use memchr::memmem;

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The last frame of its message.
    pub is_final: bool,
    /// RSV1: the message is compressed (RFC 7692 section 6).
    pub is_compressed: bool,
    pub opcode: Opcode,
    mask: Option<[u8; 4]>,
    /// Bytes of the header, and of the payload behind it.
    pub header: usize,
    pub length: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    Continuation,
    /// Text or binary: RFC 7118 section 5 allows both.
    Data,
    /// Close, ping, pong.
    Control,
}

/// What stands where a frame should begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    Incomplete,
    Frame(Frame),
    /// No frame, or one of a payload longer than `usize`.
    Broken,
}

///  0                   1                   2                   3
/// |F|R|R|R| opcode|M| Payload len |    Extended payload length    |
/// |     Extended payload length continued, 64 bits in all         |
/// |                Masking-key, if the mask bit is set            |
pub fn header(bytes: &[u8]) -> Header {
    let [first, second, ..] = *bytes else { return Header::Incomplete };
    let opcode = match first & 0x0f {
        0 => Opcode::Continuation,
        1 | 2 => Opcode::Data,
        8..=10 => Opcode::Control,
        _ => return Header::Broken,
    };
    let (is_final, is_compressed) = (first & 0x80 != 0, first & 0x40 != 0);
    let short = usize::from(second & 0x7f);
    // Control frames are short, whole, and never compressed (RFC 6455 section 5.5, RFC 7692 section 6.1).
    if first & 0x30 != 0 || (opcode == Opcode::Control && (!is_final || is_compressed || short > 125)) {
        return Header::Broken;
    }
    let extended = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let masked = if second & 0x80 != 0 { 4 } else { 0 };
    let Some(rest) = bytes.get(2..2 + extended + masked) else { return Header::Incomplete };
    let (number, key) = rest.split_at(extended);
    let length = match number.iter().fold(0u64, |length, byte| length << 8 | u64::from(*byte)) {
        _ if extended == 0 => Some(short),
        length => usize::try_from(length).ok(),
    };
    let Some(length) = length else { return Header::Broken };
    let mask = key.first_chunk::<4>().copied();
    Header::Frame(Frame { is_final, is_compressed, opcode, mask, header: 2 + extended + masked, length })
}

impl Frame {
    pub const fn is_masked(&self) -> bool {
        self.mask.is_some()
    }

    /// Appends a payload, or its beginning, as it was before it was masked (RFC 6455 section 5.3).
    pub fn unmask_into(&self, payload: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(payload);
        if let Some(key) = self.mask {
            for four in out[start..].chunks_mut(4) {
                four.iter_mut().zip(key).for_each(|(byte, mask)| *byte ^= mask);
            }
        }
    }
}

/// What an HTTP head has to do with WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The sub-protocol is `sip` (RFC 7118 section 4), or `sip` is among those asked for.
    pub is_sip: bool,
}

/// Whether bytes begin as a request for, or the consent to, an HTTP upgrade does.
#[inline]
pub fn begins_upgrade(bytes: &[u8]) -> bool {
    bytes.starts_with(b"GET ") || bytes.starts_with(b"HTTP/1.1 101")
}

/// Reads the head of a request or response, its empty line included; `None` where it upgrades to nothing or something else.
pub fn upgrade(head: &[u8]) -> Option<Upgrade> {
    if !begins_upgrade(head) {
        return None;
    }
    let mut found = None;
    let mut is_sip = false;
    for line in head.split(|&byte| byte == b'\n') {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.eq_ignore_ascii_case(b"upgrade") {
            found = found.or(holds(value, b"websocket").then_some(()));
        } else if name.eq_ignore_ascii_case(b"sec-websocket-protocol") {
            is_sip |= holds(value, b"sip");
        }
    }
    found.map(|()| Upgrade { is_sip })
}

/// Whether a list has an item, in any case.
fn holds(list: &[u8], item: &[u8]) -> bool {
    list.split(|&byte| byte == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(item))
}

/// Whether the first segment of an HTTP head may be an upgrade to WebSocket: the cheap test before [`upgrade`].
pub fn may_upgrade(bytes: &[u8]) -> bool {
    // The header's value is `websocket` in any case, but no client and no server writes its last letters in capitals.
    begins_upgrade(bytes) && memmem::find(bytes, b"ebsocket").or_else(|| memmem::find(bytes, b"ebSocket")).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: &[u8]) -> Frame {
        match header(bytes) {
            Header::Frame(frame) => frame,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lengths_of_7_16_and_64_bits() {
        let plain = frame(&[0x81, 5]);
        assert_eq!((plain.header, plain.length, plain.is_final, plain.is_masked()), (2, 5, true, false));
        let masked = frame(&[0x02, 0xfe, 1, 0, 1, 2, 3, 4]);
        assert_eq!((masked.header, masked.length, masked.is_final, masked.is_masked()), (8, 256, false, true));
        let long = frame(&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!((long.header, long.length), (10, 65_536));
        for cut in 0..8 {
            assert_eq!(header(&[0x02, 0xfe, 1, 0, 1, 2, 3, 4][..cut]), Header::Incomplete);
        }
    }

    #[test]
    fn what_no_rfc_allows_is_no_frame() {
        for bytes in [[0x83, 0], [0x91, 0], [0xa1, 0], [0x09, 0], [0x89, 126], [0xc9, 0], [0x8b, 0]] {
            assert_eq!(header(&bytes), Header::Broken, "{bytes:x?}");
        }
        assert!(frame(&[0xc1, 0]).is_compressed && frame(&[0x89, 125]).opcode == Opcode::Control);
    }

    #[test]
    fn a_masked_payload_reads_as_it_was() {
        // RFC 6455 section 5.7: a single-frame masked text message, "Hello".
        let bytes = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        let frame = frame(&bytes);
        let mut out = b"> ".to_vec();
        frame.unmask_into(&bytes[frame.header..], &mut out);
        assert_eq!(out, b"> Hello");
    }

    #[test]
    fn upgrades_are_told_from_other_http() {
        let request = b"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: WebSocket\r\nsec-websocket-protocol: x, SIP\r\n\r\n";
        assert_eq!(upgrade(request), Some(Upgrade { is_sip: true }));
        assert!(may_upgrade(request));
        let consent = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: msrp\r\n\r\n";
        assert_eq!(upgrade(consent), Some(Upgrade { is_sip: false }));
        assert_eq!(upgrade(b"GET / HTTP/1.1\r\nHost: websocket\r\n\r\n"), None);
        assert_eq!(upgrade(b"HTTP/1.1 403 No\r\nUpgrade: websocket\r\n\r\n"), None);
    }
}

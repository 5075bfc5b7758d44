//! The mode that a payload was coded in, from its first bytes and its length. It reads no speech.

use super::codec::{CodecId, Layout};

/// Bytes of a payload that [`carried`] looks at.
pub const HEADER_BYTES: usize = 8;

/// Bits of speech in a frame, by frame type; the silence descriptor (SID) follows the last mode.
const AMR_BITS: [usize; 9] = [95, 103, 118, 134, 148, 159, 204, 244, 39]; // 3GPP TS 26.101, Table 1a and Annex A
const AMR_WB_BITS: [usize; 10] = [132, 177, 253, 285, 317, 365, 397, 461, 477, 40]; // 3GPP TS 26.201, Tables 1a and A.1b
/// A frame type without any bits: nothing to send (RFC 4867, section 4.3.2), and a lost frame of AMR-WB.
const NO_DATA: usize = 15;
const LOST: usize = 14;

/// Bytes of an EVS frame in compact format (3GPP TS 26.445, Table A.1), in the order of its bit rates from 2.8 kbit/s.
const EVS_BYTES: [usize; 12] = [7, 18, 20, 24, 33, 41, 61, 80, 120, 160, 240, 320];
/// Bytes of an EVS AMR-WB IO frame in compact format, SID included (Table A.1).
const EVS_IO_BYTES: [usize; 9] = [17, 23, 32, 36, 40, 46, 50, 58, 60];

/// Bytes of a frame of 20 and of 30 ms (RFC 3952, section 3.1).
const ILBC_BYTES: [usize; 2] = [38, 50];
/// Bytes of a speech frame and of a SID frame (RFC 3551, section 4.5.6).
const G729_BYTES: usize = 10;
const G729_SID_BYTES: usize = 2;
/// Bytes of a frame of G.723.1 by the two low bits of its first byte (RFC 3551, section 4.5.3): 6.3 and 5.3 kbit/s.
const G723_BYTES: [usize; 2] = [24, 20];

/// The mode of `codec` (an index into its modes) that a payload was coded in. `first` are the first [`HEADER_BYTES`] of
/// the payload, or all of a shorter one, `length` its bytes without padding. `octet_aligned`: RFC 4867's `octet-align=1`.
/// `None`: silence, no data, or nothing that can be read. Lengths must fit what the header says; an encrypted payload
/// still fits by chance now and then, so do not ask for one.
pub fn carried(codec: CodecId, octet_aligned: bool, first: &[u8], length: usize) -> Option<u8> {
    match codec.codec().layout {
        Layout::Opaque => None,
        Layout::Amr => amr(&AMR_BITS, octet_aligned, first, length),
        Layout::AmrWb => amr(&AMR_WB_BITS, octet_aligned, first, length),
        Layout::Evs => evs(first, length),
        Layout::G723 => g723(first, length),
        Layout::G729 => g729(length),
        Layout::Ilbc => ilbc(length),
    }
}

/// RFC 4867: a mode request of 4 bits (8 if octet-aligned), then one entry a frame: F, FT (4 bits), Q (and 2 bits of
/// padding), then the frames. The packet's mode is that of its first speech frame. Packets with CRCs, interleaving or more
/// frames than `first` can show are not read.
fn amr(bits_of: &[usize], octet_aligned: bool, first: &[u8], length: usize) -> Option<u8> {
    let (request_bits, entry_bits) = if octet_aligned { (8, 8) } else { (4, 6) };
    let (sid, mut at) = (bits_of.len() - 1, request_bits);
    let (mut mode, mut speech_bits, mut speech_bytes) = (None, 0, 0);
    loop {
        let entry = bits(first, at, 5)?;
        at += entry_bits;
        let frame_type = entry & 0x0f;
        let frame_bits = match frame_type {
            NO_DATA => 0,
            LOST if sid == 9 => 0,
            _ => *bits_of.get(frame_type)?,
        };
        speech_bits += frame_bits;
        speech_bytes += frame_bits.div_ceil(8);
        if frame_type < sid {
            mode = mode.or(u8::try_from(frame_type).ok());
        }
        if entry & 0x10 == 0 {
            break;
        }
    }
    let expected = if octet_aligned { at / 8 + speech_bytes } else { (at + speech_bits).div_ceil(8) };
    if expected == length { mode } else { None }
}

/// `count` bits (at most 8) from bit `at` of `bytes`, the first bit being the highest.
fn bits(bytes: &[u8], at: usize, count: usize) -> Option<usize> {
    (at..at + count).try_fold(0, |value, bit| {
        let byte = *bytes.get(bit / 8)?;
        Some(value << 1 | usize::from(byte >> (7 - bit % 8) & 1))
    })
}

/// TS 26.445 A.2.1: a length that is one of the codec's own means compact format, and tells the rate. A.2.2: otherwise an
/// optional mode request (highest bit set) and entries of one byte each: F, EVS mode (1: AMR-WB IO), Q, rate (4 bits).
fn evs(first: &[u8], length: usize) -> Option<u8> {
    let compact = EVS_BYTES.iter().position(|bytes| *bytes == length);
    if let Some(rate) = compact {
        // 7 bytes are 2.8 kbit/s, or silence in AMR-WB IO, which starts with a set bit (A.2.1.3).
        return if length == EVS_BYTES[0] && first.first()? & 0x80 != 0 { None } else { u8::try_from(rate).ok() };
    }
    if EVS_IO_BYTES.contains(&length) {
        return None;
    }
    let request = usize::from(first.first()? & 0x80 != 0);
    let entry = *first.get(request)?;
    let (more, io, rate) = (entry & 0x40 != 0, entry & 0x20 != 0, usize::from(entry & 0x0f));
    let frame = *EVS_BYTES.get(rate)?;
    let fits = if more { length > request + 2 + frame } else { length == request + 1 + frame };
    if entry & 0x80 == 0 && !io && fits { u8::try_from(rate).ok() } else { None }
}

/// The low bits of the first frame; frames of 24, 20 and 4 bytes (silence) may share a packet.
fn g723(first: &[u8], length: usize) -> Option<u8> {
    let rate = first.first()? & 0x03;
    let frame = *G723_BYTES.get(usize::from(rate))?;
    (length >= frame && length.is_multiple_of(4)).then_some(rate)
}

/// Frames of speech, after which one of silence may stand. That alone is silence.
fn g729(length: usize) -> Option<u8> {
    let rest = length % G729_BYTES;
    (length >= G729_BYTES && (rest == 0 || rest == G729_SID_BYTES)).then_some(0)
}

/// A length that both frame sizes divide (950 bytes) tells nothing.
fn ilbc(length: usize) -> Option<u8> {
    match ILBC_BYTES.map(|frame| length != 0 && length.is_multiple_of(frame)) {
        [true, false] => Some(0),
        [false, true] => Some(1),
        _ => None,
    }
}

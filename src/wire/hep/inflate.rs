//! Compressed payloads: gzip (RFC 1952), zlib (RFC 1950) or bare deflate (RFC 1951), told by their first bytes.

use flate2::{Decompress, FlushDecompress, Status};

use super::Refused;

/// Longest payload that is unpacked, bytes: no SIP message and no RTCP is longer than a datagram.
pub const MAX_PAYLOAD: usize = 65_536;
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// The window of deflate, as a power of two.
const WINDOW_BITS: u8 = 15;

pub(super) fn inflate(bytes: &[u8]) -> Result<Vec<u8>, Refused> {
    let state = match bytes {
        [a, b, ..] if [*a, *b] == GZIP => Decompress::new_gzip(WINDOW_BITS),
        // RFC 1950 section 2.2: method 8, and both bytes together a multiple of 31.
        [a, b, ..] if a & 0x0f == 8 && u16::from_be_bytes([*a, *b]).is_multiple_of(31) => Decompress::new(true),
        _ => Decompress::new(false),
    };
    run(state, bytes)
}

fn run(mut state: Decompress, bytes: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut out = Vec::with_capacity((bytes.len() * 4).clamp(1024, MAX_PAYLOAD));
    loop {
        let before = (state.total_in(), out.len());
        let rest = usize::try_from(state.total_in()).ok().and_then(|read| bytes.get(read..)).unwrap_or(&[]);
        match state.decompress_vec(rest, &mut out, FlushDecompress::Finish) {
            Ok(Status::StreamEnd) => return Ok(out),
            Err(_) => return Err(Refused::Compression),
            Ok(_) if out.len() == out.capacity() => {
                if out.len() >= MAX_PAYLOAD {
                    return Err(Refused::Expansion);
                }
                out.reserve_exact(out.len().min(MAX_PAYLOAD - out.len()));
            }
            // Neither read nor written anything: the end is missing.
            Ok(_) if before == (state.total_in(), out.len()) => return Err(Refused::Compression),
            Ok(_) => {}
        }
    }
}

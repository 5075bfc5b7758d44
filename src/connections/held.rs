//! Bytes of a connection of which the beginning is not whole yet, and those that follow them.

use std::borrow::Cow;
use std::ops::Range;

/// Bytes at hand: those of one segment, or those that waited and one segment's behind them.
pub struct Held<'b, 'a> {
    pub bytes: &'b [u8],
    /// The same, where they outlive the reading.
    segment: Option<&'a [u8]>,
}

impl<'a> Held<'_, 'a> {
    /// A part of them, to be handed over; what lies whole in one segment is not copied.
    pub fn part(&self, at: Range<usize>) -> Cow<'a, [u8]> {
        match self.segment {
            Some(segment) => Cow::Borrowed(&segment[at]),
            None => Cow::Owned(self.bytes[at].to_vec()),
        }
    }
}

/// Lets `read` have what waits in the buffer and the bytes behind it; keeps what it has not done with, of which it says how many
/// bytes come before.
pub fn feed<'a>(buffer: &mut Vec<u8>, bytes: Cow<'a, [u8]>, read: impl FnOnce(&Held<'_, 'a>) -> usize) {
    match bytes {
        Cow::Borrowed(bytes) if buffer.is_empty() => {
            let used = read(&Held { bytes, segment: Some(bytes) });
            buffer.extend_from_slice(&bytes[used..]);
            return;
        }
        Cow::Owned(bytes) if buffer.is_empty() => *buffer = bytes,
        bytes => buffer.extend_from_slice(&bytes),
    }
    let used = read(&Held { bytes: buffer, segment: None });
    match used < buffer.len() {
        true => drop(buffer.drain(..used)),
        false => *buffer = Vec::new(),
    }
}

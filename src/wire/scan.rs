//! Finding a byte in short text: header lines are too short for a vector search to pay for its call.

const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);

/// Where `byte` stands first. Eight bytes at a time: of a word without the byte no byte becomes zero.
#[inline]
pub(super) fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    let pattern = u64::from_ne_bytes([byte; 8]);
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word) ^ pattern;
        let zeros = word.wrapping_sub(LOW) & !word & HIGH;
        if zeros != 0 {
            return Some(at * 8 + (zeros.trailing_zeros() / 8) as usize);
        }
    }
    rest.iter().position(|&b| b == byte).map(|at| words.len() * 8 + at)
}

/// Without the white space at the end.
#[inline]
pub(super) fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t' | b'\r' | b'\n'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Without the white space at either end.
#[inline]
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = bytes {
        bytes = rest;
    }
    trim_end(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_its_kind_wherever_it_stands() {
        for length in 0..40 {
            for at in 0..length {
                let mut bytes = vec![b'a'; length];
                bytes[at] = b':';
                bytes[length - 1] = b':';
                assert_eq!(find(&bytes, b':'), Some(at), "{at} of {length}");
                assert_eq!(find(&bytes, b'\n'), None);
            }
        }
        // A byte above one that matches must not be taken for it.
        assert_eq!(find(b"\x0b\x0a\x0b\x0a____", b'\n'), Some(1));
        assert_eq!(find(&[0x8a, 0x0b, 0x8a, 0x0a, 0, 0, 0, 0], b'\n'), Some(3));
    }

    #[test]
    fn folds_are_white_space() {
        assert_eq!(trim(b" \t\r\n a b\r\n "), b"a b");
        assert_eq!(trim_end(b" a\r"), b" a");
        assert_eq!(trim(b" \r\n"), b"");
    }
}

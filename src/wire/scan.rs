//! Finding bytes in short text: header lines are too short for a vector search to pay for its call, line by line.

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

/// Most bytes are none, and told so by the first comparison.
#[inline(always)]
fn is_space(byte: u8) -> bool {
    byte <= b' ' && matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Without the white space at the end.
#[inline]
pub(super) fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., last] = bytes
        && is_space(*last)
    {
        bytes = rest;
    }
    bytes
}

/// Without the white space at either end.
#[inline]
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_space(*first)
    {
        bytes = rest;
    }
    trim_end(bytes)
}

/// Bytes that are compared at once.
const BLOCK: usize = 64;

/// One bit for each byte of a block: whether it is `byte`.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn places(block: &[u8; BLOCK], byte: u8) -> u64 {
    #[allow(unsafe_code)]
    // SAFETY: SSE2 is part of x86_64.
    unsafe {
        places_by_16(block, byte)
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline]
fn places_by_16(block: &[u8; BLOCK], byte: u8) -> u64 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8};
    let pattern = _mm_set1_epi8(byte.cast_signed());
    let (words, _) = block.as_chunks::<8>();
    let (pairs, _) = words.as_chunks::<2>();
    // A load of 16 bytes, in terms that need no pointer.
    let mut all = 0;
    for [low, high] in pairs.iter().rev() {
        let bytes = _mm_set_epi64x(i64::from_le_bytes(*high), i64::from_le_bytes(*low));
        all = all << 16 | u64::from(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, pattern)).cast_unsigned());
    }
    all
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn places(block: &[u8; BLOCK], byte: u8) -> u64 {
    let (words, _) = block.as_chunks::<8>();
    let pattern = u64::from_ne_bytes([byte; 8]);
    // Of each byte that matches the highest bit is left, and of no other; the product gathers them.
    let mask = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word) ^ pattern;
        let zeros = !(((word & !HIGH) + !HIGH) | word) & HIGH;
        (zeros >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
    };
    words.iter().rev().fold(0, |all, word| all << 8 | mask(word))
}

/// Where a byte stands in a text, one place after the other.
#[derive(Clone, Debug)]
pub(super) struct Places<'a> {
    text: &'a [u8],
    byte: u8,
    /// Where the block after the present one begins.
    next: usize,
    /// What is left of the present block, from its first byte on.
    mask: u64,
}

impl<'a> Places<'a> {
    #[inline]
    pub fn of(byte: u8, text: &'a [u8]) -> Places<'a> {
        Places { text, byte, next: 0, mask: 0 }
    }

    /// The next block; of the last one, what the text has of it.
    #[inline]
    fn read(&mut self) -> Option<()> {
        let rest = self.text.get(self.next..).filter(|rest| !rest.is_empty())?;
        self.mask = match (rest.first_chunk(), self.text.last_chunk()) {
            (Some(block), _) => places(block, self.byte),
            (None, Some(last)) => places(last, self.byte) >> (BLOCK - rest.len()),
            (None, None) => {
                let mut block = [!self.byte; BLOCK];
                block[..rest.len()].copy_from_slice(rest);
                places(&block, self.byte)
            }
        };
        self.next += BLOCK;
        Some(())
    }
}

impl Iterator for Places<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.mask == 0 {
            self.read()?;
        }
        let at = self.next - BLOCK + self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        Some(at)
    }
}

/// What is left of so many bytes.
const KEPT: [u128; 17] = {
    let (mut kept, mut length) = ([u128::MAX; 17], 0);
    while length < 16 {
        kept[length] = (1 << (8 * length)) - 1;
        length += 1;
    }
    kept
};

/// Up to 16 bytes as a number: letters in lower case, and nothing behind them. As `-` stands what comes as CR too.
#[inline(always)]
pub(super) const fn folded(word: &[u8; 16], length: usize) -> u128 {
    (u128::from_le_bytes(*word) | u128::from_le_bytes([0x20; 16])) & KEPT[if length < 16 { length } else { 16 }]
}

/// The same of a name that is known.
pub(super) const fn name(name: &[u8]) -> u128 {
    assert!(name.len() <= 16);
    let mut word = [0; 16];
    let mut at = 0;
    while at < name.len() {
        word[at] = name[at];
        at += 1;
    }
    folded(&word, name.len())
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

    #[test]
    fn a_name_is_the_same_in_any_case() {
        assert_eq!(folded(b"CALL-ID: a84b4c7", 7), name(b"call-id"));
        assert_eq!(folded(b"Content-Encoding", 16), name(b"content-encoding"));
        assert_ne!(folded(b"Call_ID: a84b4c7", 7), name(b"call-id"));
        assert_ne!(folded(b"Call-ID: a84b4c7", 6), name(b"call-id"));
    }

    proptest::proptest! {
        #[test]
        fn every_place_and_no_other(text: Vec<u8>, byte: u8, few in 0..3_u8, length in 0..300_usize) {
            // Bytes that differ in few bits, so that there are many places.
            let text: Vec<u8> = text.iter().cycle().take(length * text.len().min(1)).map(|b| byte ^ (b & few)).collect();
            let slow: Vec<usize> = (0..text.len()).filter(|at| text[*at] == byte).collect();
            proptest::prop_assert_eq!(Places::of(byte, &text).collect::<Vec<_>>(), slow);
        }
    }
}

//! Finding bytes in short text: header lines are too short for a vector search to pay for its call, line by line.

/// Bytes that are compared at once.
const BLOCK: usize = 64;
const LANE: usize = 16;

/// One bit for each byte: whether it is `byte`.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn matches(lane: &[u8; LANE], byte: u8) -> u32 {
    #[target_feature(enable = "sse2")]
    #[inline]
    fn of(lane: &[u8; LANE], byte: u8) -> u32 {
        use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8};
        // A load of 16 bytes, in terms that need no pointer.
        let lane = i128::from_le_bytes(*lane);
        let bytes = _mm_set_epi64x((lane >> 64) as i64, lane as i64);
        _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte.cast_signed()))).cast_unsigned()
    }
    #[allow(unsafe_code)]
    // SAFETY: SSE2 is part of x86_64.
    unsafe {
        of(lane, byte)
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn matches(lane: &[u8; LANE], byte: u8) -> u32 {
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let (words, _) = lane.as_chunks::<8>();
    let pattern = u64::from_ne_bytes([byte; 8]);
    // Of each byte that matches the highest bit is left, and of no other; the product gathers them.
    let mask = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word) ^ pattern;
        let zeros = !(((word & !HIGH) + !HIGH) | word) & HIGH;
        ((zeros >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
    };
    words.iter().rev().fold(0, |all, word| all << 8 | mask(word))
}

/// Where `byte` stands first.
#[inline]
pub(super) fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    find_of(bytes, [byte])
}

/// Where the first one of some bytes stands.
#[inline]
pub(super) fn find_of<const N: usize>(bytes: &[u8], wanted: [u8; N]) -> Option<usize> {
    let any = |lane: &[u8; LANE]| wanted.iter().fold(0, |all, byte| all | matches(lane, *byte));
    let (lanes, rest) = bytes.as_chunks::<LANE>();
    for (at, lane) in lanes.iter().enumerate() {
        let mask = any(lane);
        if mask != 0 {
            return Some(at * LANE + mask.trailing_zeros() as usize);
        }
    }
    match bytes.last_chunk() {
        // What is left is the end of the last 16 bytes.
        Some(last) => {
            let mask = any(last) >> (LANE - rest.len());
            (mask != 0).then(|| bytes.len() - rest.len() + mask.trailing_zeros() as usize)
        }
        None => {
            let mask = any(&short(rest)) & ((1 << rest.len()) - 1);
            (mask != 0).then(|| mask.trailing_zeros() as usize)
        }
    }
}

/// Fewer than 16 bytes, and zeros behind them: two words that overlap are quicker than a loop.
#[inline]
fn short(bytes: &[u8]) -> [u8; LANE] {
    let length = bytes.len();
    let number = match (bytes.first_chunk::<8>(), bytes.first_chunk::<4>(), bytes) {
        (Some(first), ..) => {
            let last = bytes.last_chunk().map_or(0, |last| u64::from_le_bytes(*last));
            u128::from(u64::from_le_bytes(*first)) | u128::from(last) << ((8 * (length - 8)) & 127)
        }
        (_, Some(first), _) => {
            let last = bytes.last_chunk().map_or(0, |last| u32::from_le_bytes(*last));
            u128::from(u64::from(u32::from_le_bytes(*first)) | u64::from(last) << ((8 * (length - 4)) & 63))
        }
        (.., [first, .., last]) => {
            u128::from(*first)
                | u128::from(bytes[length / 2]) << (8 * (length / 2))
                | u128::from(*last) << (8 * (length - 1))
        }
        (.., [only]) => u128::from(*only),
        (.., []) => 0,
    };
    number.to_le_bytes()
}

/// Where `byte` stands last.
#[inline]
pub(super) fn find_last(bytes: &[u8], byte: u8) -> Option<usize> {
    find_last_of(bytes, [byte])
}

/// Where the last one of some bytes stands.
#[inline]
pub(super) fn find_last_of<const N: usize>(bytes: &[u8], wanted: [u8; N]) -> Option<usize> {
    let (rest, lanes) = bytes.as_rchunks::<LANE>();
    let any = |lane: &[u8; LANE]| wanted.iter().fold(0, |all, byte| all | matches(lane, *byte));
    for (at, lane) in lanes.iter().enumerate().rev() {
        let mask = any(lane);
        if mask != 0 {
            return Some(rest.len() + at * LANE + mask.ilog2() as usize);
        }
    }
    let mask = any(&short(rest)) & ((1 << rest.len()) - 1);
    (mask != 0).then(|| mask.ilog2() as usize)
}

/// Whether one of two bytes stands anywhere.
#[inline]
pub(super) fn has_either(bytes: &[u8], one: u8, other: u8) -> bool {
    let either = |lane: &[u8; LANE]| matches(lane, one) | matches(lane, other);
    let (lanes, rest) = bytes.as_chunks();
    let last = match bytes.last_chunk() {
        Some(last) => either(last),
        None => either(&short(rest)) & ((1 << rest.len()) - 1),
    };
    lanes.iter().fold(last, |all, lane| all | either(lane)) != 0
}

/// Where `byte` stands first among the first 16 bytes.
#[inline(always)]
pub(super) fn find_near(bytes: &[u8; 16], byte: u8) -> Option<usize> {
    let mask = matches(bytes, byte);
    (mask != 0).then(|| mask.trailing_zeros() as usize)
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

/// Without the white space at the beginning.
#[inline]
pub(super) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_space(*first)
    {
        bytes = rest;
    }
    bytes
}

/// Without the white space at either end.
#[inline]
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    trim_end(trim_start(bytes))
}

/// The number that the digits at the beginning make, at least one and no more than fit 32 bits, and what is behind them.
#[inline]
pub(super) fn digits(text: &[u8]) -> Option<(u32, &[u8])> {
    let (mut number, mut rest) = (0u64, text);
    while let [digit @ b'0'..=b'9', more @ ..] = rest {
        number = (number * 10 + u64::from(digit - b'0')).min(u64::from(u32::MAX) + 1);
        rest = more;
    }
    let number = u32::try_from(number).ok()?;
    (rest.len() < text.len()).then_some((number, rest))
}

/// One bit for each byte of a block.
#[inline(always)]
fn places(block: &[u8; BLOCK], byte: u8) -> u64 {
    let (lanes, _) = block.as_chunks::<LANE>();
    lanes.iter().rev().fold(0, |all, lane| all << LANE | u64::from(matches(lane, byte)))
}

/// Where a byte stands in a text, one place after the other.
#[derive(Clone, Debug)]
pub(super) struct Places<'a, const BYTE: u8> {
    text: &'a [u8],
    /// Where the block after the present one begins.
    next: usize,
    /// What is left of the present block, from its first byte on.
    mask: u64,
}

impl<'a, const BYTE: u8> Places<'a, BYTE> {
    #[inline]
    pub fn of(text: &'a [u8]) -> Self {
        Places { text, next: 0, mask: 0 }
    }

    /// The next block; of the last one, what the text has of it.
    #[inline]
    fn read(&mut self) -> Option<()> {
        let rest = self.text.get(self.next..).filter(|rest| !rest.is_empty())?;
        self.mask = match (rest.first_chunk(), self.text.last_chunk()) {
            (Some(block), _) => places(block, BYTE),
            (None, Some(last)) => places(last, BYTE) >> (BLOCK - rest.len()),
            (None, None) => {
                let mut block = [!BYTE; BLOCK];
                block[..rest.len()].copy_from_slice(rest);
                places(&block, BYTE)
            }
        };
        self.next += BLOCK;
        Some(())
    }
}

impl<const BYTE: u8> Iterator for Places<'_, BYTE> {
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

/// The same of the beginning of a text.
#[inline(always)]
pub(super) fn folded_start(text: &[u8], length: usize) -> u128 {
    match text.first_chunk() {
        Some(word) => folded(word, length),
        None => folded(&short(text), length),
    }
}

/// The same of the beginning of a name that is known.
pub(super) const fn name(name: &[u8]) -> u128 {
    let mut word = [0; 16];
    let mut at = 0;
    while at < name.len() && at < 16 {
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
                assert_eq!(find_last(&bytes[..=at], b':'), Some(at), "{at} of {length}");
                assert_eq!(find_last(&bytes, b':'), Some(length - 1), "{at} of {length}");
                assert_eq!(find(&bytes, b'\n'), None);
                assert!(
                    has_either(&bytes, b':', b'?') && has_either(&bytes, b'?', b':') && !has_either(&bytes, b'?', b'!')
                );
                bytes[at] = b';';
                assert_eq!(find_of(&bytes, [b':', b';']), Some(at));
                assert_eq!(find_last_of(&bytes[..=at], [b':', b';']), Some(at));
                assert!(has_either(&bytes, b';', b'!'));
            }
        }
        // A byte above one that matches must not be taken for it.
        assert_eq!(find(b"\x0b\x0a\x0b\x0a____", b'\n'), Some(1));
        assert_eq!(find(&[0x8a, 0x0b, 0x8a, 0x0a, 0, 0, 0, 0], b'\n'), Some(3));
    }

    #[test]
    fn short_texts_are_whole() {
        for length in 0..16 {
            let text: Vec<u8> = (1..=length).collect();
            let mut expected = [0; 16];
            expected[..text.len()].copy_from_slice(&text);
            assert_eq!(short(&text), expected);
        }
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
        fn every_place_and_no_other(text: Vec<u8>, few in 0..3_u8, length in 0..300_usize) {
            // Bytes that differ in few bits, so that there are many places.
            let text: Vec<u8> = text.iter().cycle().take(length * text.len().min(1)).map(|b| b'\n' ^ (b & few)).collect();
            let slow: Vec<usize> = (0..text.len()).filter(|at| text[*at] == b'\n').collect();
            proptest::prop_assert_eq!(Places::<b'\n'>::of(&text).collect::<Vec<_>>(), slow);
        }
    }
}

//! Files cut off, damaged, or no captures at all.

use proptest::prelude::*;
use sidetone::capture::file::{Corruption, FileError, MAX_FRAME};

use crate::fixtures::Order::{Big, Little};
use crate::fixtures::{DATA, classic, gzip, pcapng, pcapng_frames, zstd};
use crate::{frames, read, read_path};

fn corruption(bytes: &[u8]) -> (usize, u64, Corruption) {
    let outcome = read(bytes);
    match outcome.error {
        Some(FileError::Corrupt { offset, what, .. }) => (outcome.frames.len(), offset, what),
        other => panic!("not corrupt: {other:?}"),
    }
}

/// A cut-off file gives its whole records, and says that it is cut unless the cut falls between two.
#[test]
fn cut_at_every_byte() {
    let ends = |bytes: &[u8], count: usize| (0..=bytes.len()).filter(|&n| !read(&bytes[..n]).truncated).count() - count;
    for bytes in [classic(Little, 0xa1b2_c3d4, 1), pcapng(Big), pcapng(Little)] {
        let whole = read(&bytes).frames;
        for n in 0..bytes.len() {
            let outcome = read(&bytes[..n]);
            assert!(whole.starts_with(&outcome.frames), "{n}");
            match outcome.error {
                Some(FileError::Empty { .. }) => assert_eq!(n, 0),
                Some(FileError::NotACapture { .. }) => assert!((1..4).contains(&n)),
                other => assert!(other.is_none(), "{n}: {other:?}"),
            }
        }
    }
    // Not truncated: the 4 lengths that are no capture, and the end of each header, record and block.
    assert_eq!(ends(&classic(Little, 0xa1b2_c3d4, 1), 4), 1 + 3);
    assert_eq!(ends(&pcapng(Little), 4), 15);
    for bytes in [gzip(&pcapng(Little)), zstd(&pcapng(Little))] {
        for n in 4..bytes.len() {
            let outcome = read(&bytes[..n]);
            assert!(outcome.error.is_none() && outcome.truncated, "{n}: {outcome:?}");
            assert!(pcapng_frames().starts_with(&outcome.frames));
        }
    }
}

/// A flipped bit may change, end or multiply what is read, but never invent bytes; checksums find it in compressed files.
#[test]
fn every_bit_flipped() {
    let path = tempfile::NamedTempFile::new().expect("a temporary file").into_temp_path();
    let small = [Little.section(), Little.interface(1, 0, &Little.option(9, &[9])), Little.enhanced(0, 1, 7, &DATA)];
    let small = [small.concat(), Little.block(3, &[Little.u32(7), DATA.to_vec()].concat())].concat();
    for plain in [classic(Little, 0xa1b2_c3d4, 1), classic(Big, 0xa1b2_cd34, 1), small] {
        let whole = frames(&plain);
        for (bytes, compressed) in [(gzip(&plain), true), (zstd(&plain), true), (plain, false)] {
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                std::fs::write(&path, &flipped).expect("written");
                let outcome = read_path(&path);
                let found = compressed && (outcome.error.is_some() || outcome.truncated || outcome.frames == whole);
                let held = outcome.frames.iter().map(|frame| frame.3.len()).sum::<usize>() <= bytes.len();
                assert!(found || (held && !compressed), "bit {bit}: {outcome:?}");
            }
        }
    }
}

#[test]
fn corrupt_says_where_and_what() {
    let good = classic(Little, 0xa1b2_c3d4, 1);
    let length = |n: u32| [&good[..], &Little.words(&[0, 0, n, 0])].concat();
    assert_eq!(corruption(&length(MAX_FRAME + 1)), (3, good.len() as u64, Corruption::FrameLength(MAX_FRAME + 1)));
    assert_eq!(corruption(&gzip(&length(u32::MAX))), (3, good.len() as u64, Corruption::FrameLength(u32::MAX)));
    let version = [&good[..4], &Little.u16(3), &good[6..]].concat();
    assert_eq!(corruption(&version), (0, 0, Corruption::Version { major: 3, minor: 4 }));
    for bytes in [gzip(&good), zstd(&good)] {
        let (_, _, what) = corruption(&[&bytes[..], b"no compressed data"].concat());
        assert!(matches!(what, Corruption::Compression(_)), "{what}");
    }
}

#[test]
fn corrupt_blocks() {
    let start = [Big.section(), Big.interface(1, 0, b""), Big.enhanced(0, 0, 7, &DATA)].concat();
    let then = |blocks: &[Vec<u8>], skipped: usize| {
        let (frames, offset, what) = corruption(&[start.clone(), blocks.concat()].concat());
        assert_eq!((frames, offset), (1, (start.len() + skipped) as u64));
        what
    };
    for n in [0, 8, 11, 13, 16 << 20 | 4, u32::MAX] {
        assert_eq!(then(&[Big.words(&[6, n, 0])], 0), Corruption::BlockLength(n));
    }
    for kind in [1, 2, 3, 6] {
        assert_eq!(then(&[Big.block(kind, b"")], 0), Corruption::BlockLength(12));
    }
    assert_eq!(then(&[Big.words(&[5, 16, 0, 20])], 0), Corruption::BlockTrailer { length: 16, trailer: 20 });
    assert_eq!(then(&[Big.enhanced(1, 0, 7, &DATA)], 0), Corruption::UnknownInterface(1));
    assert_eq!(then(&[Big.block(6, &Big.words(&[0, 0, 0, 5, 5, 0]))], 0), Corruption::FrameLength(5));
    assert_eq!(then(&[Big.words(&[0x0a0d_0d0a, 28, 0])], 0), Corruption::ByteOrder);
    // A new section starts without interfaces.
    assert_eq!(then(&[Little.section(), Little.enhanced(0, 0, 7, &DATA)], 28), Corruption::UnknownInterface(0));
    assert_eq!(then(&[Little.section(), Little.block(3, &Little.u32(0))], 28), Corruption::UnknownInterface(0));
    for (code, options) in [(9, Big.option(9, b"xx")), (14, Big.option(14, b"")), (2, Big.words(&[2 << 16 | 5, 0]))] {
        assert_eq!(then(&[Big.interface(1, 0, &options)], 0), Corruption::Option(code));
    }
    assert_eq!(then(&vec![Big.interface(1, 0, b""); 65_536], 65_535 * 20), Corruption::TooManyInterfaces);
}

/// Each refusal as a person reads it, behind the path.
#[test]
fn messages_help() {
    let hello = "no capture file: it starts with 68 65 6c 6c 6f 0a, not as pcap or pcapng do; this looks like text: write \
                 the capture with `tcpdump -w`";
    let twice = "; compressed twice? decompress it once first";
    let mut long = classic(Little, 0xa1b2_c3d4, 1);
    long.extend([0xff; 16]);
    let cases: [(Vec<u8>, &str); 8] = [
        (Vec::new(), "empty, not even a file header: was the capture stopped before it wrote anything?"),
        (gzip(b""), "empty once decompressed, not even a file header"),
        (b"hello\n".to_vec(), hello),
        (b"BZh91AY&SY".to_vec(), "this is bzip2: pipe `bzcat FILE` into `-`"),
        (gzip(&gzip(&long)), twice),
        (zstd(&gzip(&long)), twice),
        (long.clone(), "corrupt at byte 83: a frame of 4294967295 bytes (at most 262144, "),
        (gzip(&long), "corrupt at byte 83 of the decompressed data: a frame of 4294967295 bytes"),
    ];
    for (bytes, expected) in cases {
        let message = read(&bytes).error.expect("an error").to_string();
        assert!(message.contains(expected), "{message}\n{expected}");
        assert!(message.starts_with(std::env::temp_dir().to_str().expect("UTF-8")), "{message}");
    }
    let folder = tempfile::tempdir().expect("a directory");
    for (path, expected) in [
        (folder.path().to_owned(), "cannot be opened: a directory: name the capture files in it"),
        (folder.path().join("no.pcap"), "no.pcap: cannot be opened: no such file (`-` reads standard input)"),
    ] {
        let error = read_path(&path).error.expect("an error");
        assert!(matches!(error, FileError::Open { .. }) && error.to_string().ends_with(expected), "{error}");
    }
}

proptest! {
    /// Whatever follows a good start: it ends, and gives no more bytes than there are.
    #[test]
    fn anything_behind_a_good_start(tail in prop::collection::vec(any::<u8>(), 0..400), start in 0..8usize) {
        let interface = [Little.section(), Little.interface(1, 0, b"")].concat();
        let mut bytes = match start {
            0 => Little.classic_header(0xa1b2_c3d4, 1),
            1 => Big.classic_header(0xa1b2_cd34, 1),
            2 => interface,
            3 => [interface, Little.words(&[6, 40])].concat(),
            4 => [interface, Little.words(&[1, 40])].concat(),
            5 => [interface, Big.section()].concat(),
            6 => vec![0x1f, 0x8b, 8, 0],
            _ => vec![0x28, 0xb5, 0x2f, 0xfd],
        };
        bytes.extend(&tail);
        let outcome = read(&bytes);
        if start < 6 {
            prop_assert!(outcome.frames.iter().map(|frame| frame.3.len()).sum::<usize>() <= bytes.len());
        }
    }
}

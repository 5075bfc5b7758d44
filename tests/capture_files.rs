//! Capture files of every kind, built here byte by byte, and the shared captures, frame by frame.

use std::io::Write;
use std::path::Path;

use sidetone::capture::file::{CaptureFile, FileError, MAX_FRAME};

#[path = "capture_files/fixtures.rs"]
mod fixtures;
#[path = "capture_files/hostile.rs"]
mod hostile;
mod support;
use fixtures::Order::{Big, Little};
use fixtures::{DATA, NANOS, Order, SECOND, Seen, classic, classic_frames, gzip, pcapng, pcapng_frames, zstd};

/// What reading a file to its end gave.
#[derive(Debug)]
struct Outcome {
    frames: Vec<Seen>,
    truncated: bool,
    links: String,
    error: Option<FileError>,
}

fn read_path(path: &Path) -> Outcome {
    let mut outcome = Outcome { frames: Vec::new(), truncated: false, links: String::new(), error: None };
    let mut file = match CaptureFile::open(path) {
        Ok(file) => file,
        Err(error) => {
            return Outcome { error: Some(error), ..outcome };
        }
    };
    outcome.error = loop {
        match file.next() {
            Ok(Some(frame)) => {
                outcome.frames.push((frame.time.nanos(), frame.link.0, frame.original_length, frame.data.to_vec()));
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert!(file.next().expect("the end stays the end").is_none());
    if outcome.error.is_none() && file.size().is_some() {
        assert_eq!(Some(file.bytes_read()), file.size(), "all of the file was read");
    }
    Outcome { truncated: file.truncated(), links: file.link_type_name(), ..outcome }
}

fn read(bytes: &[u8]) -> Outcome {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("written");
    read_path(file.path())
}

/// Reads what must be whole, and gives the frames.
fn frames(bytes: &[u8]) -> Vec<Seen> {
    let outcome = read(bytes);
    assert!(outcome.error.is_none() && !outcome.truncated, "{outcome:?}");
    outcome.frames
}

#[test]
fn classic_in_every_variant() {
    for order in [Little, Big] {
        for (magic, fraction) in [(0xa1b2_c3d4, 1_000), (0xa1b2_3c4d, 1), (0xa1b2_cd34, 1_000)] {
            let outcome = read(&classic(order, magic, 113));
            assert_eq!(outcome.frames, classic_frames(fraction, 113), "{order:?} {magic:08x}");
            assert!(outcome.error.is_none() && !outcome.truncated);
            assert_eq!(outcome.links, "LINUX_SLL");
        }
    }
    // The upper half of the network field tells of a frame check sequence.
    assert_eq!(frames(&classic(Little, 0xa1b2_c3d4, 0x4400_0001)), classic_frames(1_000, 1));
    let far = [Big.classic_header(0xa1b2_c3d4, 1), Big.record(u32::MAX, u32::MAX, 0, b"")].concat();
    assert_eq!(frames(&far)[0].0, 4_294_967_295 * 1_000_000_000 + 4_294_967_295 * 1_000);
}

#[test]
fn pcapng_with_everything() {
    for order in [Little, Big] {
        let outcome = read(&pcapng(order));
        assert_eq!(outcome.frames, pcapng_frames(), "{order:?}");
        assert!(outcome.error.is_none() && !outcome.truncated);
        assert_eq!(outcome.links, "EN10MB,LINUX_SLL,LINUX_SLL2");
    }
}

#[test]
fn pcapng_times() {
    let at = |order: Order, resolution: Option<u8>, offset: Option<i64>, count: u64| {
        let mut options = resolution.map(|r| order.option(9, &[r])).unwrap_or_default();
        options.extend(offset.map(|o| order.option(14, &order.u64(o.cast_unsigned()))).unwrap_or_default());
        let file = [order.section(), order.interface(1, 0, &options), order.enhanced(0, count, 7, &DATA)].concat();
        frames(&file)[0].0
    };
    for order in [Little, Big] {
        let cases = [
            (None, None, 1_700_000_000_123_456, NANOS + 123_456_000),
            (Some(6), None, 1, 1_000),
            (Some(0), None, 5, 5_000_000_000),
            (Some(3), Some(-1), 1_500, 500_000_000),
            (Some(9), None, 1, 1),
            (Some(12), None, 1_999, 1),
            (Some(12), Some(SECOND.into()), 1_000, NANOS + 1),
            (Some(127), None, u64::MAX, 0),
            (Some(0x80), None, 2, 2_000_000_000),
            (Some(0x80 | 10), None, 1_536, 1_500_000_000),
            (Some(0x80 | 32), None, 3 << 31, 1_500_000_000),
            (Some(0xff), None, u64::MAX, 0),
            (Some(0), None, u64::MAX, i64::MAX),
            (None, Some(i64::MAX), 1, i64::MAX),
            (None, Some(i64::MIN), 1, i64::MIN),
        ];
        for (resolution, offset, count, nanos) in cases {
            assert_eq!(at(order, resolution, offset, count), nanos, "{order:?} {resolution:?} {offset:?} {count}");
        }
    }
}

#[test]
fn compressed_and_concatenated() {
    let plain = classic(Big, 0xa1b2_3c4d, 1);
    let (one, two) = plain.split_at(31);
    let cases = [
        gzip(&plain),
        [gzip(one), gzip(b""), gzip(two)].concat(),
        zstd(&plain),
        [zstd(one), zstd(b""), zstd(two)].concat(),
        // A skippable frame before and between (RFC 8878 section 3.1.2).
        [b"\x50\x2a\x4d\x18\x02\0\0\0xx", &zstd(one)[..], b"\x5f\x2a\x4d\x18\0\0\0\0", &zstd(two)].concat(),
    ];
    for bytes in cases {
        assert_eq!(frames(&bytes), classic_frames(1, 1));
    }
    assert_eq!(frames(&gzip(&pcapng(Big))), pcapng_frames());
    assert_eq!(frames(&zstd(&pcapng(Little))), pcapng_frames());
}

/// Many times the buffer, in frames of all sizes up to the longest one.
#[test]
fn large_files_cross_the_buffer() {
    let sizes = [60, 214, 1_514, 9_000, 65_535, MAX_FRAME as usize, 0, 1];
    let data = |i: usize| (0..sizes[i % sizes.len()]).map(|k| (k * 7 + i) as u8).collect::<Vec<u8>>();
    let mut classic = Little.classic_header(0xa1b2_c3d4, 1);
    let mut pcapng = [Little.section(), Little.interface(1, 0, b"")].concat();
    for i in 0..100 {
        classic.extend(Little.record(i as u32, 0, 9, &data(i)));
        pcapng.extend(Little.enhanced(0, i as u64 * 1_000_000, 9, &data(i)));
        pcapng.extend(Little.block(0xbad, &vec![0; i * 10_000]));
    }
    for bytes in [gzip(&classic), zstd(&pcapng), classic, pcapng] {
        let seen = frames(&bytes);
        assert_eq!(seen.len(), 100);
        for (i, frame) in seen.iter().enumerate() {
            assert!(*frame == (i as i64 * 1_000_000_000, 1, 9, data(i)), "frame {i}");
        }
    }
}

#[test]
fn header_only_is_a_capture() {
    for bytes in [Big.classic_header(0xa1b2_c3d4, 1), Big.section(), [Big.section(), Big.interface(1, 0, b"")].concat()]
    {
        assert!(frames(&bytes).is_empty());
    }
    assert_eq!(read(&Big.classic_header(0xa1b2_c3d4, 4_711)).links, "LINKTYPE_4711");
    assert_eq!(read(&Big.section()).links, "unknown");
}

/// A pipe that brings one byte at a time, plain and compressed.
#[test]
fn a_slow_pipe() {
    use std::os::fd::AsRawFd;
    for bytes in
        [classic(Big, 0xa1b2_3c4d, 1), gzip(&classic(Big, 0xa1b2_3c4d, 1)), zstd(&classic(Big, 0xa1b2_3c4d, 1))]
    {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let feeder =
            std::thread::spawn(move || bytes.chunks(1).for_each(|byte| writer.write_all(byte).expect("piped")));
        let outcome = read_path(Path::new(&format!("/proc/self/fd/{}", reader.as_raw_fd())));
        feeder.join().expect("fed");
        assert_eq!(outcome.frames, classic_frames(1, 1));
        assert!(outcome.error.is_none() && !outcome.truncated);
    }
}

/// This test program runs itself with a pipe as standard input.
#[test]
fn standard_input() {
    const CHILD: &str = "SIDETONE_TEST_STANDARD_INPUT";
    if std::env::var_os(CHILD).is_some() {
        let mut file = CaptureFile::open(Path::new("-")).expect("opened");
        assert_eq!((file.name(), file.size()), ("-", None));
        let mut count = 0;
        while file.next().expect("a frame").is_some() {
            count += 1;
        }
        assert_eq!(count, 3);
        return;
    }
    for bytes in [classic(Little, 0xa1b2_c3d4, 1), gzip(&classic(Little, 0xa1b2_c3d4, 1))] {
        let program = std::env::current_exe().expect("this program");
        let mut child = std::process::Command::new(program)
            .args(["--exact", "standard_input"])
            .env(CHILD, "1")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("started");
        child.stdin.take().expect("piped").write_all(&bytes).expect("written");
        assert!(child.wait().expect("ended").success());
    }
}

/// Every shared capture: as many frames, the link type and the time from first to last as the reference says.
#[test]
fn shared_captures() {
    let Some(folder) = support::shared_dir().map(|shared| shared.join("captures")) else { return };
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).expect("the captures") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if !(name.ends_with(".pcap") || name.ends_with(".pcapng")) {
            continue;
        }
        let expected = std::fs::read(folder.join(format!("expected/{name}.json"))).expect(&name);
        let expected: serde_json::Value = serde_json::from_slice(&expected).expect(&name);
        let general = &expected["general"];
        let outcome = read_path(&path);
        assert!(outcome.error.is_none() && !outcome.truncated, "{name}: {:?}", outcome.error);
        assert_eq!(Some(outcome.frames.len() as u64), general["packets"].as_u64(), "{name}");
        let link = match general["encapsulation"].as_str() {
            Some("ether") => "EN10MB",
            Some("linux-sll") => "LINUX_SLL",
            Some("null") => "NULL",
            Some("rawip4") => "IPV4",
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(outcome.links, link, "{name}");
        let duration = general["duration_s"].as_str().and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
        let times = || outcome.frames.iter().map(|frame| frame.0);
        let nanos = times().max().zip(times().min()).map_or(0, |(last, first)| last - first);
        assert!((nanos as f64 / 1e9 - duration.expect("a duration")).abs() < 2e-6, "{name}: {nanos} {duration:?}");
        count += 1;
    }
    assert_eq!(count, 50, "captures");
}

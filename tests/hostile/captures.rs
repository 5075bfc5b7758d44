//! The shared captures, cut and with bits flipped: packet by packet through the core, and as whole files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use sidetone::capture::file::CaptureFile;
use sidetone::config::Config;
use sidetone::wire::LinkType;

use crate::harness::{Core, MILLISECOND, Random, SECOND, START};
use crate::mutations::naming;
use crate::parsers;
use crate::support::{analyze, shared_dir};

/// Frames of all lengths that a capture may cost, and as many with one bit flipped; larger captures are sampled.
const MUTATIONS: usize = 10_000;
/// Whole files, cut or with one bit flipped, that a capture may cost; fewer where the file is large.
const FILES: usize = 60;
const FILE_BYTES: usize = 4 << 20;

struct Frame {
    link: LinkType,
    bytes: Vec<u8>,
}

/// All capture files, the smallest first.
fn captures() -> Vec<PathBuf> {
    let Some(shared) = shared_dir() else { return Vec::new() };
    let entries = fs::read_dir(shared.join("captures")).expect("a directory of captures");
    let is_capture = |path: &PathBuf| path.extension().is_some_and(|end| end == "pcap" || end == "pcapng");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).filter(is_capture).collect();
    assert!(!paths.is_empty(), "a directory without captures");
    paths.sort_by_key(|path| fs::metadata(path).map(|data| data.len()).unwrap_or_default());
    paths
}

fn frames(path: &Path) -> Vec<Frame> {
    let mut file = CaptureFile::open(path).expect("a capture");
    let mut frames = Vec::new();
    while let Some(frame) = file.next().expect("a whole capture") {
        frames.push(Frame { link: frame.link, bytes: frame.data.to_vec() });
    }
    frames
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Every frame at every length where that is affordable; else as many of both as are, and always those of every head.
#[test]
fn packets_cut_at_every_length() {
    for path in captures() {
        let frames = frames(&path);
        let lengths: usize = frames.iter().map(|frame| frame.bytes.len()).sum();
        let step = lengths.div_ceil(MUTATIONS).max(1);
        let mut core = Core::new(&Config::default(), true);
        let (mut now, mut turn) = (START, 0);
        for (at, frame) in frames.iter().enumerate() {
            for length in 0..=frame.bytes.len() {
                turn += 1;
                if turn % step == 0 {
                    now += MILLISECOND;
                    let cut = &frame.bytes[..length];
                    naming(
                        || format!("{} packet {at} cut to {length} bytes", name(&path)),
                        || {
                            parsers::frame(frame.link, cut);
                            core.frame(now, frame.link, cut);
                        },
                    );
                }
            }
        }
        core.tick(now + 100 * SECOND);
        naming(|| name(&path), || core.finish());
    }
}

#[test]
fn packets_with_bits_flipped() {
    for (seed, path) in captures().into_iter().enumerate() {
        let frames = frames(&path);
        let mut random = Random::new(seed as u64);
        let mut core = Core::new(&Config::default(), true);
        let mut now = START;
        for n in 0..MUTATIONS {
            let at = if frames.len() <= MUTATIONS { n % frames.len() } else { random.below(frames.len()) };
            let mut bytes = frames[at].bytes.clone();
            if bytes.is_empty() {
                continue;
            }
            // Half of them in the headers, where a bit says more than in the payload.
            let end = if n % 2 == 0 { bytes.len().min(100) } else { bytes.len() };
            let bit = random.below(end * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            now += MILLISECOND;
            naming(
                || format!("{} packet {at} bit {bit} flipped", name(&path)),
                || {
                    parsers::frame(frames[at].link, &bytes);
                    core.frame(now, frames[at].link, &bytes);
                },
            );
        }
        core.tick(now + 100 * SECOND);
        naming(|| name(&path), || core.finish());
    }
}

/// Reads what there is to read and gives it to a core, time stamps included; an error is as good an end as another.
fn analyse(path: &Path) {
    let Ok(mut file) = CaptureFile::open(path) else { return };
    let mut core = Core::new(&Config::default(), true);
    while let Ok(Some(frame)) = file.next() {
        core.frame(frame.time.nanos(), frame.link, frame.data);
    }
    core.finish();
}

#[test]
fn files_cut_and_with_bits_flipped() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let broken = dir.path().join("broken.pcap");
    for (seed, path) in captures().into_iter().enumerate() {
        let whole = fs::read(&path).expect("a capture");
        let mut random = Random::new(seed as u64);
        for n in 0..FILES.min(FILE_BYTES / whole.len()).max(4) {
            let mut bytes = whole.clone();
            // The first records of a file decide how the rest is read.
            let at = if n % 4 == 0 { random.below(200.min(whole.len())) } else { random.below(whole.len()) };
            if n % 2 == 0 {
                bytes.truncate(at);
            } else {
                bytes[at] ^= 1 << random.below(8);
            }
            fs::write(&broken, &bytes).expect("the temporary directory takes it");
            naming(|| format!("{}, byte {at}, cut: {}", name(&path), n % 2 == 0), || analyse(&broken));
        }
    }
}

/// The program itself: a report that is JSON, or a message; a status that says which; never a signal.
#[test]
fn the_program_reads_files_that_are_cut() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let broken = dir.path().join("cut.pcap");
    for path in captures().into_iter().take(12) {
        let whole = fs::read(&path).expect("a capture");
        for length in [0, 1, 4, 23, 24, 30, 40, 41, whole.len() / 2, whole.len() - 1] {
            fs::write(&broken, &whole[..length]).expect("the temporary directory takes it");
            check_run(&analyze("json", &broken, b""), &format!("{} cut to {length}", name(&path)));
        }
    }
}

fn check_run(output: &Output, what: &str) {
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let report = serde_json::from_str::<serde_json::Value>(&out);
    match output.status.code() {
        Some(0) => assert!(report.is_ok() && errors.is_empty(), "{what}: {errors}"),
        Some(1) => assert!(!errors.is_empty() && (report.is_ok() || out.is_empty()), "{what}: {errors}"),
        other => panic!("{what}: status {other:?}, {errors}"),
    }
}

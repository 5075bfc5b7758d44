//! Captures with exactly known truth go through the program: every count has to be equal to the last packet.

mod support;

#[path = "support/generator/mod.rs"]
mod generator;

#[path = "support/replay_compare.rs"]
mod replay_compare;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use generator::link::Link;
use generator::pcap::Resolution;
use generator::profile::{PROFILES, Profile};
use generator::truth::Truth;
use generator::{Addresses, Options, generate};
use replay_compare::{compare, expositions, sum};
use serde_json::Value;
use support::{Differences, analyze, analyze_json, stdout_of};

fn options(profile: &str, seed: u64) -> Options {
    let profile = Profile::named(profile).expect("a profile of the generator");
    Options::new(profile, seed)
}

/// Writes the capture into `dir`.
fn capture(dir: &Path, options: &Options) -> (PathBuf, Truth) {
    let path = dir.join(format!("{}-{}-{}.pcap", options.profile.name, options.link.name(), options.seed));
    let file = BufWriter::new(File::create(&path).expect("a file in the temporary directory"));
    let truth = generate(options, file).expect("the capture is written");
    (path, truth)
}

/// Generates, analyses and compares one capture.
fn check(options: &Options) -> Differences {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (path, truth) = capture(dir.path(), options);
    let report = analyze_json(&path);
    let place = format!(
        "profile {} seed {} link {} {:?} {:?}",
        truth.profile, truth.seed, truth.link, options.addresses, options.resolution
    );
    compare(place, &report, &truth)
}

fn check_profile(name: &str) {
    let mut differences = Differences::default();
    for seed in 1..=4 {
        let mut options = options(name, seed);
        options.calls = if options.profile.single_stream { 1 } else { 12 };
        options.addresses = if seed % 2 == 0 { Addresses::Both } else { Addresses::V4 };
        differences.append(check(&options));
    }
    differences.finish();
}

#[test]
fn clean_calls() {
    check_profile("clean");
}

#[test]
fn mixed_calls() {
    check_profile("mixed");
}

#[test]
fn load_calls() {
    check_profile("load");
}

#[test]
fn impaired_media() {
    check_profile("media");
}

#[test]
fn every_way_to_signal() {
    check_profile("signalling");
}

#[test]
fn reused_ports() {
    check_profile("reuse");
}

#[test]
fn media_without_signalling() {
    check_profile("media-only");
}

#[test]
fn one_audible_stream() {
    check_profile("sipp-audio");
}

#[test]
fn signalling_without_media() {
    let mut options = options("signalling", 11);
    options.calls = 150;
    options.duration = Duration::ZERO;
    options.ramp = Duration::from_secs(60);
    check(&options).finish();
}

#[test]
fn every_link_layer_both_ip_versions_both_resolutions() {
    let mut differences = Differences::default();
    for (index, link) in Link::ALL.into_iter().enumerate() {
        for resolution in [Resolution::Microseconds, Resolution::Nanoseconds] {
            let mut options = options("mixed", 100 + index as u64);
            options.calls = 6;
            options.duration = Duration::from_secs(3);
            options.link = link;
            options.resolution = resolution;
            options.addresses = Addresses::Both;
            differences.append(check(&options));
        }
    }
    differences.finish();
}

#[test]
fn compression_and_standard_input_change_nothing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (path, _) = capture(dir.path(), &options("mixed", 5));
    let plain = fs::read(&path).expect("the capture");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&plain).expect("gzip");
    let gz = gz.finish().expect("gzip");
    let zst = zstd::encode_all(plain.as_slice(), 1).expect("zstd");
    let (gz_path, zst_path) = (dir.path().join("capture.pcap.gz"), dir.path().join("capture.pcap.zst"));
    fs::write(&gz_path, &gz).expect("the capture as gzip");
    fs::write(&zst_path, &zst).expect("the capture as zstd");

    let want = nameless(&path, b"");
    let dash = Path::new("-");
    let ways: [(&str, &Path, &[u8]); 5] = [
        ("gzip file", &gz_path, b""),
        ("zstd file", &zst_path, b""),
        ("standard input", dash, &plain),
        ("gzip on standard input", dash, &gz),
        ("zstd on standard input", dash, &zst),
    ];
    for (way, file, input) in ways {
        assert!(nameless(file, input) == want, "{way}: the report differs from that about the plain file");
    }
}

/// The report's bytes without the name of the file.
fn nameless(file: &Path, input: &[u8]) -> String {
    let text = stdout_of(&analyze("json", file, input), file);
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let name = report["captures"][0]["file"].to_string();
    text.replacen(&name, "\"\"", 1)
}

#[test]
fn exposition_after_the_same_traffic() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut differences = Differences::default();
    for (profile, seed) in [("mixed", 21), ("signalling", 22), ("media", 23)] {
        let (path, truth) = capture(dir.path(), &options(profile, seed));
        let text = stdout_of(&analyze("prometheus", &path, b""), &path);
        let mut found = Differences::new(format!("exposition, profile {profile} seed {seed}"));
        for (metric, label, want) in expositions(&truth) {
            let (name, value) = label;
            let got = sum(&text, metric, name, &value);
            if got != Some(want as f64) {
                let filter = if name.is_empty() { String::new() } else { format!("{{{name}=\"{value}\"}}") };
                let got = got.map_or("no sample".to_string(), |got| got.to_string());
                found.add(&format!("{metric}{filter}"), got, want);
            }
        }
        differences.append(found);
    }
    differences.finish();
}

/// The truth is worth nothing when the generator is not the same everywhere and every time.
#[test]
fn a_seed_is_a_capture() {
    for profile in &PROFILES {
        let write = |seed| {
            let mut options = Options::new(profile, seed);
            (options.calls, options.duration) = (3, Duration::from_secs(2));
            let mut bytes = Vec::new();
            generate(&options, &mut bytes).expect("memory takes everything");
            bytes
        };
        let first = write(1);
        assert!(first == write(1), "{}: one seed, two captures", profile.name);
        assert!(first != write(2), "{}: two seeds, one capture", profile.name);
    }
}

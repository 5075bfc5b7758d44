//! What the integration tests share: where the shared fixtures are, how the program is run, how values are compared.

#![allow(dead_code)] // each test binary uses its own part

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// More differences than this say nothing new.
const MOST_DIFFERENCES: usize = 40;

/// The fixtures that this repository shares with others, or `None` (said on standard output) where there are none.
pub fn shared_dir() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("SIDETONE_SHARED") {
        let dir = PathBuf::from(named);
        assert!(dir.is_dir(), "SIDETONE_SHARED names {}, which is no directory", dir.display());
        return Some(dir);
    }
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    if !dir.is_dir() {
        println!("SKIPPED: no shared fixtures in ../shared, and SIDETONE_SHARED is not set");
        return None;
    }
    Some(dir)
}

/// Runs `sidetone analyze --format FORMAT FILE` with `input` on its standard input.
pub fn analyze(format: &str, file: &Path, input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sidetone"))
        .args(["analyze", "--format", format])
        .arg(file)
        // Hours of the day are those of the same clock on every machine.
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    std::thread::scope(|scope| {
        // A program that does not read its standard input closes it early: no failure.
        scope.spawn(move || stdin.write_all(input).ok());
        child.wait_with_output().expect("the program ends")
    })
}

/// Standard output of a run that must have succeeded.
pub fn stdout_of(output: &Output, file: &Path) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {}, standard error:\n{errors}", file.display(), output.status);
    String::from_utf8(output.stdout.clone()).unwrap_or_else(|_| panic!("{}: the output is no UTF-8", file.display()))
}

/// The JSON report about a capture file.
pub fn analyze_json(file: &Path) -> Value {
    let text = stdout_of(&analyze("json", file, b""), file);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error} in:\n{text}", file.display()))
}

/// The elements of an array; none when `value` is no array.
pub fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Collects differences, so that one run shows all of them.
#[derive(Default)]
pub struct Differences {
    place: String,
    found: Vec<String>,
}

impl Differences {
    /// `place` names the file (and seed, and profile) in every line.
    pub fn new(place: impl Into<String>) -> Self {
        Differences { place: place.into(), found: Vec::new() }
    }

    pub fn add(&mut self, what: &str, got: impl std::fmt::Display, want: impl std::fmt::Display) {
        self.found.push(format!("{}: {what}: got {got}, want {want}", self.place));
    }

    pub fn equal(&mut self, what: &str, got: &Value, want: impl Into<Value>) {
        let want = want.into();
        if *got != want {
            self.add(what, got, want);
        }
    }

    /// A count that may be absent when it is 0.
    pub fn count(&mut self, what: &str, got: &Value, want: u64) {
        if got.as_u64().or(got.is_null().then_some(0)) != Some(want) {
            self.add(what, got, want);
        }
    }

    /// Every count that is wanted, and nothing but zeros beside them.
    pub fn counts(&mut self, what: &str, got: &Value, want: &BTreeMap<String, u64>) {
        let others = got.as_object().into_iter().flatten().map(|(name, _)| name);
        for name in want.keys().chain(others.filter(|name| !want.contains_key(*name))) {
            self.count(&format!("{what}.{name}"), &got[name], want.get(name).copied().unwrap_or(0));
        }
    }

    /// A number within `tolerance`, or `null` where nothing is known.
    pub fn near(&mut self, what: &str, got: &Value, want: Option<f64>, tolerance: f64) {
        let same = match (got.as_f64(), want) {
            (Some(got), Some(want)) => (got - want).abs() <= tolerance,
            (None, None) => got.is_null(),
            _ => false,
        };
        if !same {
            let want = want.map_or("null".to_string(), |want| want.to_string());
            self.add(what, got, format!("{want} within {tolerance:e}"));
        }
    }

    pub fn append(&mut self, other: Differences) {
        self.found.extend(other.found);
    }

    /// Fails the test when anything differed.
    pub fn finish(self) {
        let total = self.found.len();
        let mut shown = self.found;
        shown.truncate(MOST_DIFFERENCES);
        assert!(total == 0, "{total} differences, the first of them:\n{}", shown.join("\n"));
    }
}

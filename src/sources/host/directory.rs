//! Configured directories, such as that of recordings: how many files, how large, how old.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Host, Reader};
use crate::numbers::Family;
use crate::sources::{Failure, Readings, Reason, Row, Start};

const LABELS: &[&str] = &["directory"];

static FAMILIES: [Family; 3] = [
    Family::gauge("host_directory_files", "", LABELS, "Files in a directory and those below it."),
    Family::gauge("host_directory_bytes", "bytes", LABELS, "Bytes in the files of a directory and those below it."),
    Family::gauge(
        "host_directory_oldest_timestamp_seconds",
        "seconds",
        LABELS,
        "Unix time when the oldest file of a directory and those below it was written last.",
    ),
];

/// A large directory takes long to walk, and changes slowly.
pub static ROW: Row = Row {
    name: "directory",
    interval: Duration::from_secs(60),
    deadline: Duration::from_secs(30),
    on: true,
    families: &FAMILIES,
    start: Start::Host(reader),
};

/// Most entries that are looked at.
const MAX_ENTRIES: u64 = 2_000_000;
/// Deepest that is descended.
const MAX_DEPTH: usize = 32;

fn reader(host: &Host) -> Reader {
    let host = host.clone();
    Box::new(move |out| {
        for directory in &host.settings.directories {
            let path = host.settings.root.join(directory.strip_prefix("/").unwrap_or(directory));
            match walk(&path) {
                Ok(found) => found.expose(&directory.to_string_lossy(), out),
                // One that is missing must not hide the others.
                Err(failure) => out.complain(failure),
            }
        }
        Ok(())
    })
}

#[derive(Default)]
struct Found {
    entries: u64,
    files: u64,
    bytes: u64,
    oldest: Option<SystemTime>,
}

impl Found {
    fn expose(&self, directory: &str, out: &mut Readings) {
        let oldest = self.oldest.map(|time| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
        for (family, value) in FAMILIES.iter().zip([Some(self.files as f64), Some(self.bytes as f64), oldest]) {
            if let Some(value) = value {
                out.add(family, vec![directory.to_owned().into()], value);
            }
        }
    }
}

/// Follows no link: it could lead anywhere, and around in a circle.
fn walk(path: &Path) -> Result<Found, Failure> {
    let mut found = Found::default();
    let mut open = vec![(path.to_owned(), 0)];
    while let Some((directory, depth)) = open.pop() {
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            // A directory below that was removed meanwhile.
            Err(error) if depth > 0 && error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Failure::io(directory.display(), &error)),
        };
        for entry in entries.flatten() {
            found.entries += 1;
            if found.entries > MAX_ENTRIES {
                let text = format_args!("{}: more than {MAX_ENTRIES} entries", path.display());
                return Err(Failure::new(Reason::TooMany, text));
            }
            let Ok(facts) = entry.metadata() else { continue };
            if facts.is_dir() && depth < MAX_DEPTH {
                open.push((entry.path(), depth + 1));
            } else if facts.is_file() {
                found.files += 1;
                found.bytes += facts.len();
                found.oldest = [found.oldest, facts.modified().ok()].into_iter().flatten().min();
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::sources::host::tests::exposed;

    #[test]
    fn files_of_all_levels_and_a_missing_neighbour() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("2026")).expect("a directory");
        std::fs::write(dir.path().join("2026/a.wav"), [0; 1000]).expect("a file");
        let old = std::fs::File::create(dir.path().join("b.wav")).expect("a file");
        old.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000)).expect("a time");
        std::os::unix::fs::symlink(dir.path(), dir.path().join("around")).expect("a link");
        let directories = vec!["/nowhere/at/all".into(), dir.path().to_owned()];
        let mut out = Readings::default();
        reader(&Host::new(&config::Host { directories, ..config::Host::default() }))(&mut out).expect("a sample");
        let name = dir.path().display();
        assert_eq!(exposed(&out, &format!("host_directory_files{{{name}}}")), [2.0]);
        assert_eq!(exposed(&out, &format!("host_directory_bytes{{{name}}}")), [1000.0]);
        assert_eq!(exposed(&out, &format!("host_directory_oldest_timestamp_seconds{{{name}}}")), [1e6]);
        assert_eq!(out.faults().len(), 1);
        assert_eq!(out.values().len(), 3);
    }
}

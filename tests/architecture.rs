//! The rules of ARCHITECTURE.md that a test can see in the source: what the core may not know, who may import whom, and tidiness.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Modules that do I/O, read clocks or know the registry. Whatever else there is, or will be, is core.
const OUTSIDE: [&str; 10] = ["main", "lib", "app", "capture", "cli", "config", "metrics", "report", "serve", "sources"];

/// Identifiers that mean I/O, a clock, a thread or a registry. Addresses of `std::net` are values, and allowed.
const BANNED: [&str; 27] = [
    "pcap",
    "prometheus_client",
    "metrics",
    "metrics_util",
    "tokio",
    "hyper",
    "hyper_util",
    "tracing",
    "rustix",
    "sysinfo",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "UnixListener",
    "UnixDatagram",
    "ToSocketAddrs",
    "Instant",
    "SystemTime",
    "UNIX_EPOCH",
    "thread",
    "Mutex",
    "RwLock",
    "println",
    "eprintln",
    "print",
    "eprint",
];
const BANNED_STD: [&str; 4] = ["fs", "io", "env", "process"];

/// Who may import whom in the core; a module that is not here may import nothing of this crate.
const LAYERS: [(&str, &[&str]); 13] = [
    // SDP names codecs; their table is arithmetic and knows nothing of bytes.
    // Fragments wait in a table, by the packets' own time.
    ("wire", &["arrivals", "generations", "quality", "time"]),
    ("fetch", &[]),
    ("agenda", &["time"]),
    ("expiring", &["cap", "time"]),
    ("cap", &[]),
    ("generations", &["cap", "time"]),
    ("index", &["fetch"]),
    ("labels", &["numbers", "site"]),
    ("site", &["wire"]),
    (
        "call",
        &[
            "agenda",
            "cap",
            "expiring",
            "fetch",
            "generations",
            "index",
            "labels",
            "media",
            "numbers",
            "site",
            "time",
            "wire",
        ],
    ),
    (
        "media",
        &[
            "agenda",
            "arrivals",
            "cap",
            "fetch",
            "generations",
            "index",
            "labels",
            "numbers",
            "quality",
            "site",
            "time",
            "wire",
        ],
    ),
    ("connections", &["cap", "numbers", "time", "wire"]),
    ("engine", &["call", "config", "connections", "labels", "media", "numbers", "site", "time", "wire"]),
];

/// What of media `call` may name: bounds of the same histograms. Media itself stays unknown to it.
const CALL_MAY_USE_OF_MEDIA: [&str; 4] = ["JITTER_BOUNDS", "LOSS_BOUNDS", "MOS_BOUNDS", "ROUND_TRIP_BOUNDS"];

const MAX_LINES: usize = 500;
const MOST_LINES: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// A source file without its tests and its comments.
struct Source {
    path: PathBuf,
    module: String,
    lines: usize,
    code: Vec<(usize, String)>,
}

impl Source {
    fn read(path: &Path) -> Source {
        let text = fs::read_to_string(path).expect("source text");
        let inside = path.strip_prefix(root().join("src")).expect("a file of src");
        let first = inside.iter().next().expect("a name").to_string_lossy();
        let is_test = path.file_stem().is_some_and(|name| name == "tests");
        // A test module stands last in its file (clippy: items_after_test_module), or is a file of its own.
        let code = text.lines().take_while(|line| *line != "#[cfg(test)]" && !is_test);
        let code = code.enumerate().map(|(at, line)| (at + 1, without_comment(line).to_owned())).collect();
        let module = first.trim_end_matches(".rs").to_owned();
        Source { path: inside.to_owned(), module, lines: text.lines().count(), code }
    }

    fn place(&self, line: usize) -> String {
        format!("src/{}:{line}", self.path.display())
    }

    fn is_core(&self) -> bool {
        !OUTSIDE.contains(&self.module.as_str())
    }

    fn text(&self) -> String {
        self.code.iter().map(|(_, line)| format!("{line}\n")).collect()
    }
}

/// Two slashes inside a string are cut off too: it only hides what no rule here looks for.
fn without_comment(line: &str) -> &str {
    line.split("//").next().unwrap_or(line)
}

fn sources() -> Vec<Source> {
    let sources: Vec<Source> = rust_files(&root().join("src")).iter().map(|path| Source::read(path)).collect();
    assert!(sources.len() > 40, "{} source files: is this the whole crate?", sources.len());
    sources
}

fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// What stands behind `path` in the text, groups in braces included: `crate::` gives the modules that are named.
fn named_behind(text: &str, path: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices(path) {
        let rest = &text[at + path.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            names.extend(heads_of(group).into_iter().map(str::to_owned));
        } else if let Some(name) = identifiers(rest).next() {
            names.insert(name.to_owned());
        }
    }
    names
}

/// The first identifier of each element of a group, up to the brace that closes it.
fn heads_of(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut heads) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' | ',' if depth == 0 => {
                heads.extend(identifiers(&group[start..at]).next());
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    heads
}

fn fail_if_any(rule: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

#[test]
fn the_core_knows_no_io_no_clock_no_registry() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| source.is_core()) {
        for (number, line) in &source.code {
            let banned = identifiers(line).filter(|word| BANNED.contains(word));
            found.extend(banned.map(|word| format!("{}: {word}", source.place(*number))));
        }
        let std = named_behind(&source.text(), "std::");
        found.extend(
            std.iter()
                .filter(|name| BANNED_STD.contains(&name.as_str()))
                .map(|name| source.place(0) + ": std::" + name),
        );
    }
    fail_if_any("the core may not know these", found);
}

#[test]
fn modules_import_only_those_that_they_may() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| source.is_core()) {
        let allowed =
            LAYERS.iter().find(|(module, _)| *module == source.module).map_or(&[][..], |(_, allowed)| allowed);
        let text = source.text();
        let used = named_behind(&text, "crate::").into_iter().filter(|used| *used != source.module);
        found.extend(
            used.filter(|used| !allowed.contains(&used.as_str())).map(|used| source.place(0) + " imports " + &used),
        );
        if source.module == "call" {
            let of_media = named_behind(&text, "crate::media::");
            let other = of_media.iter().filter(|name| !CALL_MAY_USE_OF_MEDIA.contains(&name.as_str()));
            found.extend(other.map(|name| source.place(0) + " imports media::" + name));
        }
    }
    fail_if_any("these imports go against the way of the data", found);
}

#[test]
fn nothing_in_src_panics_by_design() {
    // Split, so that this file does not hold what it looks for.
    let banned = ["todo", "unimplemented", "dbg", "panic", "unreachable"].map(|name| format!("{name}!"));
    let calls = ["unwrap()", "expect(", "expect_err(", "unwrap_err()"].map(|name| format!(".{name}"));
    let mut found = Vec::new();
    for source in sources() {
        for (number, line) in &source.code {
            let hits = banned.iter().chain(&calls).filter(|what| line.contains(what.as_str()));
            found.extend(hits.map(|what| format!("{}: {what}", source.place(*number))));
        }
    }
    fail_if_any("errors are values here", found);
}

#[test]
fn files_are_small() {
    let sources = sources();
    let over = |limit: usize| sources.iter().filter(move |source| source.lines > limit);
    let names =
        |limit| over(limit).map(|source| format!("{} lines in {}", source.lines, source.path.display())).collect();
    fail_if_any("more than 500 lines", names(MAX_LINES));
    let share = over(MOST_LINES).count() as f64 / sources.len() as f64;
    assert!(
        share <= 0.1,
        "{:.0} % of the files have more than 400 lines: {:?}",
        share * 100.0,
        names(MOST_LINES) as Vec<String>
    );
}

#[test]
fn every_dependency_has_its_reason_in_the_architecture() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let manifest: toml::Table = manifest.parse().expect("TOML");
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let names: Vec<&String> = manifest["dependencies"].as_table().expect("a table").keys().collect();
    assert!(!names.is_empty());
    let missing = names.into_iter().filter(|name| !page.contains(&format!("`{name}`")));
    fail_if_any("ARCHITECTURE.md does not say what these are for", missing.cloned().collect());
}

/// Tracked files as text, or `None` where there is no git or no repository (a source package).
fn tracked() -> Option<Vec<(String, String)>> {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().ok()?;
    if !output.status.success() || output.stdout.is_empty() {
        return None;
    }
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = names.split('\0').filter(|name| !name.is_empty());
    // Deleted but still in the index, or a link to nowhere: no text.
    Some(names.filter_map(|name| Some((name.to_owned(), text_of(&root().join(name))?))).collect())
}

fn text_of(path: &Path) -> Option<String> {
    Some(String::from_utf8_lossy(&fs::read(path).ok()?).into_owned())
}

/// Places that exist on one machine only: where this tree lies, homes, and where a registry would be configured.
fn machine_words() -> Vec<String> {
    let mut words: Vec<String> = ["home", "Users", "root"].iter().map(|dir| format!("/{dir}/")).collect();
    words.extend(["index-url", "replace-with", "extra-index", "artifactory"].map(str::to_owned));
    // The top directory that holds this tree, unless every machine has it.
    let top = root().iter().nth(1).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !["home", "root", "usr", "tmp", "var", "opt", "srv", "mnt", "build", "builds", "src"].contains(&top.as_str()) {
        words.push(format!("/{top}/"));
    }
    words
}

#[test]
fn no_tracked_file_names_a_machine_or_a_registry() {
    let Some(files) = tracked() else {
        println!("SKIPPED: not in a git repository, or no git");
        return;
    };
    let words = machine_words();
    let mut found = Vec::new();
    for (name, text) in files.iter().filter(|(name, _)| name != "tests/architecture.rs") {
        for (at, line) in text.lines().enumerate() {
            let hits = words.iter().filter(|word| stands_alone(line, word));
            found.extend(hits.map(|word| format!("{name}:{}: {word}", at + 1)));
        }
        if name == "Cargo.lock" {
            let official = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
            let other = text.lines().filter(|line| line.starts_with("source = ") && *line != official);
            found.extend(other.map(|line| format!("Cargo.lock: {line}")));
        }
    }
    fail_if_any("these hold on one machine only", found);
}

/// A path from the root, not the middle of another or of a URL.
fn stands_alone(line: &str, word: &str) -> bool {
    let before = |at: usize| line[..at].chars().next_back();
    line.match_indices(word).any(|(at, _)| !before(at).is_some_and(|c| c.is_alphanumeric() || "._-}$/~".contains(c)))
}

#[test]
fn these_rules_see_what_they_look_for() {
    assert_eq!(named_behind("use std::{fs, net::{IpAddr, io}, env};", "std::"), set(&["env", "fs", "net"]));
    assert_eq!(
        named_behind("a(crate::wire::sip) use crate::{call, media::x};", "crate::"),
        set(&["call", "media", "wire"])
    );
    assert!(stands_alone("see /home/me", "/home/") && !stands_alone("https://a.example/home/x", "/home/"));
    assert_eq!(without_comment("let a = 1; // Instant"), "let a = 1; ");
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

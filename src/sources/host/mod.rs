//! This host, under node_exporter's names: what the kernel says in /proc and /sys, one file here for each subject.
//!
//! Every reader is `read` (files -> text) beside a `parse` of text, so that any kernel's files can be tested. A file that is not there is
//! no error: kernels differ.

pub mod conntrack;
pub mod cpu;
pub mod descriptors;
pub mod directory;
pub mod disk;
pub mod filesystem;
pub mod interrupts;
pub mod load;
pub mod memory;
pub mod netstat;
pub mod network;
pub mod pressure;
pub mod process;
mod round;
pub mod sockets;
pub mod softnet;
pub mod system;
pub mod temperature;

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

pub use round::Round;

use super::{Failure, Readings, Reason, Row, Start};
use crate::config;
use crate::numbers::Family;

/// Most bytes that are read of a file of the kernel; /proc/interrupts of 512 processors takes 2 MiB.
const MAX_FILE: u64 = 8 << 20;
/// A file of the kernel is read in microseconds; a mount or a driver that hangs is not waited for.
const DEADLINE: Duration = Duration::from_secs(2);

/// Every source of the host, in the order of the documentation.
pub static ROWS: &[&Row] = &[
    &cpu::ROW,
    &load::ROW,
    &memory::ROW,
    &pressure::ROW,
    &filesystem::ROW,
    &disk::ROW,
    &network::ROW,
    &netstat::ROW,
    &sockets::ROW,
    &softnet::ROW,
    &interrupts::ROW,
    &conntrack::ROW,
    &descriptors::ROW,
    &temperature::ROW,
    &system::ROW,
    &process::ROW,
    &directory::ROW,
];

/// Reads one subject; may keep what it needs from one sample to the next.
pub type Reader = Box<dyn FnMut(&mut Readings) -> Result<(), Failure> + Send>;

/// Where the files are, and which of the host's things are asked for.
#[derive(Clone, Debug)]
pub struct Host {
    pub settings: config::Host,
    /// Where the files of the host's own network name space are.
    net: PathBuf,
}

impl Host {
    pub fn new(settings: &config::Host) -> Host {
        // "net" leads to the reader's own name space: beside the host's /proc, a container's.
        let net = match settings.proc == Path::new("/proc") {
            true => settings.proc.join("net"),
            false => settings.proc.join("1/net"),
        };
        Host { settings: settings.clone(), net }
    }

    /// The text of a file below /proc; none where there is no such file.
    pub fn proc(&self, file: &str) -> Result<Option<String>, Failure> {
        text(&self.settings.proc.join(file))
    }

    /// The text of a file below /proc/net.
    pub fn net(&self, file: &str) -> Result<Option<String>, Failure> {
        text(&self.net.join(file))
    }

    /// The path of something below /sys.
    pub fn sys(&self, file: &str) -> PathBuf {
        self.settings.sys.join(file)
    }
}

/// The text of a file of the kernel; none where there is no such file, or the device behind it has none to give.
pub fn text(path: &Path) -> Result<Option<String>, Failure> {
    let absent = |kind| matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if absent(error.kind()) => return Ok(None),
        Err(error) => return Err(Failure::io(path.display(), &error)),
    };
    // Most fit: one call to read it, one to see that it is all.
    let mut bytes = Vec::with_capacity(4096);
    match file.by_ref().take(MAX_FILE).read_to_end(&mut bytes) {
        // A name that is no UTF-8 shall not hide the other lines.
        Ok(_) => Ok(Some(
            String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        )),
        // A network device that is down has no speed, and a switched-off pressure no numbers.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(None),
        Err(error) if error.raw_os_error() == Some(ENODEV) => Ok(None),
        Err(error) => Err(Failure::io(path.display(), &error)),
    }
}

/// errno(3).
const ENODEV: i32 = 19;

/// What changes seldom is read again after so many samples.
const SELDOM: u32 = 12;

/// Counts samples.
#[derive(Default)]
struct Turns(u32);

impl Turns {
    /// Whether it is time for what changes seldom: at first, and then every so often.
    fn is_seldom(&mut self) -> bool {
        self.0 += 1;
        self.0 % SELDOM == 1
    }
}

/// A file whose text is one number.
pub fn number(path: &Path) -> Result<Option<f64>, Failure> {
    let Some(text) = text(path)? else { return Ok(None) };
    text.trim().parse().map(Some).map_err(|_| odd(path.display(), text.trim()))
}

/// Names in a directory, sorted; none where there is no such directory.
pub fn names(path: &Path) -> Result<Vec<String>, Failure> {
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::io(path.display(), &error)),
    };
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    Ok(names)
}

/// Families by their names, for files whose words are a part of them.
type ByName = LazyLock<HashMap<&'static str, &'static Family>>;

fn by_name(families: &'static [Family]) -> HashMap<&'static str, &'static Family> {
    families.iter().map(|family| (family.name, family)).collect()
}

/// What the kernel says is not what it should be.
pub fn odd(file: impl std::fmt::Display, what: &str) -> Failure {
    Failure::new(Reason::Answer, format_args!("{file}: cannot be understood: {what:?}"))
}

/// A row of the host: read every five seconds unless it says otherwise.
const fn row(name: &'static str, families: &'static [Family], reader: fn(&Host) -> Reader) -> Row {
    Row { name, interval: Duration::from_secs(5), deadline: DEADLINE, on: true, families, start: Start::Host(reader) }
}

/// The name that begins all families of the host.
const PREFIX: &str = "host_";

/// Families of the host under the names that the configuration wants.
#[derive(Debug)]
pub struct Prefix(HashMap<&'static str, &'static Family>);

impl Prefix {
    pub fn new(prefix: config::HostPrefix) -> Prefix {
        let families = ROWS.iter().flat_map(|row| row.families);
        match prefix {
            config::HostPrefix::Host => Prefix(HashMap::new()),
            config::HostPrefix::Node => Prefix(families.map(|family| (family.name, renamed(family))).collect()),
        }
    }

    /// What `family` is called.
    pub fn of(&self, family: &'static Family) -> &'static Family {
        self.0.get(family.name).copied().unwrap_or(family)
    }
}

/// Made once, when the agent starts: as long-lived as those that the program was written with.
fn renamed(family: &'static Family) -> &'static Family {
    let rest = family.name.strip_prefix(PREFIX).unwrap_or(family.name);
    let name: &'static str = Box::leak(format!("node_{rest}").into_boxed_str());
    Box::leak(Box::new(Family { name, ..*family }))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::numbers::Value;

    /// What `parse` says, where nothing is wrong.
    #[track_caller]
    pub fn read(parse: impl FnOnce(&mut Readings) -> Result<(), Failure>) -> Readings {
        let mut readings = Readings::default();
        parse(&mut readings).expect("a text of the kernel");
        assert_eq!(readings.faults(), []);
        readings
    }

    /// The values of the series `family{label,label}`.
    pub fn exposed(readings: &Readings, series: &str) -> Vec<f64> {
        let found = readings.values().iter().filter(|reading| {
            let labels: Vec<&str> = reading.labels.iter().map(AsRef::as_ref).collect();
            format!("{}{{{}}}", reading.family.name, labels.join(",")) == series
        });
        found
            .filter_map(|reading| match reading.value {
                Value::CounterFloat(value) | Value::Gauge(value) => Some(value),
                _ => None,
            })
            .collect()
    }
}

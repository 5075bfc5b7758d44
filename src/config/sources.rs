//! `[sources]` and `[host]`: what is sampled beside the calls.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;

use super::report::Fault;
use super::section::Document;
use super::value::{self, Checked, Value};
use crate::sources;

/// Which sources run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// Sources that run although they do not by default.
    pub on: BTreeSet<String>,
    /// Sources that do not run although they do by default.
    pub off: BTreeSet<String>,
    /// A value older than this is not shown; never less than three intervals of its source.
    pub max_age: Duration,
    /// Probes that run at the same time.
    pub max_probes: usize,
}

impl Sources {
    /// Whether the source `name`, by default `on`, is to run.
    pub fn is_on(&self, name: &str, on: bool) -> bool {
        (on || self.on.contains(name)) && !self.off.contains(name)
    }
}

impl Default for Sources {
    fn default() -> Self {
        Sources { on: BTreeSet::new(), off: BTreeSet::new(), max_age: Duration::from_secs(60), max_probes: 16 }
    }
}

/// This host.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// How often its sources are read; none: each at its own default.
    pub interval: Option<Duration>,
    /// What the names of its families begin with.
    pub prefix: HostPrefix,
    /// Where the host's /proc, /sys and root directory are: elsewhere in a container.
    pub proc: PathBuf,
    pub sys: PathBuf,
    pub root: PathBuf,
    /// Patterns (`*` stands for any characters) of what is left out.
    pub ignored_filesystems: Vec<String>,
    pub ignored_mounts: Vec<String>,
    pub ignored_disks: Vec<String>,
    pub ignored_networks: Vec<String>,
    /// Names of processes that are watched.
    pub processes: Vec<String>,
    /// Directories whose files are counted.
    pub directories: Vec<PathBuf>,
}

/// What the names of the host's families begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostPrefix {
    /// `host_`: nothing is summed twice where node_exporter runs too.
    #[default]
    Host,
    /// `node_`, for dashboards and rules that were made for node_exporter.
    Node,
}

impl Default for Host {
    fn default() -> Self {
        Host {
            interval: None,
            prefix: HostPrefix::Host,
            proc: "/proc".into(),
            sys: "/sys".into(),
            root: "/".into(),
            ignored_filesystems: super::words(IGNORED_FILESYSTEMS),
            ignored_mounts: super::words(IGNORED_MOUNTS),
            ignored_disks: super::words(["ram*", "loop*", "fd*"]),
            ignored_networks: Vec::new(),
            processes: super::words(PROCESSES),
            directories: Vec::new(),
        }
    }
}

/// File systems that are no storage.
const IGNORED_FILESYSTEMS: [&str; 24] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tracefs",
    "ramfs",
];

/// Where file systems are mounted that are no storage of this host.
const IGNORED_MOUNTS: [&str; 12] = [
    "/dev",
    "/dev/*",
    "/proc",
    "/proc/*",
    "/run/credentials/*",
    "/run/netns",
    "/run/netns/*",
    "/sys",
    "/sys/*",
    "/var/lib/docker/*",
    "/var/lib/containers/storage/*",
    "/var/lib/kubelet/pods/*",
];

/// What answers calls, carries media or keeps the data on such hosts.
const PROCESSES: [&str; 14] = [
    "kamailio",
    "opensips",
    "rtpengine",
    "rtpproxy",
    "asterisk",
    "freeswitch",
    "drachtio",
    "coturn",
    "turnserver",
    "sbc",
    "postgres",
    "mariadbd",
    "mysqld",
    "redis-server",
];

/// Most processes and directories: their names are label values.
const MAX_NAMES: usize = 100;

pub(super) fn sources(document: &mut Document<'_>) -> Sources {
    let default = Sources::default();
    document.section("sources", |section| {
        let sources = Sources {
            on: section.take("on", default.on, names),
            off: section.take("off", default.off, names),
            max_age: section.take("max_age", default.max_age, |typed| {
                value::duration(typed, Duration::from_secs(1)..=Duration::from_secs(24 * 3600))
            }),
            max_probes: section.take("max_probes", default.max_probes, |typed| value::count(typed, 1..=256)),
        };
        let both = sources.on.intersection(&sources.off).next().cloned();
        let message = format!("lists {:?}, which `sources.off` lists too", both.as_deref().unwrap_or_default());
        section.require(both.is_none(), ["on", "off"], &message, "delete it from one of the two");
        sources
    })
}

fn names(value: Value<'_>) -> Checked<BTreeSet<String>> {
    let known: Vec<(&str, &str)> = sources::table().map(|row| (row.name, row.name)).collect();
    let items = value::list(value, "sources", "\"cpu\"")?;
    let names = value::each(items, |item| value::choice(item, &known).map(str::to_owned))?;
    Ok(value::distinct(names)?.into_iter().map(Spanned::into_inner).collect())
}

pub(super) fn host(document: &mut Document<'_>) -> Host {
    let default = Host::default();
    let prefixes = [("host_", HostPrefix::Host), ("node_", HostPrefix::Node)];
    document.section("host", |section| Host {
        interval: section.take("interval", default.interval, |typed| {
            value::duration(typed, Duration::from_secs(1)..=Duration::from_secs(3600)).map(Some)
        }),
        prefix: section.take("prefix", default.prefix, |typed| value::choice(typed, &prefixes)),
        proc: section.take("proc", default.proc, directory),
        sys: section.take("sys", default.sys, directory),
        root: section.take("root", default.root, directory),
        ignored_filesystems: section.take("ignored_filesystems", default.ignored_filesystems, patterns),
        ignored_mounts: section.take("ignored_mounts", default.ignored_mounts, patterns),
        ignored_disks: section.take("ignored_disks", default.ignored_disks, patterns),
        ignored_networks: section.take("ignored_networks", default.ignored_networks, patterns),
        processes: section.take("processes", default.processes, processes),
        directories: section.take("directories", default.directories, directories),
    })
}

/// An absolute path: the agent's own working directory is nobody's concern.
fn directory(value: Value<'_>) -> Checked<PathBuf> {
    let span = value.span();
    let path = PathBuf::from(value::text(value)?);
    match path.is_absolute() {
        true => Ok(path),
        false => value::fault(span, "is no absolute path", "begin it with /"),
    }
}

fn directories(value: Value<'_>) -> Checked<Vec<PathBuf>> {
    let span = value.span();
    let items = value::list(value, "directories", "\"/var/spool/recordings\"")?;
    let found = value::each(items, |item| directory(item).map(|path| path.display().to_string()))?;
    let found: Vec<PathBuf> = value::plain(value::distinct(found)?).into_iter().map(PathBuf::from).collect();
    few(found, span)
}

fn patterns(value: Value<'_>) -> Checked<Vec<String>> {
    let items = value::list(value, "patterns", "\"tmp*\"")?;
    Ok(value::plain(value::distinct(value::each(items, value::text)?)?))
}

fn processes(value: Value<'_>) -> Checked<Vec<String>> {
    let span = value.span();
    let items = value::list(value, "process names", "\"kamailio\"")?;
    let names = value::each(items, |item| {
        let span = item.span();
        let name = value::text(item)?;
        match name.contains('/') {
            true => value::fault(span, "is a path", "write the program's name alone, as `ps -e` shows it"),
            false => Ok(name),
        }
    })?;
    few(value::plain(value::distinct(names)?), span)
}

fn few<T>(items: Vec<T>, span: std::ops::Range<usize>) -> Checked<Vec<T>> {
    match items.len() <= MAX_NAMES {
        true => Ok(items),
        false => {
            let fault = Fault::new(span, format!("has more than {MAX_NAMES} entries"), "each of them makes series");
            Err(vec![fault])
        }
    }
}

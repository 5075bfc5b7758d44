//! File systems: proc_pid_mounts(5) says which, statvfs(3) how full.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use rustix::fs::{StatVfs, statvfs};

use super::{Host, Reader, odd};
use crate::call::matches;
use crate::numbers::{Family, Labels};
use crate::sources::{Failure, Readings, Reason, Row, Start};

const LABELS: &[&str] = &["device", "fstype", "mountpoint"];

static FAMILIES: [Family; 7] = [
    Family::gauge("host_filesystem_size_bytes", "bytes", LABELS, "Size of the file system."),
    Family::gauge("host_filesystem_free_bytes", "bytes", LABELS, "Bytes that are free, those kept for root too."),
    Family::gauge("host_filesystem_avail_bytes", "bytes", LABELS, "Bytes that are free for everybody."),
    Family::gauge("host_filesystem_files", "", LABELS, "Files (inodes) that the file system can hold."),
    Family::gauge("host_filesystem_files_free", "", LABELS, "Files (inodes) that can still be made."),
    Family::gauge("host_filesystem_readonly", "", LABELS, "1 where the file system cannot be written."),
    Family::gauge("host_filesystem_device_error", "", LABELS, "1 where the file system gives no answer."),
];
static READ_ONLY: &Family = &FAMILIES[5];
static DEVICE_ERROR: &Family = &FAMILIES[6];

/// File systems fill slowly, and one of a network takes a round trip.
pub static ROW: Row = Row {
    name: "filesystem",
    interval: Duration::from_secs(15),
    deadline: Duration::from_secs(10),
    on: true,
    families: &FAMILIES,
    start: Start::Host(reader),
};

/// A file system that has not answered by now is one that hangs, as that of a file server that is gone.
const PATIENCE: Duration = Duration::from_millis(500);
/// Most file systems that may hang at once: each holds a thread.
const MAX_STUCK: usize = 8;

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mount {
    device: String,
    kind: String,
    point: PathBuf,
    is_read_only: bool,
}

impl Mount {
    fn labels(&self) -> Labels {
        vec![self.device.clone().into(), self.kind.clone().into(), self.point.to_string_lossy().into_owned().into()]
    }
}

fn reader(host: &Host) -> Reader {
    let host = host.clone();
    let mut asker = Asker::default();
    Box::new(move |out| {
        // The host's own view: a service has its own, with more mounts in it that are all the same file system.
        let text = match host.proc("1/mounts") {
            Ok(Some(text)) if !text.is_empty() => text,
            _ => host.proc("self/mounts")?.unwrap_or_default(),
        };
        let mounts = wanted(&host, parse(&text)?);
        asker.stuck.retain(|mount| mounts.contains(mount));
        for mount in &mounts {
            let answer = asker.ask(mount, &host.settings.root);
            out.add(DEVICE_ERROR, mount.labels(), f64::from(u8::from(answer.is_err())));
            match answer {
                Ok(facts) => expose(mount, &facts, out),
                Err(failure) => out.complain(failure),
            }
        }
        Ok(())
    })
}

/// proc_pid_mounts(5), fstab(5): device, mount point, type, options. procfs-core leaves spaces in names escaped.
fn parse(text: &str) -> Result<Vec<Mount>, Failure> {
    let mount = |line: &str| {
        let mut fields = line.split(' ');
        Some(Mount {
            device: unescaped(fields.next()?),
            point: unescaped(fields.next()?).into(),
            kind: unescaped(fields.next()?),
            is_read_only: fields.next()?.split(',').any(|option| option == "ro"),
        })
    };
    text.lines().map(|line| mount(line).ok_or_else(|| odd("mounts", line))).collect()
}

/// A space is `\\040`: a backslash and three octal digits stand for a byte.
fn unescaped(text: &str) -> String {
    let mut pieces = text.split('\\');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(char::from(byte));
                plain.push_str(&piece[3..]);
            }
            None => plain.extend(["\\", piece]),
        }
    }
    plain
}

/// Those that hold anything; of several on one directory the last, which hides the others.
fn wanted(host: &Host, mounts: Vec<Mount>) -> Vec<Mount> {
    let settings = &host.settings;
    let is_any = |patterns: &[String], text: &str| patterns.iter().any(|one| matches(one.as_bytes(), text.as_bytes()));
    let mut points = BTreeSet::new();
    let mut kept: Vec<Mount> = mounts
        .into_iter()
        .rev()
        .filter(|mount| points.insert(mount.point.clone()))
        .filter(|mount| !is_any(&settings.ignored_filesystems, &mount.kind))
        .filter(|mount| !is_any(&settings.ignored_mounts, &mount.point.to_string_lossy()))
        .collect();
    kept.reverse();
    kept
}

/// Asks file systems, each with patience of its own: one that hangs must not hide the others.
#[derive(Default)]
struct Asker {
    /// Threads of these have not come back.
    stuck: BTreeSet<Mount>,
    returned: Option<(mpsc::Sender<Mount>, mpsc::Receiver<Mount>)>,
}

impl Asker {
    fn ask(&mut self, mount: &Mount, root: &Path) -> Result<StatVfs, Failure> {
        let (back, returned) = self.returned.get_or_insert_with(mpsc::channel);
        for mount in returned.try_iter() {
            self.stuck.remove(&mount);
        }
        let point = below(root, &mount.point);
        let said = |reason, what: &str| Failure::new(reason, format_args!("{}: {what}", mount.point.display()));
        if self.stuck.contains(mount) || self.stuck.len() >= MAX_STUCK {
            return Err(said(Reason::Timeout, "the file system still gives no answer"));
        }
        if !may_hang(&mount.kind) {
            return statvfs(&point).map_err(|error| Failure::io(mount.point.display(), &error.into()));
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let (back, mine) = (back.clone(), mount.clone());
        let asking = std::thread::Builder::new().name("statvfs".into()).spawn(move || {
            // Nobody listens any more where it took too long.
            let _ = sender.send(statvfs(&point));
            let _ = back.send(mine);
        });
        if let Err(error) = asking {
            return Err(Failure::io("a thread for statvfs", &error));
        }
        match receiver.recv_timeout(PATIENCE) {
            Ok(answer) => answer.map_err(|error| Failure::io(mount.point.display(), &error.into())),
            Err(_) => {
                self.stuck.insert(mount.clone());
                Err(said(Reason::Timeout, "the file system gives no answer"))
            }
        }
    }
}

/// Whether somebody else than this kernel answers for it.
fn may_hang(kind: &str) -> bool {
    kind.starts_with("nfs")
        || kind.starts_with("fuse")
        || ["cifs", "smb3", "ceph", "9p", "glusterfs", "afs"].contains(&kind)
}

/// Where the host's `point` is seen from here.
fn below(root: &Path, point: &Path) -> PathBuf {
    root.join(point.strip_prefix("/").unwrap_or(point))
}

fn expose(mount: &Mount, facts: &StatVfs, out: &mut Readings) {
    let fragment = facts.f_frsize as f64;
    let (blocks, free, available) = (facts.f_blocks as f64, facts.f_bfree as f64, facts.f_bavail as f64);
    let values = [blocks * fragment, free * fragment, available * fragment, facts.f_files as f64, facts.f_ffree as f64];
    for (family, value) in FAMILIES.iter().zip(values) {
        out.add(family, mount.labels(), value);
    }
    // Not statvfs's flag: it is of the mounts that the agent's own sandbox made read-only (ProtectSystem=).
    out.add(READ_ONLY, mount.labels(), f64::from(u8::from(mount.is_read_only)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::sources::host::tests::exposed;

    const MOUNTS: &str = "\
        proc /proc proc rw,relatime 0 0\n\
        /dev/vda / ext4 rw,discard 0 1\n\
        server:/x /mnt/a\\040b nfs4 ro,relatime 0 0\n\
        /dev/vdb /mnt/a\\040b xfs rw,relatime 0 0\n";

    #[test]
    fn mounts_that_hold_something() {
        let host = Host::new(&config::Host::default());
        let mounts = wanted(&host, parse(MOUNTS).expect("mounts"));
        let seen: Vec<(&str, &str)> =
            mounts.iter().map(|mount| (mount.device.as_str(), mount.point.to_str().expect("UTF-8"))).collect();
        // /proc holds nothing, and what another mount hides cannot be asked.
        assert_eq!(seen, [("/dev/vda", "/"), ("/dev/vdb", "/mnt/a b")]);
        assert_eq!(unescaped("a\\134040\\011b\\x"), "a\\040\tb\\x");
        assert!(parse("not a mount\n").is_err());
    }

    #[test]
    fn what_the_sandbox_made_read_only_is_not() {
        let mut facts = statvfs("/").expect("the root is there");
        facts.f_flag |= rustix::fs::StatVfsMountFlags::RDONLY;
        let mut out = Readings::default();
        for mount in parse("/dev/vda / ext4 rw,discard 0 1\n/dev/vdb /iso udf ro 0 0\n").expect("mounts") {
            expose(&mount, &facts, &mut out);
        }
        assert_eq!(exposed(&out, "host_filesystem_readonly{/dev/vda,ext4,/}"), [0.0]);
        assert_eq!(exposed(&out, "host_filesystem_readonly{/dev/vdb,udf,/iso}"), [1.0]);
    }

    #[test]
    fn the_root_has_a_size() {
        let mut read = reader(&Host::new(&config::Host::default()));
        let mut out = Readings::default();
        read(&mut out).expect("mounts are read");
        let sizes = out.values().iter().filter(|reading| reading.family.name == "host_filesystem_size_bytes");
        assert!(sizes.count() > 0);
        assert!(exposed(&out, "host_filesystem_size_bytes{proc,proc,/proc}").is_empty());
    }
}

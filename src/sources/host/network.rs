//! Network devices: proc_pid_net(5) for what went through, /sys/class/net for what they are.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use procfs_core::FromRead;
use procfs_core::net::{DeviceStatus, InterfaceDeviceStatus};

use super::{Host, Reader, Turns, names, odd, text};
use crate::call::matches;
use crate::numbers::Family;
use crate::sources::{Failure, Readings, Row};

const LABELS: &[&str] = &["device"];

const fn count(name: &'static str, help: &'static str) -> Family {
    Family::counter(name, "", LABELS, help)
}

static FAMILIES: [Family; 25] = [
    Family::counter("host_network_receive_bytes_total", "bytes", LABELS, "Bytes received."),
    count("host_network_receive_packets_total", "Packets received."),
    count("host_network_receive_errs_total", "Bad packets received."),
    count(
        "host_network_receive_drop_total",
        "Packets received and dropped by the kernel, or that the device had no room for.",
    ),
    count("host_network_receive_fifo_total", "Packets that overran the device's buffer."),
    count("host_network_receive_frame_total", "Packets received with a frame that was no whole number of bytes."),
    count("host_network_receive_compressed_total", "Compressed packets received."),
    count("host_network_receive_multicast_total", "Packets for many received."),
    Family::counter("host_network_transmit_bytes_total", "bytes", LABELS, "Bytes sent."),
    count("host_network_transmit_packets_total", "Packets sent."),
    count("host_network_transmit_errs_total", "Packets that could not be sent."),
    count("host_network_transmit_drop_total", "Packets to be sent that the kernel dropped."),
    count("host_network_transmit_fifo_total", "Packets to be sent that overran the device's buffer."),
    count("host_network_transmit_colls_total", "Collisions."),
    count("host_network_transmit_carrier_total", "Packets not sent for want of a carrier."),
    count("host_network_transmit_compressed_total", "Compressed packets sent."),
    Family::gauge("host_network_up", "", LABELS, "1 while the device is up (operational state, RFC 2863)."),
    Family::gauge("host_network_carrier", "", LABELS, "1 while there is a carrier."),
    count("host_network_carrier_changes_total", "Times that the carrier came or went."),
    count("host_network_carrier_up_changes_total", "Times that the carrier came."),
    count("host_network_carrier_down_changes_total", "Times that the carrier went."),
    Family::gauge("host_network_mtu_bytes", "bytes", LABELS, "Largest packet."),
    Family::gauge("host_network_speed_bytes", "bytes", LABELS, "Speed of the link in bytes a second."),
    Family::gauge("host_network_transmit_queue_length", "", LABELS, "Packets that may wait to be sent."),
    Family {
        name: "host_network_info",
        kind: crate::numbers::Kind::Info,
        unit: "",
        labels: &["device", "address", "broadcast", "duplex", "ifalias", "operstate"],
        help: "Always 1; the labels say what the device is.",
    },
];
static UP: &Family = &FAMILIES[16];
static INFO: &Family = &FAMILIES[24];

/// A file of a device that holds one number, its family, and the factor to its unit.
type Number = (&'static str, &'static Family, f64);

static STATES: [Number; 4] = [
    ("carrier", &FAMILIES[17], 1.0),
    ("carrier_changes", &FAMILIES[18], 1.0),
    ("carrier_up_count", &FAMILIES[19], 1.0),
    ("carrier_down_count", &FAMILIES[20], 1.0),
];
/// These change seldom.
static FACTS: [Number; 3] = [
    ("mtu", &FAMILIES[21], 1.0),
    // Mbit/s
    ("speed", &FAMILIES[22], 1e6 / 8.0),
    ("tx_queue_len", &FAMILIES[23], 1.0),
];
/// And these words, which are labels.
const WORDS: [&str; 4] = ["address", "broadcast", "duplex", "ifalias"];

pub static ROW: Row = super::row("network", &FAMILIES, reader);

fn reader(host: &Host) -> Reader {
    let host = host.clone();
    let (mut turns, mut facts) = (Turns::default(), HashMap::new());
    Box::new(move |out| {
        let ignored = &host.settings.ignored_networks;
        let is_wanted = |name: &str| !ignored.iter().any(|pattern| matches(pattern.as_bytes(), name.as_bytes()));
        if let Some(text) = host.net("dev")? {
            traffic(&text, out, is_wanted)?;
        }
        if turns.is_seldom() {
            facts.clear();
        }
        let class = host.sys("class/net");
        for name in names(&class)?.into_iter().filter(|name| is_wanted(name)) {
            let path = class.join(&name);
            // Other things than devices live there too, such as bonding_masters.
            let Some(state) = word(&path, "operstate")? else { continue };
            let known = match facts.entry(name.clone()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(Facts::read(&path)?),
            };
            known.expose(&name, &state, out);
            for (family, value) in numbers(&path, &STATES)? {
                out.add(family, vec![name.clone().into()], value);
            }
        }
        Ok(())
    })
}

/// What a device is.
struct Facts {
    words: [String; WORDS.len()],
    numbers: Vec<(&'static Family, f64)>,
}

impl Facts {
    fn read(path: &Path) -> Result<Facts, Failure> {
        let mut words = <[String; WORDS.len()]>::default();
        for (word_of, file) in words.iter_mut().zip(WORDS) {
            *word_of = word(path, file)?.unwrap_or_default();
        }
        Ok(Facts { words, numbers: numbers(path, &FACTS)? })
    }

    fn expose(&self, name: &str, state: &str, out: &mut Readings) {
        let device = || name.to_owned().into();
        out.add(UP, vec![device()], f64::from(u8::from(state == "up")));
        for (family, value) in &self.numbers {
            out.add(family, vec![device()], *value);
        }
        let words = self.words.iter().map(|word| word.clone().into());
        out.add(INFO, std::iter::once(device()).chain(words).chain([state.to_owned().into()]).collect(), 1.0);
    }
}

fn word(path: &Path, file: &str) -> Result<Option<String>, Failure> {
    Ok(text(&path.join(file))?.map(|text| text.trim().to_owned()))
}

fn numbers(path: &Path, files: &[Number]) -> Result<Vec<(&'static Family, f64)>, Failure> {
    let mut found = Vec::new();
    for (file, family, factor) in files {
        // A device that does not know its speed says -1.
        let value = word(path, file)?.and_then(|word| word.parse::<f64>().ok()).filter(|value| *value >= 0.0);
        found.extend(value.map(|value| (*family, value * factor)));
    }
    Ok(found)
}

fn traffic(text: &str, out: &mut Readings, is_wanted: impl Fn(&str) -> bool) -> Result<(), Failure> {
    let devices =
        InterfaceDeviceStatus::from_read(text.as_bytes()).map_err(|error| odd("net/dev", &error.to_string()))?;
    for device in devices.0.values().filter(|device| is_wanted(&device.name)) {
        for (family, value) in FAMILIES.iter().zip(values(device)) {
            out.add(family, vec![device.name.clone().into()], value as f64);
        }
    }
    Ok(())
}

fn values(device: &DeviceStatus) -> [u64; 16] {
    [
        device.recv_bytes,
        device.recv_packets,
        device.recv_errs,
        device.recv_drop,
        device.recv_fifo,
        device.recv_frame,
        device.recv_compressed,
        device.recv_multicast,
        device.sent_bytes,
        device.sent_packets,
        device.sent_errs,
        device.sent_drop,
        device.sent_fifo,
        device.sent_colls,
        device.sent_carrier,
        device.sent_compressed,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::host::tests::{exposed, read};

    #[test]
    fn the_kernels_example() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes ...\n\
                    eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n  lo: 100 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
        let found = read(|out| traffic(text, out, |name| name != "lo"));
        assert_eq!(exposed(&found, "host_network_receive_bytes_total{eth0}"), [1.0]);
        assert_eq!(exposed(&found, "host_network_receive_drop_total{eth0}"), [4.0]);
        assert_eq!(exposed(&found, "host_network_transmit_compressed_total{eth0}"), [16.0]);
        assert_eq!(found.values().len(), 16);
    }

    #[test]
    fn a_device_without_a_speed_has_none() {
        let dir = tempfile::tempdir().expect("a directory");
        for (file, text) in
            [("operstate", "up\n"), ("mtu", "1500\n"), ("speed", "-1\n"), ("address", "02:00:00:00:00:01\n")]
        {
            std::fs::write(dir.path().join(file), text).expect("a file");
        }
        let facts = Facts::read(dir.path()).expect("files");
        let found = read(|out| {
            facts.expose("eth7", "up", out);
            Ok(())
        });
        assert_eq!(exposed(&found, "host_network_up{eth7}"), [1.0]);
        assert_eq!(exposed(&found, "host_network_mtu_bytes{eth7}"), [1500.0]);
        assert_eq!(exposed(&found, "host_network_info{eth7,02:00:00:00:00:01,,,,up}"), [1.0]);
        assert_eq!(found.values().len(), 3);
    }
}

//! Network devices: proc_pid_net(5) for what went through, /sys/class/net for what they are.

use std::path::Path;

use procfs_core::FromRead;
use procfs_core::net::{DeviceStatus, InterfaceDeviceStatus};

use super::{Host, Reader, names, odd, text};
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

/// Files of a device that hold one number, their families, and the factor to its unit.
static NUMBERS: [(&str, &Family, f64); 7] = [
    ("carrier", &FAMILIES[17], 1.0),
    ("carrier_changes", &FAMILIES[18], 1.0),
    ("carrier_up_count", &FAMILIES[19], 1.0),
    ("carrier_down_count", &FAMILIES[20], 1.0),
    ("mtu", &FAMILIES[21], 1.0),
    // Mbit/s
    ("speed", &FAMILIES[22], 1e6 / 8.0),
    ("tx_queue_len", &FAMILIES[23], 1.0),
];

pub static ROW: Row = super::row("network", &FAMILIES, reader);

fn reader(host: &Host) -> Reader {
    let host = host.clone();
    Box::new(move |out| {
        let ignored = &host.settings.ignored_networks;
        let is_wanted = |name: &str| !ignored.iter().any(|pattern| matches(pattern.as_bytes(), name.as_bytes()));
        if let Some(text) = host.net("dev")? {
            traffic(&text, out, is_wanted)?;
        }
        let class = host.sys("class/net");
        for name in names(&class)?.iter().filter(|name| is_wanted(name)) {
            describe(&class.join(name), name, out)?;
        }
        Ok(())
    })
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

fn describe(path: &Path, name: &str, out: &mut Readings) -> Result<(), Failure> {
    let word = |file: &str| Ok::<_, Failure>(text(&path.join(file))?.map(|text| text.trim().to_owned()));
    // Other things than devices live there too, such as bonding_masters.
    let Some(state) = word("operstate")? else { return Ok(()) };
    out.add(UP, vec![name.to_owned().into()], f64::from(u8::from(state == "up")));
    for (file, family, factor) in &NUMBERS {
        // A device that does not know its speed says -1.
        let value = word(file)?.and_then(|word| word.parse::<f64>().ok()).filter(|value| *value >= 0.0);
        if let Some(value) = value {
            out.add(family, vec![name.to_owned().into()], value * factor);
        }
    }
    let mut labels = vec![name.to_owned()];
    for file in ["address", "broadcast", "duplex", "ifalias"] {
        labels.push(word(file)?.unwrap_or_default());
    }
    labels.push(state);
    out.add(INFO, labels.into_iter().map(Into::into).collect(), 1.0);
    Ok(())
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
        let found = read(|out| describe(dir.path(), "eth7", out));
        assert_eq!(exposed(&found, "host_network_up{eth7}"), [1.0]);
        assert_eq!(exposed(&found, "host_network_mtu_bytes{eth7}"), [1500.0]);
        assert_eq!(exposed(&found, "host_network_info{eth7,02:00:00:00:00:01,,,,up}"), [1.0]);
        assert_eq!(found.values().len(), 3);
    }
}

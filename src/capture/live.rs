//! Live capture with libpcap: which interfaces, how they are opened, and what a failure means.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use pcap::{Active, Device};
use tracing::info;

use crate::config::Capture as Config;
use crate::media::Share;
use crate::time::Timestamp;
use crate::wire::LinkType;

pub use super::fanout::Group;
use super::filter::{self, Part};

/// How long the kernel may keep a packet to hand over many at once, milliseconds. After it a block is handed over however little is
/// in it, and a quiet ring of 16 blocks bridges 16 times as long.
const BATCH_MILLISECONDS: i32 = 100;
/// The pseudo-interface that takes packets of all others.
pub const ANY: &str = "any";
/// What libpcap lists that carries no IP.
const NOT_NETWORK: [&str; 6] = ["bluetooth", "usbmon", "nflog", "nfqueue", "dbus", "rdma"];

/// Why an interface is not captured.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    #[error(
        "capturing on {interface} is not permitted: CAP_NET_RAW is missing\n  \
         hint: run as root, or `setcap cap_net_raw+ep` on the binary, or AmbientCapabilities=CAP_NET_RAW in the unit"
    )]
    NotPermitted { interface: String },
    #[error(
        "there is no interface {interface}\n  hint: there are {existing}; capture.interfaces names those to capture"
    )]
    NoSuchInterface { interface: String, existing: String },
    #[error("interface {interface} is down\n  hint: `ip link set {interface} up`; it is tried again")]
    Down { interface: String },
    #[error(
        "capture filter does not compile: {reason}\n  filter: {filter}\n  hint: see pcap-filter(7); capture.filter holds your own"
    )]
    Filter { filter: String, reason: String },
    #[error("cannot capture on {interface}: {source}")]
    Other { interface: String, source: pcap::Error },
    #[error("cannot share {interface} among capture.workers: {source}")]
    Share { interface: String, source: io::Error },
    #[error("cannot list the interfaces: {0}")]
    List(pcap::Error),
}

impl LiveError {
    /// Whether trying again later can help without anybody changing anything here.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            LiveError::NoSuchInterface { .. }
                | LiveError::Down { .. }
                | LiveError::Other { .. }
                | LiveError::Share { .. }
        )
    }
}

/// Names of the interfaces to capture: the configured ones, or the loopback and all that are up.
pub fn interfaces(config: &Config) -> Result<Vec<String>, LiveError> {
    if config.is_off() {
        return Ok(Vec::new());
    }
    if !config.interfaces.is_empty() {
        return Ok(config.interfaces.clone());
    }
    let devices = Device::list().map_err(LiveError::List)?;
    Ok(devices
        .into_iter()
        .filter(|device| device.flags.is_up() && is_network(device))
        .map(|device| device.name)
        .collect())
}

/// Rings of the configured size that interfaces which nobody named take together: a container host has dozens of them.
const SHARED_RINGS: u32 = 4;
/// The smallest ring that is worth having, bytes; the configuration's own lower bound.
const MIN_RING: u32 = 1 << 20;

/// Of an interface's memory half is signalling's, the other half shared by those who read media. Signalling fills less, but libpcap's
/// blocks are 256 KiB each, and what counts is their number.
fn ring_size(config: &Config, part: Part) -> u32 {
    let signalling = config.ring_size / 2;
    let readers = u32::try_from(config.workers.saturating_sub(1)).unwrap_or(u32::MAX).max(1);
    let size = if part == Part::Signalling { signalling } else { (config.ring_size - signalling) / readers };
    size.max(MIN_RING)
}

fn snap_length(config: &Config, part: Part) -> u32 {
    match part {
        Part::Signalling => config.snap_length,
        Part::Media => config.snap_length.min(config.media_snap_length),
    }
}

/// The ring of each of `count` interfaces that were not named one by one.
pub fn shared_ring_size(configured: u32, count: usize) -> u32 {
    let count = u32::try_from(count).unwrap_or(u32::MAX).max(SHARED_RINGS);
    let share = u64::from(configured) * u64::from(SHARED_RINGS) / u64::from(count);
    u32::try_from(share).unwrap_or(configured).clamp(MIN_RING.min(configured), configured)
}

/// Addresses of this host's own interfaces, each as a network of one.
pub fn local_addresses() -> Result<Vec<ipnet::IpNet>, LiveError> {
    let devices = Device::list().map_err(LiveError::List)?;
    let mut all: Vec<ipnet::IpNet> =
        devices.iter().flat_map(|device| &device.addresses).map(|address| address.addr.into()).collect();
    // The whole loopback network is this host (RFC 1122 section 3.2.1.3).
    all.extend("127.0.0.0/8".parse::<ipnet::IpNet>());
    Ok(all)
}

fn is_network(device: &Device) -> bool {
    device.name != ANY && !NOT_NETWORK.iter().any(|other| device.name.starts_with(other))
}

/// An interface that is being captured.
pub struct Interface {
    capture: pcap::Capture<Active>,
    link: LinkType,
    part: Part,
}

/// Frames lost since the interface was opened, as libpcap counts them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drops {
    pub kernel: u64,
    pub interface: u64,
}

impl Interface {
    /// Opens a part of an interface for reading without blocking, of media this share; with a group, what it deals out to this ring.
    pub fn open(
        name: &str,
        config: &Config,
        (part, share): (Part, Share),
        group: Option<&Group>,
    ) -> Result<Interface, LiveError> {
        let failed = |source| explain(name, source);
        let mut capture = pcap::Capture::from_device(name)
            .map_err(failed)?
            .promisc(config.promiscuous)
            .snaplen(i32::try_from(snap_length(config, part)).unwrap_or(i32::MAX))
            .buffer_size(i32::try_from(ring_size(config, part)).unwrap_or(i32::MAX))
            .timeout(BATCH_MILLISECONDS)
            .open()
            .map_err(failed)?;
        if name == ANY && capture.set_datalink(pcap::Linktype(i32::from(LinkType::LINUX_SLL2.0))).is_err() {
            info!("libpcap before 1.10: `any` does not tell interfaces apart");
        }
        let link = LinkType(capture.get_datalink().0 as u16);
        let capture = capture.setnonblock().map_err(failed)?;
        let mut interface = Interface { capture, link, part };
        let filter = interface.follow(config, share)?;
        info!(interface = %name, ?part, %filter, "capturing");
        if let Some(group) = group {
            let shared = |source| LiveError::Share { interface: name.to_owned(), source };
            group.join(interface.fd()).map_err(shared)?;
        }
        Ok(interface)
    }

    /// From now on takes this share of media; gives the filter that does it.
    pub fn follow(&mut self, config: &Config, share: Share) -> Result<String, LiveError> {
        let filter = filter::expression(config, self.link, self.part, share);
        match self.capture.filter(&filter, true) {
            Ok(()) => Ok(filter),
            Err(reason) => Err(LiveError::Filter { filter, reason: reason.to_string() }),
        }
    }

    /// What becomes readable when frames wait.
    pub fn fd(&self) -> BorrowedFd<'_> {
        // pcap hands out a bare number; it stays open as long as the capture does, which `self` owns.
        #[allow(unsafe_code)]
        unsafe {
            BorrowedFd::borrow_raw(self.capture.as_raw_fd())
        }
    }

    pub fn link(&self) -> LinkType {
        self.link
    }

    /// Hands over at most `limit` of the frames that wait: time, length on the wire, bytes captured.
    pub fn read(&mut self, limit: usize, mut take: impl FnMut(Timestamp, u32, &[u8])) -> Result<usize, pcap::Error> {
        self.capture.dispatch(Some(limit), |packet| {
            let stamp = packet.header.ts;
            let nanos = stamp.tv_sec.saturating_mul(1_000_000_000).saturating_add(stamp.tv_usec.saturating_mul(1000));
            take(Timestamp::from_nanos(nanos), packet.header.len, packet.data);
        })
    }

    pub fn drops(&mut self) -> Drops {
        self.capture.stats().map_or(Drops::default(), |stats| Drops {
            kernel: u64::from(stats.dropped),
            interface: u64::from(stats.if_dropped),
        })
    }
}

/// libpcap tells its reasons as text; these are the ones that people meet.
fn explain(interface: &str, source: pcap::Error) -> LiveError {
    let (text, interface) = (source.to_string(), interface.to_owned());
    if text.contains("ermission") || text.contains("not permitted") {
        LiveError::NotPermitted { interface }
    } else if text.contains("No such device") || text.contains("No such file") {
        let devices = Device::list().unwrap_or_default();
        let names: Vec<&str> = devices.iter().filter(|d| is_network(d)).map(|d| d.name.as_str()).collect();
        LiveError::NoSuchInterface { interface, existing: names.join(", ") }
    } else if text.contains("not up") || text.contains("is down") {
        LiveError::Down { interface }
    } else {
        LiveError::Other { interface, source }
    }
}

/// Frames taken from one ring before the others and the requests have their turn.
pub const BATCH: usize = 4096;

/// How long an idle worker sleeps at most.
pub const IDLE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_interfaces_share_the_memory_of_four() {
        const MIB: u32 = 1 << 20;
        assert_eq!(shared_ring_size(16 * MIB, 1), 16 * MIB);
        assert_eq!(shared_ring_size(16 * MIB, 4), 16 * MIB);
        assert_eq!(shared_ring_size(16 * MIB, 16), 4 * MIB);
        assert_eq!(shared_ring_size(16 * MIB, 1000), MIB);
        assert_eq!(shared_ring_size(u32::MAX, 2), u32::MAX);
    }

    #[test]
    fn the_parts_of_an_interface_share_its_memory() {
        const MIB: u32 = 1 << 20;
        for (workers, media) in [(1, 4 * MIB), (2, 4 * MIB), (3, 2 * MIB), (32, MIB)] {
            let config = Config { ring_size: 8 * MIB, workers, ..Config::default() };
            assert_eq!((ring_size(&config, Part::Signalling), ring_size(&config, Part::Media)), (4 * MIB, media));
        }
    }
}

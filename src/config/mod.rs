//! The configuration: what was typed (TOML), what is valid, and a report of everything that is wrong with it.
//!
//! `Config::load` and `Config::parse` report every mistake of a file at once, each with its line, a caret and a hint.
//! Keys that are not typed keep the values of `Config::default`, which are those of the shipped `config/sidetone.toml`.

mod agents;
mod connections;
mod databases;
mod dsn;
mod hep;
mod labels;
mod limits;
mod masks;
mod net;
mod numbering;
mod outcomes;
mod packs;
mod pools;
mod probes;
mod rates;
mod read;
mod report;
mod section;
mod sources;
mod suspicious;
mod syntax;
mod value;
mod zone;

use std::fs::File;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;
use jiff::tz::TimeZone;

use crate::call::Rate;

pub use agents::{UserAgent, common as common_user_agents};
pub use connections::Connections;
pub use databases::{Database, Engine, Password, Tls, TlsMode};
pub use hep::{Hep, Secret};
pub use labels::Labels;
pub use limits::Limits;
pub use numbering::Numbering;
pub use outcomes::OutcomeRule;
pub use packs::From as LabelFrom;
pub use packs::{
    Business, Column, Condition, EventSource, Events, Key, Label, LabelRule, MINIMUM_GROUP, Merge, Metric, OWN_LABELS,
    PERIOD, Pack, Parameter, Place as LabelPlace, Query, Rule, Shape, Signature, Statement, TIMESTAMP, Tenants,
    TimePart, Track, Update, Values, Vocabulary, Wait, Wants, Window, band,
};
pub use pools::{Place, Places, Pool};
pub use probes::{Dns, Http, IpVersion, Pattern, Probe, ProbeKind, ProbeTls, Sip, SipTransport, Target};
pub use report::{ConfigError, Problem};
pub use sources::{Host, HostPrefix, Sources};
pub use suspicious::Suspicious;

/// Largest configuration file that is read, in bytes: far above any real one, it only stops `/dev/zero` and the like.
const MAX_FILE_SIZE: u64 = 1 << 20;

/// A valid configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The HTTP server.
    pub web: Web,
    /// Live capture.
    pub capture: Capture,
    /// The listener for mirrored packets.
    pub hep: Hep,
    /// RTP streams.
    pub media: Media,
    /// SIP over TCP, WebSocket and SCTP.
    pub connections: Connections,
    /// SIP calls, transactions and registrations.
    pub calls: Calls,
    /// What the E-model assumes.
    pub quality: Quality,
    /// Which addresses are this site's.
    pub site: Site,
    /// The networks on the far side, by name, in the order of the file.
    pub peers: Vec<Peer>,
    /// How telephone numbers are dialled here.
    pub numbering: Numbering,
    /// How refused attempts end, before the built-in table is asked; in the order of the file.
    pub outcomes: Vec<OutcomeRule>,
    /// What calls cost; none of them stands in another's place.
    pub rates: Vec<Rate>,
    /// What looks like fraud or an attack.
    pub suspicious: Suspicious,
    /// Where labels come from, and how many series there may be.
    pub labels: Labels,
    /// What the program may take of the host.
    pub limits: Limits,
    /// Which sources run beside the calls.
    pub sources: Sources,
    /// This host.
    pub host: Host,
    /// Services that are asked; in the order of the file.
    pub probes: Vec<Probe>,
    /// Servers that are sampled.
    pub databases: Vec<Database>,
    /// Pools of applications that are sampled.
    pub pools: Vec<Pool>,
    /// What is counted for the business.
    pub business: Business,
    /// Families of User-Agents; empty: the common ones. The first that matches wins.
    pub user_agents: Vec<UserAgent>,
    /// The agent's own log.
    pub log: Log,
}

/// The HTTP server of metrics and health.
#[derive(Clone, Debug, PartialEq)]
pub struct Web {
    /// Where it listens; never empty. `[::]` means all addresses, IPv4 too.
    pub listen_address: Vec<SocketAddr>,
    /// Connections served at the same time.
    pub max_connections: usize,
    /// How long one request may take, from its first byte to its answer.
    pub request_timeout: Duration,
}

/// Live capture.
#[derive(Clone, Debug, PartialEq)]
pub struct Capture {
    /// Interface names; empty: the loopback and every interface that is up; `any` and `none` stand alone.
    pub interfaces: Vec<String>,
    /// A BPF expression in place of the one made from the ports.
    pub filter: Option<String>,
    /// Ports on which SIP is expected; never empty.
    pub sip_ports: Vec<PortRange>,
    /// Ports on which RTP and RTCP are expected; never empty.
    pub media_ports: Vec<PortRange>,
    /// Whether the kernel lets tunnels through.
    pub tunnels: bool,
    /// Whether frames for other hosts are captured too.
    pub promiscuous: bool,
    /// Bytes kept of each frame.
    pub snap_length: u32,
    /// Bytes kept of each frame of media.
    pub media_snap_length: u32,
    /// Bytes of the kernel's capture buffers, an interface.
    pub ring_size: u32,
    /// Threads that capture; with more than one, one of them follows calls and streams.
    pub workers: usize,
    /// Whether less media is followed where it is too much.
    pub shed_media: bool,
    /// How long until an interface that vanished is tried again.
    pub reopen_interval: Duration,
}

/// Ports from `first` to `last`, both included; `first` is at least 1 and at most `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest port.
    pub first: u16,
    /// The highest port.
    pub last: u16,
}

/// RTP streams.
#[derive(Clone, Debug, PartialEq)]
pub struct Media {
    /// One quality observation a stream in this time.
    pub interval: Duration,
    /// A stream without packets ends after this time.
    pub idle_timeout: Duration,
    /// Streams followed at the same time.
    pub max_streams: usize,
    /// Flows that look like RTP but are not yet believed, at the same time.
    pub max_candidates: usize,
}

/// SIP calls, transactions and registrations.
#[derive(Clone, Debug, PartialEq)]
pub struct Calls {
    /// Calls followed at the same time.
    pub max_calls: usize,
    /// Transactions followed at the same time.
    pub max_transactions: usize,
    /// Registrations followed at the same time.
    pub max_registrations: usize,
    /// An INVITE without any response is given up after this time.
    pub setup_timeout: Duration,
    /// A call with a provisional but no final response is given up after this time.
    pub ring_timeout: Duration,
    /// An answered call without a BYE is given up after this time.
    pub max_duration: Duration,
    /// Media that starts later than this after the answer is a problem.
    pub late_media: Duration,
    /// Media of an answered call that is missing for so long is a problem.
    pub media_timeout: Duration,
    /// An answered call that had media and then none for so long is given up as dropped.
    pub media_silence: Duration,
    /// Patterns (`*` stands for any characters) for the user part or the host of a Request-URI that is a voicemail's.
    pub voicemail_targets: Vec<String>,
    /// Reasons of a Diversion (RFC 5806) that leads to a voicemail.
    pub voicemail_diversions: Vec<String>,
    /// A missed call that is returned within this time is counted as such.
    pub callback_window: Duration,
    /// Missed calls that are waited for at the same time.
    pub max_missed_calls: usize,
    /// Header fields whose value is the same on all legs of one call.
    pub leg_headers: Vec<String>,
}

/// What the E-model assumes where the wire does not tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Quality {
    /// One-way delay of the network where none is measured.
    pub assumed_delay: Duration,
    /// The emulated playout buffer that MOS and discards come from.
    pub playout_buffer: PlayoutBuffer,
    /// Delay of the fixed playout buffer.
    pub playout_delay: Duration,
    /// Bounds of the adaptive playout buffer's delay; the first is at most the second.
    pub playout_min: Duration,
    pub playout_max: Duration,
    /// Whether receivers of G.711 conceal lost packets.
    pub packet_loss_concealment: bool,
}

/// A receiver's playout buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlayoutBuffer {
    /// Always of the same delay.
    #[default]
    Fixed,
    /// As deep as the jitter asks for.
    Adaptive,
}

/// Which addresses are this site's, and what its clocks show.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Empty: the addresses of this host's own interfaces.
    pub local_networks: Vec<IpNet>,
    /// The zone of hours and weekdays.
    pub time_zone: TimeZone,
}

/// A named network on the far side.
#[derive(Clone, Debug, PartialEq)]
pub struct Peer {
    /// The value of the `peer` label; unique, of `a-z 0-9 _ -`, at most 63 bytes, never `other`.
    pub name: String,
    /// Its networks; never empty, and none of them is in another peer.
    pub networks: Vec<IpNet>,
    /// Calls that it takes at once.
    pub capacity: Option<u32>,
}

/// The agent's own log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    /// The least important level that is written.
    pub level: LogLevel,
    /// How a line is written.
    pub format: LogFormat,
}

/// How important a log line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something needs attention.
    Warn,
    /// Start, end and changes.
    #[default]
    Info,
    /// What the agent decides.
    Debug,
    /// Everything.
    Trace,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Capture {
    /// Whether no interface is to be captured.
    pub fn is_off(&self) -> bool {
        self.interfaces == ["none"]
    }
}

impl Config {
    /// Reads the file at `path`.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        match read_file(path) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                // The text before the first bad byte is the same in both, so its offset holds in `text`.
                let bad_byte = std::str::from_utf8(&bytes).err().map(|error| error.valid_up_to());
                read::config(&text, &path.display().to_string(), bad_byte)
            }
            Err(source) => Err(ConfigError::Unreadable { path: path.to_owned(), source }),
        }
    }

    /// Reads `text`; `name` is what the report calls it.
    pub fn parse(text: &str, name: &str) -> Result<Config, ConfigError> {
        read::config(text, name, None)
    }
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE_SIZE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_SIZE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 1 MiB, so no configuration"));
    }
    Ok(bytes)
}

impl PortRange {
    /// Whether `port` is in the range.
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

impl Default for Web {
    fn default() -> Self {
        Web {
            listen_address: vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, 10060))],
            max_connections: 256,
            request_timeout: Duration::from_secs(10),
        }
    }
}

impl Default for Capture {
    fn default() -> Self {
        Capture {
            interfaces: Vec::new(),
            filter: None,
            // RFC 3261 section 19.1.2: 5060 for UDP and TCP, 5061 for TLS.
            sip_ports: vec![PortRange { first: 5060, last: 5060 }, PortRange { first: 5061, last: 5061 }],
            media_ports: vec![PortRange { first: 1024, last: 65535 }],
            tunnels: true,
            promiscuous: false,
            snap_length: 65535,
            media_snap_length: 128,
            ring_size: 8 << 20,
            workers: 1,
            shed_media: true,
            reopen_interval: Duration::from_secs(5),
        }
    }
}

impl Default for Site {
    fn default() -> Self {
        // Where the system names no zone, jiff's unknown zone is UTC.
        Site { local_networks: Vec::new(), time_zone: TimeZone::system() }
    }
}

impl Default for Media {
    fn default() -> Self {
        Media {
            interval: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(60),
            max_streams: 40_000,
            max_candidates: 4096,
        }
    }
}

impl Default for Calls {
    fn default() -> Self {
        Calls {
            max_calls: 20_000,
            max_transactions: 100_000,
            max_registrations: 50_000,
            // RFC 3261 section 17.1.1.2: Timer B = 64 * T1 = 32 s.
            setup_timeout: Duration::from_secs(32),
            // RFC 3261 section 16.6: a proxy's Timer C is longer than 3 minutes.
            ring_timeout: Duration::from_secs(4 * 60),
            max_duration: Duration::from_secs(12 * 3600),
            late_media: Duration::from_secs(3),
            media_timeout: Duration::from_secs(10),
            media_silence: Duration::from_secs(5 * 60),
            voicemail_targets: words(["voicemail", "voicemail-*", "vm", "vm-*"]),
            voicemail_diversions: words(["no-answer", "user-busy", "unavailable", "do-not-disturb", "away"]),
            callback_window: Duration::from_secs(24 * 3600),
            max_missed_calls: 50_000,
            leg_headers: words(["Session-ID", "X-CID", "P-Charging-Vector"]),
        }
    }
}

impl Default for Quality {
    fn default() -> Self {
        Quality {
            assumed_delay: Duration::ZERO,
            playout_buffer: PlayoutBuffer::Fixed,
            playout_delay: Duration::from_millis(60),
            playout_min: Duration::from_millis(20),
            playout_max: Duration::from_millis(200),
            packet_loss_concealment: true,
        }
    }
}

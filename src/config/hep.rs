//! `[hep]`: where mirrors may send, and which.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use toml::Spanned;

use super::net;
use super::section::Document;
use super::value::{self, Checked, Value};

/// The listener for mirrored packets; off without an address.
#[derive(Clone, Debug, PartialEq)]
pub struct Hep {
    pub listen_udp: Vec<SocketAddr>,
    pub listen_tcp: Vec<SocketAddr>,
    pub listen_tls: Vec<SocketAddr>,
    /// PEM: the server's certificate and those that lead to its root.
    pub certificate_file: Option<PathBuf>,
    /// PEM.
    pub key_file: Option<PathBuf>,
    /// PEM: whose clients may connect by TLS; without it all.
    pub client_ca_file: Option<PathBuf>,
    pub auth_key: Option<Secret>,
    /// Holds a key; one beside `auth_key` is as good.
    pub auth_key_file: Option<PathBuf>,
    /// Empty: all.
    pub allowed_networks: Vec<IpNet>,
    /// TCP and TLS together.
    pub max_connections: usize,
    /// A connection without a packet ends after this time.
    pub idle_timeout: Duration,
    /// Bytes.
    pub max_packet_size: u32,
}

impl Hep {
    /// Whether anything is listened on.
    pub fn is_on(&self) -> bool {
        !(self.listen_udp.is_empty() && self.listen_tcp.is_empty() && self.listen_tls.is_empty())
    }
}

/// A text that no log and no message may show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    /// The secret itself.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Default for Hep {
    fn default() -> Self {
        Hep {
            listen_udp: Vec::new(),
            listen_tcp: Vec::new(),
            listen_tls: Vec::new(),
            certificate_file: None,
            key_file: None,
            client_ca_file: None,
            auth_key: None,
            auth_key_file: None,
            allowed_networks: Vec::new(),
            max_connections: 1000,
            idle_timeout: Duration::from_secs(10 * 60),
            max_packet_size: 65_535,
        }
    }
}

fn path(value: Value<'_>) -> Checked<Option<PathBuf>> {
    value::text(value).map(|text| Some(PathBuf::from(text)))
}

/// Reads the section; `captures`: interfaces are captured as well.
pub(super) fn read(document: &mut Document<'_>, captures: bool) -> Hep {
    let default = Hep::default();
    let networks = |typed: Value<'_>| Ok(net::networks(typed)?.into_iter().map(Spanned::into_inner).collect());
    document.section("hep", |section| {
        let hep = Hep {
            listen_udp: section.take("listen_udp", default.listen_udp, net::listen_addresses),
            listen_tcp: section.take("listen_tcp", default.listen_tcp, net::listen_addresses),
            listen_tls: section.take("listen_tls", default.listen_tls, net::listen_addresses),
            certificate_file: section.take("certificate_file", default.certificate_file, path),
            key_file: section.take("key_file", default.key_file, path),
            client_ca_file: section.take("client_ca_file", default.client_ca_file, path),
            auth_key: section
                .take("auth_key", default.auth_key, |typed| value::text(typed).map(|text| Some(Secret::new(text)))),
            auth_key_file: section.take("auth_key_file", default.auth_key_file, path),
            allowed_networks: section.take("allowed_networks", default.allowed_networks, networks),
            max_connections: section
                .take("max_connections", default.max_connections, |typed| value::count(typed, 1..=65_536)),
            idle_timeout: section.take("idle_timeout", default.idle_timeout, |typed| {
                value::duration(typed, Duration::from_secs(1)..=Duration::from_secs(24 * 3600))
            }),
            // HEP 3 has 16 bits for the length of a packet.
            max_packet_size: section
                .take("max_packet_size", default.max_packet_size, |typed| value::bytes(typed, 512..=65_535)),
        };
        let is_plain = hep.listen_tls.is_empty();
        section.require(
            is_plain || hep.certificate_file.is_some(),
            ["listen_tls", "certificate_file"],
            "needs `hep.certificate_file`",
            "name a file with the certificate, in PEM",
        );
        section.require(
            is_plain || hep.key_file.is_some(),
            ["listen_tls", "key_file"],
            "needs `hep.key_file`",
            "name a file with the key of the certificate, in PEM",
        );
        if !captures && !hep.is_on() {
            let message = "`capture.interfaces` is \"none\", and `hep` listens nowhere: there is nothing to watch";
            section.complain(section.place("listen_udp"), message, "add listen_udp = \":9060\" to [hep]");
        }
        hep
    })
}

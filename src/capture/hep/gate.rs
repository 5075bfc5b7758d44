//! Who may send, and what is unpacked.

use std::fs;
use std::hint::black_box;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::{Hep as Config, Secret};
use crate::wire::hep::{Mirrored, Packet, Refused};

use super::ListenError;

/// What each packet has to pass.
pub struct Gate {
    networks: Vec<IpNet>,
    /// Any of them is good; none at all: no key is asked for.
    keys: Vec<Secret>,
    longest: usize,
}

impl Gate {
    /// Reads the key's file, if there is one.
    pub fn new(config: &Config) -> Result<Gate, ListenError> {
        let mut keys: Vec<Secret> = config.auth_key.iter().cloned().collect();
        if let Some(path) = &config.auth_key_file {
            let text = fs::read_to_string(path).map_err(|source| ListenError::File {
                key: "auth_key_file",
                path: path.clone(),
                source,
            })?;
            if text.trim().is_empty() {
                return Err(ListenError::NoKey(path.clone()));
            }
            keys.push(Secret::new(text.trim().to_owned()));
        }
        Ok(Gate { networks: config.allowed_networks.clone(), keys, longest: config.max_packet_size as usize })
    }

    pub fn admits(&self, sender: IpAddr) -> bool {
        let sender = sender.to_canonical();
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(&sender))
    }

    /// Reads a packet from a sender that was admitted.
    pub fn open(&self, bytes: &[u8]) -> Result<Mirrored<'static>, Refused> {
        if bytes.len() > self.longest {
            return Err(Refused::TooLong);
        }
        let packet = Packet::parse(bytes)?;
        // Before anything is unpacked for whoever it is.
        let sent = packet.auth_key.unwrap_or(&[]);
        if !self.keys.is_empty() && !self.keys.iter().fold(false, |good, key| good | same(key.bytes(), sent)) {
            return Err(Refused::Authentication);
        }
        packet.open().map(Mirrored::into_owned)
    }
}

/// Whether what was sent is the key, in a time that tells nothing of where they differ.
fn same(key: &[u8], sent: &[u8]) -> bool {
    let mut difference = u8::from(key.len() != sent.len());
    for (at, byte) in key.iter().enumerate() {
        difference |= byte ^ sent.get(at).copied().unwrap_or(0);
    }
    black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_is_the_key() {
        for (sent, good) in [("myHep", true), ("myHeq", false), ("myHe", false), ("myHep\0", false), ("", false)] {
            assert_eq!(same(b"myHep", sent.as_bytes()), good, "{sent}");
        }
        let config = Config { auth_key: Some(Secret::new("myHep".to_owned())), ..Config::default() };
        assert!(!format!("{config:?}").contains("myHep"), "a secret is never shown");
    }

    #[test]
    fn networks_are_those_of_the_sender_whatever_the_socket_says() {
        let networks = vec!["192.0.2.0/24".parse().expect("a network")];
        let gate = Gate::new(&Config { allowed_networks: networks, ..Config::default() }).expect("no file is named");
        for (sender, admitted) in
            [("192.0.2.7", true), ("::ffff:192.0.2.7", true), ("192.0.3.7", false), ("::1", false)]
        {
            assert_eq!(gate.admits(sender.parse().expect("an address")), admitted, "{sender}");
        }
    }
}

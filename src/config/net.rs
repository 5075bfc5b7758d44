//! Values that name parts of a network: interfaces, ports, networks, addresses, peers.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use super::report::Fault;
use super::value::{Checked, Value, distinct, each, fault, found, list, mismatch, nearest, plain, quoted, string};
use super::{Peer, PortRange};

/// Most addresses to listen on; a host that has more listens on all.
const MAX_LISTENERS: usize = 64;

/// Longest name of a peer, as long as a DNS label (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 63;

/// Names of interfaces; `any` and `none` only alone.
pub(super) fn interfaces(value: Value<'_>) -> Checked<Vec<String>> {
    let items = list(value, "interface names", "\"eth0\"")?;
    let names = distinct(each(items, interface)?)?;
    match names.iter().find(|name| name.get_ref() == "any" || name.get_ref() == "none") {
        Some(word) if names.len() > 1 => {
            let message = format!("lists \"{}\" beside other interfaces", word.get_ref());
            let hint = format!("write [\"{}\"] alone, or only the names", word.get_ref());
            Err(vec![Fault::new(word.span(), message, hint)])
        }
        _ => Ok(plain(names)),
    }
}

/// One fault: an item of a list is something else.
pub(super) fn foreign<T>(value: &Value<'_>, what: &str, hint: impl Into<String>) -> Checked<T> {
    fault(value.span(), format!("holds {}, which is no {what}", found(value.get_ref())), hint)
}

fn interface(value: Value<'_>) -> Checked<String> {
    match value.get_ref().as_str() {
        Some(name) if !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control()) => {
            Ok(name.to_owned())
        }
        _ => foreign(&value, "interface name", "write each name alone, as in \"eth0\"; `ip link` lists them"),
    }
}

/// Ports and ranges of ports, at least one.
pub(super) fn ports(value: Value<'_>) -> Checked<Vec<PortRange>> {
    let whole = value.span();
    let items = list(value, "ports", "5060, \"10000-20000\"")?;
    if items.is_empty() {
        return fault(
            whole,
            "lists no port",
            "write at least one, as in [5060], or delete the line to get the default",
        );
    }
    each(items, port_range).map(plain)
}

fn port_range(value: Value<'_>) -> Checked<PortRange> {
    let port = |typed: &str| typed.trim().parse::<u16>().ok().filter(|port| *port > 0);
    let hint = "write a port from 1 to 65535, or a range as in \"10000-20000\"";
    let Some(typed) = value.get_ref().as_str() else {
        return match u16::deserialize(ValueDeserializer::from(value.clone())) {
            Ok(port) if port > 0 => Ok(PortRange { first: port, last: port }),
            _ => foreign(&value, "port", hint),
        };
    };
    if let Some(port) = port(typed) {
        return foreign(&value, "number", format!("write {port} without quotes"));
    }
    match typed.split_once('-').map(|(first, last)| (port(first), port(last))) {
        Some((Some(first), Some(last))) if first <= last => Ok(PortRange { first, last }),
        Some((Some(first), Some(last))) => {
            let message = format!("holds {}, which runs backwards", quoted(typed));
            fault(value.span(), message, format!("\"{last}-{first}\"?"))
        }
        Some(_) => foreign(&value, "range of ports", hint),
        None => foreign(&value, "port", hint),
    }
}

/// Networks; a bare address is the network of that one host.
pub(super) fn networks(value: Value<'_>) -> Checked<Vec<Spanned<IpNet>>> {
    distinct(each(list(value, "networks", "\"10.0.0.0/8\"")?, network)?)
}

/// Networks, at least one.
pub(super) fn peer_networks(value: Value<'_>) -> Checked<Vec<Spanned<IpNet>>> {
    let whole = value.span();
    let networks = networks(value)?;
    if networks.is_empty() {
        return fault(whole, "lists no network", "write at least one, as in [\"192.0.2.0/24\"]");
    }
    Ok(networks)
}

fn network(value: Value<'_>) -> Checked<IpNet> {
    let example = "write an address with a prefix length, as in \"10.0.0.0/8\" or \"2001:db8::/32\"";
    let Some(typed) = value.get_ref().as_str() else {
        return foreign(&value, "network", example);
    };
    if let Ok(address) = typed.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    match typed.parse::<IpNet>() {
        Ok(network) if network == network.trunc() => Ok(network),
        Ok(network) => {
            let message = format!("has host bits set in {}", quoted(typed));
            fault(value.span(), message, format!("\"{}\"?", network.trunc()))
        }
        Err(_) => {
            let bits = match typed.split_once('/').map(|(address, _)| address.parse::<IpAddr>()) {
                Some(Ok(IpAddr::V4(_))) => "write a prefix length from 0 to 32, as in \"10.0.0.0/8\"",
                Some(Ok(IpAddr::V6(_))) => "write a prefix length from 0 to 128, as in \"2001:db8::/32\"",
                _ => example,
            };
            foreign(&value, "network", bits)
        }
    }
}

/// One address to listen on, or a list of them.
pub(super) fn listen_addresses(value: Value<'_>) -> Checked<Vec<SocketAddr>> {
    let whole = value.span();
    let items = match value.get_ref() {
        DeValue::Array(_) => list(value, "addresses", "\"127.0.0.1:10060\"")?,
        _ => vec![value],
    };
    if items.is_empty() {
        return fault(whole, "lists no address", "write at least one, as in [\"127.0.0.1:10060\"]");
    }
    if items.len() > MAX_LISTENERS {
        return fault(
            whole,
            format!("lists more than {MAX_LISTENERS} addresses"),
            "write \":10060\" for all of this host's",
        );
    }
    let addresses = each(items, listen_address)?;
    let mut faults = Vec::new();
    for (index, address) in addresses.iter().enumerate() {
        let earlier = &mut addresses.iter().take(index);
        if let Some(other) = earlier.find(|other| overlap(*other.get_ref(), *address.get_ref())) {
            let message = format!("lists {}, which overlaps {}", address.get_ref(), other.get_ref());
            faults.push(Fault::new(address.span(), message, "delete one of them: both cannot be had at once"));
        }
    }
    if faults.is_empty() { Ok(plain(addresses)) } else { Err(faults) }
}

/// Whether the second bind would fail; port 0 is another free port each time.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let covers = |all: SocketAddr, one: SocketAddr| all.ip().is_unspecified() && (all.is_ipv6() || one.is_ipv4());
    a.port() == b.port() && a.port() != 0 && (a == b || covers(a, b) || covers(b, a))
}

fn listen_address(value: Value<'_>) -> Checked<SocketAddr> {
    let example = "write an IP address and a port, as in \"127.0.0.1:10060\", or \":10060\" for all addresses";
    let expected = "an address and a port";
    let typed = match value.get_ref() {
        DeValue::String(typed) => typed,
        DeValue::Integer(port) => return mismatch(&value, expected, format!("write \":{port}\"")),
        _ => return mismatch(&value, expected, example),
    };
    let all = typed.strip_prefix(':').map(|port| format!("[::]:{port}"));
    if let Ok(address) = all.as_deref().unwrap_or(typed).parse() {
        return Ok(address);
    }
    let hint = match (typed.parse::<IpAddr>(), typed.strip_prefix("localhost:").map(str::parse::<u16>)) {
        (Ok(address), _) => format!("write \"{}\"", SocketAddr::new(address, 10060)),
        (_, Some(Ok(port))) => format!("write \"127.0.0.1:{port}\""),
        _ => example.to_owned(),
    };
    mismatch(&value, expected, hint)
}

/// A peer's name: it becomes a label's value, so it is short, plain and never the value of all the rest.
pub(super) fn peer_name(value: Value<'_>) -> Checked<String> {
    let name = string(value.clone())?;
    let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-');
    if name == "other" {
        let message = "is \"other\", which stands for every network that has no name";
        return fault(value.span(), message, "choose another name");
    }
    if (1..=MAX_NAME).contains(&name.len()) && name.chars().all(plain) {
        return Ok(name);
    }
    let plainer: String = name.to_lowercase().chars().map(|c| if plain(c) { c } else { '-' }).collect();
    let hint = match plainer.len() {
        1..=MAX_NAME if plainer != "other" => format!("\"{plainer}\"?"),
        _ => "choose one such as \"carrier-a\"".to_owned(),
    };
    mismatch(&value, &format!("1 to {MAX_NAME} of a-z, 0-9, _ and -"), hint)
}

/// The name of a configured peer; while the name of one is wrong, it may be that one's.
pub(super) fn known_peer(value: &Value<'_>, peers: &[Peer]) -> Checked<String> {
    let name = string(value.clone())?;
    if peers.iter().any(|peer| peer.name == name || peer.name.is_empty()) {
        return Ok(name);
    }
    let names: Vec<&str> = peers.iter().map(|peer| peer.name.as_str()).collect();
    let hint = match nearest(&name, &names) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "add a section [[peers]] with that name".to_owned(),
    };
    fault(value.span(), format!("is {}, which no section [[peers]] has", quoted(&name)), hint)
}

//! ICMP echo (RFC 792, RFC 4443): needs CAP_NET_RAW, which capture has, or a group in net.ipv4.ping_group_range.

use std::net::IpAddr;
use std::time::Instant;

use surge_ping::{Client, Config, ICMP, IcmpPacket, PingIdentifier, PingSequence};

use super::sheet::{FAMILIES, ICMP_HOPS, ICMP_PHASES, Sheet};
use super::{dial, random};
use crate::config::{Probe as Settings, Target};
use crate::sources::{Failure, Reason};

/// As ping(8) sends.
const PAYLOAD: [u8; 56] = [0; 56];

pub async fn ask(settings: &Settings, target: &Target, sheet: &mut Sheet) -> Result<(), Failure> {
    let (address, resolve) = dial::resolve(settings, target, sheet).await?;
    sheet.phase(&FAMILIES[ICMP_PHASES], "resolve", resolve);
    let kind = match address.ip() {
        IpAddr::V4(_) => ICMP::V4,
        IpAddr::V6(_) => ICMP::V6,
    };
    let started = Instant::now();
    let client =
        Client::new(&Config::builder().kind(kind).build()).map_err(|error| Failure::io("an ICMP socket", &error))?;
    sheet.phase(&FAMILIES[ICMP_PHASES], "setup", started.elapsed());
    // Several probes of one target must not take each other's answers.
    let mut pinger = client.pinger(address.ip(), PingIdentifier(random() as u16)).await;
    pinger.timeout(settings.timeout);
    let (packet, time) = pinger
        .ping(PingSequence(0), &PAYLOAD)
        .await
        .map_err(|error| Failure::new(Reason::Connect, format_args!("{}: {error}", address.ip())))?;
    sheet.phase(&FAMILIES[ICMP_PHASES], "rtt", time);
    let hops = match packet {
        IcmpPacket::V4(packet) => packet.get_ttl(),
        IcmpPacket::V6(packet) => Some(packet.get_max_hop_limit()),
    };
    // A socket without privilege is not told.
    if let Some(hops) = hops.filter(|hops| *hops > 0) {
        sheet.set(&FAMILIES[ICMP_HOPS], f64::from(hops));
    }
    Ok(())
}

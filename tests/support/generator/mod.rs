//! Deterministic captures of SIP calls, RTP streams and RTCP reports with exactly known truth.
//!
//! `generate` writes a pcap to any writer in one pass, in the order of time, and returns what is true of it. What is
//! kept in memory is one event for each live stream and the state of the streams, never the packets.

#![allow(dead_code)] // each program that includes the generator uses its own part

mod call;
pub mod codec;
mod dialog;
mod impair;
pub mod link;
mod noise;
pub mod pcap;
pub mod profile;
pub mod rng;
mod rtcp;
mod scenario;
mod sip;
mod stream;
mod tally;
pub mod truth;
mod world;

use std::io::{self, Write};
use std::time::Duration;

use link::Link;
use pcap::Resolution;
use profile::Profile;
use truth::Truth;

/// Which IP version the calls use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    V4,
    V6,
    /// Every second call uses IPv6.
    Both,
}

#[derive(Clone, Debug)]
pub struct Options {
    pub profile: &'static Profile,
    pub seed: u64,
    pub calls: u32,
    /// Media time of each stream; zero for calls without media.
    pub duration: Duration,
    /// The calls start evenly over this time.
    pub ramp: Duration,
    pub link: Link,
    pub addresses: Addresses,
    pub resolution: Resolution,
    /// Mean time between the reports of a stream; zero for no RTCP.
    pub rtcp_interval: Duration,
}

impl Options {
    /// A small capture of `profile`.
    pub fn new(profile: &'static Profile, seed: u64) -> Self {
        Options {
            profile,
            seed,
            calls: 10,
            duration: Duration::from_secs(8),
            ramp: Duration::from_secs(3),
            link: Link::Ethernet,
            addresses: Addresses::V4,
            resolution: Resolution::Microseconds,
            rtcp_interval: Duration::from_secs(5),
        }
    }
}

/// Writes the capture that `options` describe and returns what is true of it.
pub fn generate<W: Write>(options: &Options, out: W) -> io::Result<Truth> {
    world::World::new(options, out)?.run()
}

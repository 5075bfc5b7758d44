//! Writes a capture of SIP calls with RTP and RTCP, and exactly what is true of it.

#[path = "../tests/support/generator/mod.rs"]
mod generator;

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Parser, ValueEnum};
use generator::link::Link;
use generator::pcap::Resolution;
use generator::profile::{PROFILES, Profile};
use generator::truth::Truth;
use generator::{Addresses, Options};

/// Write a capture of SIP calls, RTP streams and RTCP reports together with exactly what is true of it.
///
/// The same arguments give the same bytes on every machine. The packets are written in the order of time while they
/// are made: memory grows with the number of calls, not of packets.
#[derive(Parser)]
#[command(name = "generate", version, max_term_width = 110, after_long_help = examples())]
struct Arguments {
    /// Capture to write (classic pcap)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Where to write the truth as JSON: counts of SIP messages, every call and every stream with its losses,
    /// duplicates, reordering and jitter, as the contract of `sidetone analyze` defines them
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,

    /// What happens in the capture; the profiles are listed below
    #[arg(long, default_value = "mixed", value_parser = profile)]
    profile: &'static Profile,

    /// Number of calls (pairs of streams for a profile without signalling)
    #[arg(long, default_value_t = 10)]
    calls: u32,

    /// Seconds of media in each direction of an answered call; 0 for signalling only
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = seconds)]
    duration: f64,

    /// The calls start evenly over this many seconds; with `--ramp` below `--duration` all of them talk at once
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0, value_parser = seconds)]
    ramp: f64,

    /// Another seed, another capture
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Link layer: ethernet, vlan, qinq, pppoe, sll, sll2, null, loop, raw
    #[arg(long, value_name = "NAME", default_value = "ethernet", value_parser = link)]
    link: Link,

    /// IP version of the calls
    #[arg(long, value_enum, default_value_t = Family::V4)]
    ip: Family,

    /// Time stamps in nanoseconds instead of microseconds
    #[arg(long)]
    nanoseconds: bool,

    /// Mean seconds between the RTCP reports of a stream; 0 for no RTCP
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = seconds)]
    rtcp: f64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Family {
    V4,
    V6,
    Both,
}

fn examples() -> String {
    let mut text = String::from("Profiles:\n");
    for profile in &PROFILES {
        text.push_str(&format!("  {:<11} {}\n", profile.name, profile.about));
    }
    text.push_str(
        "\nExamples:\n  \
         A thousand calls at once, for speed:\n    \
         generate --profile load --calls 1000 --duration 30 --ramp 3 --seed 7 --out x.pcap --truth x.json\n  \
         Every call outcome, twenty thousand times, without media:\n    \
         generate --profile signalling --calls 20000 --duration 0 --ramp 200 --out sip.pcap\n  \
         One impaired voice stream for SIPp (exec play_pcap_audio=\"voice.pcap\"):\n    \
         generate --profile sipp-audio --calls 1 --duration 8 --rtcp 0 --out voice.pcap\n",
    );
    text
}

fn profile(name: &str) -> anyhow::Result<&'static Profile> {
    Profile::named(name).with_context(|| {
        let known: Vec<&str> = PROFILES.iter().map(|profile| profile.name).collect();
        format!("no such profile; there are {}", known.join(", "))
    })
}

fn link(name: &str) -> anyhow::Result<Link> {
    Link::from_name(name).with_context(|| {
        let known: Vec<&str> = Link::ALL.iter().map(|link| link.name()).collect();
        format!("no such link layer; there are {}", known.join(", "))
    })
}

/// A day is longer than any capture needs to be.
fn seconds(text: &str) -> anyhow::Result<f64> {
    match text.parse() {
        Ok(value) if (0.0..=86_400.0).contains(&value) => Ok(value),
        _ => bail!("not a number of seconds from 0 to 86400"),
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let options = Options {
        profile: arguments.profile,
        seed: arguments.seed,
        calls: arguments.calls,
        duration: Duration::from_secs_f64(arguments.duration),
        ramp: Duration::from_secs_f64(arguments.ramp),
        link: arguments.link,
        addresses: match arguments.ip {
            Family::V4 => Addresses::V4,
            Family::V6 => Addresses::V6,
            Family::Both => Addresses::Both,
        },
        resolution: if arguments.nanoseconds { Resolution::Nanoseconds } else { Resolution::Microseconds },
        rtcp_interval: Duration::from_secs_f64(arguments.rtcp),
    };
    let out = BufWriter::with_capacity(1 << 20, create(&arguments.out)?);
    let truth =
        generator::generate(&options, out).with_context(|| format!("cannot write {}", arguments.out.display()))?;
    if let Some(path) = &arguments.truth {
        serde_json::to_writer_pretty(BufWriter::new(create(path)?), &truth)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    summary(&arguments.out, &truth);
    Ok(())
}

fn create(path: &Path) -> anyhow::Result<File> {
    File::create(path).with_context(|| format!("cannot write {}", path.display()))
}

fn summary(path: &Path, truth: &Truth) {
    let total = |count: fn(&generator::truth::StreamTruth) -> u64| truth.streams.iter().map(count).sum::<u64>();
    let messages: u64 = truth.sip.requests.values().chain(truth.sip.responses.values()).sum();
    println!("{}: {} packets, {} bytes", path.display(), truth.packets, truth.bytes);
    println!(
        "  {} calls, {} SIP messages, {} of them sent again",
        truth.calls.len(),
        messages,
        truth.sip.retransmissions
    );
    println!(
        "  {} streams, {} RTP packets: {} lost, {} duplicates, {} reordered",
        truth.streams.len(),
        total(|stream| stream.packets),
        total(|stream| stream.lost),
        total(|stream| stream.duplicates),
        total(|stream| stream.reordered)
    );
}

//! Hours of calls through the agent: what `scripts/soak` runs.

#[path = "../tests/live/common.rs"]
mod common;
#[allow(dead_code)] // uses a part of it
#[path = "../tests/live/namespace.rs"]
mod namespace;
#[allow(dead_code)] // uses a part of it
#[path = "../tests/support/generator/rng.rs"]
mod rng;
#[allow(dead_code)] // uses a part of it
#[path = "../tests/live/soak/mod.rs"]
mod soak;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

/// Make calls without end on a veth pair while the agent captures, then compare all that it counted with what was sent.
///
/// Runs in a network namespace of its own, as root; `SIDETONE_BIN` names the agent.
#[derive(Parser)]
#[command(name = "soak", max_term_width = 110)]
struct Arguments {
    /// For so long calls begin
    #[arg(long, value_name = "N", default_value_t = 1800, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    seconds: u64,

    /// Calls and registrations that begin each second
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=5000))]
    calls_per_second: u64,

    /// Another seed, other calls
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let Arguments { seconds, calls_per_second, seed } = Arguments::parse();
    let folder = tempfile::tempdir().context("no folder for the configuration")?;
    let plan = soak::Plan { seconds, calls_per_second, seed };
    let differences = soak::run(soak::Options { plan, calls: "" }, folder.path());
    for difference in &differences {
        println!("DIFFERENT: {difference}");
    }
    println!("{}", if differences.is_empty() { "soak: all equal" } else { "soak: FAILED" });
    Ok(ExitCode::from(u8::from(!differences.is_empty())))
}

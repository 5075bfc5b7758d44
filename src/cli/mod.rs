//! The commands, one file each. Exit status: 0 done, 1 it failed (the reason is on standard error), 2 wrong usage.

mod analyze;
mod check;
mod metrics;
mod mos;
mod run;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, ConfigError};

/// Where a package puts the configuration.
const DEFAULT_CONFIG: &str = "/etc/sidetone/sidetone.toml";

/// Watches SIP calls and RTP streams and exposes their quality to Prometheus
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 110,
    after_help = "Examples:
  sidetone run                             watch the loopback and every interface that is up
  sidetone run --config my.toml            the same as configured
  sidetone analyze call.pcap               a report on a capture file
  tcpdump -w - udp | sidetone analyze -    the same on what comes in
  sidetone mos --codec g729 --loss 0.02    what 2 % loss does to G.729"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Analyze(analyze::AnalyzeArgs),
    Check(check::CheckArgs),
    Metrics(metrics::MetricsArgs),
    Mos(mos::MosArgs),
}

impl Cli {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Run(args) => run::run(&args),
            Command::Analyze(args) => analyze::run(&args),
            Command::Check(args) => check::run(&args),
            Command::Metrics(args) => metrics::run(&args),
            Command::Mos(args) => mos::run(args),
        }
    }
}

/// Which configuration a command reads.
#[derive(Debug, Args)]
struct ConfigArgs {
    /// Configuration file [default: /etc/sidetone/sidetone.toml where there is one, else the built-in defaults]
    #[arg(short, long, value_name = "FILE", alias = "config.file")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    /// The file that is read; `None` for the built-in defaults.
    fn path(&self) -> Option<&Path> {
        match &self.config {
            Some(path) => Some(path),
            None => Some(Path::new(DEFAULT_CONFIG)).filter(|path| path.exists()),
        }
    }

    /// The configuration; what is wrong with it is said here.
    fn load(&self) -> Result<Config, ExitCode> {
        self.path().map_or_else(|| Ok(Config::default()), Config::load).map_err(|error| match error {
            // A report of its own, one paragraph a mistake.
            ConfigError::Invalid { .. } | ConfigError::Several(_) => {
                say(&error);
                ExitCode::FAILURE
            }
            ConfigError::Unreadable { .. } => fail(error),
        })
    }
}

/// Says why a command failed.
fn fail(error: impl std::fmt::Display) -> ExitCode {
    say(format_args!("sidetone: {error}"));
    ExitCode::FAILURE
}

/// Writes a line to standard error; where that cannot be written, nobody is left to be told so.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writes a command's output; a reader that has seen enough and closed the pipe is no failure.
fn print(text: &str) -> ExitCode {
    written(io::stdout().lock().write_all(text.as_bytes()))
}

/// What became of writing to standard output: who reads no further has what was wanted.
fn written(result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(format_args!("cannot write to standard output: {error}")),
    }
}

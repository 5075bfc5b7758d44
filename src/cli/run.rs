//! `sidetone run`: the agent.

use std::process::ExitCode;

use clap::Args;

use super::ConfigArgs;

/// Run the agent: capture, measure, serve /metrics until SIGTERM or Ctrl-C
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Address to serve on, in place of web.listen_address; may be given several times
    #[arg(long, value_name = "ADDRESS", alias = "web.listen-address")]
    listen_address: Vec<std::net::SocketAddr>,

    /// Interface to capture on, in place of capture.interfaces; may be given several times
    #[arg(short, long, value_name = "NAME")]
    interface: Vec<String>,
}

pub fn run(args: &RunArgs) -> ExitCode {
    let mut config = match args.config.load() {
        Ok(config) => config,
        Err(status) => return status,
    };
    if !args.listen_address.is_empty() {
        config.web.listen_address = args.listen_address.clone();
    }
    if !args.interface.is_empty() {
        config.capture.interfaces = args.interface.clone();
    }
    match crate::app::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(format_args!("{error:#}")),
    }
}

//! `sidetone check`: is the configuration good.

use std::process::ExitCode;

use clap::Args;

use crate::capture::{filter, hep};
use crate::wire::LinkType;

use super::ConfigArgs;

/// Check the configuration: says everything that is wrong with file, line and a hint; exit 1
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run(args: &CheckArgs) -> ExitCode {
    let config = match args.config.load() {
        Ok(config) => config,
        Err(status) => return status,
    };
    let expression = filter::expression(&config.capture, LinkType::ETHERNET);
    if let Err(error) = filter::compile(&expression) {
        return super::fail(error);
    }
    if let Err(error) = hep::check(&config.hep) {
        return super::fail(error);
    }
    let name = args.config.path().map_or("built-in defaults".into(), |path| path.display().to_string());
    super::print(&format!("{name}: good\ncapture filter: {expression}\n"))
}

//! `sidetone check`: is the configuration good.

use std::process::ExitCode;

use clap::Args;

use crate::capture::filter::{self, Part};
use crate::capture::hep;
use crate::media::Share;
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
    let wanted = filter::wanted(&config.capture, LinkType::ETHERNET);
    let parts = Part::BOTH.map(|part| filter::expression(&config.capture, LinkType::ETHERNET, part, Share::ALL.half()));
    // What was typed first: that is what an error should speak of.
    if let Err(error) = [&wanted].into_iter().chain(&parts).try_for_each(|expression| filter::compile(expression)) {
        return super::fail(error);
    }
    if let Err(error) = hep::check(&config.hep) {
        return super::fail(error);
    }
    let name = args.config.path().map_or("built-in defaults".into(), |path| path.display().to_string());
    super::print(&format!("{name}: good\ncapture filter: {wanted}\n"))
}

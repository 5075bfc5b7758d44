//! `sidetone metrics`: the catalogue.

use std::fmt::Write;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::metrics::{Family, Kind, catalogue};

/// List every metric family: name, type, unit, labels, help
#[derive(Debug, Args)]
pub struct MetricsArgs {
    /// Output for people, for the documentation, for programs
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Markdown,
    Json,
}

#[derive(Serialize)]
struct Entry {
    name: &'static str,
    r#type: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
}

impl Entry {
    fn new(family: &Family) -> Entry {
        let r#type = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Info => "info",
            Kind::Untyped => "untyped",
        };
        Entry { name: family.name, r#type, unit: family.unit, labels: family.labels, help: family.help }
    }
}

pub fn run(args: &MetricsArgs) -> ExitCode {
    let entries: Vec<Entry> = catalogue().into_iter().map(Entry::new).collect();
    let text = match args.format {
        Format::Text => text(&entries),
        Format::Markdown => markdown(&entries),
        Format::Json => match serde_json::to_string_pretty(&entries) {
            Ok(json) => json + "\n",
            Err(error) => return super::fail(error),
        },
    };
    super::print(&text)
}

fn text(entries: &[Entry]) -> String {
    entries.iter().fold(String::new(), |mut out, entry| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{} ({}{}{})", entry.name, entry.r#type, comma(entry.unit), braces(entry.labels));
        let _ = writeln!(out, "    {}", entry.help);
        out
    })
}

fn comma(unit: &str) -> String {
    if unit.is_empty() { String::new() } else { format!(", {unit}") }
}

fn braces(labels: &[&str]) -> String {
    if labels.is_empty() { String::new() } else { format!(", {{{}}}", labels.join(",")) }
}

/// The table of docs/metrics.md.
fn markdown(entries: &[Entry]) -> String {
    let head = "| family | type | unit | labels | meaning |\n| --- | --- | --- | --- | --- |\n".to_owned();
    entries.iter().fold(head, |mut out, entry| {
        let labels: Vec<String> = entry.labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | {} |",
            entry.name,
            entry.r#type,
            entry.unit,
            labels.join(" "),
            entry.help
        );
        out
    })
}

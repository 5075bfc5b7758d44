//! `sidetone mos`: the E-models as a calculator (CONTRACT.md, section 2), and the codec table.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::quality::codec::{self, Codec, Mode, Profile};
use crate::quality::rating::{Conditions, MAX_BURST_RATIO, Rating, rate};

/// Longer one-way delays are a mistake of units: Table 2 of G.107 ends at 0.5 s.
const MAX_DELAY_SECONDS: f64 = 10.0;
/// What is said beside the rating of a mode with Ie alone.
const WITHOUT_LOSS_ONLY: &str = "no published Bpl: rated without loss only";
/// Characters that a full R fills in the text output.
const BAR_WIDTH: usize = 40;

/// Evaluate the E-model (ITU-T G.107, G.107.1, G.107.2): R factor, MOS, what users think of it, and what each impairment costs.
#[derive(Debug, Args)]
pub struct MosArgs {
    /// Codec: an encoding name as in SDP or a mode, e.g. pcmu, g729, gsm-efr, amr-12.2, amr-wb-12.65, evs-24.4
    #[arg(long, value_name = "NAME", required_unless_present = "list")]
    codec: Option<String>,

    /// List all codecs and modes with their Ie, Bpl, model and source
    #[arg(long, conflicts_with = "codec")]
    list: bool,

    /// Packets lost for the listener, a ratio: 5 % is 0.05
    #[arg(long, value_name = "RATIO", default_value = "0", value_parser = parse_loss, allow_hyphen_values = true)]
    loss: f64,

    /// Mean length of the loss bursts over that of random loss; values below 1 count as 1 (random)
    #[arg(long, value_name = "B", default_value = "1", value_parser = parse_burst_ratio, allow_hyphen_values = true)]
    burst_ratio: f64,

    /// One-way delay from mouth to ear in seconds: 150 ms is 0.15
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = parse_delay, allow_hyphen_values = true)]
    delay: f64,

    /// The receiver does not conceal lost packets
    #[arg(long)]
    no_plc: bool,

    /// No echo reaches the talker: only the delay itself counts
    #[arg(long)]
    no_echo: bool,

    /// Output for people, or for programs
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A short report
    Text,
    /// One JSON object
    Json,
}

/// Why an argument is refused; clap shows it and exits with 2.
#[derive(Debug, thiserror::Error)]
enum ArgError {
    #[error("not a number; {0}")]
    NotANumber(&'static str),
    #[error("{0}")]
    OutOfRange(&'static str),
}

/// Why there is no rating; exit status 1.
#[derive(Debug, thiserror::Error)]
enum NoRating {
    #[error("unknown codec `{0}`")]
    Unknown(String),
    #[error("no published Ie and Bpl for `{name}`, so it gets no MOS: {missing}")]
    Unrated { name: &'static str, missing: &'static str },
    #[error("no published Bpl for `{0}`: it can be rated without loss only")]
    NoBpl(&'static str),
}

/// Runs the calculator. Exit status 1: the codec is not known, or nothing published rates it under these conditions.
pub fn run(args: MosArgs) -> ExitCode {
    let name = match &args.codec {
        Some(name) if !args.list => name,
        _ => return super::print(&list(args.format)),
    };
    match rated(name, &args) {
        Ok((name, mode, profile)) => super::print(&output(&args, name, mode, &profile)),
        Err(error) => {
            let names: Vec<_> =
                codec::modes().filter(|(_, m)| profile(m, &args).is_ok()).map(|(_, m)| m.name).collect();
            super::say(format_args!(
                "error: {error}\n  hint: rated so: {}; all: sidetone mos --list",
                names.join(", ")
            ));
            ExitCode::FAILURE
        }
    }
}

/// The name as the table has it, its mode, and what rates that.
fn rated(name: &str, args: &MosArgs) -> Result<(&'static str, &'static Mode, Profile), NoRating> {
    let found = codec::find_mode(name).ok_or_else(|| NoRating::Unknown(name.escape_debug().to_string()))?;
    let mode = found.map_err(|codec| NoRating::Unrated { name: codec.name, missing: "nothing is known of it" })?;
    let profile = profile(mode, args)?;
    let name = codec::lookup(name).map_or(mode.name, |codec| codec.name);
    Ok((name, mode, profile))
}

/// Ie and Bpl of a mode; without any loss Ie is enough.
fn profile(mode: &Mode, args: &MosArgs) -> Result<Profile, NoRating> {
    match (mode.profile(!args.no_plc), mode.profile_without_loss()) {
        (Some(pair), _) => Ok(pair),
        (None, Some(_)) if args.loss > 0.0 => Err(NoRating::NoBpl(mode.name)),
        (None, Some(alone)) => Ok(alone),
        (None, None) => Err(NoRating::Unrated { name: mode.name, missing: mode.source }),
    }
}

fn output(args: &MosArgs, name: &str, mode: &Mode, profile: &Profile) -> String {
    let conditions = Conditions {
        loss_ratio: args.loss,
        burst_ratio: args.burst_ratio,
        delay_seconds: args.delay,
        echo: !args.no_echo,
    };
    let rating = rate(profile, &conditions);
    match args.format {
        Format::Text => text(args, mode, profile, &rating),
        Format::Json => json(name, mode, profile, &conditions, &rating),
    }
}

/// `mos` is what the model's own Recommendation defines (the contract); the series have `mos_narrowband_scale`.
fn json(name: &str, mode: &Mode, profile: &Profile, conditions: &Conditions, rating: &Rating) -> String {
    let parts = &rating.parts;
    let object = json!({
        "codec": name,
        "mode": profile.name,
        "r_factor": rating.r_factor,
        "mos": rating.mos_model_scale,
        "mos_narrowband_scale": rating.mos,
        "satisfaction": rating.satisfaction().as_str(),
        "ie_eff": parts.ie_eff,
        "id": rating.id,
        "model": rating.model.as_str(),
        "band": rating.model.band(),
        "ro": parts.ro,
        "is": parts.is,
        "idte": parts.idte,
        "idle": parts.idle,
        "idd": parts.idd,
        "ie": profile.impairment.ie,
        "bpl": mode.impairment.map(|_| profile.impairment.bpl),
        "source": profile.source,
        "note": mode.ie_alone.map(|_| WITHOUT_LOSS_ONLY),
        "loss_ratio": conditions.loss_ratio,
        "burst_ratio": conditions.burst_ratio,
        "delay_seconds": conditions.delay_seconds,
        "echo": conditions.echo,
    });
    format!("{object:#}\n")
}

fn text(args: &MosArgs, mode: &Mode, profile: &Profile, rating: &Rating) -> String {
    let mut out = headline(args, mode);
    let (parts, model) = (&rating.parts, rating.model);
    let filled = (rating.r_factor / model.r_max() * BAR_WIDTH as f64).round() as usize;
    let bar = format!("{}{}", "█".repeat(filled), "░".repeat(BAR_WIDTH.saturating_sub(filled)));
    let echo = format!("talker echo {:.1}, listener echo {:.1}, delay {:.1}", parts.idte, parts.idle, parts.idd);
    let ie = profile.impairment.ie;
    let loss = format!("codec {:.1}, loss {:.1}", ie, parts.ie_eff - ie);
    // Writing into a String cannot fail.
    let _ = writeln!(out, "\n  R factor  {:>6.1}  {bar} of {:.0}", rating.r_factor, model.r_max());
    let _ = writeln!(out, "  MOS       {:>6.2}  {}", rating.mos_model_scale, rating.satisfaction());
    if (rating.mos - rating.mos_model_scale).abs() >= 0.005 {
        let _ =
            writeln!(out, "            {:>6.2}  on the narrowband scale, which series and thresholds use", rating.mos);
    }
    out.push('\n');
    let shares = [
        ("Ro", ' ', parts.ro, "what the line itself allows, noise included".to_owned()),
        ("Is", '-', parts.is, "loudness, sidetone, quantizing".to_owned()),
        ("Id", '-', rating.id, echo),
        ("Ie,eff", '-', parts.ie_eff, loss),
    ];
    for (symbol, sign, value, meaning) in shares {
        let _ = writeln!(out, "  {symbol:<8}{sign} {value:>6.1}  {meaning}");
    }
    let _ = writeln!(out, "\n  Model     ITU-T {} ({}), all else at its defaults", model.as_str(), model.band());
    let bpl = mode.impairment.map(|_| format!(", Bpl {}", profile.impairment.bpl)).unwrap_or_default();
    let _ = writeln!(out, "  Values    Ie {ie}{bpl}: {}", profile.source);
    if mode.impairment.is_none() {
        let _ = writeln!(out, "  Note      {WITHOUT_LOSS_ONLY}");
    } else if args.no_plc && mode.without_plc.is_none() {
        let _ = writeln!(out, "  Note      concealment is part of the {} decoder: --no-plc changes nothing", mode.name);
    }
    if args.burst_ratio < 1.0 {
        let _ = writeln!(out, "  Note      a burst ratio below 1 counts as 1: G.107 knows random and bursty loss only");
    }
    out
}

/// "pcmu without concealment, 3 % loss (burst ratio 2), 150 ms one way with echo".
fn headline(args: &MosArgs, mode: &Mode) -> String {
    let concealment = match (args.no_plc, mode) {
        (_, Mode { impairment: None, .. }) => "",
        (true, Mode { without_plc: Some(_), .. }) => " without loss concealment",
        _ => " with loss concealment",
    };
    let bursts = if args.loss > 0.0 { format!(" (burst ratio {})", args.burst_ratio) } else { String::new() };
    let echo = if args.no_echo { "no echo" } else { "with echo" };
    let (percent, delay_ms) = (rounded(args.loss * 100.0), rounded(args.delay * 1000.0));
    format!("{}{concealment}, {percent} % loss{bursts}, {delay_ms} ms one way, {echo}\n", mode.name)
}

/// The codec table: a Markdown table (docs/codecs.md), or a JSON array.
fn list(format: Format) -> String {
    match format {
        Format::Text => {
            codec::modes().map(|(codec, mode)| line(codec, mode)).fold(TABLE_HEAD.to_owned(), |out, l| out + &l)
        }
        Format::Json => {
            let entries: Vec<Value> = codec::modes().map(|(codec, mode)| entry(codec, mode)).collect();
            format!("{:#}\n", Value::Array(entries))
        }
    }
}

const TABLE_HEAD: &str = "| name | model | Ie | Bpl | Bpl without concealment | Ie, without loss only | RTP clock | frame | source, or what is missing |\n\
    | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";

fn line(codec: &Codec, mode: &Mode) -> String {
    let shown = |value: Option<f64>| value.map_or("-".to_owned(), |v| v.to_string());
    let alone = codec.default_mode().is_some_and(|default| default.name == mode.name) && codec.name != mode.name;
    format!(
        "| `{}`{} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
        mode.name,
        if alone { format!(", `{}`", codec.name) } else { String::new() },
        mode.model.as_str(),
        shown(mode.impairment.map(|i| i.ie)),
        shown(mode.impairment.map(|i| i.bpl)),
        shown(mode.without_plc.map(|i| i.bpl)),
        shown(mode.ie_alone),
        codec.clock_rate_hz.map_or("SDP".to_owned(), |hz| format!("{hz} Hz")),
        codec.frame_seconds.map_or("-".to_owned(), |seconds| format!("{} ms", rounded(seconds * 1000.0))),
        mode.source,
    )
}

fn entry(codec: &Codec, mode: &Mode) -> Value {
    json!({
        "codec": codec.name,
        "mode": mode.name,
        "model": mode.model.as_str(),
        "band": mode.model.band(),
        "ie": mode.impairment.map(|i| i.ie),
        "bpl": mode.impairment.map(|i| i.bpl),
        "bpl_without_plc": mode.without_plc.map(|i| i.bpl),
        "ie_without_loss_only": mode.ie_alone,
        "clock_rate_hz": codec.clock_rate_hz,
        "frame_seconds": codec.frame_seconds,
        "source": mode.source,
    })
}

/// Three decimals at most, so that 0.07 * 100 is shown as 7.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn parse_loss(text: &str) -> Result<f64, ArgError> {
    parse(text, 0.0..=1.0, "a ratio, 0 to 1; 5 % is 0.05")
}

fn parse_burst_ratio(text: &str) -> Result<f64, ArgError> {
    parse(text, f64::MIN_POSITIVE..=MAX_BURST_RATIO, "1 is random loss, more is bursty; above 0, at most 1000")
}

fn parse_delay(text: &str) -> Result<f64, ArgError> {
    parse(text, 0.0..=MAX_DELAY_SECONDS, "seconds, 0 to 10; 150 ms is 0.15")
}

fn parse(text: &str, range: std::ops::RangeInclusive<f64>, hint: &'static str) -> Result<f64, ArgError> {
    let value: f64 = text.trim().parse().map_err(|_| ArgError::NotANumber(hint))?;
    if range.contains(&value) { Ok(value) } else { Err(ArgError::OutOfRange(hint)) }
}

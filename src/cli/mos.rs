//! `sidetone mos`: the E-model as a calculator (CONTRACT.md, section 2).

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::quality::codec::{self, Codec};
use crate::quality::emodel::{Conditions, Impairment, MAX_BURST_RATIO, Rating, rate};

/// Longer one-way delays are a mistake of units: Table 2 of G.107 ends at 0.5 s.
const MAX_DELAY_SECONDS: f64 = 10.0;
/// Characters that a full R of 100 fills in the text output.
const BAR_WIDTH: usize = 40;

/// Evaluate the E-model (ITU-T G.107): R factor, MOS, what users think of it, and what each impairment costs.
#[derive(Debug, Args)]
pub struct MosArgs {
    /// Codec: an encoding name as in SDP, e.g. pcmu, pcma, g729, g729ab, g723, gsm, gsm-efr
    #[arg(long, value_name = "NAME")]
    codec: String,

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

/// Runs the calculator. Exit status 1: the codec is not known or has no model.
pub fn run(args: MosArgs) -> ExitCode {
    let Some(codec) = codec::lookup(&args.codec) else {
        return refuse(&format!("unknown codec `{}`", args.codec.escape_debug()));
    };
    let Some(impairment) = codec.impairment(!args.no_plc) else {
        return refuse(&format!(
            "`{}` is known, but has no narrowband (ITU-T G.107) model value, so it gets no MOS",
            codec.name
        ));
    };
    let conditions = Conditions {
        loss_ratio: args.loss,
        burst_ratio: args.burst_ratio,
        delay_seconds: args.delay,
        echo: !args.no_echo,
    };
    let rating = rate(impairment, &conditions);
    let output = match args.format {
        Format::Text => text(&args, codec, impairment, &rating),
        Format::Json => json(codec, impairment, &conditions, &rating),
    };
    match io::stdout().lock().write_all(output.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot write to standard output: {error}");
            ExitCode::FAILURE
        }
    }
}

fn refuse(reason: &str) -> ExitCode {
    let names: Vec<_> = codec::with_model().map(|c| c.name).collect();
    eprintln!("error: {reason}\n  hint: codecs with a model: {}", names.join(", "));
    ExitCode::FAILURE
}

fn json(codec: &Codec, impairment: &Impairment, conditions: &Conditions, rating: &Rating) -> String {
    let object = json!({
        "codec": codec.name,
        "r_factor": rating.r_factor,
        "mos": rating.mos,
        "satisfaction": rating.satisfaction().as_str(),
        "ie_eff": rating.ie_eff,
        "id": rating.id,
        "model": "G.107",
        "ro": rating.ro,
        "is": rating.is,
        "idte": rating.idte,
        "idle": rating.idle,
        "idd": rating.idd,
        "ie": impairment.ie,
        "bpl": impairment.bpl,
        "source": codec.source,
        "loss_ratio": conditions.loss_ratio,
        "burst_ratio": conditions.burst_ratio,
        "delay_seconds": conditions.delay_seconds,
        "echo": conditions.echo,
    });
    format!("{object:#}\n")
}

fn text(args: &MosArgs, codec: &Codec, impairment: &Impairment, rating: &Rating) -> String {
    let mut out = headline(args, codec);
    let filled = (rating.r_factor / 100.0 * BAR_WIDTH as f64).round() as usize;
    let bar = format!("{}{}", "█".repeat(filled), "░".repeat(BAR_WIDTH.saturating_sub(filled)));
    let echo = format!("talker echo {:.1}, listener echo {:.1}, delay {:.1}", rating.idte, rating.idle, rating.idd);
    let loss = format!("codec {:.1}, loss {:.1}", impairment.ie, rating.ie_eff - impairment.ie);
    // Writing into a String cannot fail.
    let _ = write!(
        out,
        "\n  R factor  {:>6.1}  {bar}\n  MOS       {:>6.2}  {}\n\n",
        rating.r_factor,
        rating.mos,
        rating.satisfaction(),
    );
    let shares = [
        ("Ro", ' ', rating.ro, "what the line itself allows, noise included".to_owned()),
        ("Is", '-', rating.is, "loudness, sidetone, quantizing".to_owned()),
        ("Id", '-', rating.id, echo),
        ("Ie,eff", '-', rating.ie_eff, loss),
    ];
    for (symbol, sign, value, meaning) in shares {
        let _ = writeln!(out, "  {symbol:<8}{sign} {value:>6.1}  {meaning}");
    }
    let _ = write!(out, "\n  Model     ITU-T G.107, all else at its defaults\n  Values    {}\n", codec.source);
    if args.no_plc && codec.without_plc.is_none() {
        let _ =
            writeln!(out, "  Note      concealment is part of the {} decoder: --no-plc changes nothing", codec.name);
    }
    if args.burst_ratio < 1.0 {
        let _ = writeln!(out, "  Note      a burst ratio below 1 counts as 1: G.107 knows random and bursty loss only");
    }
    out
}

/// "pcmu without concealment, 3 % loss (burst ratio 2), 150 ms one way with echo".
fn headline(args: &MosArgs, codec: &Codec) -> String {
    let concealment = match (args.no_plc, &codec.without_plc) {
        (true, Some(_)) => " without loss concealment",
        _ => " with loss concealment",
    };
    let bursts = if args.loss > 0.0 { format!(" (burst ratio {})", args.burst_ratio) } else { String::new() };
    let echo = if args.no_echo { "no echo" } else { "with echo" };
    let (percent, delay_ms) = (rounded(args.loss * 100.0), rounded(args.delay * 1000.0));
    format!("{}{concealment}, {percent} % loss{bursts}, {delay_ms} ms one way, {echo}\n", codec.name)
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

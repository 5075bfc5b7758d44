//! `sidetone analyze`: the core over capture files.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, mpsc};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use crate::capture::file::{CaptureFile, FileError, Frame};
use crate::engine::{self, Batch, Engine, Settings, Share};
use crate::metrics::{Workers, render};
use crate::numbers::Collection;
use crate::report::{CaptureSummary, Findings, json, text};

use super::ConfigArgs;

/// Frames between two looks at the clock of the progress bar.
const PROGRESS_FRAMES: u64 = 1 << 16;
/// Bytes of the output that are written together.
const BLOCK: usize = 256 << 10;
/// What is handed from thread to thread at once: little enough to stay in a core's second cache.
const BATCH_FRAMES: usize = 1024;
const BATCH_BYTES: usize = 256 << 10;
/// Batches under way between two threads.
const QUEUE: usize = 8;
/// The interface that frames of files are counted under.
const FILE: &str = "file";

/// Analyse capture files (pcap, pcapng, also gzip or zstd): a report, JSON, or the exposition
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 done; 1 a file could not be read or is no capture (the others are still \
reported); 2 wrong usage.\nA record cut off at the end of a file is reported, and no error.")]
pub struct AnalyzeArgs {
    /// Capture files, read in this order as one capture; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Report for people, JSON for programs (schema sidetone.analysis/1), or what /metrics would show afterwards
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    /// Threads: with 2 one reads and decodes while the other follows calls and streams; the results are the same, and more
    /// threads than 2 are not used
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,

    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
    Prometheus,
}

pub fn run(args: &AnalyzeArgs) -> ExitCode {
    let config = match args.config.load() {
        Ok(config) => config,
        Err(status) => return status,
    };
    // In a file no address is this host's own but those that the configuration names.
    let site = Arc::new(engine::site(&config, config.site.local_networks.clone()));
    // An exposition needs no list of all that was there.
    let is_listed = !matches!(args.format, Format::Prometheus);
    let settings = Settings { read_hep: true, ..Settings::new(&config, is_listed) };
    let mut engine = Engine::new(settings, site);
    let interface = engine.add_interface(FILE);
    let mut captures = Vec::new();
    let mut failed = false;
    for path in &args.files {
        let failure = match CaptureFile::open(path) {
            Ok(file) => {
                let (summary, failure) = match args.threads {
                    1 => read(file, |frame| {
                        engine.frame(interface, frame.time, frame.link, frame.original_length, frame.data);
                    }),
                    _ => read_beside(file, &mut engine, interface),
                };
                captures.push(summary);
                failure
            }
            Err(error) => Some(error),
        };
        if let Some(error) = failure {
            super::say(format_args!("sidetone: {error}"));
            failed = true;
        }
    }
    if captures.is_empty() {
        return ExitCode::FAILURE;
    }
    match output(args.format, captures, engine) {
        Ok(_) if failed => ExitCode::FAILURE,
        Ok(status) => status,
        Err(error) => super::fail(error),
    }
}

/// Reads one file in a thread of its own, which decodes what takes no state.
fn read_beside(file: CaptureFile, engine: &mut Engine, interface: usize) -> (CaptureSummary, Option<FileError>) {
    std::thread::scope(|scope| {
        let (full, batches) = mpsc::sync_channel(QUEUE);
        let (spent, blanks) = mpsc::channel();
        let reader = scope.spawn(move || {
            let blank = || blanks.try_recv().unwrap_or_else(|_| Batch::on(interface));
            let mut batch = blank();
            let result = read(file, |frame| {
                batch.put(Share::ALL, frame.time, frame.link, frame.original_length, frame.data);
                if batch.len() >= BATCH_FRAMES || batch.size() >= BATCH_BYTES {
                    // It is refused only where the other thread has panicked.
                    let _ = full.send(std::mem::replace(&mut batch, blank()));
                }
            });
            let _ = full.send(batch);
            result
        });
        for mut batch in batches {
            while !batch.is_empty() {
                batch.hand_on(engine);
            }
            // The reader may be done.
            let _ = spent.send(batch);
        }
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Reads one file to its end, or to where it is broken; what was read before stays counted.
fn read(mut file: CaptureFile, mut take: impl FnMut(&Frame<'_>)) -> (CaptureSummary, Option<FileError>) {
    let progress = progress(&file);
    let (mut packets, mut bytes, mut times) = (0u64, 0u64, None);
    let failure = loop {
        if packets % PROGRESS_FRAMES == 0 {
            progress.set_position(file.bytes_read());
        }
        match file.next() {
            Ok(Some(frame)) => {
                packets += 1;
                bytes += u64::from(frame.original_length);
                let (first, _) = *times.get_or_insert((frame.time, frame.time));
                times = Some((first, frame.time));
                take(&frame);
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    progress.finish_and_clear();
    let summary = CaptureSummary {
        file: file.name().to_owned(),
        link_type: file.link_type_name(),
        packets,
        bytes,
        first_packet_time: times.map(|(first, _)| first.seconds()),
        last_packet_time: times.map(|(_, last)| last.seconds()),
        truncated: file.truncated(),
    };
    (summary, failure)
}

/// A bar where the size is known and somebody watches; a counter on a pipe; nothing elsewhere.
fn progress(file: &CaptureFile) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match file.size() {
        Some(size) => (ProgressBar::new(size), "{msg} [{bar:40}] {bytes}/{total_bytes} {bytes_per_sec} {eta}"),
        None => (ProgressBar::no_length(), "{msg} {spinner} {bytes} {bytes_per_sec}"),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style).with_message(file.name().to_owned())
}

fn output(format: Format, captures: Vec<CaptureSummary>, mut engine: Engine) -> anyhow::Result<ExitCode> {
    let analysis = engine.finish();
    Ok(match format {
        Format::Text => super::print(&text::render(&Findings::new(captures, analysis))?),
        Format::Json => {
            // As it is made: of a million calls it is larger than all that they were told by.
            let mut out = BufWriter::with_capacity(BLOCK, io::stdout().lock());
            let result = json::render(&Findings::new(captures, analysis), &mut out);
            super::written(
                result.map_err(io::Error::from).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()),
            )
        }
        Format::Prometheus => {
            let mut collection = Collection::default();
            engine.snapshot().collect(&mut collection);
            let text = render(vec![Box::new(Workers::new(collection))])?;
            super::print(&crate::metrics::exposition::openmetrics_to_text(&text))
        }
    })
}

//! The composition root of `sidetone run`: logging, capture thread, server, shutdown.

#![allow(clippy::disallowed_methods)] // Deadlines and the time of the last reload are not the core's.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use ipnet::IpNet;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::info;

use crate::capture::hep;
use crate::capture::live::{self, LiveError};
use crate::capture::worker::{self, Asker, Worker};
use crate::config::{Config, LogFormat, LogLevel};
use crate::engine::{self, Engine, Settings};
use crate::metrics::facade::Facade;
use crate::metrics::process::ProcessCollector;
use crate::metrics::{Workers, render};
use crate::numbers::{Collection, Family, Kind, Value};
use crate::serve::{self, Endpoints, Limits, MetricsError, ProbeError, Readiness, Server};
use crate::sources::{Sources, events, probe::Refusal, sql};

static BUILD_INFO: Family = Family {
    name: "sidetone_build_info",
    kind: Kind::Info,
    unit: "",
    labels: &["version", "rustc"],
    help: "Always 1; the labels say what runs.",
};
static RELOAD_SUCCESSFUL: Family = Family::gauge(
    "sidetone_config_last_reload_successful",
    "",
    &[],
    "1 while the last reading of the configuration succeeded.",
);
static RELOAD_TIME: Family = Family::gauge(
    "sidetone_config_last_reload_success_timestamp_seconds",
    "seconds",
    &[],
    "Unix time of the last successful reading of the configuration.",
);

/// The families of the agent itself.
pub static FAMILIES: &[&Family] = &[&BUILD_INFO, &RELOAD_SUCCESSFUL, &RELOAD_TIME];

/// How often a worker that has ended is noticed.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

/// Runs the agent until SIGTERM or SIGINT.
pub fn run(config: Config) -> anyhow::Result<()> {
    start_logging(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("serve")
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let result = runtime.block_on(agent(config));
    runtime.shutdown_timeout(Duration::from_millis(200));
    result
}

async fn agent(config: Config) -> anyhow::Result<()> {
    // Signals first: one that comes during start-up must not be lost.
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let facade = install_facade()?;
    let limits = Limits {
        max_connections: config.web.max_connections,
        request_timeout: config.web.request_timeout,
        ..Limits::default()
    };
    let server = Server::bind(&config.web.listen_address, limits).await?;
    let site = Arc::new(engine::site(&config, local_networks(&config)?));
    let engine = Engine::new(Settings::new(&config, false), site);
    let listener = hep::Listener::bind(&config.hep).await?;
    let (queue, inbox) = hep::queue();
    let sources = Sources::start(&config).context("cannot start the sources")?;
    let worker = Worker::start(config.capture, config.limits, engine, listener.is_some().then_some(inbox))?;
    for address in server.addresses() {
        info!("metrics at http://{address}/metrics");
    }
    let (stop, stopped) = watch::channel(false);
    let sink = listener.as_ref().map(|listener| listener.sink(queue, worker.alarm()));
    let counters = sink.as_ref().map(|sink| Arc::clone(&sink.counters));
    let listening = listener.zip(sink).map(|(listener, sink)| tokio::spawn(listener.run(sink, stopped.clone())));
    let serving = tokio::spawn(server.run(endpoints(&worker, sources, facade, counters)?, stopped));
    let ended = loop {
        tokio::select! {
            _ = terminate.recv() => break None,
            _ = interrupt.recv() => break None,
            () = tokio::time::sleep(WATCH_INTERVAL) => {
                if !worker.is_running() {
                    break Some(anyhow::anyhow!("the capture worker has ended; this is a fault of the program"));
                }
            }
        }
    };
    info!("stopping");
    // The server outlives its owner only if it has ended already.
    let _ = stop.send(true);
    worker.stop();
    serving.await.context("the server ended badly")?;
    if let Some(listening) = listening {
        listening.await.context("the listener for HEP ended badly")?;
    }
    ended.map_or(Ok(()), Err)
}

/// Our own addresses are the configured ones, or those of this host's interfaces.
fn local_networks(config: &Config) -> Result<Vec<IpNet>, LiveError> {
    match config.site.local_networks.as_slice() {
        [] => live::local_addresses(),
        configured => Ok(configured.to_vec()),
    }
}

/// What the server needs of the rest.
fn endpoints(
    worker: &Worker,
    sources: Sources,
    facade: Arc<Facade>,
    listener: Option<Arc<hep::Counters>>,
) -> anyhow::Result<Endpoints> {
    let capturing = worker.capturing();
    let exposition = Arc::new(Exposition {
        worker: worker.asker(),
        sources,
        listener,
        facade,
        process: Arc::new(ProcessCollector::new().context("cannot read this process")?),
        read_at: SystemTime::now(),
    });
    let asked = Arc::clone(&exposition);
    let events = exposition.sources.intake();
    Ok(Endpoints {
        events,
        metrics: Box::new(move |deadline| Box::pin(expose(Arc::clone(&exposition), deadline))),
        probe: Box::new(move |module, target, limit| Box::pin(probe(Arc::clone(&asked), module, target, limit))),
        ready: Box::new(move || match capturing.load(Ordering::Relaxed) {
            true => Readiness::Ready,
            false => Readiness::NotReady("no interface is being captured; the log says why".to_owned()),
        }),
    })
}

/// Everything that has numbers to show.
struct Exposition {
    worker: Asker,
    sources: Sources,
    listener: Option<Arc<hep::Counters>>,
    facade: Arc<Facade>,
    process: Arc<ProcessCollector>,
    read_at: SystemTime,
}

async fn expose(all: Arc<Exposition>, deadline: Instant) -> Result<String, MetricsError> {
    let snapshot = tokio::time::timeout_at(deadline.into(), all.worker.snapshot())
        .await
        .map_err(|_| MetricsError::Deadline)?
        .map_err(|_| MetricsError::Stopping)?;
    // It may take as long as many scrapes of others: not on the threads that serve connections.
    tokio::task::spawn_blocking(move || {
        let mut collection = Collection::default();
        agent_numbers(all.read_at, &mut collection);
        snapshot.collect(&mut collection);
        drop(snapshot);
        all.sources.collect(&mut collection);
        if let Some(listener) = &all.listener {
            listener.collect(&mut collection);
        }
        Ok(render(vec![
            Box::new(Workers::new(collection)),
            Box::new(all.sources.business()),
            Box::new(Arc::clone(&all.facade)),
            Box::new(Arc::clone(&all.process)),
        ])?)
    })
    .await
    .map_err(|_| MetricsError::Stopping)? // cancelled by the runtime's end
}

/// What one target says to one module, now.
async fn probe(all: Arc<Exposition>, module: String, target: String, limit: Duration) -> Result<String, ProbeError> {
    if !all.sources.has_modules() {
        return Err(ProbeError::Off);
    }
    match all.sources.probe(module, target, limit).await {
        Some(Ok(readings)) => {
            render(vec![Box::new(Workers::new(readings.into_collection()))]).map_err(|_| ProbeError::Failed)
        }
        Some(Err(refusal @ Refusal::Forbidden)) => Err(ProbeError::Forbidden(refusal.to_string())),
        Some(Err(refusal)) => Err(ProbeError::Refused(refusal.to_string())),
        None => Err(ProbeError::Failed),
    }
}

fn agent_numbers(read_at: SystemTime, out: &mut Collection) {
    let version = Cow::Borrowed(env!("CARGO_PKG_VERSION"));
    out.add(&BUILD_INFO, vec![version, Cow::Borrowed(env!("CARGO_PKG_RUST_VERSION"))], Value::Gauge(1.0));
    out.add(&RELOAD_SUCCESSFUL, Vec::new(), Value::Gauge(1.0));
    let seconds = read_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    out.add(&RELOAD_TIME, Vec::new(), Value::Gauge(seconds));
}

/// The `metrics` facade takes what is named at run time; here the server's own numbers, and the workers'.
fn install_facade() -> anyhow::Result<Arc<Facade>> {
    let families = serve::FAMILIES.iter().chain(worker::FAMILIES).chain(&sql::FAMILIES).chain(&events::FAMILIES);
    let bounds = [
        (worker::PAUSE, worker::PAUSE_BOUNDS),
        (sql::DURATION, sql::DURATION_BOUNDS),
        (events::LAG, events::LAG_BOUNDS),
    ];
    let facade = Arc::new(Facade::new(families, &bounds));
    metrics::set_global_recorder(Arc::clone(&facade)).context("a metrics recorder is installed already")?;
    Ok(facade)
}

fn start_logging(config: &Config) {
    let level = match config.log.level {
        LogLevel::Error => tracing::Level::ERROR,
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Info => tracing::Level::INFO,
        LogLevel::Debug => tracing::Level::DEBUG,
        LogLevel::Trace => tracing::Level::TRACE,
    };
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // It would say on standard error that standard error cannot be written, and end the thread that had something to say.
        .log_internal_errors(false);
    match config.log.format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}

//! Which path does what.

#![allow(clippy::disallowed_methods)] // Requests are timed, and have deadlines.

use std::convert::Infallible;
use std::fmt;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use super::guard::Watchdog;
use super::negotiate::{self, Format};
use super::{Limits, events, landing};
use crate::metrics::exposition::openmetrics_to_text;
use crate::sources::events::Intake;

/// A GET needs no body; a longer one than this is refused.
const MAX_BODY_BYTES: usize = 1024;
/// Expositions made at the same time: each may take tens of megabytes where there are many series.
const MAX_SCRAPES: usize = 4;
const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// The exposition in OpenMetrics text, complete with `# EOF`.
pub type Scrape = Pin<Box<dyn Future<Output = Result<String, MetricsError>> + Send>>;

/// Why there is no exposition.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// A collector failed.
    #[error("the metrics cannot be encoded")]
    Encode(#[from] fmt::Error),
    /// gzip failed, which it cannot in memory.
    #[error("the metrics cannot be compressed")]
    Compress(#[from] io::Error),
    /// Whoever holds the numbers did not answer in time.
    #[error("the metrics were not collected in time")]
    Deadline,
    /// The agent is on its way out.
    #[error("the agent is stopping")]
    Stopping,
}

/// The exposition of a probe that was asked for, in OpenMetrics text, complete with `# EOF`.
pub type Probing = Pin<Box<dyn Future<Output = Result<String, ProbeError>> + Send>>;

/// Why a probe that was asked for did not run.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No section of the configuration allows any.
    #[error("there is no module; give a [[probes]] section allowed_targets to make it one")]
    Off,
    /// Module or target are not as they should be.
    #[error("{0}")]
    Refused(String),
    /// The module may not ask this target.
    #[error("{0}")]
    Forbidden(String),
    /// The agent is on its way out, or failed.
    #[error("the probe could not be run")]
    Failed,
}

impl ProbeError {
    fn status(&self) -> StatusCode {
        match self {
            ProbeError::Off => StatusCode::NOT_FOUND,
            ProbeError::Refused(_) => StatusCode::BAD_REQUEST,
            ProbeError::Forbidden(_) => StatusCode::FORBIDDEN,
            ProbeError::Failed => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Whether the agent does its work yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It does.
    Ready,
    /// It does not, for this reason.
    NotReady(String),
}

/// What the server asks the agent for.
pub struct Endpoints {
    /// Makes the exposition. It gets the instant at which nobody waits for it any more, and must not block its thread.
    pub metrics: Box<dyn Fn(Instant) -> Scrape + Send + Sync>,
    /// Asks the target as the module says; it gets both, and the time that there is.
    pub probe: Box<dyn Fn(String, String, Duration) -> Probing + Send + Sync>,
    /// Where events are taken, if anybody may send some.
    pub events: Option<Arc<Intake>>,
    /// Says whether the agent is ready; at once.
    pub ready: Box<dyn Fn() -> Readiness + Send + Sync>,
}

/// The handler's state.
pub struct App {
    endpoints: Endpoints,
    limits: Limits,
    scrapes: Semaphore,
}

impl App {
    pub fn new(endpoints: Endpoints, limits: Limits) -> Arc<App> {
        Arc::new(App { endpoints, limits, scrapes: Semaphore::new(MAX_SCRAPES) })
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// The paths there are; also the values of the label `path`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Landing,
    Metrics,
    Probe,
    Events,
    Healthy,
    Ready,
    Other,
}

impl Route {
    fn of(path: &str) -> Route {
        match path {
            "/" => Route::Landing,
            "/metrics" => Route::Metrics,
            "/probe" => Route::Probe,
            "/api/v1/events" => Route::Events,
            "/-/healthy" => Route::Healthy,
            "/-/ready" => Route::Ready,
            _ => Route::Other,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Route::Landing => "/",
            Route::Metrics => "/metrics",
            Route::Probe => "/probe",
            Route::Events => "/api/v1/events",
            Route::Healthy => "/-/healthy",
            Route::Ready => "/-/ready",
            Route::Other => "other",
        }
    }
}

pub type Reply = Response<Full<Bytes>>;

/// Answers one request, and counts it.
pub async fn answer(app: Arc<App>, watchdog: Arc<Watchdog>, request: Request<Incoming>) -> Result<Reply, Infallible> {
    let started = Instant::now();
    let route = Route::of(request.uri().path());
    let reply = with_common_headers(dispatch(&app, &watchdog, route, request).await);
    watchdog.answered(reply.body().size_hint().lower() as usize);
    let code = reply.status().as_str().to_owned();
    metrics::counter!("sidetone_http_requests_total", "path" => route.label(), "code" => code).increment(1);
    metrics::histogram!("sidetone_http_request_duration_seconds", "path" => route.label())
        .record(started.elapsed().as_secs_f64());
    Ok(reply)
}

async fn dispatch(app: &App, watchdog: &Watchdog, route: Route, request: Request<Incoming>) -> Reply {
    if route == Route::Other {
        return closing_if_body(&request, text(StatusCode::NOT_FOUND, "no such page; try / or /metrics\n"));
    }
    if route == Route::Events {
        return match &app.endpoints.events {
            Some(intake) => events::take(app, intake, watchdog, request).await,
            None => closing_if_body(
                &request,
                text(StatusCode::NOT_FOUND, "nobody may send events: there are no [[event_sources]]\n"),
            ),
        };
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD here\n");
        reply.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return closing_if_body(&request, reply);
    }
    let (head, body) = request.into_parts();
    if let Err(refusal) = discard(app, body).await {
        return refusal;
    }
    watchdog.request_arrived();
    match route {
        Route::Landing => page(),
        Route::Metrics => metrics(app, &head.headers).await,
        Route::Probe => probe(app, head.uri.query().unwrap_or_default(), &head.headers).await,
        Route::Healthy => text(StatusCode::OK, "healthy\n"),
        Route::Ready => match (app.endpoints.ready)() {
            Readiness::Ready => text(StatusCode::OK, "ready\n"),
            Readiness::NotReady(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
        },
        Route::Events | Route::Other => text(StatusCode::NOT_FOUND, ""),
    }
}

/// A body that nobody reads stands between this request and the next one: the connection ends here.
fn closing_if_body(request: &Request<Incoming>, reply: Reply) -> Reply {
    if request.body().is_end_stream() { reply } else { closing(reply) }
}

/// Says that the connection ends here.
pub fn closing(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    reply
}

/// Reads past the body that a GET should not have, if it is small and comes in time.
async fn discard(app: &App, body: Incoming) -> Result<(), Reply> {
    if body.is_end_stream() {
        return Ok(());
    }
    let reading = Limited::new(body, MAX_BODY_BYTES).collect();
    let refusal = match tokio::time::timeout(app.limits.header_timeout, reading).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => {
            debug!(%error, "request body refused");
            text(StatusCode::PAYLOAD_TOO_LARGE, "a GET needs no body\n")
        }
        Err(_) => text(StatusCode::REQUEST_TIMEOUT, "the request body did not come in time\n"),
    };
    Err(closing(refusal))
}

async fn metrics(app: &App, headers: &hyper::HeaderMap) -> Reply {
    let timeout = negotiate::timeout(headers, app.limits.request_timeout);
    let deadline = Instant::now() + timeout;
    let collected = async {
        // The permit is held while the exposition is made; it cannot be closed, and without it nothing is lost.
        let _permit = app.scrapes.acquire().await.ok();
        let exposition = (app.endpoints.metrics)(deadline).await?;
        render(exposition, negotiate::format(headers), negotiate::gzip(headers)).await
    };
    match tokio::time::timeout_at(deadline.into(), collected).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(error @ (MetricsError::Encode(_) | MetricsError::Compress(_)))) => {
            warn!(%error, "scrape failed");
            text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))
        }
        Ok(Err(error)) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
        Err(_) => {
            warn!(timeout_seconds = timeout.as_secs_f64(), "scrape took too long");
            text(StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", MetricsError::Deadline))
        }
    }
}

/// `/probe?module=NAME&target=TARGET`, as blackbox_exporter has it.
async fn probe(app: &App, query: &str, headers: &hyper::HeaderMap) -> Reply {
    let of = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let limit = negotiate::timeout(headers, app.limits.request_timeout);
    let answer = match (app.endpoints.probe)(of("module"), of("target"), limit).await {
        Ok(exposition) => render(exposition, negotiate::format(headers), negotiate::gzip(headers)).await,
        Err(error) => return text(error.status(), format!("{error}\n")),
    };
    answer.unwrap_or_else(|error| text(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")))
}

/// Rewrites and compresses what was collected, off the threads that serve connections.
async fn render(exposition: String, format: Format, gzip: bool) -> Result<Reply, MetricsError> {
    let work = tokio::task::spawn_blocking(move || {
        let exposition = match format {
            Format::OpenMetrics => exposition,
            Format::Text => openmetrics_to_text(&exposition),
        };
        if gzip { compress(exposition.as_bytes()) } else { Ok(exposition.into_bytes()) }
    });
    // A blocking task that does not come back was cancelled by the runtime's end.
    let body = work.await.map_err(|_| MetricsError::Stopping)??;
    let mut reply = reply(StatusCode::OK, format.content_type(), body);
    reply.headers_mut().insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if gzip {
        reply.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(reply)
}

fn compress(plain: &[u8]) -> io::Result<Vec<u8>> {
    // The fastest level: expositions shrink tenfold at any.
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 8), Compression::fast());
    encoder.write_all(plain)?;
    encoder.finish()
}

fn page() -> Reply {
    reply(StatusCode::OK, HTML, landing::PAGE)
}

pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    reply(status, TEXT, body)
}

pub fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

fn with_common_headers(mut reply: Reply) -> Reply {
    const COMMON: [(HeaderName, HeaderValue); 4] = [
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(
                "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
            ),
        ),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    reply.headers_mut().extend(COMMON);
    reply
}

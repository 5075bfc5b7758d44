//! HTTP and HTTPS: one request, and those that redirects lead to.

use std::path::Path;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use hyper::{Request, Response, Version};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use url::Url;

use super::dial::{self, Steps};
use super::sheet::{
    FAMILIES, HTTP_LENGTH, HTTP_PHASES, HTTP_READ, HTTP_REDIRECTS, HTTP_STATUS, HTTP_TLS, HTTP_VERSION, Sheet,
};
use super::{Permission, answer};
use crate::config::{Probe as Settings, Target};
use crate::sources::{Failure, Reason};

/// Largest file with the value of a header, bytes.
const MAX_SECRET: u64 = 64 << 10;

/// How long each phase took, redirects together.
#[derive(Default)]
struct Phases {
    resolve: Duration,
    connect: Duration,
    tls: Duration,
    processing: Duration,
    transfer: Duration,
}

impl Phases {
    fn add(&mut self, steps: &Steps) {
        self.resolve += steps.resolve;
        self.connect += steps.connect;
        self.tls += steps.tls.unwrap_or_default();
    }

    fn write(&self, sheet: &mut Sheet) {
        let all = [
            ("resolve", self.resolve),
            ("connect", self.connect),
            ("tls", self.tls),
            ("processing", self.processing),
            ("transfer", self.transfer),
        ];
        for (phase, time) in all {
            sheet.phase(&FAMILIES[HTTP_PHASES], phase, time);
        }
    }
}

pub async fn ask(settings: &Settings, url: &Url, permission: &Permission, sheet: &mut Sheet) -> Result<(), Failure> {
    let mut phases = Phases::default();
    let asked = follow(settings, url, permission, &mut phases, sheet).await;
    phases.write(sheet);
    asked
}

async fn follow(
    settings: &Settings,
    url: &Url,
    permission: &Permission,
    phases: &mut Phases,
    sheet: &mut Sheet,
) -> Result<(), Failure> {
    let mut url = url.clone();
    let mut redirects = 0;
    loop {
        // What a redirect finds replaces what was found before it.
        let mut step = Sheet::new(settings);
        let is_first_host = redirects == 0;
        let answered = exchange(settings, &url, is_first_host, phases, &mut step).await;
        let leads_on = answered.as_ref().ok().and_then(|(response, _)| location(&url, response));
        match leads_on {
            Some(next) if redirects < settings.http.redirects => {
                if !permission.includes(&Target::Url(next.clone())) {
                    let text = format_args!(
                        "redirected to {}, which is no allowed target",
                        next.host_str().unwrap_or_default()
                    );
                    return Err(Failure::new(Reason::Permission, text));
                }
                redirects += 1;
                url = next;
            }
            _ => {
                sheet.take(step);
                sheet.set(&FAMILIES[HTTP_REDIRECTS], redirects as f64);
                let (response, body) = answered?;
                return judge(settings, &url, &response, &body, sheet);
            }
        }
    }
}

/// Where a response says that the answer is.
fn location<B>(url: &Url, response: &Response<B>) -> Option<Url> {
    // RFC 9110 section 15.4; 300 and 304 name no place to go to.
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let next = url.join(response.headers().get(LOCATION)?.to_str().ok()?).ok()?;
    matches!(next.scheme(), "http" | "https").then_some(next)
}

/// A body as far as it was read, and whether that is all of it.
struct Body {
    bytes: Vec<u8>,
    is_whole: bool,
}

async fn exchange(
    settings: &Settings,
    url: &Url,
    is_first_host: bool,
    phases: &mut Phases,
    sheet: &mut Sheet,
) -> Result<(Response<()>, Body), Failure> {
    // A secret that cannot be read is no reason to knock.
    let request = request(settings, url, is_first_host)?;
    let target = Target::Url(url.clone());
    let line = dial::connect(settings, &target, url.scheme() == "https", sheet).await?;
    phases.add(&line.steps);
    let odd = |error: hyper::Error| Failure::new(Reason::Answer, format_args!("HTTP: {error}"));
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(line.stream)).await.map_err(odd)?;
    // Ends with this exchange.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let started = Instant::now();
    let response = sender.send_request(request).await.map_err(odd)?;
    phases.processing += started.elapsed();
    let started = Instant::now();
    let (head, body) = response.into_parts();
    let body = read(body, settings.max_answer as usize).await.map_err(odd);
    phases.transfer += started.elapsed();
    Ok((Response::from_parts(head, ()), body?))
}

fn request(settings: &Settings, url: &Url, is_first_host: bool) -> Result<Request<Full<Bytes>>, Failure> {
    let odd = |error: &dyn std::fmt::Display| Failure::new(Reason::Answer, format_args!("the request: {error}"));
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let body = settings.http.body.clone().unwrap_or_default();
    let mut request = Request::builder()
        .method(settings.http.method.as_str())
        .uri(path)
        .header(HOST, host)
        .header(USER_AGENT, concat!("sidetone/", env!("CARGO_PKG_VERSION")));
    for (name, value) in &settings.http.headers {
        if let Some(headers) = request.headers_mut() {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| odd(&error))?;
            headers.insert(name, HeaderValue::from_str(value).map_err(|error| odd(&error))?);
        }
    }
    // Whom a redirect leads to gets no secret.
    if let (Some(path), true) = (&settings.http.authorization_file, is_first_host) {
        request = request.header(AUTHORIZATION, secret(path)?);
    }
    request.body(Full::new(Bytes::from(body))).map_err(|error| odd(&error))
}

/// Read each time: a secret may be changed while the agent runs.
fn secret(path: &Path) -> Result<HeaderValue, Failure> {
    use std::io::Read as _;
    let failed = |error: &std::io::Error| Failure::io(path.display(), error);
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
    file.take(MAX_SECRET).read_to_string(&mut text).map_err(|error| failed(&error))?;
    let mut value = HeaderValue::from_str(text.trim())
        .map_err(|_| Failure::new(Reason::Io, format_args!("{}: holds no header's value", path.display())))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads at most so many bytes: a server may send without end.
async fn read(mut body: Incoming, limit: usize) -> Result<Body, hyper::Error> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let room = limit - bytes.len();
        bytes.extend_from_slice(data.get(..room).unwrap_or(&data));
        if data.len() > room {
            return Ok(Body { bytes, is_whole: false });
        }
    }
    Ok(Body { bytes, is_whole: true })
}

fn judge(
    settings: &Settings,
    url: &Url,
    response: &Response<()>,
    body: &Body,
    sheet: &mut Sheet,
) -> Result<(), Failure> {
    let length = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<f64>().ok());
    let version = match response.version() {
        Version::HTTP_09 => 0.9,
        Version::HTTP_10 => 1.0,
        _ => 1.1,
    };
    let values = [
        (HTTP_STATUS, f64::from(response.status().as_u16())),
        (HTTP_LENGTH, length.unwrap_or(-1.0)),
        (HTTP_READ, body.bytes.len() as f64),
        (HTTP_TLS, f64::from(u8::from(url.scheme() == "https"))),
        (HTTP_VERSION, version),
    ];
    for (at, value) in values {
        sheet.set(&FAMILIES[at], value);
    }
    answer::status(settings, response.status().as_u16())?;
    let is_needed = settings.matches.is_some() || settings.refuses.is_some() || settings.http.json.is_some();
    if is_needed && !body.is_whole {
        let text = format_args!("the answer is longer than max_answer, {} bytes", settings.max_answer);
        return Err(Failure::new(Reason::Answer, text));
    }
    answer::search(settings, &body.bytes, sheet)?;
    answer::json(settings, &body.bytes, sheet)
}

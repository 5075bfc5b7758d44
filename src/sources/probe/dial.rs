//! From a name to a connection, each step timed apart.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hickory_resolver::config::LookupIpStrategy;
use tokio::net::TcpStream;

use super::sheet::{EXPIRY, FAMILIES, IP_PROTOCOL, LOOKUP, Sheet, TLS_VERSION};
use super::tls;
use crate::config::{IpVersion, Probe as Settings, Target};
use crate::sources::net::{Stream, look_up};
use crate::sources::{Failure, Reason};

/// How long each step took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steps {
    pub resolve: Duration,
    pub connect: Duration,
    /// None over a plain connection.
    pub tls: Option<Duration>,
}

/// A connection, and who is at its ends.
pub struct Line {
    pub stream: Box<dyn Stream>,
    pub local: SocketAddr,
    pub steps: Steps,
}

/// The address of the target, and how long it took to learn it.
pub async fn resolve(
    settings: &Settings,
    target: &Target,
    sheet: &mut Sheet,
) -> Result<(SocketAddr, Duration), Failure> {
    let started = Instant::now();
    let strategy = match settings.ip {
        IpVersion::Any => LookupIpStrategy::Ipv4thenIpv6,
        IpVersion::V4 => LookupIpStrategy::Ipv4Only,
        IpVersion::V6 => LookupIpStrategy::Ipv6Only,
    };
    let found = look_up(target.host(), strategy).await?;
    let ip = found.first().copied().ok_or_else(|| Failure::new(Reason::Resolve, "no address"))?;
    let time = started.elapsed();
    sheet.set(&FAMILIES[LOOKUP], time.as_secs_f64());
    sheet.set(&FAMILIES[IP_PROTOCOL], if ip.is_ipv4() { 4.0 } else { 6.0 });
    Ok((SocketAddr::new(ip, target.port()), time))
}

/// A TCP connection to the target, encrypted if `encrypted`.
pub async fn connect(
    settings: &Settings,
    target: &Target,
    encrypted: bool,
    sheet: &mut Sheet,
) -> Result<Line, Failure> {
    let (address, resolve) = resolve(settings, target, sheet).await?;
    let failed = |error: std::io::Error| Failure::new(Reason::Connect, format_args!("{address}: {error}"));
    let started = Instant::now();
    let stream = TcpStream::connect(address).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let local = stream.local_addr().map_err(failed)?;
    let connect = started.elapsed();
    if !encrypted {
        let steps = Steps { resolve, connect, tls: None };
        return Ok(Line { stream: Box::new(stream), local, steps });
    }
    let started = Instant::now();
    let (stream, facts) = tls::handshake(&settings.tls, target.host(), stream).await;
    if let Some(expiry) = facts.earliest_expiry {
        sheet.set(&FAMILIES[EXPIRY], expiry);
    }
    if let Some(version) = facts.version {
        sheet.set_of(&FAMILIES[TLS_VERSION], version, 1.0);
    }
    let steps = Steps { resolve, connect, tls: Some(started.elapsed()) };
    Ok(Line { stream: Box::new(stream?), local, steps })
}

//! A connection over TCP, with TLS where it is wanted: for what sqlx does not speak.

use std::sync::Arc;

use hickory_resolver::config::LookupIpStrategy;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::ServerName;

use super::session::io_reason;
use crate::config::{Tls, TlsMode};
use crate::sources::net::{Stream, look_up};
use crate::sources::tls::{self, Trust};
use crate::sources::{Failure, Reason};

pub async fn connect(host: &str, port: u16, settings: &Tls) -> Result<Box<dyn Stream>, Failure> {
    let failed = |error: std::io::Error| Failure::new(io_reason(&error), error);
    let stream = dial(host, port).await?;
    if settings.mode == TlsMode::Disable {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|error| tls::failed(&error))?;
    let own = settings.certificate_file.as_deref().zip(settings.key_file.as_deref());
    let (config, _) = tls::client(trust(settings)?, own)?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(failed)?;
    Ok(Box::new(stream))
}

/// A connection to the first of the host's addresses that takes one.
pub async fn dial(host: &str, port: u16) -> Result<TcpStream, Failure> {
    let mut failure = Failure::new(Reason::Resolve, format_args!("{host}: no address"));
    for address in look_up(host, LookupIpStrategy::Ipv4AndIpv6).await? {
        match TcpStream::connect((address, port)).await {
            Ok(stream) => {
                // What is asked is short, and shall not wait for more.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => failure = Failure::new(io_reason(&error), format_args!("{address}: {error}")),
        }
    }
    Err(failure)
}

fn trust(settings: &Tls) -> Result<Trust, Failure> {
    Ok(match settings.mode {
        TlsMode::Disable | TlsMode::Prefer | TlsMode::Require => Trust::Blind,
        TlsMode::VerifyCa => Trust::Authority(roots(settings)?),
        TlsMode::VerifyFull => Trust::Full(roots(settings)?),
    })
}

/// The system's authorities, and those of the file: as sqlx has it.
fn roots(settings: &Tls) -> Result<Arc<RootCertStore>, Failure> {
    let system = tls::system_authorities();
    let Some(file) = &settings.ca_file else { return Ok(system) };
    let mut roots = tls::authorities(file)?;
    roots.extend(system.roots.iter().cloned());
    Ok(Arc::new(roots))
}

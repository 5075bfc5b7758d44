//! The handshake of a probe, and what it shows whether it succeeds or not.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::config::ProbeTls;
use crate::sources::Failure;
use crate::sources::tls::{self, Trust, failed};

/// What the handshake showed.
#[derive(Debug, Default)]
pub struct Facts {
    /// Unix time.
    pub earliest_expiry: Option<f64>,
    pub version: Option<&'static str>,
}

/// Encrypts a connection to `host`.
pub async fn handshake(
    settings: &ProbeTls,
    host: &str,
    stream: TcpStream,
) -> (Result<TlsStream<TcpStream>, Failure>, Facts) {
    let name = settings.server_name.as_deref().unwrap_or(host).to_owned();
    let name = match ServerName::try_from(name) {
        Ok(name) => name,
        Err(error) => return (Err(failed(&error)), Facts::default()),
    };
    let (config, witness) = match trust(settings).and_then(|trust| tls::client(trust, None)) {
        Ok(client) => client,
        Err(failure) => return (Err(failure), Facts::default()),
    };
    let shaken = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| failed(&error));
    let version = shaken.as_ref().ok().and_then(|stream| stream.get_ref().1.protocol_version());
    let version = version.and_then(|version| version.as_str()).map(|version| match version {
        "TLSv1_2" => "TLS 1.2",
        "TLSv1_3" => "TLS 1.3",
        other => other,
    });
    (shaken, Facts { earliest_expiry: witness.earliest_expiry(), version })
}

fn trust(settings: &ProbeTls) -> Result<Trust, Failure> {
    Ok(match &settings.ca_file {
        _ if settings.insecure => Trust::Blind,
        Some(path) => Trust::Full(Arc::new(tls::authorities(path)?)),
        None => Trust::Full(tls::system_authorities()),
    })
}

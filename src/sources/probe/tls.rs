//! TLS as a client: who signed, and until when.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::config::ProbeTls;
use crate::sources::{Failure, Reason};

/// What the handshake showed, whether it succeeded or not.
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
    let failed = |error: &dyn std::fmt::Display| Failure::new(Reason::Tls, format_args!("TLS: {error}"));
    let name = settings.server_name.as_deref().unwrap_or(host).to_owned();
    let name = match ServerName::try_from(name) {
        Ok(name) => name,
        Err(error) => return (Err(failed(&error)), Facts::default()),
    };
    let (config, witness) = match config(settings) {
        Ok(config) => config,
        Err(failure) => return (Err(failure), Facts::default()),
    };
    let shaken = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| failed(&error));
    let version = shaken.as_ref().ok().and_then(|stream| stream.get_ref().1.protocol_version());
    let version = version.and_then(|version| version.as_str()).map(|version| match version {
        "TLSv1_2" => "TLS 1.2",
        "TLSv1_3" => "TLS 1.3",
        other => other,
    });
    (shaken, Facts { earliest_expiry: witness.earliest(), version })
}

fn config(settings: &ProbeTls) -> Result<(ClientConfig, Arc<Witness>), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(Reason::Tls, format_args!("TLS: {error}"));
    let provider = Arc::new(ring::default_provider());
    let judge = match settings.insecure {
        true => None,
        false => {
            let roots = match &settings.ca_file {
                Some(path) => Arc::new(authorities(path)?),
                None => system_authorities(),
            };
            let judge = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
            Some(judge.map_err(|error| failed(&error))?)
        }
    };
    let witness = Arc::new(Witness { judge, provider: Arc::clone(&provider), earliest: Mutex::default() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&witness) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    Ok((config, witness))
}

fn authorities(path: &Path) -> Result<RootCertStore, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(Reason::Tls, format_args!("{}: {error}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))? {
        roots.add(certificate.map_err(|error| failed(&error))?).map_err(|error| failed(&error))?;
    }
    match roots.is_empty() {
        true => Err(failed(&"holds no certificate")),
        false => Ok(roots),
    }
}

/// Read once: they are many, and change with the system's packages only.
fn system_authorities() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let read = || {
        let mut roots = RootCertStore::empty();
        // One that cannot be read is as good as one that is not trusted.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    };
    Arc::clone(ROOTS.get_or_init(read))
}

/// Notes when certificates expire before they are judged: those that are not trusted expire too.
#[derive(Debug)]
struct Witness {
    /// None: every certificate is taken.
    judge: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    earliest: Mutex<Option<f64>>,
}

impl Witness {
    fn earliest(&self) -> Option<f64> {
        *self.earliest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Unix time.
fn expiry(certificate: &CertificateDer<'_>) -> Option<f64> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(parsed.validity().not_after.timestamp() as f64)
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let all = std::iter::once(end_entity).chain(intermediates).filter_map(expiry);
        *self.earliest.lock().unwrap_or_else(PoisonError::into_inner) = all.reduce(f64::min);
        match &self.judge {
            Some(judge) => judge.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

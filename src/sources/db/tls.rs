//! A connection over TCP, with TLS where it is wanted: for what sqlx does not speak.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use hickory_resolver::Resolver;
use hickory_resolver::config::LookupIpStrategy;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::resp::Stream;
use super::session::io_reason;
use crate::config::{Tls, TlsMode};
use crate::sources::{Failure, Reason};

pub async fn connect(host: &str, port: u16, tls: &Tls) -> Result<Box<dyn Stream>, Failure> {
    let failed = |error: std::io::Error| Failure::new(io_reason(&error), error);
    let stream = dial(host, port).await?;
    if tls.mode == TlsMode::Disable {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|error| Failure::new(Reason::Tls, error))?;
    let connector = TlsConnector::from(Arc::new(client(tls)?));
    let stream = connector.connect(name, stream).await.map_err(failed)?;
    Ok(Box::new(stream))
}

/// A connection to the first of the host's addresses that takes one.
pub async fn dial(host: &str, port: u16) -> Result<TcpStream, Failure> {
    let mut failure = Failure::new(Reason::Resolve, format_args!("{host}: no address"));
    for address in addresses(host).await? {
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

/// The system's own resolver would block a thread, for as long as it likes; sources of the host need them.
async fn addresses(host: &str) -> Result<Vec<IpAddr>, Failure> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let failed = |error: &dyn std::fmt::Display| Failure::new(Reason::Resolve, format_args!("{host}: {error}"));
    let mut builder = Resolver::builder_tokio().map_err(|error| failed(&error))?;
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    let resolver = builder.build().map_err(|error| failed(&error))?;
    Ok(resolver.lookup_ip(host).await.map_err(|error| failed(&error))?.iter().collect())
}

fn client(tls: &Tls) -> Result<ClientConfig, Failure> {
    let failed = |error: Error| Failure::new(Reason::Tls, error);
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let verifier: Arc<dyn ServerCertVerifier> = match tls.mode {
        TlsMode::Disable | TlsMode::Prefer | TlsMode::Require => Arc::new(Lenient { strict: None, provider }),
        mode => {
            let roots = Arc::new(roots(tls.ca_file.as_deref())?);
            let strict = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
            let strict = strict.map_err(|error| Failure::new(Reason::Tls, error))?;
            match mode {
                TlsMode::VerifyCa => Arc::new(Lenient { strict: Some(strict), provider }),
                _ => strict,
            }
        }
    };
    let builder = builder.map_err(failed)?.dangerous().with_custom_certificate_verifier(verifier);
    match (&tls.certificate_file, &tls.key_file) {
        (Some(certificate), Some(key)) => {
            let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, error))?;
            builder.with_client_auth_cert(certificates(certificate)?, key).map_err(failed)
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

/// The system's roots, and those of the file.
fn roots(file: Option<&Path>) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = file {
        roots.add_parsable_certificates(certificates(file)?);
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    found.map_err(|error| unreadable(file, error))
}

fn unreadable(file: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::new(Reason::Tls, format_args!("{}: {error}", file.display()))
}

/// Looks at less than all of a certificate: whose it is, if that, but not its name.
#[derive(Debug)]
struct Lenient {
    strict: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<tokio_rustls::rustls::crypto::CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(strict) = &self.strict else { return Ok(ServerCertVerified::assertion()) };
        match strict.verify_server_cert(end, chain, name, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            found => found,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

//! TLS as a client: whom it trusts, how strictly, and until when certificates are good.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Failure, Reason};

/// How a server's certificate is judged.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Not at all.
    Blind,
    /// Who signed it.
    Authority(Arc<RootCertStore>),
    /// Who signed it, and for which name.
    Full(Arc<RootCertStore>),
}

/// The certificate and the key of a client, PEM.
pub type Own<'a> = Option<(&'a Path, &'a Path)>;

/// What a connection is encrypted with, and what notes when its certificates expire.
pub fn client(trust: Trust, own: Own<'_>) -> Result<(ClientConfig, Arc<Witness>), Failure> {
    let provider = Arc::new(ring::default_provider());
    let judge = |roots| {
        WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map_err(|error| failed(&error))
    };
    let (judge, takes_any_name) = match trust {
        Trust::Blind => (None, true),
        Trust::Authority(roots) => (Some(judge(roots)?), true),
        Trust::Full(roots) => (Some(judge(roots)?), false),
    };
    let provider_of_witness = Arc::clone(&provider);
    let witness =
        Arc::new(Witness { judge, takes_any_name, provider: provider_of_witness, earliest: Mutex::default() });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&witness) as Arc<dyn ServerCertVerifier>);
    let config = match own {
        Some((certificate, key)) => {
            let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, error))?;
            builder.with_client_auth_cert(certificates(certificate)?, key).map_err(|error| failed(&error))?
        }
        None => builder.with_no_client_auth(),
    };
    Ok((config, witness))
}

/// A fault of TLS.
pub fn failed(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Reason::Tls, format_args!("TLS: {error}"))
}

fn unreadable(file: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::new(Reason::Tls, format_args!("{}: {error}", file.display()))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    found.map_err(|error| unreadable(file, error))
}

/// The authorities of a file, at least one.
pub fn authorities(file: &Path) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| unreadable(file, error))?;
    }
    match roots.is_empty() {
        true => Err(unreadable(file, "holds no certificate")),
        false => Ok(roots),
    }
}

/// Read once: they are many, and change with the system's packages only.
pub fn system_authorities() -> Arc<RootCertStore> {
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
pub struct Witness {
    /// None: every certificate is taken.
    judge: Option<Arc<WebPkiServerVerifier>>,
    takes_any_name: bool,
    provider: Arc<CryptoProvider>,
    earliest: Mutex<Option<f64>>,
}

impl Witness {
    /// Unix time when the first certificate of the chain expires.
    pub fn earliest_expiry(&self) -> Option<f64> {
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
        let Some(judge) = &self.judge else { return Ok(ServerCertVerified::assertion()) };
        match judge.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.takes_any_name => Ok(ServerCertVerified::assertion()),
            judged => judged,
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

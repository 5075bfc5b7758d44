//! TLS of the listener: rustls with ring, keys and certificates from PEM files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::config::Hep as Config;

use super::ListenError;

/// What accepts TLS; `None` where no address wants it.
pub fn acceptor(config: &Config) -> Result<Option<TlsAcceptor>, ListenError> {
    let (Some(certificate), Some(key)) = (&config.certificate_file, &config.key_file) else { return Ok(None) };
    let chain = certificates("certificate_file", certificate)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable("key_file", key, "private key", error))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(ListenError::Certificate)?;
    let builder = match &config.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for root in certificates("client_ca_file", path)? {
                roots.add(root).map_err(|error| ListenError::ClientCa(error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| ListenError::ClientCa(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let server = builder.with_single_cert(chain, key).map_err(ListenError::Certificate)?;
    Ok(Some(TlsAcceptor::from(Arc::new(server))))
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, ListenError> {
    let failed = |error| unreadable(key, path, "certificate", error);
    let all: Vec<_> = CertificateDer::pem_file_iter(path).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    if all.is_empty() {
        return Err(failed(pem::Error::NoItemsFound));
    }
    Ok(all)
}

fn unreadable(key: &'static str, path: &Path, what: &'static str, error: pem::Error) -> ListenError {
    let path: PathBuf = path.to_owned();
    match error {
        pem::Error::Io(source) => ListenError::File { key, path, source: io::Error::from(source.kind()) },
        _ => ListenError::Pem { key, path, what },
    }
}

//! The dashboard's certificate, and for which names it is.

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use webpki::EndEntityCert;

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file of the certificate.
    #[error("cannot read dashboard.certificate {}: {why}: it has to have certificates in PEM form", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The file of the key.
    #[error("cannot read dashboard.key {}: {why}: it has to have a private key in PEM form", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The two do not fit.
    #[error("dashboard.certificate and dashboard.key cannot be used together: {0}")]
    Unusable(rustls::Error),
}

/// A certificate with its key.
pub struct Certificate {
    leaf: CertificateDer<'static>,
    acceptor: TlsAcceptor,
}

impl Certificate {
    /// Reads both files.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, CertificateError> {
        let bad_certificate =
            |why: String| CertificateError::Certificate { path: certificate.to_owned(), why };
        let chain =
            CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let chain = chain.map_err(|e| bad_certificate(e.to_string()))?;
        let leaf = chain.first().ok_or_else(|| bad_certificate("it has none".to_owned()))?.clone();
        let private = PrivateKeyDer::from_pem_file(key)
            .map_err(|e| CertificateError::Key { path: key.to_owned(), why: e.to_string() })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, private));
        let acceptor = TlsAcceptor::from(Arc::new(config.map_err(CertificateError::Unusable)?));
        Ok(Self { leaf, acceptor })
    }

    /// Whether it is for this name or address, as a URL has it.
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        let host = host.trim_matches(['[', ']']).to_owned();
        let (Ok(name), Ok(leaf)) = (ServerName::try_from(host), EndEntityCert::try_from(&self.leaf)) else {
            return false;
        };
        leaf.verify_is_valid_for_subject_name(&name).is_ok()
    }

    /// Speaks TLS with clients.
    #[must_use]
    pub fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}

//! How a connection is encrypted, and whose certificate is believed.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::Encryption;

/// None for connections in plain text.
pub(super) fn connector(encryption: &Encryption) -> anyhow::Result<Option<MakeRustlsConnect>> {
    match encryption {
        Encryption::None => Ok(None),
        Encryption::Checked { authorities } => checking(authorities.as_deref()).map(Some),
    }
}

/// Checks the server's certificate: that these authorities have signed it, or the system's, and
/// that it is the host's.
fn checking(authorities: Option<&Path>) -> anyhow::Result<MakeRustlsConnect> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = match authorities {
        None => config.with_platform_verifier().context("cannot find the system's authorities")?,
        Some(path) => {
            let unreadable = || format!("cannot read the certificates in {}", path.display());
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(path).with_context(unreadable)? {
                roots.add(certificate.with_context(unreadable)?).with_context(unreadable)?;
            }
            config.with_root_certificates(roots)
        }
    };
    Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
}

//! The connections: how many, how they are made, and what each is told first.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres::NoTls;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{Address, Encryption};

/// Few enough for several servers to share a small database, which allows a hundred by default.
const CONNECTIONS: usize = 16;

/// For a connection to become free, and to be made.
const PATIENCE: Duration = Duration::from_secs(10);

/// A statement that takes longer waits for a lock whose holder is stuck. Between two statements an
/// audio file may be on its way to its place. And what is answered for has to be on the disk,
/// whatever the database's default is.
const SETTINGS: &str = "
    SET statement_timeout = '15s';
    SET idle_in_transaction_session_timeout = '170s';
    SET TimeZone = 'UTC';
    SELECT set_config('synchronous_commit', 'on', false)
     WHERE current_setting('synchronous_commit') = 'off';";

/// A pool that is still empty: it connects when it is asked to.
pub(super) fn pool(address: &Address) -> anyhow::Result<Pool> {
    let config = address.config.as_ref().clone();
    // A connection that has closed is noticed without asking.
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = match &address.encryption {
        Encryption::None => Manager::from_config(config, NoTls, recycling),
        Encryption::Checked { authorities } => {
            Manager::from_config(config, tls(authorities.as_deref())?, recycling)
        }
    };
    let settle = Hook::async_fn(|client: &mut deadpool_postgres::ClientWrapper, _| {
        Box::pin(async move { client.batch_execute(SETTINGS).await.map_err(HookError::Backend) })
    });
    Pool::builder(manager)
        .max_size(CONNECTIONS)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(PATIENCE))
        .create_timeout(Some(PATIENCE))
        .recycle_timeout(Some(PATIENCE))
        .post_create(settle)
        .build()
        .context("cannot set up connections")
}

/// Checks the server's certificate: that these authorities have signed it, or the system's, and
/// that it is the host's.
fn tls(authorities: Option<&Path>) -> anyhow::Result<MakeRustlsConnect> {
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

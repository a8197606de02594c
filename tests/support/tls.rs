//! TLS in front of a plain server, and certificates of every kind, made by the `openssl` command.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// An authority of its own, and what it has signed.
pub struct Authority {
    directory: PathBuf,
}

/// A certificate with its key.
pub struct Identity {
    certificate: PathBuf,
    key: PathBuf,
}

impl Authority {
    /// Nothing where there is no `openssl`.
    pub fn new(directory: &Path, name: &str) -> Option<Self> {
        Command::new("openssl").arg("version").output().ok()?;
        let directory = directory.join(name);
        fs::create_dir(&directory).expect("a directory");
        let authority = Self { directory };
        let subject = format!("/CN=authority {name}");
        authority.openssl(
            &["req", "-x509", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem"],
            &[&NEW_KEY[..], &["-subj", &subject]].concat(),
        );
        Some(authority)
    }

    /// The file to believe it by.
    pub fn file(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// Signs a certificate for a host, `"IP:127.0.0.1"` or `"DNS:…"`, for so many days.
    pub fn sign(&self, host: &str, days: i32) -> Identity {
        let name = format!("{}.{days}", host.replace(':', "-"));
        let [key, request, pem, extensions] =
            ["key", "csr", "pem", "ext"].map(|ending| format!("{name}.{ending}"));
        let text = format!("subjectAltName={host}\nbasicConstraints=CA:FALSE\n");
        fs::write(self.directory.join(&extensions), text).expect("a file");
        let ends = ["-keyout", &key, "-out", &request, "-subj", "/CN=test"];
        self.openssl(&["req"], &[&NEW_KEY[..], &ends].concat());
        let signed = ["x509", "-req", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
        let days = days.to_string();
        let ends = ["-in", &request, "-out", &pem, "-days", &days, "-extfile", &extensions];
        self.openssl(&signed, &ends);
        Identity { certificate: self.directory.join(pem), key: self.directory.join(key) }
    }

    /// The authority itself, as if it were a server.
    pub fn itself(&self) -> Identity {
        Identity { certificate: self.file(), key: self.directory.join("ca.key") }
    }

    fn openssl(&self, words: &[&str], more: &[&str]) {
        let mut command = Command::new("openssl");
        let output = command.args(words).args(more).current_dir(&self.directory).output();
        let output = output.expect("openssl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

const NEW_KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/// A listener that speaks TLS and passes on what it hears; dropping it stops it.
pub struct Front {
    pub address: SocketAddr,
    handshakes: Arc<AtomicUsize>,
    _runtime: Runtime,
}

impl Front {
    pub fn start(identity: &Identity, upstream: SocketAddr) -> Self {
        let chain = CertificateDer::pem_file_iter(&identity.certificate).expect("a certificate");
        let chain = chain.collect::<Result<_, _>>().expect("certificates");
        let key = PrivateKeyDer::from_pem_file(&identity.key).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a key that fits");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = Runtime::new().expect("a runtime");
        let listening = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listening.expect("a port");
        let address = listener.local_addr().expect("an address");
        let handshakes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&handshakes);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, counted) = (acceptor.clone(), Arc::clone(&counted));
                tokio::spawn(async move {
                    let Ok(mut inner) = acceptor.accept(stream).await else { return };
                    counted.fetch_add(1, Ordering::Relaxed);
                    let Ok(mut outer) = TcpStream::connect(upstream).await else { return };
                    let _whatever_it_came_to = copy_bidirectional(&mut inner, &mut outer).await;
                });
            }
        });
        Self { address, handshakes, _runtime: runtime }
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// How many clients believed it.
    pub fn handshakes(&self) -> usize {
        self.handshakes.load(Ordering::Relaxed)
    }
}

//! TLS of both kinds: towards Redis as a client, and before the listeners as a server.
//!
//! rustls with ring: TLS 1.2 and 1.3, no choice of ciphers to get wrong. Certificates and keys are
//! PEM files, read once; a new certificate takes a restart.

mod link;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::rustls::client::WantsClientCert;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, ClientConfig, ConfigBuilder, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, server};

pub use link::Link;

/// How long a client may take to greet: a handshake is two of its answers.
const GREETING: Duration = Duration::from_secs(10);

/// Why a certificate or key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read, or is no PEM.
    #[error("cannot read {what} from {}: {reason}", path.display())]
    File {
        /// What was sought.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What is wrong; never the content.
        reason: String,
    },
    /// The parts do not fit together, or have expired.
    #[error("the certificate of {} cannot be used: {source}", path.display())]
    Certificate {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// The system has no certificates of authorities.
    #[error("this system has no trusted certificates: name a file with them")]
    NoRoots,
}

/// Where the parts of one side are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates of the authorities that the other side's must come from. Towards Redis `None`
    /// takes the system's; before a listener `None` asks clients for no certificate.
    pub authorities: Option<PathBuf>,
    /// Our certificate, with what it was signed by below it.
    pub certificate: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
}

/// Our side towards a server. Cheap to clone.
#[derive(Clone)]
pub struct ClientTls(Arc<ClientConfig>);

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTls")
    }
}

/// The same settings, not merely equal ones.
impl PartialEq for ClientTls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ClientTls {}

impl ClientTls {
    /// Reads the files. With a certificate of our own the server learns who we are.
    pub fn new(files: &TlsFiles) -> Result<Self, TlsError> {
        let roots = match &files.authorities {
            Some(path) => authorities(path)?,
            None => system_roots()?,
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring has ciphers for both versions")
            .with_root_certificates(roots);
        Ok(Self(Arc::new(with_own(builder, files)?)))
    }

    /// Greets the server as `host`, whose certificate must bear that name or address.
    pub(crate) async fn greet(&self, stream: TcpStream, host: &str) -> std::io::Result<Link> {
        let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
        let connector = TlsConnector::from(Arc::clone(&self.0));
        let stream = connector.connect(name, stream).await?;
        Ok(Link::Tls(Box::new(stream.into())))
    }

    /// For a client library that greets by itself.
    pub(crate) fn connector(&self) -> TlsConnector {
        TlsConnector::from(Arc::clone(&self.0))
    }
}

fn with_own(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    files: &TlsFiles,
) -> Result<ClientConfig, TlsError> {
    match (&files.certificate, &files.key) {
        (Some(certificate), Some(key)) => builder
            .with_client_auth_cert(chain(certificate)?, private_key(key)?)
            .map_err(|source| unusable(certificate, source)),
        _ => Ok(builder.with_no_client_auth()),
    }
}

/// Our side before a listener. Cheap to clone.
#[derive(Clone)]
pub struct ServerTls(Arc<ServerConfig>);

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls")
    }
}

impl ServerTls {
    /// Reads the files: `certificate` and `key`, and with `authorities` only clients whose
    /// certificate they signed get in.
    pub fn new(certificate: &Path, key: &Path, clients: Option<&Path>) -> Result<Self, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring has ciphers for both versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let roots = Arc::new(authorities(path)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
                    .build()
                    .map_err(|error| TlsError::File {
                        what: "certificates of authorities",
                        path: path.to_owned(),
                        reason: error.to_string(),
                    })?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let config = builder
            .with_single_cert(chain(certificate)?, private_key(key)?)
            .map_err(|source| unusable(certificate, source))?;
        Ok(Self(Arc::new(config)))
    }

    /// Greets a client, which has ten seconds for its part.
    pub async fn accept(&self, stream: TcpStream) -> std::io::Result<server::TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.0));
        timeout(GREETING, acceptor.accept(stream))
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn unusable(path: &Path, source: rustls::Error) -> TlsError {
    let path = path.to_owned();
    TlsError::Certificate { path, source }
}

fn unreadable<'a>(what: &'static str, path: &'a Path) -> impl Fn(pem::Error) -> TlsError + 'a {
    move |error| TlsError::File {
        what,
        path: path.to_owned(),
        reason: match error {
            pem::Error::Io(error) => error.to_string(),
            pem::Error::NoItemsFound => "there is none in it".to_owned(),
            // What it says may quote the file.
            _ => "it is no PEM".to_owned(),
        },
    }
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = unreadable("a certificate", path);
    let found = CertificateDer::pem_file_iter(path).map_err(&unreadable)?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(&unreadable)?;
    if found.is_empty() {
        return Err(unreadable(pem::Error::NoItemsFound));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(unreadable("a private key", path))
}

fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(path)? {
        let added = roots.add(certificate);
        added.map_err(|source| unusable(path, source))?;
    }
    Ok(roots)
}

/// What the system trusts; single entries that cannot be read are left out, as elsewhere.
fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(TlsError::NoRoots);
    }
    Ok(roots)
}

//! What does a TLS listener prove with, and whom does it believe? Certificates from files, read again when they change.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::expiry::first_expiry;
use super::watch::FileWatch;
use crate::listen::TlsSettings;

/// How often to read files that change meanwhile, and how long to leave them alone in between.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);

/// Why files cannot serve for TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read `{}`: {source}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is there, but what it should hold is not in it.
    #[error("`{}` holds no {what} in PEM form", .path.display())]
    Missing {
        /// Which.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// A file's PEM is broken.
    #[error("`{}` is no valid PEM: {detail}", .path.display())]
    Broken {
        /// Which.
        path: PathBuf,
        /// What is wrong with it; never its content.
        detail: String,
    },
    /// The files change whenever they are read.
    #[error("`{}` and the files beside it change while they are read, {TRIES} times in a row", .0.display())]
    Unsettled(PathBuf),
    /// Certificate and key are not a pair, perhaps because only one of them has been renewed yet.
    #[error("the key in `{}` does not belong to the certificate in `{}`", .key.display(), .certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The content is readable, but TLS cannot use it.
    #[error("`{}` cannot be used for TLS: {detail}", .path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        detail: String,
    },
}

/// The files of one listener and what was made of them last.
#[derive(Debug)]
pub struct TlsFiles {
    settings: TlsSettings,
    current: ArcSwap<ServerConfig>,
    expiries: ArcSwap<Vec<(PathBuf, Timestamp)>>,
    reloads: watch::Sender<u64>,
    first: [u8; 32],
}

impl TlsFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`], for the first file that cannot be used.
    pub async fn load(settings: &TlsSettings) -> Result<Self, TlsError> {
        let contents = Contents::whole(settings).await?;
        let config = contents.server_config(settings)?;
        Ok(Self {
            settings: settings.clone(),
            current: ArcSwap::from_pointee(config),
            expiries: ArcSwap::from_pointee(contents.expiries(settings)),
            reloads: watch::Sender::new(0),
            first: contents.digest(),
        })
    }

    /// What a new connection is to be accepted with.
    #[must_use]
    pub fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// When the first certificate of each file expires; a file of which that cannot be told is left out.
    #[must_use]
    pub fn expiries(&self) -> Arc<Vec<(PathBuf, Timestamp)>> {
        self.expiries.load_full()
    }

    /// Counts the reloads that succeeded.
    #[must_use]
    pub fn reloads(&self) -> watch::Receiver<u64> {
        self.reloads.subscribe()
    }

    /// Reads the files again whenever they change, for ever; `reloaded` hears whether they were usable.
    ///
    /// INVARIANT: files that cannot be used change nothing; what was last good goes on serving.
    pub async fn keep_fresh(&self, reloaded: impl Fn(bool)) {
        let settings = &self.settings;
        let paths = [Some(&settings.certificate), Some(&settings.key), settings.client_ca.as_ref()];
        let paths = || paths.into_iter().flatten().map(PathBuf::as_path);
        let mut watch = FileWatch::new(paths()).await;
        let mut seen = Some(self.first);
        // The files may have changed between the first reading and the start of the watch.
        loop {
            match self.reload(&mut seen).await {
                Ok(false) => {}
                Ok(true) => {
                    tracing::info!(certificate = %settings.certificate.display(), "the TLS files were read again");
                    reloaded(true);
                }
                Err(error) => {
                    tracing::error!(%error, "the changed TLS files cannot be used and the former ones stay");
                    reloaded(false);
                }
            }
            if !watch.follow(paths()).await {
                watch.changed().await;
                watch.renew(paths()).await;
            }
        }
    }

    /// `Ok(false)`: the files are as they were when `seen`.
    async fn reload(&self, seen: &mut Option<[u8; 32]>) -> Result<bool, TlsError> {
        let contents = match Contents::whole(&self.settings).await {
            Ok(contents) => contents,
            Err(error) => {
                *seen = None;
                return Err(error);
            }
        };
        let digest = contents.digest();
        if seen.replace(digest) == Some(digest) {
            return Ok(false);
        }
        // SECURITY: a new `ServerConfig` has a session store of its own, so that nobody resumes a session which a
        // client certificate of a dismissed authority once opened.
        self.current.store(Arc::new(contents.server_config(&self.settings)?));
        self.expiries.store(Arc::new(contents.expiries(&self.settings)));
        self.reloads.send_modify(|count| *count += 1);
        Ok(true)
    }
}

/// The bytes of the files.
struct Contents {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    client_ca: Option<Vec<u8>>,
}

impl Contents {
    /// The files as they stood together at one moment: a mounted secret may be swapped between two of them.
    async fn whole(settings: &TlsSettings) -> Result<Self, TlsError> {
        let settled = settled(|| Self::read(settings)).await;
        settled.unwrap_or_else(|| Err(TlsError::Unsettled(settings.certificate.clone())))
    }

    async fn read(settings: &TlsSettings) -> Result<Self, TlsError> {
        let client_ca = match &settings.client_ca {
            Some(path) => Some(read(path).await?),
            None => None,
        };
        Ok(Self { certificate: read(&settings.certificate).await?, key: read(&settings.key).await?.into(), client_ca })
    }

    fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for part in [Some(&self.certificate), Some(&*self.key), self.client_ca.as_ref()].into_iter().flatten() {
            hasher.update(blake3::hash(part).as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    fn expiries(&self, settings: &TlsSettings) -> Vec<(PathBuf, Timestamp)> {
        let files = [
            (Some(&settings.certificate), Some(&self.certificate)),
            (settings.client_ca.as_ref(), self.client_ca.as_ref()),
        ];
        let both = files.into_iter().filter_map(|(path, bytes)| path.zip(bytes));
        both.filter_map(|(path, bytes)| Some((path.clone(), first_expiry(bytes)?))).collect()
    }

    fn server_config(&self, settings: &TlsSettings) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let chain = certificates(&self.certificate, &settings.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| match error {
            pem::Error::NoItemsFound => TlsError::Missing { path: settings.key.clone(), what: "private key" },
            other => TlsError::Broken { path: settings.key.clone(), detail: pem_detail(&other) },
        })?;
        let clients: Arc<dyn ClientCertVerifier> = match (&self.client_ca, &settings.client_ca) {
            (Some(bytes), Some(path)) => client_verifier(bytes, path, &provider)?,
            _ => Arc::new(NoClientAuth),
        };
        let unusable = |path: &Path, error: &rustls::Error| TlsError::Unusable {
            path: path.to_owned(),
            detail: error.to_string(),
        };
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&settings.certificate, &error))?;
        let mut config =
            builder.with_client_cert_verifier(clients).with_single_cert(chain, key).map_err(|error| match error {
                rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    TlsError::Mismatch { certificate: settings.certificate.clone(), key: settings.key.clone() }
                }
                rustls::Error::InvalidCertificate(_) => unusable(&settings.certificate, &error),
                _ => unusable(&settings.key, &error),
            })?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

/// Reads until the same comes twice; `None` if it never does.
///
/// INVARIANT: each file still holds what it held when it was first read, so all of them held it when the last was.
async fn settled<R>(mut read: impl FnMut() -> R) -> Option<Result<Contents, TlsError>>
where
    R: Future<Output = Result<Contents, TlsError>>,
{
    let mut former = read().await;
    for _ in 0..TRIES {
        let again = read().await;
        match (&former, &again) {
            (Ok(first), Ok(second)) if first.digest() != second.digest() => {}
            (Ok(_), Err(_)) | (Err(_), Ok(_)) => {}
            (Ok(_), Ok(_)) | (Err(_), Err(_)) => return Some(again),
        }
        former = again;
        tokio::time::sleep(PAUSE).await;
    }
    None
}

async fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    tokio::fs::read(path).await.map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

fn certificates(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::Broken { path: path.to_owned(), detail: pem_detail(&error) })?;
    if certificates.is_empty() {
        return Err(TlsError::Missing { path: path.to_owned(), what: "certificate" });
    }
    Ok(certificates)
}

fn client_verifier(
    pem: &[u8],
    path: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let unusable = |detail: String| TlsError::Unusable { path: path.to_owned(), detail };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, path)? {
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    // SECURITY: the default of this builder is to require a certificate; anonymous clients are not allowed in.
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| unusable(error.to_string()))
}

/// What is wrong with a PEM text, without a byte of it: it may be a key.
fn pem_detail(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section does not end".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "a section does not begin as it should".to_owned(),
        pem::Error::Base64Decode(_) => "the base64 is broken".to_owned(),
        pem::Error::Io(error) => error.to_string(),
        _ => "it cannot be read".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::future;

    use super::*;

    fn contents(certificate: &str, key: &str) -> Contents {
        Contents { certificate: certificate.into(), key: Zeroizing::new(key.into()), client_ca: None }
    }

    #[tokio::test(start_paused = true)]
    async fn files_that_are_swapped_while_they_are_read_are_never_half_of_each_version() {
        let mut reads = [("former", "former"), ("former", "next"), ("next", "next"), ("next", "next")].into_iter();
        let read =
            settled(|| future::ready(Ok(reads.next().map(|(certificate, key)| contents(certificate, key)).unwrap())))
                .await;
        assert_eq!(read.unwrap().unwrap().digest(), contents("next", "next").digest());
    }

    #[tokio::test(start_paused = true)]
    async fn files_that_never_come_to_rest_are_no_certificate() {
        let mut read = 0;
        let read = settled(|| {
            read += 1;
            future::ready(Ok(contents(&read.to_string(), "key")))
        });
        assert!(read.await.is_none());
    }
}

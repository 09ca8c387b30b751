//! Certificates of an authority of our own: a CA plus leaves, for TLS refuses a CA as a server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyward::listen::TlsSettings;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// An authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

/// A leaf and its key, as PEM.
pub struct Leaf {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A leaf for `localhost`, as good for a server as for a client.
    pub fn leaf(&self) -> Leaf {
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Leaf { certificate, key: key.serialize_pem() }
    }

    /// A client that believes this authority, and shows `identity` when asked.
    pub fn client(&self, identity: Option<&Leaf>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(der(&self.pem)).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            Some(leaf) => {
                let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![der(&leaf.certificate)], key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config)
    }
}

impl Leaf {
    pub fn der(&self) -> CertificateDer<'static> {
        der(&self.certificate)
    }

    /// Writes `tls.crt` and `tls.key` below `directory`.
    pub fn write(&self, directory: &Path) -> TlsSettings {
        let settings = files(directory);
        std::fs::write(&settings.certificate, &self.certificate).unwrap();
        std::fs::write(&settings.key, &self.key).unwrap();
        settings
    }
}

/// The names that Kubernetes gives the files of a TLS secret.
pub fn files(directory: &Path) -> TlsSettings {
    TlsSettings { certificate: directory.join("tls.crt"), key: directory.join("tls.key"), client_ca: None }
}

/// The mounted secret: files are links into `..data`, itself a link that is replaced by a rename.
pub struct SecretMount {
    directory: PathBuf,
    version: usize,
}

impl SecretMount {
    pub fn new(directory: &Path, leaf: &Leaf) -> Self {
        let mut mount = Self { directory: directory.to_owned(), version: 0 };
        mount.swap(leaf);
        for name in ["tls.crt", "tls.key"] {
            std::os::unix::fs::symlink(Path::new("..data").join(name), directory.join(name)).unwrap();
        }
        mount
    }

    /// What the kubelet does when the secret changes.
    pub fn swap(&mut self, leaf: &Leaf) {
        self.version += 1;
        let version = format!("..version_{}", self.version);
        std::fs::create_dir(self.directory.join(&version)).unwrap();
        leaf.write(&self.directory.join(&version));
        std::os::unix::fs::symlink(&version, self.directory.join("..data_tmp")).unwrap();
        std::fs::rename(self.directory.join("..data_tmp"), self.directory.join("..data")).unwrap();
        if self.version > 1 {
            std::fs::remove_dir_all(self.directory.join(format!("..version_{}", self.version - 1))).unwrap();
        }
    }
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

//! Whom does the endpoint trust?

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use url::Url;

use super::{Endpoint, EndpointError, KEPT};
use crate::introspection::testing::{patience, settings, token, verdict};
use crate::introspection::{IntrospectionError, Introspector};

/// An authority, and a certificate of it for 127.0.0.1.
struct Pki {
    root: String,
    config: ServerConfig,
}

fn pki() -> Pki {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let root = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    Pki { root, config }
}

/// Answers one request on each connection, and tells which protocol was negotiated.
async fn server(config: ServerConfig) -> (Url, mpsc::UnboundedReceiver<Option<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("https://{}/introspect", listener.local_addr().unwrap())).unwrap();
    let (tell, negotiated) = mpsc::unbounded_channel();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = tell.send(stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec));
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(KEPT.as_bytes()).await;
        }
    });
    (url, negotiated)
}

fn endpoint(url: &Url, roots: Option<&str>) -> Result<Endpoint, EndpointError> {
    let mut settings = settings(url);
    settings.trusted_roots = roots.map(|pem| pem.as_bytes().to_vec());
    Endpoint::new(&settings)
}

#[tokio::test]
async fn the_configured_roots_are_trusted_and_no_others() {
    let (ours, theirs) = (pki(), pki());
    let (url, _) = server(ours.config).await;
    assert_eq!(verdict(&endpoint(&url, Some(&ours.root)).unwrap(), patience()).await, "active");
    let both = format!("{}{}", theirs.root, ours.root);
    assert_eq!(verdict(&endpoint(&url, Some(&both)).unwrap(), patience()).await, "active");
    let wrong = endpoint(&url, Some(&theirs.root)).unwrap().introspect(&token("a"), patience()).await.unwrap_err();
    assert!(matches!(&wrong, IntrospectionError::Unreachable(why) if why.contains("certificate")), "{wrong}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_trusted() {
    let ours = pki();
    let (mut url, _) = server(ours.config).await;
    url.set_host(Some("localhost")).unwrap();
    assert_eq!(verdict(&endpoint(&url, Some(&ours.root)).unwrap(), patience()).await, "unreachable");
}

#[tokio::test]
async fn without_configured_roots_the_systems_are_needed_or_load_fails() {
    let (url, _) = server(pki().config).await;
    match endpoint(&url, None) {
        Ok(endpoint) => assert_eq!(verdict(&endpoint, patience()).await, "unreachable"),
        Err(error) => assert!(error.to_string().contains("trusted roots"), "{error}"),
    }
}

#[tokio::test]
async fn http_2_is_offered_first() {
    let mut ours = pki();
    ours.config.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
    let (url, mut negotiated) = server(ours.config.clone()).await;
    assert_eq!(verdict(&endpoint(&url, Some(&ours.root)).unwrap(), patience()).await, "active");
    assert_eq!(negotiated.recv().await, Some(Some(b"http/1.1".to_vec())));
    ours.config.alpn_protocols.reverse();
    let (url, mut negotiated) = server(ours.config).await;
    // The server speaks HTTP/1.1 all the same: an outage, never a verdict.
    assert_eq!(verdict(&endpoint(&url, Some(&ours.root)).unwrap(), patience()).await, "unreachable");
    assert_eq!(negotiated.recv().await, Some(Some(b"h2".to_vec())));
}

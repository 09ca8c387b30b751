//! Whom do TLS listeners let in, what do they prove with, and what becomes of files that change?

use std::io;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::authorization_server::AuthorizationServer;
use keyward::app::server::Bound;
use keyward::app::tls::{TlsError, TlsFiles};
use keyward::listen::TlsSettings;
use keyward::telemetry::metrics::Metrics;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use rustls_pki_types::{CertificateDer, ServerName};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::support::certificates::{Authority, SecretMount, files};
use crate::support::server::{PATIENCE, Running, Scripted, settings, tcp};
use crate::support::{blocking, raw_grpc};

/// Asks over TLS; says which certificate the server showed.
async fn check(server: &Running, client: Arc<ClientConfig>) -> io::Result<CertificateDer<'static>> {
    let port = server.port();
    blocking(move || {
        let socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = StreamOwned::new(ClientConnection::new(client, name).unwrap(), socket);
        assert!(raw_grpc::call(&mut stream, raw_grpc::CHECK)? > 0, "an answer without a message");
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));
        Ok(stream.conn.peer_certificates().unwrap()[0].clone())
    })
    .await
}

/// Asks on new connections until the server shows `wanted`.
async fn until_shown(server: &Running, client: &Arc<ClientConfig>, wanted: &CertificateDer<'static>) {
    let started = Instant::now();
    while check(server, Arc::clone(client)).await.unwrap() != *wanted {
        assert!(started.elapsed() < PATIENCE, "the new certificate never came");
        tokio::task::yield_now().await;
    }
}

async fn until_metrics_say(server: &Running, line: &str) {
    let started = Instant::now();
    while !server.metrics.encode().contains(line) {
        assert!(started.elapsed() < PATIENCE, "`{line}` never came: {}", server.metrics.encode());
        tokio::task::yield_now().await;
    }
}

async fn load_error(tls: TlsSettings) -> TlsError {
    TlsFiles::load(&tls).await.expect_err("these files cannot be used")
}

#[tokio::test]
async fn a_tls_listener_answers_who_believes_its_authority_and_nobody_in_plain_text() {
    let (authority, directory) = (Authority::new("ours"), tempfile::tempdir().unwrap());
    let leaf = authority.leaf();
    let authorization = Scripted::default();
    let server = Running::start(vec![tcp(Some(leaf.write(directory.path())))], authorization.clone()).await;

    assert_eq!(check(&server, authority.client(None)).await.unwrap(), leaf.der());
    assert!(check(&server, Authority::new("another").client(None)).await.is_err());
    let port = server.port();
    let plain = blocking(move || raw_grpc::call(TcpStream::connect(("127.0.0.1", port))?, raw_grpc::CHECK)).await;
    assert!(plain.is_err());
    assert_eq!(authorization.asked(), 1);
}

#[tokio::test]
async fn with_a_client_authority_only_its_clients_are_let_in() {
    let (ours, theirs, directory) = (Authority::new("ours"), Authority::new("theirs"), tempfile::tempdir().unwrap());
    let client_ca = directory.path().join("ca.crt");
    std::fs::write(&client_ca, &theirs.pem).unwrap();
    let tls = TlsSettings { client_ca: Some(client_ca), ..ours.leaf().write(directory.path()) };
    let authorization = Scripted::default();
    let server = Running::start(vec![tcp(Some(tls))], authorization.clone()).await;

    assert!(check(&server, ours.client(None)).await.is_err(), "a client without a certificate");
    assert!(check(&server, ours.client(Some(&ours.leaf()))).await.is_err(), "a client of another authority");
    assert_eq!(authorization.asked(), 0);
    check(&server, ours.client(Some(&theirs.leaf()))).await.unwrap();
    assert_eq!(authorization.asked(), 1);
}

#[tokio::test]
async fn a_silent_client_holds_up_nobody() {
    let (authority, directory) = (Authority::new("ours"), tempfile::tempdir().unwrap());
    let server = Running::start(vec![tcp(Some(authority.leaf().write(directory.path())))], Scripted::default()).await;
    let _silent: Vec<_> = (0..8).map(|_| TcpStream::connect(("127.0.0.1", server.port())).unwrap()).collect();

    check(&server, authority.client(None)).await.unwrap();
}

#[tokio::test]
async fn a_new_certificate_serves_new_connections() {
    let (authority, directory) = (Authority::new("ours"), tempfile::tempdir().unwrap());
    let server = Running::start(vec![tcp(Some(authority.leaf().write(directory.path())))], Scripted::default()).await;
    let client = authority.client(None);
    check(&server, Arc::clone(&client)).await.unwrap();

    let next = authority.leaf();
    next.write(directory.path());

    until_shown(&server, &client, &next.der()).await;
}

#[tokio::test]
async fn a_secret_may_be_swapped_again_and_again() {
    let (authority, directory) = (Authority::new("ours"), tempfile::tempdir().unwrap());
    let first = authority.leaf();
    let mut mount = SecretMount::new(directory.path(), &first);
    let server = Running::start(vec![tcp(Some(files(directory.path())))], Scripted::default()).await;
    let client = authority.client(None);
    assert_eq!(check(&server, Arc::clone(&client)).await.unwrap(), first.der());

    for _ in 0..3 {
        let next = authority.leaf();
        mount.swap(&next);
        until_shown(&server, &client, &next.der()).await;
    }
}

#[tokio::test]
async fn a_new_client_authority_shuts_the_former_ones_clients_out() {
    let (ours, former, next) = (Authority::new("ours"), Authority::new("former"), Authority::new("next"));
    let directory = tempfile::tempdir().unwrap();
    let client_ca = directory.path().join("ca.crt");
    std::fs::write(&client_ca, &former.pem).unwrap();
    let tls = TlsSettings { client_ca: Some(client_ca.clone()), ..ours.leaf().write(directory.path()) };
    let server = Running::start(vec![tcp(Some(tls))], Scripted::default()).await;
    // One client configuration, so that it would resume its session if it were let.
    let of_former = ours.client(Some(&former.leaf()));
    check(&server, Arc::clone(&of_former)).await.unwrap();

    std::fs::write(&client_ca, &next.pem).unwrap();

    until_metrics_say(&server, "tls_reload_success{listener=").await;
    assert!(check(&server, of_former).await.is_err());
    check(&server, ours.client(Some(&next.leaf()))).await.unwrap();
}

/// Who asks on an open connection is Envoy: a swap must not cost a single check.
#[tokio::test]
async fn an_open_connection_lives_on_while_certificate_and_client_authority_are_swapped() {
    let (ours, former, next) = (Authority::new("ours"), Authority::new("former"), Authority::new("next"));
    let directory = tempfile::tempdir().unwrap();
    let client_ca = directory.path().join("ca.crt");
    std::fs::write(&client_ca, &former.pem).unwrap();
    let tls = TlsSettings { client_ca: Some(client_ca.clone()), ..ours.leaf().write(directory.path()) };
    let authorization = Scripted::held();
    let server = Running::start(vec![tcp(Some(tls))], authorization.clone()).await;
    let identity = former.leaf();
    let client = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&ours.pem))
        .identity(Identity::from_pem(&identity.certificate, &identity.key))
        .domain_name("localhost");
    let endpoint = Endpoint::from_shared(format!("https://127.0.0.1:{}", server.port())).unwrap();
    let channel = endpoint.tls_config(client).unwrap().connect().await.unwrap();
    let ask = || {
        let mut client = AuthorizationClient::new(channel.clone());
        tokio::spawn(async move { client.check(CheckRequest::default()).await })
    };
    authorization.may_answer.add_permits(1);
    ask().await.unwrap().expect("an answer before the swap");
    authorization.may_answer.forget_permits(1);

    let under_way = ask();
    let started = Instant::now();
    while authorization.asked() < 2 {
        assert!(started.elapsed() < PATIENCE, "the check never came");
        tokio::task::yield_now().await;
    }
    let leaf = ours.leaf();
    leaf.write(directory.path());
    std::fs::write(&client_ca, &next.pem).unwrap();
    until_metrics_say(&server, "tls_reload_success{listener=").await;
    assert!(!under_way.is_finished());
    authorization.may_answer.add_permits(1);
    under_way.await.unwrap().expect("an answer to the check under way");

    let shown = check(&server, ours.client(Some(&next.leaf()))).await.unwrap();
    assert_eq!(shown, leaf.der(), "a new connection is shown the new certificate");
    assert!(
        check(&server, ours.client(Some(&identity))).await.is_err(),
        "the former authority lets nobody in any more"
    );
    // The client could not connect again if it had to.
    ask().await.unwrap().expect("an answer after the swap");
}

#[tokio::test]
async fn files_that_cannot_be_used_leave_the_former_ones_serving() {
    let (authority, directory) = (Authority::new("ours"), tempfile::tempdir().unwrap());
    let first = authority.leaf();
    let server = Running::start(vec![tcp(Some(first.write(directory.path())))], Scripted::default()).await;
    let (client, listener) = (authority.client(None), server.addresses[0].to_string());

    std::fs::write(directory.path().join("tls.key"), &authority.leaf().key).unwrap();
    until_metrics_say(&server, &format!("keyward_tls_reload_success{{listener=\"{listener}\"}} 0\n")).await;
    assert_eq!(check(&server, Arc::clone(&client)).await.unwrap(), first.der());

    let next = authority.leaf();
    next.write(directory.path());
    until_metrics_say(&server, &format!("keyward_tls_reload_success{{listener=\"{listener}\"}} 1\n")).await;
    assert_eq!(check(&server, client).await.unwrap(), next.der());
}

#[tokio::test]
async fn a_missing_file_is_named_with_the_address() {
    let directory = tempfile::tempdir().unwrap();
    let listen = tcp(Some(files(directory.path())));
    let service = AuthorizationServer::new(Scripted::default());

    let bound = Bound::bind(&settings(vec![listen]), service, Metrics::new().into()).await;

    let certificate = directory.path().join("tls.crt");
    let expected =
        format!("cannot listen on `127.0.0.1:0` with TLS: cannot read `{}`: No such file", certificate.display());
    let error = bound.expect_err("there are no files").to_string();
    assert!(error.starts_with(&expected), "{error}");
}

#[tokio::test]
async fn a_key_of_another_certificate_is_named() {
    let (authority, directory) = (Authority::new("ours"), tempfile::tempdir().unwrap());
    let tls = authority.leaf().write(directory.path());
    std::fs::write(&tls.key, authority.leaf().key).unwrap();

    let error = load_error(tls.clone()).await;

    let expected = format!(
        "the key in `{}` does not belong to the certificate in `{}`",
        tls.key.display(),
        tls.certificate.display()
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_file_without_what_it_should_hold_is_named_and_not_quoted() {
    let (authority, directory) = (Authority::new("ours"), tempfile::tempdir().unwrap());
    let leaf = authority.leaf();
    let broken_key = leaf.key.replace("-----END PRIVATE KEY-----", "");
    let inside = broken_key.lines().nth(1).unwrap().to_owned();
    for (name, content, expected) in [
        ("tls.key", "not a key".to_owned(), "holds no private key in PEM form"),
        ("tls.key", broken_key, "is no valid PEM: a section does not end"),
        ("tls.crt", leaf.key.clone(), "holds no certificate in PEM form"),
        (
            "tls.crt",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
            "cannot be used for TLS",
        ),
        ("ca.crt", String::new(), "holds no certificate in PEM form"),
    ] {
        let tls = TlsSettings { client_ca: Some(directory.path().join("ca.crt")), ..leaf.write(directory.path()) };
        std::fs::write(directory.path().join("ca.crt"), &authority.pem).unwrap();
        std::fs::write(directory.path().join(name), content).unwrap();

        let error = load_error(tls).await.to_string();

        assert!(error.contains(&path_text(directory.path(), name)) && error.contains(expected), "{name}: {error}");
        assert!(!error.contains(&inside), "{error}");
    }
}

fn path_text(directory: &Path, name: &str) -> String {
    directory.join(name).display().to_string()
}

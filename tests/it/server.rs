//! Does the server listen, tell of itself, and end as it should?

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::service::auth::v3::attribute_context::HttpRequest;
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::authorization_server::AuthorizationServer;
use envoy_types::pb::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use keyward::app::listener::BindError;
use keyward::app::reflection::EXT_AUTHZ_DESCRIPTORS;
use keyward::app::server::{Bound, Drain, Drained};
use keyward::listen::{Address, Listen};
use keyward::telemetry::metrics::Metrics;
use prost::Message;
use prost_types::FileDescriptorSet;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1alpha;

use crate::support::server::{PATIENCE, Running, Scripted, settings, tcp, unix};
use crate::support::{blocking, raw_grpc};

const AUTHORIZATION: &str = "envoy.service.auth.v3.Authorization";

async fn channel(server: &Running) -> Channel {
    Endpoint::from_shared(server.url()).unwrap().connect().await.unwrap()
}

async fn check(channel: Channel) -> Result<i32, Status> {
    let answer = AuthorizationClient::new(channel).check(CheckRequest::default()).await?;
    Ok(answer.into_inner().status.unwrap().code)
}

async fn health(channel: Channel, service: &str) -> Result<ServingStatus, Code> {
    let request = HealthCheckRequest { service: service.to_owned() };
    let answer = HealthClient::new(channel).check(request).await.map_err(|status| status.code())?;
    Ok(answer.into_inner().status())
}

async fn admin(server: &Running, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("http://{}{path}", server.admin)).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn bind_error(listen: Listen) -> BindError {
    let service = AuthorizationServer::new(Scripted::default());
    Bound::bind(&settings(vec![listen]), service, Metrics::new().into()).await.expect_err("nothing can listen here")
}

#[tokio::test]
async fn every_listener_answers_checks() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("ext_authz.sock");
    let server = Running::start(vec![tcp(None), unix(&socket), tcp(None)], Scripted::default()).await;

    assert_eq!(server.addresses.len(), 3);
    for address in &server.addresses {
        let url = match address {
            Address::Tcp(address) => format!("http://{address}"),
            Address::Unix(path) => format!("unix:{}", path.display()),
        };
        let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
        assert_eq!(check(channel).await.unwrap(), 7, "{address}");
    }
}

#[tokio::test]
async fn health_is_told_for_the_process_and_for_ext_authz_and_for_nothing_else() {
    let server = Running::start(vec![tcp(None)], Scripted::default()).await;
    let channel = channel(&server).await;

    assert_eq!(health(channel.clone(), "").await, Ok(ServingStatus::Serving));
    assert_eq!(health(channel.clone(), AUTHORIZATION).await, Ok(ServingStatus::Serving));
    assert_eq!(health(channel, "another.Service").await, Err(Code::NotFound));
    assert_eq!(admin(&server, "/readyz").await, (200, "ready\n".to_owned()));
}

#[tokio::test]
async fn reflection_lists_every_service_in_both_versions() {
    let expected = [
        AUTHORIZATION,
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ];
    let server = Running::start(vec![tcp(None)], Scripted::default()).await;
    let channel = channel(&server).await;

    let MessageResponse::ListServicesResponse(services) =
        ask(channel.clone(), MessageRequest::ListServices(String::new())).await
    else {
        panic!("another answer");
    };
    let mut names: Vec<_> = services.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(names, expected);

    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1alpha::server_reflection_request::MessageRequest::ListServices(String::new())),
    };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let mut answers = client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
    let Some(v1alpha::server_reflection_response::MessageResponse::ListServicesResponse(services)) =
        answers.next().await.unwrap().unwrap().message_response
    else {
        panic!("another answer");
    };
    let mut names: Vec<_> = services.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn reflection_serves_ext_authz_with_all_it_imports() {
    let server = Running::start(vec![tcp(None)], Scripted::default()).await;
    let channel = channel(&server).await;
    let mut wanted = vec!["envoy/service/auth/v3/external_auth.proto".to_owned()];
    let mut seen = Vec::new();

    while let Some(file) = wanted.pop() {
        let MessageResponse::FileDescriptorResponse(found) =
            ask(channel.clone(), MessageRequest::FileByFilename(file.clone())).await
        else {
            panic!("`{file}` is not served");
        };
        let descriptor: prost_types::FileDescriptorProto =
            Message::decode(found.file_descriptor_proto[0].as_slice()).unwrap();
        seen.push(file);
        wanted.extend(descriptor.dependency.into_iter().filter(|file| !seen.contains(file)));
        wanted.dedup();
    }
    assert!(seen.len() > 19, "{seen:?}");
}

/// Whoever destructures without `..` breaks the build when envoy-types knows more fields than this test.
#[test]
fn the_descriptors_and_the_message_types_name_the_same_fields() {
    let set = FileDescriptorSet::decode(EXT_AUTHZ_DESCRIPTORS).unwrap();
    let fields = |message: &str| {
        let files = set.file.iter().filter(|file| file.package() == "envoy.service.auth.v3");
        let outer = files.flat_map(|file| &file.message_type);
        let mut all = outer.flat_map(|outer| std::iter::once(outer).chain(&outer.nested_type));
        let found = all.find(|found| found.name() == message).unwrap();
        found.field.iter().map(|field| field.name().to_owned()).collect::<BTreeSet<_>>()
    };
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();

    let CheckResponse { status: _, dynamic_metadata: _, http_response: _ } = CheckResponse::default();
    assert_eq!(
        fields("CheckResponse"),
        names(&["status", "dynamic_metadata", "denied_response", "ok_response", "error_response"])
    );

    let HttpRequest {
        id: _,
        method: _,
        headers: _,
        header_map: _,
        path: _,
        host: _,
        scheme: _,
        query: _,
        fragment: _,
        size: _,
        protocol: _,
        body: _,
        raw_body: _,
    } = HttpRequest::default();
    assert_eq!(
        fields("HttpRequest"),
        names(&[
            "id",
            "method",
            "headers",
            "header_map",
            "path",
            "host",
            "scheme",
            "query",
            "fragment",
            "size",
            "protocol",
            "body",
            "raw_body",
        ])
    );
}

async fn ask(channel: Channel, message: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(message) };
    let mut client = ServerReflectionClient::new(channel);
    let mut answers = client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
    answers.next().await.unwrap().unwrap().message_response.unwrap()
}

/// T-34.
#[tokio::test]
async fn only_the_exact_path_of_the_method_reaches_the_check() {
    let authorization = Scripted::default();
    let server = Running::start(vec![tcp(None)], authorization.clone()).await;
    let port = server.port();

    for path in [
        "envoy.service.auth.v3.Authorization/Check",
        "//envoy.service.auth.v3.Authorization/Check",
        "/envoy.service.auth.v3.Authorization/Check/",
        "/envoy.service.auth.v3.Authorization//Check",
        "/envoy.service.auth.v3.Authorization%2FCheck",
        "/x/../envoy.service.auth.v3.Authorization/Check",
        "/./envoy.service.auth.v3.Authorization/Check",
        "/envoy.service.auth.v3.authorization/check",
        "/envoy.service.auth.v3.Authorization/Check2",
        "/envoy.service.auth.v3.Authorization/",
        "*",
        "",
    ] {
        let _stream_reset_or_connection_closed = call(port, path).await;
        assert_eq!(authorization.asked(), 0, "{path:?} reached the check");
    }
    // The same bytes with the right path do reach it, so the others were refused for their path.
    assert!(call(port, raw_grpc::CHECK).await.unwrap() > 0);
    assert_eq!(authorization.asked(), 1);
}

async fn call(port: u16, path: &'static str) -> std::io::Result<usize> {
    blocking(move || {
        let connection = TcpStream::connect(("127.0.0.1", port))?;
        connection.set_read_timeout(Some(PATIENCE))?;
        raw_grpc::call(connection, path)
    })
    .await
}

#[tokio::test]
async fn what_is_in_flight_is_answered_and_then_the_server_ends() {
    let authorization = Scripted::held();
    let server = Running::start(vec![tcp(None)], authorization.clone()).await;
    let url = server.url();
    let in_flight = tokio::spawn(check(channel(&server).await));
    while authorization.asked() == 0 {
        tokio::task::yield_now().await;
    }

    let ended = server.shut_down();
    while Endpoint::from_shared(url.clone()).unwrap().connect().await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!in_flight.is_finished());
    authorization.may_answer.add_permits(1);

    assert_eq!(timeout(PATIENCE, in_flight).await.unwrap().unwrap().unwrap(), 7);
    assert_eq!(timeout(PATIENCE, ended).await.unwrap().unwrap(), Drained::Completely);
}

#[tokio::test]
async fn a_check_that_does_not_end_is_cut_at_the_deadline() {
    let authorization = Scripted::held();
    let drain = Drain { grace: Duration::ZERO, deadline: Duration::from_millis(50) };
    let server = Running::start_with(vec![tcp(None)], authorization.clone(), drain).await;
    let _in_flight = tokio::spawn(check(channel(&server).await));
    while authorization.asked() == 0 {
        tokio::task::yield_now().await;
    }

    assert_eq!(timeout(PATIENCE, server.shut_down()).await.unwrap().unwrap(), Drained::Cut);
}

#[tokio::test]
async fn before_it_ends_it_says_not_serving_and_goes_on_answering() {
    let drain = Drain { grace: PATIENCE * 10, deadline: PATIENCE };
    let server = Running::start_with(vec![tcp(None)], Scripted::default(), drain).await;
    let (channel, admin) = (channel(&server).await, server.admin);
    let mut client = HealthClient::new(channel.clone());
    let request = HealthCheckRequest { service: AUTHORIZATION.to_owned() };
    let mut watch = client.watch(request).await.unwrap().into_inner();
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::Serving);

    assert!(server.metrics.encode().contains("keyward_ready 1\n"));
    let metrics = Arc::clone(&server.metrics);
    let ended = server.shut_down();

    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert!(metrics.encode().contains("keyward_ready 0\n"));
    assert_eq!(health(channel.clone(), "").await, Ok(ServingStatus::NotServing));
    assert_eq!(check(channel).await.unwrap(), 7);
    let ready = reqwest::get(format!("http://{admin}/readyz")).await.unwrap();
    assert_eq!(ready.status().as_u16(), 503);
    assert!(ready.text().await.unwrap().contains("draining"));
    let live = reqwest::get(format!("http://{admin}/livez")).await.unwrap();
    assert_eq!(live.status().as_u16(), 200);
    ended.abort();
}

#[tokio::test]
async fn a_health_watch_does_not_hold_the_end_up() {
    let server = Running::start(vec![tcp(None)], Scripted::default()).await;
    let mut client = HealthClient::new(channel(&server).await);
    let mut watch = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::Serving);

    assert_eq!(timeout(PATIENCE, server.shut_down()).await.unwrap().unwrap(), Drained::Completely);
}

#[tokio::test]
async fn a_unix_socket_is_for_owner_and_group_and_goes_with_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("ext_authz.sock");
    let server = Running::start(vec![unix(&socket)], Scripted::default()).await;
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);

    timeout(PATIENCE, server.shut_down()).await.unwrap().unwrap();

    assert!(!socket.exists());
}

#[tokio::test]
async fn the_socket_of_a_dead_process_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("ext_authz.sock");
    drop(UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());

    let server = Running::start(vec![unix(&socket)], Scripted::default()).await;

    assert_eq!(check(channel(&server).await).await.unwrap(), 7);
}

#[tokio::test]
async fn the_socket_of_a_living_process_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("ext_authz.sock");
    let _living = UnixListener::bind(&socket).unwrap();

    let error = bind_error(unix(&socket)).await;

    assert!(matches!(error, BindError::InUse(_)), "{error}");
    assert!(std::os::unix::net::UnixStream::connect(&socket).is_ok());
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("precious");
    std::fs::write(&file, "data").unwrap();

    let error = bind_error(unix(&file)).await;

    assert!(error.to_string().contains("a file that is no socket stands there"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "data");
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();

    let error = bind_error(Listen { address: Address::Tcp(address), tls: None }).await;

    let expected = format!("cannot listen on `{address}`: somebody already does");
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[tokio::test]
async fn a_missing_directory_for_the_socket_is_named() {
    let error = bind_error(unix("/nowhere/at/all.sock".as_ref())).await;

    assert!(error.to_string().starts_with("cannot listen on `unix:/nowhere/at/all.sock`: No such file"), "{error}");
}

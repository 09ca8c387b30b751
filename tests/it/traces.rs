//! Can somebody follow a request through Keyward? Spans over OTLP, received here and by a real OpenTelemetry Collector.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request as Asked;
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::support::check::Sent;
use crate::support::server::PATIENCE;
use crate::support::serving::Serving;
use crate::support::{blocking, part, unused_address};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const TOKEN: &str = "t0ken-of-bob";
const TOKEN_OF_NOBODY: &str = "t0ken-of-nobody";

const CONFIGURATION: &str = r#"
listen: { extAuthz: "CHECKS", admin: "127.0.0.1:9902" }
rsFilter:
  clientId: mesh-rs
  clientSecret: { env: MESH_RS_SECRET }
  tokenIntrospectUrl: http://SERVERS/introspect
  subjectMapping:
    - { resourceTypeMapping: { usr: managed/user }, propertyMapping: { sub: _id }, userRoles: authzRoles/* }
  augmentSecurityContext: { type: text/javascript, source: "security" }
directory: { idm: { url: "http://SERVERS/openidm" } }
access: { style: http, rules: [ { pattern: /orders/*, roles: "internal/role/clerk", methods: "*" } ] }
identityHeaders: { x-auth-id: authorization.id }
"#;

/// An authorization server and an identity manager, and the `traceparent` that each path was asked with.
#[derive(Clone, Default)]
struct Servers(Arc<Mutex<BTreeMap<String, String>>>);

impl Servers {
    async fn start() -> (Self, String) {
        let servers = Self::default();
        let asked = servers.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let app = Router::new().fallback(move |request: Asked| async move { asked.answer(request).await });
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (servers, address)
    }

    async fn answer(&self, request: Asked) -> ([(&'static str, &'static str); 1], String) {
        let path = request.uri().path().to_owned();
        let parent = request.headers().get("traceparent").map(|value| value.to_str().unwrap().to_owned());
        self.0.lock().unwrap().insert(path.clone(), parent.unwrap_or_default());
        let body = axum::body::to_bytes(request.into_body(), 1 << 16).await.unwrap();
        let answer = if path == "/introspect" {
            let active = String::from_utf8_lossy(&body).contains(TOKEN);
            json!({ "active": active, "sub": "(usr!bob)", "scope": "openid", "token_type": "Bearer" })
        } else {
            json!({ "_id": "bob", "_rev": "1", "accountStatus": "active", "authzRoles": [{ "_ref": "internal/role/clerk" }] })
        };
        ([("content-type", "application/json")], answer.to_string())
    }

    fn asked_with(&self, path: &str) -> String {
        self.0.lock().unwrap().get(path).cloned().unwrap_or_else(|| panic!("`{path}` was not asked for"))
    }
}

#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Receiver {
    async fn start() -> (Self, String) {
        let receiver = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(receiver.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        (receiver, endpoint)
    }

    fn spans(&self) -> Vec<Span> {
        let received = self.0.lock().unwrap();
        let resources = received.iter().flat_map(|request| &request.resource_spans);
        resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| scope.spans.clone()).collect()
    }

    /// The one span of this name whose attributes include `with`.
    fn span(&self, name: &str, with: (&str, &str)) -> Span {
        let spans = self.spans();
        let mut found = spans.iter().filter(|span| span.name == name && attribute(span, with.0) == with.1);
        let span = found.next().unwrap_or_else(|| panic!("no `{name}` with {with:?} in {spans:#?}"));
        assert!(found.next().is_none(), "several `{name}` with {with:?}");
        span.clone()
    }
}

fn attribute(span: &Span, key: &str) -> String {
    let value = span.attributes.iter().find(|attribute| attribute.key == key).and_then(|found| found.value.clone());
    match value.and_then(|value| value.value) {
        Some(Any::StringValue(text)) => text,
        Some(Any::IntValue(number)) => number.to_string(),
        Some(Any::BoolValue(truth)) => truth.to_string(),
        _ => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Traced {
    serving: Serving,
    servers: Servers,
    checks: String,
}

impl Traced {
    async fn start(variables: Vec<(String, String)>) -> Self {
        let (servers, address) = Servers::start().await;
        let checks = unused_address().to_string();
        let text = CONFIGURATION.replace("SERVERS", &address).replace("CHECKS", &checks);
        let serving = blocking(move || {
            let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            Serving::start_with(&text, |text, _| text, &variables)
        });
        Self { serving: serving.await, servers, checks: format!("http://{checks}") }
    }

    /// Asks, as a caller in the middle of the trace would; says whether it was an allow.
    async fn ask(&self, token: &str, traceparent: Option<String>) -> bool {
        let mut client = AuthorizationClient::connect(self.checks.clone()).await.unwrap();
        let mut headers = vec![("authorization".to_owned(), format!("Bearer {token}").into_bytes())];
        headers.extend(traceparent.map(|parent| ("traceparent".to_owned(), parent.into_bytes())));
        let sent = Sent { method: "GET".to_owned(), target: "/orders/1".to_owned(), headers, ..Sent::default() };
        sent.after(client.check(sent.check_request(false)).await.unwrap().into_inner()).allowed
    }

    /// Ends it; what its audit wrote.
    async fn end(mut self) -> String {
        blocking(move || {
            self.serving.end();
            fs::read_to_string(self.serving.file("stdout")).unwrap()
        })
        .await
    }
}

fn sampled() -> Option<String> {
    Some(format!("00-{TRACE}-{CALLER}-01"))
}

fn exporting_to(endpoint: &str) -> Vec<(String, String)> {
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_RESOURCE_ATTRIBUTES", "deployment=test")];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_is_a_span_of_its_callers_trace_and_the_servers_it_asks_go_on_from_there() {
    let (receiver, endpoint) = Receiver::start().await;
    let keyward = Traced::start(exporting_to(&endpoint)).await;
    let servers = keyward.servers.clone();
    assert!(keyward.ask(TOKEN, sampled()).await);
    assert!(!keyward.ask(TOKEN_OF_NOBODY, None).await);
    let audit = keyward.end().await;

    let check = receiver.span("envoy.service.auth.v3.Authorization/Check", ("keyward.decision", "allow"));
    assert_eq!((hex(&check.trace_id).as_str(), hex(&check.parent_span_id).as_str()), (TRACE, CALLER));
    assert_eq!(check.kind(), SpanKind::Server);
    for (key, value) in [
        ("rpc.system.name", "grpc"),
        ("rpc.response.status_code", "OK"),
        ("keyward.reason", "granted"),
        ("keyward.filter", "default"),
        ("keyward.rule", "rules[0]"),
    ] {
        assert_eq!(attribute(&check, key), value, "{key}");
    }
    let audited = audit.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let audited: Vec<(Value, Value)> =
        audited.map(|event| (event["decisionId"].clone(), event["traceId"].clone())).collect();
    let told = |span: &Span| (json!(attribute(span, "keyward.decision.id")), json!(hex(&span.trace_id)));
    let of_trace: Vec<Span> = receiver.spans().into_iter().filter(|span| span.trace_id == check.trace_id).collect();
    let child = |parent: &Span, name: &str| {
        let found = of_trace.iter().find(|span| span.name == name && span.parent_span_id == parent.span_id);
        found.cloned().unwrap_or_else(|| panic!("no `{name}` below `{}` in {of_trace:#?}", parent.name))
    };
    let introspection = child(&check, "introspection");
    assert_eq!(attribute(&introspection, "keyward.introspection.source"), "asked");
    let directory = child(&check, "directory");
    assert_eq!(attribute(&directory, "keyward.directory.found"), "found");
    let script = child(&check, "script");
    assert_eq!(attribute(&script, "keyward.script"), "augmentSecurityContext");
    for (parent, method, path) in
        [(&introspection, "POST", "/introspect"), (&directory, "GET", "/openidm/managed/user/bob")]
    {
        let call = child(parent, method);
        assert_eq!((call.kind(), attribute(&call, "server.address").as_str()), (SpanKind::Client, "127.0.0.1"));
        if path != "/introspect" {
            assert_eq!(servers.asked_with(path), format!("00-{TRACE}-{}-01", hex(&call.span_id)));
        }
    }

    let denied = receiver.span("envoy.service.auth.v3.Authorization/Check", ("keyward.decision", "deny"));
    assert_ne!(hex(&denied.trace_id), TRACE);
    assert_eq!(audited, [told(&check), told(&denied)], "the audit names the trace, and the span the decision");
    assert!(denied.parent_span_id.is_empty());
    assert_eq!(attribute(&denied, "keyward.reason"), "token_inactive");
    assert_eq!(denied.status.unwrap_or_default().code, 0, "a denial is no error");

    let everything = format!("{:?}", receiver.0.lock().unwrap());
    for resource in ["service.name", "\"keyward\"", "deployment"] {
        assert!(everything.contains(resource), "{resource}");
    }
    for private in [TOKEN, TOKEN_OF_NOBODY, "s3cret", "bob", "orders"] {
        assert!(!everything.contains(private), "`{private}` is in a span");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_sampled_makes_no_span_and_is_passed_on_as_such() {
    let (receiver, endpoint) = Receiver::start().await;
    let keyward = Traced::start(exporting_to(&endpoint)).await;
    let servers = keyward.servers.clone();
    assert!(keyward.ask(TOKEN, Some(format!("00-{TRACE}-{CALLER}-00"))).await);
    keyward.end().await;
    assert!(receiver.spans().is_empty());
    let passed_on = servers.asked_with("/introspect");
    assert!(passed_on.starts_with(&format!("00-{TRACE}-")) && passed_on.ends_with("-00"), "{passed_on}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_endpoint_nothing_is_traced_and_nothing_passed_on() {
    let keyward = Traced::start(Vec::new()).await;
    assert!(keyward.ask(TOKEN, sampled()).await);
    assert_eq!(keyward.servers.asked_with("/introspect"), "");
    let audit: Value = serde_json::from_str(&keyward.end().await).unwrap();
    assert_eq!(audit["traceId"], TRACE, "the trace of somebody else's spans");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_delays_no_check_and_little_of_the_end() {
    let keyward = Traced::start(exporting_to("http://127.0.0.1:9")).await;
    assert!(keyward.ask(TOKEN, sampled()).await);
    let asked_to_end = Instant::now();
    keyward.end().await;
    assert!(asked_to_end.elapsed() < PATIENCE, "{:?}", asked_to_end.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_none_is_told_without_its_password_and_stops_nobody() {
    let keyward = Traced::start(exporting_to("http://somebody:t0psecret@no host")).await;
    assert!(keyward.ask(TOKEN, sampled()).await);
    let log = keyward.serving.log();
    assert!(log.contains("traces cannot be exported") && !log.contains("t0psecret"), "{log}");
}

/// What stands in for a collector that is stuck: it takes connections, and no more.
async fn stuck() -> (String, Arc<Mutex<Vec<TcpStream>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (endpoint, held) = (listener.local_addr().unwrap().to_string(), Arc::<Mutex<Vec<_>>>::default());
    let taken = Arc::clone(&held);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            taken.lock().unwrap().push(connection);
        }
    });
    (endpoint, held)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_stalls_no_check_and_is_told_no_secret() {
    let (address, held) = stuck().await;
    let mut variables = exporting_to(&format!("http://somebody:t0psecret@{address}"));
    for (name, value) in [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "16"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8"),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20t0psecret"),
    ] {
        variables.push((name.to_owned(), value.to_owned()));
    }
    let mut keyward = Traced::start(variables).await;
    let mut longest = Duration::ZERO;
    // Several spans each: the queue is full long before the end.
    for _ in 0..100 {
        let asked = Instant::now();
        assert!(keyward.ask(TOKEN, sampled()).await);
        longest = longest.max(asked.elapsed());
    }
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    assert!(!held.lock().unwrap().is_empty(), "nothing was exported");
    let (log, took) = blocking(move || {
        let asked_to_end = Instant::now();
        keyward.serving.end();
        (keyward.serving.log(), asked_to_end.elapsed())
    })
    .await;
    assert!(took < PATIENCE, "{took:?}");
    assert!(log.contains("BatchSpanProcessor") && !log.contains("t0psecret"), "{log}");
}

struct Collector(Child);

impl Drop for Collector {
    fn drop(&mut self) {
        let _already_ended = self.0.kill();
        let _already_waited_for = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_collector_takes_the_spans() {
    let folder = tempfile::tempdir().unwrap();
    let (config, told, address) = (folder.path().join("otelcol.json"), folder.path().join("told"), unused_address());
    let pipeline: Value = json!({ "receivers": ["otlp"], "exporters": ["debug"] });
    let text = json!({
        "receivers": { "otlp": { "protocols": { "grpc": { "endpoint": address.to_string() } } } },
        "exporters": { "debug": { "verbosity": "detailed" } },
        "service": { "telemetry": { "metrics": { "level": "none" } }, "pipelines": { "traces": pipeline } },
    });
    fs::write(&config, text.to_string()).unwrap();
    let mut command = Command::new(part("otelcol/build/otelcol"));
    command.arg("--config").arg(format!("file:{}", config.display())).stdout(Stdio::null());
    let _collector = Collector(command.stderr(fs::File::create(&told).unwrap()).spawn().unwrap());
    let until = |text: &'static str| {
        let told = told.clone();
        blocking(move || {
            let started = Instant::now();
            while !fs::read_to_string(&told).unwrap().contains(text) {
                assert!(started.elapsed() < PATIENCE, "`{text}` is not in {}", fs::read_to_string(&told).unwrap());
                std::thread::yield_now();
            }
        })
    };
    until("Everything is ready").await;

    let mut variables = exporting_to(&format!("http://{address}"));
    variables.push(("OTEL_EXPORTER_OTLP_COMPRESSION".to_owned(), "gzip".to_owned()));
    let keyward = Traced::start(variables).await;
    assert!(keyward.ask(TOKEN, sampled()).await);
    keyward.end().await;

    for line in [
        "Name           : envoy.service.auth.v3.Authorization/Check",
        "Trace ID       : 4bf92f3577b34da6a3ce929d0e0e4736",
        "Parent ID      : 00f067aa0ba902b7",
        "keyward.decision: Str(allow)",
        "service.name: Str(keyward)",
    ] {
        until(line).await;
    }
}

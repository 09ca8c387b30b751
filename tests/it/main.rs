//! One integration binary. What belongs where:
//!
//! | module | what it holds |
//! | --- | --- |
//! | `admin_proto` | the messages of the admin API against its proto |
//! | `audit` | what is written of each kind of decision |
//! | `cases` | the case files of `tests/cases`, decided over gRPC and through a real Envoy, each in both header forms |
//! | `check` | `keyward check` as a person sees it |
//! | `deploy_envoy` | the files of `deploy/envoy`: a real Envoy with them, asking a real Keyward process |
//! | `dev` | `keyward dev`: every command it prints, and how it ends |
//! | `docs` | what README, `examples/` and `deploy/` show is loaded, by Keyward and by Envoy |
//! | `cli` | the program's verbs, its exit codes, its life as a process |
//! | `envoy` | what Envoy makes of our answers and of our absence |
//! | `helm` | the chart of `deploy/helm`, rendered, validated, and what it refuses |
//! | `herd` | many checks at once, callers that hang up |
//! | `idm_answers` | IDM's files against what a running IDM decided and answered |
//! | `idm_files` | IDM's own files, pointed at, imported and linted |
//! | `image` | the image of `deploy/Dockerfile`, built and started by buildah |
//! | `introspection` | what a real authorization server's word becomes |
//! | `kubernetes` | the overlays of `deploy/kubernetes`, rendered, validated, and held to what they say |
//! | `limits` | what the server does not take on without end, and what becomes of the rest |
//! | `malformed` | questions that no Envoy should send |
//! | `no_secrets` | tokens and secrets in nothing that Keyward says |
//! | `explain` | `keyward explain` and the admin API: what is told of a refusal, to whom, for how long |
//! | `fuzz` | random questions: each gets a status, and an allow only where a rule grants |
//! | `oidc_provider` | tokens of a real authorization server, through a real Envoy |
//! | `mesh` | the manifests of `deploy/istio` and `deploy/envoy-gateway`, validated and held against each other and Envoy |
//! | `monitoring` | alert rules, their pages and the dashboard, held against Keyward's metrics; promtool, a real Prometheus |
//! | `labels` | random requests, tokens and answers: which series and which audit events they can make |
//! | `person` | a person with grpcurl |
//! | `real` | a real Keycloak and a real OpenAM; only under `make test-real` |
//! | `reload` | changed files under a running server: what follows, what is told, what is remembered |
//! | `server` | listeners, health, reflection, the way the server ends |
//! | `threats` | published weaknesses that no case file can tell, and the table of what holds each |
//! | `tls` | TLS listeners: who may connect, new certificates, files that cannot be used |
//! | `traces` | spans, as an OTLP receiver and a real OpenTelemetry Collector get them |
//! | `unread` | a server whose audit or log goes into a pipe that nobody reads |
//! | `support` | servers, clients and files that the other modules start; no claims of its own |
//!
//! The real parts (Envoy, `oidc-provider`, grpcurl) are installed by `make parts`; a test whose part is missing fails.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod admin_proto;
mod audit;
mod cases;
mod check;
mod cli;
mod deploy_envoy;
mod dev;
mod docs;
mod envoy;
mod explain;
mod fuzz;
mod helm;
mod herd;
mod idm_answers;
mod idm_files;
mod image;
mod introspection;
mod kubernetes;
mod labels;
mod limits;
mod malformed;
mod mesh;
mod monitoring;
mod no_secrets;
mod oidc_provider;
mod person;
mod real;
mod reload;
mod server;
mod support;
mod threats;
mod tls;
mod traces;
mod unread;

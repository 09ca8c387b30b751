//! Is a running server serving? For probes of images that hold nothing but this program.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Error, Identity};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::{Outcome, complain, print, runtime};
use crate::config::{self, ProcessEnvironment};

/// Where nothing is said.
const USUAL_ADDRESS: &str = "127.0.0.1:9191";

/// Flags of `health`.
#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// Where the server listens: `127.0.0.1:9191`, which is the default, or `unix:/run/keyward/ext_authz.sock`
    #[arg(long, value_name = "ADDRESS", env = "KEYWARD_HEALTH_ADDRESS")]
    address: Option<String>,
    /// Ask where this configuration says that the server listens: `listen.health`, or else the first of `listen.extAuthz`
    /// without TLS; with `--ca` the first with TLS
    #[arg(long, short, value_name = "FILE", conflicts_with = "address")]
    config: Option<PathBuf>,
    /// Ask over TLS, and believe a server of these authorities only (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The certificate to show where the server asks for one (PEM)
    #[arg(long, value_name = "FILE", requires_all = ["ca", "key"])]
    cert: Option<PathBuf>,
    /// The key of that certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The name that must stand in the server's certificate; the address's unless said
    #[arg(long, value_name = "NAME", requires = "ca")]
    server_name: Option<String>,
    /// The service to ask about; the whole server unless said
    #[arg(long, value_name = "NAME", default_value = "")]
    service: String,
    /// Seconds to wait for the answer
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    timeout: u32,
}

/// Asks, prints the status, and says yes only to `SERVING`.
pub(super) fn run(args: &HealthArgs) -> Outcome {
    let (address, endpoint) = match to_ask(args) {
        Ok(found) => found,
        Err(reason) => {
            complain(reason);
            return Outcome::WrongInput;
        }
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(outcome) => return outcome,
    };
    let timeout = Duration::from_secs(args.timeout.into());
    let answer = runtime.block_on(async { tokio::time::timeout(timeout, ask(endpoint, args)).await });
    let reason = match answer {
        Ok(Ok(ServingStatus::Serving)) => return print(ServingStatus::Serving.as_str_name()),
        Ok(Ok(status)) => {
            print(status.as_str_name());
            return Outcome::No;
        }
        Ok(Err(reason)) => reason,
        Err(_elapsed) => format!("no answer within {} s", args.timeout),
    };
    complain(format_args!("`{address}`: {reason}"));
    Outcome::No
}

/// Whom to ask, and how.
fn to_ask(args: &HealthArgs) -> Result<(String, Endpoint), String> {
    let address = match (&args.config, &args.address) {
        (Some(config), _) => configured(config, args.ca.is_some())?,
        (None, Some(address)) => address.clone(),
        (None, None) => USUAL_ADDRESS.to_owned(),
    };
    let Some(ca) = &args.ca else {
        let endpoint = endpoint(&address).map_err(|error| format!("`{address}` is no address: {error}"))?;
        return Ok((address, endpoint));
    };
    if address.starts_with("unix:") {
        return Err(format!("`{address}`: a Unix socket is asked without TLS; leave `--ca` out"));
    }
    let whole = if address.contains("://") { address.clone() } else { format!("https://{address}") };
    let authorities = read(ca)?;
    // Without one nobody would be believed, and nobody told why.
    if CertificateDer::from_pem_slice(&authorities).is_err() {
        return Err(format!("`{}` holds no certificate in PEM form", ca.display()));
    }
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authorities));
    if let (Some(certificate), Some(key)) = (&args.cert, &args.key) {
        tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
    }
    if let Some(name) = &args.server_name {
        tls = tls.domain_name(name);
    }
    let endpoint = Endpoint::from_shared(whole).map_err(|error| format!("`{address}` is no address: {error}"))?;
    let endpoint =
        endpoint.tls_config(tls).map_err(|error| format!("the files cannot be used for TLS: {}", cause(&error)))?;
    Ok((address, endpoint))
}

/// Where a configuration says that its server tells its health, with TLS or without.
fn configured(config: &Path, tls: bool) -> Result<String, String> {
    let loaded = config::load(config, &ProcessEnvironment).map_err(|problems| problems.to_string())?;
    let listen = &loaded.config.listen;
    if let (Some(health), false) = (listen.health, tls) {
        return Ok(health.to_string());
    }
    let found = listen.ext_authz.iter().find(|listener| listener.tls.is_some() == tls);
    found.map(|listener| listener.address.to_string()).ok_or_else(|| {
        let remedy = if tls { "leave `--ca` out" } else { "give `--ca`, or the server a listener `listen.health`" };
        format!("`{}` names no listener with{} TLS; {remedy}", config.display(), if tls { "" } else { "out" })
    })
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))
}

pub(super) fn endpoint(address: &str) -> Result<Endpoint, Error> {
    let whole = address.starts_with("unix:") || address.contains("://");
    Endpoint::from_shared(if whole { address.to_owned() } else { format!("http://{address}") })
}

async fn ask(endpoint: Endpoint, args: &HealthArgs) -> Result<ServingStatus, String> {
    let channel = endpoint.connect().await.map_err(|error| match &args.ca {
        Some(_) => format!("cannot be asked over TLS: {}", cause(&error)),
        None => format!("nobody listens there: {}", cause(&error)),
    })?;
    let request = HealthCheckRequest { service: args.service.clone() };
    match HealthClient::new(channel).check(request).await {
        Ok(answer) => Ok(answer.into_inner().status()),
        Err(status) => Err(refusal(&status, args)),
    }
}

fn refusal(status: &Status, args: &HealthArgs) -> String {
    match (status.code(), &args.ca, &args.cert) {
        (Code::NotFound, ..) => format!("it knows no service `{}`", args.service),
        (code, None, _) => format!(
            "it does not answer as a server for gRPC without TLS does ({code:?}: {}); if it listens with TLS, give `--ca`, or \
             ask a listener without, such as a Unix socket",
            cause(status)
        ),
        (code, Some(_), None) => format!(
            "it does not answer as a server for gRPC does ({code:?}: {}); if it asks for a certificate, give `--cert` and \
             `--key`",
            cause(status)
        ),
        (code, ..) => format!("it does not answer as a server for gRPC does ({code:?}: {})", cause(status)),
    }
}

/// The innermost cause: the layers above it only say that something went wrong.
pub(super) fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

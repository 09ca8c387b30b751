//! Is a running server serving? For probes of images that hold nothing but this program.

use std::time::Duration;

use clap::Args;
use tonic::transport::{Endpoint, Error};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::{Outcome, complain, print, runtime};

/// Flags of `health`.
#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// Where the server listens without TLS: `127.0.0.1:9191` or `unix:/run/keyward/ext_authz.sock`
    #[arg(long, value_name = "ADDRESS", env = "KEYWARD_HEALTH_ADDRESS", default_value = "127.0.0.1:9191")]
    address: String,
    /// The service to ask about; the whole server unless said
    #[arg(long, value_name = "NAME", default_value = "")]
    service: String,
    /// Seconds to wait for the answer
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    timeout: u32,
}

/// Asks, prints the status, and says yes only to `SERVING`.
pub(super) fn run(args: &HealthArgs) -> Outcome {
    let endpoint = match endpoint(&args.address) {
        Ok(endpoint) => endpoint,
        Err(error) => {
            complain(format_args!("`{}` is no address: {error}", args.address));
            return Outcome::WrongInput;
        }
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(outcome) => return outcome,
    };
    let timeout = Duration::from_secs(args.timeout.into());
    let answer = runtime.block_on(async { tokio::time::timeout(timeout, ask(endpoint, &args.service)).await });
    let reason = match answer {
        Ok(Ok(ServingStatus::Serving)) => return print(ServingStatus::Serving.as_str_name()),
        Ok(Ok(status)) => {
            print(status.as_str_name());
            return Outcome::No;
        }
        Ok(Err(reason)) => reason,
        Err(_elapsed) => format!("no answer within {} s", args.timeout),
    };
    complain(format_args!("`{}`: {reason}", args.address));
    Outcome::No
}

pub(super) fn endpoint(address: &str) -> Result<Endpoint, Error> {
    let whole = address.starts_with("unix:") || address.contains("://");
    Endpoint::from_shared(if whole { address.to_owned() } else { format!("http://{address}") })
}

async fn ask(endpoint: Endpoint, service: &str) -> Result<ServingStatus, String> {
    let channel = endpoint.connect().await.map_err(|error| format!("nobody listens there: {}", cause(&error)))?;
    let request = HealthCheckRequest { service: service.to_owned() };
    match HealthClient::new(channel).check(request).await {
        Ok(answer) => Ok(answer.into_inner().status()),
        Err(status) => Err(refusal(&status, service)),
    }
}

fn refusal(status: &Status, service: &str) -> String {
    match status.code() {
        Code::NotFound => format!("it knows no service `{service}`"),
        code => format!(
            "it does not answer as a server for gRPC without TLS does ({code:?}: {}); if it listens with TLS, ask a listener \
             without, such as a Unix socket",
            status.message()
        ),
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

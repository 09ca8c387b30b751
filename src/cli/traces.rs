//! Are traces wanted? The standard variables of OpenTelemetry say so; without them nothing is traced.

use std::env;

use crate::telemetry::trace::{self, Exporting};

/// Starts exporting spans if a variable names an endpoint. Traces that cannot be had are told in the log and stop nobody.
pub(super) fn start() -> Option<Exporting> {
    let endpoint = wanted(|name| env::var(name).ok().filter(|value| !value.is_empty()))?;
    match trace::start(endpoint.starts_with("https:")) {
        Ok(exporting) => {
            tracing::info!("traces are exported over OTLP");
            Some(exporting)
        }
        Err(error) => {
            tracing::error!("{}", without_secret(&error.to_string(), &endpoint));
            None
        }
    }
}

/// SECURITY: an error repeats the endpoint that it complains of, which may hold a password, or a key in its query.
fn without_secret(error: &str, endpoint: &str) -> String {
    if endpoint.contains(['@', '?']) { error.replace(endpoint, "[REDACTED]") } else { error.to_owned() }
}

/// The endpoint for traces, unless another variable turns them off.
fn wanted(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let is = |name, value: &str| variable(name).is_some_and(|found| found.eq_ignore_ascii_case(value));
    let signal_or_all = |name: &str| {
        variable(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"))
            .or_else(|| variable(&format!("OTEL_EXPORTER_OTLP_{name}")))
    };
    let endpoint = signal_or_all("ENDPOINT")?;
    if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
        return None;
    }
    if let Some(protocol) = signal_or_all("PROTOCOL").filter(|protocol| protocol != "grpc") {
        tracing::warn!(protocol, "traces are exported by `grpc` only; `OTEL_EXPORTER_OTLP_PROTOCOL` says otherwise");
    }
    Some(endpoint)
}

#[cfg(test)]
mod tests {
    use super::{wanted, without_secret};

    #[test]
    fn an_error_names_the_endpoint_unless_it_may_hold_a_secret() {
        let told = |endpoint: &str| without_secret(&format!("invalid endpoint '{endpoint}'"), endpoint);
        assert_eq!(told("http://a b"), "invalid endpoint 'http://a b'");
        for secret in ["http://me:s3cret@a b", "http://a b/?key=s3cret"] {
            assert_eq!(told(secret), "invalid endpoint '[REDACTED]'");
        }
    }

    fn endpoint(variables: &[(&str, &str)]) -> Option<String> {
        wanted(|name| variables.iter().find(|(held, _)| *held == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn an_endpoint_turns_traces_on_and_two_variables_turn_them_off() {
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4317");
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://b:4317");
        assert_eq!(endpoint(&[]), None);
        assert_eq!(endpoint(&[("OTEL_SERVICE_NAME", "x"), ("OTEL_TRACES_EXPORTER", "otlp")]), None);
        assert_eq!(endpoint(&[all]).as_deref(), Some("http://a:4317"));
        assert_eq!(endpoint(&[all, traces]).as_deref(), Some("https://b:4317"));
        assert_eq!(endpoint(&[all, ("OTEL_SDK_DISABLED", "True")]), None);
        assert_eq!(endpoint(&[traces, ("OTEL_TRACES_EXPORTER", "none")]), None);
    }
}

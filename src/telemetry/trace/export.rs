//! Where do spans go? In batches to an OpenTelemetry collector over gRPC, from a thread that no check waits for.

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::TRACER;
use crate::build_info;

/// How long the end of the process waits for the last spans to be taken.
const LAST_SPANS: Duration = Duration::from_secs(3);

/// Why no spans can be exported.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The `OTEL_…` variables say what cannot be.
    #[error("traces cannot be exported: {0}")]
    Exporter(#[from] ExporterBuildError),
    /// There are traces already.
    #[error("traces are exported already")]
    Twice,
}

/// Spans are being exported.
#[derive(Debug)]
pub struct Exporting(SdkTracerProvider);

/// Makes and exports spans from now on, as the `OTEL_…` variables say; with `tls` the endpoint is `https`.
///
/// To be called within the runtime that serves. A span for which there is no room in the queue is dropped: nobody waits.
///
/// # Errors
/// [`TracesError`].
pub fn start(tls: bool) -> Result<Exporting, TracesError> {
    let mut exporter = SpanExporter::builder().with_tonic();
    if tls {
        exporter = exporter.with_tls_config(ClientTlsConfig::new().with_enabled_roots());
    }
    let provider =
        SdkTracerProvider::builder().with_batch_exporter(exporter.build()?).with_resource(resource()).build();
    TRACER.set(provider.tracer("keyward")).map_err(|_| TracesError::Twice)?;
    Ok(Exporting(provider))
}

impl Exporting {
    /// Exports what is still waiting. Nothing is exported afterwards.
    pub async fn end(self) {
        // It blocks, and its exports need the runtime.
        let ended = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(LAST_SPANS)).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "the last spans could not be exported");
        }
    }
}

/// Who the spans are from: what the variables say, and `keyward` where they do not.
fn resource() -> Resource {
    let version = KeyValue::new("service.version", build_info::VERSION);
    let told = Resource::builder().with_attribute(version.clone()).build();
    let name = told.get(&Key::from_static_str("service.name"));
    if name.is_none_or(|name| name.as_str().starts_with("unknown_service")) {
        return Resource::builder().with_service_name("keyward").with_attribute(version).build();
    }
    told
}

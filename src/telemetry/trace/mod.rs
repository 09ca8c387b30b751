//! Where in a request's long way through many servers does a check stand? OpenTelemetry spans, where somebody collects them.
//!
//! Where nobody does, each of these functions is one load from memory. No span holds a credential, or who somebody is.

mod export;

pub use export::{Exporting, TracesError, start};
pub use opentelemetry::trace::SpanKind;

use std::future::Future;
use std::sync::OnceLock;

use futures_util::future::Either;
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{FutureExt as _, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;

/// Set once, where traces are wanted.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// The method that a check's span is called after.
const CHECK: &str = "envoy.service.auth.v3.Authorization/Check";

/// Whether spans are made.
#[must_use]
pub fn is_on() -> bool {
    TRACER.get().is_some()
}

/// Work that is under way; it ends when this is dropped.
#[derive(Debug)]
pub struct Span(Context);

/// The span of one check, below the span that the checked request's `traceparent` names; `header` gives a header's value.
///
/// `None` where no spans are made.
pub fn check<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Option<Span> {
    let tracer = TRACER.get()?;
    let sent = Sent { traceparent: header("traceparent"), tracestate: header("tracestate") };
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &sent);
    let span = begin(tracer, CHECK, SpanKind::Server, &parent);
    span.set("rpc.system.name", "grpc");
    span.set("rpc.method", CHECK);
    Some(span)
}

/// The trace id in a `traceparent` (W3C Trace Context): 32 hexadecimal digits. `None` where the header is none.
#[must_use]
pub fn trace_id(traceparent: &str) -> Option<&str> {
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = |text: &str, length| text.len() == length && is_hex(text) && text.bytes().any(|byte| byte != b'0');
    let mut parts = traceparent.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // A later version may say more after the flags.
    let is_whole = version != "00" || parts.next().is_none();
    let is_version = version.len() == 2 && is_hex(version) && version != "ff";
    let is_sound = is_whole && is_version && is_id(parent, 16) && flags.len() == 2 && is_hex(flags);
    (is_sound && is_id(trace, 32)).then_some(trace)
}

/// A span below the current one; `None` where no spans are made.
#[must_use]
pub fn span(name: &'static str, kind: SpanKind) -> Option<Span> {
    TRACER.get().map(|tracer| begin(tracer, name, kind, &Context::current()))
}

/// `future`, to which `span` is the current one.
pub fn within<F: Future>(span: Option<&Span>, future: F) -> impl Future<Output = F::Output> + use<F> {
    match span {
        Some(Span(context)) => Either::Left(future.with_context(context.clone())),
        None => Either::Right(future),
    }
}

/// `future`, to which the span that is current now is the current one also on another task.
pub fn carried<F: Future>(future: F) -> impl Future<Output = F::Output> + use<F> {
    if is_on() { Either::Left(future.with_context(Context::current())) } else { Either::Right(future) }
}

/// `body`, to which the span that is current now is the current one also on another thread.
pub fn carried_over<T>(body: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let context = is_on().then(Context::current);
    move || {
        let _current = context.map(Context::attach);
        body()
    }
}

fn begin(tracer: &SdkTracer, name: &'static str, kind: SpanKind, parent: &Context) -> Span {
    let span = tracer.build_with_context(tracer.span_builder(name).with_kind(kind), parent);
    Span(parent.with_span(span))
}

impl Span {
    /// Says something about the work. SECURITY: `value` is no credential and no name of a person.
    pub fn set(&self, key: &'static str, value: impl Into<opentelemetry::Value>) {
        self.0.span().set_attribute(KeyValue::new(key, value));
    }

    /// The trace it belongs to: 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        self.0.span().span_context().trace_id().to_string()
    }

    /// Gives the span the name that turned out to be right.
    pub fn rename(&self, name: impl Into<std::borrow::Cow<'static, str>>) {
        self.0.span().update_name(name);
    }

    /// The work failed, for this reason. A denial is no failure.
    pub fn fail(&self, reason: &'static str) {
        self.set("error.type", reason);
        self.0.span().set_status(Status::error(reason));
    }

    /// The headers by which another server learns that it works for this span (W3C Trace Context).
    #[must_use]
    pub fn headers(&self) -> HeaderMap {
        let mut headers = Headers(HeaderMap::new());
        TraceContextPropagator::new().inject_context(&self.0, &mut headers);
        headers.0
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        // Not when the last context is: what runs on after its check has been given up would keep the check's span open.
        self.0.span().end();
    }
}

/// What a client sent to say where it stands.
struct Sent<'a> {
    traceparent: Option<&'a str>,
    tracestate: Option<&'a str>,
}

impl Extractor for Sent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.traceparent,
            "tracestate" => self.tracestate,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

struct Headers(HeaderMap);

impl Injector for Headers {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::trace_id;

    #[test]
    fn a_trace_id_is_taken_from_a_sound_traceparent_only() {
        const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
        let of = |version: &str| format!("{version}-{TRACE}-00f067aa0ba902b7-01");
        let sound = of("00");
        assert_eq!(trace_id(&sound), Some(TRACE));
        assert_eq!(trace_id(&format!("{}-more", of("cc"))), Some(TRACE), "a later version says more");
        for bad in [
            String::new(),
            TRACE.to_owned(),
            format!("{sound}-more"),
            of("ff"),
            of("0"),
            sound.to_uppercase(),
            sound.replace(TRACE, &"0".repeat(32)),
            sound.replace("00f067aa0ba902b7", &"0".repeat(16)),
            sound.replace("-01", ""),
            sound.replace("-01", "-1"),
            sound.replace("4bf9", "4bf"),
            sound.replace('f', "\u{e9}"),
        ] {
            assert_eq!(trace_id(&bad), None, "{bad}");
        }
    }
}

//! Which HTTP request does a CheckRequest describe? Nothing is decoded, joined or trusted here.

use envoy_types::pb::envoy::config::core::v3::address::Address;
use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer};

use crate::request::{Headers, RequestView};

/// The view of `check`; `None` where it holds no HTTP request (J17, T-24).
#[must_use]
pub fn view(check: &CheckRequest) -> Option<RequestView<'_>> {
    let attributes = check.attributes.as_ref()?;
    let http = attributes.request.as_ref()?.http.as_ref()?;
    let source = attributes.source.as_ref();
    Some(RequestView {
        method: &http.method,
        target: &http.path,
        host: &http.host,
        scheme: &http.scheme,
        headers: headers(http),
        body: body(http),
        source_address: source.and_then(address),
        source_principal: source.map(|peer| peer.principal.as_str()).filter(|principal| !principal.is_empty()),
        source_certificate: source.map(|peer| peer.certificate.as_str()).filter(|pem| !pem.is_empty()),
        context_extensions: Some(&attributes.context_extensions),
    })
}

/// Both forms: `headers`, where the proxy joined duplicates, and `header_map` of `encode_raw_headers` (T-43).
fn headers(http: &HttpRequest) -> Headers<'_> {
    let raw = http.header_map.as_ref().map(|map| map.headers.as_slice()).unwrap_or_default();
    let raw = raw.iter().map(|header| {
        let value = if header.raw_value.is_empty() { header.value.as_bytes() } else { &header.raw_value };
        (header.key.as_str(), value)
    });
    Headers::new(&http.headers, raw.collect())
}

fn body(http: &HttpRequest) -> Option<&[u8]> {
    let body = if http.raw_body.is_empty() { http.body.as_bytes() } else { &http.raw_body };
    (!body.is_empty()).then_some(body)
}

fn address(peer: &Peer) -> Option<&str> {
    match peer.address.as_ref()?.address.as_ref()? {
        Address::SocketAddress(socket) => Some(&socket.address),
        Address::Pipe(_) | Address::EnvoyInternalAddress(_) => None,
    }
}

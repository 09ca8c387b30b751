//! What does Envoy send? A question of the size and shape of a browser's request behind a gateway.

use std::collections::HashMap;

use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};

/// The token that the provider knows.
pub const TOKEN: &str = "bench-4f1d0c2b9a8e7f6d5c4b3a2918070605f4e3d2c1";

/// A question with `path` and, where given, a bearer token.
pub fn check_request(path: &str, token: Option<&str>) -> CheckRequest {
    let mut headers: HashMap<String, String> = [
        (":authority", "shop.example"),
        (":method", "GET"),
        (":path", path),
        (":scheme", "https"),
        ("accept", "application/json, text/plain, */*"),
        ("accept-encoding", "gzip, deflate, br"),
        ("accept-language", "en-GB,en;q=0.9,de;q=0.8"),
        ("cache-control", "no-cache"),
        ("cookie", "theme=dark; consent=yes; locale=en"),
        ("referer", "https://shop.example/orders"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-site", "same-origin"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"),
        ("x-envoy-internal", "true"),
        ("x-forwarded-for", "10.1.2.3"),
        ("x-forwarded-proto", "https"),
        ("x-region", "eu-1"),
        ("x-request-id", "5e9f6b0a-7c1e-4d7f-8b3c-2f6a1d0e9c8b"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    if let Some(token) = token {
        headers.insert("authorization".to_owned(), format!("Bearer {token}"));
    }
    let http = HttpRequest {
        id: "1234567890".to_owned(),
        method: "GET".to_owned(),
        headers,
        path: path.to_owned(),
        host: "shop.example".to_owned(),
        scheme: "https".to_owned(),
        protocol: "HTTP/2".to_owned(),
        size: -1,
        ..HttpRequest::default()
    };
    let peer = Peer { principal: "spiffe://cluster.local/ns/shop/sa/web".to_owned(), ..Peer::default() };
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(peer),
            request: Some(Request { http: Some(http), ..Request::default() }),
            ..AttributeContext::default()
        }),
    }
}

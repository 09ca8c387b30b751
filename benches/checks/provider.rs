//! Who says that the token is active? A minimal RFC 7662 endpoint in the load's own process.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::post;
use serde_json::json;

/// Starts the endpoint on loopback; every token is active.
pub async fn start() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let address = listener.local_addr().expect("its address");
    let answer = json!({
        "active": true, "sub": "11aa", "scope": "openid orders profile", "client_id": "web", "realm": "/alpha",
        "token_type": "Bearer", "exp": 4_102_444_800_i64, "iss": "https://am.example", "mail": "a@shop.example",
        "region": "eu-1", "roles": ["internal/role/clerk", "internal/role/openidm-authorized"],
    });
    let router = Router::new().route("/introspect", post(move || async move { axum::Json(answer) }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

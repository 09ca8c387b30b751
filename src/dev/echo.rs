//! What does an upstream get to see? A server that answers every request with what it received.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;

use axum::Router;
use http::{HeaderMap, Method, Uri};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Answers HTTP on `listener` until `stop` is done: 200 and a JSON object of `method`, `path` (with the query) and `headers`.
///
/// # Errors
/// Those of the listener.
pub async fn serve(listener: TcpListener, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    axum::serve(listener, router()).with_graceful_shutdown(stop).await
}

fn router() -> Router {
    Router::new().fallback(echo)
}

/// A header that came several times is a list.
async fn echo(method: Method, uri: Uri, headers: HeaderMap) -> axum::Json<Value> {
    let mut seen = BTreeMap::new();
    for name in headers.keys() {
        let mut values: Vec<Value> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into()).collect();
        let value = if values.len() == 1 { values.remove(0) } else { Value::Array(values) };
        seen.insert(name.as_str(), value);
    }
    axum::Json(json!({ "method": method.as_str(), "path": uri.to_string(), "headers": seen }))
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use http::Request;
    use serde_json::{Value, json};
    use tower::Service as _;

    #[tokio::test]
    async fn the_answer_is_what_was_received_repeated_headers_too() {
        let request = Request::put("/a%2Fb?c=d").header("x-one", "1").header("x-two", "a").header("x-two", "b");
        let response = super::router().call(request.body(Body::from("ignored")).unwrap()).await.unwrap();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&body).unwrap(),
            json!({ "method": "PUT", "path": "/a%2Fb?c=d", "headers": { "x-one": "1", "x-two": ["a", "b"] } })
        );
    }
}

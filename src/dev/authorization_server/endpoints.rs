//! How does the embedded authorization server speak HTTP?

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use super::{AuthorizationServer, DEFAULT_EXPIRES_IN, Grant, MAX_EXPIRES_IN, MintError};

/// Every endpoint; an unknown path is told which there are.
pub(super) fn router(server: AuthorizationServer) -> Router {
    Router::new()
        .route("/token", post(token))
        .route("/introspect", post(introspect))
        .route("/revoke", post(revoke))
        .route("/mint", get(mint).post(mint))
        .route("/mint.txt", get(mint_text).post(mint_text))
        .route("/.well-known/oauth-authorization-server", get(metadata))
        .route("/", get(index))
        .fallback(unknown)
        .with_state(server)
}

/// RFC 6749 section 4.4: a token for the client itself.
async fn token(
    State(server): State<AuthorizationServer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, OAuthError> {
    let form = Form::authenticated(&server, &headers, &body)?;
    let client_id = server.0.client.id.clone();
    match form.required("grant_type")? {
        "client_credentials" => {}
        other => {
            let problem = format!("`grant_type` is `{other}`; only `client_credentials` is supported");
            return Err(OAuthError::new("unsupported_grant_type", problem));
        }
    }
    let mut claims = Map::from_iter([("sub".to_owned(), json!(client_id))]);
    if let Some(scope) = form.optional("scope") {
        claims.insert("scope".to_owned(), json!(scope));
    }
    issue(&server, Grant { claims, expires_in: Some(DEFAULT_EXPIRES_IN) }).map(|issued| no_store(issued.body))
}

/// RFC 7662.
async fn introspect(
    State(server): State<AuthorizationServer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, OAuthError> {
    let form = Form::authenticated(&server, &headers, &body)?;
    server.count_introspection();
    Ok(no_store(server.introspect(form.required("token")?)))
}

/// RFC 7009: 200 whether or not there was such a token.
async fn revoke(
    State(server): State<AuthorizationServer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, OAuthError> {
    let form = Form::authenticated(&server, &headers, &body)?;
    server.revoke(form.required("token")?);
    Ok(StatusCode::OK)
}

/// A token that says whatever its request asks for: the shortcut that makes this server one for development only.
async fn mint(
    State(server): State<AuthorizationServer>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Response, OAuthError> {
    issue(&server, Grant::requested(query.as_deref(), &body)?).map(|issued| no_store(issued.body))
}

/// As [`mint`], but the answer is the token and nothing else, for `$(curl -s …)`.
async fn mint_text(
    State(server): State<AuthorizationServer>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<String, OAuthError> {
    issue(&server, Grant::requested(query.as_deref(), &body)?).map(|issued| issued.token)
}

/// RFC 8414.
async fn metadata(State(server): State<AuthorizationServer>) -> axum::Json<Value> {
    let issuer = server.issuer();
    let methods = json!(["client_secret_basic", "client_secret_post"]);
    axum::Json(json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/token"),
        "introspection_endpoint": format!("{issuer}/introspect"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
    }))
}

async fn unknown() -> (StatusCode, axum::Json<Value>) {
    (StatusCode::NOT_FOUND, axum::Json(json!({ "error": "not_found", "endpoints": endpoints() })))
}

async fn index() -> axum::Json<Value> {
    axum::Json(json!({ "endpoints": endpoints() }))
}

fn endpoints() -> Value {
    json!({
        "GET /mint?sub=alice&scope=orders": "a token as JSON; `roles`, `realm`, `expires_in` and any other claim too",
        "GET /mint.txt?sub=alice": "the bare token",
        "POST /token": "RFC 6749: grant_type=client_credentials",
        "POST /introspect": "RFC 7662: token=…",
        "POST /revoke": "RFC 7009: token=…",
        "GET /.well-known/oauth-authorization-server": "RFC 8414",
    })
}

struct IssuedToken {
    token: String,
    body: Value,
}

fn issue(server: &AuthorizationServer, grant: Grant) -> Result<IssuedToken, OAuthError> {
    let expires_in = grant.expires_in;
    let scope = grant.claims.get("scope").cloned();
    let token = server.mint(grant)?;
    let mut body =
        Map::from_iter([("access_token".to_owned(), json!(token)), ("token_type".to_owned(), json!("Bearer"))]);
    let optional = [("expires_in", expires_in.map(Value::from)), ("scope", scope)];
    body.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    Ok(IssuedToken { token, body: Value::Object(body) })
}

/// RFC 6749 section 5.1: nothing on the way may keep a token.
fn no_store(body: Value) -> Response {
    ([(CACHE_CONTROL, "no-store")], axum::Json(body)).into_response()
}

impl Grant {
    /// Reads `/mint`'s parameters, from the query and from a form body alike.
    fn requested(query: Option<&str>, body: &[u8]) -> Result<Self, OAuthError> {
        let mut form = Form::default();
        form.read(query.unwrap_or_default().as_bytes())?;
        form.read(body)?;
        let mut grant = Self { claims: Map::new(), expires_in: Some(DEFAULT_EXPIRES_IN) };
        for (name, value) in form.0 {
            if name == "expires_in" {
                grant.expires_in = Some(life(&value)?);
            } else {
                let value = claim(&name, value)?;
                grant.claims.insert(name, value);
            }
        }
        if grant.claims.contains_key("sub") {
            return Ok(grant);
        }
        Err(OAuthError::invalid_request("`sub` is missing: whom is the token about? For example `/mint?sub=alice`"))
    }
}

fn life(value: &str) -> Result<i64, OAuthError> {
    let seconds = value.parse().ok().filter(|life| (0..=MAX_EXPIRES_IN).contains(life));
    seconds.ok_or_else(|| {
        let expected = format!("a number of seconds from 0 to {MAX_EXPIRES_IN} was expected");
        OAuthError::invalid_request(format!("`expires_in` is `{value}`; {expected}"))
    })
}

/// What a parameter's text means: RFC 7662's text members stay text, `roles` is a list, the rest is JSON where it reads as such.
fn claim(name: &str, value: String) -> Result<Value, OAuthError> {
    match name {
        "active" | "iat" | "exp" => Err(OAuthError::invalid_request(format!(
            "`{name}` is the server's to say; use `expires_in` for a token's life"
        ))),
        "sub" | "scope" | "realm" | "username" | "client_id" | "token_type" | "iss" | "jti" => Ok(Value::String(value)),
        "roles" if !value.starts_with('[') => {
            Ok(value.split(',').map(str::trim).filter(|role| !role.is_empty()).map(Value::from).collect())
        }
        _ => Ok(serde_json::from_str(&value).unwrap_or(Value::String(value))),
    }
}

/// The parameters of a request. INVARIANT: no name twice (RFC 6749 section 3.1).
#[derive(Debug, Default)]
struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form body and requires it to come from the client (RFC 6749 section 2.3.1).
    fn authenticated(server: &AuthorizationServer, headers: &HeaderMap, body: &[u8]) -> Result<Self, OAuthError> {
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let problem = format!("the body is `{essence}`; `application/x-www-form-urlencoded` was expected");
            return Err(OAuthError::invalid_request(problem));
        }
        let mut form = Self::default();
        form.read(body)?;
        let (id, secret) = match (basic_credentials(headers)?, form.optional("client_id")) {
            (Some(_), Some(_)) if form.optional("client_secret").is_some() => {
                return Err(OAuthError::invalid_request("the client authenticated in two ways at once"));
            }
            (Some(basic), _) => basic,
            (None, Some(id)) => (id.to_owned(), form.required("client_secret")?.to_owned()),
            (None, None) => return Err(OAuthError::invalid_client("no client authentication was sent")),
        };
        if !server.is_client(&id, &secret) {
            return Err(OAuthError::invalid_client("the client is unknown or its secret is wrong"));
        }
        Ok(form)
    }

    fn read(&mut self, text: &[u8]) -> Result<(), OAuthError> {
        for (name, value) in form_urlencoded::parse(text) {
            if self.optional(&name).is_some() {
                return Err(OAuthError::invalid_request(format!("`{name}` was sent twice")));
            }
            self.0.push((name.into_owned(), value.into_owned()));
        }
        Ok(())
    }

    fn optional(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
    }

    fn required(&self, name: &str) -> Result<&str, OAuthError> {
        let value = self.optional(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| OAuthError::invalid_request(format!("`{name}` is missing")))
    }
}

/// `client_secret_basic`: id and secret, each form-urlencoded, joined by a colon, in base64.
fn basic_credentials(headers: &HeaderMap) -> Result<Option<(String, String)>, OAuthError> {
    let Some(header) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let pair = || {
        let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
        let decoded = STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
        let text = String::from_utf8(decoded).ok()?;
        let (id, secret) = text.split_once(':')?;
        Some((form_decoded(id)?, form_decoded(secret)?))
    };
    let unreadable = "the `Authorization` header is not `Basic base64(form(id):form(secret))` (RFC 6749 section 2.3.1)";
    pair().map(Some).ok_or_else(|| OAuthError::invalid_client(unreadable))
}

fn form_decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// An error as RFC 6749 section 5.2 writes it.
#[derive(Debug)]
struct OAuthError {
    status: StatusCode,
    error: &'static str,
    description: String,
}

impl OAuthError {
    fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, description: description.into() }
    }

    fn invalid_request(description: impl Into<String>) -> Self {
        Self::new("invalid_request", description)
    }

    fn invalid_client(description: impl Into<String>) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, ..Self::new("invalid_client", description) }
    }
}

impl From<MintError> for OAuthError {
    fn from(error: MintError) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, ..Self::new("temporarily_unavailable", error.to_string()) }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let mut response = no_store(json!({ "error": self.error, "error_description": self.description }));
        *response.status_mut() = self.status;
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"keyward dev\""));
        }
        response
    }
}

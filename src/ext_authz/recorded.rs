//! Which CheckRequest stands in a file? The JSON of protobuf, as grpcurl takes it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::view::view;
use crate::request::RequestView;

/// A CheckRequest that was written down.
#[derive(Clone, Default)]
pub struct RecordedRequest(CheckRequest);

/// Why a text is no CheckRequest: where in it, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}{problem}")]
pub struct RecordedError {
    place: String,
    problem: String,
}

impl RecordedRequest {
    /// Reads the JSON of protobuf: names in lowerCamelCase or as in the proto file, `null` is the default.
    ///
    /// What Keyward does not look at, such as `destination`, is passed over; a name that is no field of the message is an
    /// error, for a misspelt header map would explain another request than the one that was meant.
    ///
    /// # Errors
    /// [`RecordedError`].
    pub fn parse(json: &str) -> Result<Self, RecordedError> {
        let mut reader = serde_json::Deserializer::from_str(json);
        let check: Check = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = error.path().to_string();
            let place = if path == "." { String::new() } else { format!("`{path}`: ") };
            RecordedError { place, problem: error.inner().to_string() }
        })?;
        reader.end().map_err(|error| RecordedError { place: String::new(), problem: error.to_string() })?;
        Ok(Self(check.into()))
    }

    /// The HTTP request in it; `None` where there is none.
    #[must_use]
    pub fn view(&self) -> Option<RequestView<'_>> {
        view(&self.0)
    }
}

/// SECURITY: a recorded request holds a credential.
impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordedRequest([REDACTED])")
    }
}

/// A field that Keyward does not look at.
type Unread = Option<Value>;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Check {
    attributes: Option<Attributes>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Attributes {
    source: Option<Source>,
    destination: Unread,
    request: Option<RequestTime>,
    #[serde(alias = "context_extensions", deserialize_with = "null_is_default")]
    context_extensions: HashMap<String, String>,
    #[serde(alias = "metadata_context")]
    metadata_context: Unread,
    #[serde(alias = "route_metadata_context")]
    route_metadata_context: Unread,
    #[serde(alias = "tls_session")]
    tls_session: Unread,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Source {
    address: Option<Address>,
    service: Unread,
    labels: Unread,
    #[serde(deserialize_with = "null_is_default")]
    principal: String,
    certificate: Unread,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Address {
    #[serde(alias = "socket_address")]
    socket_address: Option<SocketAddress>,
    pipe: Unread,
    #[serde(alias = "envoy_internal_address")]
    envoy_internal_address: Unread,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct SocketAddress {
    protocol: Unread,
    #[serde(deserialize_with = "null_is_default")]
    address: String,
    #[serde(alias = "port_value")]
    port_value: Unread,
    #[serde(alias = "named_port")]
    named_port: Unread,
    #[serde(alias = "resolver_name")]
    resolver_name: Unread,
    #[serde(alias = "ipv4_compat")]
    ipv4_compat: Unread,
    #[serde(alias = "network_namespace_filepath")]
    network_namespace_filepath: Unread,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RequestTime {
    time: Unread,
    http: Option<Http>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Http {
    id: Unread,
    #[serde(deserialize_with = "null_is_default")]
    method: String,
    #[serde(deserialize_with = "null_is_default")]
    headers: BTreeMap<String, String>,
    #[serde(alias = "header_map")]
    header_map: Option<HeaderMap>,
    #[serde(deserialize_with = "null_is_default")]
    path: String,
    #[serde(deserialize_with = "null_is_default")]
    host: String,
    #[serde(deserialize_with = "null_is_default")]
    scheme: String,
    query: Unread,
    fragment: Unread,
    size: Unread,
    protocol: Unread,
    #[serde(deserialize_with = "null_is_default")]
    body: String,
    #[serde(alias = "raw_body", deserialize_with = "bytes")]
    raw_body: Vec<u8>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HeaderMap {
    #[serde(deserialize_with = "null_is_default")]
    headers: Vec<Header>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Header {
    #[serde(deserialize_with = "null_is_default")]
    key: String,
    #[serde(deserialize_with = "null_is_default")]
    value: String,
    #[serde(alias = "raw_value", deserialize_with = "bytes")]
    raw_value: Vec<u8>,
}

fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// `bytes` of protobuf's JSON: base64 of either alphabet, padded or not.
fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let text = Option::<String>::deserialize(from)?.unwrap_or_default().replace('-', "+").replace('_', "/");
    let either = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded = GeneralPurpose::new(&STANDARD, either).decode(text);
    decoded.map_err(|error| serde::de::Error::custom(format!("no base64: {error}")))
}

impl From<Check> for CheckRequest {
    fn from(check: Check) -> Self {
        Self { attributes: check.attributes.map(AttributeContext::from) }
    }
}

impl From<Attributes> for AttributeContext {
    fn from(attributes: Attributes) -> Self {
        let request = attributes
            .request
            .map(|request| Request { http: request.http.map(HttpRequest::from), ..Request::default() });
        Self {
            source: attributes.source.map(Peer::from),
            request,
            context_extensions: attributes.context_extensions,
            ..Self::default()
        }
    }
}

impl From<Source> for Peer {
    fn from(source: Source) -> Self {
        let socket = source.address.and_then(|address| address.socket_address).map(|socket| {
            let socket = core::SocketAddress { address: socket.address, ..core::SocketAddress::default() };
            core::Address { address: Some(core::address::Address::SocketAddress(socket)) }
        });
        Self { address: socket, principal: source.principal, ..Self::default() }
    }
}

impl From<Http> for HttpRequest {
    fn from(http: Http) -> Self {
        let headers = |map: HeaderMap| map.headers.into_iter().map(core::HeaderValue::from).collect();
        Self {
            method: http.method,
            headers: http.headers.into_iter().collect(),
            header_map: http.header_map.map(|map| core::HeaderMap { headers: headers(map) }),
            path: http.path,
            host: http.host,
            scheme: http.scheme,
            body: http.body,
            raw_body: http.raw_body,
            ..Self::default()
        }
    }
}

impl From<Header> for core::HeaderValue {
    fn from(header: Header) -> Self {
        Self { key: header.key, value: header.value, raw_value: header.raw_value }
    }
}

#[cfg(test)]
mod tests {
    use super::RecordedRequest;

    fn error(json: &str) -> String {
        RecordedRequest::parse(json).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn both_spellings_of_protobuf_json_are_read() {
        for json in [
            r#"{"attributes":{"contextExtensions":{"keyward_filter":"a"},
                "source":{"principal":"spiffe://a","address":{"socketAddress":{"address":"10.0.0.1","portValue":80}}},
                "request":{"time":"2026-01-01T00:00:00Z","http":{"method":"PUT","path":"/a?b","host":"h:1","scheme":"https",
                "size":"12","headers":{"x-a":"1"},"headerMap":{"headers":[{"key":"x-b","rawValue":"/-8"}]},"rawBody":"aGk="}}}}"#,
            r#"{"attributes":{"context_extensions":{"keyward_filter":"a"},"tls_session":{"sni":"x"},
                "source":{"principal":"spiffe://a","address":{"socket_address":{"address":"10.0.0.1"}}},
                "request":{"http":{"method":"PUT","path":"/a?b","host":"h:1","scheme":"https","body":null,
                "headers":{"x-a":"1"},"header_map":{"headers":[{"key":"x-b","raw_value":"_+8="}]},"raw_body":"aGk"}}}}"#,
        ] {
            let recorded = RecordedRequest::parse(json).unwrap();
            let view = recorded.view().unwrap();
            assert_eq!((view.method, view.target, view.host, view.scheme), ("PUT", "/a?b", "h:1", "https"));
            assert_eq!(view.headers.single("X-A"), Some("1"));
            assert_eq!(view.headers.values("x-b").collect::<Vec<_>>(), [&[0xff, 0xef]]);
            assert_eq!(view.body, Some(&b"hi"[..]));
            assert_eq!((view.source_address, view.source_principal), (Some("10.0.0.1"), Some("spiffe://a")));
            assert_eq!(view.context_extension("keyward_filter"), Some("a"));
        }
    }

    #[test]
    fn a_request_without_http_is_read_as_one() {
        for json in ["{}", r#"{"attributes":{}}"#, r#"{"attributes":{"request":{"http":null}}}"#] {
            assert!(RecordedRequest::parse(json).unwrap().view().is_none(), "{json}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_place() {
        for (json, place, problem) in [
            (
                r#"{"attributes":{"request":{"http":{"header":{}}}}}"#,
                "attributes.request.http",
                "unknown field `header`",
            ),
            (r#"{"http":{}}"#, "http", "expected `attributes`"),
            (
                r#"{"attributes":{"request":{"http":{"method":1}}}}"#,
                "attributes.request.http.method",
                "expected a string",
            ),
            (r#"{"attributes":{"request":{"http":{"rawBody":"!"}}}}"#, "attributes.request.http.rawBody", "no base64"),
            (r#"{"attributes":{"request":{"http":{"path":"/a","path":"/b"}}}}"#, "path", "duplicate field"),
            ("{", "", "EOF"),
            ("", "", "EOF"),
            ("{} {}", "", "trailing"),
        ] {
            let error = error(json);
            assert!(error.contains(place) && error.contains(problem), "{json}: {error}");
        }
    }

    #[test]
    fn debug_shows_no_credential() {
        let json = r#"{"attributes":{"request":{"http":{"headers":{"authorization":"Bearer s3cret"}}}}}"#;
        assert!(!format!("{:?}", RecordedRequest::parse(json).unwrap()).contains("s3cret"));
    }
}

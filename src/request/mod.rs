//! What are we asked about? A borrowed view of one HTTP request, in which nothing is trusted.

pub mod headers;
pub mod host;
pub mod path;

pub use headers::Headers;
pub use host::{is_ambiguous_authority, normal_host};
pub use path::{EncodedSlashes, PathPolicy, PathRefusal, RequestPath};

use std::collections::HashMap;

/// One HTTP request as the proxy saw it. Borrowed from the proxy's message; every text in it may be hostile.
#[derive(Debug, Clone)]
pub struct RequestView<'a> {
    /// The method as sent; not checked, not folded.
    pub method: &'a str,
    /// The request target: path and query, undecoded. Read it through [`RequestPath::parse`].
    pub target: &'a str,
    /// The authority as sent: may carry a port, odd case, or nonsense.
    pub host: &'a str,
    /// The scheme as the proxy says, never from a client's header (T-08).
    pub scheme: &'a str,
    /// The request headers.
    pub headers: Headers<'a>,
    /// The body, where the proxy was told to send it.
    pub body: Option<&'a [u8]>,
    /// The client's address as the proxy says.
    pub source_address: Option<&'a str>,
    /// The peer's authenticated name, e.g. a SPIFFE id.
    pub source_principal: Option<&'a str>,
    /// The peer's certificate, URL-encoded PEM, where the proxy was told to send it (`include_peer_certificate`).
    pub source_certificate: Option<&'a str>,
    /// What the route says about itself (`context_extensions`).
    pub context_extensions: Option<&'a HashMap<String, String>>,
}

impl<'a> RequestView<'a> {
    /// The value of one route context extension.
    #[must_use]
    pub fn context_extension(&self, name: &str) -> Option<&'a str> {
        self.context_extensions?.get(name).map(String::as_str)
    }

    /// The query part of the target, without the `?`; undecoded.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        self.target.split_once('?').map(|(_, query)| query)
    }
}

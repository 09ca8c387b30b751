//! Which path does the upstream read? The request target in one normal form, or a refusal.

use std::borrow::Cow;

/// How lenient the reading of paths is. The default refuses everything that two servers could read differently.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PathPolicy {
    /// Doubled slashes become one instead of a refusal. Dangerous (J10).
    pub merge_slashes: bool,
    /// What `%2F` and `%5C` mean.
    pub encoded_slashes: EncodedSlashes,
}

/// What an encoded slash or backslash means (J10).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EncodedSlashes {
    /// 400.
    #[default]
    Refuse,
    /// It stays `%2F` or `%5C` within its segment. Dangerous where an upstream decodes it.
    Keep,
}

/// The path in normal form: begins with `/`, percent-escapes decoded once, no empty or dot segment, no control character,
/// and no trailing slash but for the root itself (J10, J22).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestPath<'a> {
    path: Cow<'a, str>,
    query: Option<&'a str>,
}

/// Why a request target is refused (400). Each is a published way around somebody's rules (T-01 … T-53).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathRefusal {
    /// Empty, an authority, an absolute URI or `*`.
    #[error("the request target does not begin with a slash")]
    NotAbsolute,
    /// `#` in path or query.
    #[error("the request target holds a fragment")]
    Fragment,
    /// A control character or a space, plain or encoded, in the path; or a plain one in the query.
    #[error("the request target holds a control character")]
    ControlCharacter,
    /// A `%` that two hexadecimal digits do not follow.
    #[error("the path holds a broken percent-escape")]
    BrokenEscape,
    /// `.` or `..`, plain or encoded, also with parameters (`..;`).
    #[error("the path holds a dot segment")]
    DotSegment,
    /// An empty segment: `//`.
    #[error("the path holds an empty segment")]
    EmptySegment,
    /// A plain backslash.
    #[error("the path holds a backslash")]
    Backslash,
    /// `%2F` or `%5C`.
    #[error("the path holds an encoded slash or backslash")]
    EncodedSlash,
    /// The decoded bytes are not UTF-8.
    #[error("the path is not UTF-8 once decoded")]
    NotUtf8,
}

impl<'a> RequestPath<'a> {
    /// Reads a request target.
    ///
    /// # Errors
    /// The first [`PathRefusal`] that applies. Nothing is repaired but what `policy` names.
    pub fn parse(target: &'a str, policy: PathPolicy) -> Result<Self, PathRefusal> {
        let (path, query) = split_query(target)?;
        if !path.starts_with('/') {
            return Err(PathRefusal::NotAbsolute);
        }
        if is_plain(path) {
            let path = if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path };
            return Ok(Self { path: Cow::Borrowed(path), query });
        }
        Ok(Self { path: Cow::Owned(normalise(path, policy)?), query })
    }

    /// The decoded path, beginning with `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// The query without its `?`, undecoded.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// Every query parameter, name and value decoded once, in order (T-49: nobody reads a credential here unasked).
    pub fn parameters(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        form_urlencoded::parse(self.query.unwrap_or_default().as_bytes())
    }
}

fn split_query(target: &str) -> Result<(&str, Option<&str>), PathRefusal> {
    if target.contains('#') {
        return Err(PathRefusal::Fragment);
    }
    if target.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return Err(PathRefusal::ControlCharacter);
    }
    Ok(match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    })
}

/// Whether a path needs no second look: the common case, which costs no allocation.
fn is_plain(path: &str) -> bool {
    let simple = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~!$&'()*+,=:@".contains(&byte);
    let mut after_slash = false;
    for byte in path.bytes() {
        match byte {
            b'/' if after_slash => return false,
            b'/' => after_slash = true,
            b'.' if after_slash => return false,
            b'.' => {}
            _ if simple(byte) => after_slash = false,
            _ => return false,
        }
    }
    true
}

fn normalise(path: &str, policy: PathPolicy) -> Result<String, PathRefusal> {
    let mut normal = String::with_capacity(path.len());
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        if segment.is_empty() && (last || policy.merge_slashes) {
            continue;
        }
        let segment = decode_segment(segment, policy)?;
        normal.push('/');
        normal.push_str(&segment);
    }
    if normal.is_empty() {
        normal.push('/');
    }
    Ok(normal)
}

fn decode_segment(segment: &str, policy: PathPolicy) -> Result<String, PathRefusal> {
    if segment.is_empty() {
        return Err(PathRefusal::EmptySegment);
    }
    if segment.contains('\\') {
        return Err(PathRefusal::Backslash);
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        match hex(rest.next(), rest.next())? {
            b'/' | b'\\' if policy.encoded_slashes == EncodedSlashes::Refuse => return Err(PathRefusal::EncodedSlash),
            b'/' => bytes.extend_from_slice(b"%2F"),
            b'\\' => bytes.extend_from_slice(b"%5C"),
            decoded => bytes.push(decoded),
        }
    }
    let segment = String::from_utf8(bytes).map_err(|_| PathRefusal::NotUtf8)?;
    if segment.chars().any(char::is_control) {
        return Err(PathRefusal::ControlCharacter);
    }
    // SECURITY: servlet containers cut `;…` off a segment before they resolve dots (T-53).
    // An encoded fragment sign or question mark is an ordinary character of its segment.
    let name = segment.split(';').next().unwrap_or_default();
    if matches!(name, "." | "..") || is_hidden_dot_segment(&segment, policy) {
        return Err(PathRefusal::DotSegment);
    }
    Ok(segment)
}

/// With encoded slashes kept, `..%2F` hides a dot segment from whoever splits at plain slashes only.
fn is_hidden_dot_segment(segment: &str, policy: PathPolicy) -> bool {
    policy.encoded_slashes == EncodedSlashes::Keep
        && segment.replace("%5C", "%2F").split("%2F").any(|part| {
            let name = part.split(';').next().unwrap_or_default();
            matches!(name, "." | "..")
        })
}

fn hex(high: Option<u8>, low: Option<u8>) -> Result<u8, PathRefusal> {
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    match (digit(high), digit(low)) {
        (Some(high), Some(low)) => u8::try_from(high * 16 + low).map_err(|_| PathRefusal::BrokenEscape),
        _ => Err(PathRefusal::BrokenEscape),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{EncodedSlashes, PathPolicy, PathRefusal, RequestPath};

    const STRICT: PathPolicy = PathPolicy { merge_slashes: false, encoded_slashes: EncodedSlashes::Refuse };

    fn strict(target: &str) -> Result<String, PathRefusal> {
        RequestPath::parse(target, STRICT).map(|path| path.as_str().to_owned())
    }

    #[test]
    fn ordinary_paths_are_kept_and_decoded_once() {
        for (target, path) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b"),
            ("/admin?x=1", "/admin"),
            ("/a.b/c..d", "/a.b/c..d"),
            ("/.well-known/x", "/.well-known/x"),
            ("/...", "/..."),
            ("/%75ser", "/user"),
            ("/a%20b", "/a b"),
            ("/a%252e", "/a%2e"),
            ("/caf%C3%A9", "/café"),
            ("/a;v=1/b", "/a;v=1/b"),
            ("/a?x=//..%2f", "/a"),
        ] {
            assert_eq!(strict(target).as_deref(), Ok(path), "{target}");
        }
    }

    #[test]
    fn what_two_servers_could_read_differently_is_refused() {
        use PathRefusal as R;
        for (target, refusal) in [
            ("", R::NotAbsolute),
            ("*", R::NotAbsolute),
            ("admin", R::NotAbsolute),
            ("http://h/admin", R::NotAbsolute),
            ("?x", R::NotAbsolute),
            ("/admin#/public", R::Fragment),
            ("/a?b#c", R::Fragment),
            ("/public/../admin", R::DotSegment),
            ("/public/%2e%2E/admin", R::DotSegment),
            ("/public/.%2e", R::DotSegment),
            ("/./a", R::DotSegment),
            ("/a/.", R::DotSegment),
            ("/plain/..;/api", R::DotSegment),
            ("/plain/..;x=1", R::DotSegment),
            ("/plain/%2e%2e%3b/api", R::DotSegment),
            ("/plain%2f..%2fapi", R::EncodedSlash),
            ("/plain%2F..%2Fapi", R::EncodedSlash),
            ("/a%5cb", R::EncodedSlash),
            ("/a%5Cb", R::EncodedSlash),
            ("//admin/x", R::EmptySegment),
            ("///admin", R::EmptySegment),
            ("/a//", R::EmptySegment),
            ("//", R::EmptySegment),
            ("/\\admin", R::Backslash),
            ("/a\0b", R::ControlCharacter),
            ("/a%00b", R::ControlCharacter),
            ("/a%0d%0ab", R::ControlCharacter),
            ("/a%7f", R::ControlCharacter),
            ("/a%C2%85", R::ControlCharacter),
            ("/a b", R::ControlCharacter),
            ("/a?b c", R::ControlCharacter),
            ("/%zz", R::BrokenEscape),
            ("/%", R::BrokenEscape),
            ("/a%2", R::BrokenEscape),
            ("/%+1", R::BrokenEscape),
            ("/%ff", R::NotUtf8),
            ("/%c0%ae%c0%ae/", R::NotUtf8),
        ] {
            assert_eq!(strict(target), Err(refusal), "{target:?}");
        }
    }

    #[test]
    fn the_two_relaxations_do_what_they_say_and_no_more() {
        let lenient = PathPolicy { merge_slashes: true, encoded_slashes: EncodedSlashes::Keep };
        let read = |target| RequestPath::parse(target, lenient).map(|path| path.as_str().to_owned());
        assert_eq!(read("//a///b//").as_deref(), Ok("/a/b"));
        assert_eq!(read("/a%2fb").as_deref(), Ok("/a%2Fb"));
        assert_eq!(read("/a%2Fb%5c").as_deref(), Ok("/a%2Fb%5C"));
        for hidden in ["/a%2f..%2fb", "/..%2Fb", "/a%5c..", "/a%2f..;x", "/a//.."] {
            assert_eq!(read(hidden), Err(PathRefusal::DotSegment), "{hidden}");
        }
    }

    proptest! {
        /// T-40: whatever the target is, it is refused or has one reading.
        #[test]
        fn any_target_gets_an_answer(target in r#"/?([a-b./;\\%?#\x00-\x20\x7f]|%2[eEfF5]|%5[cC]|%[0-9a-g]|ü|\PC){0,24}"#) {
            for merge_slashes in [false, true] {
                for encoded_slashes in [EncodedSlashes::Refuse, EncodedSlashes::Keep] {
                    let policy = PathPolicy { merge_slashes, encoded_slashes };
                    if let Ok(path) = RequestPath::parse(&target, policy) {
                        let segments: Vec<&str> = path.as_str().split('/').skip(1).collect();
                        prop_assert!(path.as_str().starts_with('/'), "{:?}", path.as_str());
                        prop_assert!(!segments.iter().any(|segment| matches!(*segment, "." | "..")), "{:?}", path.as_str());
                        prop_assert!(segments.len() == 1 || !segments.contains(&""), "{:?}", path.as_str());
                        prop_assert!(!path.as_str().chars().any(char::is_control), "{:?}", path.as_str());
                    }
                }
            }
        }
    }
}

//! Which host does an authority name? One spelling, or none at all.

/// The host in one spelling (T-03, T-25): lower case, without port and trailing dot; `None` where `authority` is none, so
/// that two servers could read two hosts in it (T-39).
#[must_use]
pub fn normal_host(authority: &str) -> Option<String> {
    let lowered = authority.to_ascii_lowercase();
    let (host, port) = match lowered.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (lowered.as_str(), None),
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
    let address = |byte: u8| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.';
    let legal = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => !inner.is_empty() && inner.bytes().all(address),
        None => !host.is_empty() && host.bytes().all(name),
    };
    if legal && port.is_none_or(|port| port.parse::<u16>().is_ok()) {
        return Some(host.to_owned());
    }
    None
}

/// Whether an authority holds what separates hosts or headers (T-03): comma, semicolon, white space, control characters.
///
/// Servers differ in which part they then take; such a request is refused. Other nonsense is no host of anyone's.
#[must_use]
pub fn is_ambiguous_authority(authority: &str) -> bool {
    authority.chars().any(|letter| matches!(letter, ',' | ';') || letter.is_whitespace() || letter.is_control())
}

#[cfg(test)]
mod tests {
    use super::{is_ambiguous_authority, normal_host};

    #[test]
    fn what_separates_hosts_is_refused_and_other_nonsense_is_not() {
        for authority in ["a,b", "a;b", "a b", "a\r\nb", "a\0", " a", "a\u{85}"] {
            assert!(is_ambiguous_authority(authority), "{authority:?}");
        }
        for authority in ["", "shop.test", "shop.test:99999", "[::1", "user@host", "*", "_x", "-x", ".x"] {
            assert!(!is_ambiguous_authority(authority), "{authority:?}");
        }
    }

    #[test]
    fn a_host_has_one_spelling_or_none() {
        for (authority, expected) in [
            ("EXAMPLE.com", Some("example.com")),
            ("example.com.", Some("example.com")),
            ("example.com:8443", Some("example.com")),
            ("example.com.:80", Some("example.com")),
            ("[::1]", Some("[::1]")),
            ("[::1]:80", Some("[::1]")),
            ("10.0.0.1:80", Some("10.0.0.1")),
            ("", None),
            ("host:", None),
            ("host:99999", None),
            ("user@host", None),
            ("a,b", None),
            ("a;b", None),
            ("a\r\nb", None),
            ("*", None),
            ("[::1", None),
            ("::1", None),
            (":80", None),
            (".", None),
        ] {
            assert_eq!(normal_host(authority).as_deref(), expected, "{authority:?}");
        }
    }
}

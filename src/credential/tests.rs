//! Is exactly one credential found, or the request refused?

use super::{CredentialError, CredentialPlace, OtherSchemes, Settings};
use crate::request::{Headers, PathPolicy, RequestPath, RequestView};

fn extract(
    settings: &Settings,
    target: &str,
    headers: &[(&str, &str)],
) -> Result<Option<(String, CredentialPlace)>, CredentialError> {
    let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    let request = RequestView {
        method: "GET",
        target,
        host: "h",
        scheme: "https",
        headers: Headers::from_list(headers),
        body: None,
        source_address: None,
        source_principal: None,
        source_certificate: None,
        context_extensions: None,
    };
    let path = RequestPath::parse(target, PathPolicy::default()).unwrap();
    let credential = settings.extract(&request, &path)?;
    Ok(credential.map(|credential| (credential.token.expose().to_owned(), credential.place)))
}

fn everywhere() -> Settings {
    Settings {
        cookie: Some("sid".to_owned()),
        header: Some(http::HeaderName::from_static("x-token")),
        query_parameter: Some("access_token".to_owned()),
        other_schemes: OtherSchemes::Refuse,
    }
}

#[test]
fn the_authorization_header_is_read_in_any_case_of_scheme_and_name() {
    for (name, value) in
        [("authorization", "Bearer t0"), ("Authorization", "bearer t0"), ("AUTHORIZATION", " BEARER   t0 ")]
    {
        let found = extract(&Settings::default(), "/", &[(name, value)]);
        assert_eq!(found, Ok(Some(("t0".to_owned(), CredentialPlace::Authorization))), "{name}: {value}");
    }
    assert_eq!(extract(&Settings::default(), "/", &[]), Ok(None));
}

#[test]
fn what_is_there_and_unusable_is_refused() {
    use CredentialError as E;
    for (value, error) in [
        ("Basic dXNlcjpwdw==", E::OtherScheme),
        ("Digest username=\"a\", realm=\"b\"", E::OtherScheme),
        ("", E::Malformed),
        ("Bearer", E::Malformed),
        ("Bearer ", E::Malformed),
        ("Bearer a b", E::Malformed),
        ("Bearer a!b", E::Malformed),
        ("Bearer\ta", E::OtherScheme),
        ("Bearer a,Bearer b", E::Repeated),
        ("Bearer a,b", E::Repeated),
        ("Bearer ,", E::Repeated),
        ("Basic eDp5,Bearer b", E::Repeated),
        ("Basic eDp5, bearer", E::Repeated),
    ] {
        assert_eq!(extract(&Settings::default(), "/", &[("authorization", value)]), Err(error), "{value:?}");
    }
}

#[test]
fn two_authorization_headers_are_refused_even_where_other_schemes_are_anonymous() {
    let lenient = Settings { other_schemes: OtherSchemes::Anonymous, ..Settings::default() };
    let twice = [("authorization", "Bearer a"), ("Authorization", "Bearer a")];
    assert_eq!(extract(&lenient, "/", &twice), Err(CredentialError::Repeated));
    let mixed = [("authorization", "Basic eDp5"), ("authorization", "Bearer a")];
    assert_eq!(extract(&lenient, "/", &mixed), Err(CredentialError::Repeated));
    assert_eq!(extract(&lenient, "/", &[("authorization", "Basic eDp5")]), Ok(None));
}

#[test]
fn other_places_are_read_only_where_configured() {
    let places: [(&str, &[(&str, &str)]); 3] =
        [("/", &[("cookie", "a=b; sid=t1")]), ("/", &[("x-token", "t1")]), ("/?access_token=t1", &[])];
    for (target, headers) in places {
        assert_eq!(extract(&Settings::default(), target, headers), Ok(None), "{target} {headers:?}");
        let found = extract(&everywhere(), target, headers).unwrap().map(|(token, _)| token);
        assert_eq!(found.as_deref(), Some("t1"), "{target} {headers:?}");
    }
}

#[test]
fn two_places_or_two_values_are_two_credentials() {
    let bad: [(&str, &[(&str, &str)]); 7] = [
        ("/?access_token=a", &[("authorization", "Bearer a")]),
        ("/?access_token=a&access_token=b", &[]),
        ("/?access_token=a&access%5Ftoken=b", &[]),
        ("/", &[("cookie", "sid=a; sid=b")]),
        ("/", &[("cookie", "sid=a"), ("cookie", "sid=a")]),
        ("/", &[("x-token", "a,b")]),
        ("/", &[("x-token", "a"), ("cookie", "sid=a")]),
    ];
    for (target, headers) in bad {
        assert_eq!(extract(&everywhere(), target, headers), Err(CredentialError::Repeated), "{target} {headers:?}");
    }
}

#[test]
fn an_unusable_token_elsewhere_is_refused_too() {
    let bad: [(&str, &[(&str, &str)]); 3] =
        [("/?access_token=", &[]), ("/", &[("cookie", "sid=")]), ("/", &[("x-token", "a b")])];
    for (target, headers) in bad {
        assert_eq!(extract(&everywhere(), target, headers), Err(CredentialError::Malformed), "{target} {headers:?}");
    }
}

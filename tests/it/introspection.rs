//! What does a real authorization server's word become?

use std::sync::Arc;
use std::time::Duration;

use keyward::client_auth::ClientAuthentication;
use keyward::clock::SystemClock;
use keyward::deadline::Deadline;
use keyward::introspection::settings::{CacheSettings, MaxTimeout};
use keyward::introspection::{IntrospectionError, Introspector, NoObserver, Settings, connect};
use keyward::secret::Secret;
use keyward::token::{ActiveToken, BearerToken, TokenState};
use url::Url;

use super::support::blocking;
use super::support::oidc::{OidcProvider, RESOURCE_SERVER};

fn settings(server: &OidcProvider) -> Settings {
    Settings {
        endpoint: Url::parse(&server.introspection_url()).unwrap(),
        client_id: RESOURCE_SERVER.0.to_owned(),
        client_secret: Secret::new(RESOURCE_SERVER.1.to_owned()),
        client_authentication: ClientAuthentication::BasicForm,
        timeout: Duration::from_secs(5),
        max_answer_bytes: 1 << 20,
        max_in_flight: 8,
        trusted_roots: None,
        cache: CacheSettings {
            max_timeout: MaxTimeout::Off,
            negative: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            max_tokens: 10,
            max_negative: 10,
        },
    }
}

/// `None`: inactive.
async fn ask(settings: &Settings, token: &str) -> Result<Option<Arc<ActiveToken>>, IntrospectionError> {
    let introspector = connect(settings, &[], Arc::new(SystemClock), Arc::new(NoObserver)).unwrap();
    let token = BearerToken::parse(token).unwrap();
    let answer = introspector.introspect(&token, Deadline::after(Duration::from_secs(10))).await?;
    Ok(match answer.state {
        TokenState::Active(token) => Some(token),
        TokenState::Inactive => None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_tells_of_a_token_until_it_is_revoked() {
    let server = Arc::new(blocking(OidcProvider::start).await);
    let (minting, settings) = (Arc::clone(&server), settings(&server));
    let token = blocking(move || minting.mint("orders")).await;
    for authentication in [ClientAuthentication::BasicForm, ClientAuthentication::Post] {
        let settings = Settings { client_authentication: authentication, ..settings.clone() };
        let active = ask(&settings, &token).await.unwrap().unwrap();
        assert_eq!(active.subject.as_deref(), Some("(age!shop)"));
        assert_eq!(active.realm.as_deref(), Some("/alpha"));
        assert_eq!(active.client_id.as_deref(), Some("shop"));
        assert_eq!(active.token_type.as_deref(), Some("Bearer"));
        assert!(active.has_scope("orders") && active.expires_at.is_some());
    }
    assert!(ask(&settings, "unknown").await.unwrap().is_none());
    let (revoking, revoked) = (Arc::clone(&server), token.clone());
    blocking(move || revoking.revoke(&revoked)).await;
    assert!(ask(&settings, &token).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_refuses_a_secret_that_is_wrong_or_raw_and_that_is_an_outage() {
    let server = blocking(OidcProvider::start).await;
    let wrong = Settings { client_secret: Secret::new("wrong".to_owned()), ..settings(&server) };
    let said = ask(&wrong, "no-token-of-theirs").await;
    assert!(
        matches!(&said, Err(IntrospectionError::Status { status: 401, detail }) if detail.starts_with("invalid_client")),
        "{said:?}"
    );
    let raw = Settings { client_authentication: ClientAuthentication::BasicRaw, ..settings(&server) };
    let said = ask(&raw, "no-token-of-theirs").await;
    assert!(matches!(said, Err(IntrospectionError::Status { status: 400 | 401, .. })), "{said:?}");
}

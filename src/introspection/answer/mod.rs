//! What does an authorization server's HTTP answer mean: active, inactive, or no word at all (section H, J12)?

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::IntrospectionError;
use crate::strict_json;
use crate::token::{ActiveToken, TokenState};

/// An HTTP answer to an introspection request.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The one `Content-Type` header, if there is one.
    pub content_type: Option<&'a str>,
    /// The whole body.
    pub body: &'a [u8],
    /// Texts that must not appear in an error: the token and the client's secret.
    pub hide: &'a [&'a str],
}

/// Characters of an error answer's own words that are kept.
const DETAIL_CHARS: usize = 160;

impl Answer<'_> {
    /// Reads the answer.
    ///
    /// # Errors
    /// [`IntrospectionError::Status`] unless the status is 200; [`IntrospectionError::Unreadable`] if the answer is not
    /// JSON, has a duplicate key, or is active and has a member of a wrong type among those that Keyward reads.
    pub fn read(&self) -> Result<TokenState, IntrospectionError> {
        if self.status != 200 {
            return Err(IntrospectionError::Status { status: self.status, detail: self.detail() });
        }
        self.check_content_type().map_err(IntrospectionError::Unreadable)?;
        let value = strict_json::parse(self.body).map_err(|error| unreadable(error.to_string()))?;
        let Value::Object(claims) = value else {
            return Err(unreadable("it is not a JSON object"));
        };
        // SECURITY: only the boolean counts; `"true"`, 1 and the like are inactive (H13, T-11).
        if claims.get("active") != Some(&Value::Bool(true)) {
            return Ok(TokenState::Inactive);
        }
        active(claims).map(|token| TokenState::Active(Arc::new(token))).map_err(IntrospectionError::Unreadable)
    }

    fn check_content_type(&self) -> Result<(), String> {
        let Some(content_type) = self.content_type else {
            return Err("it has no content type, or several".to_owned());
        };
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
            return Ok(());
        }
        if essence == "application/token-introspection+jwt" || essence == "application/jwt" {
            return Err("it is a signed JWT (RFC 9701) although JSON was asked for; \
                        switch signed introspection responses off for this client"
                .to_owned());
        }
        Err(format!("its content type is `{}`", self.presentable(&essence)))
    }

    /// What the server says of its error: OAuth's members, CREST's, or only what kind of body it is.
    fn detail(&self) -> String {
        let body = strict_json::parse(self.body).ok();
        let text = |name: &str| body.as_ref().and_then(|body| body.get(name)).and_then(Value::as_str);
        let said: Vec<&str> =
            [text("error"), text("error_description").or(text("message"))].into_iter().flatten().collect();
        if said.is_empty() {
            let kind = self.content_type.unwrap_or("no content type");
            return self.presentable(&format!("{} bytes, {kind}", self.body.len()));
        }
        self.presentable(&said.join(", "))
    }

    /// SECURITY: a server may echo what it was sent; hidden first and cut afterwards, or a part would remain.
    fn presentable(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for hidden in self.hide.iter().filter(|hidden| !hidden.is_empty()) {
            text = text.replace(hidden, "[REDACTED]");
            let encoded: String = form_urlencoded::byte_serialize(hidden.as_bytes()).collect();
            text = text.replace(&encoded, "[REDACTED]");
        }
        text.chars().filter(|c| !c.is_control()).take(DETAIL_CHARS).collect()
    }
}

fn unreadable(why: impl Into<String>) -> IntrospectionError {
    IntrospectionError::Unreadable(why.into())
}

/// Types the members that Keyward reads; `null` is the same as absent.
fn active(claims: Map<String, Value>) -> Result<ActiveToken, String> {
    Ok(ActiveToken {
        subject: text(&claims, "sub")?.filter(|subject| !subject.is_empty()),
        realm: text(&claims, "realm")?.filter(|realm| !realm.is_empty()),
        scopes: match present(&claims, "scope") {
            Some(Value::String(scope)) => scope.split(' ').filter(|s| !s.is_empty()).map(str::to_owned).collect(),
            _ => texts(&claims, "scope")?,
        },
        client_id: text(&claims, "client_id")?,
        username: text(&claims, "username")?,
        token_type: text(&claims, "token_type")?,
        issuer: text(&claims, "iss")?,
        audience: texts(&claims, "aud")?,
        // Rounded so that the token never lives longer than the server says.
        expires_at: seconds(&claims, "exp", f64::floor)?,
        not_before: seconds(&claims, "nbf", f64::ceil)?,
        claims,
        ..ActiveToken::default()
    })
}

fn present<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    claims.get(name).filter(|value| !value.is_null())
}

fn text(claims: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match present(claims, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("`{name}` is not a text")),
    }
}

fn texts(claims: &Map<String, Value>, name: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("`{name}` is neither a text nor a list of texts");
    match present(claims, name) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

/// Seconds since 1970, as an integer or a float (Canaille sends floats); beyond the years that [`Timestamp`] knows, its
/// first or last instant.
fn seconds(claims: &Map<String, Value>, name: &str, round: fn(f64) -> f64) -> Result<Option<Timestamp>, String> {
    let Some(value) = present(claims, name) else {
        return Ok(None);
    };
    let whole = match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|float| saturating(round(float)))),
        _ => None,
    };
    let whole = whole.ok_or_else(|| format!("`{name}` is not a number"))?;
    let bound = if whole < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Ok(Some(Timestamp::from_second(whole).unwrap_or(bound)))
}

#[expect(clippy::cast_possible_truncation, reason = "`as` saturates, which is what is wanted")]
fn saturating(float: f64) -> i64 {
    float as i64
}

#[cfg(test)]
mod tests;

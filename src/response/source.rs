//! Where in the security context does a header's value come from?

use std::str::FromStr;

/// A path into the security context (product sheet, `identityHeaders`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextSource {
    /// `authenticationId`.
    AuthenticationId,
    /// `authorization.id`.
    Id,
    /// `authorization.component`.
    Component,
    /// `authorization.roles`.
    Roles,
    /// `authorization.<member>`: a member that a script put there.
    Authorization(String),
    /// `realm`: the token's.
    Realm,
    /// `token.<member>`: the introspection answer's.
    Token(String),
    /// `user.<field>`: the directory record's.
    User(String),
    /// `securityContext`: the whole of it as base64url JSON.
    SecurityContext,
}

/// A path that names nothing in the security context.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{found}` is no path into the security context; expected `authenticationId`, `authorization.<member>`, \
     `token.<member>`, `user.<field>`, `realm` or `securityContext`"
)]
pub struct UnknownSource {
    /// What was written.
    pub found: String,
}

impl FromStr for ContextSource {
    type Err = UnknownSource;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownSource { found: text.to_owned() };
        let Some((head, member)) = text.split_once(['.', '/']) else {
            return match text {
                "authenticationId" => Ok(Self::AuthenticationId),
                "realm" => Ok(Self::Realm),
                "securityContext" => Ok(Self::SecurityContext),
                _ => Err(unknown()),
            };
        };
        match (head, member) {
            (_, "") => Err(unknown()),
            ("authorization", "id") => Ok(Self::Id),
            ("authorization", "component") => Ok(Self::Component),
            ("authorization", "roles") => Ok(Self::Roles),
            ("authorization", _) => Ok(Self::Authorization(member.to_owned())),
            ("token", _) => Ok(Self::Token(member.to_owned())),
            ("user", _) => Ok(Self::User(member.to_owned())),
            _ => Err(unknown()),
        }
    }
}

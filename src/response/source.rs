//! Where in the security context does a header's value come from?

use std::str::FromStr;

use crate::record_path::{RecordPath, RecordPathError};

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
    Authorization(RecordPath),
    /// `realm`: the token's.
    Realm,
    /// `token.<member>`: the introspection answer's.
    Token(RecordPath),
    /// `user.<field>`: the directory record's.
    User(RecordPath),
    /// `securityContext`: the whole of it as base64url JSON.
    SecurityContext,
}

/// A text that is no source for a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It names nothing in the security context.
    #[error(
        "`{0}` is no path into the security context; expected `authenticationId`, `authorization.<member>`, \
         `token.<member>`, `user.<field>`, `realm` or `securityContext`"
    )]
    Unknown(String),
    /// What follows the first member is no path.
    #[error(transparent)]
    Path(#[from] RecordPathError),
}

impl FromStr for ContextSource {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || SourceError::Unknown(text.to_owned());
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
            ("authorization", _) => Ok(Self::Authorization(RecordPath::parse(member)?)),
            ("token", _) => Ok(Self::Token(RecordPath::parse(member)?)),
            ("user", _) => Ok(Self::User(RecordPath::parse(member)?)),
            _ => Err(unknown()),
        }
    }
}

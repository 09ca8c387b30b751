//! The way of a request, from the view of it to the decision.

pub mod select;

pub use select::{Authorizer, Selectors};

use std::sync::Arc;

use crate::access::{AccessRules, Moment, Notes};
use crate::account_status;
use crate::clock::Clock;
use crate::credential::{self, Credential, CredentialPlace};
use crate::deadline::Deadline;
use crate::decision::{Decision, Denial, Stop};
use crate::directory::{Found, UserDirectory};
use crate::introspection::{AnswerSource, Introspector, TokenPolicy, TokenRefusal, token_binding};
use crate::principal::{Origin, Principal, User};
use crate::request::{PathPolicy, RequestPath, RequestView};
use crate::response::Responder;
use crate::roles::{self, RoleCalculator};
use crate::script::augment::Asked;
use crate::script::{AugmentError, AugmentScript, ScriptError};
use crate::subject::{MappedSubject, StaticUser, SubjectMapper};
use crate::token::{ActiveToken, TokenState};

/// Everything one filter needs to decide: built once from its configuration, never changed, replaced whole.
pub struct Filter {
    /// Its name.
    pub name: Arc<str>,
    /// Where credentials stand.
    pub credential: credential::Settings,
    /// How paths are read.
    pub path: PathPolicy,
    /// Who knows whether a token is active.
    pub introspector: Arc<dyn Introspector>,
    /// What a token must be beyond active; asked on every request.
    pub policy: TokenPolicy,
    /// Who tokens are about.
    pub subjects: SubjectMapper,
    /// Who a request without a credential is, ready made.
    pub anonymous: Option<Arc<Principal>>,
    /// Who knows the users.
    pub directory: Arc<dyn UserDirectory>,
    /// Which accounts may log in.
    pub account_status: account_status::Settings,
    /// Roles by index of the subject mapping.
    pub roles: Vec<RoleCalculator>,
    /// The script that rewrites security contexts.
    pub augment: Option<AugmentScript>,
    /// The access rules.
    pub access: AccessRules,
    /// How answers are made.
    pub responder: Responder,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filter").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What was found on the way: for the audit, the metadata and the explanation. Holds no credential.
#[derive(Debug, Clone, Default)]
pub struct DecisionRecord {
    /// Where the credential stood; `None`: there was none.
    pub credential: Option<CredentialPlace>,
    /// How the introspection answer reached us.
    pub answer_source: Option<AnswerSource>,
    /// The token, once known to be active.
    pub token: Option<Arc<ActiveToken>>,
    /// The user's record.
    pub user: Option<Arc<User>>,
    /// Roles that were not granted.
    pub dropped_roles: Vec<roles::Dropped>,
    /// Who it was before a script rewrote the security context; `None` where none did, or where it was nobody.
    pub before_script: Option<Arc<Principal>>,
    /// Who it was, once that was known.
    pub principal: Option<Arc<Principal>>,
    /// What each access rule said, once they were asked.
    pub rules: Notes,
    /// What went wrong, for operators: texts that a client must not see.
    pub detail: Option<String>,
}

/// What a good token led to.
enum Authenticated {
    /// A static user.
    Static(Arc<Principal>),
    /// The directory's user, by the subject mapping of this index.
    User(Arc<Principal>, usize),
    /// Nobody, by a mapping under which a script may supply a user.
    Nobody { token: Arc<ActiveToken>, authentication_id: String, component: Arc<str>, mapping: usize },
}

impl Authenticated {
    fn mapping(&self) -> Option<usize> {
        match self {
            Self::Static(_) => None,
            Self::User(_, mapping) | Self::Nobody { mapping, .. } => Some(*mapping),
        }
    }
}

impl Filter {
    /// Decides one request at the clock's now; fills `record` on the way.
    pub async fn decide(
        &self,
        request: &RequestView<'_>,
        clock: &dyn Clock,
        deadline: Deadline,
        record: &mut DecisionRecord,
    ) -> Decision {
        let way = async {
            let path = RequestPath::parse(request.target, self.path)?;
            let principal = match self.credential.extract(request, &path)? {
                Some(credential) => {
                    let found = self.authenticate(request, &credential, clock, deadline, record).await?;
                    let (mapping, now) = (found.mapping(), clock.now());
                    self.augment(found, Asked { request, path: &path, mapping, now, deadline }, record).await?
                }
                // A10: a script runs after authentication only, and nobody has authenticated here.
                None => self.anonymous.clone().ok_or(Denial::CredentialMissing)?,
            };
            record.principal = Some(Arc::clone(&principal));
            let moment = Moment { now: clock.now(), deadline };
            self.access.admit_noting(request, &path, &principal, moment, &mut record.rules).await.map_err(|error| {
                record.detail = Some(error.to_string());
                Stop::from_access(error, record.credential.is_some())
            })
        };
        Decision::from(way.await)
    }

    /// Who the credential is for, before a script has its say.
    async fn authenticate(
        &self,
        request: &RequestView<'_>,
        credential: &Credential,
        clock: &dyn Clock,
        deadline: Deadline,
        record: &mut DecisionRecord,
    ) -> Result<Authenticated, Stop> {
        record.credential = Some(credential.place);
        let answer = self.introspector.introspect(&credential.token, deadline).await?;
        record.answer_source = Some(answer.source);
        let TokenState::Active(token) = answer.state else { return Err(Denial::TokenInactive.into()) };
        record.token = Some(Arc::clone(&token));
        self.check_token(&token, request, clock)?;
        match self.subjects.map(&token)? {
            MappedSubject::Static(user) => Ok(Authenticated::Static(static_principal(&user, Origin::Static(token))?)),
            MappedSubject::Directory { query, authentication_id, mapping, by_query } => {
                let user = match self.directory.find(&query, deadline).await? {
                    Found::One(user) => user,
                    Found::Nobody if by_query => {
                        let component = query.component;
                        return Ok(Authenticated::Nobody { token, authentication_id, component, mapping });
                    }
                    Found::Nobody => return Err(Denial::UserUnknown(query.component.to_string()).into()),
                    Found::Ambiguous => return Err(Denial::UserAmbiguous.into()),
                };
                record.user = Some(Arc::clone(&user));
                if !self.account_status.accepts(&user) {
                    return Err(Denial::UserInactive.into());
                }
                let roles = self.roles.get(mapping);
                let calculated = roles.map(|roles| roles.calculate(&user, clock.now())).unwrap_or_default();
                record.dropped_roles = calculated.dropped;
                let origin = Origin::Directory(token, Arc::clone(&user));
                let principal =
                    Principal::new(&authentication_id, &user.component, &user.id, calculated.roles, origin)?;
                Ok(Authenticated::User(Arc::new(principal), mapping))
            }
        }
    }

    /// What the script makes of it, where there is one (C7).
    async fn augment(
        &self,
        found: Authenticated,
        asked: Asked<'_>,
        record: &mut DecisionRecord,
    ) -> Result<Arc<Principal>, Stop> {
        let (token, authentication_id, component) = match found {
            Authenticated::Static(principal) | Authenticated::User(principal, _) => {
                record.principal = Some(Arc::clone(&principal));
                let Some(script) = &self.augment else { return Ok(principal) };
                let augmented = script.run(&principal, asked).await?;
                record.before_script = Some(principal);
                return Ok(Arc::new(augmented));
            }
            Authenticated::Nobody { token, authentication_id, component, .. } => (token, authentication_id, component),
        };
        let unknown = Denial::UserUnknown(component.to_string());
        let Some(script) = &self.augment else { return Err(unknown.into()) };
        match script.supply(&authentication_id, token, asked).await {
            Ok(supplied) => Ok(Arc::new(supplied)),
            // SECURITY: the directory's word stands where the script has none of its own. A script that stumbles over the
            // missing record must not make an outage, which `failure_mode_allow` may let pass, of a sure refusal.
            Err(
                error @ (AugmentError::Incomplete(_)
                | AugmentError::Failed(ScriptError::Other(_) | ScriptError::Syntax { .. })),
            ) => {
                record.detail = Some(error.to_string());
                Err(unknown.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn check_token(&self, token: &ActiveToken, request: &RequestView<'_>, clock: &dyn Clock) -> Result<(), Stop> {
        let checked = token_binding::check(token, request.source_certificate);
        checked.and_then(|()| self.policy.check(token, clock.now())).map_err(|refusal| {
            Stop::Denied(match refusal {
                TokenRefusal::Scopes => Denial::ScopeMissing(self.policy.scopes.clone()),
                refusal @ (TokenRefusal::Expired
                | TokenRefusal::NotYetValid
                | TokenRefusal::Type
                | TokenRefusal::Issuer
                | TokenRefusal::Audience
                | TokenRefusal::Binding) => Denial::TokenRefused(refusal),
            })
        })
    }
}

/// The principal of a static or the anonymous mapping: its roles are exactly the mapping's (D3), its ids `localUser`'s (C9).
///
/// # Errors
/// [`crate::principal::ContextIncomplete`] where `localUser` lacks a part; the configuration refuses such a mapping.
pub fn static_principal(
    user: &StaticUser,
    origin: Origin,
) -> Result<Arc<Principal>, crate::principal::ContextIncomplete> {
    Principal::new(&user.id, &user.component, &user.id, user.roles.clone(), origin).map(Arc::new)
}

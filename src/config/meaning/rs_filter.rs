//! What does `rsFilter` mean? (Section A.)

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::{Context, Here, augment, headers, values};
use crate::client_auth::ClientCredentials;
use crate::config::problem::Problem;
use crate::config::raw;
use crate::introspection::settings::{CacheSettings, ClientAuthentication};
use crate::introspection::{self, TokenPolicy};
use crate::principal::Role;
use crate::roles::{GroupComparison, GroupSettings};
use crate::subject::{Collection, Mapping, StaticUser, SubjectMapper};
use crate::{account_status, credential, directory, roles, script, subject};

const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// The stages that `rsFilter` sets up.
pub(super) struct Parts {
    pub credential: credential::settings::Settings,
    pub introspection: introspection::Settings,
    pub token_policy: TokenPolicy,
    pub subject: subject::Settings,
    pub account_status: account_status::Settings,
    pub augment: Option<script::augment::Settings>,
}

/// `rsFilter`; `None` only if problems were collected.
pub(super) fn rs_filter(
    cx: &mut Context<'_>,
    here: &Here<'_>,
    mut raw: raw::RsFilter,
    directory: Option<&directory::Settings>,
    zone: Option<&TimeZone>,
) -> Option<Parts> {
    let credential =
        credential(cx, &here.child("credential"), raw.credential.take().unwrap_or_default(), raw.other_schemes);
    let augment = match raw.augment_security_context.take() {
        Some(raw) => augment::augment(cx, here, raw, credential.as_ref()).map(Some),
        None => Some(None),
    };
    let subject = subject(cx, here, &mut raw, directory, zone);
    let account_status =
        account_status(cx, &here.child("accountStatus"), raw.account_status.take().unwrap_or_default());
    let token_policy = token_policy(cx, here, &mut raw);
    let introspection = introspection(cx, here, raw);
    Some(Parts {
        credential: credential?,
        introspection: introspection?,
        token_policy: token_policy?,
        subject: subject?,
        account_status,
        augment: augment?,
    })
}

fn introspection(cx: &mut Context<'_>, here: &Here<'_>, raw: raw::RsFilter) -> Option<introspection::Settings> {
    values::filled(cx, &here.child("clientId"), &raw.client_id);
    let endpoint = values::url(cx, &here.child("tokenIntrospectUrl"), &raw.token_introspect_url);
    let client_secret = values::secret(cx, &here.child("clientSecret"), &raw.client_secret);
    let method = client_authentication(cx, here, raw.client_authentication, raw.basic_encoding, &raw.client_id);
    let timeout =
        values::timeout(cx, &here.child("introspectTimeout"), raw.introspect_timeout.as_ref(), Duration::from_secs(5));
    let roots = values::trusted_roots(cx, &here.child("trustedRoots"), raw.trusted_roots.as_deref());
    let cache = cache(cx, &here.child("cache"), &raw.cache.unwrap_or_default());
    Some(introspection::Settings {
        endpoint: endpoint?,
        client_id: raw.client_id,
        client_secret: client_secret?,
        client_authentication: method,
        timeout: timeout?,
        max_answer_bytes: MAX_ANSWER_BYTES,
        max_in_flight: raw.max_in_flight.unwrap_or(256),
        trusted_roots: roots?,
        cache: cache?,
    })
}

/// `clientAuthentication` and `basicEncoding` together.
pub(super) fn client_authentication(
    cx: &mut Context<'_>,
    here: &Here<'_>,
    method: Option<raw::ClientAuthentication>,
    encoding: Option<raw::BasicEncoding>,
    client_id: &str,
) -> ClientAuthentication {
    let method = match (method, encoding) {
        (Some(raw::ClientAuthentication::ClientSecretPost), encoding) => {
            if encoding.is_some() {
                cx.warning(&here.child("basicEncoding"), "has no meaning with `client_secret_post`");
            }
            ClientAuthentication::Post
        }
        (_, Some(raw::BasicEncoding::Raw)) => ClientAuthentication::BasicRaw,
        _ => ClientAuthentication::BasicForm,
    };
    let nothing = crate::secret::Secret::new(String::new());
    if let Err(error) = ClientCredentials::new(method, client_id, &nothing) {
        cx.problem(&here.child("clientId"), error.to_string());
    }
    method
}

fn cache(cx: &mut Context<'_>, here: &Here<'_>, raw: &raw::TokenCache) -> Option<CacheSettings> {
    let max_timeout =
        values::max_timeout(cx, &here.child("maxTimeout"), raw.max_timeout.as_ref(), Duration::from_secs(300));
    let negative = values::duration(cx, &here.child("negative"), raw.negative.as_ref(), Duration::from_secs(5));
    let stale = values::duration(cx, &here.child("staleIfError"), raw.stale_if_error.as_ref(), Duration::ZERO);
    Some(CacheSettings {
        max_timeout: max_timeout?,
        negative: negative?,
        stale_if_error: stale?,
        max_tokens: raw.max_tokens.unwrap_or(100_000),
        max_negative: raw.max_negative.unwrap_or(10_000),
    })
}

fn token_policy(cx: &mut Context<'_>, here: &Here<'_>, raw: &mut raw::RsFilter) -> Option<TokenPolicy> {
    let skew = values::duration(cx, &here.child("clockSkew"), raw.clock_skew.as_ref(), Duration::ZERO);
    let scopes = raw.scopes.take().unwrap_or_default();
    for (index, scope) in scopes.iter().enumerate() {
        if scope.is_empty() || scope.contains(char::is_whitespace) {
            cx.problem(
                &here.child("scopes").item(index),
                "found an empty scope or one with a space; write one scope an element",
            );
        }
    }
    if raw.token_types.as_ref().is_some_and(Vec::is_empty) {
        let message = "is empty, so that only answers without a `token_type` are accepted; take the key away to accept \
                       `Bearer` and `access_token` too";
        cx.warning(&here.child("tokenTypes"), message);
    }
    let defaults = || vec!["Bearer".to_owned(), "access_token".to_owned()];
    Some(TokenPolicy {
        scopes,
        token_types: raw.token_types.take().unwrap_or_else(defaults),
        issuers: values::list(cx, &here.child("issuer"), raw.issuer.take()),
        audiences: values::list(cx, &here.child("audience"), raw.audience.take()),
        clock_skew: SignedDuration::try_from(skew?).unwrap_or(SignedDuration::MAX),
    })
}

fn credential(
    cx: &mut Context<'_>,
    here: &Here<'_>,
    raw: raw::Credential,
    other: Option<raw::OtherSchemes>,
) -> Option<credential::settings::Settings> {
    for (key, name) in [("cookie", &raw.cookie), ("queryParameter", &raw.query_parameter)] {
        let legal = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.as_ref().is_some_and(|name| name.is_empty() || !name.chars().all(legal)) {
            cx.problem(&here.child(key), "found no name, expected letters, digits, `-` and `_`");
        }
    }
    let header = match &raw.header {
        Some(name) => Some(headers::name_of(cx, &here.child("header"), name)?),
        None => None,
    };
    Some(credential::settings::Settings {
        cookie: raw.cookie,
        header,
        query_parameter: raw.query_parameter,
        other_schemes: match other {
            Some(raw::OtherSchemes::Anonymous) => credential::settings::OtherSchemes::Anonymous,
            None | Some(raw::OtherSchemes::Refuse) => credential::settings::OtherSchemes::Refuse,
        },
    })
}

fn account_status(cx: &mut Context<'_>, here: &Here<'_>, raw: raw::AccountStatus) -> account_status::Settings {
    let default = account_status::Settings::default();
    let collections = raw.collections.unwrap_or(default.collections);
    for (index, pattern) in collections.iter().enumerate() {
        let body = pattern.strip_suffix("/*").unwrap_or(pattern);
        if pattern != "*" && (body.is_empty() || body.contains('*')) {
            cx.problem(&here.child("collections").item(index), "expected a collection, or a prefix that ends in `/*`");
        }
    }
    account_status::Settings {
        accepted: raw.accepted.unwrap_or(default.accepted),
        ignore_case: raw.ignore_case.unwrap_or(default.ignore_case),
        collections,
    }
}

fn subject(
    cx: &mut Context<'_>,
    here: &Here<'_>,
    raw: &mut raw::RsFilter,
    directory: Option<&directory::Settings>,
    zone: Option<&TimeZone>,
) -> Option<subject::Settings> {
    let before = cx.problems.len();
    let leaf_names = raw.role_names == Some(raw::RoleNames::Leaf);
    let place = here.child("subjectMapping");
    let mut mappings = Vec::new();
    match raw.subject_mapping.take() {
        Some(written) => {
            refuse_ambiguous(cx, &place, &written);
            for (index, raw) in written.into_iter().enumerate() {
                mappings.push(mapping(cx, &place.item(index), raw, leaf_names, zone));
            }
        }
        None if matches!(directory, Some(directory::Settings::Token)) => mappings.push(Some(token_mapping(zone))),
        None if raw.static_user_mapping.is_none() && raw.anonymous_user_mapping.is_none() => {
            cx.problem(&place, "is missing, expected where a token's user is found");
        }
        None => {}
    }
    let static_users = static_users(cx, &here.child("staticUserMapping"), raw);
    let anonymous = raw.anonymous_user_mapping.take().map(|raw| {
        let here = here.child("anonymousUserMapping");
        if raw.roles.is_some() && raw.user_roles.is_some() {
            cx.problem(&here.child("userRoles"), "stands beside `roles`, of which it is another name; keep `roles`");
        }
        let key = if raw.user_roles.is_some() { "userRoles" } else { "roles" };
        let names = raw.roles.or(raw.user_roles);
        local_user(cx, &here, &raw.local_user, key, names.as_deref())
    });
    let anonymous = match anonymous {
        Some(user) => Some(user?),
        None => None,
    };
    let settings = subject::Settings {
        static_users: static_users?,
        static_subject_ignore_case: raw.static_subject_ignore_case.unwrap_or(false),
        mappings: mappings.into_iter().collect::<Option<_>>()?,
        anonymous,
    };
    if let Err(problems) = SubjectMapper::new(settings.clone()) {
        for problem in problems {
            // The place is a path with slashes: `subjectMapping/1/realm`.
            let place = problem.place.split('/').fold(here.clone(), |here, key| match key.parse() {
                Ok(index) => here.item(index),
                Err(_) => here.child(key),
            });
            // It may have been told in other words.
            let known = |told: &Problem| told.place == place.place;
            if !cx.problems.get(before..).unwrap_or_default().iter().any(known) {
                cx.problem(&place, problem.message);
            }
        }
    }
    Some(settings)
}

/// B5: at most one mapping a realm, and at most one without.
fn refuse_ambiguous(cx: &mut Context<'_>, here: &Here<'_>, mappings: &[raw::SubjectMapping]) {
    let mut seen: HashMap<Option<&str>, usize> = HashMap::new();
    for (index, mapping) in mappings.iter().enumerate() {
        if let Some(first) = seen.get(&mapping.realm.as_deref()) {
            let which = if mapping.realm.is_some() { "for the same realm" } else { "without a realm" };
            let message = format!("ambiguous subject mappings: subjectMapping[{first}] is {which} too; keep one");
            cx.problem(&here.item(index), message);
        } else {
            seen.insert(mapping.realm.as_deref(), index);
        }
    }
}

fn mapping(
    cx: &mut Context<'_>,
    here: &Here<'_>,
    raw: raw::SubjectMapping,
    leaf_names: bool,
    zone: Option<&TimeZone>,
) -> Option<Mapping> {
    if raw.realm.as_deref() == Some("") {
        cx.problem(&here.child("realm"), "found an empty realm; name one such as `/alpha`, or take the key away");
    }
    let collection = match (raw.resource_type_mapping, raw.query_on_resource) {
        (Some(types), None) => {
            if types.is_empty() {
                cx.problem(
                    &here.child("resourceTypeMapping"),
                    "found no type, expected one such as `usr: managed/user`",
                );
            }
            for (name, template) in &types {
                values::filled(cx, &here.child("resourceTypeMapping").child(name), template);
            }
            Some(Collection::ByResourceType(types))
        }
        (None, Some(collection)) => {
            values::filled(cx, &here.child("queryOnResource"), &collection);
            Some(Collection::Fixed(collection))
        }
        (Some(_), Some(_)) => {
            cx.problem(here, "found `resourceTypeMapping` and `queryOnResource`, expected one of them; take one away");
            None
        }
        (None, None) => {
            cx.problem(here, "expected `resourceTypeMapping` or `queryOnResource`, to say where the user lives");
            None
        }
    };
    let place = here.child("propertyMapping");
    let mut properties = raw.property_mapping.unwrap_or_else(|| [("sub".to_owned(), "_id".to_owned())].into());
    let inner_membership = properties.remove("groupMembership");
    if properties.is_empty() {
        cx.problem(&place, "found no field, expected one such as `sub: _id`");
    }
    for (claim, property) in &properties {
        values::filled(cx, &place.child(claim), property);
    }
    let membership = match (raw.group_membership, inner_membership) {
        (Some(_), Some(_)) => {
            cx.problem(&here.child("groupMembership"), "stands within `propertyMapping` too; keep one");
            None
        }
        (outer, inner) => outer.or(inner),
    };
    let groups = groups(cx, here, membership, raw.group_role_mapping, raw.group_comparison_method);
    let default_roles = values::roles(cx, &here.child("defaultRoles"), raw.default_roles.as_deref());
    let user_roles = values::list(cx, &here.child("userRoles"), raw.user_roles);
    Some(Mapping {
        realm: raw.realm,
        collection: collection?,
        properties: values::as_written(&place, properties),
        additional_fields: raw.additional_user_fields.unwrap_or_default(),
        roles: roles::Settings { default_roles, user_roles, groups, leaf_names, time_zone: zone.cloned() },
    })
}

fn groups(
    cx: &mut Context<'_>,
    here: &Here<'_>,
    membership: Option<String>,
    mapping: Option<BTreeMap<String, Vec<String>>>,
    comparison: Option<raw::GroupComparison>,
) -> Option<GroupSettings> {
    let (membership, mapping) = match (membership, mapping) {
        (Some(membership), Some(mapping)) => (membership, mapping),
        (None, None) => return None,
        (Some(_), None) => {
            cx.warning(&here.child("groupRoleMapping"), "is missing, so that `groupMembership` gives no roles");
            return None;
        }
        (None, Some(_)) => {
            cx.warning(&here.child("groupMembership"), "is missing, so that `groupRoleMapping` gives no roles");
            return None;
        }
    };
    let place = here.child("groupRoleMapping");
    let mut role_mapping = Vec::new();
    for (name, groups) in values::as_written(&place, mapping) {
        match Role::new(&name) {
            Some(role) => role_mapping.push((role, groups)),
            None => cx.problem(&place, "found an empty role name; take it away"),
        }
    }
    let comparison = match comparison {
        None | Some(raw::GroupComparison::Equals) => GroupComparison::Equals,
        Some(raw::GroupComparison::CaseInsensitive) => GroupComparison::CaseInsensitive,
        Some(raw::GroupComparison::Ldap) => GroupComparison::Ldap,
    };
    Some(GroupSettings { membership, role_mapping, comparison })
}

/// The mapping of the `token` directory where none is written: collection `token`, `sub` is the id, roles are the claim `roles`.
fn token_mapping(zone: Option<&TimeZone>) -> Mapping {
    Mapping {
        realm: None,
        collection: Collection::Fixed("token".to_owned()),
        properties: vec![("sub".to_owned(), "_id".to_owned())],
        additional_fields: Vec::new(),
        roles: roles::Settings {
            user_roles: vec!["roles".to_owned()],
            time_zone: zone.cloned(),
            ..roles::Settings::default()
        },
    }
}

fn static_users(cx: &mut Context<'_>, here: &Here<'_>, raw: &mut raw::RsFilter) -> Option<Vec<(String, StaticUser)>> {
    let fold = |subject: &str| {
        if raw.static_subject_ignore_case == Some(true) { subject.to_lowercase() } else { subject.to_owned() }
    };
    let written = raw.static_user_mapping.take().unwrap_or_default();
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut users = Vec::new();
    for (index, raw) in written.into_iter().enumerate() {
        let here = here.item(index);
        values::filled(cx, &here.child("subject"), &raw.subject);
        if let Some(first) = seen.insert(fold(&raw.subject), index) {
            let message =
                format!("ambiguous static mappings: staticUserMapping[{first}] is for the same subject; keep one");
            cx.problem(&here.child("subject"), message);
        }
        let user = local_user(cx, &here, &raw.local_user, "roles", raw.roles.as_deref());
        users.push(user.map(|user| (raw.subject, user)));
    }
    users.into_iter().collect()
}

/// A16, J14: collection and id, neither empty.
fn local_user(
    cx: &mut Context<'_>,
    here: &Here<'_>,
    local_user: &str,
    roles_key: &str,
    names: Option<&[String]>,
) -> Option<StaticUser> {
    let roles = values::roles(cx, &here.child(roles_key), names);
    let parts = local_user.rsplit_once('/').filter(|(component, id)| !component.is_empty() && !id.is_empty());
    let Some((component, id)) = parts else {
        let place = here.child("localUser");
        cx.problem(
            &place,
            format!("found {}, expected a collection and an id, such as `internal/user/anonymous`", place.shown()),
        );
        return None;
    };
    Some(StaticUser { component: Arc::from(component), id: Arc::from(id), roles })
}

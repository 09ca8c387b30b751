//! How does a configuration become filters that can decide?

use std::sync::Arc;

use crate::access::{AccessRules, Reach};
use crate::authorizer::{Authorizer, Filter, Selectors, static_principal};
use crate::config::{self, Config};
use crate::directory::{self, UserDirectory};
use crate::introspection::Introspector;
use crate::principal::Origin;
use crate::response::Responder;
use crate::roles::RoleCalculator;
use crate::script::{AugmentScript, ScriptError, Turns};
use crate::subject::SubjectMapper;

/// Who answers questions that Keyward cannot answer itself: real servers in operation, recorded facts in `check`.
pub trait Outside {
    /// The introspector of one filter.
    ///
    /// # Errors
    /// Why the filter's settings cannot work.
    fn introspector(&self, filter: &config::Filter) -> Result<Arc<dyn Introspector>, String>;

    /// The directory of one filter.
    ///
    /// # Errors
    /// Why the filter's settings cannot work.
    fn directory(&self, filter: &config::Filter) -> Result<Arc<dyn UserDirectory>, String>;

    /// The turns that scripts of this kind, `augmentSecurityContext` or `condition`, take within one filter.
    fn script_turns(&self, _script: &'static str) -> Turns {
        Turns::default()
    }
}

/// What keeps a configuration from deciding, each with its place: `filters.NAME.rsFilter.subjectMapping/0`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("filter `{filter}`: {place}: {message}")]
pub struct AssemblyProblem {
    /// Which filter.
    pub filter: String,
    /// Which part of it.
    pub place: String,
    /// What was found, what is expected.
    pub message: String,
}

/// Builds every filter of `config`.
///
/// # Errors
/// Every problem of every filter.
pub fn assemble(config: &Config, outside: &dyn Outside) -> Result<Authorizer, Vec<AssemblyProblem>> {
    let mut filters = Vec::with_capacity(config.filters.len());
    let mut problems = Vec::new();
    for settings in &config.filters {
        match filter(settings, outside) {
            Ok(filter) => {
                let selectors = Selectors { hosts: settings.hosts.clone(), issuers: settings.issuers.clone() };
                filters.push((selectors, filter));
            }
            Err(found) => problems.extend(found.into_iter().map(|(place, message)| AssemblyProblem {
                filter: settings.name.clone(),
                place,
                message,
            })),
        }
    }
    if problems.is_empty() { Ok(Authorizer::new(filters)) } else { Err(problems) }
}

type Problems = Vec<(String, String)>;

fn filter(settings: &config::Filter, outside: &dyn Outside) -> Result<Filter, Problems> {
    let mut problems = Problems::new();
    let introspector = outside.introspector(settings).map_err(|message| {
        problems.push(("rsFilter.tokenIntrospectUrl".to_owned(), message));
    });
    let directory = outside.directory(settings).map_err(|message| problems.push(("directory".to_owned(), message)));
    let subjects = SubjectMapper::new(settings.subject.clone()).map_err(|found| {
        problems.extend(found.into_iter().map(|problem| (format!("rsFilter.{}", problem.place), problem.message)));
    });
    let access = AccessRules::compile(&settings.access).map_err(|found| {
        let place = |index, key| format!("access.rules[{index}].{key}");
        problems.extend(found.into_iter().map(|problem| (place(problem.index, problem.key), problem.message)));
    });
    let augment = settings.augment.clone().map(|settings| {
        Ok(AugmentScript::compile(settings)?.with_turns(outside.script_turns("augmentSecurityContext")))
    });
    let augment = augment.transpose().map_err(|error: ScriptError| {
        problems.push(("rsFilter.augmentSecurityContext".to_owned(), error.to_string()));
    });
    let anonymous = settings.subject.anonymous.as_ref().map(|user| static_principal(user, Origin::Anonymous));
    let anonymous = anonymous.transpose().map_err(|incomplete| {
        problems.push(("rsFilter.anonymousUserMapping.localUser".to_owned(), incomplete.to_string()));
    });
    let users = !matches!(settings.directory, directory::Settings::Token);
    let (Ok(introspector), Ok(directory), Ok(subjects), Ok(augment), Ok(access), Ok(anonymous)) =
        (introspector, directory, subjects, augment, access, anonymous)
    else {
        return Err(problems);
    };
    Ok(Filter {
        name: settings.name.as_str().into(),
        credential: settings.credential.clone(),
        path: settings.path,
        introspector,
        policy: settings.token_policy.clone(),
        subjects,
        anonymous,
        account_status: settings.account_status.clone(),
        roles: settings.subject.mappings.iter().map(|mapping| RoleCalculator::new(mapping.roles.clone())).collect(),
        augment,
        access: access.reaching(Reach {
            users: users.then(|| Arc::clone(&directory)),
            credential_headers: settings.credential.header.iter().map(ToString::to_string).collect(),
            credential_parameter: settings.credential.query_parameter.clone(),
            turns: outside.script_turns("condition"),
        }),
        directory,
        responder: Responder::new(&settings.name, settings.response.clone(), &settings.credential),
    })
}

//! Which rules decide about which requests?

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use keyward::access::settings::{Knowledge, Library, RuleSettings, Settings, Style};
use keyward::access::{AccessError, AccessRules, Moment, Permit};
use keyward::clock::{Clock, SystemClock};
use keyward::deadline::Deadline;
use keyward::principal::{Origin, Principal, Role};
use keyward::request::{Headers, PathPolicy, RequestPath, RequestView};
use serde_json::{Value, json};

use crate::FLAT;
use crate::measure::{Target, Work};

const FEW: usize = 10;
const MANY: usize = 10_000;
/// What a native `customAuthz` may add, in nanoseconds.
const NATIVE: Option<Target> = Some(Target::Added(1000.0));
/// What one in JavaScript may add.
const JAVASCRIPT: Option<Target> = Some(Target::Added(150_000.0));

/// A user as an IDM behind OpenAM has them.
pub fn principal() -> Arc<Principal> {
    let roles = ["openidm-authorized", "clerk", "auditor", "managed/role/5f2e", "managed/role/91aa"];
    let roles = roles.iter().filter_map(|role| Role::new(role)).collect();
    let principal = Principal::new("bjensen", "managed/user", "11aa", roles, Origin::Anonymous);
    Arc::new(principal.expect("a whole security context"))
}

/// A request of CREST's.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    method: &'static str,
    target: &'static str,
}

/// What a browser sends besides.
const HEADERS: [(&str, &[u8]); 6] = [
    ("accept", b"application/json"),
    ("user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"),
    ("x-forwarded-for", b"10.1.2.3"),
    ("x-request-id", b"5e9f6b0a-7c1e-4d7f-8b3c-2f6a1d0e9c8b"),
    ("authorization", b"Bearer 4f1d0c2b9a8e7f6d5c4b3a2918070605"),
    ("cookie", b"theme=dark; consent=yes"),
];

impl Request {
    /// The request as every stage sees it.
    pub fn view(self) -> (RequestView<'static>, RequestPath<'static>) {
        let path = RequestPath::parse(self.target, PathPolicy::default()).expect("a plain path");
        let view = RequestView {
            method: self.method,
            target: self.target,
            host: "idm.test",
            scheme: "https",
            headers: Headers::from_list(HEADERS.to_vec()),
            body: None,
            source_address: None,
            source_principal: None,
            source_certificate: None,
            context_extensions: None,
        };
        (view, path)
    }
}

pub const READ: Request = Request { method: "GET", target: "/openidm/managed/user/11aa" };
const QUERY: Request = Request { method: "GET", target: "/openidm/managed/user?_queryId=for-userName" };

/// The rules a row decides by. Compiled once, shared by every round.
fn compile(rules: &[Value]) -> Arc<AccessRules> {
    let read = |(place, rule)| RuleSettings::from_json(place, rule).unwrap_or_else(|problems| panic!("{problems:?}"));
    let rules = rules.iter().enumerate().map(read).collect();
    let settings = Settings {
        style: Style::Crest,
        context_path: "/openidm".to_owned(),
        honour_method_override: false,
        knowledge: Knowledge::default(),
        library: Library::default(),
        rules,
    };
    Arc::new(AccessRules::compile(&settings).unwrap_or_else(|problems| panic!("{problems:?}")))
}

/// One decision.
async fn decide(
    rules: &AccessRules,
    request: &(RequestView<'_>, RequestPath<'_>),
    who: &Arc<Principal>,
) -> Result<Permit, AccessError> {
    let moment = Moment { now: SystemClock.now(), deadline: Deadline::after(Duration::from_secs(20)) };
    rules.admit(black_box(&request.0), &request.1, who, moment).await
}

fn work(name: String, beside: Option<usize>, target: Option<Target>, rules: &[Value], request: Request) -> Work {
    let (rules, who) = (compile(rules), principal());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let granted = runtime.block_on(decide(&rules, &request.view(), &who));
    assert_eq!(granted.is_err(), name.contains("denied"), "{name}: {granted:?}");
    let repeat = move |times| {
        let (rules, who) = (Arc::clone(&rules), Arc::clone(&who));
        let future = async move {
            let request = request.view();
            for _ in 0..times {
                black_box(decide(&rules, &request, &who).await).ok();
            }
        };
        Box::pin(future) as std::pin::Pin<Box<dyn Future<Output = ()>>>
    };
    Work { name, beside, target, repeat: Box::new(repeat) }
}

fn granting() -> Value {
    json!({"pattern": "managed/user/*", "roles": "openidm-authorized", "methods": "read,query,patch", "actions": "*"})
}

/// Rows for 10 and 10,000 rules: the granting one first, in the middle, last; and none.
fn few_and_many(other: impl Fn(usize) -> Value) -> Vec<Work> {
    let mut works: Vec<Work> = Vec::new();
    for place in ["first", "in the middle", "last", "nowhere: denied"] {
        for count in [FEW, MANY] {
            let mut rules: Vec<Value> = (1..count).map(&other).collect();
            match place {
                "first" => rules.insert(0, granting()),
                "in the middle" => rules.insert(count / 2, granting()),
                "last" => rules.push(granting()),
                _ => {}
            }
            let (beside, target) = if count == FEW { (None, None) } else { (Some(works.len() - 1), FLAT) };
            works.push(work(format!("{count} rules, the granting one {place}"), beside, target, &rules, READ));
        }
    }
    works
}

/// Rules of every kind that a large file has: objects, what lies below them, endpoints, some for the path of the request
/// but for other roles or methods, a few for every path.
pub fn mixed() -> Vec<Work> {
    few_and_many(|number| match number % 1000 {
        1 => {
            json!({"pattern": "*", "roles": "openidm-admin", "methods": "*", "actions": "*", "excludePatterns": "repo,repo/*"})
        }
        2 => json!({"pattern": "managed/user/*", "roles": "É,helpdesk", "methods": "read,patch"}),
        3 => json!({"pattern": "managed/user/*", "roles": "*", "methods": "action", "actions": "validate,Unlock"}),
        4 => json!({"pattern": "managed/*", "roles": "clerk", "methods": "create,delete"}),
        rest => match rest % 4 {
            0 => json!({"pattern": format!("managed/kind{number}"), "roles": "*", "methods": "query"}),
            1 => {
                json!({"pattern": format!("managed/kind{number}/*"), "roles": format!("role{number},clerk"), "methods": "*", "actions": "*"})
            }
            2 => {
                json!({"pattern": format!("endpoint/service{number}/*"), "roles": "clerk,auditor", "methods": "read,action", "actions": "run"})
            }
            _ => {
                json!({"pattern": format!("system/ldap{number}/account/*"), "roles": format!("admin{number}"), "methods": "read,query", "excludePatterns": "system/ldap/*"})
            }
        },
    })
}

/// One rule a role for one and the same pattern, as who delegates by role writes them.
pub fn one_pattern() -> Vec<Work> {
    few_and_many(
        |number| json!({"pattern": "managed/user/*", "roles": format!("internal/role/tenant-{number}"), "methods": "read,patch"}),
    )
}

/// One rule a role for every path.
pub fn every_path() -> Vec<Work> {
    few_and_many(|number| json!({"pattern": "*", "roles": format!("internal/role/tenant-{number}"), "methods": "*"}))
}

/// What conditions add to a grant.
pub fn custom_authz() -> Vec<Work> {
    let with = |condition: &str, pattern: &str| {
        let mut rule = granting();
        if let Some(members) = rule.as_object_mut() {
            members.insert("pattern".to_owned(), json!(pattern));
            if !condition.is_empty() {
                members.insert("customAuthz".to_owned(), json!(condition));
            }
        }
        vec![rule]
    };
    let row = |condition: &str, beside, request: Request, pattern: &str| {
        let (name, target) = match condition {
            "" => ("no condition", None),
            FUNCTION => ("a function of many lines, in JavaScript", JAVASCRIPT),
            _ if condition.contains("indexOf") => (condition, JAVASCRIPT),
            _ => (condition, NATIVE),
        };
        work(format!("{name} [{}]", request.target), beside, target, &with(condition, pattern), request)
    };
    vec![
        row("", None, READ, "managed/user/*"),
        row("ownDataOnly()", Some(0), READ, "managed/user/*"),
        row("ownDataOnly() && disallowQueryExpression() && method === 'read'", Some(0), READ, "managed/user/*"),
        row("", None, QUERY, "managed/user"),
        row("isQueryOneOf({'managed/user': ['for-userName']})", Some(3), QUERY, "managed/user"),
        row(
            "isQueryOneOf({'managed/user': ['for-userName']}) && roles[1] === 'clerk' && isAJAXRequest()",
            Some(3),
            QUERY,
            "managed/user",
        ),
        row("roles.indexOf('clerk') >= 0", Some(0), READ, "managed/user/*"),
        row("ownDataOnly() && roles.indexOf('clerk') >= 0", Some(0), READ, "managed/user/*"),
        row(FUNCTION, Some(0), READ, "managed/user/*"),
    ]
}

const FUNCTION: &str = "(function () {
    var mine = context.security.authorization;
    var agent = context.http.headers['User-Agent'] || '';
    return roles.some(function (role) { return /^clerk$/i.test(role); }) && id === mine.component + '/' + mine.id
        && agent.length < 200;
}())";

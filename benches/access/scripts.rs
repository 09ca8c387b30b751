//! What does JavaScript cost, from the question to the answer?

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use keyward::clock::{Clock, SystemClock};
use keyward::deadline::Deadline;
use keyward::script::augment::{Asked, Settings};
use keyward::script::{AugmentScript, Bindings, Condition, Openidm, Turns};
use keyward::token::ActiveToken;
use serde_json::{Value, json};

use crate::measure::{Target, Work};
use crate::rules::{READ, principal};

/// What a condition in JavaScript may cost, in nanoseconds.
const JAVASCRIPT: Option<Target> = Some(Target::Added(150_000.0));

/// A condition, and a rewriting of the security context, each beside a call that runs nothing.
pub fn works() -> Vec<Work> {
    let nothing = Work {
        name: "nothing".to_owned(),
        beside: None,
        target: None,
        repeat: Box::new(|times| {
            Box::pin(async move {
                for time in 0..times {
                    black_box(time);
                }
            })
        }),
    };
    vec![
        nothing,
        condition("a condition: roles.indexOf('clerk') >= 0", "roles.indexOf('clerk') >= 0"),
        condition("a condition with a function of its own", FUNCTION),
        augmentation("augmentSecurityContext, one member added", AUGMENT),
    ]
}

const FUNCTION: &str = "(function () {
    var mine = context.security.authorization;
    return roles.some(function (role) { return /^clerk$/i.test(role); }) && id === mine.component + '/' + mine.id;
}())";

const AUGMENT: &str = "security.authorization.organisation = security.authenticationId.split('@').pop(); security";

fn deadline() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

fn condition(name: &str, source: &str) -> Work {
    let condition = Condition::compile(source, false).expect("a script");
    let turns = Turns::default();
    let who = principal();
    let variables = json!({
        "id": "managed/user/11aa",
        "roles": who.roles.iter().map(keyward::principal::Role::as_str).collect::<Vec<_>>(),
        "method": "read",
        "action": "",
        "request": {"method": "read", "resourcePath": "managed/user/11aa", "additionalParameters": {}},
        "context": {
            "security": who.to_json(),
            "http": {"method": "GET", "path": "/openidm/managed/user/11aa", "parameters": {}, "headers": {
                "accept": "application/json", "user-agent": "Mozilla/5.0", "x-forwarded-for": "10.1.2.3",
            }},
        },
    });
    let Value::Object(variables) = variables else { panic!("an object") };
    let repeat = move |times| {
        let (condition, turns, variables) = (condition.clone(), turns.clone(), variables.clone());
        let future = async move {
            for _ in 0..times {
                let token = Arc::new(ActiveToken::default());
                let openidm = Openidm { directory: None, token, deadline: deadline() };
                let bindings = Bindings { variables: variables.clone(), withheld: Vec::new(), openidm };
                assert_eq!(condition.holds(bindings, &turns).await, Ok(true));
            }
        };
        Box::pin(future) as std::pin::Pin<Box<dyn Future<Output = ()>>>
    };
    Work { name: name.to_owned(), beside: Some(0), target: JAVASCRIPT, repeat: Box::new(repeat) }
}

fn augmentation(name: &str, source: &str) -> Work {
    let settings = Settings { source: source.to_owned(), properties: json!({}), ..Settings::default() };
    let script = Arc::new(AugmentScript::compile(settings).expect("a script"));
    let who = principal();
    let repeat = move |times| {
        let (script, who) = (Arc::clone(&script), Arc::clone(&who));
        let future = async move {
            let (request, path) = READ.view();
            for _ in 0..times {
                let now = SystemClock.now();
                let asked = Asked { request: &request, path: &path, mapping: None, now, deadline: deadline() };
                black_box(script.run(&who, asked).await.expect("a security context"));
            }
        };
        Box::pin(future) as std::pin::Pin<Box<dyn Future<Output = ()>>>
    };
    Work { name: name.to_owned(), beside: Some(0), target: None, repeat: Box::new(repeat) }
}

//! What does a script that rewrites the security context cost, from the question to the answer?

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use keyward::clock::{Clock, SystemClock};
use keyward::deadline::Deadline;
use keyward::script::AugmentScript;
use keyward::script::augment::{Asked, Settings};
use serde_json::json;

use crate::measure::Work;
use crate::rules::{READ, principal};

/// A rewriting of the security context, beside a call that runs nothing.
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
    vec![nothing, augmentation("augmentSecurityContext, one member added", AUGMENT)]
}

const AUGMENT: &str = "security.authorization.organisation = security.authenticationId.split('@').pop(); security";

fn deadline() -> Deadline {
    Deadline::after(Duration::from_secs(20))
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

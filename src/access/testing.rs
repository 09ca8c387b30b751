//! How do tests of other modules come by a permit? Through a rule that grants, like everybody.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::Timestamp;

use super::settings::{Knowledge, Library, RuleSettings, Settings, Style};
use super::{AccessRules, Moment, Permit};
use crate::deadline::Deadline;
use crate::principal::Principal;
use crate::request::{Headers, PathPolicy, RequestPath, RequestView};

/// A permit for `principal`, of a rule called `everyone`.
pub(crate) fn permit(principal: Arc<Principal>) -> Permit {
    let everyone = RuleSettings {
        name: "everyone".to_owned(),
        pattern: "*".to_owned(),
        roles: vec!["*".to_owned()],
        methods: vec!["*".to_owned()],
        actions: None,
        exclude_patterns: Vec::new(),
        custom_authz: None,
        scopes: Vec::new(),
        when: None,
    };
    let rules = AccessRules::compile(&Settings {
        style: Style::Http,
        context_path: "/".to_owned(),
        honour_method_override: false,
        knowledge: Knowledge::default(),
        library: Library::default(),
        rules: vec![everyone],
    });
    let path = RequestPath::parse("/x", PathPolicy::default()).unwrap();
    let request = RequestView {
        method: "GET",
        target: "/x",
        host: "shop.test",
        scheme: "http",
        headers: Headers::from_list(Vec::new()),
        body: None,
        source_address: None,
        source_principal: None,
        source_certificate: None,
        context_extensions: None,
    };
    let moment = Moment { now: Timestamp::UNIX_EPOCH, deadline: Deadline::after(Duration::from_secs(1)) };
    rules.unwrap().admit(&request, &path, &principal, moment).now_or_never().unwrap().unwrap()
}

//! What did each stage find on the way of one recorded request? The way itself is the ordinary one.

use std::sync::Arc;

use super::recorded::RecordedRequest;
use super::service::AuthorizationService;
use crate::access::{Moment, RuleStep};
use crate::authorizer::{DecisionRecord, Filter};
use crate::deadline::Deadline;
use crate::decision::Decision;
use crate::request::{RequestPath, RequestView};
use crate::response::Reply;

/// A decision with everything that led to it.
#[derive(Debug, Clone)]
pub struct Explained {
    /// The filter that decided; `None`: none was found.
    pub filter: Option<Arc<str>>,
    /// What was decided.
    pub decision: Decision,
    /// What was found on the way.
    pub record: DecisionRecord,
    /// What each access rule says, where the rules were asked.
    pub rules: Vec<RuleStep>,
    /// The answer.
    pub reply: Reply,
}

impl AuthorizationService {
    /// Decides `recorded` as a check would be, and keeps what was found. Nothing is counted or audited.
    pub async fn explain(&self, recorded: &RecordedRequest, deadline: Deadline) -> Explained {
        let authorizer = self.authorizer();
        let mut record = DecisionRecord::default();
        let view = recorded.view();
        let filter = view.as_ref().and_then(|request| authorizer.select(request));
        let decision = self.decide(view.as_ref(), filter, deadline, &mut record).await;
        let reply = self.reply(view.as_ref(), filter, &decision);
        let moment = Moment { now: self.now(), deadline };
        let rules = match view.as_ref().zip(filter) {
            Some((request, filter)) => rules(request, filter, &record, moment).await,
            None => Vec::new(),
        };
        let filter = filter.map(|filter| Arc::clone(&filter.name));
        Explained { filter, decision, record, rules, reply }
    }
}

/// Empty where the request did not get as far as the rules.
async fn rules(request: &RequestView<'_>, filter: &Filter, record: &DecisionRecord, moment: Moment) -> Vec<RuleStep> {
    let Some(principal) = &record.principal else { return Vec::new() };
    let Ok(path) = RequestPath::parse(request.target, filter.path) else { return Vec::new() };
    filter.access.explain(request, &path, principal, moment).await
}

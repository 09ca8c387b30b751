//! What is there to say about the decision of one recorded request? The way itself is the ordinary one.

use super::recorded::RecordedRequest;
use super::service::AuthorizationService;
use crate::access::{Notes, Which};
use crate::authorizer::DecisionRecord;
use crate::deadline::Deadline;
use crate::explain::{Explanation, Found};

impl AuthorizationService {
    /// Decides `recorded` as a check would be, and tells how. Nothing is counted, audited or kept.
    pub async fn explain(&self, recorded: &RecordedRequest, which: Which, deadline: Deadline) -> Explanation {
        let authorizer = self.authorizer();
        let rules = Notes { of_allows: true, walk: None };
        let mut record = DecisionRecord { rules, ..DecisionRecord::default() };
        let request = recorded.view();
        let filter = request.as_ref().and_then(|request| authorizer.select(request));
        let decision = self.decide(request.as_ref(), filter, deadline, &mut record).await;
        let reply = self.reply(request.as_ref(), filter, &decision);
        let told = record.rules.walk.as_ref().map(|walk| walk.steps(which)).unwrap_or_default();
        let filter = filter.map(|filter| &*filter.name);
        let found = Found { request: request.as_ref(), filter, decision: &decision, record: &record, reply: &reply };
        Explanation::of(&found).with_rules(told)
    }
}

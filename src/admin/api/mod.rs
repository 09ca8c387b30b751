//! How does the admin listener tell about decisions? The gRPC service `keyward.admin.v1.Admin`, and its client.

pub mod client;
pub mod message;
mod service;

pub use service::AdminApi;

use std::sync::Arc;

use jiff::Timestamp;
use tonic::Status;

use crate::access::Which;
use crate::explain::recent::{Recent, is_of};
use crate::explain::{Explanation, Outcome, instant};
use message::{GetDecisionRequest, ListDecisionsRequest, ListDecisionsResponse};

/// How many decisions a list holds where the question does not say.
const USUAL_LIMIT: u32 = 100;

/// The descriptor set of the service with all its imports.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/admin.descriptors.bin"));

/// The full name of the service.
const NAME: &str = "keyward.admin.v1.Admin";

/// The paths of its methods.
const GET: &str = "/keyward.admin.v1.Admin/GetDecision";
const LIST: &str = "/keyward.admin.v1.Admin/ListDecisions";

/// Whether a text has the form of a decision's id.
#[must_use]
pub fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn get(recent: &Recent, asked: &GetDecisionRequest) -> Result<Explanation, Status> {
    if !is_id(&asked.id) {
        return Err(Status::invalid_argument("`id` is no decision's id: expected 32 hexadecimal digits"));
    }
    let which = if asked.all_rules { Which::All } else { Which::Near };
    recent.find(&asked.id.to_ascii_lowercase(), which).ok_or_else(|| Status::not_found(absent(recent)))
}

/// Why a decision may not be here.
fn absent(recent: &Recent) -> String {
    match recent.most() {
        0 => "no decisions are kept here: `explain.decisions` is 0".to_owned(),
        most => format!(
            "no such decision is kept here: the last {most} are, of this process since its start, allows only as \
             `explain.allows` says"
        ),
    }
}

fn list(recent: &Arc<Recent>, asked: &ListDecisionsRequest) -> Result<ListDecisionsResponse, Status> {
    let outcome = Outcome::try_from(asked.outcome).map_err(|_| Status::invalid_argument("`outcome` is none"))?;
    let since = match asked.since.as_ref() {
        Some(since) => Some(instant(since).ok_or_else(|| Status::invalid_argument("`since` is no time"))?),
        None => None,
    };
    let limit = if asked.limit == 0 { USUAL_LIMIT } else { asked.limit };
    let late = |decision: &Explanation, since: Timestamp| decision.time.as_ref().and_then(instant) >= Some(since);
    let wanted = |decision: &Explanation| {
        is_of(decision, outcome)
            && since.is_none_or(|since| late(decision, since))
            && (asked.reason.is_empty() || asked.reason == decision.reason)
    };
    let (decisions, left_out) = recent.list(wanted, usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(ListDecisionsResponse { decisions, left_out: u32::try_from(left_out).unwrap_or(u32::MAX) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::{Settings, timestamp};
    use tonic::Code;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn recent() -> Arc<Recent> {
        let recent = Recent::new(Settings::default());
        let of = |second, outcome: Outcome, reason: &str, id: &str| Explanation {
            id: id.to_owned(),
            time: Some(timestamp(Timestamp::from_second(second).unwrap())),
            outcome: outcome.into(),
            reason: reason.to_owned(),
            ..Explanation::default()
        };
        recent.keep(of(1, Outcome::Deny, "no_rule", ID), None);
        recent.keep(of(2, Outcome::Outage, "deadline", "b"), None);
        recent.keep(of(3, Outcome::Deny, "csrf", "c"), None);
        Arc::new(recent)
    }

    #[test]
    fn a_decision_is_found_by_its_id_and_nothing_else() {
        let get = |id: &str| get(&recent(), &GetDecisionRequest { id: id.to_owned(), all_rules: false });
        assert_eq!(get(ID).unwrap().reason, "no_rule");
        assert_eq!(get(&ID.to_uppercase()).unwrap().reason, "no_rule");
        assert_eq!(get(&ID.replace('0', "f")).unwrap_err().code(), Code::NotFound);
        for bad in ["", "b", "../../etc", &ID.replace('0', "g")] {
            assert_eq!(get(bad).unwrap_err().code(), Code::InvalidArgument, "{bad}");
        }
    }

    #[test]
    fn a_list_holds_what_was_asked_for_newest_first() {
        let ids = |asked: ListDecisionsRequest| {
            let answer = list(&recent(), &asked).unwrap();
            let ids: Vec<String> = answer.decisions.into_iter().map(|decision| decision.id).collect();
            (ids.join(" "), answer.left_out)
        };
        let any = ListDecisionsRequest::default;
        let since = Some(timestamp(Timestamp::from_second(2).unwrap()));
        assert_eq!(ids(any()), (format!("c b {ID}"), 0));
        assert_eq!(ids(ListDecisionsRequest { limit: 1, ..any() }), ("c".to_owned(), 2));
        assert_eq!(ids(ListDecisionsRequest { since, ..any() }), ("c b".to_owned(), 0));
        assert_eq!(ids(ListDecisionsRequest { outcome: Outcome::Outage.into(), ..any() }), ("b".to_owned(), 0));
        assert_eq!(ids(ListDecisionsRequest { reason: "csrf".to_owned(), ..any() }), ("c".to_owned(), 0));
        let bad = ListDecisionsRequest { outcome: 9, ..any() };
        assert_eq!(list(&recent(), &bad).unwrap_err().code(), Code::InvalidArgument);
    }
}

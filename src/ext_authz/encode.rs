//! How does a reply look in Envoy's words? Every answer built here has a status: one without is an allow to Envoy.

use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{CheckResponse, DeniedHttpResponse, OkHttpResponse};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{ListValue, NullValue, Struct, Value as ProtoValue};
use envoy_types::pb::google::rpc::Status;
use http::{HeaderName, StatusCode};
use serde_json::{Map, Value};

use crate::principal::Principal;
use crate::response::{Metadata, Pass, Refusal, Reply};

/// `google.rpc.Code.OK`: the only one that Envoy takes for an allow.
const OK: i32 = 0;
const INVALID_ARGUMENT: i32 = 3;
const PERMISSION_DENIED: i32 = 7;
const UNAVAILABLE: i32 = 14;
const UNAUTHENTICATED: i32 = 16;

/// The header in which a refused client is told the decision's id. One that a client sends is read by nobody.
const DECISION_HEADER: HeaderName = HeaderName::from_static("x-keyward-decision");

/// The id of the decision that is answered, and who is told.
#[derive(Debug, Clone, Copy)]
pub struct Identified<'a> {
    /// The id, for the dynamic metadata.
    pub id: &'a str,
    /// Whether a client that is refused reads it, too. One that passes never does.
    pub tell_client: bool,
}

/// The CheckResponse for `reply`.
#[must_use]
pub fn encode(reply: Reply, decision: Identified<'_>) -> CheckResponse {
    match reply {
        Reply::Pass(pass) => allow(pass, decision),
        Reply::Refuse(refusal) => refuse(refusal, decision, HttpResponse::DeniedResponse),
        Reply::Error(refusal) => refuse(refusal, decision, HttpResponse::ErrorResponse),
    }
}

fn allow(pass: Pass, decision: Identified<'_>) -> CheckResponse {
    let ok = OkHttpResponse {
        headers: pass.set.into_iter().map(header).collect(),
        headers_to_remove: pass.remove,
        query_parameters_to_remove: pass.remove_query_parameters,
        response_headers_to_add: pass.response_headers.into_iter().map(response_header).collect(),
        ..OkHttpResponse::default()
    };
    response(OK, proto_metadata(pass.metadata, decision.id), HttpResponse::OkResponse(ok))
}

fn refuse(
    refusal: Refusal,
    decision: Identified<'_>,
    form: impl FnOnce(DeniedHttpResponse) -> HttpResponse,
) -> CheckResponse {
    let code = grpc_code(refusal.status);
    let id = decision.tell_client.then(|| (DECISION_HEADER, decision.id.to_owned()));
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus { code: i32::from(refusal.status.as_u16()) }),
        headers: refusal.headers.into_iter().chain(id).map(header).collect(),
        body: refusal.body,
    };
    response(code, proto_metadata(refusal.metadata, decision.id), form(denied))
}

/// The one place that builds an answer. INVARIANT: `status` is there; `OK` only with an `ok_response`.
fn response(code: i32, metadata: Struct, http: HttpResponse) -> CheckResponse {
    CheckResponse {
        status: Some(Status { code, ..Status::default() }),
        dynamic_metadata: Some(metadata),
        http_response: Some(http),
    }
}

/// Never `OK`, whatever the status: an unknown one is a plain denial.
fn grpc_code(status: StatusCode) -> i32 {
    match status {
        StatusCode::BAD_REQUEST => INVALID_ARGUMENT,
        StatusCode::UNAUTHORIZED => UNAUTHENTICATED,
        status if status.is_server_error() => UNAVAILABLE,
        _ => PERMISSION_DENIED,
    }
}

/// `append` stays unset: Envoy then replaces what the client sent. `value`, for Envoy drops `raw_value` here.
fn header((name, value): (HeaderName, String)) -> HeaderValueOption {
    let header = HeaderValue { key: name.as_str().to_owned(), value, ..HeaderValue::default() };
    HeaderValueOption { header: Some(header), ..HeaderValueOption::default() }
}

/// Towards the client Envoy honours `append_action`: what the upstream sent under our name is replaced.
fn response_header(edit: (HeaderName, String)) -> HeaderValueOption {
    HeaderValueOption { append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(), ..header(edit) }
}

fn proto_metadata(metadata: Metadata, decision_id: &str) -> Struct {
    match metadata {
        Metadata::Allowed { filter, permit } => members([
            ("decision", text("allow")),
            ("decisionId", text(decision_id)),
            ("filter", text(&filter)),
            ("rule", text(permit.rule())),
            ("securityContext", security_context(permit.principal())),
        ]),
        Metadata::Refused { decision, filter, reason } => {
            let (id, filter) = (text(decision_id), text(&filter));
            members([("decision", text(decision)), ("decisionId", id), ("filter", filter), ("reason", text(reason))])
        }
    }
}

/// The same members as [`Principal::to_json`], without the way through JSON.
fn security_context(principal: &Principal) -> ProtoValue {
    let mut authorization = struct_of(principal.extra.clone());
    let roles = principal.roles.iter().map(|role| text(role.as_str())).collect();
    let roles = ProtoValue { kind: Some(Kind::ListValue(ListValue { values: roles })) };
    authorization.fields.insert("id".to_owned(), text(&principal.id));
    authorization.fields.insert("component".to_owned(), text(&principal.component));
    authorization.fields.insert("roles".to_owned(), roles);
    let context = members([
        ("authenticationId", text(&principal.authentication_id)),
        ("authorization", ProtoValue { kind: Some(Kind::StructValue(authorization)) }),
    ]);
    ProtoValue { kind: Some(Kind::StructValue(context)) }
}

fn members<const N: usize>(members: [(&str, ProtoValue); N]) -> Struct {
    Struct { fields: members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect() }
}

fn text(text: &str) -> ProtoValue {
    ProtoValue { kind: Some(Kind::StringValue(text.to_owned())) }
}

fn struct_of(members: Map<String, Value>) -> Struct {
    Struct { fields: members.into_iter().map(|(name, value)| (name, proto_value(value))).collect() }
}

fn proto_value(value: Value) -> ProtoValue {
    let kind = match value {
        Value::Null => Kind::NullValue(NullValue::NullValue.into()),
        Value::Bool(value) => Kind::BoolValue(value),
        Value::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or_default()),
        Value::String(value) => Kind::StringValue(value),
        Value::Array(values) => Kind::ListValue(ListValue { values: values.into_iter().map(proto_value).collect() }),
        Value::Object(members) => Kind::StructValue(struct_of(members)),
    };
    ProtoValue { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::StatusCode;
    use serde_json::json;

    use super::{Identified, encode, grpc_code, proto_value, security_context};
    use crate::principal::{Origin, Principal, Role};
    use crate::response::{Metadata, Refusal, Reply};

    #[test]
    fn the_security_context_is_the_one_of_the_header() {
        let roles = ["a", "b"].into_iter().filter_map(Role::new).collect();
        let mut principal = Principal::new("n", "managed/user", "1", roles, Origin::Anonymous).unwrap();
        principal.extra = json!({ "moduleId": "m", "id": "forged", "deep": { "list": [1, null, true] } })
            .as_object()
            .unwrap()
            .clone();
        assert_eq!(security_context(&principal), proto_value(principal.to_json()));
    }

    #[test]
    fn no_refusal_lacks_a_status_or_has_the_code_of_an_allow() {
        for status in (100..600).filter_map(|status| StatusCode::from_u16(status).ok()) {
            assert_ne!(grpc_code(status), 0, "{status}");
            let metadata = Metadata::Refused { decision: "deny", filter: Arc::from("f"), reason: "no_rule" };
            let refusal = Refusal { status, headers: Vec::new(), body: String::new(), metadata };
            for reply in [Reply::Refuse(refusal.clone()), Reply::Error(refusal)] {
                let answer = encode(reply, Identified { id: "1", tell_client: true });
                assert!(answer.status.is_some_and(|status| status.code != 0));
                assert!(answer.http_response.is_some());
            }
        }
    }
}

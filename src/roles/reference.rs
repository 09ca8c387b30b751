//! Which role does a relationship element name? (B15, B16, J7)

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// The full name of the role that `element` refers to: collection, `/`, decoded id. `None` where it refers to nothing.
///
/// `_ref` counts first; `_refResourceCollection` and `_refResourceId` only where it is absent or `null` (B16).
pub(crate) fn full_name(element: &Map<String, Value>) -> Option<String> {
    match element.get("_ref") {
        Some(Value::String(reference)) => from_reference(reference),
        None | Some(Value::Null) => from_parts(element),
        Some(_) => None,
    }
}

/// The last segment of the name, as 6.x and older have it (J7).
pub(super) fn leaf_name(element: &Map<String, Value>) -> Option<String> {
    match element.get("_ref") {
        Some(Value::String(reference)) => decode(split(reference)?.1),
        None | Some(Value::Null) => text(element, "_refResourceId").map(str::to_owned),
        Some(_) => None,
    }
}

fn from_reference(reference: &str) -> Option<String> {
    let (collection, id) = split(reference)?;
    let id = decode(id)?;
    Some(if collection.is_empty() { id } else { format!("{collection}/{id}") })
}

fn from_parts(element: &Map<String, Value>) -> Option<String> {
    let collection = text(element, "_refResourceCollection")?.trim_matches('/');
    let id = text(element, "_refResourceId")?;
    (!collection.is_empty()).then(|| format!("{collection}/{id}"))
}

/// Collection (may be empty) and id, still encoded. A slash around the whole is ignored (D4).
fn split(reference: &str) -> Option<(&str, &str)> {
    let reference = reference.strip_prefix('/').unwrap_or(reference);
    let reference = reference.strip_suffix('/').unwrap_or(reference);
    let (collection, id) = reference.rsplit_once('/').unwrap_or(("", reference));
    (!id.is_empty()).then_some((collection, id))
}

fn decode(id: &str) -> Option<String> {
    percent_decode_str(id).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn text<'v>(element: &'v Map<String, Value>, member: &str) -> Option<&'v str> {
    element.get(member).and_then(Value::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{full_name, leaf_name};

    #[test]
    fn a_reference_is_the_collection_and_the_decoded_id() {
        for (element, full, leaf) in [
            (json!({"_ref": "internal/role/clerk"}), Some("internal/role/clerk"), Some("clerk")),
            (json!({"_ref": "repo/internal/role/a%20b"}), Some("repo/internal/role/a b"), Some("a b")),
            (json!({"_ref": "/managed/role/x/"}), Some("managed/role/x"), Some("x")),
            (json!({"_ref": "managed/role/%C3%BC"}), Some("managed/role/ü"), Some("ü")),
            (json!({"_ref": "managed/role/a+b~1"}), Some("managed/role/a+b~1"), Some("a+b~1")),
            (json!({"_ref": "clerk"}), Some("clerk"), Some("clerk")),
            (
                json!({"_refResourceCollection": "managed/role", "_refResourceId": "x"}),
                Some("managed/role/x"),
                Some("x"),
            ),
            (
                json!({"_ref": null, "_refResourceCollection": "managed/role", "_refResourceId": "x"}),
                Some("managed/role/x"),
                Some("x"),
            ),
            (
                json!({"_ref": "a/b", "_refResourceCollection": "managed/role", "_refResourceId": "x"}),
                Some("a/b"),
                Some("b"),
            ),
            (json!({"_ref": 7}), None, None),
            (json!({"_ref": 7, "_refResourceCollection": "a", "_refResourceId": "x"}), None, None),
            (json!({"_ref": ""}), None, None),
            (json!({"_ref": "/"}), None, None),
            (json!({"_ref": "managed/role/%FF"}), None, None),
            (json!({"_refResourceCollection": "managed/role"}), None, None),
            (json!({"name": "clerk"}), None, None),
        ] {
            let record = element.as_object().expect("an object");
            assert_eq!(full_name(record).as_deref(), full, "{element}");
            assert_eq!(leaf_name(record).as_deref(), leaf, "{element}");
        }
    }
}

//! Are the messages that are written by hand those of `proto/keyward/admin/v1/admin.proto`, field by field?

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use keyward::admin::api::DESCRIPTORS;
use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};

use crate::support::clone_path;

/// Where the messages stand.
const FILES: [&str; 2] = ["src/explain/message.rs", "src/admin/api/message.rs"];
/// The one that has another name in Rust, where a decision is something else.
const RENAMED: (&str, &str) = ("Explanation", "Decision");

/// Name → number, and what stands there: the words of `#[prost(…)]`, and for messages and enums their type.
type Fields = BTreeMap<String, (i32, String)>;

/// The messages of the proto, and the values of its enums.
fn proto() -> (BTreeMap<String, Fields>, BTreeMap<String, BTreeMap<String, i32>>) {
    let set = FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    let file: &FileDescriptorProto = set.file.iter().find(|file| file.package() == "keyward.admin.v1").unwrap();
    let field = |field: &FieldDescriptorProto| (field.name().to_owned(), (field.number(), words(field)));
    let messages = file.message_type.iter();
    let messages = messages.map(|message| {
        assert!(message.nested_type.is_empty() && message.extension.is_empty(), "{} is not flat", message.name());
        (message.name().to_owned(), message.field.iter().map(field).collect())
    });
    let enums = file.enum_type.iter().map(|found| {
        let values = found.value.iter().map(|value| (value.name().to_owned(), value.number()));
        (found.name().to_owned(), values.collect())
    });
    (messages.collect(), enums.collect())
}

/// A field as prost's attribute says it.
fn words(field: &FieldDescriptorProto) -> String {
    let named = field.type_name().rsplit('.').next().unwrap_or_default();
    let kind = match field.r#type() {
        Type::String => "string".to_owned(),
        Type::Bool => "bool".to_owned(),
        Type::Uint32 => "uint32".to_owned(),
        Type::Message => format!("message {named}"),
        Type::Enum => format!("enumeration {named}"),
        other => panic!("{}: no message here has a {other:?} yet", field.name()),
    };
    let is_message = field.r#type() == Type::Message;
    match field.label() {
        Label::Repeated => format!("{kind} repeated"),
        // A message that stands alone can always be absent.
        _ if field.proto3_optional() || is_message => format!("{kind} optional"),
        _ => kind,
    }
}

/// The messages as they are written, read from their source.
fn written() -> BTreeMap<String, Fields> {
    let mut messages = BTreeMap::<String, Fields>::new();
    for file in FILES {
        let text = fs::read_to_string(clone_path(file)).unwrap();
        for block in text.split("pub struct ").skip(1) {
            let (name, rest) = block.split_once(" {\n").unwrap();
            let name = if name == RENAMED.0 { RENAMED.1 } else { name };
            let body = rest.split("\n}\n").next().unwrap();
            let fields = body.split("#[prost(").skip(1).map(|field| {
                let (attribute, rest) = field.split_once(")]\n").unwrap();
                let (name, kind) = rest.trim().strip_prefix("pub ").unwrap().split_once(": ").unwrap();
                let (number, words) = read_attribute(attribute, kind.lines().next().unwrap().trim_end_matches(','));
                (name.to_owned(), (number, words))
            });
            let fields: Fields = fields.collect();
            assert_eq!(body.matches("pub ").count(), fields.len(), "{name}: a field without an attribute");
            messages.insert(name.to_owned(), fields);
        }
    }
    messages
}

/// `string, repeated, tag = "4"` and the type in Rust.
fn read_attribute(attribute: &str, kind: &str) -> (i32, String) {
    let parts: Vec<&str> = attribute.split(", ").collect();
    let (number, rest) = parts.split_last().unwrap();
    let number = number.strip_prefix("tag = \"").unwrap().strip_suffix('"').unwrap().parse().unwrap();
    let innermost = kind.rsplit('<').next().unwrap().trim_end_matches('>');
    let innermost = if innermost == RENAMED.0 { RENAMED.1 } else { innermost };
    let words = rest.iter().map(|word| match word.strip_prefix("enumeration = ") {
        Some(name) => format!("enumeration {}", name.trim_matches('"')),
        None if *word == "message" => format!("message {innermost}"),
        None => (*word).to_owned(),
    });
    (number, words.collect::<Vec<_>>().join(" "))
}

#[test]
fn messages_written_by_hand_have_the_fields_of_the_proto_with_their_numbers_and_types() {
    let (proto, written) = (proto().0, written());
    assert_eq!(proto.keys().collect::<BTreeSet<_>>(), written.keys().collect());
    for (message, fields) in &proto {
        assert_eq!(fields, &written[message], "{message}: the proto, and what is written");
    }
    assert!(proto["Decision"].len() > 15, "the proto was read");
}

#[test]
fn outcomes_have_the_numbers_of_the_proto() {
    use keyward::explain::Outcome;

    let enums = proto().1;
    assert_eq!(enums.keys().collect::<Vec<_>>(), ["Outcome"]);
    let ours = [Outcome::Unspecified, Outcome::Allow, Outcome::Deny, Outcome::Outage];
    let ours = ours.map(|outcome| (format!("OUTCOME_{}", outcome.as_str().to_uppercase()), outcome as i32));
    assert_eq!(enums["Outcome"], BTreeMap::from(ours));
}

//! What is known of IDM's own configuration?

use std::collections::{HashMap, HashSet};

use super::{Context, Here};
use crate::access::settings::{IdmOnly, Knowledge, ManagedObject, Style};
use crate::config::raw;
use crate::config::tree::{Kind, Node};

/// `access.idm` and `access.idmOnlyRules`.
pub(super) fn knowledge(
    cx: &mut Context<'_>,
    access: &Here<'_>,
    idm: Option<raw::IdmConfiguration>,
    idm_only: Option<raw::IdmOnlyRules>,
    style: Style,
) -> Knowledge {
    let here = access.child("idm");
    if style == Style::Http && idm.is_some() {
        cx.warning(&here, "is not asked for: `customAuthz` needs `style: crest`");
    }
    let idm = idm.unwrap_or_default();
    let ui = here.child("uiConfiguration").child("configuration");
    Knowledge {
        ui_flags: idm.ui_configuration.map(|_| ui_flags(cx, &ui)),
        managed: idm.managed.map(|managed| objects(cx, &here.child("managed").child("objects"), managed)),
        features: idm.features.map(HashSet::from_iter),
        idm_only: match idm_only {
            None | Some(raw::IdmOnlyRules::Refuse) => IdmOnly::Refuse,
            Some(raw::IdmOnlyRules::NeverGrant) => IdmOnly::NeverGrant,
        },
    }
}

/// The flags that JavaScript takes for true, as IDM does.
fn ui_flags(cx: &mut Context<'_>, here: &Here<'_>) -> HashSet<String> {
    let mut on = HashSet::new();
    for entry in here.node.map(Node::entries).unwrap_or_default() {
        let counts = match &entry.node.kind {
            Kind::Null => false,
            Kind::Bool(flag) => *flag,
            Kind::Number(number) => number.as_f64().is_some_and(|number| number != 0.0),
            Kind::Text(text) => !text.is_empty(),
            Kind::List(_) | Kind::Map(_) => true,
        };
        if entry.node.text().is_some_and(|text| text.eq_ignore_ascii_case("false")) {
            let message = "is a text, which counts as true like any other; write `false` without quotes, or `$bool`";
            cx.warning(&here.child(&entry.key), message);
        }
        if counts {
            on.insert(entry.key.clone());
        }
    }
    on
}

/// An object without a schema is as good as none, as in IDM.
fn objects(cx: &mut Context<'_>, here: &Here<'_>, managed: raw::Managed) -> HashMap<String, ManagedObject> {
    let mut objects = HashMap::new();
    let mut seen = HashSet::new();
    for (index, object) in managed.objects.into_iter().enumerate() {
        if !seen.insert(object.name.clone()) {
            cx.problem(&here.item(index).child("name"), "found the name of another object; keep one of them");
        }
        let Some(properties) = object.schema.and_then(|schema| schema.properties) else { continue };
        let mut marked = ManagedObject::default();
        for (name, property) in properties {
            if property.user_editable == Some(true) {
                marked.user_editable.insert(name.clone());
            }
            if property.is_protected == Some(true) {
                marked.protected.insert(name);
            }
        }
        objects.insert(object.name, marked);
    }
    objects
}

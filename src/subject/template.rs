//! In which collection does a token's user live? A collection name that may be a handlebars template over the claims (B12).

use std::fmt;
use std::sync::Arc;

use handlebars::{
    Context, Handlebars, Helper, HelperDef, RenderContext, RenderError, RenderErrorReason, ScopedJson, TemplateError,
    no_escape,
};
use serde_json::{Map, Value};

/// The name a template is registered under.
const NAME: &str = "collection";

/// A collection name, rendered per token only where it has to be.
pub(super) enum Template {
    /// Nothing to fill in.
    Literal(Arc<str>),
    /// Handlebars over the claims. Boxed: a registry of its own.
    Rendered(Box<Handlebars<'static>>),
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => f.debug_tuple("Literal").field(text).finish(),
            Self::Rendered(registry) => {
                f.debug_tuple("Rendered").field(&registry.get_template(NAME).map(|t| &t.name)).finish()
            }
        }
    }
}

impl Template {
    /// Compiles `text`; the error says what is wrong with it.
    pub(super) fn compile(text: &str) -> Result<Self, String> {
        if !text.contains("{{") {
            return match is_safe_path(text) {
                true => Ok(Self::Literal(text.into())),
                false => Err(format!(
                    "`{text}` is no collection: it needs segments joined by `/`, none of them empty, `.` or `..`"
                )),
            };
        }
        let mut registry = Handlebars::new();
        // A field the token lacks is an error and not an empty text: no template may lead to a collection by accident.
        registry.set_strict_mode(true);
        registry.register_escape_fn(no_escape);
        registry.register_helper("substring", Box::new(Substring));
        // The whole error draws the text over several lines; its reason is one.
        let no_template = |error: TemplateError| format!("`{text}` is no template: {}", error.reason());
        registry.register_template_string(NAME, text).map_err(no_template)?;
        Ok(Self::Rendered(Box::new(registry)))
    }

    /// The collection for a token with `claims`; `None` where the result is no safe path (B13).
    pub(super) fn render(&self, claims: &Map<String, Value>) -> Option<Arc<str>> {
        let registry = match self {
            Self::Literal(text) => return Some(Arc::clone(text)),
            Self::Rendered(registry) => registry,
        };
        let mut claims = claims.clone();
        // An absent realm is empty (B13).
        claims.entry("realm").or_insert_with(|| Value::String(String::new()));
        let text = registry.render(NAME, &claims).ok()?;
        is_safe_path(&text).then(|| text.into())
    }
}

/// `{{substring text start [end]}}`: zero-based, counted in characters, `end` excluded; what lies outside is left out (B12).
struct Substring;

impl HelperDef for Substring {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let wrong = |what: &str| RenderError::from(RenderErrorReason::Other(format!("substring: {what}")));
        let text = match helper.param(0).map(|p| p.value()) {
            Some(Value::String(text)) => text.as_str(),
            _ => return Err(wrong("the first parameter is no text")),
        };
        let index = |nth: usize| match helper.param(nth).map(|p| p.value()) {
            None => Ok(None),
            Some(value) => value
                .as_u64()
                .and_then(|n| usize::try_from(n).ok())
                .map(Some)
                .ok_or_else(|| wrong("an index is no whole number")),
        };
        let start = index(1)?.ok_or_else(|| wrong("there is no start"))?;
        let length = index(2)?.map_or(usize::MAX, |end| end.saturating_sub(start));
        let part: String = text.chars().skip(start).take(length).collect();
        Ok(ScopedJson::Derived(Value::String(part)))
    }
}

/// Whether `path` can be a collection: not empty, no empty segment, no dot segment, nothing that means more than a name
/// in a URL or a log (B13).
///
/// SECURITY: parts of it may come from the token; `..` must not lead out of the collection the operator named.
pub(super) fn is_safe_path(path: &str) -> bool {
    let legal = |c: char| !c.is_control() && !matches!(c, '\\' | '%' | '?' | '#' | ';');
    path.chars().all(legal) && path.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

//! What is a value in JavaScript, and when do two of them count as equal?

use serde_json::Value;

use super::lexer::is_space;

/// A value of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Js {
    /// `undefined`.
    Undefined,
    /// Any value that JSON knows too.
    Json(Value),
}

impl Js {
    /// A text.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Json(Value::String(text.into()))
    }

    /// Whether the value counts as true.
    pub(super) fn is_truthy(&self) -> bool {
        match self {
            Self::Undefined | Self::Json(Value::Null) => false,
            Self::Json(Value::Bool(flag)) => *flag,
            Self::Json(Value::Number(number)) => {
                number.as_f64().is_some_and(|number| number != 0.0 && !number.is_nan())
            }
            Self::Json(Value::String(text)) => !text.is_empty(),
            Self::Json(Value::Array(_) | Value::Object(_)) => true,
        }
    }

    /// `===`.
    ///
    /// # Errors
    /// Lists and objects are compared by identity in JavaScript, which is never what a rule means.
    pub(super) fn strictly_equals(&self, other: &Self) -> Result<bool, String> {
        self.refuse_compound()?;
        other.refuse_compound()?;
        Ok(match (self, other) {
            (Self::Json(Value::Number(left)), Self::Json(Value::Number(right))) => left.as_f64() == right.as_f64(),
            _ => self == other,
        })
    }

    /// `==`.
    ///
    /// # Errors
    /// As [`Js::strictly_equals`]; and for a text that JavaScript would read as hexadecimal or as infinite.
    pub(super) fn loosely_equals(&self, other: &Self) -> Result<bool, String> {
        let absent = |value: &Self| matches!(value, Self::Undefined | Self::Json(Value::Null));
        if absent(self) || absent(other) {
            return Ok(absent(self) && absent(other));
        }
        match (self, other) {
            (Self::Json(Value::String(_)), Self::Json(Value::String(_))) => self.strictly_equals(other),
            _ => {
                self.refuse_compound()?;
                other.refuse_compound()?;
                Ok(self.number()? == other.number()?)
            }
        }
    }

    /// A member: of an object, or `length` and the items of a list, or the `length` of a text.
    ///
    /// # Errors
    /// JavaScript would throw, or find a member that every object inherits.
    pub(super) fn member(&self, key: &Self) -> Result<Self, String> {
        let name = key.as_text()?;
        match self {
            Self::Json(Value::Object(members)) => match members.get(&name) {
                Some(value) => Ok(Self::Json(value.clone())),
                None if INHERITED.contains(&name.as_str()) => Err(format!("`{name}` is a member that objects inherit")),
                None => Ok(Self::Undefined),
            },
            Self::Json(Value::Array(items)) if name == "length" => Ok(Self::Json(items.len().into())),
            Self::Json(Value::Array(items)) => {
                match name.parse::<usize>().ok().filter(|place| place.to_string() == name) {
                    Some(place) => Ok(items.get(place).map_or(Self::Undefined, |item| Self::Json(item.clone()))),
                    None => Err(format!("a list has no `{name}` here; `length` and its items can be read")),
                }
            }
            Self::Json(Value::String(text)) if name == "length" => Ok(Self::Json(text.encode_utf16().count().into())),
            _ => Err(format!("cannot read `{name}` of {}", self.kind())),
        }
    }

    /// The text of a value in a sum.
    ///
    /// # Errors
    /// JavaScript would write `undefined`, `null`, `[object Object]` or `1e+21`, which no rule means.
    pub(super) fn as_text(&self) -> Result<String, String> {
        match self {
            Self::Json(Value::String(text)) => Ok(text.clone()),
            Self::Json(Value::Bool(flag)) => Ok(flag.to_string()),
            Self::Json(Value::Number(number)) => match number.as_f64() {
                Some(0.0) => Ok("0".to_owned()),
                Some(number) if (1e-6..1e21).contains(&number.abs()) => Ok(number.to_string()),
                _ => Err("so large or small a number cannot become text".to_owned()),
            },
            Self::Undefined | Self::Json(_) => Err(format!("{} cannot become text", self.kind())),
        }
    }

    /// What the value is, for messages; never what it holds.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Undefined => "undefined",
            Self::Json(Value::Null) => "null",
            Self::Json(Value::Bool(_)) => "a boolean",
            Self::Json(Value::Number(_)) => "a number",
            Self::Json(Value::String(_)) => "a text",
            Self::Json(Value::Array(_)) => "a list",
            Self::Json(Value::Object(_)) => "an object",
        }
    }

    fn refuse_compound(&self) -> Result<(), String> {
        match self {
            Self::Json(Value::Array(_) | Value::Object(_)) => Err(format!("{} cannot be compared", self.kind())),
            _ => Ok(()),
        }
    }

    /// The number that `==` makes of a text or a boolean; NaN, which equals nothing, where it makes none.
    fn number(&self) -> Result<f64, String> {
        Ok(match self {
            Self::Json(Value::Number(number)) => number.as_f64().unwrap_or(f64::NAN),
            Self::Json(Value::Bool(flag)) => f64::from(u8::from(*flag)),
            Self::Json(Value::String(text)) => {
                let text = text.trim_matches(is_space);
                let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
                let prefix = text.get(..2).unwrap_or_default().to_ascii_lowercase();
                if ["0x", "0o", "0b"].contains(&prefix.as_str()) || text.ends_with("Infinity") {
                    return Err("a text in another notation than the decimal one is compared with a number".to_owned());
                }
                if text.is_empty() { 0.0 } else { text.parse().ok().filter(|_| plain).unwrap_or(f64::NAN) }
            }
            Self::Undefined | Self::Json(_) => f64::NAN,
        })
    }
}

const INHERITED: [&str; 12] = [
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
    "__proto__",
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
];

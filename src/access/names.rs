//! Is a name among those a rule lists? IDM's way of comparing roles, methods and actions (E9–E11).

/// The items of `roles`, `methods` or `actions`.
#[derive(Debug, Clone)]
pub(super) struct Names {
    any: bool,
    items: Box<[Name]>,
}

#[derive(Debug, Clone)]
struct Name {
    written: Box<str>,
    lowered: Box<str>,
}

impl Names {
    /// Takes the items as written. Exactly one item `*` is every name; a `*` beside others is a name like any other (E9).
    pub(super) fn new(items: &[String]) -> Self {
        let name = |item: &String| Name { written: item.as_str().into(), lowered: item.to_lowercase().into() };
        Self { any: matches!(items, [only] if only == "*"), items: items.iter().map(name).collect() }
    }

    /// Whether the list is `*`.
    pub(super) fn any(&self) -> bool {
        self.any
    }

    /// Whether `name` is listed, or every name is.
    ///
    /// Case is ignored by lower-casing both texts as Java and JavaScript do, not by folding: É is é, the Kelvin sign
    /// is k, ß is not SS, and İ is not i (E9).
    pub(super) fn has(&self, name: &str) -> bool {
        if self.any {
            return true;
        }
        if name.is_ascii() {
            // An item that is lowered holds no upper-case letter, so this compares the lower-cased name.
            return self.items.iter().any(|item| name.eq_ignore_ascii_case(&item.lowered));
        }
        let lowered = name.to_lowercase();
        self.items.iter().any(|item| *item.lowered == *lowered)
    }

    /// The items in lower case.
    pub(super) fn lowered(&self) -> impl Iterator<Item = &str> {
        self.items.iter().map(|item| &*item.lowered)
    }

    /// The items for people, each in backticks.
    pub(super) fn for_people(&self) -> String {
        quoted(self.items.iter().map(|item| &*item.written))
    }
}

/// Names for people: `` `a`, `b` ``, or `nothing`.
pub(super) fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for name in names {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push('`');
        text.push_str(name);
        text.push('`');
    }
    if text.is_empty() { "nothing".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::{Names, quoted};

    fn has(list: &str, name: &str) -> bool {
        let items: Vec<String> = list.split(',').map(str::to_owned).collect();
        Names::new(&items).has(name)
    }

    #[test]
    fn names_are_compared_by_unicode_lower_case_and_never_trimmed() {
        for (list, name, listed) in [
            ("*", "x", true),
            ("*", "", true),
            ("*,x", "y", false),
            ("*,x", "*", true),
            ("*,x", "X", true),
            ("a,b", "B", true),
            ("a, b", "b", false),
            ("a, b", " B", true),
            ("", "a", false),
            ("", "", true),
            ("É", "é", true),
            ("\u{212a}", "k", true),
            ("k", "\u{212a}", true),
            ("straße", "STRASSE", false),
            ("straße", "STRAßE", true),
            ("İ", "i", false),
            ("i", "İ", false),
            ("İ", "İ", true),
            ("ſ", "s", false),
        ] {
            assert_eq!(has(list, name), listed, "{name:?} in {list:?}");
        }
    }

    #[test]
    fn an_empty_list_has_nobody() {
        assert!(!Names::new(&[]).has(""));
        assert_eq!(quoted(std::iter::empty()), "nothing");
    }
}

//! Which paths does a rule speak of? IDM's three forms of a pattern (E7), and path parameters in `http` style.

/// A compiled `pattern` or item of `excludePatterns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pattern {
    /// `*`: every path, the empty one too.
    Any,
    /// The path itself, letter for letter.
    Exact(Box<str>),
    /// Whatever begins with this text, which ends in a slash: the pattern without its final `*`.
    Under(Box<str>),
    /// Segment by segment, some of them parameters (`http` style only).
    Template(Template),
}

/// A pattern with path parameters, e.g. `/users/{id}/*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    segments: Box<[Segment]>,
    /// The pattern ends in `/*`: at least one more segment follows.
    open: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    Parameter(Box<str>),
}

impl Pattern {
    /// Reads a pattern of `crest` style: every text is legal (E7).
    pub(super) fn crest(text: &str) -> Self {
        if text == "*" {
            Self::Any
        } else if text.ends_with("/*") {
            Self::Under(text.strip_suffix('*').unwrap_or(text).into())
        } else {
            Self::Exact(text.into())
        }
    }

    /// Reads a pattern of `http` style: `*`, or a path that begins with `/` and may hold parameters.
    ///
    /// # Errors
    /// What was found, what is expected, and what to do.
    pub(super) fn http(text: &str) -> Result<Self, String> {
        if text != "*" && !text.starts_with('/') {
            return Err(not_absolute(text));
        }
        if !text.contains(['{', '}']) {
            return Ok(Self::crest(text));
        }
        Template::parse(text).map(Self::Template)
    }

    /// Whether the pattern covers `path` (E7).
    pub(super) fn matches(&self, path: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(text) => **text == *path,
            Self::Under(prefix) => path.starts_with(&**prefix),
            Self::Template(template) => template.matches(path),
        }
    }

    /// The path parameters of a path that the pattern covers, as name and segment.
    pub(super) fn parameters<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let template = match self {
            Self::Template(template) => Some(template),
            Self::Any | Self::Exact(_) | Self::Under(_) => None,
        };
        template.into_iter().flat_map(|template| template.segments.iter()).zip(path.split('/').skip(1)).filter_map(
            |(segment, value)| match segment {
                Segment::Parameter(name) => Some((&**name, value)),
                Segment::Literal(_) => None,
            },
        )
    }

    /// The names of the path parameters.
    pub(super) fn parameter_names(&self) -> impl Iterator<Item = &str> {
        let segments = match self {
            Self::Template(template) => &*template.segments,
            Self::Any | Self::Exact(_) | Self::Under(_) => &[],
        };
        segments.iter().filter_map(|segment| match segment {
            Segment::Parameter(name) => Some(&**name),
            Segment::Literal(_) => None,
        })
    }
}

impl Template {
    fn parse(text: &str) -> Result<Self, String> {
        let (path, open) = match text.strip_suffix("/*") {
            Some(path) => (path, true),
            None => (text, false),
        };
        let mut segments = Vec::new();
        for segment in path.split('/').skip(1) {
            let segment = parse_segment(segment, text)?;
            if let Segment::Parameter(name) = &segment
                && segments.contains(&segment)
            {
                return Err(format!(
                    "the path parameter `{{{name}}}` stands twice in `{text}`; give each its own name"
                ));
            }
            segments.push(segment);
        }
        Ok(Self { segments: segments.into(), open })
    }

    fn matches(&self, path: &str) -> bool {
        let Some(path) = path.strip_prefix('/') else { return false };
        let mut rest = path.split('/');
        for segment in &self.segments {
            let Some(value) = rest.next() else { return false };
            let fits = match segment {
                Segment::Literal(text) => **text == *value,
                Segment::Parameter(_) => !value.is_empty(),
            };
            if !fits {
                return false;
            }
        }
        rest.next().is_some() == self.open
    }

    /// The literal segments before the first parameter, each with its slash in front: what every match begins with.
    pub(super) fn literal_prefix(&self) -> String {
        let mut prefix = String::new();
        for segment in &self.segments {
            let Segment::Literal(text) = segment else { break };
            prefix.push('/');
            prefix.push_str(text);
        }
        prefix
    }
}

fn parse_segment(segment: &str, pattern: &str) -> Result<Segment, String> {
    if !segment.contains(['{', '}']) {
        return Ok(Segment::Literal(segment.into()));
    }
    let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
    let mut letters = name.chars();
    let starts_well = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    if starts_well && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        return Ok(Segment::Parameter(name.into()));
    }
    Err(format!(
        "`{segment}` in `{pattern}` is no path parameter: expected a whole segment such as `{{id}}`, \
         named by letters, digits and `_`"
    ))
}

fn not_absolute(text: &str) -> String {
    let trimmed = text.trim();
    if trimmed.starts_with('/') {
        return format!("`{text}` begins with white space, and comma texts are not trimmed; write `{trimmed}`");
    }
    format!("found `{text}`, expected `*` or a path that begins with `/`; write `/{trimmed}`, or use `style: crest`")
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn the_table_of_e7_holds() {
        for (path, pattern, matches) in [
            ("managed/user", "managed/user", true),
            ("managed/user/", "managed/user", false),
            ("managed/user/bob", "managed/user/*", true),
            ("managed/user/bob/roles", "managed/user/*", true),
            ("managed/user", "managed/user/*", false),
            ("managed/user/", "managed/user/*", true),
            ("managed/userX", "managed/user/*", false),
            ("Managed/user", "managed/*", false),
            ("managed", "managed/*", false),
            ("managed/user/bob", "managed/*/bob", false),
            ("managed/user", "managed/us*", false),
            ("a/b", "a/**", false),
            ("a/**", "a/**", true),
            ("x/y", "/*", false),
            ("", "", true),
            ("", "*", true),
            ("a/b", "*", true),
            ("", "/*", false),
            ("a", "", false),
        ] {
            assert_eq!(Pattern::crest(pattern).matches(path), matches, "{pattern:?} on {path:?}");
        }
    }

    #[test]
    fn a_parameter_is_one_whole_segment() {
        for (path, pattern, matches) in [
            ("/users/7", "/users/{id}", true),
            ("/users", "/users/{id}", false),
            ("/users/7/mail", "/users/{id}", false),
            ("/users/7/mail", "/users/{id}/*", true),
            ("/users/7", "/users/{id}/*", false),
            ("/users/7/mail", "/users/{id}/{part}", true),
            ("/users/7/mail", "/users/{id}/post", false),
            ("/", "/{id}", false),
            ("/x", "/{id}", true),
            ("/", "/*", true),
            ("/a", "/", false),
            ("/", "/", true),
            ("/users/x*y", "/users/{id}", true),
            ("/a/x/b", "/a/*/b", false),
            ("a/b", "/{id}", false),
        ] {
            let compiled = Pattern::http(pattern).unwrap();
            assert_eq!(compiled.matches(path), matches, "{pattern:?} on {path:?}");
        }
    }

    #[test]
    fn parameters_are_named_by_the_pattern_and_filled_by_the_path() {
        let pattern = Pattern::http("/a/{x}/b/{y}/*").unwrap();
        let found: Vec<_> = pattern.parameters("/a/1/b/2/c/d").collect();
        assert_eq!(found, [("x", "1"), ("y", "2")]);
        assert_eq!(pattern.parameter_names().collect::<Vec<_>>(), ["x", "y"]);
    }

    #[test]
    fn a_bad_http_pattern_is_told_with_what_to_do() {
        for (pattern, said) in [
            ("orders/*", "write `/orders/*`"),
            ("", "expected `*`"),
            (" /a", "white space"),
            ("/a/{}", "no path parameter"),
            ("/a/{i d}", "no path parameter"),
            ("/a/x{id}", "no path parameter"),
            ("/a/{1}", "no path parameter"),
            ("/a/}{", "no path parameter"),
            ("/{a}/{a}", "stands twice"),
        ] {
            let message = Pattern::http(pattern).unwrap_err();
            assert!(message.contains(said), "{pattern}: {message}");
        }
    }
}

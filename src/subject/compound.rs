//! Is a subject of AM's compound form `(type!name)`, and what are its parts? (B8, B9)

/// The parts of a compound subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Compound<'s> {
    /// `usr`, `age`, …; not empty.
    pub kind: &'s str,
    /// The name part; may hold `!` and `)`.
    pub name: &'s str,
}

impl<'s> Compound<'s> {
    /// Splits at the first `!`; `None` where the subject is plain.
    pub(super) fn parse(subject: &'s str) -> Option<Self> {
        let (kind, name) = subject.strip_prefix('(')?.strip_suffix(')')?.split_once('!')?;
        (!kind.is_empty()).then_some(Self { kind, name })
    }
}

#[cfg(test)]
mod tests {
    use super::Compound;

    #[test]
    fn a_compound_subject_is_split_at_the_first_exclamation_mark() {
        for (subject, parts) in [
            ("(usr!11aa)", Some(("usr", "11aa"))),
            ("(age!a!b)", Some(("age", "a!b"))),
            ("(usr!a))", Some(("usr", "a)"))),
            ("(usr!)", Some(("usr", ""))),
            ("(!x)", None),
            ("(usr)", None),
            ("usr!x", None),
            ("(usr!x", None),
            ("usr!x)", None),
            (" (usr!x)", None),
            ("(", None),
            ("", None),
        ] {
            assert_eq!(Compound::parse(subject).map(|c| (c.kind, c.name)), parts, "{subject}");
        }
    }
}

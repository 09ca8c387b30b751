//! Which characters come next in an ISO 8601 text?

/// What is left of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan<'t>(&'t str);

impl<'t> Scan<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self(text)
    }

    pub(super) fn is_at_end(self) -> bool {
        self.0.is_empty()
    }

    /// How much is left, in bytes.
    pub(super) fn left(self) -> usize {
        self.0.len()
    }

    /// Takes `letter`, upper- or lower-case, if it is next.
    pub(super) fn take(&mut self, letter: char) -> bool {
        let mut rest = self.0.chars();
        let taken = rest.next().is_some_and(|c| c.eq_ignore_ascii_case(&letter));
        if taken {
            self.0 = rest.as_str();
        }
        taken
    }

    /// Takes at least one and at most `most` digits.
    pub(super) fn digits(&mut self, most: usize) -> Option<&'t str> {
        let count = self.0.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at_checked(count).filter(|_| count > 0)?;
        self.0 = rest;
        Some(digits)
    }

    /// Takes a number of at most `most` digits.
    pub(super) fn number(&mut self, most: usize) -> Option<i64> {
        let before = *self;
        let number = self.digits(most)?.parse().ok();
        if number.is_none() {
            *self = before;
        }
        number
    }

    /// Takes a number of at most `most` digits that may have a sign.
    pub(super) fn signed(&mut self, most: usize) -> Option<(bool, i64)> {
        let before = *self;
        let negative = self.take('-');
        let _ = !negative && self.take('+');
        let number = self.number(most).map(|number| (negative, number));
        if number.is_none() {
            *self = before;
        }
        number
    }
}

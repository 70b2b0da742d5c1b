//! What can be wrong with a selection.

/// A filter expression that cannot be understood, and the place where it stops to make sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column} of the filter: {problem}")]
pub struct FilterError {
    /// The whole expression.
    pub expression: String,
    /// Where the fault begins, in characters; the first is 1. One beyond the last if something is missing.
    pub column: usize,
    /// What is wrong there.
    pub problem: String,
    /// What to try; empty if nothing helps.
    pub hint: &'static str,
}

impl FilterError {
    /// What to try, if anything helps.
    pub fn hint(&self) -> Option<&str> {
        Some(self.hint).filter(|hint| !hint.is_empty())
    }

    /// The expression, and below it a caret at the fault.
    pub fn caret(&self) -> String {
        // What a terminal breaks or widens would move the caret.
        let line: String = self.expression.chars().map(printable).collect();
        format!("{line}\n{:>column$}", '^', column = self.column)
    }
}

fn printable(character: char) -> char {
    if character.is_control() {
        ' '
    } else {
        character
    }
}

/// A text that is no point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a time: `{0}`")]
pub struct TimeBoundError(pub String);

impl TimeBoundError {
    /// What to try.
    pub fn hint(&self) -> Option<&str> {
        Some(
            "write it as 2026-01-02T03:04:05Z (with fractions and +01:00 if need be), as seconds since \
             1970 (1767323045.5), or as seconds since the first packet (+60)",
        )
    }
}

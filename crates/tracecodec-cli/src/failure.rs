//! Exit codes, and how errors are printed: what, where, and what to try.

use std::io::{self, ErrorKind};
use std::process::ExitCode;

use anyhow::Error;

use crate::stderr;

/// Nothing to complain of.
pub(crate) const GOOD: u8 = 0;
/// The command worked, and found what it was asked to look for.
pub(crate) const FINDING: u8 = 1;
/// The command could not do its work. Also for wrong usage.
pub(crate) const FAILURE: u8 = 2;

/// Tells an error on stderr. A reader that went away is no error.
pub(crate) fn report(error: &Error) -> ExitCode {
    if is_broken_pipe(error) {
        return GOOD.into();
    }
    stderr::line(&format!("error: {}", message(error)));
    if let Some(hint) = hint(error) {
        stderr::line(&format!("hint: {hint}"));
    }
    FAILURE.into()
}

/// The chain of causes in one line; a cause that its effect already names is left out.
fn message(error: &Error) -> String {
    let mut message = String::new();
    for cause in error.chain() {
        let text = match cause.downcast_ref() {
            Some(refused @ tracecodec_pipeline::Error::Refused { .. }) => {
                settings_as_flags(&refused.to_string())
            }
            _ => cause.to_string(),
        };
        if message.is_empty() {
            message = text;
        } else if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
    }
    message
}

fn is_broken_pipe(error: &Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|cause| cause.kind() == ErrorKind::BrokenPipe)
            || cause
                .downcast_ref::<tracecodec::Error>()
                .is_some_and(tracecodec::Error::is_broken_pipe)
            || cause
                .downcast_ref::<tracecodec_pipeline::Error>()
                .is_some_and(tracecodec_pipeline::Error::is_broken_pipe)
    })
}

/// What to try, by the first cause that knows.
fn hint(error: &Error) -> Option<String> {
    error.chain().find_map(|cause| {
        if let Some(hint) = cause.downcast_ref::<Hint>() {
            return Some(hint.hint.clone());
        }
        if let Some(error) = cause.downcast_ref::<tracecodec_nn::Error>() {
            return error.hint().map(|hint| settings_as_flags(&hint));
        }
        if let Some(error) = cause.downcast_ref::<tracecodec_pipeline::Error>() {
            return error.hint().map(|hint| settings_as_flags(&hint));
        }
        let error = cause.downcast_ref::<tracecodec::Error>()?;
        error.hint().map(settings_as_flags)
    })
}

/// A text of a library with its settings, lower-case words in backquotes, as flags.
pub(crate) fn settings_as_flags(hint: &str) -> String {
    let is_setting =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let parts = hint.split('`').enumerate().map(|(i, part)| match i % 2 {
        0 => part.to_string(),
        _ if is_setting(part) => format!("--{}", part.replace('_', "-")),
        _ => format!("`{part}`"),
    });
    parts.collect()
}

/// An error of the command line's own, with what to try.
#[derive(Debug)]
pub(crate) struct Hint {
    message: String,
    hint: String,
}

impl Hint {
    pub(crate) fn error(message: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::new(Hint {
            message: message.into(),
            hint: hint.into(),
        })
    }
}

impl std::fmt::Display for Hint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Hint {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_settings_in_hints_are_flags() {
        let hint = "as `tracecodec lift` writes it, or with `flow_count` 3";
        assert_eq!(
            settings_as_flags(hint),
            "as `tracecodec lift` writes it, or with --flow-count 3"
        );
    }
}

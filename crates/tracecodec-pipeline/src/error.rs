//! The error of every verb: what went wrong, where, and what to try.

use std::borrow::Cow;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Why a verb could not do its work.
///
/// Messages and hints name settings (`lenient`, `overwrite`), which are called the same in every
/// surface.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The monitor asked to stop. Nothing half-written is left, but what a training needs to
    /// resume.
    #[error("interrupted")]
    Interrupted,
    /// Something that the verb refuses to do, or that its input lacks.
    #[error("{message}")]
    Refused {
        /// What is refused, and of which file.
        message: String,
        /// What to try; empty if nothing helps.
        hint: String,
    },
    /// The operating system failed.
    #[error("{action}: {source}")]
    Io {
        /// What was tried, such as `cannot read x.json`.
        action: String,
        /// The system's error.
        source: io::Error,
    },
    /// A capture, an actions file, a manifest, shards or an evaluation could not be read or
    /// written.
    #[error(transparent)]
    Trace(tracecodec::Error),
    /// A model could not be loaded, trained or applied.
    #[error(transparent)]
    Model(tracecodec_nn::Error),
}

impl From<tracecodec::Error> for Error {
    fn from(error: tracecodec::Error) -> Self {
        match error {
            tracecodec::Error::Stopped => Self::Interrupted,
            error => Self::Trace(error),
        }
    }
}

impl From<tracecodec_nn::Error> for Error {
    fn from(error: tracecodec_nn::Error) -> Self {
        match error {
            tracecodec_nn::Error::Stopped => Self::Interrupted,
            error => Self::Model(error),
        }
    }
}

impl Error {
    /// A refusal with what to try.
    pub fn refused(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused {
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// A failure of the operating system, at a path: `doing` is such as `cannot read`.
    pub fn io(doing: &str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action: format!("{doing} {}", path.display()),
            source,
        }
    }

    /// What to try, if anything helps.
    pub fn hint(&self) -> Option<Cow<'_, str>> {
        let hint = match self {
            Self::Refused { hint, .. } => Some(hint.as_str()).filter(|hint| !hint.is_empty()),
            Self::Trace(error) => error.hint(),
            Self::Model(error) => return error.hint(),
            Self::Interrupted | Self::Io { .. } => None,
        };
        hint.map(Cow::Borrowed)
    }

    /// Whether reading a capture failed, as opposed to the work on its packets.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Self::Trace(error) if error.is_damage())
    }

    /// Whether the reader of the output went away, which is no failure.
    pub fn is_broken_pipe(&self) -> bool {
        match self {
            Self::Io { source, .. } => source.kind() == ErrorKind::BrokenPipe,
            Self::Trace(error) => error.is_broken_pipe(),
            _ => false,
        }
    }
}

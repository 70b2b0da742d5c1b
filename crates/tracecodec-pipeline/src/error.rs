//! The error of every verb: what went wrong, where, and what to try.

use std::borrow::Cow;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tracecodec::error::{ActionsFault, CaptureFault, io_hint};

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
    /// The output holds something that is not overwritten.
    #[error("{message}")]
    Exists {
        /// What is refused, and of which file or folder.
        message: String,
        /// What to try.
        hint: String,
    },
    /// The operating system failed.
    #[error("{action}: {source}")]
    Io {
        /// What was tried, such as `cannot read x.json`.
        action: String,
        /// The file or folder, if there is one.
        path: Option<PathBuf>,
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

    /// A refusal to overwrite, with what to try.
    pub(crate) fn exists(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Exists {
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// A failure of the operating system, at a path: `doing` is such as `cannot read`.
    pub fn io(doing: &str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action: format!("{doing} {}", path.display()),
            path: Some(path.to_path_buf()),
            source,
        }
    }

    /// What to try, if anything helps.
    pub fn hint(&self) -> Option<Cow<'_, str>> {
        let hint = match self {
            Self::Refused { hint, .. } | Self::Exists { hint, .. } => {
                Some(hint.as_str()).filter(|hint| !hint.is_empty())
            }
            Self::Trace(error) => error.hint(),
            Self::Model(error) => return error.hint(),
            Self::Io { source, .. } => io_hint(source),
            Self::Interrupted => None,
        };
        hint.map(Cow::Borrowed)
    }

    /// The kind of failure, for callers that act on it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Interrupted => Kind::Interrupted,
            Self::Refused { .. } => Kind::Setting,
            Self::Exists { .. } => Kind::Exists,
            Self::Io { source, .. } => Kind::of_io(source),
            Self::Trace(error) => Kind::of_trace(error),
            Self::Model(error) => Kind::of_model(error),
        }
    }

    /// Where the failure is, as far as it is known.
    pub fn place(&self) -> Place<'_> {
        let at = |path| Place {
            path: Some(path),
            ..Place::default()
        };
        match self {
            Self::Io { path, .. } => path.as_deref().map(at).unwrap_or_default(),
            Self::Trace(error) | Self::Model(tracecodec_nn::Error::Trace(error)) => match error {
                tracecodec::Error::Capture {
                    path,
                    packet,
                    offset,
                    ..
                } => Place {
                    path: path.as_deref(),
                    // A fault of the file as a whole has the offset 0, and concerns no packet.
                    packet: Some(*packet).filter(|_| *offset > 0),
                    offset: Some(*offset).filter(|&offset| offset > 0),
                },
                tracecodec::Error::Io { path, .. }
                | tracecodec::Error::Actions { path, .. }
                | tracecodec::Error::NotAManifest { path, .. }
                | tracecodec::Error::OtherManifest { path, .. }
                | tracecodec::Error::ForeignFolder(path)
                | tracecodec::Error::FolderInUse(path)
                | tracecodec::Error::UnfinishedFolder(path) => at(path),
                _ => Place::default(),
            },
            Self::Model(error) => error.path().map(at).unwrap_or_default(),
            Self::Interrupted | Self::Refused { .. } | Self::Exists { .. } => Place::default(),
        }
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

/// Kinds of failure, as callers distinguish them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The monitor asked to stop.
    Interrupted,
    /// A file or folder that is to be read is not there.
    NotFound,
    /// What is there already is not overwritten.
    Exists,
    /// The operating system failed otherwise.
    System,
    /// A capture is damaged, or the file is no capture.
    Capture,
    /// Actions, a manifest or another artifact are damaged, of another kind or version, or lack
    /// something.
    Schema,
    /// A model does not fit the latents, the actions or the other model that it is used with.
    Model,
    /// A setting is unknown, out of its range, or contradicts another.
    Setting,
}

/// Where a failure is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place<'a> {
    /// The file or folder.
    pub path: Option<&'a Path>,
    /// The packet of a capture, counted from 1.
    pub packet: Option<u64>,
    /// Bytes from the start of the uncompressed capture.
    pub offset: Option<u64>,
}

impl Kind {
    fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::AlreadyExists => Self::Exists,
            _ => Self::System,
        }
    }

    fn of_trace(error: &tracecodec::Error) -> Self {
        use tracecodec::Error;
        match error {
            Error::Stopped => Self::Interrupted,
            Error::Io { cause, .. } | Error::Output(cause) => Self::of_io(cause),
            Error::Capture { fault, .. } => match fault {
                CaptureFault::Io(cause) => Self::of_io(cause),
                _ => Self::Capture,
            },
            Error::Actions { fault, .. } => match fault {
                ActionsFault::LostMetadata(cause) => Self::of_trace(cause),
                _ => Self::Schema,
            },
            Error::ForeignFolder(_) | Error::FolderInUse(_) | Error::UnfinishedFolder(_) => {
                Self::Exists
            }
            Error::OptionProfile(_)
            | Error::TooManyProfiles { .. }
            | Error::Vocabulary(_)
            | Error::NotAManifest { .. }
            | Error::OtherManifest { .. }
            | Error::NotAnEvaluation(_)
            | Error::InconsistentEvaluation(_)
            | Error::OtherEvaluation(_) => Self::Schema,
            _ => Self::Setting,
        }
    }

    fn of_model(error: &tracecodec_nn::Error) -> Self {
        use tracecodec_nn::Error;
        match error {
            Error::Stopped | Error::Interrupted(_) => Self::Interrupted,
            Error::Io { source, .. } => Self::of_io(source),
            Error::Trace(error) => Self::of_trace(error),
            Error::NoModel { .. } => Self::NotFound,
            Error::Format { .. } | Error::Version { .. } => Self::Schema,
            Error::Latents { .. }
            | Error::OtherKind { .. }
            | Error::NoSample(_)
            | Error::SchemaVersion { .. }
            | Error::Tensor { .. }
            | Error::Digest { .. }
            | Error::OtherRun(_)
            | Error::OtherBackbone { .. }
            | Error::OtherRepresentation { .. }
            | Error::BaselineLatents(_) => Self::Model,
            _ => Self::Setting,
        }
    }
}

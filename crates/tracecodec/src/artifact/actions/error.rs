//! What can be wrong with an actions file.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::action::SCHEMA_VERSION;
use crate::action::options::ProfilesError;
/// An actions file that cannot be read or written.
#[derive(Debug)]
pub struct ActionsError {
    /// The file; `-` is standard output.
    pub path: PathBuf,
    /// What is wrong.
    pub kind: ActionsErrorKind,
}

/// What is wrong with an actions file. Messages count rows from 1, as packets are counted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActionsErrorKind {
    /// The operating system cannot open, read or write the file.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is no Parquet footer, or not a whole one.
    #[error("not a Parquet file, or cut off")]
    NotParquet,
    /// Parquet, but no sign of actions.
    #[error("a Parquet file, but not of packet actions: no metadata {0}")]
    NotActions(&'static str),
    /// A metadata value that cannot be understood.
    #[error("bad metadata {key}: {value:?}")]
    Metadata {
        /// Its key.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// The dictionary of option layouts is bad.
    #[error(transparent)]
    Profiles(#[from] ProfilesError),
    /// Written with another schema.
    #[error("schema version {0}, but this version reads {SCHEMA_VERSION}")]
    SchemaVersion(u32),
    /// A column of the schema is not there.
    #[error("no column {0}")]
    MissingColumn(&'static str),
    /// A column is not of its type.
    #[error("column {column} is {found}, not {expected}")]
    ColumnType {
        /// The column.
        column: &'static str,
        /// Its type in the file.
        found: String,
        /// Its type in the schema.
        expected: String,
    },
    /// A column has a null.
    #[error("row {}: column {column} is null", row + 1)]
    Null {
        /// The row, from 0.
        row: u64,
        /// The column.
        column: &'static str,
    },
    /// A value beyond the vocabulary.
    #[error("row {}: {column} is {value}, but at most {max} is allowed", row + 1)]
    OutOfVocabulary {
        /// The row, from 0.
        row: u64,
        /// The column.
        column: &'static str,
        /// What it holds.
        value: u32,
        /// What it may hold.
        max: u32,
    },
    /// The bytes between header and footer are damaged.
    #[error("damaged at row {}: {cause}", row + 1)]
    Damaged {
        /// The first row that cannot be read, from 0.
        row: u64,
        /// The Parquet library's word on it.
        cause: String,
    },
}

impl ActionsError {
    /// What to try, if there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match &self.kind {
            ActionsErrorKind::Io(_) => None,
            ActionsErrorKind::NotParquet | ActionsErrorKind::NotActions(_) => {
                Some("an actions file is needed, as `tracecodec lift` writes it")
            }
            ActionsErrorKind::SchemaVersion(_) => Some("lift the capture again with this version"),
            ActionsErrorKind::MissingColumn(_) | ActionsErrorKind::ColumnType { .. } => {
                Some("keep the columns and their types when rewriting an actions file")
            }
            ActionsErrorKind::Null { .. } | ActionsErrorKind::OutOfVocabulary { .. } => {
                Some("docs/formats.md lists the values of each column")
            }
            ActionsErrorKind::Metadata { .. } | ActionsErrorKind::Profiles(_) => {
                Some("keep the file's metadata when rewriting an actions file")
            }
            ActionsErrorKind::Damaged { .. } => Some("lift the capture again"),
        }
    }

    /// Whether the reader of a pipe went away, which is no failure of the writer.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(&self.kind, ActionsErrorKind::Io(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl fmt::Display for ActionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            // An output names itself.
            ActionsErrorKind::Io(error) if error.get_ref().is_some() => error.fmt(f),
            kind => write!(f, "{}: {kind}", self.path.display()),
        }
    }
}

impl std::error::Error for ActionsError {}

//! The error of the crate: what cannot be read, understood or written, where, and what to try.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Why a capture, an actions file, a document or a folder of shards cannot be read or written.
///
/// The message names the file and the place in it, in one line; [`hint`](Self::hint) says what to
/// try, with settings in backquotes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller asked to stop. Nothing half-written is left.
    #[error("interrupted")]
    Stopped,
    /// The operating system refuses a file or folder.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        cause: io::Error,
    },
    /// The output failed; the message names it.
    #[error(transparent)]
    Output(#[from] io::Error),
    /// A capture cannot be read any further. All packets before the fault have been returned.
    #[error("{}{fault}", place(path.as_deref(), *packet, *offset, fault))]
    Capture {
        /// The file, if it has a path; `-` is standard input.
        path: Option<PathBuf>,
        /// Number of the packet that could not be read, counted from 1; 0 if the file could not be
        /// opened.
        packet: u64,
        /// Offset of the record, block or header at fault, in bytes of the uncompressed capture.
        offset: u64,
        /// Fault of the capture.
        fault: CaptureFault,
    },
    /// The format cannot hold the packet's time: classic pcap ends in 2106, and no format goes back
    /// before 1970.
    #[error("the format cannot hold the time {0}")]
    TimeOutOfRange(String),
    /// A packet has another link type than the classic pcap file, which can have only one.
    #[error("a pcap file holds one link type: {first} so far, now {packet}")]
    MixedLinkTypes {
        /// Name of the file's link type.
        first: String,
        /// Name of the packet's link type.
        packet: String,
    },
    /// The packet is longer than any reader accepts.
    #[error("a packet of {0} bytes is too long for a capture")]
    TooLong(usize),
    /// An actions file cannot be read.
    #[error("{}: {fault}", path.display())]
    Actions {
        /// The file.
        path: PathBuf,
        /// Fault of the actions file.
        fault: ActionsFault,
    },
    /// An entry of the option profiles is not an options area in hexadecimal.
    #[error("option profile {0}: not an options area in hexadecimal")]
    OptionProfile(usize),
    /// There are more option profiles than `tcp_opt_profile` can number.
    #[error("{found} option profiles, but the schema has room for {most}")]
    TooManyProfiles {
        /// Number of profiles found.
        found: usize,
        /// Largest number of profiles.
        most: usize,
    },
    /// A text does not hold vocabularies of the raw packet table.
    #[error("{0}")]
    Vocabulary(String),
    /// A file is not JSON, or has other keys than a manifest.
    #[error("{}: not a manifest: {cause}", path.display())]
    NotAManifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with the JSON, and in which line.
        cause: serde_json::Error,
    },
    /// A manifest has another format or version than the one required.
    #[error("{}: {version}", path.display())]
    OtherManifest {
        /// The file.
        path: PathBuf,
        /// Format and version that the manifest states.
        version: OtherVersion,
    },
    /// A text is not JSON, or has other keys than an evaluation.
    #[error("not an evaluation: {0}")]
    NotAnEvaluation(serde_json::Error),
    /// An evaluation has counts that no captures have.
    #[error("not an evaluation of captures: {0} does not fit the other counts")]
    InconsistentEvaluation(&'static str),
    /// A text has another format or version than that of an evaluation.
    #[error("{0}")]
    OtherEvaluation(OtherVersion),
    /// A filter expression cannot be understood.
    #[error("column {column} of the filter: {problem}")]
    Filter {
        /// The whole expression.
        expression: String,
        /// Where the fault begins, in characters from 1. If something is missing at the end, one
        /// beyond the last character.
        column: usize,
        /// What is wrong at that place.
        problem: String,
        /// What to try; empty if nothing helps.
        hint: &'static str,
    },
    /// A text is not a point in time.
    #[error("not a time: `{0}`")]
    Time(String),
    /// A configuration of the sharder makes no sense.
    #[error("{0}")]
    ShardConfig(&'static str),
    /// The folder for shards holds other files.
    #[error("{}: the folder is not empty, and holds no shards", .0.display())]
    ForeignFolder(PathBuf),
    /// The folder for shards already holds shards.
    #[error("{}: the folder holds shards already", .0.display())]
    FolderInUse(PathBuf),
    /// The folder for shards holds remains of an interrupted run.
    #[error("{}: the folder holds what an interrupted run left", .0.display())]
    UnfinishedFolder(PathBuf),
}

/// What to try if [`read_whole`](crate::artifact::document::read_whole) refuses a pipe; `None` for
/// a failure of the system.
pub fn io_hint(error: &io::Error) -> Option<&'static str> {
    let is_refused = error.kind() == ErrorKind::FileTooLarge && error.raw_os_error().is_none();
    is_refused.then_some("write it to a file first")
}

/// A fault of a capture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureFault {
    /// The operating system cannot open or read the file.
    #[error("{0}")]
    Io(io::Error),
    /// The file is empty.
    #[error("the file is empty")]
    Empty,
    /// The first bytes are not those of a capture.
    #[error("not a pcap or pcapng capture{}", this_is(*name))]
    NotACapture {
        /// What the file is instead, as in "this is …", if that is known.
        name: Option<&'static str>,
        /// What to do with it.
        hint: &'static str,
    },
    /// The file has a version of the format that no other program reads, either.
    #[error("version {major}.{minor} of the format is not supported")]
    UnsupportedVersion {
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
    /// The file ends within its file header.
    #[error("the file header is cut off: {have} of {need} bytes are there")]
    TruncatedHeader {
        /// Bytes that are there.
        have: usize,
        /// Bytes of a whole header.
        need: usize,
    },
    /// The file ends within a packet record or a block.
    #[error("the record is cut off: {have} of {need} bytes are there")]
    TruncatedRecord {
        /// Bytes that were found.
        have: usize,
        /// Bytes that the record needs, as far as they are known.
        need: usize,
    },
    /// A packet record claims an impossible length.
    #[error("the record claims {captured} captured of {wire} bytes, which cannot be")]
    BadRecord {
        /// `incl_len`: bytes that should follow.
        captured: u32,
        /// `orig_len`: bytes that were on the wire.
        wire: u32,
    },
    /// A pcapng block contradicts itself.
    #[error("bad block of type {block:#010x}: {fault}")]
    BadBlock {
        /// Block type.
        block: u32,
        /// How the block contradicts itself.
        fault: BlockFault,
    },
    /// A pcapng packet refers to an interface that was not described before it.
    #[error("the packet names interface {interface}, but the section has {known} so far")]
    UnknownInterface {
        /// Interface ID in the packet's block.
        interface: u32,
        /// Interfaces that the section has described.
        known: usize,
    },
    /// A section of a pcapng capture describes more interfaces than are kept.
    #[error("the section describes more than {0} interfaces")]
    TooManyInterfaces(usize),
    /// The compressed data around the capture is damaged or cut off.
    #[error("bad {compression} data: {cause}")]
    BadCompression {
        /// Name of the compression.
        compression: &'static str,
        /// The decompressor's error.
        cause: io::Error,
    },
}

/// How a pcapng block contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockFault {
    /// Block Total Length is too small, too large, or not a multiple of four.
    #[error("its length cannot be {0}")]
    Length(u32),
    /// The length at the block's end differs from the length at its start.
    #[error("its two lengths, {0} and {1}, differ")]
    Trailer(u32, u32),
    /// Byte-Order Magic is neither 1a2b3c4d nor 4d3c2b1a.
    #[error("its byte order is unknown")]
    ByteOrder,
    /// An option reaches beyond the block, or is too short for its value.
    #[error("one of its options is malformed")]
    Option,
    /// The captured length reaches beyond the block.
    #[error("it has no room for the {0} bytes of its packet")]
    PacketLength(u32),
}

/// A fault of an actions file. Messages count rows from 1, as packets are counted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActionsFault {
    /// The file has no whole Parquet footer.
    #[error("not a Parquet file, or cut off")]
    NotParquet,
    /// The file is Parquet, but has no metadata of actions.
    #[error("no metadata {key} of packet actions, and no manifest {}", manifest.display())]
    NotActions {
        /// Key that the file lacks.
        key: &'static str,
        /// Path at which a manifest was looked for.
        manifest: PathBuf,
    },
    /// Record batches have no metadata of actions.
    #[error("no metadata {0} of packet actions in the schema, no `like`, and no column {1}")]
    NoSchemaMetadata(&'static str, &'static str),
    /// The rows of record batches come from several lifts, each with metadata of its own.
    #[error("row {}: column {column} differs from the rows before, so that these are actions of another lift", row + 1)]
    OtherMetadata {
        /// Number of the row, from 0.
        row: u64,
        /// The column of metadata.
        column: &'static str,
    },
    /// The file has lost its metadata, and the file that replaces them has none either.
    #[error("no metadata of packet actions, nor in {0}")]
    LostMetadata(Box<Error>),
    /// Some of the metadata of actions are missing.
    #[error("no metadata {0}")]
    NoMetadata(&'static str),
    /// A metadata value cannot be understood.
    #[error("bad metadata {key}: {value:?}")]
    Metadata {
        /// Key of the value.
        key: &'static str,
        /// The value.
        value: String,
    },
    /// The dictionary of option layouts is bad.
    #[error("{0}")]
    Profiles(String),
    /// The file was written with another schema.
    #[error("schema version {found}, but this version reads {expected}")]
    SchemaVersion {
        /// Schema version of the file.
        found: u32,
        /// Schema version that this version reads.
        expected: u32,
    },
    /// The file has a compression that this build does not support.
    #[error("compressed with {0}, which is not supported")]
    Codec(String),
    /// A column of the schema is missing.
    #[error("no column {0}")]
    MissingColumn(&'static str),
    /// A column does not hold numbers.
    #[error("column {column} is {found}, not a number")]
    ColumnType {
        /// The column.
        column: &'static str,
        /// Its type in the file.
        found: String,
    },
    /// A column has a null.
    #[error("row {}: column {column} is null", row + 1)]
    Null {
        /// The row, from 0.
        row: u64,
        /// The column.
        column: &'static str,
    },
    /// A value lies beyond the vocabulary.
    #[error("row {}: {column} is {value}, but {} is allowed", row + 1, allowed(*value, *max))]
    OutOfVocabulary {
        /// The row, from 0.
        row: u64,
        /// The column.
        column: &'static str,
        /// Value of the column.
        value: i64,
        /// Largest value that is allowed.
        max: u32,
    },
    /// A value is a fraction, or outside the range of 64-bit integers.
    #[error("row {}: {column} is {value}, not a whole number of 64 bits", row + 1)]
    NotWhole {
        /// The row, from 0.
        row: u64,
        /// The column.
        column: &'static str,
        /// Value of the column.
        value: String,
    },
    /// The bytes between header and footer are damaged.
    #[error("damaged at row {}: {cause}", row + 1)]
    Damaged {
        /// The first row that cannot be read, from 0.
        row: u64,
        /// The Parquet library's error.
        cause: String,
    },
}

/// Format and version of a document that are not those required.
#[derive(Debug, thiserror::Error)]
#[error("{format} version {version}, but {expected} version {expected_version} is needed")]
pub struct OtherVersion {
    /// `format` that the document states.
    pub format: String,
    /// `version` that the document states.
    pub version: u32,
    /// `format` that is required.
    pub expected: &'static str,
    /// `version` that is required.
    pub expected_version: u32,
}

impl Error {
    /// What to try; `None` if nothing helps.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Capture { fault, .. } => fault.hint(),
            Self::Actions { fault, .. } => Some(fault.hint()),
            Self::Filter { hint, .. } => Some(*hint).filter(|hint| !hint.is_empty()),
            Self::Time(_) => Some(
                "write RFC 3339 (2026-01-02T03:04:05Z, with fractions and +01:00 if need be), seconds \
                 since the epoch (1767323045.5), or +SECONDS from the start (+60)",
            ),
            Self::TimeOutOfRange(_) => Some("pcapng output holds times up to 2262"),
            Self::MixedLinkTypes { .. } => Some("write to a .pcapng file, which can hold several"),
            Self::OtherEvaluation(_) => Some("evaluate the captures again with this version"),
            Self::NotAnEvaluation(_) | Self::InconsistentEvaluation(_) => {
                Some("an evaluation is what evaluate writes with `output`")
            }
            Self::Io { cause, .. } => io_hint(cause),
            Self::ForeignFolder(_) => Some("choose a new or an empty folder"),
            Self::FolderInUse(_) => Some("`overwrite` replaces them"),
            Self::UnfinishedFolder(_) => Some("`overwrite` takes the folder"),
            _ => None,
        }
    }

    /// The filter expression that cannot be understood, with a caret at the fault on the next line.
    pub fn caret(&self) -> Option<String> {
        let Self::Filter {
            expression, column, ..
        } = self
        else {
            return None;
        };
        // Characters that a terminal breaks or widens would move the caret.
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        let line: String = expression.chars().map(printable).collect();
        Some(format!("{line}\n{:>column$}", '^'))
    }

    /// Whether the reader of a pipe has closed it, which is not a failure of the writer.
    pub fn is_broken_pipe(&self) -> bool {
        match self {
            Self::Output(cause) | Self::Io { cause, .. } => cause.kind() == ErrorKind::BrokenPipe,
            _ => false,
        }
    }

    /// Whether the error is in reading a capture, not in processing its packets. If the system
    /// stops reading amid a capture, as a bad disk does, the capture is not at fault.
    pub fn is_damage(&self) -> bool {
        let is_failed_read = matches!(
            self,
            Self::Capture { packet: 1.., fault: CaptureFault::Io(cause), .. }
                if cause.raw_os_error().is_some()
        );
        matches!(self, Self::Capture { .. }) && !is_failed_read
    }

    /// Makes the error for a capture at `path` that the operating system cannot open.
    pub(crate) fn unopened(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |cause| Self::Capture {
            path: Some(path.to_path_buf()),
            packet: 0,
            offset: 0,
            fault: CaptureFault::Io(cause),
        }
    }

    /// Makes the error for a faulty actions file at `path`.
    pub(crate) fn actions(path: &Path) -> impl FnOnce(ActionsFault) -> Self + '_ {
        move |fault| Self::Actions {
            path: path.to_path_buf(),
            fault,
        }
    }

    /// Makes the error for a file or folder at `path` that the operating system refuses.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |cause| Self::Io {
            path: path.to_path_buf(),
            cause,
        }
    }
}

impl CaptureFault {
    fn hint(&self) -> Option<&'static str> {
        const LENIENT: &str = "`lenient` keeps the packets before the damage";
        const CUT: &str = "the capture was cut off; `lenient` keeps the packets before the cut";
        match self {
            Self::Io(_) => None,
            Self::Empty => Some("the capture may never have been started, or the disk was full"),
            Self::NotACapture { hint, .. } => Some(hint),
            Self::UnsupportedVersion { .. } => Some("pcap 2.x and pcapng 1.x can be read"),
            Self::TruncatedHeader { .. } => Some("the capture was cut off before its first packet"),
            Self::TruncatedRecord { .. } => Some(CUT),
            Self::BadCompression { cause, .. } if cause.kind() == ErrorKind::UnexpectedEof => {
                Some(CUT)
            }
            Self::BadRecord { .. }
            | Self::BadBlock { .. }
            | Self::UnknownInterface { .. }
            | Self::TooManyInterfaces(_)
            | Self::BadCompression { .. } => Some(LENIENT),
        }
    }

    /// Whether the fault concerns the file as a whole, not one place in it.
    fn is_whole_file(&self) -> bool {
        matches!(
            self,
            Self::Empty
                | Self::NotACapture { .. }
                | Self::UnsupportedVersion { .. }
                | Self::TruncatedHeader { .. }
        )
    }
}

impl ActionsFault {
    fn hint(&self) -> &'static str {
        match self {
            Self::NotParquet => "an actions file is needed, as lift writes it",
            Self::NotActions { .. } | Self::NoSchemaMetadata(..) | Self::LostMetadata(_) => {
                "if another tool rewrote an actions file, name the original or its manifest as `like`"
            }
            Self::SchemaVersion { .. } => "lift the capture again with this version",
            Self::Codec(_) => "compress the file with Snappy or Zstandard",
            Self::MissingColumn(_) => {
                "keep the columns of an actions file when rewriting it; those of the context may go"
            }
            Self::ColumnType { .. } => "cast the column to integers",
            Self::Null { .. } | Self::NotWhole { .. } | Self::OutOfVocabulary { .. } => {
                "docs/formats.md lists the values of each column"
            }
            Self::NoMetadata(_) | Self::Metadata { .. } | Self::Profiles(_) => {
                "keep the file's metadata when rewriting an actions file"
            }
            Self::OtherMetadata { .. } => {
                "compile the actions of each lift by themselves, or lift the captures as one"
            }
            Self::Damaged { .. } => "lift the capture again",
        }
    }
}

/// Start of a message on a capture: its file and the place of the fault, as far as they are known.
fn place(path: Option<&Path>, packet: u64, offset: u64, fault: &CaptureFault) -> String {
    let path = path.map_or_else(String::new, |path| format!("{}: ", path.display()));
    if offset > 0 || packet > 0 && !fault.is_whole_file() {
        format!("{path}packet {packet} at byte {offset}: ")
    } else {
        path
    }
}

/// Text on the values that are allowed in place of `value`.
fn allowed(value: i64, max: u32) -> String {
    if value < 0 {
        "no negative number".to_string()
    } else {
        format!("at most {max}")
    }
}

fn this_is(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!(": this is {name}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn test_no_text_names_a_flag_or_a_command() {
        let source = include_str!("error.rs")
            .split("#[cfg(test)]")
            .next()
            .expect("the tests come last");
        assert!(source.contains("`lenient`"));
        assert!(!source.contains("--") && !source.contains("`tracecodec "));
    }
}

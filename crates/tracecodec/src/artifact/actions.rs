//! Packet actions as a Parquet file: one row an action, one column a quantity of the schema, and `delta_t`.
//!
//! Key-value metadata holds what a compiler needs beside the rows: schema version, epoch and option profiles.

use std::fmt;
use std::fs::File;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{
    Compression, ConvertedType, Encoding, LogicalType, Repetition, Type as Physical, ZstdLevel,
};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnDescriptor, ColumnPath, SchemaDescriptor, Type};

use super::TOOL;
use super::manifest::ActionCounts;
use crate::action::options::ProfilesError;
use crate::action::schema::{QUANTITIES, Quantity};
use crate::action::{Action, OptionProfiles, SCHEMA_VERSION};
use crate::lift::LiftCounts;
use crate::output::Output;
use crate::pcap::Timestamp;

/// Column of the time step.
pub const DELTA_T: &str = "delta_t";

/// Rows of a row group: what the writer holds in memory, about 14 MiB.
pub const ROW_GROUP: usize = 131_072;

/// Rows that the reader decodes at once.
const BATCH: usize = 8_192;

/// Metadata keys.
pub mod key {
    /// [`SCHEMA_VERSION`](crate::action::SCHEMA_VERSION) in decimal.
    pub const SCHEMA_VERSION: &str = "tracecodec.schema_version";
    /// Time of the first action in ns since 1970, decimal. Absent if there are no actions.
    pub const EPOCH: &str = "tracecodec.epoch_ns";
    /// Option profiles 11 and up: a JSON array of options areas in hexadecimal.
    pub const OPTION_PROFILES: &str = "tracecodec.option_profiles";
    /// Counts of the lift: a JSON object.
    pub const COUNTS: &str = "tracecodec.counts";
}

/// An actions file that cannot be read or written.
#[derive(Debug)]
pub struct ActionsError {
    /// The file; `-` is standard output.
    pub path: PathBuf,
    /// What is wrong.
    pub kind: ActionsErrorKind,
}

/// What is wrong with an actions file.
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
    #[error("row {row}: column {column} is null")]
    Null {
        /// The row, from 0.
        row: u64,
        /// The column.
        column: &'static str,
    },
    /// A value beyond the vocabulary.
    #[error("row {row}: {column} is {value}, but at most {max} is allowed")]
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
    #[error("damaged at row {row}: {cause}")]
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

/// Rows column by column.
#[derive(Default)]
struct Columns {
    /// In the order of [`QUANTITIES`]; the bits of a `u32`.
    quantities: Vec<Vec<i32>>,
    delta_t: Vec<i64>,
}

impl Columns {
    fn new() -> Self {
        Self {
            quantities: vec![Vec::new(); QUANTITIES.len()],
            delta_t: Vec::new(),
        }
    }

    fn len(&self) -> usize {
        self.delta_t.len()
    }

    fn clear(&mut self) {
        self.quantities.iter_mut().for_each(Vec::clear);
        self.delta_t.clear();
    }

    /// Adds an action; inactive quantities as 0.
    fn push(&mut self, action: &Action) {
        for (quantity, column) in QUANTITIES.iter().zip(&mut self.quantities) {
            let active = quantity.active.covers(action.proto);
            let value = if active { (quantity.get)(action) } else { 0 };
            column.push(value.min(quantity.vocabulary.max()) as i32);
        }
        self.delta_t.push(action.delta_t);
    }

    /// The action of a row; the quantity that is out of its vocabulary, if one is.
    fn action(&self, row: usize) -> Result<Action, (&'static Quantity, u32)> {
        let mut action = Action {
            delta_t: self.delta_t[row],
            ..Action::default()
        };
        for (quantity, column) in QUANTITIES.iter().zip(&self.quantities) {
            let value = column[row] as u32;
            if value > quantity.vocabulary.max() {
                return Err((quantity, value));
            }
            // `proto` precedes every quantity whose activity depends on it.
            if quantity.active.covers(action.proto) {
                (quantity.set)(&mut action, value);
            }
        }
        Ok(action)
    }
}

/// Bits of the narrowest unsigned integer that holds the quantity.
fn bit_width(quantity: &Quantity) -> i8 {
    match quantity.vocabulary.max() {
        0..=0xff => 8,
        0x100..=0xffff => 16,
        _ => 32,
    }
}

fn column_type(name: &str, physical: Physical, logical: LogicalType) -> Arc<Type> {
    let builder = Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(Some(logical));
    Arc::new(builder.build().expect("integer types of fitting width"))
}

/// The Parquet schema of an actions file.
fn parquet_schema() -> Arc<Type> {
    let quantities = QUANTITIES.iter().map(|quantity| {
        let logical = LogicalType::integer(bit_width(quantity), false);
        column_type(quantity.name, Physical::INT32, logical)
    });
    let delta_t = column_type(DELTA_T, Physical::INT64, LogicalType::integer(64, true));
    group("action", quantities.chain([delta_t]).collect())
}

fn group(name: &str, columns: Vec<Arc<Type>>) -> Arc<Type> {
    let builder = Type::group_type_builder(name).with_fields(columns);
    Arc::new(builder.build().expect("a group of named columns"))
}

/// Dictionaries make the file a fifth smaller; statistics by page would make it larger and slower for no one's good.
fn properties() -> WriterProperties {
    let delta_t = ColumnPath::from(DELTA_T);
    WriterProperties::builder()
        .set_created_by(TOOL.to_string())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_column_dictionary_enabled(delta_t.clone(), false)
        .set_column_encoding(delta_t, Encoding::DELTA_BINARY_PACKED)
        .build()
}

/// An actions file being written. Holds at most [`ROW_GROUP`] actions in memory. The same actions give the same bytes.
///
/// The file appears in [`finish`](ActionsWriter::finish); dropped before that, nothing is left of it.
pub struct ActionsWriter {
    path: PathBuf,
    file: SerializedFileWriter<Output>,
    columns: Columns,
}

impl ActionsWriter {
    /// Begins an actions file at a path; `-` is standard output.
    ///
    /// # Errors
    /// If the output cannot be opened.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, ActionsError> {
        let path = path.as_ref().to_path_buf();
        let opened = Output::create(&path)
            .map_err(ActionsErrorKind::from)
            .and_then(|output| {
                let properties = Arc::new(properties());
                SerializedFileWriter::new(output, parquet_schema(), properties).map_err(output_kind)
            });
        match opened {
            Ok(file) => Ok(Self {
                path,
                file,
                columns: Columns::new(),
            }),
            Err(kind) => Err(ActionsError { path, kind }),
        }
    }

    /// Writes one action. Inactive quantities become 0; what exceeds its vocabulary saturates.
    ///
    /// # Errors
    /// If the output fails.
    #[inline]
    pub fn write(&mut self, action: &Action) -> Result<(), ActionsError> {
        self.columns.push(action);
        match self.columns.len() {
            ROW_GROUP => self.write_group(),
            _ => Ok(()),
        }
    }

    /// Writes what is left and the metadata, and puts the file in its place. `epoch` is the time of the first action.
    ///
    /// # Errors
    /// If the output fails; the file then does not appear.
    pub fn finish(
        mut self,
        epoch: Option<Timestamp>,
        profiles: &OptionProfiles,
        counts: &LiftCounts,
    ) -> Result<(), ActionsError> {
        if self.columns.len() > 0 {
            self.write_group()?;
        }
        for (key, value) in metadata(epoch, profiles, counts) {
            self.file
                .append_key_value_metadata(KeyValue::new(key.to_string(), value));
        }
        let output = self.file.into_inner().map_err(output_kind);
        output
            .and_then(|output| Ok(output.finish()?))
            .map_err(|kind| ActionsError {
                path: self.path,
                kind,
            })
    }

    fn write_group(&mut self) -> Result<(), ActionsError> {
        let written = write_columns(&mut self.file, &self.columns);
        self.columns.clear();
        written.map_err(|error| ActionsError {
            path: self.path.clone(),
            kind: output_kind(error),
        })
    }
}

fn metadata(
    epoch: Option<Timestamp>,
    profiles: &OptionProfiles,
    counts: &LiftCounts,
) -> Vec<(&'static str, String)> {
    let json = |value: serde_json::Result<String>| value.expect("strings and numbers are JSON");
    let mut metadata = vec![
        (key::SCHEMA_VERSION, SCHEMA_VERSION.to_string()),
        (
            key::OPTION_PROFILES,
            json(serde_json::to_string(&profiles.to_hex())),
        ),
        (
            key::COUNTS,
            json(serde_json::to_string(&ActionCounts::from(counts))),
        ),
    ];
    metadata.extend(epoch.map(|epoch| (key::EPOCH, epoch.0.to_string())));
    metadata
}

fn write_columns(
    file: &mut SerializedFileWriter<Output>,
    columns: &Columns,
) -> Result<(), ParquetError> {
    let mut group = file.next_row_group()?;
    let mut quantities = columns.quantities.iter();
    while let Some(mut column) = group.next_column()? {
        match quantities.next() {
            Some(values) => column.typed::<Int32Type>().write_batch(values, None, None),
            None => column
                .typed::<Int64Type>()
                .write_batch(&columns.delta_t, None, None),
        }?;
        column.close()?;
    }
    group.close().map(drop)
}

fn output_kind(error: ParquetError) -> ActionsErrorKind {
    ActionsErrorKind::Io(match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(cause) => io::Error::other(cause),
        },
        error => io::Error::other(error),
    })
}

/// A stream of actions out of a file. Memory does not depend on its length.
///
/// Needs a file that can be searched, not a pipe. A bad file gives actions until a place at most 8,192 rows before the damage,
/// then one error, then nothing.
pub struct ActionsReader {
    path: PathBuf,
    file: SerializedFileReader<File>,
    epoch: Option<Timestamp>,
    profiles: OptionProfiles,
    /// Place of each quantity's column in the file, then that of `delta_t`.
    places: Vec<usize>,
    next_group: usize,
    group: Option<Group>,
    batch: Columns,
    /// The next row of the batch, and the number of the batch's first row in the file.
    at: usize,
    batch_start: u64,
    ended: bool,
}

/// A row group that is being read.
struct Group {
    rows_left: usize,
    quantities: Vec<ColumnReaderImpl<Int32Type>>,
    delta_t: ColumnReaderImpl<Int64Type>,
}

impl ActionsReader {
    /// Opens an actions file and checks its schema. Columns beyond the schema are ignored.
    ///
    /// # Errors
    /// If the file cannot be opened, is no Parquet file, or one of something else.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ActionsError> {
        let path = path.as_ref().to_path_buf();
        match Self::start(&path) {
            Ok(reader) => Ok(reader),
            Err(kind) => Err(ActionsError { path, kind }),
        }
    }

    fn start(path: &Path) -> Result<Self, ActionsErrorKind> {
        let file = File::open(path)?;
        let file = guarded(|| SerializedFileReader::new(file));
        let file = file.map_err(|_| ActionsErrorKind::NotParquet)?;
        let metadata = file.metadata().file_metadata();
        let metadata = Metadata(metadata.key_value_metadata());
        let version: u32 = metadata.number(key::SCHEMA_VERSION)?;
        if version != SCHEMA_VERSION {
            return Err(ActionsErrorKind::SchemaVersion(version));
        }
        let epoch = match metadata.text(key::EPOCH) {
            Ok(_) => Some(Timestamp(metadata.number(key::EPOCH)?)),
            Err(_) => None,
        };
        let profiles = OptionProfiles::from_hex(&metadata.hex_list(key::OPTION_PROFILES)?)?;
        let places = places(file.metadata().file_metadata().schema_descr())?;
        Ok(Self {
            path: path.to_path_buf(),
            file,
            epoch,
            profiles,
            places,
            next_group: 0,
            group: None,
            batch: Columns::new(),
            at: 0,
            batch_start: 0,
            ended: false,
        })
    }

    /// Time of the first action; none if there are no actions.
    pub fn epoch(&self) -> Option<Timestamp> {
        self.epoch
    }

    /// The dictionary that gives `tcp_opt_profile` its meaning; frozen.
    pub fn profiles(&self) -> &OptionProfiles {
        &self.profiles
    }

    /// Number of actions, by the footer.
    pub fn rows(&self) -> u64 {
        let rows = self.file.metadata().file_metadata().num_rows();
        u64::try_from(rows).unwrap_or(0)
    }

    /// Goes on at a row, counted from 0; at the end if there are fewer. Pages before it are skipped undecoded.
    ///
    /// # Errors
    /// If the file is damaged there.
    pub fn seek(&mut self, row: u64) -> Result<(), ActionsError> {
        let sought = self.go_to(row);
        self.ended = sought.is_err();
        sought.map_err(|kind| ActionsError {
            path: self.path.clone(),
            kind,
        })
    }

    fn go_to(&mut self, row: u64) -> Result<(), ActionsErrorKind> {
        (self.group, self.next_group) = (None, 0);
        self.batch.clear();
        (self.at, self.batch_start) = (0, row);
        let groups = self.file.metadata().row_groups().iter();
        let mut before = row;
        for rows in groups.map(|group| u64::try_from(group.num_rows()).unwrap_or(0)) {
            if before < rows {
                return self.open_group(before as usize);
            }
            before -= rows;
            self.next_group += 1;
        }
        Ok(())
    }

    /// Opens the next row group and skips so many of its rows.
    fn open_group(&mut self, skipped: usize) -> Result<(), ActionsErrorKind> {
        let row = self.batch_start;
        let group = guarded(|| open_group(&self.file, self.next_group, &self.places));
        let mut group = group.map_err(|error| damaged(row, error))?;
        group.skip(skipped, row)?;
        self.group = Some(group);
        self.next_group += 1;
        Ok(())
    }

    /// The next action; none after the last one, or after an error.
    fn read(&mut self) -> Result<Option<Action>, ActionsErrorKind> {
        while self.at == self.batch.len() {
            if !self.read_batch()? {
                return Ok(None);
            }
        }
        let action = self.batch.action(self.at).map_err(|(quantity, value)| {
            ActionsErrorKind::OutOfVocabulary {
                row: self.row(),
                column: quantity.name,
                value,
                max: quantity.vocabulary.max(),
            }
        })?;
        self.at += 1;
        Ok(Some(action))
    }

    fn row(&self) -> u64 {
        self.batch_start + self.at as u64
    }

    /// Brings the next rows into the batch; false at the end of the file.
    fn read_batch(&mut self) -> Result<bool, ActionsErrorKind> {
        self.batch_start = self.row();
        self.batch.clear();
        self.at = 0;
        let row = self.batch_start;
        if self.group.as_ref().is_none_or(|group| group.rows_left == 0) {
            if self.next_group == self.file.num_row_groups() {
                return Ok(false);
            }
            self.open_group(0)?;
        }
        if let Some(group) = &mut self.group {
            group.read(&mut self.batch, row)?;
        }
        Ok(true)
    }
}

impl Iterator for ActionsReader {
    type Item = Result<Action, ActionsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let read = self.read();
        self.ended = !matches!(read, Ok(Some(_)));
        let read = read.map_err(|kind| ActionsError {
            path: self.path.clone(),
            kind,
        });
        read.transpose()
    }
}

fn open_group(
    file: &SerializedFileReader<File>,
    number: usize,
    places: &[usize],
) -> Result<Group, ParquetError> {
    let group = file.get_row_group(number)?;
    let wrong = || ParquetError::General("a column changes its type".to_string());
    let (delta_t, quantities) = places.split_last().ok_or_else(wrong)?;
    let quantities = quantities
        .iter()
        .map(|&place| match group.get_column_reader(place)? {
            ColumnReader::Int32ColumnReader(reader) => Ok(reader),
            _ => Err(wrong()),
        });
    let quantities = quantities.collect::<Result<_, _>>()?;
    let delta_t = match group.get_column_reader(*delta_t)? {
        ColumnReader::Int64ColumnReader(reader) => reader,
        _ => return Err(wrong()),
    };
    let rows_left = usize::try_from(group.metadata().num_rows())?;
    Ok(Group {
        rows_left,
        quantities,
        delta_t,
    })
}

impl Group {
    /// Leaves out the next rows of every column; the row after them is number `row`.
    fn skip(&mut self, count: usize, row: u64) -> Result<(), ActionsErrorKind> {
        for (reader, quantity) in self.quantities.iter_mut().zip(QUANTITIES) {
            skip_column(reader, count, row, quantity.name)?;
        }
        skip_column(&mut self.delta_t, count, row, DELTA_T)?;
        self.rows_left -= count;
        Ok(())
    }

    /// Reads the next rows of every column. `row` is the number of the first, for errors.
    fn read(&mut self, batch: &mut Columns, row: u64) -> Result<(), ActionsErrorKind> {
        let count = self.rows_left.min(BATCH);
        let quantities = self.quantities.iter_mut().zip(&mut batch.quantities);
        for ((reader, values), quantity) in quantities.zip(QUANTITIES) {
            read_column(reader, count, values, row, quantity.name)?;
        }
        read_column(&mut self.delta_t, count, &mut batch.delta_t, row, DELTA_T)?;
        self.rows_left -= count;
        Ok(())
    }
}

fn read_column<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    count: usize,
    values: &mut Vec<T::T>,
    row: u64,
    column: &'static str,
) -> Result<(), ActionsErrorKind> {
    let mut levels = Vec::new();
    while values.len() < count {
        levels.clear();
        let wanted = count - values.len();
        let read = guarded(|| reader.read_records(wanted, Some(&mut levels), None, values));
        let (records, present, _) = read.map_err(|error| damaged(row, error))?;
        if present < records {
            let null = levels.iter().position(|&level| level == 0).unwrap_or(0);
            let row = row + (values.len() - present + null) as u64;
            return Err(ActionsErrorKind::Null { row, column });
        }
        if records == 0 {
            return Err(ends_early(row, column));
        }
    }
    Ok(())
}

fn skip_column<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    count: usize,
    row: u64,
    column: &'static str,
) -> Result<(), ActionsErrorKind> {
    let skipped = guarded(|| reader.skip_records(count)).map_err(|error| damaged(row, error))?;
    if skipped < count {
        return Err(ends_early(row, column));
    }
    Ok(())
}

fn ends_early(row: u64, column: &'static str) -> ActionsErrorKind {
    let cause = format!("column {column} ends early");
    ActionsErrorKind::Damaged { row, cause }
}

/// Runs a step of the Parquet library, which panics on some damaged files where it should say so.
fn guarded<T>(step: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    panic::catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|_| {
        let cause = "the file contradicts itself".to_string();
        Err(ParquetError::General(cause))
    })
}

fn damaged(row: u64, error: ParquetError) -> ActionsErrorKind {
    let cause = error.to_string();
    ActionsErrorKind::Damaged { row, cause }
}

/// Place of each column of the schema, in its order.
fn places(schema: &SchemaDescriptor) -> Result<Vec<usize>, ActionsErrorKind> {
    let expected = parquet_schema();
    let names = QUANTITIES.iter().map(|quantity| quantity.name);
    let columns = names.chain([DELTA_T]).zip(expected.get_fields());
    columns
        .map(|(name, expected)| {
            let place = schema.columns().iter().position(|column| {
                let path = column.path().parts();
                path.len() == 1 && path[0] == name
            });
            let place = place.ok_or(ActionsErrorKind::MissingColumn(name))?;
            check_type(&schema.columns()[place], expected, name)?;
            Ok(place)
        })
        .collect()
}

/// Accepts the column's own type, required or optional, in Parquet's new words or its old ones. A plain `INT64` counts as
/// signed, as Parquet has it.
fn check_type(
    found: &ColumnDescriptor,
    expected: &Type,
    column: &'static str,
) -> Result<(), ActionsErrorKind> {
    let wanted = expected.get_basic_info();
    let annotated = match found.logical_type_ref() {
        Some(logical) => Some(logical) == wanted.logical_type_ref(),
        None => match found.converted_type() {
            ConvertedType::NONE => column == DELTA_T,
            converted => converted == wanted.converted_type(),
        },
    };
    let physical = expected.get_physical_type();
    if annotated && found.physical_type() == physical && found.max_rep_level() == 0 {
        return Ok(());
    }
    Err(ActionsErrorKind::ColumnType {
        column,
        found: type_name(found.physical_type(), found.converted_type()),
        expected: type_name(physical, wanted.converted_type()),
    })
}

fn type_name(physical: Physical, converted: ConvertedType) -> String {
    match converted {
        ConvertedType::NONE => physical.to_string(),
        converted => format!("{physical} ({converted})"),
    }
}

/// The file's key-value metadata.
struct Metadata<'a>(Option<&'a Vec<KeyValue>>);

impl Metadata<'_> {
    fn text(&self, key: &'static str) -> Result<&str, ActionsErrorKind> {
        let mut entries = self.0.into_iter().flatten();
        let entry = entries.rfind(|entry| entry.key == key);
        entry
            .and_then(|entry| entry.value.as_deref())
            .ok_or(ActionsErrorKind::NotActions(key))
    }

    fn number<T: std::str::FromStr>(&self, key: &'static str) -> Result<T, ActionsErrorKind> {
        let text = self.text(key)?;
        text.parse().map_err(|_| bad_metadata(key, text))
    }

    fn hex_list(&self, key: &'static str) -> Result<Vec<String>, ActionsErrorKind> {
        let text = self.text(key)?;
        serde_json::from_str(text).map_err(|_| bad_metadata(key, text))
    }
}

fn bad_metadata(key: &'static str, value: &str) -> ActionsErrorKind {
    let value = value.chars().take(80).collect();
    ActionsErrorKind::Metadata { key, value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::OptionLayout;
    use proptest::prelude::*;
    use std::fs;
    use tempfile::TempDir;

    /// A value for each quantity, within its vocabulary.
    fn actions() -> impl Strategy<Value = Vec<Action>> {
        let action = (
            proptest::collection::vec(any::<u32>(), QUANTITIES.len()),
            any::<i64>(),
        );
        let action = action.prop_map(|(values, delta_t)| {
            let mut action = Action {
                delta_t,
                ..Action::default()
            };
            for (quantity, value) in QUANTITIES.iter().zip(values) {
                let size = u64::from(quantity.vocabulary.max()) + 1;
                (quantity.set)(&mut action, (u64::from(value) % size) as u32);
            }
            action
        });
        proptest::collection::vec(action, 0..300)
    }

    fn profiles() -> OptionProfiles {
        let mut profiles = OptionProfiles::new();
        profiles.intern(OptionLayout::of(&[2, 4, 5, 180]));
        profiles
    }

    fn write(path: &Path, actions: &[Action]) {
        let mut writer = ActionsWriter::create(path).unwrap();
        for action in actions {
            writer.write(action).unwrap();
        }
        let epoch = (!actions.is_empty()).then_some(Timestamp(-5));
        let counts = LiftCounts::default();
        writer.finish(epoch, &profiles(), &counts).unwrap();
    }

    fn read(path: &Path) -> Result<Vec<Action>, ActionsError> {
        ActionsReader::open(path)?.collect()
    }

    /// A file of this many different actions, in a folder that lives as long as the guard.
    fn sample(count: u32) -> (TempDir, PathBuf, Vec<Action>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let action = |i: u32| Action {
            flow_token: (i % 7) as u16,
            tcp_seq_delta: i.wrapping_mul(2_654_435_761),
            l4_payload_len: (i % 1_460) as u16,
            delta_t: i64::from(i) - 100,
            ..Action::default()
        };
        let actions: Vec<Action> = (0..count).map(action).collect();
        write(&path, &actions);
        (folder, path, actions)
    }

    /// A file of one column and this metadata.
    fn foreign(path: &Path, column: Arc<Type>, metadata: &[(&str, &str)]) {
        let output = Output::create(path).unwrap();
        let schema = group("x", vec![column]);
        let mut file = SerializedFileWriter::new(output, schema, Arc::default()).unwrap();
        for (key, value) in metadata {
            let entry = KeyValue::new(key.to_string(), value.to_string());
            file.append_key_value_metadata(entry);
        }
        file.into_inner().unwrap().finish().unwrap();
    }

    fn opening_error(path: &Path) -> String {
        let error = ActionsReader::open(path).err().unwrap().to_string();
        let prefix = format!("{}: ", path.display());
        error.strip_prefix(&prefix).unwrap().to_string()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn test_round_trip(actions in actions()) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.parquet");
            write(&path, &actions);
            let clean: Vec<Action> = actions.iter().map(|a| a.without_inactive()).collect();
            prop_assert_eq!(read(&path).unwrap(), clean);
        }

        #[test]
        fn test_damage_is_an_error_or_values_of_the_vocabulary(at in 0usize..20_000, byte in any::<u8>()) {
            let (_folder, path, actions) = sample(500);
            let mut bytes = fs::read(&path).unwrap();
            let at = at % bytes.len();
            bytes[at] = byte;
            fs::write(&path, bytes).unwrap();
            if let Ok(read) = read(&path) {
                prop_assert!(read.len() <= actions.len());
            }
        }
    }

    #[test]
    fn test_several_row_groups() {
        let (_folder, path, actions) = sample(ROW_GROUP as u32 + 10);
        let reader = ActionsReader::open(&path).unwrap();
        assert_eq!(reader.rows(), ROW_GROUP as u64 + 10);
        assert_eq!(reader.epoch(), Some(Timestamp(-5)));
        assert_eq!(reader.profiles().to_hex(), profiles().to_hex());
        assert_eq!(reader.map(Result::unwrap).collect::<Vec<_>>(), actions);
    }

    #[test]
    fn test_seek() {
        let (_folder, path, actions) = sample(ROW_GROUP as u32 + 30_000);
        let mut reader = ActionsReader::open(&path).unwrap();
        let rows = [150_000, 20_000, 0, 19_999, 8_191, ROW_GROUP - 1, ROW_GROUP];
        for row in rows.into_iter().chain([actions.len() - 1, 60_001]) {
            reader.seek(row as u64).unwrap();
            let read: Vec<_> = reader.by_ref().take(9_000).map(Result::unwrap).collect();
            assert!(read == actions[row..][..read.len()], "{row}");
            assert_eq!(read.len(), 9_000.min(actions.len() - row));
        }
        for beyond in [actions.len() as u64, u64::MAX] {
            reader.seek(beyond).unwrap();
            assert!(reader.next().is_none());
        }
    }

    #[test]
    fn test_no_actions() {
        let (_folder, path, _) = sample(0);
        assert_eq!(read(&path).unwrap(), []);
        assert_eq!(ActionsReader::open(&path).unwrap().epoch(), None);
    }

    #[test]
    fn test_same_actions_same_bytes() {
        let (_folder, first, _) = sample(1_000);
        let (_other, second, _) = sample(1_000);
        assert_eq!(fs::read(first).unwrap(), fs::read(second).unwrap());
    }

    #[test]
    fn test_excess_values_saturate() {
        let (_folder, path, _) = sample(0);
        let mut action = Action::default();
        action.context.gap_b = 255;
        write(&path, &[action]);
        action.context.gap_b = 31;
        assert_eq!(read(&path).unwrap(), [action]);
    }

    #[test]
    fn test_cut_files() {
        let (_folder, path, _) = sample(500);
        let bytes = fs::read(&path).unwrap();
        for len in (0..bytes.len()).step_by(97) {
            fs::write(&path, &bytes[..len]).unwrap();
            assert_eq!(opening_error(&path), "not a Parquet file, or cut off");
        }
    }

    #[test]
    fn test_other_files() {
        let (_folder, path, _) = sample(0);
        let width = LogicalType::integer(32, false);
        let token = column_type("flow_token", Physical::INT32, width);
        foreign(&path, token.clone(), &[]);
        assert_eq!(
            opening_error(&path),
            "a Parquet file, but not of packet actions: no metadata tracecodec.schema_version"
        );
        foreign(&path, token.clone(), &[(key::SCHEMA_VERSION, "999")]);
        assert_eq!(
            opening_error(&path),
            format!("schema version 999, but this version reads {SCHEMA_VERSION}")
        );
        let version = SCHEMA_VERSION.to_string();
        let good = [
            (key::SCHEMA_VERSION, version.as_str()),
            (key::OPTION_PROFILES, "[]"),
        ];
        foreign(&path, token, &good);
        assert_eq!(
            opening_error(&path),
            "column flow_token is INT32 (UINT_32), not INT32 (UINT_16)"
        );
        let delta_t = column_type(DELTA_T, Physical::INT64, LogicalType::integer(64, true));
        foreign(&path, delta_t, &good);
        assert_eq!(opening_error(&path), "no column flow_token");
    }

    #[test]
    fn test_column_types() {
        let of = |column: Arc<Type>| SchemaDescriptor::new(group("x", vec![column])).column(0);
        let expected = column_type("a", Physical::INT32, LogicalType::integer(16, false));
        assert!(check_type(&of(expected.clone()), &expected, "a").is_ok());
        let old = Type::primitive_type_builder("a", Physical::INT32)
            .with_repetition(Repetition::OPTIONAL)
            .with_converted_type(ConvertedType::UINT_16);
        let old = Arc::new(old.build().unwrap());
        assert!(check_type(&of(old), &expected, "a").is_ok());
        let list = Type::primitive_type_builder("a", Physical::INT32)
            .with_repetition(Repetition::REPEATED)
            .with_converted_type(ConvertedType::UINT_16);
        let list = Arc::new(list.build().unwrap());
        assert!(check_type(&of(list), &expected, "a").is_err());
        let plain = Type::primitive_type_builder(DELTA_T, Physical::INT64);
        let plain = Arc::new(plain.build().unwrap());
        let expected = column_type(DELTA_T, Physical::INT64, LogicalType::integer(64, true));
        assert!(check_type(&of(plain), &expected, DELTA_T).is_ok());
    }

    #[test]
    fn test_value_out_of_vocabulary() {
        let (_folder, path, _) = sample(0);
        let mut writer = ActionsWriter::create(&path).unwrap();
        writer.write(&Action::default()).unwrap();
        writer.write(&Action::default()).unwrap();
        writer.columns.quantities[1][1] = 3;
        let counts = LiftCounts::default();
        writer.finish(None, &profiles(), &counts).unwrap();
        let mut reader = ActionsReader::open(&path).unwrap();
        assert_eq!(reader.next().unwrap().unwrap(), Action::default());
        reader.seek(1).unwrap();
        let error = reader.next().unwrap().unwrap_err().kind.to_string();
        assert_eq!(error, "row 1: flow_evt is 3, but at most 2 is allowed");
        assert!(reader.next().is_none());
    }
}

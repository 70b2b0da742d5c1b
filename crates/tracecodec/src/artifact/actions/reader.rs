//! Reading an actions file.

use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::basic::Compression;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{DataType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::DELTA_T;
use super::columns::{Columns, Found, Place, layout, out_of_vocabulary, whole};
use super::file::{self, BATCH, guarded};
use super::metadata::Metadata;
use crate::action::context::Contexts;
use crate::action::schema::QUANTITIES;
use crate::action::{Action, ActionSchema, OptionProfiles};
use crate::error::{ActionsFault, Error};
use crate::pcap::Timestamp;

/// A stream of actions from a file. Memory does not grow with the file.
///
/// Files that other tools rewrote are read, too: with columns in any order and of any numeric type,
/// and with metadata from elsewhere ([`open_like`](Self::open_like)). If a column of the context is
/// missing, the whole context is derived from the preceding actions, as by the lift.
///
/// The file must be seekable, so not a pipe. A damaged file yields actions up to a place at most
/// 8,192 rows before the damage, then one error, then nothing.
pub struct ActionsReader {
    path: PathBuf,
    file: SerializedFileReader<File>,
    metadata: Metadata,
    layout: Found<Place>,
    /// State from which the context is derived, if the file lacks it.
    contexts: Option<Contexts>,
    next_group: usize,
    group: Option<RowGroup>,
    batch: Columns,
    /// Place of the next row in the batch, and number of the batch's first row in the file.
    at: usize,
    batch_start: u64,
    ended: bool,
}

/// A row group that is being read.
struct RowGroup {
    rows_left: usize,
    /// The columns of the quantities, then that of `delta_t`.
    columns: Vec<Option<Column>>,
}

/// A column of a row group that is being read.
enum Column {
    Int32(ColumnReaderImpl<Int32Type>),
    UInt32(ColumnReaderImpl<Int32Type>),
    Int64(ColumnReaderImpl<Int64Type>),
    UInt64(ColumnReaderImpl<Int64Type>),
    Float(ColumnReaderImpl<FloatType>),
    Double(ColumnReaderImpl<DoubleType>),
}

impl ActionsReader {
    /// Opens an actions file and checks its schema. Columns beyond the schema are ignored. If the
    /// file has lost its metadata, they are taken from the manifest beside it (`x.parquet.json`).
    ///
    /// # Errors
    /// If the file cannot be opened, is not a Parquet file, or does not hold actions.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_like(path, None)
    }

    /// Opens an actions file. If the file has lost its metadata, they are taken from `like`, which
    /// is another actions file or a lift manifest.
    ///
    /// # Errors
    /// Errors of [`open`](Self::open), or if `like` has no metadata either.
    pub fn open_like(path: impl AsRef<Path>, like: Option<&Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = file::open(path)?;
        Self::start(path, file, like).map_err(Error::actions(path))
    }

    fn start(
        path: &Path,
        file: SerializedFileReader<File>,
        like: Option<&Path>,
    ) -> Result<Self, ActionsFault> {
        let metadata = file.metadata().file_metadata();
        let about = Metadata::find(path, metadata.key_value_metadata(), like)?;
        let layout = layout(metadata.schema_descr(), about.schema.version)?;
        check_codecs(&file)?;
        Ok(Self {
            path: path.to_path_buf(),
            file,
            contexts: layout.derives_context.then(Contexts::default),
            next_group: 0,
            group: None,
            batch: Columns::new(about.schema.version),
            at: 0,
            batch_start: 0,
            ended: false,
            metadata: about,
            layout,
        })
    }

    /// Names of the file's columns that are not part of the schema; these columns are ignored.
    pub fn ignored_columns(&self) -> &[String] {
        &self.layout.ignored
    }

    /// The file that the metadata were taken from, if this file has lost its own.
    pub fn metadata_from(&self) -> Option<&Path> {
        self.metadata.from.as_deref()
    }

    /// What the actions keep.
    pub fn schema(&self) -> ActionSchema {
        self.metadata.schema
    }

    /// Time of the first action; `None` if there are no actions.
    pub fn epoch(&self) -> Option<Timestamp> {
        self.metadata.epoch
    }

    /// The dictionary that `tcp_opt_profile` refers to; frozen.
    pub fn profiles(&self) -> &OptionProfiles {
        &self.metadata.profiles
    }

    /// Number of actions, by the footer.
    pub fn rows(&self) -> u64 {
        let rows = self.file.metadata().file_metadata().num_rows();
        u64::try_from(rows).unwrap_or(0)
    }

    /// Continues at a row, counted from 0, or at the end if there are fewer rows. Pages before the
    /// row are skipped without decoding, unless the context must be derived from them.
    ///
    /// # Errors
    /// If the file is damaged at the row or before it.
    pub fn seek(&mut self, row: u64) -> Result<(), Error> {
        let sought = self.go_to(row);
        self.ended = sought.is_err();
        sought.map_err(Error::actions(&self.path))
    }

    fn go_to(&mut self, row: u64) -> Result<(), ActionsFault> {
        if self.contexts.is_none() {
            return self.skip_to(row);
        }
        if row < self.row() || self.ended {
            self.contexts = Some(Contexts::default());
            self.skip_to(0)?;
        }
        while self.row() < row && self.read()?.is_some() {}
        Ok(())
    }

    fn skip_to(&mut self, row: u64) -> Result<(), ActionsFault> {
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

    /// Opens the next row group and skips its first `skipped` rows.
    fn open_group(&mut self, skipped: usize) -> Result<(), ActionsFault> {
        let row = self.batch_start;
        let mut group = guarded(|| open_group(&self.file, self.next_group, &self.layout.places))
            .map_err(|error| damaged(row, error))?;
        group.skip(skipped, row)?;
        self.group = Some(group);
        self.next_group += 1;
        Ok(())
    }

    /// The next action; `None` after the last one or after an error.
    fn read(&mut self) -> Result<Option<Action>, ActionsFault> {
        while self.at == self.batch.len() {
            if !self.read_batch()? {
                return Ok(None);
            }
        }
        let action = self.batch.action(self.at);
        let mut action = action
            .map_err(|(quantity, value)| out_of_vocabulary(self.row(), quantity, value.into()))?;
        if let Some(contexts) = &mut self.contexts {
            action.context = contexts.next(&action);
        }
        self.at += 1;
        Ok(Some(action))
    }

    fn row(&self) -> u64 {
        self.batch_start + self.at as u64
    }

    /// Reads the next rows into the batch; returns false at the end of the file.
    fn read_batch(&mut self) -> Result<bool, ActionsFault> {
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
    type Item = Result<Action, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let read = self.read();
        self.ended = !matches!(read, Ok(Some(_)));
        read.map_err(Error::actions(&self.path)).transpose()
    }
}

/// Refuses compression that the Parquet library was built without.
fn check_codecs(file: &SerializedFileReader<File>) -> Result<(), ActionsFault> {
    let groups = file.metadata().row_groups().iter();
    let mut codecs = groups
        .flat_map(|group| group.columns())
        .map(|column| column.compression());
    let is_built_in = |codec: &Compression| {
        matches!(
            codec,
            Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::ZSTD(_)
        )
    };
    match codecs.find(|codec| !is_built_in(codec)) {
        Some(codec) => Err(ActionsFault::Codec(codec.to_string())),
        None => Ok(()),
    }
}

fn open_group(
    file: &SerializedFileReader<File>,
    number: usize,
    places: &[Option<Place>],
) -> Result<RowGroup, ParquetError> {
    let group = file::Group::open(file, number)?;
    let column = |place: &Option<Place>| {
        place.map(|place| Column::new(group.column(place.number)?, place.is_signed))
    };
    Ok(RowGroup {
        rows_left: group.rows()?,
        columns: places
            .iter()
            .map(|place| column(place).transpose())
            .collect::<Result<_, _>>()?,
    })
}

/// Names of the columns in a row group.
fn names() -> impl Iterator<Item = &'static str> {
    QUANTITIES
        .iter()
        .map(|quantity| quantity.name)
        .chain([DELTA_T])
}

impl RowGroup {
    /// Skips `count` rows in every column, up to row number `row`.
    fn skip(&mut self, count: usize, row: u64) -> Result<(), ActionsFault> {
        for (column, name) in self.columns.iter_mut().zip(names()) {
            if let Some(column) = column {
                column.skip(count, row, name)?;
            }
        }
        self.rows_left -= count;
        Ok(())
    }

    /// Reads the next rows of every column. `row` is the number of the first of them, for errors.
    fn read(&mut self, batch: &mut Columns, row: u64) -> Result<(), ActionsFault> {
        let count = self.rows_left.min(BATCH);
        let columns = self.columns.iter_mut().zip(&mut batch.quantities);
        for ((column, values), quantity) in columns.zip(QUANTITIES) {
            match column {
                Some(Column::UInt32(reader)) => {
                    read_column(reader, count, values, row, quantity.name)?;
                }
                Some(column) => {
                    let read = column.read(count, row, quantity.name)?;
                    for (row, value) in (row..).zip(read) {
                        match u32::try_from(value) {
                            Ok(value) => values.push(value as i32),
                            Err(_) => return Err(out_of_vocabulary(row, quantity, value)),
                        }
                    }
                }
                None => values.resize(count, 0),
            }
        }
        match self.columns.last_mut() {
            Some(Some(Column::Int64(reader))) => {
                read_column(reader, count, &mut batch.delta_t, row, DELTA_T)?;
            }
            Some(Some(column)) => batch.delta_t = column.read(count, row, DELTA_T)?,
            _ => batch.delta_t.resize(count, 0),
        }
        self.rows_left -= count;
        Ok(())
    }
}

impl Column {
    fn new(reader: ColumnReader, is_signed: bool) -> Result<Self, ParquetError> {
        Ok(match (reader, is_signed) {
            (ColumnReader::Int32ColumnReader(reader), true) => Self::Int32(reader),
            (ColumnReader::Int32ColumnReader(reader), false) => Self::UInt32(reader),
            (ColumnReader::Int64ColumnReader(reader), true) => Self::Int64(reader),
            (ColumnReader::Int64ColumnReader(reader), false) => Self::UInt64(reader),
            (ColumnReader::FloatColumnReader(reader), _) => Self::Float(reader),
            (ColumnReader::DoubleColumnReader(reader), _) => Self::Double(reader),
            _ => {
                return Err(ParquetError::General(
                    "a column changes its type".to_string(),
                ));
            }
        })
    }

    fn skip(&mut self, count: usize, row: u64, name: &'static str) -> Result<(), ActionsFault> {
        match self {
            Self::Int32(reader) | Self::UInt32(reader) => skip_column(reader, count, row, name),
            Self::Int64(reader) | Self::UInt64(reader) => skip_column(reader, count, row, name),
            Self::Float(reader) => skip_column(reader, count, row, name),
            Self::Double(reader) => skip_column(reader, count, row, name),
        }
    }

    /// Reads the next values, of whatever type.
    fn read(
        &mut self,
        count: usize,
        row: u64,
        name: &'static str,
    ) -> Result<Vec<i64>, ActionsFault> {
        match self {
            Self::Int32(reader) => converted(reader, count, row, name, |value| Ok(value.into())),
            Self::UInt32(reader) => {
                converted(reader, count, row, name, |value| Ok((value as u32).into()))
            }
            Self::Int64(reader) => converted(reader, count, row, name, Ok),
            Self::UInt64(reader) => converted(reader, count, row, name, |value| {
                i64::try_from(value as u64).map_err(|_| (value as u64).to_string())
            }),
            Self::Float(reader) => converted(reader, count, row, name, |value| whole(value.into())),
            Self::Double(reader) => converted(reader, count, row, name, whole),
        }
    }
}

/// Reads a column and converts its values. A value that cannot be converted is returned as text.
fn converted<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    count: usize,
    row: u64,
    column: &'static str,
    convert: impl Fn(T::T) -> Result<i64, String>,
) -> Result<Vec<i64>, ActionsFault> {
    let mut own = Vec::new();
    read_column(reader, count, &mut own, row, column)?;
    let values = (row..).zip(own).map(|(row, value)| {
        convert(value).map_err(|value| ActionsFault::NotWhole { row, column, value })
    });
    values.collect()
}

fn read_column<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    count: usize,
    values: &mut Vec<T::T>,
    row: u64,
    column: &'static str,
) -> Result<(), ActionsFault> {
    let mut levels = Vec::new();
    while values.len() < count {
        levels.clear();
        let wanted = count - values.len();
        let read = guarded(|| reader.read_records(wanted, Some(&mut levels), None, values));
        let (records, present, _) = read.map_err(|error| damaged(row, error))?;
        if present < records {
            let null = levels.iter().position(|&level| level == 0).unwrap_or(0);
            let row = row + (values.len() - present + null) as u64;
            return Err(ActionsFault::Null { row, column });
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
) -> Result<(), ActionsFault> {
    let skipped = guarded(|| reader.skip_records(count)).map_err(|error| damaged(row, error))?;
    if skipped < count {
        return Err(ends_early(row, column));
    }
    Ok(())
}

fn ends_early(row: u64, column: &'static str) -> ActionsFault {
    let cause = format!("column {column} ends early");
    ActionsFault::Damaged { row, cause }
}

fn damaged(row: u64, error: ParquetError) -> ActionsFault {
    let cause = error.to_string();
    ActionsFault::Damaged { row, cause }
}

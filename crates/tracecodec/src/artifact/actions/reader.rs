//! Reading an actions file.

use std::fs::File;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::columns::{Columns, places};
use super::{DELTA_T, key};
use crate::action::schema::QUANTITIES;
use crate::action::{Action, OptionProfiles, SCHEMA_VERSION};
use crate::error::{ActionsFault, Error};
use crate::pcap::Timestamp;

/// Rows that the reader decodes at once.
const BATCH: usize = 8_192;

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
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = File::open(path).map_err(Error::io(path))?;
        Self::start(path, file).map_err(bad(path))
    }

    fn start(path: &Path, file: File) -> Result<Self, ActionsFault> {
        let file = guarded(|| SerializedFileReader::new(file));
        let file = file.map_err(|_| ActionsFault::NotParquet)?;
        let metadata = file.metadata().file_metadata();
        let metadata = Metadata(metadata.key_value_metadata());
        let version: u32 = metadata.number(key::SCHEMA_VERSION)?;
        if version != SCHEMA_VERSION {
            return Err(ActionsFault::SchemaVersion {
                found: version,
                expected: SCHEMA_VERSION,
            });
        }
        let epoch = match metadata.text(key::EPOCH) {
            Ok(_) => Some(Timestamp(metadata.number(key::EPOCH)?)),
            Err(_) => None,
        };
        let profiles = OptionProfiles::from_hex(&metadata.hex_list(key::OPTION_PROFILES)?);
        let profiles = profiles.map_err(|error| ActionsFault::Profiles(error.to_string()))?;
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
    pub fn seek(&mut self, row: u64) -> Result<(), Error> {
        let sought = self.go_to(row);
        self.ended = sought.is_err();
        sought.map_err(bad(&self.path))
    }

    fn go_to(&mut self, row: u64) -> Result<(), ActionsFault> {
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
    fn open_group(&mut self, skipped: usize) -> Result<(), ActionsFault> {
        let row = self.batch_start;
        let group = guarded(|| open_group(&self.file, self.next_group, &self.places));
        let mut group = group.map_err(|error| damaged(row, error))?;
        group.skip(skipped, row)?;
        self.group = Some(group);
        self.next_group += 1;
        Ok(())
    }

    /// The next action; none after the last one, or after an error.
    fn read(&mut self) -> Result<Option<Action>, ActionsFault> {
        while self.at == self.batch.len() {
            if !self.read_batch()? {
                return Ok(None);
            }
        }
        let action = self.batch.action(self.at).map_err(|(quantity, value)| {
            ActionsFault::OutOfVocabulary {
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
        read.map_err(bad(&self.path)).transpose()
    }
}

/// Names the file that a fault is in.
fn bad(path: &Path) -> impl FnOnce(ActionsFault) -> Error + '_ {
    move |fault| Error::Actions {
        path: path.to_path_buf(),
        fault,
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
    fn skip(&mut self, count: usize, row: u64) -> Result<(), ActionsFault> {
        for (reader, quantity) in self.quantities.iter_mut().zip(QUANTITIES) {
            skip_column(reader, count, row, quantity.name)?;
        }
        skip_column(&mut self.delta_t, count, row, DELTA_T)?;
        self.rows_left -= count;
        Ok(())
    }

    /// Reads the next rows of every column. `row` is the number of the first, for errors.
    fn read(&mut self, batch: &mut Columns, row: u64) -> Result<(), ActionsFault> {
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

/// Runs a step of the Parquet library, which panics on some damaged files where it should say so.
fn guarded<T>(step: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    panic::catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|_| {
        let cause = "the file contradicts itself".to_string();
        Err(ParquetError::General(cause))
    })
}

fn damaged(row: u64, error: ParquetError) -> ActionsFault {
    let cause = error.to_string();
    ActionsFault::Damaged { row, cause }
}

/// The file's key-value metadata.
struct Metadata<'a>(Option<&'a Vec<KeyValue>>);

impl Metadata<'_> {
    fn text(&self, key: &'static str) -> Result<&str, ActionsFault> {
        let mut entries = self.0.into_iter().flatten();
        let entry = entries.rfind(|entry| entry.key == key);
        entry
            .and_then(|entry| entry.value.as_deref())
            .ok_or(ActionsFault::NotActions(key))
    }

    fn number<T: std::str::FromStr>(&self, key: &'static str) -> Result<T, ActionsFault> {
        let text = self.text(key)?;
        text.parse().map_err(|_| bad_metadata(key, text))
    }

    fn hex_list(&self, key: &'static str) -> Result<Vec<String>, ActionsFault> {
        let text = self.text(key)?;
        serde_json::from_str(text).map_err(|_| bad_metadata(key, text))
    }
}

fn bad_metadata(key: &'static str, value: &str) -> ActionsFault {
    let value = value.chars().take(80).collect();
    ActionsFault::Metadata { key, value }
}

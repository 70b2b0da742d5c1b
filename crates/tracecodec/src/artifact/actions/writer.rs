//! Writing an actions file.

use std::io;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use super::columns::{Columns, parquet_schema, quantities_in};
use super::labels::LabelRows;
use super::{DELTA_T, ROW_GROUP, key};
use crate::action::{Action, ActionSchema, OptionProfiles, PAPER_SCHEMA};
use crate::artifact::{ActionCounts, TOOL};
use crate::choice::Choice;
use crate::error::Error;
use crate::lift::LiftCounts;
use crate::output::Output;
use crate::pcap::{Label, Timestamp};

/// Writer settings. Dictionaries make the file a fifth smaller; statistics by page would make it
/// larger and slower to no benefit.
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

/// Writes an actions file, with columns of labels if one of its first [`ROW_GROUP`] actions has a
/// label. Holds at most [`ROW_GROUP`] actions in memory. The same actions give the
/// same bytes.
///
/// The file appears in [`finish`](ActionsWriter::finish). A writer that is dropped earlier leaves
/// nothing.
pub struct ActionsWriter {
    schema: ActionSchema,
    /// The output, until the first row group is written.
    output: Option<Output>,
    file: Option<SerializedFileWriter<Output>>,
    pub(super) columns: Columns,
    labels: LabelRows,
    is_labelled: bool,
    labels_left_out: u64,
}

impl ActionsWriter {
    /// Begins a file of actions of a schema at a path; `-` is standard output.
    ///
    /// # Errors
    /// If the output cannot be opened.
    pub fn create(path: impl AsRef<Path>, schema: ActionSchema) -> Result<Self, Error> {
        Ok(Self {
            schema,
            output: Some(Output::create(path)?),
            file: None,
            columns: Columns::new(schema.version),
            labels: LabelRows::default(),
            is_labelled: false,
            labels_left_out: 0,
        })
    }

    /// Writes one action. Inactive quantities become 0; a value that exceeds its vocabulary
    /// saturates.
    ///
    /// # Errors
    /// If the output fails.
    #[inline]
    pub fn write(&mut self, action: &Action) -> Result<(), Error> {
        self.write_labelled(action, None)
    }

    /// Writes one action and its label.
    ///
    /// # Errors
    /// If the output fails.
    #[inline]
    pub fn write_labelled(
        &mut self,
        action: &Action,
        label: Option<Label<'_>>,
    ) -> Result<(), Error> {
        if let Some(label) = label {
            self.labels.push(self.columns.len(), label);
        }
        self.columns.push(action);
        match self.columns.len() {
            ROW_GROUP => self.write_group(),
            _ => Ok(()),
        }
    }

    /// Labels that were left out, since the first row group was written without any.
    pub fn labels_left_out(&self) -> u64 {
        let waiting = if self.file.is_some() && !self.is_labelled {
            self.labels.len() as u64
        } else {
            0
        };
        self.labels_left_out + waiting
    }

    /// Writes what is left and the metadata, and moves the file to its place. `epoch` is the time
    /// of the first action.
    ///
    /// # Errors
    /// If the output fails; the file then does not appear.
    pub fn finish(
        mut self,
        epoch: Option<Timestamp>,
        profiles: &OptionProfiles,
        counts: &LiftCounts,
    ) -> Result<(), Error> {
        if self.columns.len() > 0 {
            self.write_group()?;
        }
        let mut file = self.begun()?;
        for (key, value) in metadata(self.schema, epoch, profiles, counts) {
            file.append_key_value_metadata(KeyValue::new(key.to_string(), value));
        }
        let output = file.into_inner().map_err(failed)?;
        Ok(output.finish()?)
    }

    fn write_group(&mut self) -> Result<(), Error> {
        self.labels_left_out = self.labels_left_out();
        let mut file = self.begun()?;
        let labels = self.is_labelled.then_some(&self.labels);
        let written = write_columns(&mut file, &self.columns, self.schema.version, labels);
        self.file = Some(file);
        self.columns.clear();
        self.labels.clear();
        written.map_err(failed)
    }

    /// The file, begun with the columns that the rows so far need.
    fn begun(&mut self) -> Result<SerializedFileWriter<Output>, Error> {
        if let Some(file) = self.file.take() {
            return Ok(file);
        }
        self.is_labelled = self.labels.len() > 0;
        let output = self
            .output
            .take()
            .expect("there is a file, or an output for it");
        let columns = parquet_schema(self.schema.version, self.is_labelled);
        SerializedFileWriter::new(output, columns, Arc::new(properties())).map_err(failed)
    }
}

/// Metadata of actions, by their keys.
pub(super) fn metadata(
    schema: ActionSchema,
    epoch: Option<Timestamp>,
    profiles: &OptionProfiles,
    counts: &LiftCounts,
) -> Vec<(&'static str, String)> {
    let json = |value: serde_json::Result<String>| value.expect("strings and numbers are JSON");
    let mut metadata = vec![
        (key::SCHEMA_VERSION, schema.version.to_string()),
        (
            key::OPTION_PROFILES,
            json(serde_json::to_string(&profiles.to_hex())),
        ),
        (
            key::COUNTS,
            json(serde_json::to_string(&ActionCounts::from(counts))),
        ),
    ];
    if schema.version != PAPER_SCHEMA {
        metadata.extend([
            (key::HOSTS, schema.hosts.name().to_string()),
            (key::SERVICES, schema.services.name().to_string()),
        ]);
    }
    metadata.extend(epoch.map(|epoch| (key::EPOCH, epoch.0.to_string())));
    metadata
}

fn write_columns(
    file: &mut SerializedFileWriter<Output>,
    columns: &Columns,
    version: u32,
    labels: Option<&LabelRows>,
) -> Result<(), ParquetError> {
    let mut group = file.next_row_group()?;
    let mut quantities = quantities_in(version).map(|(i, _)| &columns.quantities[i]);
    for _ in 0..=quantities_in(version).count() {
        let column = group.next_column()?;
        let mut column = column.expect("a column for each quantity, and one for `delta_t`");
        match quantities.next() {
            Some(values) => column.typed::<Int32Type>().write_batch(values, None, None),
            None => column
                .typed::<Int64Type>()
                .write_batch(&columns.delta_t, None, None),
        }?;
        column.close()?;
    }
    if let Some(labels) = labels {
        labels.write(columns.len(), &mut group)?;
    }
    group.close().map(drop)
}

/// Converts an error of the Parquet library to the output's own error, which names the output.
pub(crate) fn failed(error: ParquetError) -> Error {
    Error::Output(match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(cause) => io::Error::other(cause),
        },
        error => io::Error::other(error),
    })
}

//! Packet actions as Arrow record batches, with the metadata of an actions file in their schema.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Int32Array, Int64Array, PrimitiveArray, RecordBatch,
    RecordBatchReader, StringArray,
};
use arrow_schema::{ArrowError, DataType, Field, Metadata as ArrowMetadata, Schema, SchemaRef};

use super::columns::{
    Columns, Found, bit_width, find_columns, out_of_vocabulary, quantities_in, whole,
};
use super::labels::{LabelBuf, LabelRows, TEXTS};
use super::metadata::Metadata;
use super::writer::metadata;
use super::{DELTA_T, LABEL_COLUMNS, METADATA_COLUMN, ROW_GROUP, key};
use crate::action::context::Contexts;
use crate::action::schema::QUANTITIES;
use crate::action::{Action, ActionSchema, OptionProfiles};
use crate::error::{ActionsFault, Error};
use crate::lift::LiftCounts;
use crate::pcap::{Label, Timestamp};

/// What messages call record batches, which have no path.
const NAME: &str = "record batches";

/// Packet actions in memory: the columns of an actions file, of the same names and types.
#[derive(Debug, Clone)]
pub struct ActionBatches {
    /// Names and types of the columns, and the metadata of an actions file.
    pub schema: SchemaRef,
    /// The rows, in order.
    pub batches: Vec<RecordBatch>,
}

impl ActionBatches {
    /// Number of actions.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The same rows with the metadata in a column, [`METADATA_COLUMN`], so that they survive in
    /// tools that keep columns alone.
    pub fn with_metadata_column(&self) -> Self {
        if self.schema.index_of(METADATA_COLUMN).is_ok() {
            return self.clone();
        }
        let entries: BTreeMap<_, _> = self.schema.metadata().iter().collect();
        let text = serde_json::to_string(&entries).expect("keys and values are strings");
        let text: ArrayRef = Arc::new(StringArray::from(vec![text]));
        let column = |rows: usize| -> ArrayRef {
            let keys = Int32Array::from(vec![0; rows]);
            Arc::new(DictionaryArray::new(keys, text.clone()))
        };
        let kind = column(0).data_type().clone();
        let field = Arc::new(Field::new(METADATA_COLUMN, kind, false));
        let fields = self.schema.fields().iter().cloned().chain([field]);
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let schema = Arc::new(schema.with_metadata(self.schema.metadata().clone()));
        let batches = self.batches.iter().map(|batch| {
            let columns = batch.columns().iter().cloned();
            let columns = columns.chain([column(batch.num_rows())]).collect();
            RecordBatch::try_new(schema.clone(), columns).expect("columns have the schema's types")
        });
        Self {
            batches: batches.collect(),
            schema: schema.clone(),
        }
    }
}

/// Collects actions as record batches of at most [`ROW_GROUP`] rows.
pub struct BatchesWriter {
    schema: ActionSchema,
    columns: Columns,
    labels: LabelRows,
    /// Columns and labels of every batch that is full.
    full: Vec<(Vec<ArrayRef>, Option<[ArrayRef; 2]>)>,
}

impl BatchesWriter {
    /// Begins batches of actions of a schema.
    pub fn new(schema: ActionSchema) -> Self {
        Self {
            schema,
            columns: Columns::new(schema.version),
            labels: LabelRows::default(),
            full: Vec::new(),
        }
    }

    /// Adds one action and its label. Inactive quantities become 0; a value that exceeds its
    /// vocabulary saturates.
    #[inline]
    pub fn write_labelled(&mut self, action: &Action, label: Option<Label<'_>>) {
        if let Some(label) = label {
            self.labels.push(self.columns.len(), label);
        }
        self.columns.push(action);
        if self.columns.len() == ROW_GROUP {
            self.flush();
        }
    }

    /// The batches, with columns of labels if an action has a label. `epoch` is the time of the
    /// first action.
    pub fn finish(
        mut self,
        epoch: Option<Timestamp>,
        profiles: &OptionProfiles,
        counts: &LiftCounts,
    ) -> ActionBatches {
        if self.columns.len() > 0 {
            self.flush();
        }
        let is_labelled = self.full.iter().any(|(_, labels)| labels.is_some());
        let metadata = metadata(self.schema, epoch, profiles, counts);
        let schema = Schema::new(fields(self.schema.version, is_labelled));
        let schema =
            Arc::new(schema.with_metadata(metadata.into_iter().collect::<ArrowMetadata>()));
        let batches = self.full.into_iter().map(|(mut columns, labels)| {
            if is_labelled {
                let rows = columns[0].len();
                let null = || Arc::new(StringArray::new_null(rows)) as ArrayRef;
                columns.extend(labels.unwrap_or_else(|| [null(), null()]));
            }
            RecordBatch::try_new(schema.clone(), columns).expect("columns have the schema's types")
        });
        ActionBatches {
            batches: batches.collect(),
            schema: schema.clone(),
        }
    }

    fn flush(&mut self) {
        let quantities = quantities_in(self.schema.version).map(|(i, vocabulary)| {
            let values = &self.columns.quantities[i];
            match bit_width(vocabulary) {
                8 => narrow::<UInt8Type>(values, |value| value as u8),
                16 => narrow::<UInt16Type>(values, |value| value as u16),
                _ => narrow::<UInt32Type>(values, |value| value as u32),
            }
        });
        let delta_t = Arc::new(Int64Array::from(self.columns.delta_t.clone()));
        let columns = quantities.chain([delta_t as ArrayRef]).collect();
        let labels =
            (self.labels.len() > 0).then(|| label_arrays(&self.labels, self.columns.len()));
        self.full.push((columns, labels));
        self.columns.clear();
        self.labels.clear();
    }
}

/// Labels of a batch of `rows` rows as two columns.
fn label_arrays(labels: &LabelRows, rows: usize) -> [ArrayRef; 2] {
    TEXTS.map(|text| {
        let mut values = vec![None; rows];
        for (row, label) in labels.rows() {
            values[*row] = Some(text(label));
        }
        Arc::new(StringArray::from(values)) as ArrayRef
    })
}

fn narrow<T: ArrowPrimitiveType>(values: &[i32], to: impl Fn(i32) -> T::Native) -> ArrayRef {
    let values = values.iter().map(|&value| to(value));
    Arc::new(PrimitiveArray::<T>::from_iter_values(values))
}

/// Columns of actions, of the types that an actions file has.
fn fields(version: u32, is_labelled: bool) -> Vec<Field> {
    let quantities = quantities_in(version).map(|(i, vocabulary)| {
        let width = match bit_width(vocabulary) {
            8 => DataType::UInt8,
            16 => DataType::UInt16,
            _ => DataType::UInt32,
        };
        Field::new(QUANTITIES[i].name, width, false)
    });
    let delta_t = Field::new(DELTA_T, DataType::Int64, false);
    let labels = LABEL_COLUMNS.into_iter().filter(|_| is_labelled);
    let labels = labels.map(|name| Field::new(name, DataType::Utf8, true));
    quantities.chain([delta_t]).chain(labels).collect()
}

/// A stream of actions from record batches. Memory does not grow with their number.
///
/// Batches that other tools made of actions are read, too: with columns in any order and of any
/// numeric type, and with metadata from elsewhere. If a column of the context is missing, the whole
/// context is derived from the preceding actions, as by the lift.
pub struct BatchesReader<R> {
    batches: R,
    /// The first batch with rows, if it was read for its metadata.
    first: Option<RecordBatch>,
    metadata: Metadata,
    /// Place of the column that the metadata come from, and the text of its first row.
    metadata_column: Option<(usize, String)>,
    found: Found<usize>,
    /// Places of the columns of labels; `None` if they are not both there, as text.
    label_places: Option<[usize; 2]>,
    /// State from which the context is derived, if the batches lack it.
    contexts: Option<Contexts>,
    batch: Columns,
    labels: [Option<ArrayRef>; 2],
    /// Place of the next row in the batch, and number of the batch's first row in the stream.
    at: usize,
    batch_start: u64,
    ended: bool,
}

impl<R: RecordBatchReader> BatchesReader<R> {
    /// Begins to read. Metadata that the schema lacks are taken from `stand_in`; if both have none,
    /// from the actions file or lift manifest `like`, or without `like` from the column
    /// [`METADATA_COLUMN`], which must be the same in all rows.
    ///
    /// # Errors
    /// If there are no metadata, or a column is missing or holds no numbers.
    pub fn new(
        batches: R,
        stand_in: &BTreeMap<String, String>,
        like: Option<&Path>,
    ) -> Result<Self, Error> {
        Self::start(batches, stand_in, like).map_err(Error::actions(Path::new(NAME)))
    }

    fn start(
        mut batches: R,
        stand_in: &BTreeMap<String, String>,
        like: Option<&Path>,
    ) -> Result<Self, ActionsFault> {
        let schema = batches.schema();
        let own = stand_in.iter().chain(schema.metadata());
        let (mut first, mut metadata_column) = (None, None);
        let metadata = match Metadata::of_batches(own, like)? {
            Some(metadata) => metadata,
            None => {
                let has_rows = |batch: &Result<RecordBatch, _>| {
                    batch.as_ref().map_or(true, |batch| batch.num_rows() > 0)
                };
                first = batches.find(has_rows).transpose().map_err(damaged(0))?;
                let found = first.as_ref().and_then(metadata_in);
                let missing = ActionsFault::NoSchemaMetadata(key::SCHEMA_VERSION, METADATA_COLUMN);
                let (_, text) = metadata_column.insert(found.ok_or(missing)?);
                Metadata::of_text(text)?
            }
        };
        let names: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let found = find_columns(&names, metadata.schema.version, |number, column| {
            let field = schema.field(number);
            if field.data_type().is_numeric() && !matches!(field.data_type(), DataType::Float16) {
                return Ok(number);
            }
            let found = field.data_type().to_string();
            Err(ActionsFault::ColumnType { column, found })
        })?;
        let text = |name: &str| {
            let number = names.iter().position(|column| *column == name)?;
            is_text(schema.field(number).data_type()).then_some(number)
        };
        let label_places = match LABEL_COLUMNS.map(text) {
            [Some(sample_id), Some(label)] => Some([sample_id, label]),
            _ => None,
        };
        Ok(Self {
            contexts: found.derives_context.then(Contexts::default),
            batch: Columns::new(metadata.schema.version),
            batches,
            first,
            metadata,
            metadata_column,
            found,
            label_places,
            labels: [None, None],
            at: 0,
            batch_start: 0,
            ended: false,
        })
    }

    /// Names of the columns that are not part of the schema; these columns are ignored.
    pub fn ignored_columns(&self) -> &[String] {
        &self.found.ignored
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

    /// The next action and its label; `None` after the last one or after an error.
    fn read(&mut self) -> Result<Option<(Action, Option<LabelBuf>)>, ActionsFault> {
        while self.at == self.batch.len() {
            self.batch_start += self.at as u64;
            self.at = 0;
            self.batch.clear();
            let Some(batch) = self.first.take().map(Ok).or_else(|| self.batches.next()) else {
                return Ok(None);
            };
            self.load(&batch.map_err(damaged(self.batch_start))?)?;
        }
        let row = self.batch_start + self.at as u64;
        let action = self.batch.action(self.at);
        let mut action =
            action.map_err(|(quantity, value)| out_of_vocabulary(row, quantity, value.into()))?;
        if let Some(contexts) = &mut self.contexts {
            action.context = contexts.next(&action);
        }
        let label = self.label();
        self.at += 1;
        Ok(Some((action, label)))
    }

    fn load(&mut self, batch: &RecordBatch) -> Result<(), ActionsFault> {
        let row = self.batch_start;
        if let Some((place, expected)) = &self.metadata_column {
            let column = batch.column(*place);
            let other = (0..batch.num_rows()).find(|&row| text(column, row) != Some(expected));
            if let Some(other) = other {
                return Err(ActionsFault::OtherMetadata {
                    row: row + other as u64,
                    column: METADATA_COLUMN,
                });
            }
        }
        let (delta_t, quantities) = (self.found.places.split_last())
            .expect("a place for each quantity, and one for `delta_t`");
        let columns = quantities.iter().zip(&mut self.batch.quantities);
        for ((place, values), quantity) in columns.zip(QUANTITIES) {
            let Some(place) = place else {
                values.resize(batch.num_rows(), 0);
                continue;
            };
            for (row, value) in (row..).zip(numbers(batch.column(*place), row, quantity.name)?) {
                match u32::try_from(value) {
                    Ok(value) => values.push(value as i32),
                    Err(_) => return Err(out_of_vocabulary(row, quantity, value)),
                }
            }
        }
        let delta_t = delta_t.expect("no file lacks `delta_t`");
        self.batch.delta_t = numbers(batch.column(delta_t), row, DELTA_T)?;
        if let Some(places) = self.label_places {
            self.labels = places.map(|place| Some(batch.column(place).clone()));
        }
        Ok(())
    }

    /// The label of the row; `None` if it has none.
    fn label(&self) -> Option<LabelBuf> {
        let [sample_id, label] = &self.labels;
        Some(LabelBuf {
            sample_id: text(sample_id.as_ref()?, self.at)?.to_string(),
            label: text(label.as_ref()?, self.at)?.to_string(),
        })
    }
}

impl<R: RecordBatchReader> Iterator for BatchesReader<R> {
    type Item = Result<(Action, Option<LabelBuf>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let read = self.read();
        self.ended = !matches!(read, Ok(Some(_)));
        read.map_err(Error::actions(Path::new(NAME))).transpose()
    }
}

/// The place of the column of metadata in a batch, and the text of its first row.
fn metadata_in(batch: &RecordBatch) -> Option<(usize, String)> {
    let place = batch.schema().index_of(METADATA_COLUMN).ok()?;
    let column = batch.column(place);
    let text = (!column.is_empty()).then(|| text(column, 0))??;
    Some((place, text.to_string()))
}

fn damaged(row: u64) -> impl Fn(ArrowError) -> ActionsFault {
    move |error| ActionsFault::Damaged {
        row,
        cause: error.to_string(),
    }
}

/// Values of a column, of any numeric type. `row` is the number of the first row, for errors.
fn numbers(array: &ArrayRef, row: u64, column: &'static str) -> Result<Vec<i64>, ActionsFault> {
    if let Some(nulls) = array.nulls()
        && let Some(null) = nulls.iter().position(|is_valid| !is_valid)
    {
        let row = row + null as u64;
        return Err(ActionsFault::Null { row, column });
    }
    let not_whole = |(row, value): (u64, Result<i64, String>)| {
        value.map_err(|value| ActionsFault::NotWhole { row, column, value })
    };
    let float = |values: Vec<f64>| {
        let values = (row..).zip(values.into_iter().map(whole));
        values.map(not_whole).collect()
    };
    match array.data_type() {
        DataType::Int8 => Ok(widened::<Int8Type>(array)),
        DataType::Int16 => Ok(widened::<Int16Type>(array)),
        DataType::Int32 => Ok(widened::<Int32Type>(array)),
        DataType::Int64 => Ok(widened::<Int64Type>(array)),
        DataType::UInt8 => Ok(widened::<UInt8Type>(array)),
        DataType::UInt16 => Ok(widened::<UInt16Type>(array)),
        DataType::UInt32 => Ok(widened::<UInt32Type>(array)),
        DataType::UInt64 => {
            let values = array.as_primitive::<UInt64Type>().values().iter();
            let values = values.map(|&value| i64::try_from(value).map_err(|_| value.to_string()));
            (row..).zip(values).map(not_whole).collect()
        }
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>().values().iter();
            float(values.map(|&value| value.into()).collect())
        }
        DataType::Float64 => float(array.as_primitive::<Float64Type>().values().to_vec()),
        found => Err(ActionsFault::ColumnType {
            column,
            found: found.to_string(),
        }),
    }
}

fn widened<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &ArrayRef) -> Vec<i64> {
    let values = array.as_primitive::<T>().values();
    values.iter().map(|&value| value.into()).collect()
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// Text of a row; `None` if it is null.
fn text(array: &ArrayRef, row: usize) -> Option<&str> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Utf8 => Some(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Some(array.as_string::<i64>().value(row)),
        DataType::Utf8View => Some(array.as_string_view().value(row)),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary_opt()?;
            let key = dictionary.keys().slice(row, 1);
            let key = numbers(&key, 0, LABEL_COLUMNS[1]).ok()?;
            text(dictionary.values(), usize::try_from(*key.first()?).ok()?)
        }
        _ => None,
    }
}

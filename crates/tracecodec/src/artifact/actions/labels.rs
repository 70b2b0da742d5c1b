//! Labels of an actions file: two columns of text, which are read apart from the actions.

use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::column::reader::{ColumnReaderImpl, get_typed_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedRowGroupWriter;

use super::LABEL_COLUMNS;
use super::file::{self, BATCH, guarded};
use crate::error::{ActionsFault, Error};
use crate::output::Output;
use crate::pcap::Label;

/// The texts of a label, in the order of their columns.
pub(super) const TEXTS: [fn(&LabelBuf) -> &str; 2] =
    [|label| &label.sample_id, |label| &label.label];

/// Labels of rows of a row group that is being written, by the row's place in the group.
#[derive(Default)]
pub(super) struct LabelRows(Vec<(usize, LabelBuf)>);

impl LabelRows {
    pub(super) fn push(&mut self, row: usize, label: Label<'_>) {
        self.0.push((row, label.into()));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The labels, by row.
    #[cfg(feature = "arrow")]
    pub(super) fn rows(&self) -> &[(usize, LabelBuf)] {
        &self.0
    }

    /// Writes the two columns of a row group of `rows` rows.
    pub(super) fn write(
        &self,
        rows: usize,
        group: &mut SerializedRowGroupWriter<'_, Output>,
    ) -> Result<(), ParquetError> {
        let mut levels = vec![0; rows];
        for (row, _) in &self.0 {
            levels[*row] = 1;
        }
        for text in TEXTS {
            let values = self.0.iter().map(|(_, label)| ByteArray::from(text(label)));
            let values: Vec<_> = values.collect();
            let mut column = group
                .next_column()?
                .expect("a labelled file has two more columns");
            let typed = column.typed::<ByteArrayType>();
            typed.write_batch(&values, Some(&levels), None)?;
            column.close()?;
        }
        Ok(())
    }
}

/// A label that owns its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelBuf {
    /// Number of the sample.
    pub sample_id: String,
    /// What the sample is.
    pub label: String,
}

impl LabelBuf {
    /// The label, its text borrowed.
    pub fn as_label(&self) -> Label<'_> {
        Label {
            sample_id: &self.sample_id,
            label: &self.label,
        }
    }
}

impl From<Label<'_>> for LabelBuf {
    fn from(label: Label<'_>) -> Self {
        Self {
            sample_id: label.sample_id.to_string(),
            label: label.label.to_string(),
        }
    }
}

/// Labels of an actions file, row by row; a row of which either column is null has none. Memory
/// does not grow with the file.
pub struct Labels {
    path: PathBuf,
    file: SerializedFileReader<File>,
    /// Numbers of the two columns.
    columns: [usize; 2],
    next_group: usize,
    group: Option<Group>,
    /// Labels of the rows that were decoded, the next at the end.
    batch: Vec<Option<[ByteArray; 2]>>,
}

/// A row group that is being read.
struct Group {
    rows_left: usize,
    texts: [ColumnReaderImpl<ByteArrayType>; 2],
}

impl Labels {
    /// Opens the labels of an actions file; `None` if it has no columns of text for them.
    ///
    /// # Errors
    /// If the file cannot be opened, or is not a Parquet file.
    pub fn open(path: impl AsRef<Path>) -> Result<Option<Self>, Error> {
        let path = path.as_ref();
        let file = file::open(path)?;
        let schema = file.metadata().file_metadata().schema_descr();
        let find = |name: &str| {
            schema.columns().iter().position(|column| {
                column.path().parts() == [name]
                    && column.physical_type() == parquet::basic::Type::BYTE_ARRAY
                    && column.max_rep_level() == 0
            })
        };
        let [Some(sample_id), Some(label)] = LABEL_COLUMNS.map(find) else {
            return Ok(None);
        };
        Ok(Some(Self {
            path: path.to_path_buf(),
            file,
            columns: [sample_id, label],
            next_group: 0,
            group: None,
            batch: Vec::new(),
        }))
    }

    /// The label of the next row; `None` if it has none, or behind the last row.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn next_label(&mut self) -> Result<Option<LabelBuf>, Error> {
        while self.batch.is_empty() {
            let is_read = self.group.as_ref().is_none_or(|group| group.rows_left == 0);
            if is_read && self.next_group == self.file.num_row_groups() {
                return Ok(None);
            }
            let read = guarded(|| {
                if is_read {
                    self.group = Some(Group::open(&self.file, self.next_group, self.columns)?);
                    self.next_group += 1;
                }
                let group = self.group.as_mut().expect("a group was opened");
                group.read(&mut self.batch)
            });
            read.map_err(|error| {
                let cause = error.to_string();
                Error::actions(&self.path)(ActionsFault::Damaged { row: 0, cause })
            })?;
        }
        let label = self.batch.pop().flatten();
        Ok(label.map(|texts| {
            let [sample_id, label] =
                texts.map(|text| String::from_utf8_lossy(text.data()).into_owned());
            LabelBuf { sample_id, label }
        }))
    }
}

impl Group {
    fn open(
        file: &SerializedFileReader<File>,
        number: usize,
        columns: [usize; 2],
    ) -> Result<Self, ParquetError> {
        let group = file::Group::open(file, number)?;
        let [sample_id, label] = columns.map(|number| group.column(number));
        Ok(Self {
            rows_left: group.rows()?,
            texts: [sample_id?, label?].map(get_typed_column_reader),
        })
    }

    /// Reads the labels of the next rows, the last row first.
    fn read(&mut self, batch: &mut Vec<Option<[ByteArray; 2]>>) -> Result<(), ParquetError> {
        let count = self.rows_left.min(BATCH);
        let [sample_ids, labels] = self.texts.each_mut().map(|column| texts(column, count));
        let rows = sample_ids?.into_iter().zip(labels?).rev();
        batch.extend(rows.map(|(sample_id, label)| Some([sample_id?, label?])));
        self.rows_left -= count;
        Ok(())
    }
}

/// The next texts of a column; `None` where it is null.
fn texts(
    column: &mut ColumnReaderImpl<ByteArrayType>,
    count: usize,
) -> Result<Vec<Option<ByteArray>>, ParquetError> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    while levels.len() < count {
        let left = count - levels.len();
        let (read, ..) = column.read_records(left, Some(&mut levels), None, &mut values)?;
        if read == 0 {
            return Err(ParquetError::EOF(
                "a column of labels ends early".to_string(),
            ));
        }
        // A column that is required has no levels.
        levels.resize(levels.len().max(values.len()), 1);
    }
    let mut values = values.into_iter();
    let text = |level: i16| (level > 0).then(|| values.next()).flatten();
    Ok(levels.into_iter().map(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{Action, ActionSchema, OptionProfiles};
    use crate::artifact::{ActionsReader, ActionsWriter};
    use crate::lift::LiftCounts;

    fn finish(writer: ActionsWriter) {
        let counts = LiftCounts::default();
        let written = writer.finish(None, &OptionProfiles::new(), &counts);
        written.unwrap();
    }

    #[test]
    fn test_labels_of_several_row_groups() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let rows = super::super::ROW_GROUP + 5;
        // The first label is not in the first row.
        let label = |row: usize| {
            let sample_id = (row / 7).to_string();
            let label = if row.is_multiple_of(2) {
                "web"
            } else {
                "größer"
            };
            (!row.is_multiple_of(3)).then(|| LabelBuf {
                sample_id,
                label: label.to_string(),
            })
        };
        let mut writer = ActionsWriter::create(&path, ActionSchema::default()).unwrap();
        for row in 0..rows {
            let label = label(row);
            let label = label.as_ref().map(LabelBuf::as_label);
            writer.write_labelled(&Action::default(), label).unwrap();
        }
        finish(writer);
        let mut labels = Labels::open(&path).unwrap().unwrap();
        for row in 0..rows {
            assert_eq!(labels.next_label().unwrap(), label(row), "{row}");
        }
        assert_eq!(labels.next_label().unwrap(), None);
        let reader = ActionsReader::open(&path).unwrap();
        assert!(reader.ignored_columns().is_empty());
        assert_eq!(reader.count(), rows);
    }

    #[test]
    fn test_a_file_without_labels() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let mut writer = ActionsWriter::create(&path, ActionSchema::default()).unwrap();
        let label = Label {
            sample_id: "1",
            label: "web",
        };
        for row in 0..=super::super::ROW_GROUP {
            // The label comes after the first row group was written.
            let label = (row == super::super::ROW_GROUP).then_some(label);
            writer.write_labelled(&Action::default(), label).unwrap();
        }
        assert_eq!(writer.labels_left_out(), 1);
        finish(writer);
        assert!(Labels::open(&path).unwrap().is_none());
    }
}

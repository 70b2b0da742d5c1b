//! Records as files: Zeek's `conn.log`, CSV, JSON lines, Parquet.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::{COLUMNS, Column, ConnRecord, Kind, Value};
use crate::artifact::{TOOL, output_failed as failed};
use crate::error::Error;
use crate::output::Output;

/// Rows of a row group of a Parquet file, which the writer holds in memory.
const ROW_GROUP: usize = 65_536;

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

/// Format of a file of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnFormat {
    /// Tab-separated with Zeek's header, as `conn.log`. Without the lines `#open` and `#close`,
    /// which would hold the time of the day.
    Zeek,
    /// Comma-separated, with a line of names.
    Csv,
    /// A JSON object a line, as of Zeek with JSON logs.
    JsonLines,
    /// Parquet.
    Parquet,
}

impl ConnFormat {
    /// The format that a file's name asks for; standard output (`-`) gets Zeek's.
    pub fn of_name(path: &Path) -> Option<Self> {
        if path == Path::new("-") {
            return Some(Self::Zeek);
        }
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "log" | "tsv" => Some(Self::Zeek),
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// Writes records. The file appears in [`finish`](Self::finish); a writer that is dropped earlier
/// leaves nothing. The same records give the same bytes.
pub struct ConnWriter(Sink);

enum Sink {
    Text(ConnFormat, BufWriter<Output>),
    Parquet(SerializedFileWriter<Output>, Vec<ConnRecord>),
}

impl ConnWriter {
    /// Begins a file at a path; `-` is standard output.
    ///
    /// # Errors
    /// If the output cannot be opened.
    pub fn create(path: &Path, format: ConnFormat) -> Result<Self, Error> {
        let output = Output::create(path)?;
        if format == ConnFormat::Parquet {
            let properties = WriterProperties::builder()
                .set_created_by(TOOL.to_string())
                .set_compression(Compression::ZSTD(ZstdLevel::default()))
                .build();
            let file = SerializedFileWriter::new(output, schema(), Arc::new(properties));
            return Ok(Self(Sink::Parquet(file.map_err(failed)?, Vec::new())));
        }
        let mut text = BufWriter::new(output);
        text.write_all(header(format).as_bytes())?;
        Ok(Self(Sink::Text(format, text)))
    }

    /// Writes one record.
    ///
    /// # Errors
    /// If the output fails.
    pub fn write(&mut self, record: ConnRecord) -> Result<(), Error> {
        match &mut self.0 {
            Sink::Text(format, text) => Ok(text.write_all(line(*format, &record).as_bytes())?),
            Sink::Parquet(file, records) => {
                records.push(record);
                if records.len() == ROW_GROUP {
                    write_group(file, records)?;
                }
                Ok(())
            }
        }
    }

    /// Moves the finished file to its place.
    ///
    /// # Errors
    /// If the output fails; the file then does not appear.
    pub fn finish(self) -> Result<(), Error> {
        let output = match self.0 {
            Sink::Text(_, text) => text.into_inner().map_err(io::IntoInnerError::into_error)?,
            Sink::Parquet(mut file, mut records) => {
                if !records.is_empty() {
                    write_group(&mut file, &mut records)?;
                }
                file.into_inner().map_err(failed)?
            }
        };
        Ok(output.finish()?)
    }
}

/// What stands before the rows.
fn header(format: ConnFormat) -> String {
    let joined = |separator: &str, name: fn(&Column) -> &'static str| {
        COLUMNS.iter().map(name).collect::<Vec<_>>().join(separator)
    };
    match format {
        ConnFormat::Zeek => format!(
            "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n\
             #fields\t{}\n#types\t{}\n",
            joined("\t", |column| column.name),
            joined("\t", |column| column.zeek_type)
        ),
        ConnFormat::Csv => format!("{}\n", joined(",", |column| column.name)),
        ConnFormat::JsonLines | ConnFormat::Parquet => String::new(),
    }
}

/// A record as a line. No value holds a separator or a quotation mark.
fn line(format: ConnFormat, record: &ConnRecord) -> String {
    let mut line = String::new();
    let is_json = format == ConnFormat::JsonLines;
    let separator = if format == ConnFormat::Zeek {
        '\t'
    } else {
        ','
    };
    for column in COLUMNS {
        let value = (column.get)(record);
        if is_json && value.is_none() {
            continue;
        }
        if !line.is_empty() {
            line.push(separator);
        }
        if is_json {
            let _ = write!(line, "\"{}\":", column.name);
        }
        match value {
            Some(Value::Text(text)) if is_json => {
                let _ = write!(line, "\"{text}\"");
            }
            Some(value) => push(&mut line, &value, format),
            None if format == ConnFormat::Zeek => line.push('-'),
            None => {}
        }
    }
    if is_json {
        line = format!("{{{line}}}");
    }
    line.push('\n');
    line
}

/// Appends a value: times in seconds, of Zeek's formats to the microsecond.
fn push(line: &mut String, value: &Value<'_>, format: ConnFormat) {
    let digits = if format == ConnFormat::Csv { 9 } else { 6 };
    let seconds = |line: &mut String, nanos: i64| {
        let unit = 10_i64.pow(9 - digits);
        let whole = nanos.div_euclid(unit);
        let sign = if whole < 0 { "-" } else { "" };
        let per_second = (SECOND / unit) as u64;
        let (whole, digits) = (whole.unsigned_abs(), digits as usize);
        write!(
            line,
            "{sign}{}.{:0digits$}",
            whole / per_second,
            whole % per_second
        )
    };
    // Writing to a string does not fail.
    let _ = match value {
        Value::Time(time) => seconds(line, time.0),
        Value::Interval(nanos) => seconds(line, *nanos),
        Value::Count(count) => write!(line, "{count}"),
        Value::Port(port) => write!(line, "{port}"),
        Value::Text(text) => write!(line, "{text}"),
    };
}

/// The Parquet schema: every column may be unset.
fn schema() -> Arc<Type> {
    let columns = COLUMNS.iter().map(|column| {
        let (physical, logical) = match column.kind {
            Kind::Time => (
                Physical::INT64,
                Some(LogicalType::timestamp(true, TimeUnit::NANOS)),
            ),
            Kind::Interval => (Physical::DOUBLE, None),
            Kind::Count => (Physical::INT64, Some(LogicalType::integer(64, false))),
            Kind::Port => (Physical::INT32, Some(LogicalType::integer(16, false))),
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        };
        let builder = Type::primitive_type_builder(column.name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical);
        Arc::new(builder.build().expect("types of fitting width"))
    });
    let group = Type::group_type_builder("conn").with_fields(columns.collect());
    Arc::new(group.build().expect("a group of named columns"))
}

/// Writes the records as a row group and forgets them.
fn write_group(
    file: &mut SerializedFileWriter<Output>,
    records: &mut Vec<ConnRecord>,
) -> Result<(), Error> {
    let written = write_columns(file, records);
    records.clear();
    written.map_err(failed)
}

fn write_columns(
    file: &mut SerializedFileWriter<Output>,
    records: &[ConnRecord],
) -> Result<(), ParquetError> {
    let mut group = file.next_row_group()?;
    let mut columns = COLUMNS.iter();
    while let Some(mut writer) = group.next_column()? {
        let column = columns.next().expect("the schema has these columns");
        let values: Vec<_> = records.iter().map(|record| (column.get)(record)).collect();
        let set: Vec<i16> = values.iter().map(|value| value.is_some().into()).collect();
        let values = values.into_iter().flatten();
        match column.kind {
            Kind::Time | Kind::Count => {
                let values: Vec<i64> = values.map(|value| integer(&value)).collect();
                writer
                    .typed::<Int64Type>()
                    .write_batch(&values, Some(&set), None)
            }
            Kind::Port => {
                let values: Vec<i32> = values.map(|value| integer(&value) as i32).collect();
                writer
                    .typed::<Int32Type>()
                    .write_batch(&values, Some(&set), None)
            }
            Kind::Interval => {
                let values: Vec<f64> = values.map(|value| integer(&value) as f64 / 1e9).collect();
                writer
                    .typed::<DoubleType>()
                    .write_batch(&values, Some(&set), None)
            }
            Kind::Text => {
                let values: Vec<ByteArray> = values
                    .map(|value| match value {
                        Value::Text(text) => text.as_ref().into(),
                        _ => ByteArray::default(),
                    })
                    .collect();
                writer
                    .typed::<ByteArrayType>()
                    .write_batch(&values, Some(&set), None)
            }
        }?;
        writer.close()?;
    }
    group.close().map(drop)
}

/// The number of a value that is one.
fn integer(value: &Value<'_>) -> i64 {
    match value {
        Value::Time(time) => time.0,
        Value::Interval(nanos) => *nanos,
        Value::Count(count) => *count as i64,
        Value::Port(port) => (*port).into(),
        Value::Text(_) => 0,
    }
}

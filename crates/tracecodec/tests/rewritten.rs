//! Actions files that other tools wrote: other types, orders, codecs and pages, and metadata that
//! got lost.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use tempfile::TempDir;
use tracecodec::Error;
use tracecodec::action::schema::{Group, QUANTITIES};
use tracecodec::action::{Action, ActionSchema, OptionProfiles};
use tracecodec::artifact::{ActionsReader, ActionsWriter, LiftManifest};
use tracecodec::lift::{LiftCounts, Lifter};
use tracecodec::pcap::{Reader, Timestamp};

const DELTA_T: &str = "delta_t";

/// The first actions of the shipped capture, and what a compiler needs beside them.
fn lifted(count: usize) -> (Vec<Action>, Timestamp, OptionProfiles) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/example.pcap");
    let mut reader = Reader::open(&path).unwrap();
    let mut lifter = Lifter::new(ActionSchema::PAPER, 1 << 16, OptionProfiles::new());
    let mut actions = Vec::new();
    let mut epoch = None;
    while let Some(packet) = reader.next() {
        let packet = packet.unwrap();
        epoch = epoch.or(Some(packet.time));
        actions.extend(lifter.lift(&packet).ok());
    }
    actions.truncate(count);
    (actions, epoch.unwrap(), lifter.profiles().clone())
}

/// A type that a tool may give to a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int32,
    Int64,
    UInt64,
    Float,
    Double,
    Text,
}

/// A column: its name, its type, its values; `None` is null.
type Column = (String, Kind, Vec<Option<f64>>);

/// The actions as columns of one type.
fn columns(actions: &[Action], kind: Kind) -> Vec<Column> {
    let quantities = QUANTITIES.iter().map(|quantity| {
        let value = |action: &Action| {
            // Inactive quantities are 0.
            let action = action.without_inactive();
            f64::from((quantity.get)(&action))
        };
        let values = actions.iter().map(|action| Some(value(action)));
        (quantity.name.to_string(), kind, values.collect())
    });
    // Steps of a few seconds are exact in any of the types but 32 bits.
    let steps = actions.iter().map(|action| Some(action.delta_t as f64));
    let wide = match kind {
        Kind::Int32 | Kind::Float => Kind::Int64,
        kind => kind,
    };
    quantities
        .chain([(DELTA_T.to_string(), wide, steps.collect())])
        .collect()
}

fn parquet_type((name, kind, _): &Column) -> Arc<Type> {
    let (physical, logical) = match kind {
        Kind::Int32 => (Physical::INT32, None),
        Kind::Int64 => (Physical::INT64, None),
        Kind::UInt64 => (Physical::INT64, Some(LogicalType::integer(64, false))),
        Kind::Float => (Physical::FLOAT, None),
        Kind::Double => (Physical::DOUBLE, None),
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    };
    let column = Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical);
    Arc::new(column.build().unwrap())
}

/// Writes columns without metadata, in row groups of 100.
fn write(path: &Path, columns: &[Column], properties: WriterProperties) {
    let fields = columns.iter().map(parquet_type).collect();
    let schema = Type::group_type_builder("schema").with_fields(fields);
    let schema = Arc::new(schema.build().unwrap());
    let file = File::create(path).unwrap();
    let mut file = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
    let rows = columns[0].2.len();
    for start in (0..rows).step_by(100) {
        let mut group = file.next_row_group().unwrap();
        for (_, kind, values) in columns {
            let values = &values[start..rows.min(start + 100)];
            let levels: Vec<i16> = values.iter().map(|value| value.is_some().into()).collect();
            let numbers = values.iter().flatten();
            let mut column = group.next_column().unwrap().unwrap();
            match kind {
                Kind::Int32 => {
                    let numbers: Vec<_> = numbers.map(|number| *number as i32).collect();
                    column
                        .typed::<Int32Type>()
                        .write_batch(&numbers, Some(&levels), None)
                }
                Kind::Int64 | Kind::UInt64 => {
                    let numbers: Vec<_> = numbers.map(|number| *number as i64).collect();
                    column
                        .typed::<Int64Type>()
                        .write_batch(&numbers, Some(&levels), None)
                }
                Kind::Float => {
                    let numbers: Vec<_> = numbers.map(|number| *number as f32).collect();
                    column
                        .typed::<FloatType>()
                        .write_batch(&numbers, Some(&levels), None)
                }
                Kind::Double => {
                    let numbers: Vec<_> = numbers.copied().collect();
                    column
                        .typed::<DoubleType>()
                        .write_batch(&numbers, Some(&levels), None)
                }
                Kind::Text => {
                    let texts: Vec<_> = numbers
                        .map(|number| ByteArray::from(number.to_string().as_str()))
                        .collect();
                    column
                        .typed::<ByteArrayType>()
                        .write_batch(&texts, Some(&levels), None)
                }
            }
            .unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    file.close().unwrap();
}

/// A folder with the first actions of the shipped capture as `lift` writes them: `lifted.parquet`
/// with its manifest.
struct Sample {
    folder: TempDir,
    actions: Vec<Action>,
    epoch: Timestamp,
    profiles: OptionProfiles,
}

impl Sample {
    fn new(count: usize) -> Self {
        let (actions, epoch, profiles) = lifted(count);
        let folder = tempfile::tempdir().unwrap();
        let sample = Self {
            folder,
            actions,
            epoch,
            profiles,
        };
        let lifted = sample.path("lifted.parquet");
        let mut writer = ActionsWriter::create(&lifted, ActionSchema::PAPER).unwrap();
        for action in &sample.actions {
            writer.write(action).unwrap();
        }
        let (profiles, counts) = (&sample.profiles, LiftCounts::default());
        writer.finish(Some(epoch), profiles, &counts).unwrap();
        let epoch = Some(epoch.0);
        let manifest = LiftManifest::new(
            ActionSchema::PAPER,
            1 << 16,
            Vec::new(),
            epoch,
            &counts,
            profiles,
        );
        manifest
            .of_file(&lifted)
            .unwrap()
            .write(sample.path("lifted.parquet.json"))
            .unwrap();
        sample
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes columns to `rewritten.parquet`, and opens that like the original.
    fn open(&self, columns: &[Column]) -> Result<ActionsReader, Error> {
        let path = self.path("rewritten.parquet");
        write(&path, columns, WriterProperties::default());
        ActionsReader::open_like(&path, Some(&self.path("lifted.parquet")))
    }

    /// The error of columns in which one value of `tcp_win` is another.
    fn error(&self, kind: Kind, value: Option<f64>) -> String {
        let mut columns = columns(&self.actions, kind);
        let column = columns
            .iter_mut()
            .find(|(name, ..)| name == "tcp_win")
            .unwrap();
        column.2[7] = value;
        let read: Result<Vec<_>, _> = match self.open(&columns) {
            Ok(reader) => reader.collect(),
            Err(error) => return fault(error),
        };
        fault(read.unwrap_err())
    }
}

/// What is wrong with an actions file.
fn fault(error: Error) -> String {
    match error {
        Error::Actions { fault, .. } => fault.to_string(),
        error => error.to_string(),
    }
}

fn read(reader: ActionsReader) -> Vec<Action> {
    reader.map(Result::unwrap).collect()
}

#[test]
fn test_types_are_widened() {
    let sample = Sample::new(350);
    for kind in [Kind::Int64, Kind::UInt64, Kind::Double] {
        let mut columns = columns(&sample.actions, kind);
        columns.reverse();
        let reader = sample.open(&columns).unwrap();
        assert_eq!(reader.epoch(), Some(sample.epoch));
        assert_eq!(reader.profiles().to_hex(), sample.profiles.to_hex());
        assert!(reader.ignored_columns().is_empty());
        assert!(read(reader) == sample.actions, "{kind:?}");
    }
    // 32 bits hold numbers up to 2^31 and 2^24; sequence numbers are larger.
    for kind in [Kind::Int32, Kind::Float] {
        let mut columns = columns(&sample.actions, kind);
        for (name, kind, _) in &mut columns {
            if QUANTITIES
                .iter()
                .any(|q| q.name == *name && q.vocabulary.max() > 0xffff)
            {
                *kind = Kind::Int64;
            }
        }
        assert!(
            read(sample.open(&columns).unwrap()) == sample.actions,
            "{kind:?}"
        );
    }
}

#[test]
fn test_codecs_and_pages() {
    let sample = Sample::new(350);
    let builders = [
        WriterProperties::builder().set_compression(Compression::SNAPPY),
        WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_2_0)
            .set_compression(Compression::ZSTD(Default::default()))
            .set_dictionary_enabled(false),
        WriterProperties::builder()
            .set_data_page_row_count_limit(17)
            .set_write_batch_size(17),
    ];
    for builder in builders {
        let path = sample.path("x.parquet");
        write(
            &path,
            &columns(&sample.actions, Kind::Int64),
            builder.build(),
        );
        let reader = ActionsReader::open_like(&path, Some(&sample.path("lifted.parquet.json")));
        assert!(read(reader.unwrap()) == sample.actions);
    }
}

#[test]
fn test_context_is_derived_and_others_ignored() {
    let sample = Sample::new(350);
    let mut columns = columns(&sample.actions, Kind::Int64);
    let context = QUANTITIES
        .iter()
        .filter(|quantity| quantity.group == Group::Context);
    let context: Vec<_> = context.map(|quantity| quantity.name).collect();
    columns.retain(|(name, ..)| name != context[1]);
    columns.insert(
        3,
        (
            "note".to_string(),
            Kind::Text,
            vec![None; sample.actions.len()],
        ),
    );
    assert!(read(sample.open(&columns).unwrap()) == sample.actions);

    columns.retain(|(name, ..)| !context.contains(&name.as_str()));
    let mut reader = sample.open(&columns).unwrap();
    assert_eq!(reader.ignored_columns(), ["note"]);
    for row in [340, 20, 25, 0, 250] {
        reader.seek(row as u64).unwrap();
        let read: Vec<_> = reader.by_ref().take(10).map(Result::unwrap).collect();
        assert!(read == sample.actions[row..row + 10], "{row}");
    }
    reader.seek(1_000).unwrap();
    assert!(reader.next().is_none());
    reader.seek(349).unwrap();
    assert_eq!(reader.next().unwrap().unwrap(), sample.actions[349]);

    columns.retain(|(name, ..)| name != "tcp_win");
    let error = sample.open(&columns).err().unwrap();
    assert_eq!(fault(error), "no column tcp_win");
}

#[test]
fn test_bad_values_have_row_and_column() {
    let sample = Sample::new(10);
    let cases = [
        (
            Kind::Int64,
            Some(65_536.0),
            "row 8: tcp_win is 65536, but at most 65535 is allowed",
        ),
        (
            Kind::Int64,
            Some(1e12),
            "row 8: tcp_win is 1000000000000, but at most 65535 is allowed",
        ),
        (
            Kind::Int32,
            Some(-1.0),
            "row 8: tcp_win is -1, but no negative number is allowed",
        ),
        (
            Kind::Double,
            Some(-2.0),
            "row 8: tcp_win is -2, but no negative number is allowed",
        ),
        (
            Kind::Double,
            Some(1.5),
            "row 8: tcp_win is 1.5, not a whole number of 64 bits",
        ),
        (
            Kind::Float,
            Some(f64::NAN),
            "row 8: tcp_win is NaN, not a whole number of 64 bits",
        ),
        (
            Kind::Double,
            Some(f64::INFINITY),
            "row 8: tcp_win is inf, not a whole number of 64 bits",
        ),
        (
            Kind::UInt64,
            Some(-1.0),
            "row 8: tcp_win is 18446744073709551615, not a whole number of 64 bits",
        ),
        (Kind::Int64, None, "row 8: column tcp_win is null"),
        (Kind::Double, None, "row 8: column tcp_win is null"),
        (
            Kind::Text,
            Some(1.0),
            "column flow_token is BYTE_ARRAY (UTF8), not a number",
        ),
    ];
    for (kind, value, expected) in cases {
        assert_eq!(sample.error(kind, value), expected);
    }
}

#[test]
fn test_lost_metadata() {
    let sample = Sample::new(10);
    let (lifted, manifest) = (
        sample.path("lifted.parquet"),
        sample.path("lifted.parquet.json"),
    );
    let path = sample.path("rewritten.parquet");
    write(
        &path,
        &columns(&sample.actions, Kind::Int64),
        WriterProperties::default(),
    );
    let beside = sample.path("rewritten.parquet.json");
    let message = |like: Option<&Path>| {
        let error = ActionsReader::open_like(&path, like).err().unwrap();
        assert!(error.hint().is_some_and(|hint| hint.contains("`like`")));
        fault(error)
    };
    let looked_for = |path: &Path| {
        let path = path.display();
        format!("no metadata tracecodec.schema_version of packet actions, and no manifest {path}")
    };
    assert_eq!(message(None), looked_for(&beside));
    let itself = message(Some(&path));
    let prefix = format!("no metadata of packet actions, nor in {}: ", path.display());
    assert_eq!(itself, prefix + &looked_for(&beside));
    let nowhere = message(Some(&sample.path("nowhere.json")));
    assert!(
        nowhere.starts_with("no metadata of packet actions, nor in "),
        "{nowhere}"
    );

    let from = |like: Option<&Path>| {
        let reader = ActionsReader::open_like(&path, like).unwrap();
        assert_eq!(reader.epoch(), Some(sample.epoch));
        reader.metadata_from().map(Path::to_path_buf)
    };
    assert_eq!(from(Some(&lifted)), Some(lifted.clone()));
    assert_eq!(from(Some(&manifest)), Some(manifest.clone()));
    fs::copy(&manifest, &beside).unwrap();
    assert_eq!(from(None), Some(beside.clone()));
    assert_eq!(from(Some(&path)), Some(beside.clone()));
    assert_eq!(from(Some(&lifted)), Some(lifted.clone()));
    fs::write(&beside, "{}").unwrap();
    let error = ActionsReader::open(&path).err().unwrap();
    assert!(error.to_string().contains("not a manifest"), "{error}");

    // A file's own metadata come first.
    let own = ActionsReader::open_like(&lifted, Some(&beside)).unwrap();
    assert_eq!(own.metadata_from(), None);
}

/// The first 200 actions of the shipped capture, as pandas 3.1, Polars 2.1 and DuckDB 2.0 wrote
/// them: see
/// `rewritten/rewrite.py`.
#[test]
fn test_files_of_other_tools() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rewritten");
    let (actions, epoch, _) = lifted(200);
    let files: [(&str, &[&str]); 4] = [
        ("pandas", &["note", "__index_level_0__"]),
        ("polars", &[]),
        ("duckdb", &["number"]),
        ("duckdb-types", &[]),
    ];
    for (name, ignored) in files {
        let path = folder.join(name).with_extension("parquet");
        let like = folder.join("lifted.parquet.json");
        let reader = ActionsReader::open_like(&path, Some(&like)).unwrap();
        assert_eq!(reader.epoch(), Some(epoch));
        assert_eq!(reader.ignored_columns(), ignored, "{name}");
        assert!(read(reader) == actions, "{name}");
    }
}

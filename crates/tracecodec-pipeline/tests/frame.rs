//! Actions as record batches hold what an actions file holds, and become one.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{DictionaryArray, RecordBatch, RecordBatchIterator, RecordBatchReader};
use tracecodec::artifact::actions::{ActionBatches, BatchesReader};
use tracecodec::artifact::{ActionsReader, Labels};

use tracecodec_pipeline::frame::save;
use tracecodec_pipeline::run::lift;
use tracecodec_pipeline::{Error, Monitor, Progress, Silent, Warning};

/// Stops at the first report.
struct Stopping;

impl Monitor for Stopping {
    fn progress(&mut self, _: &Progress<'_>) -> ControlFlow<()> {
        ControlFlow::Break(())
    }

    fn warn(&mut self, _: &Warning) {}
}

fn data(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data");
    folder.join(name)
}

fn lifted(capture: &str) -> ActionBatches {
    let config = lift::Config {
        inputs: vec![data(capture)],
        ..lift::Config::default()
    };
    let lifted = lift::to_batches(&config, &mut Silent);
    lifted.expect("the capture is whole").0
}

/// The batches without the metadata of their schema.
fn bare(batches: ActionBatches) -> ActionBatches {
    let schema = batches.schema.as_ref().clone();
    let schema = Arc::new(schema.with_metadata(BTreeMap::new()));
    let bare = |batch: RecordBatch| {
        let columns = batch.columns().to_vec();
        RecordBatch::try_new(schema.clone(), columns).expect("the same columns")
    };
    ActionBatches {
        batches: batches.batches.into_iter().map(bare).collect(),
        schema: schema.clone(),
    }
}

fn reader(
    batches: ActionBatches,
) -> Result<BatchesReader<impl RecordBatchReader>, tracecodec::Error> {
    let ActionBatches { schema, batches } = batches;
    let batches = RecordBatchIterator::new(batches.into_iter().map(Ok), schema);
    BatchesReader::new(batches, &BTreeMap::new(), None)
}

#[test]
fn test_batches_hold_what_a_file_holds() {
    let folder = tempfile::tempdir().unwrap();
    let (file, saved) = (
        folder.path().join("a.parquet"),
        folder.path().join("b.parquet"),
    );
    let config = lift::Config {
        inputs: vec![data("example.pcap")],
        output: file.clone(),
        ..lift::Config::default()
    };
    lift::run(&config, &mut Silent).unwrap();
    let batches = lifted("example.pcap");
    let rows = batches.rows() as u64;
    let count = save(reader(batches).unwrap(), &saved, &mut Silent).unwrap();
    let actions = |path: &Path| {
        let reader = ActionsReader::open(path).unwrap();
        let about = (reader.epoch(), reader.profiles().to_hex(), reader.schema());
        (about, reader.map(Result::unwrap).collect::<Vec<_>>())
    };
    assert_eq!(actions(&file), actions(&saved));
    assert_eq!((count, rows), (4000, 4000));
    assert!(Labels::open(&saved).unwrap().is_none());
}

#[test]
fn test_lost_metadata_are_an_error_that_says_where_they_were_looked_for() {
    let batches = lifted("example.pcap");
    let error = reader(bare(batches)).err().unwrap();
    assert_eq!(
        error.to_string(),
        "record batches: no metadata tracecodec.schema_version of packet actions in the schema, no \
         `like`, and no column tracecodec_metadata"
    );
}

#[test]
fn test_metadata_survive_as_a_column() {
    let batches = lifted("example.pcap");
    let expected = reader(batches.clone()).unwrap();
    let about = |reader: &BatchesReader<_>| (reader.epoch(), reader.profiles().to_hex());
    let about_expected = about(&expected);
    // Tools that filter may hand over batches without rows, the first one, too.
    let mut carried = bare(batches.with_metadata_column().with_metadata_column());
    let empty = RecordBatch::new_empty(carried.schema.clone());
    carried.batches.insert(0, empty);
    let found = reader(carried).unwrap();
    assert_eq!(about(&found), about_expected);
    assert!(found.ignored_columns().is_empty());
    let rows = |reader: BatchesReader<_>| reader.map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(rows(found), rows(expected));
}

#[test]
fn test_rows_of_two_lifts_are_an_error() {
    let [mut both, other] = ["example.pcap", "train/crowd.pcap.zst"]
        .map(|capture| bare(lifted(capture).with_metadata_column()));
    both.batches.extend(other.batches);
    let error = reader(both).unwrap().find_map(Result::err).unwrap();
    assert_eq!(
        error.to_string(),
        "record batches: row 4001: column tracecodec_metadata differs from the rows before, so that \
         these are actions of another lift"
    );
}

#[test]
fn test_a_column_of_other_texts_is_no_metadata() {
    let batches = lifted("example.pcap").with_metadata_column();
    for (text, message) in [
        ("{", "bad metadata tracecodec_metadata: \"{\""),
        ("{}", "bad metadata tracecodec_metadata: \"{}\""),
    ] {
        let mut bad = bare(batches.clone());
        for batch in &mut bad.batches {
            let mut columns = batch.columns().to_vec();
            let texts = DictionaryArray::<Int32Type>::from_iter(vec![text; batch.num_rows()]);
            *columns.last_mut().unwrap() = Arc::new(texts);
            *batch = RecordBatch::try_new(batch.schema(), columns).unwrap();
        }
        let error = reader(bad).err().unwrap().to_string();
        assert_eq!(error, format!("record batches: {message}"));
    }
}

#[test]
fn test_a_stop_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    // The example has fewer packets than a report of progress needs.
    let batches = lifted("train/crowd.pcap.zst");
    let stopped = save(reader(batches).unwrap(), &path, &mut Stopping);
    assert!(matches!(stopped, Err(Error::Interrupted)));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

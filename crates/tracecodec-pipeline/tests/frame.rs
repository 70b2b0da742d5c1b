//! Actions as record batches hold what an actions file holds, and become one.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use arrow_array::{RecordBatch, RecordBatchIterator, RecordBatchReader};
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
    let schema = batches
        .schema
        .as_ref()
        .clone()
        .with_metadata(BTreeMap::new());
    let schema = std::sync::Arc::new(schema);
    let bare = |batch: RecordBatch| {
        RecordBatch::try_new(schema.clone(), batch.columns().to_vec()).unwrap()
    };
    let bare = ActionBatches {
        batches: batches.batches.into_iter().map(bare).collect(),
        schema: schema.clone(),
    };
    let error = reader(bare).err().unwrap();
    assert_eq!(
        error.to_string(),
        "record batches: no metadata tracecodec.schema_version of packet actions in the \
         schema, and no `like`"
    );
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

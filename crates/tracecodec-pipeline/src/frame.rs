//! Actions as record batches: what pandas, Polars or DuckDB made of them becomes an actions file.

use std::path::Path;

use arrow_array::RecordBatchReader;
use tracecodec::artifact::ActionsWriter;
use tracecodec::artifact::actions::BatchesReader;
use tracecodec::lift::LiftCounts;
use tracecodec::output::FileKind;

use crate::error::Error;
use crate::files::claim;
use crate::monitor::{Monitor, Progress, Warning};

/// Actions between two reports of progress.
const PROGRESS_STEP: u64 = 4096;

/// Writes the actions of record batches to an actions file. Returns how many there are.
///
/// # Errors
/// If the batches cannot be read, or hold something else than actions; if the file cannot be
/// written, or the monitor stops it.
pub fn save<R: RecordBatchReader>(
    actions: BatchesReader<R>,
    output: &Path,
    monitor: &mut dyn Monitor,
) -> Result<u64, Error> {
    claim::named_file(output, "actions")?;
    claim::named_as(output, FileKind::Actions)?;
    if !actions.ignored_columns().is_empty() {
        let columns = actions.ignored_columns().join(", ");
        monitor.warn(&Warning::new(format!("columns ignored: {columns}")));
    }
    let mut writer = ActionsWriter::create(output, actions.schema())?;
    let (epoch, profiles) = (actions.epoch(), actions.profiles().clone());
    let mut counts = LiftCounts::default();
    for row in actions {
        let (action, label) = row?;
        writer.write_labelled(&action, label.as_ref().map(|label| label.as_label()))?;
        counts.lifted.add(action.proto);
        if counts.actions() % PROGRESS_STEP == 0 {
            monitor.step(&Progress {
                stage: "converting",
                done: counts.actions(),
                total: None,
                detail: "packets",
            })?;
        }
    }
    counts.packets = counts.actions();
    writer.finish(epoch, &profiles, &counts)?;
    Ok(counts.packets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fs;

    use arrow_array::{RecordBatch, RecordBatchIterator};
    use tracecodec::artifact::actions::ActionBatches;
    use tracecodec::artifact::{ActionsReader, Labels};

    use crate::run::lift;
    use crate::testing::{Stopping, data};

    fn lifted(capture: &str) -> ActionBatches {
        let config = lift::Config {
            inputs: vec![data(capture)],
            ..lift::Config::default()
        };
        let mut monitor = Stopping::never();
        lift::to_batches(&config, &mut monitor).unwrap().0
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
        lift::run(&config, &mut Stopping::never()).unwrap();
        let batches = lifted("example.pcap");
        let rows = batches.rows() as u64;
        let count = save(reader(batches).unwrap(), &saved, &mut Stopping::never()).unwrap();
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
        let bare = |batch: RecordBatch| batch.with_schema(schema.clone()).unwrap();
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
        let stopped = save(reader(batches).unwrap(), &path, &mut Stopping::after(1));
        assert!(matches!(stopped, Err(Error::Interrupted)));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

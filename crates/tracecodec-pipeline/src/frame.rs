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

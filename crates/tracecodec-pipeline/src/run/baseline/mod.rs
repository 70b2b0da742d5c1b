//! `baseline`: the raw-field baselines as codecs of header fields, to compare the codec with.

pub mod diagnose;
pub mod oracle;
pub mod reconstruct;
pub mod train;

use std::path::Path;

use tracecodec::compile::PayloadPolicy;
use tracecodec::raw::{Diagnostics, Payload, Renderer};
use tracecodec_nn::baseline::Baseline;

use crate::dataset::rows::CaptureRows;
use crate::error::Error;
use crate::files::ReadPolicy;
use crate::files::writer::{CaptureWriter, Origin};
use crate::monitor::{Monitor, Progress};

/// Rows between two reports of progress.
const PROGRESS_STEP: usize = 4096;

/// Takes a capture through a baseline; the rows that are packets are rendered to the output, if
/// there is one.
fn through(
    baseline: &Baseline,
    input: &Path,
    read: &ReadPolicy,
    output: Option<&Path>,
    monitor: &mut dyn Monitor,
) -> Result<Diagnostics, Error> {
    let profiles = baseline.option_profiles();
    let CaptureRows { rows, epoch, .. } =
        CaptureRows::read(input, read, profiles.clone(), monitor)?;
    let mut output = output
        .map(|path| {
            let writer = CaptureWriter::create(path, false)?;
            writer.synthetic(&Origin::File(input), PayloadPolicy::Truncate)
        })
        .transpose()?;
    let mut renderer = Renderer::new(Payload::Absent, epoch.unwrap_or_default());
    let mut profiles = profiles.clone().thaw();
    let mut diagnostics = Diagnostics::default();
    for (done, (row, decoded)) in rows.iter().zip(baseline.reconstruct(&rows)).enumerate() {
        if done % PROGRESS_STEP == 0 {
            monitor.step(&Progress {
                stage: "reconstructing",
                done: done as u64,
                total: Some(rows.len() as u64),
                detail: "rows",
            })?;
        }
        let Some(decoded) = decoded.judge(row, &mut profiles, &mut diagnostics) else {
            continue;
        };
        if let Some(output) = &mut output {
            let packet = renderer.render(&decoded, &profiles);
            // A row that was judged to be a packet renders.
            let packet = packet.map_err(|invalid| Error::refused(invalid.to_string(), ""))?;
            output.write(&packet)?;
        }
    }
    output.map_or(Ok(()), |output| output.finish(monitor))?;
    Ok(diagnostics)
}

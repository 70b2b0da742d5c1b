//! What the raw-field baselines learn from: rows of header fields, in memory.

use std::mem;
use std::path::Path;

use tracecodec::action::OptionProfiles;
use tracecodec::artifact::SourceEntry;
use tracecodec::pcap::Timestamp;
use tracecodec::raw::{RawRow, RowReader, ValueCounts};
use tracecodec::shard::Split;
use tracecodec_nn::baseline::{RawData, VocabularyRows};

use super::DataSet;
use crate::disclosure::Disclosure;
use crate::error::Error;
use crate::files::ReadPolicy;
use crate::files::capture::Capture;
use crate::monitor::Monitor;

/// A capture as rows.
pub(crate) struct CaptureRows {
    /// One row for each packet in scope.
    pub(crate) rows: Vec<RawRow>,
    /// Time of the first row.
    pub(crate) epoch: Option<Timestamp>,
    /// The dictionary of option layouts, the capture's included.
    pub(crate) profiles: OptionProfiles,
    /// The capture's entry in manifests.
    pub(crate) source: SourceEntry,
}

impl CaptureRows {
    /// Reads a capture's rows, with a dictionary of option layouts to continue.
    ///
    /// # Errors
    /// If the capture cannot be read, or the monitor stops it.
    pub(crate) fn read(
        path: &Path,
        read: &ReadPolicy,
        profiles: OptionProfiles,
        monitor: &mut dyn Monitor,
    ) -> Result<Self, Error> {
        let mut reader = RowReader::new(profiles);
        let mut rows = Vec::new();
        let mut capture = Capture::open(path, read)?;
        capture.for_each(monitor, |packet| {
            // Packets out of scope have no row.
            rows.extend(reader.read(packet).ok());
            Ok(())
        })?;
        Ok(Self {
            rows,
            epoch: reader.epoch(),
            profiles: reader.into_profiles(),
            source: capture.finish(monitor)?,
        })
    }
}

/// Takes shards into memory as rows. One dictionary of option layouts serves all splits whose
/// values count for the vocabularies.
///
/// # Errors
/// If a shard cannot be read, is not that of its manifest, or the monitor stops it.
pub(crate) fn prepare(
    set: &DataSet,
    vocabulary: VocabularyRows,
    read: &ReadPolicy,
    disclosure: &Disclosure,
    monitor: &mut dyn Monitor,
) -> Result<RawData, Error> {
    let (mut values, mut sources) = (ValueCounts::default(), Vec::new());
    let mut profiles = OptionProfiles::new();
    let mut split = |split: Split| -> Result<Vec<RawRow>, Error> {
        let mut rows = Vec::new();
        let is_known = split == Split::Train || vocabulary == VocabularyRows::All;
        for shard in set.shards(split) {
            let dictionary = mem::take(&mut profiles);
            let dictionary = if is_known {
                dictionary.thaw()
            } else {
                dictionary.freeze()
            };
            let capture = CaptureRows::read(&shard.path, read, dictionary, monitor)?;
            shard.check(&capture.source)?;
            if is_known {
                capture.rows.iter().for_each(|row| values.add(row));
            }
            rows.extend(capture.rows);
            profiles = capture.profiles;
            sources.push(capture.source);
        }
        Ok(rows)
    };
    let training = split(Split::Train)?;
    let validation = split(Split::Validation)?;
    if vocabulary == VocabularyRows::All {
        split(Split::Test)?;
    }
    let sources = disclosure.sources(sources);
    Ok(RawData::new(training, validation, values, profiles).with_sources(sources))
}

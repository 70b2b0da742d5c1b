//! The manifest of an actions file: its sources, how it was lifted, and what it contains.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{SourceEntry, TOOL, document};
use crate::action::{ActionSchema, OptionProfiles, ProtocolMix};
use crate::error::Error;
use crate::lift::LiftCounts;
use crate::wire::SkipReason;

/// Counts of a lift.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ActionCounts {
    /// Packets read, in scope and out of it.
    pub packets_read: u64,
    /// Packets out of scope, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Actions, which are the packets in scope.
    pub actions: u64,
    /// Actions by protocol.
    pub protocols: ProtocolMix,
    /// Flows opened.
    pub flows: u64,
    /// Flows that lost their slot because all slots were taken.
    pub evictions: u64,
    /// Largest number of slots taken at once.
    pub peak_slots: u64,
    /// Packets with an earlier time than the previous packet.
    pub steps_back: u64,
    /// TCP packets whose option layout does not fit in the dictionary; only the layout's length is
    /// kept.
    pub unknown_layouts: u64,
    /// Hosts in slots at the end; absent if hosts are not kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hosts: u64,
    /// Hosts that lost their slot because all host slots were taken; absent if there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub host_evictions: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl From<&LiftCounts> for ActionCounts {
    fn from(counts: &LiftCounts) -> Self {
        Self {
            packets_read: counts.packets,
            skipped: skipped_by_name(&counts.skipped),
            actions: counts.actions(),
            protocols: counts.lifted,
            flows: counts.flows,
            evictions: counts.evictions,
            peak_slots: counts.peak_slots,
            steps_back: counts.steps_back,
            unknown_layouts: counts.unknown_layouts,
            hosts: counts.hosts,
            host_evictions: counts.host_evictions,
        }
    }
}

/// Counts of skipped packets by the reason's name, as manifests hold them.
pub fn skipped_by_name(skipped: &BTreeMap<SkipReason, u64>) -> BTreeMap<String, u64> {
    let named = skipped.iter();
    named
        .map(|(reason, &count)| (reason.name().to_string(), count))
        .collect()
}

/// The manifest of one actions file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiftManifest {
    /// Value of [`LiftManifest::FORMAT`].
    pub format: String,
    /// Value of [`LiftManifest::VERSION`].
    pub version: u32,
    /// Name and version of the tool that wrote it.
    pub tool: String,
    /// Version of the action schema, and what is kept of hosts and services.
    #[serde(flatten)]
    pub schema: ActionSchema,
    /// Name of the actions file.
    pub file: String,
    /// BLAKE3 digest of the actions file, in hexadecimal.
    pub blake3: String,
    /// Number of slots for flows.
    pub capacity: u64,
    /// Captures that were lifted, in the order of reading.
    pub sources: Vec<SourceEntry>,
    /// Time of the first action in ns since 1970; `None` without actions.
    pub epoch_ns: Option<i64>,
    /// Counts of the lift.
    pub counts: ActionCounts,
    /// Option profiles 11 and up, as options areas in hexadecimal.
    pub option_profiles: Vec<String>,
}

impl LiftManifest {
    /// Value of `format`.
    pub const FORMAT: &'static str = "tracecodec.lift";

    /// Value of `version`.
    pub const VERSION: u32 = 1;

    /// The manifest of actions that no file holds: the file's name and digest are empty.
    pub fn new(
        schema: ActionSchema,
        capacity: u64,
        sources: Vec<SourceEntry>,
        epoch_ns: Option<i64>,
        counts: &LiftCounts,
        profiles: &OptionProfiles,
    ) -> Self {
        Self {
            format: Self::FORMAT.to_string(),
            version: Self::VERSION,
            tool: TOOL.to_string(),
            schema,
            file: String::new(),
            blake3: String::new(),
            capacity,
            sources,
            epoch_ns,
            counts: ActionCounts::from(counts),
            option_profiles: profiles.to_hex(),
        }
    }

    /// The manifest with the name of a finished actions file, which is read for its digest.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn of_file(self, file: impl AsRef<Path>) -> Result<Self, Error> {
        let path = file.as_ref();
        let name = path.file_name().unwrap_or(path.as_os_str());
        Ok(Self {
            file: name.to_string_lossy().into_owned(),
            blake3: document::digest(path)?,
            ..self
        })
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// If the file cannot be read, or is not the manifest of an actions file of this version.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        document::read(path, (Self::FORMAT, Self::VERSION))
    }

    /// Writes the manifest. The file appears whole or not at all.
    ///
    /// # Errors
    /// If the output fails.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        document::write(path, self)
    }
}

//! Manifests: what an artifact was made from, how, and what is in it. Pretty-printed JSON with keys in a fixed order.
//!
//! Nothing in a manifest depends on when or where it was written: the same input, configuration and version give the
//! same bytes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::TOOL;
use crate::action::{OptionProfiles, Proto, SCHEMA_VERSION};
use crate::lift::LiftCounts;
use crate::output::Output;
use crate::wire::SkipReason;

/// Name of a shard folder's manifest.
pub const FILE_NAME: &str = "manifest.json";

/// Version of both kinds of manifest.
pub const VERSION: u32 = 1;

/// A manifest that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("{}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's word on it.
        cause: io::Error,
    },
    /// The file cannot be written; the message names it.
    #[error(transparent)]
    Write(#[from] io::Error),
    /// Not JSON, or other keys than a manifest's.
    #[error("{}: not a manifest: {cause}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and in which line.
        cause: serde_json::Error,
    },
    /// A manifest of something else, or of another version.
    #[error("{}: {format} version {version}, but {expected} version {VERSION} is needed", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// `format` in the file.
        format: String,
        /// `version` in the file.
        version: u32,
        /// `format` that was expected.
        expected: &'static str,
    },
}

/// One of the three parts of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Earliest shards: models learn from them.
    Train,
    /// Models are chosen by them.
    Validation,
    /// Latest shards: results are measured on them.
    Test,
}

impl Split {
    /// All splits, by time.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// Name of its folder, and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// When a shard is full: it then takes no new sessions, but goes on with those that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShardSize {
    /// It holds this many packets.
    Packets(u64),
    /// This many seconds have passed since its first packet.
    Seconds(u64),
}

/// Relative sizes of the splits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitWeights {
    /// Weight of the training split. Default 80.
    pub train: u32,
    /// Weight of the validation split. Default 10.
    pub validation: u32,
    /// Weight of the test split. Default 10.
    pub test: u32,
}

impl Default for SplitWeights {
    fn default() -> Self {
        Self {
            train: 80,
            validation: 10,
            test: 10,
        }
    }
}

/// How a capture is cut into shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardConfig {
    /// When a shard is full. Default: 2,000 packets; with the long sessions that shards keep, that makes several thousand.
    pub size: ShardSize,
    /// How many shards each split gets. Default: 80, 10 and 10 %.
    pub split: SplitWeights,
    /// Whether a damaged capture counts with the packets before the damage, instead of being an error. Default: no.
    pub lenient: bool,
    /// What the packets are, such as the kind of traffic: a name that models may be told. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whether an older shard folder, or what an interrupted run left of one, may be replaced. Default: no.
    #[serde(skip)]
    pub overwrite: bool,
}

impl Default for ShardConfig {
    fn default() -> Self {
        Self {
            size: ShardSize::Packets(2_000),
            split: SplitWeights::default(),
            lenient: false,
            label: None,
            overwrite: false,
        }
    }
}

/// A capture that an artifact was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// File name, without folders.
    pub name: String,
    /// BLAKE3 digest of the file as it is stored, in hexadecimal.
    pub blake3: String,
    /// Length of the file as it is stored.
    pub bytes: u64,
    /// Packets read.
    pub packets: u64,
    /// What ended the packets before the file's end, if something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

/// Packets by protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProtocolMix {
    /// TCP.
    pub tcp: u64,
    /// UDP.
    pub udp: u64,
    /// ICMP and ICMPv6.
    pub icmp: u64,
    /// Any other IP protocol.
    pub other: u64,
}

impl ProtocolMix {
    /// Counts a packet.
    pub fn add(&mut self, proto: Proto) {
        match proto {
            Proto::Tcp => self.tcp += 1,
            Proto::Udp => self.udp += 1,
            Proto::Icmp => self.icmp += 1,
            Proto::Other => self.other += 1,
        }
    }

    /// All packets.
    pub fn total(&self) -> u64 {
        self.tcp + self.udp + self.icmp + self.other
    }

    /// Adds another mix.
    pub fn merge(&mut self, more: &Self) {
        self.tcp += more.tcp;
        self.udp += more.udp;
        self.icmp += more.icmp;
        self.other += more.other;
    }
}

/// What is in a capture of which every packet is in scope.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Census {
    /// Earliest packet, in ns since 1970; none without packets.
    pub start_ns: Option<i64>,
    /// Latest packet.
    pub end_ns: Option<i64>,
    /// Packets.
    pub packets: u64,
    /// Sum of the lengths of the IP packets.
    pub bytes: u64,
    /// Packets by protocol.
    pub protocols: ProtocolMix,
    /// Sessions.
    pub sessions: u64,
    /// Distinct five-tuples.
    pub flows: u64,
    /// Most sessions between their first and last packet at one time.
    pub max_concurrent_sessions: u64,
    /// Packets that are older than the one before.
    pub steps_back: u64,
}

/// One shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardEntry {
    /// Path in the folder, with `/`.
    pub file: String,
    /// Its split.
    pub split: Split,
    /// BLAKE3 digest of the file, in hexadecimal.
    pub blake3: String,
    /// What is in it.
    #[serde(flatten)]
    pub census: Census,
}

/// Sums over all sources and shards.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Packets read, in scope and out of it.
    pub packets_read: u64,
    /// Packets out of scope, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Packets in scope: those of all shards.
    pub packets: u64,
    /// Sum of the lengths of their IP packets.
    pub bytes: u64,
    /// Packets by protocol.
    pub protocols: ProtocolMix,
    /// Sessions.
    pub sessions: u64,
    /// Packets of the input that are older than the one before.
    pub steps_back: u64,
}

/// The manifest of a folder of shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`Manifest::FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// Name and version of the tool that wrote it.
    pub tool: String,
    /// How the shards were cut.
    pub config: ShardConfig,
    /// What they were cut from, in the order of reading.
    pub sources: Vec<Source>,
    /// Sums.
    pub totals: Totals,
    /// The shards by start.
    pub shards: Vec<ShardEntry>,
}

/// One split in the terms of the paper's Table 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table6Row {
    /// The split; none for the whole dataset.
    pub split: Option<Split>,
    /// Shards.
    pub shards: u64,
    /// Packets in scope, which are the packet-action tokens.
    pub packets: u64,
    /// Packets by protocol.
    pub protocols: ProtocolMix,
}

impl Table6Row {
    /// Percentages of TCP, UDP, ICMP and other packets; zeros without packets.
    pub fn percentages(&self) -> [f64; 4] {
        let ProtocolMix {
            tcp,
            udp,
            icmp,
            other,
        } = self.protocols;
        let total = self.protocols.total().max(1) as f64;
        [tcp, udp, icmp, other].map(|packets| 100.0 * packets as f64 / total)
    }
}

impl Manifest {
    /// Value of `format`.
    pub const FORMAT: &'static str = "tracecodec.shards";

    /// A manifest of this version of the tool.
    pub fn new(
        config: ShardConfig,
        sources: Vec<Source>,
        totals: Totals,
        shards: Vec<ShardEntry>,
    ) -> Self {
        Self {
            format: Self::FORMAT.to_string(),
            version: VERSION,
            tool: TOOL.to_string(),
            config,
            sources,
            totals,
            shards,
        }
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// If it cannot be read, or is none of a shard folder of this version.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ManifestError> {
        read(path.as_ref(), Self::FORMAT)
    }

    /// Writes the manifest; the file appears whole or not at all.
    ///
    /// # Errors
    /// If the output fails.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), ManifestError> {
        write(path.as_ref(), self)
    }

    /// The shards of one split, by start.
    pub fn of_split(&self, split: Split) -> impl Iterator<Item = &ShardEntry> {
        self.shards.iter().filter(move |shard| shard.split == split)
    }

    /// The numbers of the paper's Table 6: a row for each split, then one for the whole dataset.
    pub fn table6(&self) -> [Table6Row; 4] {
        let splits = [
            Some(Split::Train),
            Some(Split::Validation),
            Some(Split::Test),
            None,
        ];
        splits.map(|split| {
            let mut row = Table6Row {
                split,
                shards: 0,
                packets: 0,
                protocols: ProtocolMix::default(),
            };
            let chosen = self
                .shards
                .iter()
                .filter(|shard| split.is_none_or(|split| split == shard.split));
            for shard in chosen {
                row.shards += 1;
                row.packets += shard.census.packets;
                row.protocols.merge(&shard.census.protocols);
            }
            row
        })
    }
}

/// Counts of a lift.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ActionCounts {
    /// Packets read, in scope and out of it.
    pub packets_read: u64,
    /// Packets out of scope, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Actions: packets in scope.
    pub actions: u64,
    /// Actions by protocol.
    pub protocols: ProtocolMix,
    /// Flows opened.
    pub flows: u64,
    /// Flows that lost their slot because all were taken.
    pub evictions: u64,
    /// Most slots taken at once.
    pub peak_slots: u64,
    /// Packets that are older than the one before.
    pub steps_back: u64,
    /// TCP packets whose option layout the dictionary has no room for: only its length is kept.
    pub unknown_layouts: u64,
}

impl From<&LiftCounts> for ActionCounts {
    fn from(counts: &LiftCounts) -> Self {
        let of = |proto: Proto| counts.lifted[proto as usize];
        Self {
            packets_read: counts.packets,
            skipped: by_name(&counts.skipped),
            actions: counts.actions(),
            protocols: ProtocolMix {
                tcp: of(Proto::Tcp),
                udp: of(Proto::Udp),
                icmp: of(Proto::Icmp),
                other: of(Proto::Other),
            },
            flows: counts.flows,
            evictions: counts.evictions,
            peak_slots: counts.peak_slots,
            steps_back: counts.steps_back,
            unknown_layouts: counts.unknown_layouts,
        }
    }
}

/// Skip counts as manifests have them.
pub fn by_name(skipped: &BTreeMap<SkipReason, u64>) -> BTreeMap<String, u64> {
    let named = skipped.iter();
    named
        .map(|(reason, &count)| (reason.name().to_string(), count))
        .collect()
}

/// The manifest of one actions file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiftManifest {
    /// [`LiftManifest::FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// Name and version of the tool that wrote it.
    pub tool: String,
    /// Version of the action schema.
    pub schema_version: u32,
    /// Name of the actions file.
    pub file: String,
    /// BLAKE3 digest of the actions file, in hexadecimal.
    pub blake3: String,
    /// Slots that flows could take.
    pub capacity: u64,
    /// What was lifted, in the order of reading.
    pub sources: Vec<Source>,
    /// Time of the first action in ns since 1970; none without actions.
    pub epoch_ns: Option<i64>,
    /// Counts.
    pub counts: ActionCounts,
    /// Option profiles 11 and up, as options areas in hexadecimal.
    pub option_profiles: Vec<String>,
}

impl LiftManifest {
    /// Value of `format`.
    pub const FORMAT: &'static str = "tracecodec.lift";

    /// The manifest of a finished actions file, which is read for its digest.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn new(
        file: impl AsRef<Path>,
        capacity: u64,
        sources: Vec<Source>,
        epoch_ns: Option<i64>,
        counts: &LiftCounts,
        profiles: &OptionProfiles,
    ) -> Result<Self, ManifestError> {
        let path = file.as_ref();
        let name = path.file_name().unwrap_or(path.as_os_str());
        Ok(Self {
            format: Self::FORMAT.to_string(),
            version: VERSION,
            tool: TOOL.to_string(),
            schema_version: SCHEMA_VERSION,
            file: name.to_string_lossy().into_owned(),
            blake3: digest(path)?,
            capacity,
            sources,
            epoch_ns,
            counts: ActionCounts::from(counts),
            option_profiles: profiles.to_hex(),
        })
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// If it cannot be read, or is none of an actions file of this version.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ManifestError> {
        read(path.as_ref(), Self::FORMAT)
    }

    /// Writes the manifest; the file appears whole or not at all.
    ///
    /// # Errors
    /// If the output fails.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), ManifestError> {
        write(path.as_ref(), self)
    }
}

/// BLAKE3 digest of a file, in hexadecimal.
///
/// # Errors
/// If it cannot be read.
pub fn digest(path: impl AsRef<Path>) -> Result<String, ManifestError> {
    let path = path.as_ref();
    let mut hasher = blake3::Hasher::new();
    let read = fs::File::open(path).and_then(|file| hasher.update_reader(file).map(drop));
    match read {
        Ok(()) => Ok(hasher.finalize().to_hex().to_string()),
        Err(cause) => Err(ManifestError::Read {
            path: path.to_path_buf(),
            cause,
        }),
    }
}

/// What every manifest begins with.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

fn read<T: DeserializeOwned>(path: &Path, expected: &'static str) -> Result<T, ManifestError> {
    let path = path.to_path_buf();
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(cause) => return Err(ManifestError::Read { path, cause }),
    };
    let malformed = |cause| ManifestError::Malformed {
        path: path.clone(),
        cause,
    };
    let Head { format, version } = serde_json::from_slice(&text).map_err(malformed)?;
    if (format.as_str(), version) != (expected, VERSION) {
        return Err(ManifestError::Format {
            path,
            format,
            version,
            expected,
        });
    }
    serde_json::from_slice(&text).map_err(malformed)
}

fn write(path: &Path, manifest: &impl Serialize) -> Result<(), ManifestError> {
    let mut text = serde_json::to_vec_pretty(manifest).map_err(io::Error::from)?;
    text.push(b'\n');
    let mut output = Output::create(path)?;
    output.write_all(&text)?;
    Ok(output.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(split: Split, tcp: u64, udp: u64) -> ShardEntry {
        let protocols = ProtocolMix {
            tcp,
            udp,
            ..ProtocolMix::default()
        };
        ShardEntry {
            file: format!("{}/shard-00000.pcapng", split.name()),
            split,
            blake3: String::new(),
            census: Census {
                packets: tcp + udp,
                protocols,
                ..Census::default()
            },
        }
    }

    fn manifest() -> Manifest {
        let shards = vec![
            shard(Split::Train, 3, 1),
            shard(Split::Train, 5, 0),
            shard(Split::Validation, 0, 0),
            shard(Split::Test, 0, 7),
        ];
        Manifest::new(
            ShardConfig::default(),
            Vec::new(),
            Totals::default(),
            shards,
        )
    }

    #[test]
    fn test_table6() {
        let rows = manifest().table6();
        assert_eq!(rows.map(|row| row.shards), [2, 1, 1, 4]);
        assert_eq!(rows.map(|row| row.packets), [9, 0, 7, 16]);
        assert_eq!(rows[3].percentages(), [50.0, 50.0, 0.0, 0.0]);
        assert_eq!(rows[1].percentages(), [0.0; 4]);
    }

    #[test]
    fn test_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        manifest().write(&path).unwrap();
        assert_eq!(Manifest::read(&path).unwrap(), manifest());
    }

    #[test]
    fn test_other_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.json");
        let error = |text: &str| {
            fs::write(&path, text).unwrap();
            let error = Manifest::read(&path).unwrap_err().to_string();
            let prefix = format!("{}: ", path.display());
            error.strip_prefix(&prefix).unwrap().to_string()
        };
        assert!(error("{}").starts_with("not a manifest: missing field"));
        assert_eq!(
            error(r#"{"format": "tracecodec.lift", "version": 1}"#),
            "tracecodec.lift version 1, but tracecodec.shards version 1 is needed"
        );
    }
}

//! The manifest of a folder of shards: what the folder contains and how it was cut.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::action::ProtocolMix;
use crate::artifact::{SourceEntry, TOOL, document};
use crate::choice::Choice;
use crate::error::Error;

/// One of the three parts of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Earliest shards, on which models are trained.
    Train,
    /// Middle shards, by which models are chosen.
    Validation,
    /// Latest shards, on which results are measured.
    Test,
}

impl Split {
    /// All splits, by time.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];
}

impl Choice for Split {
    const WHAT: &'static str = "split";

    const TABLE: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Train, "train", "The split that models are trained on"),
        (
            Self::Validation,
            "validation",
            "The split by which models are chosen",
        ),
        (Self::Test, "test", "The split that no training sees"),
    ];
}

/// When a shard is full. A full shard takes no new sessions, but continues those that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShardSize {
    /// The shard holds this many packets.
    Packets(u64),
    /// This many seconds have passed since the shard's first packet.
    Seconds(u64),
}

impl ShardSize {
    /// Packets of a full shard by default.
    pub const DEFAULT_PACKETS: u64 = 2_000;
}

/// Relative sizes of the splits. As text, three numbers such as `80,10,10`.
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

impl fmt::Display for SplitWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{}", self.train, self.validation, self.test)
    }
}

impl FromStr for SplitWeights {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let weights = text.split(',').map(|weight| weight.trim().parse());
        match weights.collect::<Result<Vec<u32>, _>>().as_deref() {
            Ok(&[train, validation, test]) => Ok(Self {
                train,
                validation,
                test,
            }),
            _ => Err("three whole numbers, as in 80,10,10"),
        }
    }
}

/// How a capture is cut into shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardConfig {
    /// When a shard is full. Default: 2,000 packets; with the long sessions that shards keep,
    /// several thousand.
    pub size: ShardSize,
    /// Share of each split in the shards. Default: 80, 10 and 10 %.
    pub split: SplitWeights,
    /// Whether a damaged capture counts with the packets before the damage and is not an error.
    /// Default: no.
    pub lenient: bool,
    /// Label of the packets, such as the kind of traffic, which models may be given. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whether an older shard folder, or the remains of an interrupted run, may be replaced.
    /// Default: no.
    #[serde(skip)]
    pub overwrite: bool,
}

impl Default for ShardConfig {
    fn default() -> Self {
        Self {
            size: ShardSize::Packets(ShardSize::DEFAULT_PACKETS),
            split: SplitWeights::default(),
            lenient: false,
            label: None,
            overwrite: false,
        }
    }
}

/// Contents of a capture whose packets are all in scope.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Census {
    /// Time of the earliest packet, in ns since 1970; `None` without packets.
    pub start_ns: Option<i64>,
    /// Time of the latest packet, in ns since 1970; `None` without packets.
    pub end_ns: Option<i64>,
    /// Packets.
    pub packets: u64,
    /// Sum of the lengths of the IP packets, in bytes.
    pub bytes: u64,
    /// Packets by protocol.
    pub protocols: ProtocolMix,
    /// Sessions.
    pub sessions: u64,
    /// Distinct five-tuples.
    pub flows: u64,
    /// Largest number of sessions that were between their first and last packet at one time.
    pub max_concurrent_sessions: u64,
    /// Packets with an earlier time than the previous packet.
    pub steps_back: u64,
}

/// Manifest entry of one shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardEntry {
    /// Path inside the folder, with `/`.
    pub file: String,
    /// Split of the shard.
    pub split: Split,
    /// BLAKE3 digest of the file, in hexadecimal.
    pub blake3: String,
    /// Contents of the shard.
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
    /// Packets in scope, which are the packets of all shards.
    pub packets: u64,
    /// Sum of the lengths of the IP packets in scope, in bytes.
    pub bytes: u64,
    /// Packets by protocol.
    pub protocols: ProtocolMix,
    /// Sessions.
    pub sessions: u64,
    /// Packets of the input with an earlier time than the previous packet.
    pub steps_back: u64,
}

/// The manifest of a folder of shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardManifest {
    /// Value of [`ShardManifest::FORMAT`].
    pub format: String,
    /// Value of [`ShardManifest::VERSION`].
    pub version: u32,
    /// Name and version of the tool that wrote it.
    pub tool: String,
    /// How the shards were cut.
    pub config: ShardConfig,
    /// Captures that the shards were cut from, in the order of reading.
    pub sources: Vec<SourceEntry>,
    /// Sums over all sources and shards.
    pub totals: Totals,
    /// The shards, ordered by start.
    pub shards: Vec<ShardEntry>,
}

/// One split in the terms of the paper's Table 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table6Row {
    /// The split; `None` for the whole dataset.
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

impl ShardManifest {
    /// Value of `format`.
    pub const FORMAT: &'static str = "tracecodec.shards";

    /// Value of `version`.
    pub const VERSION: u32 = 1;

    /// Name of the manifest file in its folder.
    pub const FILE_NAME: &'static str = "manifest.json";

    /// A manifest of this version of the tool.
    pub fn new(
        config: ShardConfig,
        sources: Vec<SourceEntry>,
        totals: Totals,
        shards: Vec<ShardEntry>,
    ) -> Self {
        Self {
            format: Self::FORMAT.to_string(),
            version: Self::VERSION,
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
    /// If the file cannot be read, or is not the manifest of a shard folder of this version.
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

    /// The shards of one split, ordered by start.
    pub fn of_split(&self, split: Split) -> impl Iterator<Item = &ShardEntry> {
        self.shards.iter().filter(move |shard| shard.split == split)
    }

    /// The numbers of the paper's Table 6: a row for each split, then one for the whole dataset.
    pub fn table6(&self) -> [Table6Row; 4] {
        let [train, validation, test] = Split::ALL.map(Some);
        let splits = [train, validation, test, None];
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

#[cfg(test)]
mod tests {
    use std::fs;

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

    fn manifest() -> ShardManifest {
        let shards = vec![
            shard(Split::Train, 3, 1),
            shard(Split::Train, 5, 0),
            shard(Split::Validation, 0, 0),
            shard(Split::Test, 0, 7),
        ];
        ShardManifest::new(
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
        let path = folder.path().join(ShardManifest::FILE_NAME);
        manifest().write(&path).unwrap();
        assert_eq!(ShardManifest::read(&path).unwrap(), manifest());
    }

    #[test]
    fn test_other_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.json");
        let error = |text: &str| {
            fs::write(&path, text).unwrap();
            let error = ShardManifest::read(&path).unwrap_err().to_string();
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

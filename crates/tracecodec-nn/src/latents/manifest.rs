//! The manifest beside a file of latents: which codec made them, and what the tensors do not
//! contain.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracecodec::action::float::Tick;
use tracecodec::action::{ActionSchema, SCHEMA_VERSION};
use tracecodec::artifact::{ActionCounts, SourceEntry};

use super::RowLabels;
use crate::error::Error;
use crate::files;

/// Manifest of a file of latents. `docs/formats.md` describes it.
///
/// A reader needs `format`, `version` and `model_blake3`; everything else has a default.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LatentManifest {
    /// Name of the format, [`LatentManifest::FORMAT`].
    pub format: String,
    /// Version of the format, [`LatentManifest::VERSION`].
    pub version: u32,
    /// Name and version of the tool that wrote it. Default empty.
    #[serde(default)]
    pub tool: String,
    /// Version of the action schema, and what is kept of hosts and services. Default: this
    /// program's version.
    #[serde(flatten)]
    pub schema: ActionSchema,
    /// Name of the file of latents. Default empty.
    #[serde(default)]
    pub file: String,
    /// Folder of the codec, or `built in`. Default empty.
    #[serde(default)]
    pub model: String,
    /// BLAKE3 digest of the codec's weights, 32 bits each.
    pub model_blake3: String,
    /// Number of rows, one a packet. Default: that of the file.
    pub packets: Option<u64>,
    /// Number of columns. Default: that of the file.
    pub dim: Option<usize>,
    /// Mean KL divergence of the posterior from the prior, in nats a packet; `None` if unknown.
    pub kl_nats: Option<f64>,
    /// Entropy of the packets without a model of the traffic; `None` if it was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entropy: Option<EntropyNats>,
    /// Effect of the refinement; `None` if the encoder's means were not refined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refined: Option<Refinement>,
    /// Seed of the tensor `sample`; `None` if there is no such tensor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_seed: Option<u64>,
    /// Time of the first packet in nanoseconds since 1970. Default 0.
    pub epoch_ns: Option<i64>,
    /// Unit of which all times are multiples. Default: a nanosecond.
    #[serde(default)]
    pub tick: Tick,
    /// Captures that were encoded, in the order of reading; empty if a file of actions was encoded.
    #[serde(default)]
    pub sources: Vec<SourceEntry>,
    /// Counts of the lift; `None` if a file of actions was encoded.
    pub counts: Option<ActionCounts>,
    /// Labels of the packets, where they had any. Default: none.
    #[serde(default, skip_serializing_if = "RowLabels::is_empty")]
    pub labels: RowLabels,
    /// Dictionary of TCP option layouts, as hexadecimal options areas: the codec's layouts,
    /// followed by the other ones that occur. Default: the codec's.
    #[serde(default)]
    pub option_profiles: Vec<String>,
}

/// Entropy of the packets as a memoryless source, in nats a packet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EntropyNats {
    /// Plug-in entropy of whole records; too low on little data.
    pub plug_in: f64,
    /// Length of an adaptive code: an upper bound.
    pub code_length: f64,
}

/// Effect of refining the means of packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refinement {
    /// Packets that did not decode from the encoder's mean.
    pub moved: u64,
    /// Packets that did not decode from the refined mean either.
    pub left: u64,
}

/// The keys that must be readable in every version of the format.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

impl LatentManifest {
    /// Value of `format`.
    pub const FORMAT: &'static str = "tracecodec.latents";
    /// Value of `version`.
    pub const VERSION: u32 = 1;

    /// Path of the manifest beside a file of latents: the file's name with `.json` appended.
    pub fn path(latents: &Path) -> PathBuf {
        let mut name = latents.as_os_str().to_owned();
        name.push(".json");
        name.into()
    }

    /// Writes the manifest beside a file of latents.
    ///
    /// # Errors
    /// If the manifest cannot be written.
    pub fn write(&self, latents: &Path) -> Result<(), Error> {
        files::write_json(&Self::path(latents), self)
    }

    /// Reads the manifest beside a file of latents; `None` if there is none.
    ///
    /// # Errors
    /// If the manifest cannot be read, or is not one of latents of this version.
    pub fn find(latents: &Path) -> Result<Option<Self>, Error> {
        let path = Self::path(latents);
        path.exists().then(|| Self::read(&path)).transpose()
    }

    /// Reads a manifest of latents.
    ///
    /// # Errors
    /// If the manifest cannot be read, or is not one of latents of this version.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = files::read(path)?;
        let malformed = |error: serde_json::Error| {
            Error::latents(
                path,
                format!("not a manifest of latents: {error}"),
                "it needs the keys format, version and model_blake3; latents of your own need no manifest",
            )
        };
        let head: Head = serde_json::from_slice(&bytes).map_err(malformed)?;
        if head.format != Self::FORMAT || head.version != Self::VERSION {
            return Err(Error::latents(
                path,
                format!("{} {} is not understood", head.format, head.version),
                "encode again with this version",
            ));
        }
        let manifest: Self = serde_json::from_slice(&bytes).map_err(malformed)?;
        if !manifest.schema.is_known() {
            return Err(Error::latents(
                path,
                format!(
                    "action schema {}, but this version has {SCHEMA_VERSION}",
                    manifest.schema.version
                ),
                "encode again with this version and a codec of its schema",
            ));
        }
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Keys that a reader needs.
    const REQUIRED: [&str; 3] = ["format", "version", "model_blake3"];

    /// A manifest with every key.
    fn manifest() -> Value {
        json!({
            "format": LatentManifest::FORMAT, "version": LatentManifest::VERSION, "tool": "mine 1",
            "schema_version": SCHEMA_VERSION, "file": "z.safetensors", "model": "built in",
            "model_blake3": "ab12", "packets": 1, "dim": 64, "kl_nats": 75.0, "entropy": null,
            "refined": {"moved": 0, "left": 0}, "sample_seed": 7, "epoch_ns": 5, "tick": "microsecond", "sources": [],
            "counts": null, "option_profiles": [],
        })
    }

    #[test]
    fn test_three_keys_are_needed_and_a_missing_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let latents = folder.path().join("z.safetensors");
        let read = |manifest: &Value| {
            std::fs::write(LatentManifest::path(&latents), manifest.to_string()).unwrap();
            LatentManifest::find(&latents)
        };
        let keys: Vec<String> = manifest().as_object().unwrap().keys().cloned().collect();
        assert!(read(&manifest()).is_ok());
        for key in keys {
            let mut without = manifest();
            without.as_object_mut().unwrap().remove(&key);
            let found = read(&without);
            assert_eq!(found.is_err(), REQUIRED.contains(&key.as_str()), "{key}");
            let Err(error) = found else { continue };
            let told = error.to_string();
            assert!(
                told.contains("z.safetensors.json") && told.contains(&format!("`{key}`")),
                "{told}"
            );
        }
        let mut least = manifest();
        least
            .as_object_mut()
            .unwrap()
            .retain(|key, _| REQUIRED.contains(&key.as_str()));
        let least = read(&least).unwrap().unwrap();
        assert_eq!(
            (least.packets, least.dim, least.kl_nats),
            (None, None, None)
        );
        assert_eq!(
            (least.schema.version, least.tick, least.epoch_ns),
            (SCHEMA_VERSION, Tick::default(), None)
        );
        assert!(least.option_profiles.is_empty() && least.sources.is_empty());
    }

    #[test]
    fn test_another_version_is_refused_whatever_its_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("z.safetensors.json");
        for (key, value) in [
            ("format", json!("tracecodec.lift")),
            ("version", json!(2)),
            ("schema_version", json!(999)),
        ] {
            let mut other = manifest();
            other[key] = value;
            std::fs::write(&path, other.to_string()).unwrap();
            assert!(LatentManifest::read(&path).is_err(), "{key}");
        }
    }
}

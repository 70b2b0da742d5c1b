//! A file of latents and the manifest beside it.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tracecodec::action::SCHEMA_VERSION;
use tracecodec::action::float::Tick;
use tracecodec::artifact::{ActionCounts, SourceEntry};
use tracecodec::output::Output;

use crate::codec_entropy::EntropyNats;
use crate::failure::Hint;
use crate::output::manifest_path;

/// What is known of a file of latents. `docs/formats.md` describes it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LatentManifest {
    pub(crate) format: String,
    pub(crate) version: u32,
    pub(crate) tool: String,
    pub(crate) schema_version: u32,
    /// Name of the file of latents.
    pub(crate) file: String,
    /// Folder of the codec, or `built in`.
    pub(crate) model: String,
    /// BLAKE3 digest of the codec's weights, 32 bits each.
    pub(crate) model_blake3: String,
    /// Rows: one a packet.
    pub(crate) packets: u64,
    /// Columns.
    pub(crate) dim: usize,
    /// Mean divergence of the posterior from the prior, in nats a packet.
    pub(crate) kl_nats: f64,
    /// What the packets cost without a model of the traffic; none where it was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) entropy: Option<EntropyNats>,
    /// What refinement did; none where the encoder's means were taken as they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refined: Option<Refinement>,
    /// Seed of the tensor `sample`; none where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sample_seed: Option<u64>,
    /// Time of the first packet in nanoseconds since 1970.
    pub(crate) epoch_ns: Option<i64>,
    /// What all times are multiples of.
    #[serde(default)]
    pub(crate) tick: Tick,
    /// What was encoded, in the order of reading; empty where it was a file of actions.
    pub(crate) sources: Vec<SourceEntry>,
    /// Counts of the lift; none where the source was a file of actions.
    pub(crate) counts: Option<ActionCounts>,
    /// Dictionary of TCP option layouts as hexadecimal options areas: the codec's, and after it what else occurs.
    #[serde(default)]
    pub(crate) option_profiles: Vec<String>,
}

/// Keys that a reader needs.
const REQUIRED: [&str; 11] = [
    "format",
    "version",
    "tool",
    "schema_version",
    "file",
    "model",
    "model_blake3",
    "packets",
    "dim",
    "kl_nats",
    "sources",
];

/// Packets whose means were refined.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Refinement {
    /// Packets that did not come back from the encoder's mean.
    pub(crate) moved: u64,
    /// Those of them that still do not.
    pub(crate) left: u64,
}

impl LatentManifest {
    pub(crate) const FORMAT: &'static str = "tracecodec.latents";
    pub(crate) const VERSION: u32 = 1;

    /// Writes the manifest beside the latents.
    pub(crate) fn write(&self, latents: &Path) -> Result<()> {
        use std::io::Write as _;
        let path = manifest_path(latents);
        let mut output = Output::create(&path)?;
        serde_json::to_writer_pretty(&mut output, self)?;
        output.write_all(b"\n")?;
        output
            .finish()
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads the manifest beside a file of latents; none if there is none.
    pub(crate) fn find(latents: &Path) -> Result<Option<Self>> {
        let path = manifest_path(latents);
        let name = path.display();
        if !path.exists() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {name}"))?;
        let manifest: Self = serde_json::from_str(&text).map_err(|error| {
            Hint::error(
                format!("{name}: not a manifest of latents: {error}"),
                format!(
                    "it needs {}, as `tracecodec encode` writes them; latents of your own need no manifest",
                    REQUIRED.join(", ")
                ),
            )
        })?;
        if manifest.format != Self::FORMAT || manifest.version != Self::VERSION {
            return Err(Hint::error(
                format!(
                    "{name}: {} {} is not understood",
                    manifest.format, manifest.version
                ),
                "encode again with this version",
            ));
        }
        if manifest.schema_version != SCHEMA_VERSION {
            return Err(Hint::error(
                format!(
                    "{name}: action schema {}, but this version has {SCHEMA_VERSION}",
                    manifest.schema_version
                ),
                "encode again with this version and a codec of its schema",
            ));
        }
        Ok(Some(manifest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A whole manifest beside latents.
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
    fn test_missing_keys_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let latents = folder.path().join("z.safetensors");
        let read = |manifest: &Value| {
            std::fs::write(manifest_path(&latents), manifest.to_string()).unwrap();
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
    }
}

//! The budget of an experiment: which methods are trained, and for how long. A preset has all of
//! it; a configuration names what it changes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tracecodec::choice::Choice;
use tracecodec_nn::generator::flow_matching;

use super::Config;
use crate::error::Error;
use crate::files::document;
use crate::settings::{self, nearest};

/// A budget that ships.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// 11 minutes of processor time.
    #[default]
    Quick,
    /// An evening on two cores.
    Laptop,
    /// The paper's.
    Paper,
}

impl Choice for Preset {
    const WHAT: &'static str = "preset";

    const TABLE: &'static [(Self, &'static str, &'static str)] = &[
        (
            Self::Quick,
            "quick",
            "Every table, in 11 minutes of processor time",
        ),
        (Self::Laptop, "laptop", "An evening on two cores"),
        (Self::Paper, "paper", "The paper's budgets (its appendix F)"),
    ];
}

impl Preset {
    /// The budget as it ships, with comments: TOML.
    pub fn text(self) -> &'static str {
        match self {
            Self::Quick => include_str!("presets/quick.toml"),
            Self::Laptop => include_str!("presets/laptop.toml"),
            Self::Paper => include_str!("presets/paper.toml"),
        }
    }

    fn budget(self) -> Budget {
        toml::from_str(self.text()).expect("a test reads every preset")
    }
}

/// What is trained, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Budget {
    /// Seeds of the learned methods, each of which is trained once for each.
    pub seeds: Vec<u64>,
    /// How captures are cut into shards.
    pub shard: Shard,
    /// The codec.
    pub codec: Steps,
    /// Which codecs are trained without a part.
    pub ablations: BTreeMap<String, bool>,
    /// Optimiser steps of each raw-field baseline; 0 leaves it out.
    pub baselines: BTreeMap<String, u64>,
    /// The latent-interface test (the paper, Table 4).
    pub interface: Interface,
    /// Continuations of whole captures.
    pub generation: Generation,
}

/// How captures are cut into shards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shard {
    /// Packets after which a shard is full.
    pub packets: u64,
    /// Packets of a capture that are read; 0 reads all.
    pub first: u64,
}

/// A training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Steps {
    /// Optimiser steps.
    pub steps: u64,
}

/// The latent-interface test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Interface {
    /// Optimiser steps of each generator; 0 leaves the test out.
    pub steps: u64,
    /// Packets of a prefix.
    pub prefix: u64,
    /// Packets of a suffix.
    pub suffix: u64,
    /// Packets from the start of a window to that of the next.
    pub stride: u64,
    /// Most cases.
    pub cases: u64,
    /// Shape of the generator.
    pub preset: flow_matching::Preset,
}

/// Continuations of whole captures by the autoregressive generator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Generation {
    /// Optimiser steps of a generator of each capture; 0 takes the built-in generator.
    pub steps: u64,
    /// Seeds of the draws; none leaves the part out.
    pub seeds: Vec<u64>,
}

impl Config {
    /// Reads a configuration: TOML with `preset`, a table `data` of captures by the names of their
    /// datasets, and whatever of the preset's budget it changes. Paths count from the file's
    /// folder.
    ///
    /// # Errors
    /// If the file cannot be read or is no TOML, or a key or a value is wrong.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = document::read_text(path)?;
        let bad = |reason: String| {
            Error::refused(
                format!(
                    "{}: not the configuration of an experiment: {reason}",
                    path.display()
                ),
                "TOML: a preset, a table [data] of captures by name, and what is changed of the preset",
            )
        };
        let table: Map<String, Value> =
            toml::from_str(&text).map_err(|error| bad(error.message().to_string()))?;
        let mut config = Self::default();
        for (key, value) in table {
            match key.as_str() {
                "preset" => config.preset = one(&key, value)?,
                "data" => {
                    let folder = path.parent().unwrap_or(Path::new(""));
                    let data: BTreeMap<String, PathBuf> = one(&key, value)?;
                    let data = data
                        .into_iter()
                        .map(|(name, path)| (name, folder.join(path)));
                    config.data = data.collect();
                }
                _ => config.budget[&key] = value,
            }
        }
        config.whole_budget()?;
        Ok(config)
    }

    /// Sets one key of the budget, given as `codec.steps=100`.
    ///
    /// # Errors
    /// If the text is no assignment, or the value is no TOML.
    pub fn set(&mut self, assignment: &str) -> Result<(), Error> {
        let bad = |reason: &str| {
            Error::refused(
                format!("{assignment}: {reason}"),
                "name a key of the preset and its value, as in codec.steps=100",
            )
        };
        let (key, value) = assignment.split_once('=').ok_or_else(|| bad("no ="))?;
        let parsed: Map<String, Value> = toml::from_str(&format!("value = {}", value.trim()))
            .map_err(|error| bad(error.message()))?;
        let mut place = &mut self.budget;
        for part in key.trim().split('.') {
            if !place.is_object() {
                *place = json!({});
            }
            place = &mut place[part];
        }
        *place = parsed["value"].clone();
        Ok(())
    }

    /// The preset's budget, with what the configuration changes of it.
    ///
    /// # Errors
    /// If a key or a value is wrong.
    pub(super) fn whole_budget(&self) -> Result<Budget, Error> {
        let budget = settings::over(&self.preset.budget(), &self.budget)?;
        if budget.seeds.is_empty() || budget.codec.steps == 0 || budget.shard.packets == 0 {
            return Err(Error::refused(
                "seeds, codec.steps and shard.packets cannot be empty or 0",
                "leave them out for the preset's values",
            ));
        }
        Ok(budget)
    }
}

/// The value of a key.
fn one<T: serde::de::DeserializeOwned>(key: &str, value: Value) -> Result<T, Error> {
    let hint = match key {
        "preset" => nearest(
            value.as_str().unwrap_or_default(),
            Preset::TABLE.iter().map(|(_, name, _)| *name),
        ),
        _ => "a table of paths, as in enterprise = \"day.pcap\"".to_string(),
    };
    serde_json::from_value(value).map_err(|error| Error::refused(format!("{key}: {error}"), hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::experiment::plan::{ABLATIONS, BASELINES};

    #[test]
    fn test_every_preset_names_all_methods() {
        for (preset, name, _) in Preset::TABLE {
            let budget = preset.budget();
            assert!(
                budget
                    .baselines
                    .keys()
                    .all(|key| BASELINES.iter().any(|(known, _)| known == key)),
                "{name}"
            );
            assert_eq!(budget.baselines.len(), BASELINES.len(), "{name}");
            assert_eq!(budget.ablations.len(), ABLATIONS.len(), "{name}");
        }
    }

    #[test]
    fn test_a_configuration_changes_a_preset() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e.toml");
        let text =
            "preset = \"laptop\"\nseeds = [7]\n[data]\nx = \"x.pcap\"\n[baselines]\nttvae = 0\n";
        std::fs::write(&path, text).unwrap();
        let mut config = Config::read(&path).unwrap();
        assert_eq!(config.data["x"], folder.path().join("x.pcap"));
        config.set("codec.steps=5").unwrap();
        let budget = config.whole_budget().unwrap();
        assert_eq!((budget.seeds, budget.codec.steps), (vec![7], 5));
        assert_eq!(
            (budget.baselines["ttvae"], budget.baselines["tvae"]),
            (0, 6_000)
        );
    }

    #[test]
    fn test_unknown_keys_are_refused_with_the_nearest() {
        let mut config = Config::default();
        config.set("codec.stepps=5").unwrap();
        let error = config.whole_budget().unwrap_err();
        assert_eq!(error.to_string(), "unknown setting \"codec.stepps\"");
        assert!(error.hint().unwrap().contains("\"steps\""));
        assert!(Config::default().set("codec.steps").is_err());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e.toml");
        for (text, hint) in [
            ("preset = \"quik\"", "quick"),
            ("tvae = 3", "known"),
            ("a =", "TOML"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Config::read(&path).unwrap_err();
            assert!(error.hint().unwrap().contains(hint), "{text}: {error}");
        }
    }
}

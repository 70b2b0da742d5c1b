//! `shard`: captures to session-preserving temporal shards.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tracecodec::choice::Choice;
use tracecodec::shard::{ShardConfig, ShardManifest, ShardSize, Sharder, Split, SplitWeights};

use crate::error::Error;
use crate::files::capture::Capture;
use crate::files::{ReadPolicy, claim};
use crate::monitor::{Monitor, Progress, Warning};

/// What to cut into shards, and where to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Config {
    /// Captures to read one after the other as one; `-` is stdin.
    pub inputs: Vec<PathBuf>,
    /// Folder to write; it must be new or empty.
    pub output: PathBuf,
    /// A shard is full if it holds this many packets: then a session that begins opens the next.
    #[serde(default = "packets")]
    pub packets: u64,
    /// If set, a shard is full this many seconds after its first packet instead.
    #[serde(default)]
    pub seconds: Option<u64>,
    /// Weights of the training, validation and test ranges.
    #[serde(default)]
    pub split: SplitWeights,
    /// Name of what the packets are, such as the kind of traffic; models may learn it.
    #[serde(default)]
    pub label: Option<String>,
    /// Replace shards that the folder holds.
    #[serde(default)]
    pub overwrite: bool,
    /// How captures are read.
    #[serde(flatten)]
    pub read: ReadPolicy,
}

fn packets() -> u64 {
    ShardSize::DEFAULT_PACKETS
}

impl Default for Config {
    fn default() -> Self {
        Self {
            inputs: Vec::new(),
            output: PathBuf::new(),
            packets: packets(),
            seconds: None,
            split: SplitWeights::default(),
            label: None,
            overwrite: false,
            read: ReadPolicy::default(),
        }
    }
}

/// What was cut.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Outcome {
    /// The manifest of the shards.
    pub manifest: ShardManifest,
}

/// Cuts captures into shards, in each of which the sessions that begin there lie whole. Shards are
/// sorted by start and split into contiguous ranges for training, validation and test.
///
/// # Errors
/// If a capture cannot be read, the folder holds something, or the monitor stops it. The folder is
/// then as it was before.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    claim::stdin_once(&config.inputs)?;
    claim::folder(&config.output)?;
    if config.inputs.is_empty() {
        return Err(Error::refused("no capture was given", "name one"));
    }
    let mut sharder = Sharder::create(&config.output, config.sharding())?;
    let mut sources = Vec::new();
    for input in &config.inputs {
        let mut capture = Capture::open(input, &config.read)?;
        capture.for_each(monitor, |packet| Ok(sharder.add(packet)?))?;
        sources.push(capture.finish(monitor)?);
    }
    let manifest = sharder.finish(sources, &mut |shards, of| {
        monitor.progress(&Progress {
            stage: "counting shards",
            done: shards as u64,
            total: Some(of as u64),
            detail: "",
        })
    })?;
    config.warn_of_empty_splits(&manifest, monitor);
    Ok(Outcome { manifest })
}

impl Config {
    /// The sharder's configuration.
    fn sharding(&self) -> ShardConfig {
        ShardConfig {
            size: self
                .seconds
                .map_or(ShardSize::Packets(self.packets), ShardSize::Seconds),
            split: self.split,
            lenient: self.read.lenient,
            label: self.label.clone(),
            overwrite: self.overwrite,
        }
    }

    /// Warns of splits that have a weight and got no shard: training needs shards in each.
    fn warn_of_empty_splits(&self, manifest: &ShardManifest, monitor: &mut dyn Monitor) {
        let weights = [self.split.train, self.split.validation, self.split.test];
        let size = if self.seconds.is_some() {
            "seconds"
        } else {
            "packets"
        };
        for (split, weight) in Split::ALL.into_iter().zip(weights) {
            if weight > 0 && manifest.of_split(split).next().is_none() {
                let warning = Warning::new(format!("no shard for {}", split.name()));
                let hint = format!("a smaller number of `{size}` makes more shards");
                monitor.warn(&warning.with_hint(hint));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::monitor::Silent;
    use crate::testing::{Stopping, data};

    fn config(input: PathBuf, output: &Path) -> Config {
        Config {
            inputs: vec![input],
            output: output.to_path_buf(),
            packets: 500,
            ..Config::default()
        }
    }

    #[test]
    fn test_a_stop_anywhere_leaves_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("shards");
        let config = config(data("train/crowd.pcap.zst"), &output);
        let mut counting = Stopping::never();
        let whole = run(&config, &mut counting).unwrap();
        assert!(counting.reports > whole.manifest.shards.len() as u64);
        fs::remove_dir_all(&output).unwrap();
        for report in [1, 2, counting.reports - 1, counting.reports] {
            let outcome = run(&config, &mut Stopping::after(report));
            assert!(matches!(outcome, Err(Error::Interrupted)), "{report}");
            assert!(!output.exists(), "{report}");
        }
    }

    #[test]
    fn test_a_stop_keeps_the_older_shards() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(data("example.pcap"), folder.path());
        run(&config, &mut Silent).unwrap();
        let manifest = folder.path().join(ShardManifest::FILE_NAME);
        let before = fs::read(&manifest).unwrap();
        config.packets = 100;
        config.overwrite = true;
        let outcome = run(&config, &mut Stopping::after(3));
        assert!(matches!(outcome, Err(Error::Interrupted)));
        assert_eq!(fs::read(&manifest).unwrap(), before);
        assert!(!folder.path().join(".part").exists());
    }

    #[test]
    fn test_empty_splits_are_warned_of_by_the_setting_that_was_used() {
        let folder = tempfile::tempdir().unwrap();
        let mut monitor = Stopping::never();
        let config = Config {
            seconds: Some(1_000),
            ..config(data("example.pcap"), folder.path())
        };
        run(&config, &mut monitor).unwrap();
        let warnings: Vec<_> = monitor
            .warnings
            .iter()
            .map(|warning| (&warning.message[..], warning.hint.as_deref().unwrap()))
            .collect();
        let hint = "a smaller number of `seconds` makes more shards";
        let expected = [
            ("no shard for validation", hint),
            ("no shard for test", hint),
        ];
        assert_eq!(warnings, expected);
    }

    #[test]
    fn test_damage() {
        let folder = tempfile::tempdir().unwrap();
        let (cut, output) = (folder.path().join("cut.pcap"), folder.path().join("out"));
        fs::write(&cut, &fs::read(data("example.pcap")).unwrap()[..10_000]).unwrap();
        let mut config = config(cut, &output);
        assert!(run(&config, &mut Silent).is_err());
        assert!(!output.exists());
        config.read.lenient = true;
        let mut monitor = Stopping::never();
        let manifest = run(&config, &mut monitor).unwrap().manifest;
        assert_eq!(manifest.totals.packets_read, 85);
        let damage = manifest.sources[0].damage.as_ref().unwrap();
        assert!(damage.starts_with("packet 86 at byte 9968: "), "{damage}");
        assert!(monitor.warnings[0].message.contains("cut.pcap"));
    }

    #[test]
    fn test_what_is_no_new_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "mine").unwrap();
        for output in [Path::new("-"), &file] {
            let error = run(&config(data("example.pcap"), output), &mut Silent).unwrap_err();
            assert!(error.hint().unwrap().contains("folder"), "{error}");
        }
        assert_eq!(fs::read(&file).unwrap(), b"mine");
    }
}

//! A step: one verb with its settings, whose inputs are named. Its key names what it computes, its
//! manifest says what it computed.
//!
//! In settings, `@{NAME}` stands for the folder of the step of that name, `@{capture:NAME}` for a
//! capture, and `@{}` for the step's own folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracecodec::artifact::{TOOL, document};

use crate::error::Error;

/// What the name of a capture begins with, where it stands among those of steps.
const CAPTURE: &str = "capture:";

/// A verb of the plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Name: the dataset, the method and what is done, with slashes between.
    pub name: String,
    /// Name of the verb.
    pub verb: &'static str,
    /// The verb's settings; all that they do not name has its default.
    pub settings: Value,
    /// Estimate of its time on two cores, in seconds.
    #[serde(skip)]
    pub seconds: f64,
}

/// The manifest of a step that is done: `tracecodec-step`. It is written last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    format: String,
    version: u32,
    /// Name and version of the tool.
    pub tool: String,
    /// Name of the step.
    pub step: String,
    /// Digest of verb, settings, tool and inputs.
    pub key: String,
    /// Name of the verb.
    pub verb: String,
    /// The verb's settings, with the names of inputs.
    pub settings: Value,
    /// Key of each step whose output is read, and BLAKE3 digest of each capture.
    pub inputs: BTreeMap<String, String>,
    /// The files that were written.
    pub outputs: Vec<OutputEntry>,
    /// The verb's outcome; of an evaluation, the metrics.
    pub outcome: Value,
    /// Warnings of the verb.
    pub warnings: Vec<String>,
    /// Seconds that it took, an interruption aside.
    pub seconds: f64,
    /// Where it ran.
    pub machine: Machine,
}

/// A file of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputEntry {
    /// Path from the step's folder on.
    pub file: String,
    /// Size in bytes.
    pub bytes: u64,
    /// BLAKE3 digest.
    pub blake3: String,
}

/// A computer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Operating system and processor architecture, such as `linux x86_64`.
    pub system: String,
    /// Cores that the process may use.
    pub cores: usize,
}

impl Machine {
    /// The computer that this runs on.
    pub fn this() -> Self {
        Self {
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

impl Manifest {
    /// File in a step's folder.
    pub const FILE: &str = "step.json";

    const FORMAT: (&'static str, u32) = ("tracecodec-step", 1);

    /// Reads the manifest of a step's folder.
    ///
    /// # Errors
    /// If there is none, or it is damaged.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        Ok(document::read(folder.join(Self::FILE), Self::FORMAT)?)
    }
}

/// Where the inputs of steps are: their paths and keys by name.
#[derive(Debug, Default)]
pub(super) struct Places {
    paths: BTreeMap<String, PathBuf>,
    keys: BTreeMap<String, String>,
}

impl Places {
    /// Adds a capture with its digest.
    pub(super) fn add_capture(&mut self, name: &str, path: &Path, digest: String) {
        let name = format!("{CAPTURE}{name}");
        self.paths.insert(name.clone(), path.to_path_buf());
        self.keys.insert(name, digest);
    }

    /// Adds a step, whose inputs were added before, and returns its key.
    pub(super) fn add(&mut self, step: &Step, root: &Path) -> String {
        let key = step.key(&self.inputs_of(step));
        let folder = root.join("steps").join(&step.name).join(&key[..16]);
        self.paths.insert(step.name.clone(), folder);
        self.keys.insert(step.name.clone(), key.clone());
        key
    }

    /// The folder of a step, or the path of a capture.
    pub(super) fn path(&self, name: &str) -> &Path {
        &self.paths[name]
    }

    /// The key of a step.
    pub(super) fn key(&self, name: &str) -> &str {
        &self.keys[name]
    }

    /// The steps and captures that a step reads, with their keys and digests.
    fn inputs_of(&self, step: &Step) -> BTreeMap<String, String> {
        let mut keys = BTreeMap::new();
        for name in step.inputs() {
            let key = self.keys[&name].clone();
            keys.insert(name, key);
        }
        keys
    }

    /// The captures that a step reads itself, with their digests.
    pub(super) fn captures_of(&self, step: &Step) -> Vec<(&Path, &str)> {
        let captures = step.inputs().into_iter();
        captures
            .filter(|name| name.starts_with(CAPTURE))
            .map(|name| (&*self.paths[&name], &*self.keys[&name]))
            .collect()
    }
}

impl Step {
    /// The steps and captures that it reads.
    pub(super) fn inputs(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        each_text(&self.settings, &mut |text| {
            for (name, _) in references(text) {
                if !name.is_empty() {
                    names.insert(name.to_string());
                }
            }
        });
        names
    }

    /// The steps that it reads.
    pub(super) fn steps(&self) -> impl Iterator<Item = String> {
        let inputs = self.inputs().into_iter();
        inputs.filter(|name| !name.starts_with(CAPTURE))
    }

    /// Digest of verb, settings, tool and inputs.
    fn key(&self, inputs: &BTreeMap<String, String>) -> String {
        let whole = json!([self.verb, self.settings, TOOL, inputs]);
        blake3::hash(whole.to_string().as_bytes())
            .to_hex()
            .to_string()
    }

    /// The settings, with paths for the names of inputs.
    pub(super) fn settings_at(&self, places: &Places) -> Value {
        let own = places.path(&self.name);
        let mut settings = self.settings.clone();
        replace(&mut settings, &|name| match name {
            "" => own.display().to_string(),
            name => places.path(name).display().to_string(),
        });
        settings
    }

    /// The manifest of the step, which is done.
    pub(super) fn manifest(
        &self,
        places: &Places,
        (outcome, machine): (Value, Machine),
        warnings: Vec<String>,
        seconds: f64,
    ) -> Result<Manifest, Error> {
        Ok(Manifest {
            format: Manifest::FORMAT.0.to_string(),
            version: Manifest::FORMAT.1,
            tool: TOOL.to_string(),
            step: self.name.clone(),
            key: places.key(&self.name).to_string(),
            verb: self.verb.to_string(),
            settings: self.settings.clone(),
            inputs: places.inputs_of(self),
            outputs: outputs(places.path(&self.name))?,
            outcome: self.kept(outcome),
            warnings,
            seconds,
            machine,
        })
    }

    /// What a manifest keeps of an outcome: an evaluation's histograms lie in its file.
    fn kept(&self, outcome: Value) -> Value {
        match (self.verb, outcome) {
            ("evaluate", Value::Object(mut outcome)) => {
                outcome
                    .retain(|key, _| ["label", "dataset", "metrics", "reasons"].contains(&&**key));
                Value::Object(outcome)
            }
            (_, outcome) => outcome,
        }
    }
}

/// Whether a verb trains a model, and so leaves a checkpoint if it is interrupted.
pub(super) fn trains(verb: &str) -> bool {
    verb.ends_with("train")
}

/// The files below a folder but the manifest and the log, by path.
pub(super) fn outputs(folder: &Path) -> Result<Vec<OutputEntry>, Error> {
    let mut files = Vec::new();
    walk(folder, &mut files)?;
    files.sort();
    let mut entries = Vec::new();
    for path in files {
        let file = path.strip_prefix(folder).expect("walked below it");
        let file = file.to_string_lossy().replace('\\', "/");
        if file == Manifest::FILE || file == super::execute::LOG {
            continue;
        }
        let size = fs::metadata(&path).map_err(|error| Error::io("cannot read", &path, error))?;
        entries.push(OutputEntry {
            file,
            bytes: size.len(),
            blake3: document::digest(&path)?,
        });
    }
    Ok(entries)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let unreadable = |error| Error::io("cannot read", folder, error);
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// The references in a text, each with the range that it takes.
fn references(text: &str) -> Vec<(&str, std::ops::Range<usize>)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = text[from..].find("@{").map(|at| from + at) {
        let Some(end) = text[start..].find('}').map(|at| start + at) else {
            break;
        };
        found.push((&text[start + 2..end], start..end + 1));
        from = end + 1;
    }
    found
}

fn each_text(value: &Value, visit: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(values) => values.iter().for_each(|value| each_text(value, visit)),
        Value::Object(values) => values.values().for_each(|value| each_text(value, visit)),
        _ => {}
    }
}

fn replace(value: &mut Value, path: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) => {
            let found: Vec<_> = references(text)
                .into_iter()
                .map(|(name, range)| (path(name), range))
                .collect();
            for (path, range) in found.into_iter().rev() {
                text.replace_range(range, &path);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, path)),
        Value::Object(values) => values.values_mut().for_each(|value| replace(value, path)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(settings: Value) -> Step {
        Step {
            name: "a/b".to_string(),
            verb: "roundtrip",
            settings,
            seconds: 0.0,
        }
    }

    fn places(digest: &str) -> Places {
        let mut places = Places::default();
        places.add_capture("a", Path::new("a.pcap"), digest.to_string());
        places.add(&step(json!({"input": "@{capture:a}"})), Path::new("out"));
        places
    }

    #[test]
    fn test_references_are_found_and_replaced_anywhere() {
        let settings = json!({"models": ["@{x}/g@@{y}/b"], "output": "@{}/out", "n": 1});
        let step = step(settings);
        assert_eq!(step.inputs().into_iter().collect::<Vec<_>>(), ["x", "y"]);
        let mut places = Places::default();
        for (name, path) in [("a/b", "o"), ("x", "p"), ("y", "q")] {
            places.paths.insert(name.to_string(), path.into());
        }
        let at = step.settings_at(&places);
        assert_eq!(
            at,
            json!({"models": ["p/g@q/b"], "output": "o/out", "n": 1})
        );
    }

    #[test]
    fn test_a_key_depends_on_captures_and_settings_through_other_steps() {
        let after = step(json!({"input": "@{a/b}/x"}));
        let after = Step {
            name: "c".to_string(),
            ..after
        };
        let key = |digest: &str, step: &Step| places(digest).add(step, Path::new("out"));
        assert_eq!(key("1", &after), key("1", &after));
        assert_ne!(key("1", &after), key("2", &after));
        let other = Step {
            settings: json!({"input": "@{a/b}/y"}),
            ..after.clone()
        };
        assert_ne!(key("1", &after), key("1", &other));
    }
}

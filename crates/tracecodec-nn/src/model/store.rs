//! The two files of a model: its description and its weights.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracecodec::action::{PAPER_SCHEMA, SCHEMA_VERSION};

use super::{Kind, WEIGHTS};
use crate::error::Error;
use crate::files;
use crate::weights::{Precision, Weights};

/// Version of the description's format.
const VERSION: u32 = 1;

/// The two files of a model.
pub(crate) struct Files {
    kind: Kind,
    /// Path of the description.
    pub(crate) path: PathBuf,
    description: Cow<'static, [u8]>,
    weights_path: PathBuf,
    /// Weights of a model that ships with the program.
    embedded: Option<&'static [u8]>,
}

/// A description as it is written; a codec's states no format.
#[derive(Serialize)]
struct Described<D> {
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(flatten)]
    description: D,
}

/// The key that must be readable in every version of the description.
#[derive(Deserialize)]
struct Schema {
    schema_version: Option<u32>,
}

/// Writes a model into a folder: its weights, and the description with their digest. Returns the
/// digest.
pub(crate) fn save<D: Serialize>(
    kind: Kind,
    folder: &Path,
    weights: &[u8],
    description: impl FnOnce(String) -> D,
) -> Result<String, Error> {
    let digest = files::digest(weights);
    let described = Described {
        format: kind.format(),
        version: kind.format().map(|_| VERSION),
        description: description(digest.clone()),
    };
    files::write(&folder.join(WEIGHTS), weights)?;
    files::write_json(&folder.join(kind.file()), &described)?;
    Ok(digest)
}

impl Files {
    /// Opens the files of a model of this kind.
    ///
    /// # Errors
    /// If the folder holds no such model, or its description cannot be read.
    pub(crate) fn open(kind: Kind, folder: &Path) -> Result<Self, Error> {
        let path = folder.join(kind.file());
        let folder_path = || folder.to_path_buf();
        match Kind::of(folder) {
            _ if kind.is_in(folder) => {}
            Some(found) => {
                return Err(Error::OtherKind {
                    path: folder_path(),
                    found: found.name(),
                    expected: kind.name(),
                });
            }
            None => {
                return Err(Error::NoModel {
                    path: folder_path(),
                    expected: kind.name(),
                });
            }
        }
        Ok(Self {
            kind,
            description: files::read(&path)?.into(),
            path,
            weights_path: folder.join(WEIGHTS),
            embedded: None,
        })
    }

    /// The files of a model that ships with the program.
    pub(crate) fn embedded(kind: Kind, description: &'static [u8], weights: &'static [u8]) -> Self {
        let path = PathBuf::from(format!("embedded {}", kind.name()));
        Self {
            kind,
            path: path.clone(),
            description: description.into(),
            weights_path: path,
            embedded: Some(weights),
        }
    }
}

impl Files {
    /// The description of the model.
    ///
    /// # Errors
    /// If the description is damaged, or of another format or version, or of another version of the
    /// action schema.
    pub(crate) fn description<D: DeserializeOwned>(&self) -> Result<D, Error> {
        if let Some(format) = self.kind.format() {
            files::check_format(&self.path, &self.description, format, VERSION)?;
        }
        let Schema { schema_version } = files::parse(&self.path, &self.description)?;
        match schema_version {
            Some(found) if !matches!(found, PAPER_SCHEMA | SCHEMA_VERSION) => {
                Err(Error::SchemaVersion {
                    path: self.path.clone(),
                    found,
                    expected: SCHEMA_VERSION,
                })
            }
            _ => files::parse(&self.path, &self.description),
        }
    }

    /// The bytes of the weights.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(crate) fn weights(&self) -> Result<Cow<'static, [u8]>, Error> {
        match self.embedded {
            Some(weights) => Ok(weights.into()),
            None => Ok(files::read(&self.weights_path)?.into()),
        }
    }

    /// Fails if networks of a description have more weights than there are: a description that was
    /// changed by hand may claim huge ones, and networks are allocated before their weights are
    /// read.
    ///
    /// # Errors
    /// If there are fewer weights than `least`.
    pub(crate) fn check_size(&self, least: usize, weights: &[u8]) -> Result<(), Error> {
        if least <= weights.len() / Precision::Half.width() {
            return Ok(());
        }
        let reason = "shapes of more weights than there are";
        Err(Error::format(&self.path, reason))
    }

    /// Loads the weights from these bytes, in place of weights of the same names and shapes.
    ///
    /// # Errors
    /// If the bytes are damaged, of other shapes, or if their digest is not the one in the
    /// description.
    pub(crate) fn load(
        &self,
        bytes: &[u8],
        digest: &str,
        weights: &mut Weights,
    ) -> Result<(), Error> {
        weights.read(bytes, &self.weights_path)?;
        let found = files::digest(bytes);
        if found != digest {
            return Err(Error::Digest {
                path: self.weights_path.clone(),
                found,
                expected: digest.to_string(),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens a folder with this description file as a baseline.
    fn open(file: &str, text: &str) -> Result<Schema, Error> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(file), text).unwrap();
        Files::open(Kind::Baseline, folder.path())?.description()
    }

    #[test]
    fn test_what_is_no_model_of_the_kind_is_refused() {
        let good = r#"{"format": "tracecodec.baseline", "version": 1}"#;
        assert!(open("baseline.json", good).is_ok());
        let error = open("weights.safetensors", "").err().unwrap();
        assert!(error.to_string().ends_with("no baseline there"), "{error}");
        let error = open("model.json", "{}").err().unwrap();
        let told = error.to_string();
        assert!(
            told.ends_with("a codec, but a baseline is needed"),
            "{told}"
        );
        let newer = good.replace('1', "2");
        let error = open("baseline.json", &newer).err().unwrap();
        assert!(matches!(error, Error::Version { found: 2, .. }), "{error}");
        for other in [good.replace("baseline", "generator"), "{}".to_string()] {
            let error = open("baseline.json", &other).err().unwrap();
            assert!(matches!(error, Error::Format { .. }), "{error}");
        }
        let other = good.replace("1}", r#"1, "schema_version": 999}"#);
        let error = open("baseline.json", &other).err().unwrap();
        assert!(matches!(error, Error::SchemaVersion { .. }), "{error}");
    }
}

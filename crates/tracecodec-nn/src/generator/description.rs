//! The file that describes a generator, as far as all backbones share it.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::files;

/// Name of the file that holds a generator's weights.
pub(super) const WEIGHTS_FILE: &str = "weights.safetensors";

/// What `format` says.
pub(super) const FORMAT: &str = "tracecodec.generator";

/// What `version` says.
pub(super) const VERSION: u32 = 1;

/// Which backbone a generator has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backbone {
    /// [`Autoregressive`](super::autoregressive::Autoregressive).
    Autoregressive,
    /// [`FlowMatching`](super::FlowMatching).
    FlowMatching,
}

impl fmt::Display for Backbone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The lines that must be readable whatever the version of the rest.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
    backbone: Backbone,
}

/// The file in a directory.
pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join("generator.json")
}

impl Backbone {
    /// Name in texts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Autoregressive => "autoregressive",
            Self::FlowMatching => "flow matching",
        }
    }

    /// The backbone of the generator in a directory.
    ///
    /// # Errors
    /// If there is none, or none of this version.
    pub fn of(directory: &Path) -> Result<Self, Error> {
        let path = path(directory);
        Self::of_description(&path, &files::read(&path)?)
    }

    /// The backbone that a description tells.
    fn of_description(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let head: Head = serde_json::from_slice(bytes).map_err(|e| Error::format(path, e))?;
        match (head.format.as_str(), head.version) {
            (FORMAT, VERSION) => Ok(head.backbone),
            _ => Err(Error::format(
                path,
                format!("not a {FORMAT} of version {VERSION}"),
            )),
        }
    }

    /// Refuses a description of another backbone.
    pub(super) fn check(self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        match Self::of_description(path, bytes)? {
            found if found == self => Ok(()),
            found => Err(Error::OtherBackbone {
                path: path.to_path_buf(),
                found: found.name(),
                expected: self.name(),
            }),
        }
    }
}

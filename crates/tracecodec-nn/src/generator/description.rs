//! The backbone of a generator.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::model::{Files, Kind};

/// The backbone of a generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backbone {
    /// The backbone of [`Autoregressive`](super::autoregressive::Autoregressive).
    Autoregressive,
    /// The backbone of [`FlowMatching`](super::FlowMatching).
    FlowMatching,
}

impl fmt::Display for Backbone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Key that the descriptions of all backbones share.
#[derive(Deserialize)]
struct Description {
    backbone: Backbone,
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
    /// If there is no generator, or it is of another version.
    pub fn of(directory: &Path) -> Result<Self, Error> {
        Self::of_files(&Files::open(Kind::Generator, directory)?)
    }

    fn of_files(files: &Files) -> Result<Self, Error> {
        Ok(files.description::<Description>()?.backbone)
    }

    /// Refuses a generator of another backbone.
    pub(super) fn check(self, files: &Files) -> Result<(), Error> {
        match Self::of_files(files)? {
            found if found == self => Ok(()),
            found => Err(Error::OtherBackbone {
                path: files.path.clone(),
                found: found.name(),
                expected: self.name(),
            }),
        }
    }
}

//! Metadata of an actions file: its own or, if it has lost them, from elsewhere.

#[cfg(feature = "arrow")]
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use parquet::file::metadata::KeyValue;
use parquet::file::reader::FileReader;

#[cfg(feature = "arrow")]
use super::METADATA_COLUMN;
use super::file;
use super::key;
use crate::action::{ActionSchema, Hosts, OptionProfiles, SCHEMA_VERSION, Services};
use crate::artifact::LiftManifest;
use crate::artifact::document::manifest_path;
use crate::choice::Choice;
use crate::error::{ActionsFault, Error};
use crate::pcap::Timestamp;

/// Metadata that a compiler needs in addition to the rows.
pub(super) struct Metadata {
    pub(super) schema: ActionSchema,
    pub(super) epoch: Option<Timestamp>,
    pub(super) profiles: OptionProfiles,
    /// The file that the metadata come from, if it is not the actions file itself.
    pub(super) from: Option<PathBuf>,
}

impl Metadata {
    /// Metadata of an actions file: its own or, if it has lost them, those of `like` or, without
    /// `like`, of the manifest beside it.
    pub(super) fn find(
        path: &Path,
        own: Option<&Vec<KeyValue>>,
        like: Option<&Path>,
    ) -> Result<Self, ActionsFault> {
        let own = KeyValues::of(own);
        if own.describes_actions() {
            return own.metadata();
        }
        let manifest = manifest_path(path);
        let stand_in = match like {
            Some(like) => Self::of_like(like),
            None if manifest.is_file() => Self::of_manifest(&manifest),
            None => {
                return Err(ActionsFault::NotActions {
                    key: key::SCHEMA_VERSION,
                    manifest,
                });
            }
        };
        stand_in.map_err(|cause| ActionsFault::LostMetadata(Box::new(cause)))
    }

    /// Metadata of record batches: their own or, if they have lost them, those of `like`; `None` if
    /// there are neither.
    #[cfg(feature = "arrow")]
    pub(super) fn of_batches<'a>(
        own: impl Iterator<Item = (&'a String, &'a String)>,
        like: Option<&Path>,
    ) -> Result<Option<Self>, ActionsFault> {
        let own = KeyValues(own.map(|(key, value)| (&key[..], &value[..])).collect());
        if own.describes_actions() {
            return own.metadata().map(Some);
        }
        let found = like.map(Self::of_like).transpose();
        found.map_err(|cause| ActionsFault::LostMetadata(Box::new(cause)))
    }

    /// Metadata as a column of record batches has them: a JSON object of texts.
    #[cfg(feature = "arrow")]
    pub(super) fn of_text(text: &str) -> Result<Self, ActionsFault> {
        let entries: BTreeMap<&str, String> = serde_json::from_str(text).unwrap_or_default();
        let entries = entries.iter().map(|(key, value)| (*key, &value[..]));
        let entries = KeyValues(entries.collect());
        if entries.describes_actions() {
            return entries.metadata();
        }
        Err(ActionsFault::Metadata {
            key: METADATA_COLUMN,
            value: text.chars().take(60).collect(),
        })
    }

    /// Metadata of another actions file, or of a manifest.
    fn of_like(like: &Path) -> Result<Self, Error> {
        let begun = File::open(like).map_err(Error::io(like))?;
        let mut magic = Vec::new();
        let read = begun.take(4).read_to_end(&mut magic);
        read.map_err(Error::io(like))?;
        if magic != b"PAR1" {
            return Self::of_manifest(like);
        }
        let file = file::open(like)?;
        let metadata = file.metadata().file_metadata();
        let found =
            Self::find(like, metadata.key_value_metadata(), None).map_err(Error::actions(like))?;
        let from = found.from.unwrap_or_else(|| like.to_path_buf());
        Ok(Self {
            from: Some(from),
            ..found
        })
    }

    fn of_manifest(path: &Path) -> Result<Self, Error> {
        let manifest = LiftManifest::read(path)?;
        check_version(manifest.schema).map_err(Error::actions(path))?;
        Ok(Self {
            schema: manifest.schema,
            epoch: manifest.epoch_ns.map(Timestamp),
            profiles: profiles(&manifest.option_profiles).map_err(Error::actions(path))?,
            from: Some(path.to_path_buf()),
        })
    }
}

fn profiles(hex: &[String]) -> Result<OptionProfiles, ActionsFault> {
    OptionProfiles::from_hex(hex).map_err(|error| ActionsFault::Profiles(error.to_string()))
}

fn check_version(schema: ActionSchema) -> Result<(), ActionsFault> {
    if schema.is_known() {
        return Ok(());
    }
    Err(ActionsFault::SchemaVersion {
        found: schema.version,
        expected: SCHEMA_VERSION,
    })
}

/// Metadata as keys and values. If a key occurs twice, the last value counts.
struct KeyValues<'a>(Vec<(&'a str, &'a str)>);

impl<'a> KeyValues<'a> {
    fn of(entries: Option<&'a Vec<KeyValue>>) -> Self {
        let entries = entries.into_iter().flatten();
        let pairs = entries.filter_map(|entry| Some((entry.key.as_str(), entry.value.as_deref()?)));
        Self(pairs.collect())
    }

    fn describes_actions(&self) -> bool {
        self.text(key::SCHEMA_VERSION).is_some()
    }

    fn metadata(&self) -> Result<Metadata, ActionsFault> {
        let version = self.value(key::SCHEMA_VERSION, |text| text.parse().ok())?;
        let schema = ActionSchema {
            version: version.unwrap_or(0),
            hosts: self.value(key::HOSTS, Hosts::of_name)?.unwrap_or_default(),
            services: self
                .value(key::SERVICES, Services::of_name)?
                .unwrap_or_default(),
        };
        check_version(schema)?;
        let profiles = self
            .value(key::OPTION_PROFILES, |text| {
                serde_json::from_str::<Vec<String>>(text).ok()
            })?
            .ok_or(ActionsFault::NoMetadata(key::OPTION_PROFILES))?;
        let epoch = self.value(key::EPOCH, |text| i64::from_str(text).ok())?;
        Ok(Metadata {
            schema,
            epoch: epoch.map(Timestamp),
            profiles: self::profiles(&profiles)?,
            from: None,
        })
    }

    fn text(&self, key: &str) -> Option<&str> {
        let entry = self.0.iter().rfind(|(found, _)| *found == key);
        entry.map(|(_, value)| *value)
    }

    fn value<T>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ActionsFault> {
        let value = |text: &str| {
            parse(text).ok_or_else(|| ActionsFault::Metadata {
                key,
                value: text.chars().take(80).collect(),
            })
        };
        self.text(key).map(value).transpose()
    }
}

//! Data of a codec's training: packet actions in memory, or rows of actions files.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracecodec::action::schema::FIELD_COUNT;
use tracecodec::action::{Action, OptionProfiles};
use tracecodec::artifact::{ActionsReader, SourceEntry};

use crate::error::Error;
use crate::train::{Examples, spread};

/// Training and validation packets, and the dictionary that gives `tcp_opt_profile` its meaning in
/// both.
#[derive(Debug, Clone)]
pub struct Data {
    pub(super) training: Arc<Packets>,
    pub(super) validation: Packets,
    pub(super) profiles: OptionProfiles,
    pub(super) sources: Vec<SourceEntry>,
}

/// Consecutive rows of an actions file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// The file (Parquet), as written by `tracecodec lift`.
    pub path: PathBuf,
    /// Numbers of the rows, from 0.
    pub rows: Range<u64>,
}

impl Rows {
    /// All rows of a file.
    ///
    /// # Errors
    /// If the file is no actions file.
    pub fn all(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref().to_path_buf();
        let rows = 0..ActionsReader::open(&path)?.rows();
        Ok(Self { path, rows })
    }

    /// Splits off the last `count` rows: the rows before them, and these.
    pub fn split_last(self, count: u64) -> (Self, Self) {
        let Range { start, end } = self.rows;
        let middle = end.saturating_sub(count).max(start);
        let of = |rows| Self {
            path: self.path.clone(),
            rows,
        };
        (of(start..middle), of(middle..end))
    }
}

impl Data {
    /// Packets in memory: to train on, and to select the best weights with.
    pub fn new(training: Vec<Action>, validation: Vec<Action>, profiles: OptionProfiles) -> Self {
        Self {
            training: Arc::new(Packets::Memory(training)),
            validation: Packets::Memory(validation),
            profiles,
            sources: Vec::new(),
        }
    }

    /// Packets in actions files. A training reads the files as it proceeds: they must not change
    /// until it ends.
    ///
    /// Each file has a dictionary of its own. The training's dictionary is learned from the
    /// training files, in their order; a layout that only validation files have is replaced by
    /// padding of its length, as in a lift with a frozen dictionary.
    ///
    /// # Errors
    /// If a file is no actions file, or has fewer rows than are asked for.
    pub fn open(training: &[Rows], validation: &[Rows]) -> Result<Self, Error> {
        let mut profiles = OptionProfiles::new();
        let training = Packets::open(training, &mut profiles)?;
        profiles = profiles.freeze();
        Ok(Self {
            training: Arc::new(training),
            validation: Packets::open(validation, &mut profiles)?,
            profiles,
            sources: Vec::new(),
        })
    }

    /// Adds the files that the data came from, for the manifest alone.
    pub fn with_sources(mut self, sources: Vec<SourceEntry>) -> Self {
        self.sources = sources;
        self
    }

    /// Number of packets to train on.
    pub fn training_packets(&self) -> u64 {
        self.training.len()
    }

    /// Number of packets to select the best weights with.
    pub fn validation_packets(&self) -> u64 {
        self.validation.len()
    }

    /// The dictionary that gives `tcp_opt_profile` its meaning.
    pub fn profiles(&self) -> &OptionProfiles {
        &self.profiles
    }
}

/// Packets in a fixed order.
#[derive(Debug, Clone)]
pub(super) enum Packets {
    Memory(Vec<Action>),
    Files(Vec<Part>),
}

/// Rows of a file, as one part of the packets.
#[derive(Debug, Clone)]
pub(super) struct Part {
    rows: Rows,
    /// Number of the part's first packet.
    first: u64,
    /// For each profile of the file's dictionary, the profile in the training's dictionary.
    profiles: Vec<u16>,
}

impl Packets {
    fn open(files: &[Rows], profiles: &mut OptionProfiles) -> Result<Self, Error> {
        let mut parts: Vec<Part> = Vec::with_capacity(files.len());
        for rows in files {
            let first = parts.last().map_or(0, Part::end);
            parts.push(Part::open(rows, first, profiles)?);
        }
        Ok(Self::Files(parts))
    }

    /// At most `count` packets, in runs spread evenly over all of them.
    pub(super) fn spread(&self, count: usize) -> Result<Vec<Action>, Error> {
        self.read(&spread(self.len(), count as u64))
    }

    /// Hashes what determines the packets: the actions themselves, or the files that hold them.
    pub(super) fn digest(&self, hasher: &mut blake3::Hasher) -> Result<(), Error> {
        hasher.update(&self.len().to_le_bytes());
        match self {
            Self::Memory(actions) => actions
                .iter()
                .for_each(|action| digest_action(action, hasher)),
            Self::Files(parts) => {
                for Rows { path, rows } in parts.iter().map(|part| &part.rows) {
                    let read =
                        File::open(path).and_then(|file| hasher.update_reader(file).map(drop));
                    read.map_err(Error::io(path))?;
                    hasher.update(&rows.start.to_le_bytes());
                    hasher.update(&rows.end.to_le_bytes());
                }
            }
        }
        Ok(())
    }
}

impl Examples for Packets {
    type Example = Action;

    fn len(&self) -> u64 {
        match self {
            Self::Memory(actions) => actions.len() as u64,
            Self::Files(parts) => parts.last().map_or(0, Part::end),
        }
    }

    fn read(&self, runs: &[Range<u64>]) -> Result<Vec<Action>, Error> {
        match self {
            Self::Memory(actions) => Ok(runs
                .iter()
                .flat_map(|run| &actions[run.start as usize..run.end as usize])
                .copied()
                .collect()),
            Self::Files(parts) => read_parts(parts, runs),
        }
    }
}

impl Part {
    fn open(rows: &Rows, first: u64, profiles: &mut OptionProfiles) -> Result<Self, Error> {
        let reader = ActionsReader::open(&rows.path)?;
        if rows.rows.end > reader.rows() {
            return Err(cut_short(&rows.path, rows.rows.end));
        }
        let own = reader.profiles();
        let layouts = (0..own.count()).filter_map(|profile| own.layout(profile as u16));
        Ok(Self {
            rows: rows.clone(),
            first,
            profiles: layouts.map(|&layout| profiles.intern(layout)).collect(),
        })
    }

    /// Number of the part's last packet, plus 1.
    fn end(&self) -> u64 {
        self.first + (self.rows.rows.end - self.rows.rows.start)
    }

    /// Appends the part's packets within a run to the actions.
    fn read(
        &self,
        run: &Range<u64>,
        reader: &mut ActionsReader,
        actions: &mut Vec<Action>,
    ) -> Result<(), Error> {
        let row = |packet: u64| self.rows.rows.start + packet - self.first;
        let rows = row(run.start.max(self.first))..row(run.end.min(self.end()));
        reader.seek(rows.start)?;
        for _ in rows.clone() {
            let action = reader
                .next()
                .ok_or_else(|| cut_short(&self.rows.path, rows.end))??;
            actions.push(self.translated(action));
        }
        Ok(())
    }

    /// The action with its option profile in the training's dictionary.
    fn translated(&self, mut action: Action) -> Action {
        // A number that is not in the file's dictionary has no meaning in either.
        let profile = self.profiles.get(usize::from(action.tcp_opt_profile));
        action.tcp_opt_profile = profile.copied().unwrap_or(0);
        action
    }
}

fn cut_short(path: &Path, rows: u64) -> Error {
    Error::format(path, format!("fewer than {rows} rows"))
}

fn read_parts(parts: &[Part], runs: &[Range<u64>]) -> Result<Vec<Action>, Error> {
    let packets: u64 = runs.iter().map(|run| run.end - run.start).sum();
    let mut actions = Vec::with_capacity(packets as usize);
    let mut open: Option<(&Path, ActionsReader)> = None;
    for run in runs {
        let before = parts.partition_point(|part| part.end() <= run.start);
        for part in parts[before..]
            .iter()
            .take_while(|part| part.first < run.end)
        {
            let path = part.rows.path.as_path();
            let mut reader = match open.take() {
                Some((same, reader)) if same == path => reader,
                _ => ActionsReader::open(path)?,
            };
            part.read(run, &mut reader, &mut actions)?;
            open = Some((path, reader));
        }
    }
    Ok(actions)
}

fn digest_action(action: &Action, hasher: &mut blake3::Hasher) {
    let mut bytes = [0; 2 * FIELD_COUNT];
    for (bytes, value) in bytes
        .as_chunks_mut::<2>()
        .0
        .iter_mut()
        .zip(action.field_values())
    {
        *bytes = value.to_le_bytes();
    }
    hasher.update(&bytes);
    hasher.update(&action.delta_t.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracecodec::action::{ActionSchema, OptionLayout};
    use tracecodec::artifact::ActionsWriter;
    use tracecodec::lift::LiftCounts;

    fn layout(mss: u8) -> OptionLayout {
        OptionLayout::of(&[2, 4, 5, mss])
    }

    /// A file of TCP packets with these maximum segment sizes, each a profile of the dictionary;
    /// the payload is the packet's number.
    fn file(path: PathBuf, sizes: &[u8]) -> Rows {
        let mut profiles = OptionProfiles::new();
        let mut writer = ActionsWriter::create(&path, ActionSchema::default()).unwrap();
        for (i, &mss) in sizes.iter().enumerate() {
            let action = Action {
                tcp_opt_profile: profiles.intern(layout(mss)),
                l4_payload_len: i as u32,
                ..Action::default()
            };
            writer.write(&action).unwrap();
        }
        let counts = LiftCounts::default();
        writer.finish(None, &profiles, &counts).unwrap();
        Rows::all(path).unwrap()
    }

    /// Payload and layout of each packet.
    fn seen(actions: &[Action], profiles: &OptionProfiles) -> Vec<(u32, OptionLayout)> {
        let layout = |action: &Action| *profiles.layout(action.tcp_opt_profile).unwrap();
        let seen = actions.iter().map(|a| (a.l4_payload_len, layout(a)));
        seen.collect()
    }

    #[test]
    fn test_dictionaries_become_one() {
        let folder = tempfile::tempdir().unwrap();
        let a = file(folder.path().join("a"), &[1, 2, 3, 4]);
        let b = file(folder.path().join("b"), &[9, 3, 1, 7]);
        let (most, last) = a.clone().split_last(1);
        let data = Data::open(&[b, most], &[last, file(folder.path().join("c"), &[8, 3])]).unwrap();
        assert_eq!((data.training_packets(), data.validation_packets()), (7, 3));
        let actions = data.training.read(&[2..6, 0..1]).unwrap();
        assert_eq!(
            seen(&actions, data.profiles()),
            [(2, 1), (3, 7), (0, 1), (1, 2), (0, 9)].map(|(len, mss)| (len, layout(mss)))
        );
        // A layout that the training files lack is replaced by padding of its length.
        let actions = data.validation.spread(10).unwrap();
        let kept = [layout(4), OptionLayout::padding(1), layout(3)];
        assert_eq!(
            seen(&actions, data.profiles()),
            [3, 0, 1].into_iter().zip(kept).collect::<Vec<_>>()
        );
        assert_eq!(data.profiles().count(), 11 + 6);
    }

    #[test]
    fn test_digest_depends_on_content_and_rows() {
        let folder = tempfile::tempdir().unwrap();
        let a = file(folder.path().join("a"), &[1, 2, 3]);
        let same = file(folder.path().join("same"), &[1, 2, 3]);
        let other = file(folder.path().join("other"), &[1, 2, 4]);
        let digest = |rows: Rows| {
            let mut hasher = blake3::Hasher::new();
            let data = Data::open(&[rows], &[]).unwrap();
            data.training.digest(&mut hasher).unwrap();
            hasher.finalize()
        };
        assert_eq!(digest(a.clone()), digest(same));
        assert_ne!(digest(a.clone()), digest(other));
        let (most, last) = a.split_last(1);
        assert_ne!(digest(most), digest(last));
    }

    #[test]
    fn test_file_that_shrinks_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let rows = file(path.clone(), &[1, 2, 3]);
        let data = Data::open(std::slice::from_ref(&rows), &[]).unwrap();
        file(path, &[1]);
        let error = data
            .training
            .read(std::slice::from_ref(&rows.rows))
            .unwrap_err()
            .to_string();
        assert!(error.contains("fewer than 3 rows"), "{error}");
        assert!(Data::open(&[rows], &[]).is_err());
    }
}

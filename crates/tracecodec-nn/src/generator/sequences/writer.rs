//! Writing of latent sequences, row by row.

use std::collections::BTreeMap;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tracecodec::artifact::TOOL;
use tracecodec::output::{MadeFolder, Output};
use tracecodec::shard::Split;

use super::file::{TENSOR_AT, header};
use super::{Part, Sequence, Sequences, SequencesManifest, path};
use crate::error::Error;
use crate::files;
use crate::generator::representation::{Representation, RunningStatistics};
use crate::latents::RowLabels;

/// Writes a folder of latent sequences. If it is dropped before it is finished, it leaves nothing.
#[derive(Debug)]
pub struct SequencesWriter {
    directory: PathBuf,
    channels: usize,
    statistics: RunningStatistics,
    parts: BTreeMap<Split, PartWriter>,
    /// Split of the current sequence.
    split: Split,
    /// Dropped after the files within it.
    _folder: MadeFolder,
}

/// Writes the file of a split.
#[derive(Debug)]
struct PartWriter {
    path: PathBuf,
    output: BufWriter<Output>,
    digest: blake3::Hasher,
    part: Part,
}

impl SequencesWriter {
    /// Begins a folder of sequences of so many channels; it is created if it is missing.
    ///
    /// # Errors
    /// If it cannot be written to.
    pub fn create(directory: &Path, channels: usize) -> Result<Self, Error> {
        let folder = MadeFolder::create(directory).map_err(Error::io(directory))?;
        let parts = Split::ALL.map(|split| {
            let part = PartWriter::create(&path(directory, split), channels)?;
            Ok((split, part))
        });
        Ok(Self {
            directory: directory.to_path_buf(),
            channels,
            statistics: RunningStatistics::new(channels),
            parts: parts.into_iter().collect::<Result<_, Error>>()?,
            split: Split::Train,
            _folder: folder,
        })
    }

    /// Begins a sequence, after the sequences of its split so far.
    pub fn begin(&mut self, split: Split, shard: &str, label: Option<&str>) {
        self.split = split;
        let part = &mut self.part().part;
        part.sequences.push(Sequence {
            shard: shard.to_string(),
            first: part.rows,
            rows: 0,
            label: label.map(str::to_string),
            labels: RowLabels::default(),
            blake3: None,
        });
    }

    /// States the digest of the shard that the current sequence was made from.
    pub fn set_source(&mut self, blake3: &str) {
        if let Some(sequence) = self.part().part.sequences.last_mut() {
            sequence.blake3 = Some(blake3.to_string());
        }
    }

    /// States the labels of the current sequence's packets.
    pub fn set_labels(&mut self, labels: RowLabels) {
        if let Some(sequence) = self.part().part.sequences.last_mut() {
            sequence.labels = labels;
        }
    }

    /// Appends rows to the current sequence; an incomplete last row is ignored.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn push(&mut self, rows: &[f32]) -> Result<(), Error> {
        let rows = rows.chunks_exact(self.channels);
        for row in rows {
            if self.split == Split::Train {
                self.statistics.add(row);
            }
            self.part().push(row)?;
        }
        Ok(())
    }

    /// Finishes the files and writes the description.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn finish(self, representation: &Representation) -> Result<SequencesManifest, Error> {
        let mut splits = BTreeMap::new();
        for (split, part) in self.parts {
            splits.insert(split, part.finish(self.channels)?);
        }
        let manifest = SequencesManifest {
            format: SequencesManifest::FORMAT.to_string(),
            version: 1,
            tool: TOOL.to_string(),
            representation: representation.clone(),
            channels: self.channels,
            time_channel: representation.time_channel(),
            statistics: self.statistics.finish(),
            splits,
        };
        files::write_json(&self.directory.join(Sequences::FILE), &manifest)?;
        Ok(manifest)
    }

    fn part(&mut self) -> &mut PartWriter {
        let part = self.parts.get_mut(&self.split);
        part.expect("every split has a writer")
    }
}

impl PartWriter {
    fn create(path: &Path, channels: usize) -> Result<Self, Error> {
        let output = Output::create(path).map_err(Error::io(path))?;
        let mut part = Self {
            path: path.to_path_buf(),
            output: BufWriter::new(output),
            digest: blake3::Hasher::new(),
            part: Part::default(),
        };
        part.write(&header(0, channels))?;
        Ok(part)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.output.write_all(bytes).map_err(Error::io(&self.path))
    }

    fn push(&mut self, row: &[f32]) -> Result<(), Error> {
        let bytes: Vec<u8> = row.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.digest.update(&bytes);
        self.part.rows += 1;
        if let Some(sequence) = self.part.sequences.last_mut() {
            sequence.rows += 1;
        }
        self.write(&bytes)
    }

    /// Writes the header again with the final number of rows.
    fn finish(mut self, channels: usize) -> Result<Part, Error> {
        let header = header(self.part.rows, channels);
        debug_assert_eq!(header.len(), TENSOR_AT);
        self.output
            .seek(SeekFrom::Start(0))
            .map_err(Error::io(&self.path))?;
        self.write(&header)?;
        let output = self.output.into_inner();
        let output = output.map_err(|error| Error::io(&self.path)(error.into_error()))?;
        output.finish().map_err(Error::io(&self.path))?;
        self.part.blake3 = self.digest.finalize().to_hex().to_string();
        Ok(self.part)
    }
}

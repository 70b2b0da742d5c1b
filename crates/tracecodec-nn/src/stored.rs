//! Stored latents that are ready to decode: the rows of a file, and the content of its description.
//!
//! A file holds rows of latents, written by an encoder or by a user's own model, or rows of latent
//! sequences, which have the packet's time step in a separate channel. The description is a
//! manifest of latents or of sequences. It is the one beside the file, or the one of another file.
//! Without a description a trace starts in 1970 and has the codec's option layouts.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tracecodec::action::ActionSchema;
use tracecodec::action::float::Tick;
use tracecodec::action::{Action, OptionProfiles};
use tracecodec::pcap::Timestamp;

use crate::codec::{Codec, Corrected};
use crate::error::Error;
use crate::files;
use crate::generator::sequences::SequencesManifest;
use crate::generator::{Representation, Sequences, Statistics, latents_and_steps};
use crate::latents::{LatentManifest, Points, RowLabels, StoredRows};

/// Number of packets that are decoded at once.
const BATCH: usize = 8192;

/// Settings of reading a file of latents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadLatents {
    /// The tensor to decode.
    pub points: Points,
    /// Path of the description to take option layouts, tick and time of the first packet from, or
    /// of the latents (a file, or a folder of sequences) that it describes. Default: the
    /// description beside the file.
    pub like: Option<PathBuf>,
    /// Whether the rows are normalised: on the scale, stated in the description of sequences, on
    /// which every channel has mean 0 and standard deviation 1. Default: no.
    pub normalised: bool,
}

/// Latents of a file, checked against the codec that decodes them. Rows are read as they are
/// decoded.
#[derive(Debug)]
pub struct StoredLatents {
    rows: StoredRows,
    /// Whether each row ends with a time channel.
    has_time: bool,
    /// Scale of normalised rows.
    scale: Option<Statistics>,
    /// Number of rows of each trace; the traces follow one another.
    traces: Vec<usize>,
    schema: ActionSchema,
    profiles: OptionProfiles,
    tick: Tick,
    epoch: Timestamp,
    labels: RowLabels,
    /// Whether a description confirms that the codec made the latents.
    is_described: bool,
}

/// Verdict on latents, from decoding them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The packets agree with each other, as those of a whole trace do.
    Consistent,
    /// Too many packets contradicted the open flows: another codec made the latents, or they start
    /// in the middle of a trace.
    Inconsistent,
    /// Too many packets contradicted the open flows, although this codec made the latents: they
    /// start in the middle of a trace, or the codec was not trained on such traffic.
    InconsistentOfThisCodec,
}

/// Share of packets corrected to agree with the open flows above which a trace is inconsistent.
///
/// Of six captures (2,200 to 4,000 packets), the built-in codec's own latents had at most 0.3 %
/// such packets, draws from the posteriors at most 0.6 %, and the same latents decoded by another
/// codec 91 % or more. Latents from the middle of the trace on had 18 to 99 %.
pub const MOST_CORRECTED: f64 = 0.1;

/// Description of latents, by its `format`.
#[derive(Debug, Clone)]
enum Description {
    Latents(Box<LatentManifest>),
    Sequences(Box<SequencesManifest>),
}

/// The key that distinguishes the kinds of description.
#[derive(Deserialize)]
struct Head {
    format: String,
}

impl StoredLatents {
    /// Opens a file for a codec to decode.
    ///
    /// # Errors
    /// If the file or its description cannot be read, or if the latents are, as far as is known,
    /// not the codec's.
    pub fn read(path: &Path, how: &ReadLatents, codec: &Codec) -> Result<Self, Error> {
        let rows = StoredRows::open(path, how.points)?;
        let (count, columns) = (rows.rows(), rows.columns());
        check_finite(path, &rows)?;
        let found = match &how.like {
            Some(like) => Some(Description::like(like)?),
            None => Description::beside(path)?,
        };
        let (place, description) = found.unzip();
        if let (Some(place), Some(description)) = (&place, &description) {
            description.check_codec(place, path, codec)?;
        }
        let d_latent = codec.config().d_latent;
        check_columns(path, columns, d_latent, description.as_ref())?;
        let scale = if how.normalised {
            Some(scale(path, columns, description.as_ref())?)
        } else {
            None
        };
        let mut stored = Self {
            rows,
            has_time: columns > d_latent,
            scale,
            traces: vec![count],
            schema: ActionSchema {
                version: codec.config().schema_version,
                ..ActionSchema::PAPER
            },
            profiles: codec.option_profiles().clone(),
            tick: Tick::default(),
            epoch: Timestamp(0),
            labels: RowLabels::default(),
            is_described: description.is_some(),
        };
        if let (Some(place), Some(description)) = (place, description) {
            stored.profiles = description.profiles(&place, codec)?;
            if how.like.is_none() {
                stored.traces = description.traces(path, count)?;
                stored.labels = description.labels(path);
            }
            match description {
                Description::Latents(manifest) => {
                    stored.schema = manifest.schema;
                    stored.tick = manifest.tick;
                    stored.epoch = Timestamp(manifest.epoch_ns.unwrap_or(0));
                }
                Description::Sequences(_) => stored.schema = codec.schema(),
            }
        }
        Ok(stored)
    }

    /// Number of rows, one a packet.
    pub fn packets(&self) -> u64 {
        self.rows.rows() as u64
    }

    /// Time of the first packet; 1970 if it is unknown.
    pub fn epoch(&self) -> Timestamp {
        self.epoch
    }

    /// What the actions keep that the latents decode to. Without a manifest: nothing of hosts and
    /// services. Latent sequences have everything that their codec carries.
    pub fn schema(&self) -> ActionSchema {
        self.schema
    }

    /// Labels of the packets, where they had any.
    pub fn labels(&self) -> &RowLabels {
        &self.labels
    }

    /// Dictionary of option layouts, which extends the codec's.
    pub fn option_profiles(&self) -> &OptionProfiles {
        &self.profiles
    }

    /// Verdict on the latents, from the number of packets that [decoding](Self::decode) corrected.
    pub fn verdict(&self, corrected: Corrected) -> Verdict {
        let is_consistent = corrected.flows as f64 <= MOST_CORRECTED * self.packets() as f64;
        match (is_consistent, self.is_described) {
            (true, _) => Verdict::Consistent,
            (false, false) => Verdict::Inconsistent,
            (false, true) => Verdict::InconsistentOfThisCodec,
        }
    }

    /// Decodes batch by batch, in order, and returns how many packets were corrected to agree with
    /// the packets before. Each of several sequences begins with no flow open.
    ///
    /// # Errors
    /// If the rows cannot be read, or `each` fails.
    pub fn decode<E: From<Error>>(
        &self,
        codec: &Codec,
        mut each: impl FnMut(&[Action]) -> Result<(), E>,
    ) -> Result<Corrected, E> {
        let mut corrected = Corrected::default();
        let mut first = 0;
        for rows in &self.traces {
            let mut decoder = codec.decoder(self.tick);
            let end = first + rows;
            while first < end {
                let last = end.min(first + BATCH);
                let mut rows = self.rows.read(first..last)?;
                if let Some(scale) = &self.scale {
                    rows = scale.restore(&rows);
                }
                let actions = if self.has_time {
                    let (latents, steps) = latents_and_steps(&rows, self.rows.columns());
                    let mut actions = decoder.decode(&latents);
                    for (action, step) in actions.iter_mut().zip(steps) {
                        action.delta_t = step;
                    }
                    actions
                } else {
                    decoder.decode(&rows)
                };
                each(&actions)?;
                first = last;
            }
            corrected.flows += decoder.corrected().flows;
            corrected.acknowledgments += decoder.corrected().acknowledgments;
        }
        Ok(corrected)
    }
}

impl Verdict {
    /// What the verdict means, and what to try; `None` for a consistent trace.
    pub fn explain(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Consistent => None,
            Self::Inconsistent => Some((
                "most likely another codec made these latents, or they start in the middle of a trace",
                "decode with the codec that encoded them, or, if they start in the middle, with `unconstrained`",
            )),
            Self::InconsistentOfThisCodec => Some((
                "these latents start in the middle of a trace, or the codec knows little of such traffic",
                "latents from the middle of a trace need `unconstrained`",
            )),
        }
    }
}

impl Description {
    /// The description beside a file of latents, and its path; `None` if there is none.
    fn beside(latents: &Path) -> Result<Option<(PathBuf, Self)>, Error> {
        let places = [
            LatentManifest::path(latents),
            latents.with_file_name(Sequences::FILE),
        ];
        let found = places.into_iter().find(|place| place.is_file());
        found
            .map(|place| Self::read(&place).map(|description| (place, description)))
            .transpose()
    }

    /// The description of a file of latents, of a folder of sequences, or at this path itself, and
    /// its path.
    fn like(path: &Path) -> Result<(PathBuf, Self), Error> {
        let is_json = path.extension().is_some_and(|name| name == "json");
        let place = if path.is_dir() {
            Some(path.join(Sequences::FILE))
        } else {
            is_json.then(|| path.to_path_buf())
        };
        if let Some(place) = place {
            return Self::read(&place).map(|description| (place, description));
        }
        Self::beside(path)?.ok_or_else(|| {
            Error::latents(
                path,
                "no manifest beside it",
                "name latents that were encoded by this program, their manifest, or a folder of sequences",
            )
        })
    }

    fn read(place: &Path) -> Result<Self, Error> {
        let bytes = files::read(place)?;
        let head: Option<Head> = serde_json::from_slice(&bytes).ok();
        if head.is_some_and(|head| head.format == SequencesManifest::FORMAT) {
            return Ok(Self::Sequences(Box::new(SequencesManifest::read(place)?)));
        }
        Ok(Self::Latents(Box::new(LatentManifest::read(place)?)))
    }

    /// Name and digest of the model that made the latents.
    fn model(&self) -> (&str, &str) {
        match self {
            Self::Latents(manifest) => (&manifest.model, &manifest.model_blake3),
            Self::Sequences(manifest) => match &manifest.representation {
                Representation::Codec { model, blake3, .. }
                | Representation::Baseline { model, blake3, .. } => (model, blake3),
            },
        }
    }

    /// Fails if another model made the latents.
    fn check_codec(&self, place: &Path, latents: &Path, codec: &Codec) -> Result<(), Error> {
        let (model, digest) = self.model();
        if let Self::Sequences(manifest) = self
            && matches!(manifest.representation, Representation::Baseline { .. })
        {
            return Err(Error::latents(
                place,
                format!("rows of {model}, which are latents of header rows, not of packets"),
                "a codec decodes latents of packets only",
            ));
        }
        if digest == codec.digest() {
            return Ok(());
        }
        let model = if model.is_empty() { "unknown" } else { model };
        Err(Error::latents(
            latents,
            "encoded by another codec",
            format!("decode with the codec that encoded it: {model}"),
        ))
    }

    /// Labels of the rows of a file.
    fn labels(&self, latents: &Path) -> RowLabels {
        match self {
            Self::Latents(manifest) => manifest.labels.clone(),
            Self::Sequences(manifest) => {
                let mut labels = RowLabels::default();
                let sequences = manifest.part_of(latents).map(|part| &part.sequences);
                for sequence in sequences.into_iter().flatten() {
                    labels.extend(sequence.first, &sequence.labels);
                }
                labels
            }
        }
    }

    /// Dictionary of option layouts, which must extend the codec's.
    fn profiles(&self, place: &Path, codec: &Codec) -> Result<OptionProfiles, Error> {
        let own = codec.option_profiles();
        let entries = match self {
            Self::Latents(manifest) => &manifest.option_profiles,
            Self::Sequences(manifest) => match &manifest.representation {
                Representation::Codec {
                    option_profiles, ..
                } => option_profiles,
                Representation::Baseline { .. } => return Ok(own.clone()),
            },
        };
        if entries.is_empty() {
            return Ok(own.clone());
        }
        let hint = "leave the manifest as it was written";
        let profiles = OptionProfiles::from_hex(entries)
            .map_err(|e| Error::latents(place, format!("option_profiles: {e}"), hint))?;
        if profiles.extends(own) {
            return Ok(profiles);
        }
        let reason = "option_profiles do not continue the codec's";
        Err(Error::latents(place, reason, hint))
    }

    /// Number of rows of each trace in the file that is described.
    fn traces(&self, latents: &Path, rows: usize) -> Result<Vec<usize>, Error> {
        match self {
            Self::Latents(manifest) => {
                let stated = manifest.packets.unwrap_or(rows as u64);
                if stated == rows as u64 {
                    return Ok(vec![rows]);
                }
                Err(Error::latents(
                    latents,
                    format!("{rows} packets, but its manifest says {stated}"),
                    "a part of the latents is a trace of its own: leave the manifest away, and decode with `unconstrained` if it starts in the middle",
                ))
            }
            Self::Sequences(manifest) => {
                let part = manifest
                    .part_of(latents)
                    .filter(|part| part.rows == rows as u64);
                Ok(part.map_or(vec![rows], |part| {
                    part.sequences.iter().map(|s| s.rows as usize).collect()
                }))
            }
        }
    }
}

/// Fails if a number is infinite or NaN.
fn check_finite(path: &Path, rows: &StoredRows) -> Result<(), Error> {
    for first in (0..rows.rows()).step_by(BATCH) {
        let batch = rows.read(first..rows.rows().min(first + BATCH))?;
        if let Some(at) = batch.iter().position(|value| !value.is_finite()) {
            let row = first + at / rows.columns();
            return Err(Error::latents(
                path,
                format!("row {} holds a value that is no number", row + 1),
                "look for a division by zero, or for training that diverged, in what made the latents",
            ));
        }
    }
    Ok(())
}

/// Fails if the rows are neither latents of the codec nor latents with a time channel.
fn check_columns(
    path: &Path,
    columns: usize,
    d_latent: usize,
    description: Option<&Description>,
) -> Result<(), Error> {
    if columns == d_latent || columns == d_latent + 1 {
        return Ok(());
    }
    let maker = description.map_or("unknown", |description| description.model().0);
    Err(Error::latents(
        path,
        format!(
            "{columns} dimensions, but the codec has {d_latent}, or {} with a time channel",
            d_latent + 1
        ),
        format!("decode with the codec that encoded it: {maker}"),
    ))
}

/// The scale of normalised rows.
fn scale(
    path: &Path,
    columns: usize,
    description: Option<&Description>,
) -> Result<Statistics, Error> {
    match description {
        Some(Description::Sequences(manifest)) => Ok(manifest.statistics.first(columns)),
        _ => Err(Error::latents(
            path,
            "normalised, but no description of sequences states the scale",
            "name the folder of the sequences as `like`",
        )),
    }
}

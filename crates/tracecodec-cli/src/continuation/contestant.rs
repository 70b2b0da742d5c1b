//! Contestants: who goes on from a prefix.

use std::path::Path;

use anyhow::Result;
use tracecodec::action::OptionProfiles;
use tracecodec::action::float::Tick;
use tracecodec::pcap::Timestamp;
use tracecodec_nn::Codec;

use super::lower::{Actions, Rows};
use super::{Case, Frame};
use crate::failure::Hint;
use crate::folder;

/// Who goes on from a prefix.
#[derive(Debug)]
pub(crate) enum Contestant {
    /// The prefix once more: as good as a continuation that learned nothing of how traces go on.
    Repeat,
    /// The suffix of another case: as far from each other as real continuations of one network are.
    Later,
    /// The real suffix by way of actions: what lift and compile alone cost.
    Oracle,
    /// The real suffix by way of raw rows: what their table and renderer alone cost.
    RawOracle,
    /// The real suffix by way of a codec's latents: what the codec costs a generator that makes no mistake.
    Codec {
        /// Name of its folder.
        name: String,
        /// The codec.
        codec: Box<Codec>,
    },
}

impl Contestant {
    /// The contestant of this name.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn open(name: &str) -> Result<Self> {
        match name {
            "repeat" => Ok(Self::Repeat),
            "later" => Ok(Self::Later),
            "oracle" => Ok(Self::Oracle),
            "raw-oracle" => Ok(Self::RawOracle),
            "codec" => Ok(Self::codec(name, Codec::embedded())),
            _ if Path::new(name).is_dir() => {
                let codec = Codec::load(Path::new(name))?;
                Ok(Self::codec(&folder::name(Path::new(name)), codec))
            }
            _ => Err(Hint::error(
                format!("{name}: no such contestant"),
                "repeat, later, oracle, raw-oracle, codec, or the folder of a trained codec",
            )),
        }
    }

    fn codec(name: &str, codec: Codec) -> Self {
        Self::Codec {
            name: name.to_string(),
            codec: Box::new(codec),
        }
    }

    /// Name of its results.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Repeat => "repeat",
            Self::Later => "later",
            Self::Oracle => "oracle",
            Self::RawOracle => "raw-oracle",
            Self::Codec { name, .. } => name,
        }
    }

    /// The packets that it lets follow on the prefix: as many as the real suffix has, or those of them that are packets.
    pub(super) fn suffix(&self, case: &Case<'_>) -> Vec<Frame> {
        match self {
            Self::Repeat => from(case.end(), case.prefix()),
            Self::Later => from(case.end(), case.later),
            Self::Oracle => {
                let mut actions = Actions::new(OptionProfiles::new());
                let [past, suffix] = [case.past, case.suffix].map(|frames| actions.lift(frames));
                actions.lower(&past, &suffix)
            }
            Self::RawOracle => {
                let mut rows = Rows::new(OptionProfiles::new());
                rows.read(case.past);
                let suffix = rows.read(case.suffix);
                rows.render(case.end(), &suffix)
            }
            Self::Codec { codec, .. } => {
                let mut actions = Actions::new(codec.option_profiles().clone().thaw());
                let [past, suffix] = [case.past, case.suffix].map(|frames| actions.lift(frames));
                let tick = Tick::of(past.iter().map(|action| action.delta_t));
                let (mut encoder, mut decoder) = (codec.encoder(), codec.decoder());
                encoder.set_tick(tick);
                decoder.set_tick(tick);
                let latents = [past, suffix].map(|actions| encoder.encode(&actions).mu);
                let [past, suffix] = latents.map(|z| decoder.decode(&z));
                actions.lower(&past, &suffix)
            }
        }
    }
}

/// The same packets, of which the first comes then.
fn from(start: Timestamp, frames: &[Frame]) -> Vec<Frame> {
    let first = frames.first().map_or(start, |frame| frame.time);
    let shifted = frames
        .iter()
        .map(|frame| frame.at(start.add_nanos(frame.time.since(first))));
    shifted.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::continuation::example;

    #[test]
    fn test_controls_continue_the_clock() {
        let frames = example();
        let (past, rest) = frames.split_at(700);
        let case = Case {
            number: 0,
            past,
            prefix: 200,
            suffix: &rest[..300],
            later: &rest[300..600],
        };
        let off = |contestant: Contestant| {
            let (found, real) = (contestant.suffix(&case), case.suffix);
            assert_eq!(found.len(), real.len());
            let pairs = found.iter().zip(real);
            let off = pairs.map(|(found, real)| found.time.since(real.time).abs());
            off.max()
        };
        assert_eq!(off(Contestant::Oracle), Some(0));
        assert_eq!(off(Contestant::RawOracle), Some(0));
        // The codec rounds steps, but its errors do not add up.
        assert!(off(Contestant::open("codec").unwrap()) < Some(1_000));
        let later = Contestant::Later.suffix(&case);
        assert_eq!((later.len(), later[0].time), (300, past[699].time));
        let span = |frames: &[Frame]| frames[299].time.since(frames[0].time);
        assert_eq!(span(&later), span(case.later));
        let repeated = Contestant::Repeat.suffix(&case);
        assert_eq!((repeated.len(), repeated[0].time), (200, past[699].time));
    }

    #[test]
    fn test_names() {
        for name in ["repeat", "later", "oracle", "raw-oracle", "codec"] {
            assert_eq!(Contestant::open(name).unwrap().name(), name);
        }
        assert!(Contestant::open("other").is_err());
    }
}

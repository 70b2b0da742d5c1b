//! Contestants: who goes on from a prefix.

use std::path::{Path, absolute};

use anyhow::Result;
use tracecodec::action::float::Tick;
use tracecodec::action::{Action, OptionProfiles};
use tracecodec::compile::CompileConfig;
use tracecodec::flow::MAX_SLOTS;
use tracecodec::oracle::Oracle;
use tracecodec::pcap::{PacketBuf, Timestamp};
use tracecodec::raw::{Diagnostics, RawRow};
use tracecodec_nn::baseline::Baseline;
use tracecodec_nn::generator::{
    Backbone, Drawing, FlowMatching, Generator, Representation, Request, Solver,
};
use tracecodec_nn::{Codec, Device};

use super::Case;
use super::lower::{Actions, Rows};
use crate::commands::baseline::load_baseline;
use crate::failure::Hint;
use crate::folder;
use crate::generator_args::{backbone, load_generator};
use tracecodec_nn::model::Kind;

/// How generators go on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules {
    /// Names all random numbers, with the number of the case.
    pub(crate) seed: u64,
    /// Whether packets are taken as they are sampled.
    pub(crate) unconstrained: bool,
    /// Whether nothing of what came before the prefix is shown.
    pub(crate) prefix_only: bool,
    /// How flow matching is solved.
    pub(crate) solver: Solver,
    /// Where flow matching is sampled.
    pub(crate) device: Device,
}

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
    /// A generator of packet actions.
    Actions {
        /// Name of its folder.
        name: String,
        /// The generator.
        generator: Box<Generator>,
        /// How it goes on.
        rules: Rules,
    },
    /// Flow matching on a baseline's latents.
    Rows {
        /// Name of its folder.
        name: String,
        /// The generator.
        matching: Box<FlowMatching>,
        /// The baseline.
        baseline: Box<Baseline>,
        /// How it goes on.
        rules: Rules,
    },
}

impl Contestant {
    /// The contestant of this name: a word, the folder of a codec, or the folder of a generator, with `@` and that of the codec or baseline whose
    /// latents it samples, if that is not the codec that is built in.
    ///
    /// # Errors
    /// If there is none, or a model is damaged.
    pub(crate) fn open(name: &str, rules: Rules) -> Result<Self> {
        match name {
            "repeat" => return Ok(Self::Repeat),
            "later" => return Ok(Self::Later),
            "oracle" => return Ok(Self::Oracle),
            "raw-oracle" => return Ok(Self::RawOracle),
            "codec" => return Ok(Self::codec(name.to_string(), Codec::embedded())),
            _ => {}
        }
        let (folder, decoder) = match name.split_once('@') {
            Some((folder, decoder)) => (Path::new(folder), Some(Path::new(decoder))),
            None => (Path::new(name), None),
        };
        let own = absolute(folder).unwrap_or_default();
        let own = folder::name(Path::new(own.file_name().unwrap_or_default()));
        if Kind::Generator.is_in(folder) {
            return Self::generator(own, folder, decoder, rules);
        }
        match folder.is_dir() {
            true => Ok(Self::codec(own, Codec::load(folder)?)),
            false => Err(Hint::error(
                format!("{name}: no such contestant"),
                "repeat, later, oracle, raw-oracle, codec, the folder of a trained codec or generator, or GENERATOR@MODEL with that of the codec or baseline whose latents it samples",
            )),
        }
    }

    fn generator(
        name: String,
        folder: &Path,
        decoder: Option<&Path>,
        rules: Rules,
    ) -> Result<Self> {
        if backbone(folder)? == Backbone::FlowMatching {
            let matching = FlowMatching::load(folder)?;
            if let Representation::Baseline { model, blake3, .. } = matching.representation() {
                let other = |what: String| {
                    let hint = format!(
                        "name the {model} that its sequences were made with: GENERATOR@BASELINE"
                    );
                    Hint::error(what, hint)
                };
                let Some(decoder) = decoder else {
                    let folder = folder.display();
                    return Err(other(format!("{folder}: samples latents of a baseline")));
                };
                let baseline = load_baseline(decoder)?;
                if baseline.digest() != *blake3 {
                    let decoder = decoder.display();
                    return Err(other(format!(
                        "{decoder}: another baseline than the generator's"
                    )));
                }
                return Ok(Self::Rows {
                    name,
                    matching: Box::new(matching.with_device(rules.device)?),
                    baseline: Box::new(baseline),
                    rules,
                });
            }
        }
        Ok(Self::Actions {
            name,
            generator: Box::new(load_generator(folder, decoder, rules.solver, rules.device)?),
            rules,
        })
    }

    fn codec(name: String, codec: Codec) -> Self {
        Self::Codec {
            name,
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
            Self::Codec { name, .. } | Self::Actions { name, .. } | Self::Rows { name, .. } => name,
        }
    }

    /// The packets that it lets follow on the prefix: as many as the real suffix has, or those of them that are packets; `repeat` as many as the
    /// prefix has.
    ///
    /// # Errors
    /// If a model refuses.
    pub(super) fn suffix(&self, case: &Case<'_>) -> Result<Vec<PacketBuf>> {
        Ok(match self {
            Self::Repeat => from(case.end(), case.prefix()),
            Self::Later => from(case.end(), case.later),
            Self::Oracle => {
                let config = CompileConfig::default();
                let mut oracle = Oracle::new(config, MAX_SLOTS, OptionProfiles::new());
                let mut through = |frame: &PacketBuf| {
                    let packet = oracle.step(&frame.as_packet()).ok()?.1;
                    Some(PacketBuf::from(&packet))
                };
                case.past.iter().for_each(|frame| drop(through(frame)));
                case.suffix.iter().filter_map(through).collect()
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
                let (mut encoder, mut decoder) = (codec.encoder(tick), codec.decoder(tick));
                let latents = [past, suffix].map(|actions| encoder.encode(&actions).mu);
                let [past, suffix] = latents.map(|z| decoder.decode(&z));
                actions.lower(&past, &suffix)
            }
            Self::Actions {
                generator, rules, ..
            } => act(generator, rules, case)?,
            Self::Rows {
                matching,
                baseline,
                rules,
                ..
            } => sample_rows(matching, baseline, rules, case)?,
        })
    }
}

/// What a generator of packet actions lets follow. A case has random numbers of its own.
fn act(generator: &Generator, rules: &Rules, case: &Case<'_>) -> Result<Vec<PacketBuf>> {
    let mut actions = Actions::new(generator.option_profiles().clone().thaw());
    let (before, prefix) = case.past.split_at(case.past.len() - case.prefix);
    let mut past = actions.lift(before);
    let shown = if rules.prefix_only { past.len() } else { 0 };
    past.extend(actions.lift(prefix));
    let mut trace = generator.generate(&Drawing {
        seed: rules.seed.wrapping_add(case.number as u64),
        constrained: !rules.unconstrained,
        ..Drawing::default()
    })?;
    past[shown..].iter().for_each(|action| trace.follow(action));
    let mut suffix: Vec<Action> = Vec::new();
    while suffix.len() < case.suffix.len() {
        let batch = trace.batch();
        if batch.is_empty() {
            break;
        }
        suffix.extend(batch);
    }
    suffix.truncate(case.suffix.len());
    Ok(actions.lower(&past, &suffix))
}

/// What flow matching on a baseline's latents lets follow, window by window.
fn sample_rows(
    matching: &FlowMatching,
    baseline: &Baseline,
    rules: &Rules,
    case: &Case<'_>,
) -> Result<Vec<PacketBuf>> {
    let mut rows = Rows::new(baseline.option_profiles().clone());
    let (before, prefix) = case.past.split_at(case.past.len() - case.prefix);
    let mut past = rows.read(before);
    let shown = if rules.prefix_only { past.len() } else { 0 };
    past.extend(rows.read(prefix));
    let shown = shown.max(past.len().saturating_sub(matching.prefix()));
    let mut latents = baseline.latents(&past[shown..])?;
    let before = latents.len();
    let wanted = case.suffix.len() * matching.channels();
    let mut place = 0;
    while latents.len() - before < wanted {
        let request = Request {
            prefix: &latents,
            label: None,
            place,
        };
        let seed = rules.seed.wrapping_add(case.number as u64);
        latents.extend(
            matching
                .sample_all(&[request], &rules.solver, seed)
                .concat(),
        );
        place += 1;
    }
    let decoded = baseline.decode(&latents[before..before + wanted])?;
    let (mut profiles, mut diagnostics) =
        (baseline.option_profiles().clone(), Diagnostics::default());
    // A row is judged by itself: the diagnostics, which compare it, are of no use here.
    let Some(reference) = past.last() else {
        return Ok(Vec::new());
    };
    let valid = decoded
        .into_iter()
        .filter_map(|row| row.judge(reference, &mut profiles, &mut diagnostics));
    let valid: Vec<RawRow> = valid.collect();
    Ok(rows.render(case.end(), &valid))
}

/// The same packets, of which the first comes then.
fn from(start: Timestamp, frames: &[PacketBuf]) -> Vec<PacketBuf> {
    let first = frames.first().map_or(start, |frame| frame.time);
    let shifted = frames.iter().map(|frame| PacketBuf {
        time: start.add_nanos(frame.time.since(first)),
        ..frame.clone()
    });
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
            let (found, real) = (contestant.suffix(&case).unwrap(), case.suffix);
            assert_eq!(found.len(), real.len());
            let pairs = found.iter().zip(real);
            let off = pairs.map(|(found, real)| found.time.since(real.time).abs());
            off.max()
        };
        assert_eq!(off(Contestant::Oracle), Some(0));
        assert_eq!(off(Contestant::RawOracle), Some(0));
        // The codec rounds steps, but its errors do not add up.
        assert!(off(Contestant::open("codec", Rules::default()).unwrap()) < Some(1_000));
        let later = Contestant::Later.suffix(&case).unwrap();
        assert_eq!((later.len(), later[0].time), (300, past[699].time));
        let span = |frames: &[PacketBuf]| frames[299].time.since(frames[0].time);
        assert_eq!(span(&later), span(case.later));
        let repeated = Contestant::Repeat.suffix(&case).unwrap();
        assert_eq!((repeated.len(), repeated[0].time), (200, past[699].time));
    }

    #[test]
    fn test_names() {
        for name in ["repeat", "later", "oracle", "raw-oracle", "codec"] {
            assert_eq!(
                Contestant::open(name, Rules::default()).unwrap().name(),
                name
            );
        }
        assert!(Contestant::open("other", Rules::default()).is_err());
    }
}

//! Contestants: who continues a prefix.

use std::path::{Path, absolute};

use tracecodec::action::float::Tick;
use tracecodec::action::{Action, ActionSchema, OptionProfiles, SCHEMA_VERSION};
use tracecodec::choice::Choice;
use tracecodec::compile::CompileConfig;
use tracecodec::flow::MAX_SLOTS;
use tracecodec::metrics::{Continuation, ModelEntry, Role, SolverEntry};
use tracecodec::oracle::Oracle;
use tracecodec::pcap::{PacketBuf, Timestamp};
use tracecodec::raw::{Diagnostics, RawRow};
use tracecodec_nn::baseline::Baseline;
use tracecodec_nn::generator::{
    Backbone, Drawing, FlowMatching, Generator, Representation, Request,
};
use tracecodec_nn::model::Kind;
use tracecodec_nn::{Codec, Device};

use super::lower::{Actions, Rows};
use super::{Case, Cut, Rules};
use crate::error::Error;
use crate::files::folder;
use crate::model::{GeneratorChoice, ModelName, Sampling};
use crate::monitor::{Monitor, Progress, Silent};

/// Packets that a model reads between two reports of progress: whole batches of a codec.
const BATCH: usize = 8192;

/// Who continues a prefix.
#[derive(Debug)]
pub(super) struct Contestant {
    /// Name of the contestant's results.
    pub(super) name: String,
    /// Part that it has in comparisons.
    pub(super) role: Role,
    /// The models that the contestant uses.
    pub(super) models: Vec<ModelEntry>,
    /// How the contestant continues a prefix.
    pub(super) way: Way,
}

/// How a prefix is continued.
#[derive(Debug)]
pub(super) enum Way {
    /// Repeats the prefix: as good as a continuation that learned nothing of how traces continue.
    Repeat,
    /// Returns the suffix of another case: as far apart as real continuations of one network are.
    Later,
    /// Takes the real suffix through actions: what lift and compile alone cost.
    Oracle,
    /// Takes the real suffix through raw rows: what their table and renderer alone cost.
    RawOracle,
    /// Takes the real suffix through a codec's latents: what the codec costs a generator that makes
    /// no mistake.
    Codec(Box<Codec>),
    /// Continues by a generator of packet actions.
    Actions(Box<Generator>),
    /// Continues by flow matching on a baseline's latents.
    Rows(Box<FlowMatching>, Box<Baseline>),
}

impl Contestant {
    /// The contestant of a name: a word, or a model. A generator may be followed by `@` and the
    /// codec or baseline whose latents it samples, if that is not the codec that is built in. Warns
    /// of models whose training has not ended.
    ///
    /// # Errors
    /// If there is no such contestant, or a model is damaged.
    pub(super) fn open(
        name: &str,
        rules: &Rules,
        monitor: &mut dyn Monitor,
    ) -> Result<Self, Error> {
        let known = |role, way| Self {
            name: name.to_string(),
            role,
            models: Vec::new(),
            way,
        };
        match name {
            "repeat" => return Ok(known(Role::Control, Way::Repeat)),
            "later" => return Ok(known(Role::Control, Way::Later)),
            "oracle" => return Ok(known(Role::Reference, Way::Oracle)),
            "raw-oracle" => return Ok(known(Role::Reference, Way::RawOracle)),
            "codec" => return Self::codec(name, &ModelName::BuiltIn),
            _ => {}
        }
        let (model, decoder) = match name.split_once('@') {
            Some((model, decoder)) => (
                model,
                Some(ModelName::from(Path::new(decoder).to_path_buf())),
            ),
            None => (name, None),
        };
        let model = ModelName::from(Path::new(model).to_path_buf());
        for model in decoder.iter().chain([&model]) {
            model.warn_if_unfinished(monitor);
        }
        let Some(folder) = model.folder() else {
            return Self::generator(ModelName::BUILT_IN, model, decoder, rules.sampling);
        };
        let own = absolute(folder).unwrap_or_default();
        let own = folder::name(Path::new(own.file_name().unwrap_or_default()));
        if Kind::Generator.is_in(folder) {
            Self::generator(&own, model, decoder, rules.sampling)
        } else if folder.is_dir() {
            Self::codec(&own, &model)
        } else {
            Err(Error::refused(
                format!("{name}: no such contestant"),
                "repeat, later, oracle, raw-oracle, codec, built-in, the folder of a trained codec or generator, or GENERATOR@MODEL with that of the codec or baseline whose latents it samples",
            ))
        }
    }

    fn codec(name: &str, model: &ModelName) -> Result<Self, Error> {
        let codec = model.load_codec(Device::Cpu, &mut Silent)?;
        Ok(Self {
            name: name.to_string(),
            role: Role::Reference,
            models: vec![entry(Kind::Codec, model.label(), codec.digest())],
            way: Way::Codec(Box::new(codec)),
        })
    }

    fn generator(
        name: &str,
        model: ModelName,
        decoder: Option<ModelName>,
        sampling: Sampling,
    ) -> Result<Self, Error> {
        let backbone = model.folder().map(Backbone::of).transpose()?;
        let (models, way) = match (model.folder(), backbone) {
            (Some(folder), Some(Backbone::FlowMatching)) => {
                let matching = FlowMatching::load(folder)?;
                let generator = entry(Kind::Generator, model.label(), matching.digest());
                if let Representation::Baseline { .. } = matching.representation() {
                    let baseline = baseline_of(&matching, folder, decoder.as_ref())?;
                    let decoder = decoder.unwrap_or_default().label();
                    let baseline_entry = entry(Kind::Baseline, decoder, baseline.digest());
                    let matching = Box::new(matching.with_device(sampling.device)?);
                    let way = Way::Rows(matching, Box::new(baseline));
                    (vec![generator, baseline_entry], way)
                } else {
                    let codec = decoder.unwrap_or_default();
                    let choice = GeneratorChoice {
                        model,
                        codec: codec.clone(),
                        sampling,
                    };
                    let loaded = choice.load(&mut Silent)?;
                    let digest = matching.representation().digest().to_string();
                    let models = vec![generator, entry(Kind::Codec, codec.label(), digest)];
                    (models, Way::Actions(Box::new(loaded)))
                }
            }
            // Sampling is for the flow matching among the contestants.
            _ => {
                let label = model.label();
                let choice = GeneratorChoice {
                    model,
                    codec: ModelName::default(),
                    sampling: Sampling::default(),
                };
                let generator = choice.load(&mut Silent)?;
                let digest = match &generator {
                    Generator::Autoregressive(generator) => generator.digest(),
                    Generator::Latent(_) => String::new(),
                };
                let models = vec![entry(Kind::Generator, label, digest)];
                (models, Way::Actions(Box::new(generator)))
            }
        };
        Ok(Self {
            name: name.to_string(),
            role: Role::Method,
            models,
            way,
        })
    }

    /// How the contestant continues, as its evaluation names it.
    pub(super) fn continuation(&self, cut: Cut, rules: &Rules) -> Continuation {
        let draws = matches!(self.way, Way::Actions(_) | Way::Rows(..));
        let solves = match &self.way {
            Way::Actions(generator) => matches!(**generator, Generator::Latent(_)),
            Way::Rows(..) => true,
            _ => false,
        };
        let solver = rules.sampling.solver();
        Continuation {
            prefix: cut.prefix,
            suffix: cut.suffix,
            stride: cut.stride,
            seed: draws.then_some(rules.seed),
            constrained: draws.then_some(!rules.unconstrained),
            prefix_only: draws.then_some(rules.prefix_only),
            solver: solves.then(|| SolverEntry {
                method: solver.method.name().to_string(),
                steps: solver.steps as u64,
            }),
            models: self.models.clone(),
        }
    }

    /// The packets by which the contestant continues the prefix: as many as the real suffix has, or
    /// those of them that are packets; `repeat` as many as the prefix has.
    ///
    /// # Errors
    /// If a model refuses, or the monitor stops it.
    pub(super) fn suffix(
        &self,
        case: &Case<'_>,
        rules: &Rules,
        monitor: &mut dyn Monitor,
    ) -> Result<Vec<PacketBuf>, Error> {
        monitor.step(&Progress::default())?;
        Ok(match &self.way {
            Way::Repeat => from(case.end(), case.prefix()),
            Way::Later => from(case.end(), case.later),
            Way::Oracle => {
                let config = CompileConfig {
                    schema: ActionSchema::whole(SCHEMA_VERSION),
                    ..CompileConfig::default()
                };
                let mut oracle = Oracle::new(config, MAX_SLOTS, OptionProfiles::new());
                let mut through = |frame: &PacketBuf| {
                    let packet = oracle.step(&frame.as_packet()).ok()?.1;
                    Some(PacketBuf::from(&packet))
                };
                case.past.iter().for_each(|frame| drop(through(frame)));
                case.suffix.iter().filter_map(through).collect()
            }
            Way::RawOracle => {
                let mut rows = Rows::new(OptionProfiles::new());
                rows.read(case.past);
                let suffix = rows.read(case.suffix);
                rows.render(case.end(), &suffix)
            }
            Way::Codec(codec) => {
                let mut actions =
                    Actions::new(codec.schema(), codec.option_profiles().clone().thaw());
                let [past, suffix] = [case.past, case.suffix].map(|frames| actions.lift(frames));
                let tick = Tick::of(past.iter().map(|action| action.delta_t));
                let (mut encoder, mut decoder) = (codec.encoder(tick), codec.decoder(tick));
                let mut through = |actions: &[Action]| -> Result<Vec<Action>, Error> {
                    let mut decoded = Vec::new();
                    for batch in actions.chunks(BATCH) {
                        monitor.step(&Progress::default())?;
                        decoded.extend(decoder.decode(&encoder.encode(batch).mu));
                    }
                    Ok(decoded)
                };
                let (past, suffix) = (through(&past)?, through(&suffix)?);
                actions.lower(&past, &suffix)
            }
            Way::Actions(generator) => act(generator, rules, case, monitor)?,
            Way::Rows(matching, baseline) => sample_rows(matching, baseline, rules, case, monitor)?,
        })
    }
}

/// The baseline whose latents a generator samples.
fn baseline_of(
    matching: &FlowMatching,
    folder: &Path,
    decoder: Option<&ModelName>,
) -> Result<Baseline, Error> {
    let Representation::Baseline { model, blake3, .. } = matching.representation() else {
        unreachable!("only generators of a baseline's latents have one");
    };
    let other = |what: String| {
        Error::refused(
            what,
            format!("name the {model} that its sequences were made with: GENERATOR@BASELINE"),
        )
    };
    let Some(decoder) = decoder.and_then(ModelName::folder) else {
        return Err(other(format!(
            "{}: samples latents of a baseline",
            folder.display()
        )));
    };
    let baseline = Baseline::load(decoder)?;
    if baseline.digest() != *blake3 {
        return Err(other(format!(
            "{}: another baseline than the generator's",
            decoder.display()
        )));
    }
    Ok(baseline)
}

fn entry(kind: Kind, name: String, blake3: String) -> ModelEntry {
    ModelEntry {
        kind: kind.name().to_string(),
        name,
        blake3,
    }
}

/// The suffix by a generator of packet actions. Every case has random streams of its own.
fn act(
    generator: &Generator,
    rules: &Rules,
    case: &Case<'_>,
    monitor: &mut dyn Monitor,
) -> Result<Vec<PacketBuf>, Error> {
    let mut actions = Actions::new(
        generator.schema(),
        generator.option_profiles().clone().thaw(),
    );
    let (before, prefix) = case.past.split_at(case.past.len() - case.prefix);
    let mut past = actions.lift(before);
    let shown = if rules.prefix_only { past.len() } else { 0 };
    past.extend(actions.lift(prefix));
    let mut trace = generator.generate(&Drawing {
        seed: rules.seed.wrapping_add(case.number as u64),
        constrained: !rules.unconstrained,
        ..Drawing::default()
    })?;
    for batch in past[shown..].chunks(BATCH) {
        monitor.step(&Progress::default())?;
        batch.iter().for_each(|action| trace.follow(action));
    }
    let mut suffix: Vec<Action> = Vec::new();
    while suffix.len() < case.suffix.len() {
        monitor.step(&Progress::default())?;
        let batch = trace.batch();
        if batch.is_empty() {
            break;
        }
        suffix.extend(batch);
    }
    suffix.truncate(case.suffix.len());
    Ok(actions.lower(&past, &suffix))
}

/// The suffix by flow matching on a baseline's latents, window by window.
fn sample_rows(
    matching: &FlowMatching,
    baseline: &Baseline,
    rules: &Rules,
    case: &Case<'_>,
    monitor: &mut dyn Monitor,
) -> Result<Vec<PacketBuf>, Error> {
    let solver = rules.sampling.solver();
    let mut rows = Rows::new(baseline.option_profiles().clone());
    let (before, prefix) = case.past.split_at(case.past.len() - case.prefix);
    let mut past = rows.read(before);
    let shown = if rules.prefix_only { past.len() } else { 0 };
    past.extend(rows.read(prefix));
    let shown = shown.max(past.len().saturating_sub(matching.prefix()));
    let mut latents: Vec<f32> = baseline.latents(&past[shown..])?.flatten().collect();
    let before = latents.len();
    let wanted = case.suffix.len() * matching.channels();
    let mut place = 0;
    while latents.len() - before < wanted {
        monitor.step(&Progress::default())?;
        let request = Request {
            prefix: &latents,
            label: None,
            place,
        };
        let seed = rules.seed.wrapping_add(case.number as u64);
        latents.extend(matching.sample_all(&[request], &solver, seed).concat());
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

/// Packets moved in time, so that the first comes at `start`.
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
    use crate::run::continuation::example;

    fn open(name: &str) -> Result<Contestant, Error> {
        Contestant::open(name, &Rules::default(), &mut Silent)
    }

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
        let suffix = |name: &str| {
            let contestant = open(name).unwrap();
            contestant
                .suffix(&case, &Rules::default(), &mut Silent)
                .unwrap()
        };
        let off = |name: &str| {
            let (found, real) = (suffix(name), case.suffix);
            assert_eq!(found.len(), real.len());
            let pairs = found.iter().zip(real);
            let off = pairs.map(|(found, real)| found.time.since(real.time).abs());
            off.max()
        };
        assert_eq!(off("oracle"), Some(0));
        assert_eq!(off("raw-oracle"), Some(0));
        // The codec rounds steps, but its errors do not add up.
        assert!(off("codec") < Some(1_000));
        let later = suffix("later");
        assert_eq!((later.len(), later[0].time), (300, past[699].time));
        let span = |frames: &[PacketBuf]| frames[299].time.since(frames[0].time);
        assert_eq!(span(&later), span(case.later));
        let repeated = suffix("repeat");
        assert_eq!((repeated.len(), repeated[0].time), (200, past[699].time));
    }

    #[test]
    fn test_names_roles_and_models() {
        let contestants = [
            ("repeat", Role::Control, None),
            ("later", Role::Control, None),
            ("oracle", Role::Reference, None),
            ("raw-oracle", Role::Reference, None),
            ("codec", Role::Reference, Some("codec")),
            ("built-in", Role::Method, Some("generator")),
        ];
        for (name, role, model) in contestants {
            let contestant = open(name).unwrap();
            assert_eq!((contestant.name.as_str(), contestant.role), (name, role));
            let models = contestant.models.iter();
            let models: Vec<_> = models.map(|model| model.kind.as_str()).collect();
            assert_eq!(models, Vec::from_iter(model));
            let continuation = contestant.continuation(Cut::default(), &Rules::default());
            assert_eq!(continuation.seed.is_some(), role == Role::Method);
            assert_eq!(continuation.solver, None);
        }
        assert!(open("other").is_err());
    }
}

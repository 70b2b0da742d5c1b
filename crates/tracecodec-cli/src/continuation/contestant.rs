//! Contestants: who goes on from a prefix.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Result;
use tracecodec::action::{Action, OptionProfiles};
use tracecodec::pcap::Timestamp;
use tracecodec::raw::{Diagnostics, RawRow};
use tracecodec_nn::baseline::Baseline;
use tracecodec_nn::generator::{
    Backbone, Drawing, FlowMatching, Generator, Representation, Request, Solver,
};

use super::lower::{Actions, Rows};
use super::{Case, Frame};
use crate::commands::baseline::load_baseline;
use crate::failure::Hint;
use crate::folder;
use crate::generator_args::{backbone, load_generator};

/// Who goes on from a prefix, as the command line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// One that needs no model.
    Control(Control),
    /// A trained generator, and the codec or baseline whose latents it samples, if that is not the codec that is built in.
    Generator {
        folder: PathBuf,
        decoder: Option<PathBuf>,
    },
}

/// Contestants that need no model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// The prefix once more: as good as a continuation that learned nothing of how traces go on.
    Repeat,
    /// The suffix of another case: as far from each other as real continuations of one network are.
    Later,
    /// The real suffix by way of actions: what the compiler alone costs.
    Oracle,
    /// The real suffix by way of raw rows: what their table and renderer alone cost.
    RawOracle,
}

/// How generators go on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Names all random numbers, with the number of the case.
    pub(crate) seed: u64,
    pub(crate) constrained: bool,
    /// Whether nothing of what came before the prefix is shown.
    pub(crate) prefix_only: bool,
    pub(crate) solver: Solver,
}

/// Who goes on from a prefix.
pub(crate) enum Contestant {
    /// One that needs no model.
    Control(Control),
    /// A generator of packet actions.
    Actions(Generator, Rules),
    /// Flow matching on a baseline's latents.
    Rows(Box<(FlowMatching, Baseline)>, Rules),
}

impl Control {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Repeat, Self::Later, Self::Oracle, Self::RawOracle];

    fn name(self) -> &'static str {
        match self {
            Self::Repeat => "repeat",
            Self::Later => "later",
            Self::Oracle => "oracle",
            Self::RawOracle => "raw-oracle",
        }
    }

    /// The packets that it lets follow on the prefix.
    fn suffix(self, case: &Case<'_>) -> Vec<Frame> {
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
        }
    }
}

impl Name {
    /// Name of its results: that of its folder.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Control(control) => control.name().to_string(),
            Self::Generator { folder, .. } => {
                let path = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
                folder::name(path.file_name().unwrap_or_default().as_ref())
            }
        }
    }

    /// Loads what it needs.
    ///
    /// # Errors
    /// If a model is not there, is damaged, or two do not belong together.
    pub(crate) fn load(&self, rules: Rules) -> Result<Contestant> {
        let (folder, decoder) = match self {
            Self::Control(control) => return Ok(Contestant::Control(*control)),
            Self::Generator { folder, decoder } => (folder, decoder),
        };
        if backbone(folder)? == Backbone::FlowMatching {
            let matching = FlowMatching::load(folder)?;
            if let Representation::Baseline { model, blake3, .. } = matching.representation() {
                let hint = format!(
                    "name the {model} that its sequences were made with: GENERATOR@BASELINE"
                );
                let Some(decoder) = decoder else {
                    let name = folder.display();
                    return Err(Hint::error(
                        format!("{name}: samples latents of a baseline"),
                        hint,
                    ));
                };
                let baseline = load_baseline(decoder)?;
                if baseline.digest() != *blake3 {
                    let name = decoder.display();
                    return Err(Hint::error(
                        format!("{name}: another baseline than the generator's"),
                        hint,
                    ));
                }
                return Ok(Contestant::Rows(Box::new((matching, baseline)), rules));
            }
        }
        let generator = load_generator(folder, decoder.as_deref(), rules.solver)?;
        Ok(Contestant::Actions(generator, rules))
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let control = Control::ALL
            .into_iter()
            .find(|control| control.name() == text);
        if let Some(control) = control {
            return Ok(Self::Control(control));
        }
        let (folder, decoder) = match text.split_once('@') {
            Some((folder, decoder)) => (folder, Some(PathBuf::from(decoder))),
            None => (text, None),
        };
        let folder = PathBuf::from(folder);
        if folder.is_dir() {
            return Ok(Self::Generator { folder, decoder });
        }
        let names = Control::ALL.map(Control::name).join(", ");
        Err(format!(
            "neither one of {names}, nor the folder of a generator"
        ))
    }
}

impl Contestant {
    /// The packets that it lets follow on the prefix of a case of this number.
    ///
    /// # Errors
    /// If a baseline does not decode latents.
    pub(crate) fn suffix(&self, case: &Case<'_>, number: u64) -> Result<Vec<Frame>> {
        match self {
            Self::Control(control) => Ok(control.suffix(case)),
            Self::Actions(generator, rules) => act(generator, rules, case, number),
            Self::Rows(models, rules) => sample_rows(&models.0, &models.1, rules, case, number),
        }
    }
}

/// What a generator of packet actions lets follow. A case has random numbers of its own.
fn act(generator: &Generator, rules: &Rules, case: &Case<'_>, number: u64) -> Result<Vec<Frame>> {
    let mut actions = Actions::new(generator.option_profiles().clone().thaw());
    let past = actions.lift(case.past);
    let shown = match rules.prefix_only {
        true => past.len().saturating_sub(case.prefix),
        false => 0,
    };
    let mut trace = generator.generate(&Drawing {
        seed: rules.seed.wrapping_add(number),
        constrained: rules.constrained,
        ..Drawing::default()
    })?;
    past[shown..].iter().for_each(|action| trace.follow(action));
    let mut suffix: Vec<Action> = Vec::new();
    while suffix.len() < case.suffix.len() {
        suffix.extend(trace.batch());
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
    number: u64,
) -> Result<Vec<Frame>> {
    let mut rows = Rows::new(baseline.option_profiles().clone());
    let past = rows.read(case.past);
    let shown = past.len().saturating_sub(matching.prefix());
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
        let seed = rules.seed.wrapping_add(number);
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
    // There is nothing to compare with: a row is judged by itself.
    let reference = past.last().copied();
    let reference: &RawRow = match &reference {
        Some(row) => row,
        None => return Ok(Vec::new()),
    };
    let valid = decoded
        .into_iter()
        .filter_map(|row| row.judge(reference, &mut profiles, &mut diagnostics));
    let valid: Vec<RawRow> = valid.collect();
    Ok(rows.render(case.end(), &valid))
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
            past,
            prefix: 200,
            suffix: &rest[..300],
            later: &rest[300..600],
        };
        let times = |frames: &[Frame]| frames.iter().map(|frame| frame.time).collect::<Vec<_>>();
        for control in [Control::Oracle, Control::RawOracle] {
            assert_eq!(times(&control.suffix(&case)), times(case.suffix));
        }
        let later = Control::Later.suffix(&case);
        assert_eq!((later.len(), later[0].time), (300, past[699].time));
        let span = |frames: &[Frame]| frames[299].time.since(frames[0].time);
        assert_eq!(span(&later), span(case.later));
        let repeated = Control::Repeat.suffix(&case);
        assert_eq!((repeated.len(), repeated[0].time), (200, past[699].time));
    }

    #[test]
    fn test_names() {
        for control in Control::ALL {
            assert_eq!(control.name().parse(), Ok(Name::Control(control)));
        }
        assert!("other".parse::<Name>().is_err());
    }
}

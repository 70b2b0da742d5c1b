//! Contestants: who goes on from a prefix.

use anyhow::Result;
use tracecodec::action::OptionProfiles;
use tracecodec::pcap::Timestamp;

use super::lower::{Actions, Rows};
use super::{Case, Frame};
use crate::failure::Hint;

/// Who goes on from a prefix.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Contestant {
    /// The prefix once more: as good as a continuation that learned nothing of how traces go on.
    Repeat,
    /// The suffix of another case: as far from each other as real continuations of one network are.
    Later,
    /// The real suffix by way of actions: what lift and compile alone cost.
    Oracle,
    /// The real suffix by way of raw rows: what their table and renderer alone cost.
    RawOracle,
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
            _ => Err(Hint::error(
                format!("{name}: no such contestant"),
                "repeat, later, oracle or raw-oracle",
            )),
        }
    }

    /// Name of its results.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Repeat => "repeat",
            Self::Later => "later",
            Self::Oracle => "oracle",
            Self::RawOracle => "raw-oracle",
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
        let times = |frames: &[Frame]| frames.iter().map(|frame| frame.time).collect::<Vec<_>>();
        for contestant in [Contestant::Oracle, Contestant::RawOracle] {
            assert_eq!(times(&contestant.suffix(&case)), times(case.suffix));
        }
        let later = Contestant::Later.suffix(&case);
        assert_eq!((later.len(), later[0].time), (300, past[699].time));
        let span = |frames: &[Frame]| frames[299].time.since(frames[0].time);
        assert_eq!(span(&later), span(case.later));
        let repeated = Contestant::Repeat.suffix(&case);
        assert_eq!((repeated.len(), repeated[0].time), (200, past[699].time));
    }

    #[test]
    fn test_names() {
        for name in ["repeat", "later", "oracle", "raw-oracle"] {
            assert_eq!(Contestant::open(name).unwrap().name(), name);
        }
        assert!(Contestant::open("other").is_err());
    }
}

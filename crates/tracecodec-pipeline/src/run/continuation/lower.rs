//! Packets to the actions or rows that models work on, and back to the packets of a suffix.

use tracecodec::action::{Action, ActionSchema, OptionProfiles};
use tracecodec::compile::{CompileConfig, Compiler};
use tracecodec::flow::MAX_SLOTS;
use tracecodec::lift::Lifter;
use tracecodec::pcap::{PacketBuf, Timestamp};
use tracecodec::raw::{Payload, RawRow, Renderer, RowReader};

/// The actions of a trace from its start.
pub(super) struct Actions {
    lifter: Lifter,
    schema: ActionSchema,
}

impl Actions {
    /// An empty trace, of which the actions keep what the schema says. TCP option layouts that the
    /// dictionary lacks are added to it.
    pub(super) fn new(schema: ActionSchema, profiles: OptionProfiles) -> Self {
        let lifter = Lifter::new(schema, MAX_SLOTS, profiles);
        Self { lifter, schema }
    }

    /// The actions of the next packets.
    pub(super) fn lift(&mut self, frames: &[PacketBuf]) -> Vec<Action> {
        let lifted = frames
            .iter()
            .map(|frame| self.lifter.lift(&frame.as_packet()));
        lifted.filter_map(Result::ok).collect()
    }

    /// The packets of a suffix. The same compiler lowers the past first, so that flows continue:
    /// the past as the model of the suffix read it, which may differ from what was lifted.
    pub(super) fn lower(&self, past: &[Action], suffix: &[Action]) -> Vec<PacketBuf> {
        let profiles = self.lifter.profiles();
        let config = CompileConfig {
            schema: self.schema,
            ..CompileConfig::default()
        };
        let epoch = self.lifter.epoch().unwrap_or_default();
        let mut compiler = Compiler::new(config, epoch);
        for action in past {
            compiler.compile(action, profiles);
        }
        let packets = suffix.iter();
        packets
            .map(|action| PacketBuf::from(&compiler.compile(action, profiles)))
            .collect()
    }
}

/// The raw rows of a trace from its start.
pub(super) struct Rows {
    reader: RowReader,
}

impl Rows {
    /// An empty trace. TCP option layouts that the dictionary lacks are added to it.
    pub(super) fn new(profiles: OptionProfiles) -> Self {
        let reader = RowReader::new(profiles);
        Self { reader }
    }

    /// The rows of the next packets.
    pub(super) fn read(&mut self, frames: &[PacketBuf]) -> Vec<RawRow> {
        let rows = frames
            .iter()
            .map(|frame| self.reader.read(&frame.as_packet()));
        rows.filter_map(Result::ok).collect()
    }

    /// The packets of a suffix that begins at `end`. Rows that are no packets are left out, with
    /// their time.
    pub(super) fn render(&self, end: Timestamp, suffix: &[RawRow]) -> Vec<PacketBuf> {
        let mut renderer = Renderer::new(Payload::default(), end);
        let profiles = self.reader.profiles();
        let rendered = suffix.iter().filter_map(|row| {
            let packet = renderer.render(row, profiles).ok()?;
            Some(PacketBuf::from(&packet))
        });
        rendered.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::continuation::example;

    /// Flows go on from the past into the suffix: its packets are those of the whole trace.
    #[test]
    fn test_suffix_is_the_end_of_the_whole() {
        let frames = example();
        let (past, suffix) = frames.split_at(1_500);
        let mut actions = Actions::new(ActionSchema::default(), OptionProfiles::new());
        let [past, suffix] = [past, suffix].map(|frames| actions.lift(frames));
        let whole = actions.lower(&[], &[&past[..], &suffix[..]].concat());
        let lowered = actions.lower(&past, &suffix);
        assert_eq!(lowered, whole[1_500..]);
        assert_ne!(lowered, actions.lower(&[], &suffix), "without the past");
    }

    #[test]
    fn test_rows_that_are_no_packets_are_left_out() {
        let frames = example();
        let mut rows = Rows::new(OptionProfiles::new());
        let mut suffix = rows.read(&frames[..10]);
        let end = Timestamp(5_000);
        let whole = rows.render(end, &suffix);
        suffix[4].dscp = 64;
        let rendered = rows.render(end, &suffix);
        assert_eq!((whole.len(), rendered.len()), (10, 9));
        assert_eq!(rendered[3], whole[3]);
        let lost = suffix[4].delta_t;
        assert!(lost > 0);
        assert_eq!(whole[5].time.since(rendered[4].time), lost);
    }
}

//! The way of a capture through the oracle: lift on one thread, compile on another. Memory does not
//! grow with the capture, and the output is that of one thread.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::{mem, thread};

use tracecodec::action::{Action, OptionProfiles};
use tracecodec::artifact::ActionCounts;
use tracecodec::compile::{CompileConfig, Compiler};
use tracecodec::lift::Lifter;
use tracecodec::pcap::{Packet, Timestamp};

use super::labels::BatchLabels;
use super::{Config, Outcome};
use crate::error::Error;
use crate::files::capture::Capture;
use crate::files::writer::CaptureWriter;
use crate::monitor::Monitor;
use crate::realise::Realised;

/// Actions in a batch that one thread sends to the other.
const BATCH: usize = 4096;

/// Batches on their way between the threads.
const IN_FLIGHT: usize = 4;

/// Actions in order.
struct Batch {
    actions: Vec<Action>,
    /// Time of the trace's first action.
    epoch: Timestamp,
    /// The dictionary, if it grew since the batch before.
    profiles: Option<OptionProfiles>,
    labels: BatchLabels,
}

/// Takes a capture through the oracle.
pub(super) fn run(
    config: &Config,
    input: &Path,
    output: &Path,
    monitor: &mut dyn Monitor,
) -> Result<Outcome, Error> {
    let mut capture = Capture::open(input, &config.read)?;
    let writer = CaptureWriter::create(output, config.realise.microseconds)?;
    let writer = writer.splitting(config.realise.splitter()?);
    let kept = config.lift.kept()?;
    let mut lifter = Lifter::new(kept, config.lift.slots, OptionProfiles::new());
    let realise = config.realise.config(kept)?;
    let writer = writer.synthetic(&config.disclosure.origin(input), realise.payload)?;
    let (writer, realised) = thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(IN_FLIGHT);
        let compile = scope.spawn(|| compile_batches(receiver, realise, writer));
        let lifted = lift_batches(config, &mut capture, &mut lifter, sender, monitor);
        // If the writer failed, its error is the cause: the lifter only found its partner gone.
        let compiled = compile.join().expect("compiling does not panic")?;
        lifted?;
        Ok::<_, Error>(compiled)
    })?;
    let source = capture.finish(monitor)?;
    let split = writer.split();
    writer.finish(monitor)?;
    let lift_counts = lifter.counts();
    config.lift.warn(&lift_counts, monitor);
    Ok(Outcome {
        input: input.display().to_string(),
        output: output.display().to_string(),
        salt: realise.salt.0,
        counts: ActionCounts::from(&lift_counts),
        split,
        realised,
        codec: None,
        lift_counts,
        source,
    })
}

/// Lifts the whole capture. Stops early if the other thread has stopped.
fn lift_batches(
    config: &Config,
    capture: &mut Capture,
    lifter: &mut Lifter,
    sender: SyncSender<Batch>,
    monitor: &mut dyn Monitor,
) -> Result<(), Error> {
    let mut known = 0;
    let mut send = |actions: &mut Vec<Action>, labels: &mut BatchLabels, lifter: &Lifter| {
        let actions = mem::replace(actions, Vec::with_capacity(BATCH));
        let profiles = lifter.profiles();
        let grew = profiles.count() > known;
        known = profiles.count();
        let batch = Batch {
            actions,
            epoch: config.disclosure.epoch(lifter.epoch()).unwrap_or_default(),
            profiles: grew.then(|| profiles.clone()),
            labels: mem::take(labels),
        };
        // The cause is the error of the thread that no longer receives.
        sender.send(batch).map_err(|_| Error::Interrupted)
    };
    let mut actions = Vec::with_capacity(BATCH);
    let mut labels = BatchLabels::default();
    capture.for_each(monitor, |packet| {
        if let Ok(action) = lifter.lift(packet) {
            labels.note(actions.len(), packet);
            actions.push(action);
        }
        if actions.len() == BATCH {
            send(&mut actions, &mut labels, lifter)
        } else {
            Ok(())
        }
    })?;
    send(&mut actions, &mut labels, lifter)
}

/// Compiles all batches. Returns what the compiler did, too.
fn compile_batches(
    receiver: Receiver<Batch>,
    config: CompileConfig,
    mut writer: CaptureWriter,
) -> Result<(CaptureWriter, Realised), Error> {
    let mut compiler = None;
    let mut profiles = OptionProfiles::new();
    for mut batch in receiver {
        profiles = batch.profiles.unwrap_or(profiles);
        let compiler = compiler.get_or_insert_with(|| Compiler::new(config, batch.epoch));
        for (place, action) in batch.actions.iter().enumerate() {
            writer.write(&Packet {
                comment: &batch.labels.take(place),
                ..compiler.compile(action, &profiles)
            })?;
        }
    }
    Ok((
        writer,
        compiler.as_ref().map(Realised::of).unwrap_or_default(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracecodec::pcap::Reader;

    use crate::monitor::Silent;
    use crate::realise::Realise;
    use crate::testing::data;

    #[test]
    fn test_segments_beyond_the_mtu_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out.pcap");
        let input = data("../crates/tracecodec/tests/cases/tso_v6.pcap");
        let mut config = Config {
            oracle: true,
            ..Config::new(&input, &output)
        };
        let whole = run(&config, &input, &output, &mut Silent).unwrap();
        assert_eq!(whole.split, None);
        config.realise = Realise {
            mtu: Some(1500),
            ..Realise::default()
        };
        let split = run(&config, &input, &output, &mut Silent).unwrap().split;
        let split = split.unwrap();
        assert!(split.into > split.split && split.split > 0, "{split:?}");
        let mut reader = Reader::open(&output).unwrap();
        while let Some(packet) = reader.next() {
            assert!(packet.unwrap().wire_len <= 1500 + 14);
        }
        let packets = whole.lift_counts.actions() + split.into - split.split;
        assert_eq!(reader.packets(), packets);
    }
}

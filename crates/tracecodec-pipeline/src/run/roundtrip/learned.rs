//! The way of a capture through a codec, batch by batch: lift, encode, decode, compile.

use std::path::Path;

use tracecodec::action::Action;
use tracecodec::action::float::Tick;
use tracecodec::artifact::ActionCounts;
use tracecodec::compile::{CompileConfig, Compiler};
use tracecodec::lift::Lifter;
use tracecodec::pcap::Packet;
use tracecodec_nn::codec::{
    CodecEntropy, Fidelity, RateMeter, RefinementGain, TraceDecoder, TraceEncoder,
};
use tracecodec_nn::{Codec, Corrected, RefineConfig};

use super::labels::BatchLabels;
use super::{Config, Outcome};
use crate::disclosure::Disclosure;
use crate::error::Error;
use crate::files::capture::Capture;
use crate::files::writer::CaptureWriter;
use crate::monitor::{Monitor, Progress};
use crate::realise::Realised;

/// Actions that pass through the codec at once. Refinement works on those of them that need it side
/// by side.
const BATCH: usize = 16_384;

/// Takes a capture through a codec.
pub(super) fn run(
    config: &Config,
    codec: &Codec,
    input: &Path,
    output: &Path,
    monitor: &mut dyn Monitor,
) -> Result<Outcome, Error> {
    let mut capture = Capture::open(input, &config.read)?;
    let mut lifter = config.lift.lifter_for(codec)?;
    let realise = config.realise.config(config.lift.kept_for(codec)?)?;
    let mut trip = Trip {
        codec,
        realise,
        disclosure: &config.disclosure,
        stages: None,
        writer: CaptureWriter::create(output, config.realise.microseconds)?
            .splitting(config.realise.splitter()?)
            .synthetic(&config.disclosure.origin(input), realise.payload)?,
        refine: config.refine,
        entropy: config.entropy.then(|| CodecEntropy::new(codec)),
        decoded: RateMeter::new(codec),
        means: RateMeter::new(codec),
        moved: 0,
        left: 0,
    };
    let mut actions = Vec::with_capacity(BATCH);
    let mut labels = BatchLabels::default();
    capture.for_each_monitored(monitor, |packet, monitor| {
        if let Ok(action) = lifter.lift(packet) {
            labels.note(actions.len(), packet);
            actions.push(action);
        }
        if actions.len() == BATCH {
            trip.take(&mut actions, &mut labels, &lifter, monitor)
        } else {
            Ok(())
        }
    })?;
    if !actions.is_empty() {
        trip.take(&mut actions, &mut labels, &lifter, monitor)?;
    }
    monitor.step(&Progress {
        stage: "reading",
        ..Progress::default()
    })?;
    let fidelity = trip.fidelity(config.model.label());
    let realised = trip.realised();
    let source = capture.finish(monitor)?;
    let split = trip.writer.split();
    trip.writer.finish(monitor)?;
    let lift_counts = lifter.counts();
    config.lift.warn(&lift_counts, monitor);
    Ok(Outcome {
        input: input.display().to_string(),
        output: output.display().to_string(),
        salt: realise.salt.0,
        counts: ActionCounts::from(&lift_counts),
        split,
        realised,
        codec: Some(fidelity),
        lift_counts,
        source,
    })
}

/// A trace in the middle of its round trip, and the measurements on it.
struct Trip<'a> {
    codec: &'a Codec,
    realise: CompileConfig,
    disclosure: &'a Disclosure,
    /// Made with the first batch, which has the trace's tick and epoch.
    stages: Option<Stages<'a>>,
    writer: CaptureWriter,
    refine: bool,
    entropy: Option<CodecEntropy>,
    /// What was decoded.
    decoded: RateMeter,
    /// What the encoder's means would decode to, if they are refined.
    means: RateMeter,
    moved: u64,
    left: u64,
}

/// The parts that hold the state of a trace.
struct Stages<'a> {
    encoder: TraceEncoder<'a>,
    decoder: TraceDecoder<'a>,
    compiler: Compiler,
}

impl<'a> Trip<'a> {
    /// Takes a batch through all stages.
    fn take(
        &mut self,
        actions: &mut Vec<Action>,
        labels: &mut BatchLabels,
        lifter: &Lifter,
        monitor: &mut dyn Monitor,
    ) -> Result<(), Error> {
        if let Some(entropy) = &mut self.entropy {
            entropy.add(actions);
        }
        let Stages {
            encoder,
            decoder,
            compiler,
        } = self.stages.get_or_insert_with(|| {
            let tick = Tick::of(actions.iter().map(|action| action.delta_t));
            let epoch = self.disclosure.epoch(lifter.epoch()).unwrap_or_default();
            Stages {
                encoder: self.codec.encoder(tick),
                decoder: self.codec.decoder(tick),
                compiler: Compiler::new(self.realise, epoch),
            }
        });
        let decoded = if self.refine {
            let progress = Progress {
                stage: "refining",
                ..Progress::default()
            };
            let mut ask = monitor.asks(&progress);
            let refined = encoder.encode_refined(actions, RefineConfig::default(), &mut ask)?;
            self.decoded.add(actions, &refined.decoded, refined.kl);
            self.means.add(actions, &refined.before, refined.kl_before);
            self.moved += refined.moved;
            self.left += refined.left;
            refined.decoded
        } else {
            let latents = encoder.encode(actions);
            let decoded = decoder.decode(&latents.mu);
            self.decoded.add(actions, &decoded, latents.kl());
            decoded
        };
        actions.clear();
        decoded.iter().enumerate().try_for_each(|(place, action)| {
            self.writer.write(&Packet {
                comment: &labels.take(place),
                ..compiler.compile(action, lifter.profiles())
            })
        })
    }

    fn fidelity(&self, model: String) -> Fidelity {
        Fidelity {
            model,
            rates: self.decoded.rates(),
            corrected: self
                .stages
                .as_ref()
                .map_or_else(Corrected::default, |stages| {
                    if self.refine {
                        stages.encoder.corrected()
                    } else {
                        stages.decoder.corrected()
                    }
                }),
            entropy: self.entropy.as_ref().map(CodecEntropy::nats),
            refinement: self.refine.then(|| RefinementGain {
                moved: self.moved,
                left: self.left,
                before: self.means.rates(),
            }),
        }
    }

    fn realised(&self) -> Realised {
        let stages = self.stages.as_ref();
        stages.map_or_else(Default::default, |stages| Realised::of(&stages.compiler))
    }
}

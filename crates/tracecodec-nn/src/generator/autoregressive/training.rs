//! Training of the autoregressive generator: its task for the training loop.

use std::fmt;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;

use rand::RngExt;
use serde::{Deserialize, Serialize};
use tracecodec::action::OptionProfiles;
use tracecodec::artifact::SourceEntry;
use tracecodec_tensor::{Device as Tensors, Module, Tensor, Visitor};

use super::config::{AutoregressiveConfig, TrainConfig};
use super::event_sequences::{Ending, EventSequences, ProcessSequences, SPAN};
use super::events::{Activity, CLASSES, ENDS, Events};
use super::network::{Process, SpanBatch};
use super::past::Past;
use super::{Autoregressive, CLOCK, OPENINGS, PACKETS, PROCESSES, networks};
use crate::device::Device;
use crate::error::Error;
use crate::model::Kind;
use crate::parallel::{default_threads, ordered_until};
use crate::random::{Purpose, stream};
use crate::train::{
    self, Decay, Examples, Position, Progress, Report, Session, Task, Update, Validated, Verdict,
    rate_hint, schedule,
};
use crate::weights::Weights;

/// Spans that a thread validates at once.
const PIECE: usize = 2;

/// Training spans of each process that the frequencies of a guess are counted on.
const GUESS_SPANS: usize = 256;

/// Adam's epsilon.
const EPSILON: f32 = 1e-8;

/// The networks of all processes.
#[derive(Clone, Debug)]
pub(super) struct Networks {
    /// Network of the openings.
    pub(super) openings: Process,
    /// Network of the packets of a flow.
    pub(super) packets: Process,
    /// Network of the clock.
    pub(super) clock: Process,
}

impl Module for Networks {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.part("openings", &mut self.openings);
        visitor.part("packets", &mut self.packets);
        visitor.part("clock", &mut self.clock);
    }
}

impl Networks {
    fn of(&self, process: usize) -> &Process {
        match process {
            OPENINGS => &self.openings,
            PACKETS => &self.packets,
            _ => &self.clock,
        }
    }
}

/// A span of one of the processes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// Number of the process.
    process: usize,
    number: usize,
}

/// Largest number of packet spans for each opening span. Openings are so rare that they would
/// hardly be learned otherwise.
const RATIO: usize = 15;

/// The spans of a data set: spans of openings first, each several times, then spans of packets,
/// then spans of the clock.
#[derive(Debug)]
struct Spans {
    /// Number of spans of each process.
    counts: [usize; PROCESSES],
    /// How often each span of openings occurs.
    times: usize,
}

impl Spans {
    /// The spans to train on.
    fn of(sequences: &EventSequences) -> Self {
        let counts = sequences.processes().map(ProcessSequences::spans);
        let times = counts[PACKETS] / (RATIO * counts[OPENINGS].max(1));
        Self {
            counts,
            times: times.max(1),
        }
    }

    /// The spans to validate with, each once.
    fn once(sequences: &EventSequences) -> Self {
        let counts = sequences.processes().map(ProcessSequences::spans);
        Self { counts, times: 1 }
    }

    /// At most `count` spans of each process, evenly spread.
    fn spread(&self, count: usize) -> Vec<Span> {
        let of = |(process, &spans): (usize, &usize)| {
            let count = count.min(spans);
            (0..count).map(move |i| Span {
                process,
                number: i * spans / count,
            })
        };
        self.counts.iter().enumerate().flat_map(of).collect()
    }

    fn span(&self, at: usize) -> Span {
        let openings = self.counts[OPENINGS] * self.times;
        let (process, number) = match at.checked_sub(openings) {
            None => (OPENINGS, at % self.counts[OPENINGS]),
            Some(at) if at < self.counts[PACKETS] => (PACKETS, at),
            Some(at) => (CLOCK, at - self.counts[PACKETS]),
        };
        Span { process, number }
    }
}

impl Examples for Spans {
    type Example = Span;

    fn len(&self) -> u64 {
        let [openings, packets, clock] = self.counts;
        (openings * self.times + packets + clock) as u64
    }

    fn read(&self, runs: &[Range<u64>]) -> Result<Vec<Span>, Error> {
        let all = runs.iter().cloned().flatten();
        Ok(all.map(|at| self.span(at as usize)).collect())
    }
}

/// One validation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Optimiser steps so far.
    pub step: u64,
    /// Nats a packet of the trace: those of the packet, of its step of the clock, and of openings,
    /// in proportion to their share.
    pub loss: f64,
    /// Negative log-likelihood in nats of a packet, given the packets of its flow before it.
    pub packets: f64,
    /// Negative log-likelihood in nats of an opening, given the openings before it.
    pub openings: f64,
    /// Negative log-likelihood in nats of a step of the clock, given the steps before it and the
    /// plan.
    pub clock: f64,
    /// Mean nats of a training event since the last validation, over all processes in their
    /// proportion.
    pub training_loss: f64,
}

impl fmt::Display for Validation {
    /// Formats it as in `12.345 nats a packet, 20.12 an opening, 9.876 a step of the clock`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (packets, openings, clock) = (self.packets, self.openings, self.clock);
        write!(
            f,
            "{packets:.3} nats a packet, {openings:.2} an opening, {clock:.3} a step of the clock"
        )
    }
}

impl Validated for Validation {
    fn loss(&self) -> f64 {
        self.loss
    }
}

/// Manifest of the training of an autoregressive generator.
pub type Manifest = train::Manifest<Origin, Validation>;

impl Manifest {
    /// Reads the manifest from the folder of a generator whose training has ended.
    ///
    /// # Errors
    /// If the file is missing, or is no manifest of an autoregressive generator.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        Self::of_kind(Kind::Generator, folder)
    }
}

/// Settings and data of the training of an autoregressive generator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Settings of the training.
    pub training: AutoregressiveConfig,
    /// BLAKE3 digest of the generator that the training began with; `None` for fresh weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Files that the packets came from.
    pub sources: Vec<SourceEntry>,
    /// Packets to train on.
    pub training_packets: u64,
    /// Packets to select the best weights with.
    pub validation_packets: u64,
}

/// Training and validation data.
#[derive(Debug, Clone)]
pub struct Data {
    /// Sequences to train on.
    pub training: EventSequences,
    /// Sequences to select the best weights with.
    pub validation: EventSequences,
    /// Dictionary that gives `tcp_opt_profile` its meaning in both.
    pub profiles: OptionProfiles,
    /// Files that the packets came from, for the manifest.
    pub sources: Vec<SourceEntry>,
}

/// Trains a generator, from fresh weights or from those of another generator, and leaves the best
/// one in the session's folder, with `history.jsonl` and `manifest.json`. Checkpoints and
/// `progress` are those of the codec's [`train`](crate::codec::training::train).
///
/// # Errors
/// If a setting is out of its range, there are no packets, a file cannot be read or written, the
/// loss is no longer finite, the training was stopped, or the checkpoint is of other data or
/// settings.
pub fn train(
    config: &AutoregressiveConfig,
    from: Option<&Autoregressive>,
    data: &Data,
    session: &Session<'_>,
    progress: impl FnMut(&Progress<'_, Validation>) -> ControlFlow<()>,
) -> Result<(Autoregressive, Report<Validation>), Error> {
    session.check_cpu()?;
    config.check()?;
    for (name, sequences) in [
        ("training", &data.training),
        ("validation", &data.validation),
    ] {
        if sequences.packets() == 0 {
            return Err(Error::NoData(name));
        }
        if sequences.openings() < 2 {
            return Err(Error::NoOpenings(name));
        }
    }
    let origin = Origin {
        training: config.clone(),
        from: from.map(Autoregressive::digest),
        sources: data.sources.clone(),
        training_packets: data.training.packets(),
        validation_packets: data.validation.packets(),
    };
    let report = train::run(
        &mut AutoregressiveTask::new(config, from, data, session)?,
        &config.train.budget(),
        &Arc::new(Spans::of(&data.training)),
        session,
        &run_digest(config, origin.from.as_deref(), data),
        origin,
        progress,
    )?;
    let mut generator = Autoregressive::load(session.folder)?;
    generator.held_out = generator.judge(&data.validation);
    generator.save(session.folder, config.train.precision)?;
    Ok((generator, report))
}

/// Digest of settings and data, by which a checkpoint is recognised.
fn run_digest(config: &AutoregressiveConfig, from: Option<&str>, data: &Data) -> String {
    let mut hasher = blake3::Hasher::new();
    let settings = serde_json::json!([config, data.profiles.to_hex(), data.training.labels()]);
    hasher.update(settings.to_string().as_bytes());
    hasher.update(from.unwrap_or_default().as_bytes());
    data.training.digest(&mut hasher);
    data.validation.digest(&mut hasher);
    hasher.finalize().to_hex().to_string()
}

/// A generator in training.
struct AutoregressiveTask<'a> {
    config: &'a TrainConfig,
    data: &'a Data,
    threads: usize,
    events: Events,
    activity: Activity,
    /// The spans of every validation.
    validation: Vec<Span>,
    model: Autoregressive,
    networks: Networks,
    tensors: Tensors,
}

impl<'a> AutoregressiveTask<'a> {
    fn new(
        config: &'a AutoregressiveConfig,
        from: Option<&Autoregressive>,
        data: &'a Data,
        session: &Session<'_>,
    ) -> Result<Self, Error> {
        let tensors = Device::Cpu.open()?;
        let labels = data.training.labels().to_vec();
        let events = data.training.events().clone();
        let networks = networks(
            &events,
            &config.model,
            labels.len(),
            config.train.seed,
            &tensors,
        );
        let mut weights = Weights::of(&networks);
        let mut rates = data.training.rates();
        if let Some(from) = from {
            // A new label begins as no label.
            let grown = from.weights.grown(&weights, from.labels.len() + 1);
            weights = grown.ok_or(Error::OtherShapes)?;
            for (rate, known) in rates.iter_mut().zip(&from.rates) {
                *rate = rate.or(*known);
            }
        }
        Ok(Self {
            networks: weights.load(networks, &tensors),
            model: Autoregressive::new(
                events.clone(),
                config.model.clone(),
                labels,
                rates,
                data.profiles.clone(),
                weights,
            ),
            validation: Vec::new(),
            threads: session.threads.unwrap_or_else(default_threads),
            activity: events.activity(),
            events,
            tensors,
            config: &config.train,
            data,
        })
    }

    /// The spans of one process as a batch. Whenever `hides` returns true, a span's label is
    /// hidden.
    fn batch(
        &self,
        sequences: &EventSequences,
        spans: &[Span],
        process: usize,
        mut hides: impl FnMut() -> bool,
    ) -> SpanBatch {
        let sequence = sequences.processes()[process];
        let mut batch = SpanBatch::default();
        for span in spans.iter().filter(|span| span.process == process) {
            batch.spans += 1;
            self.add_span(
                sequence,
                sequence.span(span.number),
                process,
                hides(),
                &mut batch,
            );
        }
        batch
    }

    fn add_span(
        &self,
        sequence: &ProcessSequences,
        span: Range<usize>,
        process: usize,
        hides: bool,
        batch: &mut SpanBatch,
    ) {
        let padding = SPAN - span.len();
        let mut past = Past::default();
        for event in span.clone() {
            let row = sequence.row(event);
            let begins = sequence.starts(event);
            if begins {
                past = Past::default();
            }
            if process != CLOCK {
                past.take(sequence.told(event), &self.events);
            }
            batch.inputs.extend_from_slice(row);
            if hides {
                *batch.inputs.last_mut().expect("a row has symbols") = 0;
            }
            let keeps = !begins && event > span.start;
            batch.keep.push(f32::from(u8::from(keeps)));
            match sequence.ending(event) {
                Ending::Continues if process == CLOCK => add_step(sequence.told(event + 1), batch),
                Ending::Continues => self.add_next(sequence.told(event + 1), process, &past, batch),
                ending => add_last(ending, &past, sequence.symbols(), batch),
            }
        }
        for _ in 0..padding {
            batch.inputs.extend_from_slice(sequence.row(span.start));
            batch.keep.push(0.0);
            add_last(Ending::Censored, &past, sequence.symbols(), batch);
        }
    }

    /// Adds the targets of an event that is followed by another.
    fn add_next(&self, next: &[u8], process: usize, past: &Past, batch: &mut SpanBatch) {
        let role = self.events.action(next).role() as usize;
        let direction = self.events.position("dir");
        batch.targets.extend_from_slice(next);
        for symbol in 0..next.len() {
            // A sequence of openings never ends.
            let is_told = symbol != ENDS || process == PACKETS;
            let counts = is_told && self.activity.covers(next, symbol);
            batch.mask.push(f32::from(u8::from(counts)));
            let role = (symbol > direction).then_some(role);
            batch.copies.push(past.value(symbol, role));
        }
    }

    /// Nats a packet of the validation trace, from the nats of an event of each process.
    fn nats_a_packet(&self, [openings, packets, clock]: [f64; PROCESSES]) -> f64 {
        let sequences = &self.data.validation;
        let opening_share = sequences.openings() as f64 / sequences.packets() as f64;
        packets + clock + opening_share * openings
    }

    /// Nats an event of the validation spans of a process, for a guess by the frequency of each
    /// symbol's values in training.
    fn guess_nats(&self, process: usize) -> f64 {
        let training = Spans::once(&self.data.training).spread(GUESS_SPANS);
        let symbols = self.data.training.processes()[process].symbols();
        let mut counts = vec![[1.0; CLASSES]; symbols];
        each_target(
            &self.batch(&self.data.training, &training, process, || false),
            symbols,
            |symbol, value| {
                counts[symbol][value] += 1.0;
            },
        );
        let sequences = &self.data.validation;
        let mut nats = 0.0;
        each_target(
            &self.batch(sequences, &self.validation, process, || false),
            symbols,
            |symbol, value| {
                let all: f64 = counts[symbol].iter().sum();
                nats -= (counts[symbol][value] / all).ln();
            },
        );
        let sequence = sequences.processes()[process];
        let spans = self
            .validation
            .iter()
            .filter(|span| span.process == process);
        let events: usize = spans.map(|span| sequence.span(span.number).len()).sum();
        nats / (events as f64).max(1.0)
    }

    /// Nats an event of the validation spans of a process.
    fn validation_nats(
        &self,
        process: usize,
        ask: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<f64, Error> {
        let pieces: Vec<&[Span]> = self.validation.chunks(PIECE).collect();
        let sequences = &self.data.validation;
        let sums = ordered_until(
            self.threads,
            pieces.len(),
            || (),
            |(), i| {
                let batch = self.batch(sequences, pieces[i], process, || false);
                if batch.spans == 0 {
                    return (0.0, 0.0);
                }
                let network = self.networks.of(process);
                let nats = network.nats(&batch).scalar();
                let of = |span: &&Span| span.process == process;
                let spans = pieces[i].iter().filter(of);
                let sequence = sequences.processes()[process];
                let events: usize = spans.map(|span| sequence.span(span.number).len()).sum();
                (f64::from(nats), events as f64)
            },
            ask,
        )?;
        let (nats, events) = sums
            .into_iter()
            .fold((0.0, 0.0), |(nats, events), (more, count)| {
                (nats + more, events + count)
            });
        Ok(nats / f64::max(events, 1.0))
    }
}

/// Calls `visit` with the symbol and the value of every target that counts.
fn each_target(batch: &SpanBatch, symbols: usize, mut visit: impl FnMut(usize, usize)) {
    for (i, (&value, &mask)) in batch.targets.iter().zip(&batch.mask).enumerate() {
        if mask > 0.0 {
            visit(i % symbols, value.into());
        }
    }
}

/// Adds the targets of a step of the clock: all symbols of the next step.
fn add_step(next: &[u8], batch: &mut SpanBatch) {
    batch.targets.extend_from_slice(next);
    batch.mask.extend(vec![1.0; next.len()]);
    batch.copies.extend(vec![CLASSES as u8; next.len()]);
}

/// Adds the target of a last event: that the sequence ends, or nothing if it is censored.
fn add_last(ending: Ending, past: &Past, symbols: usize, batch: &mut SpanBatch) {
    let ends = u8::from(ending == Ending::Ends);
    let mut row = vec![0; symbols];
    let mut mask = vec![0.0; symbols];
    (row[ENDS], mask[ENDS]) = (ends, f32::from(ends));
    batch.targets.extend(row);
    batch.mask.extend(mask);
    // Values that may be repeated must not reveal whether there is a next event.
    batch
        .copies
        .extend((0..symbols).map(|symbol| past.value(symbol, None)));
}

impl Task for AutoregressiveTask<'_> {
    type Example = Span;
    type Network = Networks;
    type Validation = Validation;

    const KIND: Kind = Kind::Generator;

    fn network(&self) -> &Networks {
        &self.networks
    }

    fn device(&self) -> Device {
        Device::Cpu
    }

    fn tensors(&self) -> &Tensors {
        &self.tensors
    }

    /// Mean negative log-likelihood of an event, in nats.
    fn objective(
        &self,
        network: &Networks,
        spans: &[Span],
        place: u64,
        at: &Position<'_, Validation>,
    ) -> Tensor<1> {
        let mut rng = stream(self.config.seed, Purpose::Batch, place);
        let mut hides = || rng.random_bool(self.config.label_dropout);
        let nats = (0..PROCESSES).filter_map(|process| {
            let batch = self.batch(&self.data.training, spans, process, &mut hides);
            (batch.spans > 0).then(|| network.of(process).nats(&batch))
        });
        let nats = nats.reduce(|a, b| a + b);
        nats.expect("there are spans") / (at.batch * SPAN) as f64
    }

    fn update(&self, at: &Position<'_, Validation>) -> Update {
        let rate = schedule::learning_rate(at.share, self.config.warm_up, self.config.floor);
        Update {
            weights: None,
            nth: at.step + 1,
            rate: (self.config.learning_rate * rate) as f32,
            betas: self.config.betas,
            epsilon: EPSILON,
            decay: Decay::Decoupled(self.config.weight_decay),
            clip: Some(self.config.clip),
        }
    }

    fn set_weights(&mut self, weights: &Weights) {
        self.networks = weights.load(self.networks.clone(), &self.tensors);
        self.model.weights = weights.clone();
    }

    fn draw_validation(&mut self, count: usize) -> Result<(), Error> {
        self.validation = Spans::once(&self.data.validation).spread(count);
        Ok(())
    }

    fn validate(
        &self,
        training_loss: f64,
        at: &Position<'_, Validation>,
        ask: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<Validation, Error> {
        let openings = self.validation_nats(OPENINGS, ask)?;
        let packets = self.validation_nats(PACKETS, ask)?;
        let clock = self.validation_nats(CLOCK, ask)?;
        Ok(Validation {
            step: at.step,
            loss: self.nats_a_packet([openings, packets, clock]),
            packets,
            openings,
            clock,
            training_loss,
        })
    }

    fn save(&self, directory: &Path) -> Result<String, Error> {
        self.model.save(directory, self.config.precision)
    }

    fn verdict(&self, best: &Validation) -> Option<Verdict> {
        let guesses = [OPENINGS, PACKETS, CLOCK].map(|process| self.guess_nats(process));
        let guessing = self.nats_a_packet(guesses);
        let hint = rate_hint(self.config.learning_rate);
        Verdict::of_loss(best.loss, guessing, " nats a packet", hint)
    }
}

#[cfg(test)]
mod tests {
    use tracecodec::action::{Action, Control, Direction, FlowEvent, SCHEMA_VERSION};

    use super::*;
    use crate::generator::autoregressive::clock::PREDICTED;

    /// Flows of a SYN and a FIN of each side, one flow after the other.
    fn sequences(flows: u32) -> EventSequences {
        let mut sequences = EventSequences::new(SCHEMA_VERSION, &[]);
        sequences.begin(None);
        for flow_token in 0..flows {
            for (flow_evt, dir, tcp_ctrl) in [
                (FlowEvent::Open, Direction::Orig, Control::Syn),
                (FlowEvent::Continue, Direction::Orig, Control::Fin),
                (FlowEvent::Continue, Direction::Resp, Control::Fin),
            ] {
                sequences.push(&Action {
                    flow_token,
                    flow_evt,
                    dir,
                    tcp_ctrl,
                    delta_t: 1_000,
                    ..Action::default()
                });
            }
        }
        sequences.end();
        sequences
    }

    fn batch_of(process: usize) -> SpanBatch {
        let data = Data {
            training: sequences(5),
            validation: sequences(2),
            profiles: OptionProfiles::new(),
            sources: Vec::new(),
        };
        let config = AutoregressiveConfig::default();
        let session = Session::new(Path::new("model"));
        let task = AutoregressiveTask::new(&config, None, &data, &session).unwrap();
        let span = Span { process, number: 0 };
        task.batch(&data.training, &[span], process, || false)
    }

    /// Values that may be repeated are the same before a next event and before none; otherwise they
    /// would reveal which one comes.
    #[test]
    fn test_nothing_but_the_targets_tells_that_a_course_ends() {
        let batch = batch_of(PACKETS);
        let symbols = Events::new(SCHEMA_VERSION).len_of_packets();
        let of = |values: &[u8], event: usize| values[event * symbols + ENDS];
        let ends: Vec<u8> = (0..15).map(|event| of(&batch.targets, event)).collect();
        assert_eq!(ends, [0, 0, 1].repeat(5));
        for event in 0..15 {
            assert_eq!(of(&batch.copies, event), 0, "{event}");
            assert_eq!(batch.mask[event * symbols + ENDS], 1.0);
        }
        // Padding has no target that counts.
        assert_eq!(
            batch.inputs.len() / batch.keep.len() * SPAN,
            batch.inputs.len()
        );
        assert!(batch.mask[15 * symbols..].iter().all(|&mask| mask == 0.0));
        assert_eq!(batch.keep[..6], [0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn test_the_clock_is_told_the_next_step() {
        let batch = batch_of(CLOCK);
        let events = Events::new(SCHEMA_VERSION);
        let width = PREDICTED;
        let steps: Vec<(u8, i64)> = batch
            .targets
            .chunks(width)
            .map(|row| (row[0], events.time(&row[1..])))
            .collect();
        // All gaps are of one mean step, so all packets but the first are quick.
        assert_eq!(steps[..14], [(1, 1_000); 14]);
        assert_eq!(
            batch.mask.iter().filter(|&&mask| mask > 0.0).count(),
            14 * width
        );
    }

    #[test]
    fn test_openings_come_as_often_as_they_must() {
        let spans = Spans {
            counts: [2, 90, 90],
            times: 3,
        };
        let all = 0..spans.len();
        let read = spans.read(std::slice::from_ref(&all)).unwrap();
        let count = |process| read.iter().filter(|span| span.process == process).count();
        assert_eq!([OPENINGS, PACKETS, CLOCK].map(count), [6, 90, 90]);
        assert_eq!(spans.spread(4).len(), 2 + 4 + 4);
    }
}

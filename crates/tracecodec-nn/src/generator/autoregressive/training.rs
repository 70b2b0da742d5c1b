//! Training the autoregressive generator: what the training loop is told of it.

use std::fmt;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device as Tensors, Tensor};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use tracecodec::action::OptionProfiles;
use tracecodec::artifact::SourceEntry;

use super::config::{AutoregressiveConfig, TrainConfig};
use super::courses::{Course, Courses, Fate, SPAN};
use super::events::{Activity, CLASSES, ENDS, Events};
use super::network::{Batch, Process};
use super::past::Past;
use super::{Autoregressive, CLOCK, OPENINGS, PACKETS, PROCESSES, networks};
use crate::device::Device;
use crate::error::Error;
use crate::model::Kind;
use crate::parallel::{default_threads, ordered};
use crate::random::{Purpose, stream};
use crate::train::{
    self, Decay, Examples, Position, Progress, Report, Session, Task, Update, Validated, Verdict,
    rate_hint, schedule,
};
use crate::weights::Weights;

/// Spans that a validation computes at a time.
const PIECE: usize = 2;

/// Spans of each process that a guess counts the values of.
const GUESS_SPANS: usize = 256;

/// Adam's epsilon.
const EPSILON: f32 = 1e-8;

/// The processes of a trace.
#[derive(Module, Debug)]
pub(super) struct Networks {
    /// Of the openings.
    pub(super) openings: Process,
    /// Of the packets of a flow.
    pub(super) packets: Process,
    /// Of the clock.
    pub(super) clock: Process,
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
    /// Its number.
    process: usize,
    number: usize,
}

/// Spans of packets that come with one of openings, at most: openings are so much fewer that they would hardly be learned.
const RATIO: usize = 15;

/// Which spans there are: those of the openings first, as often as it takes, then those of the packets, then those of the clock.
#[derive(Debug)]
struct Spans {
    /// Of each process.
    counts: [usize; PROCESSES],
    /// How often those of the openings come.
    times: usize,
}

impl Spans {
    /// The spans to train on.
    fn of(courses: &Courses) -> Self {
        let counts = courses.processes().map(Course::spans);
        let times = counts[PACKETS] / (RATIO * counts[OPENINGS].max(1));
        Self {
            counts,
            times: times.max(1),
        }
    }

    /// The spans to validate with: each once.
    fn once(courses: &Courses) -> Self {
        let counts = courses.processes().map(Course::spans);
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
    /// Nats a packet of the trace: of the packet itself, of its step of the clock, and of the openings, as many as come on a packet.
    pub loss: f64,
    /// Nats that a packet costs, given the packets of its flow before it.
    pub packets: f64,
    /// Nats that an opening costs, given the openings before it.
    pub openings: f64,
    /// Nats that a step of the clock costs, given the steps before it and the plan.
    pub clock: f64,
    /// Mean nats an event of the training since the last validation, of all processes as they come.
    pub training_loss: f64,
}

impl fmt::Display for Validation {
    /// As in `12.345 nats a packet, 20.12 an opening, 9.876 a step of the clock`.
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

/// Settings and data of the training of an autoregressive generator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Settings.
    pub training: AutoregressiveConfig,
    /// Files that the packets came from.
    pub sources: Vec<SourceEntry>,
    /// Packets to train on.
    pub training_packets: u64,
    /// Packets to select the best weights with.
    pub validation_packets: u64,
}

/// What a training reads.
#[derive(Debug, Clone)]
pub struct Data {
    /// To train on.
    pub training: Courses,
    /// To select the best weights with.
    pub validation: Courses,
    /// The dictionary that gives `tcp_opt_profile` its meaning in both.
    pub profiles: OptionProfiles,
    /// Files that they came from: for the manifest alone.
    pub sources: Vec<SourceEntry>,
}

/// Trains a generator and leaves the best one in the session's folder, with `history.jsonl` and `manifest.json`. Checkpoints and `progress`
/// are those of the codec's [`train`](crate::codec::training::train).
///
/// # Errors
/// If a setting is out of its range, there are no packets, a file cannot be read or written, the loss is no longer finite, the training was
/// stopped, or the checkpoint is of other data or settings.
pub fn train(
    config: &AutoregressiveConfig,
    data: &Data,
    session: &Session<'_>,
    progress: impl FnMut(&Progress<'_, Validation>) -> ControlFlow<()>,
) -> Result<(Autoregressive, Report<Validation>), Error> {
    session.check_cpu()?;
    config.check()?;
    for (name, courses) in [
        ("training", &data.training),
        ("validation", &data.validation),
    ] {
        if courses.packets() == 0 {
            return Err(Error::NoData(name));
        }
        if courses.openings() < 2 {
            return Err(Error::NoOpenings(name));
        }
    }
    let origin = Origin {
        training: config.clone(),
        sources: data.sources.clone(),
        training_packets: data.training.packets(),
        validation_packets: data.validation.packets(),
    };
    let report = train::run(
        &mut AutoregressiveTask::new(config, data, session)?,
        &config.train.budget(),
        &Arc::new(Spans::of(&data.training)),
        session,
        &run_digest(config, data),
        origin,
        progress,
    )?;
    Ok((Autoregressive::load(session.folder)?, report))
}

/// The digest that tells whether a checkpoint belongs to a training.
fn run_digest(config: &AutoregressiveConfig, data: &Data) -> String {
    let mut hasher = blake3::Hasher::new();
    let settings = serde_json::json!([config, data.profiles.to_hex(), data.training.labels()]);
    hasher.update(settings.to_string().as_bytes());
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
        data: &'a Data,
        session: &Session<'_>,
    ) -> Result<Self, Error> {
        let tensors = Device::Cpu.open()?;
        let labels = data.training.labels().to_vec();
        let networks = networks(&config.model, labels.len(), config.train.seed, &tensors);
        let events = Events::default();
        Ok(Self {
            model: Autoregressive::new(
                config.model.clone(),
                labels,
                data.training.rates(),
                data.profiles.clone(),
                Weights::of(&networks),
            ),
            validation: Vec::new(),
            threads: session.threads.unwrap_or_else(default_threads),
            activity: events.activity(),
            events,
            networks,
            tensors,
            config: &config.train,
            data,
        })
    }

    /// The spans of one process as a batch. A label is hidden where `hides` says so.
    fn batch(
        &self,
        courses: &Courses,
        spans: &[Span],
        process: usize,
        mut hides: impl FnMut() -> bool,
    ) -> Batch {
        let course = courses.processes()[process];
        let mut batch = Batch::default();
        for span in spans.iter().filter(|span| span.process == process) {
            batch.spans += 1;
            self.add_span(
                course,
                course.span(span.number),
                process,
                hides(),
                &mut batch,
            );
        }
        batch
    }

    fn add_span(
        &self,
        course: &Course,
        span: Range<usize>,
        process: usize,
        hides: bool,
        batch: &mut Batch,
    ) {
        let padding = SPAN - span.len();
        let mut past = Past::default();
        for event in span.clone() {
            let row = course.row(event);
            let begins = course.starts(event);
            if begins {
                past = Past::default();
            }
            if process != CLOCK {
                past.take(course.told(event), &self.events);
            }
            batch.inputs.extend_from_slice(row);
            if hides {
                *batch.inputs.last_mut().expect("a row has symbols") = 0;
            }
            let keeps = !begins && event > span.start;
            batch.keep.push(f32::from(u8::from(keeps)));
            match course.fate(event) {
                Fate::Next if process == CLOCK => add_step(course.told(event + 1), batch),
                Fate::Next => self.add_next(course.told(event + 1), process, &past, batch),
                fate => add_last(fate, &past, course.symbols(), batch),
            }
        }
        for _ in 0..padding {
            batch.inputs.extend_from_slice(course.row(span.start));
            batch.keep.push(0.0);
            add_last(Fate::Unknown, &past, course.symbols(), batch);
        }
    }

    /// What an event that is followed by another is to tell.
    fn add_next(&self, next: &[u8], process: usize, past: &Past, batch: &mut Batch) {
        let role = self.events.action(next).role() as usize;
        let direction = self.events.position("dir");
        batch.targets.extend_from_slice(next);
        for symbol in 0..next.len() {
            // Openings never end.
            let is_told = symbol != ENDS || process == PACKETS;
            let counts = is_told && self.activity.covers(next, symbol);
            batch.mask.push(f32::from(u8::from(counts)));
            let role = (symbol > direction).then_some(role);
            batch.copies.push(past.value(symbol, role));
        }
    }

    /// Nats a packet of the validation trace, of nats an event of each process.
    fn nats_a_packet(&self, [openings, packets, clock]: [f64; PROCESSES]) -> f64 {
        let courses = &self.data.validation;
        let opening_share = courses.openings() as f64 / courses.packets() as f64;
        packets + clock + opening_share * openings
    }

    /// Nats an event of the validation spans of a process, for a guess that knows how frequent each value of a symbol is in
    /// training, and nothing else.
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
        let courses = &self.data.validation;
        let mut nats = 0.0;
        each_target(
            &self.batch(courses, &self.validation, process, || false),
            symbols,
            |symbol, value| {
                let all: f64 = counts[symbol].iter().sum();
                nats -= (counts[symbol][value] / all).ln();
            },
        );
        let course = courses.processes()[process];
        let spans = self
            .validation
            .iter()
            .filter(|span| span.process == process);
        let events: usize = spans.map(|span| course.span(span.number).len()).sum();
        nats / (events as f64).max(1.0)
    }

    /// Nats an event of the validation spans of a process.
    fn validation_nats(&self, process: usize) -> f64 {
        let pieces: Vec<&[Span]> = self.validation.chunks(PIECE).collect();
        let courses = &self.data.validation;
        let sums = ordered(
            self.threads,
            pieces.len(),
            || (),
            |(), i| {
                let batch = self.batch(courses, pieces[i], process, || false);
                if batch.spans == 0 {
                    return (0.0, 0.0);
                }
                let network = self.networks.of(process);
                let nats: f32 = network.surprise(&batch).into_scalar();
                let of = |span: &&Span| span.process == process;
                let spans = pieces[i].iter().filter(of);
                let course = courses.processes()[process];
                let events: usize = spans.map(|span| course.span(span.number).len()).sum();
                (f64::from(nats), events as f64)
            },
        );
        let (nats, events) = sums
            .into_iter()
            .fold((0.0, 0.0), |(nats, events), (more, count)| {
                (nats + more, events + count)
            });
        nats / f64::max(events, 1.0)
    }
}

/// Visits the symbols and values of a batch that are to be predicted.
fn each_target(batch: &Batch, symbols: usize, mut visit: impl FnMut(usize, usize)) {
    for (i, (&value, &mask)) in batch.targets.iter().zip(&batch.mask).enumerate() {
        if mask > 0.0 {
            visit(i % symbols, value.into());
        }
    }
}

/// What a step of the clock is to tell: all of the next one.
fn add_step(next: &[u8], batch: &mut Batch) {
    batch.targets.extend_from_slice(next);
    batch.mask.extend(vec![1.0; next.len()]);
    batch.copies.extend(vec![CLASSES as u8; next.len()]);
}

/// What an event that is the last is to tell: that it is, where that is known.
fn add_last(fate: Fate, past: &Past, symbols: usize, batch: &mut Batch) {
    let ends = u8::from(fate == Fate::End);
    let mut row = vec![0; symbols];
    let mut mask = vec![0.0; symbols];
    (row[ENDS], mask[ENDS]) = (ends, f32::from(ends));
    batch.targets.extend(row);
    batch.mask.extend(mask);
    // What may be repeated must not tell whether there is a next event.
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

    /// Nats an event.
    fn objective(
        &self,
        network: &Networks,
        spans: &[Span],
        place: u64,
        at: &Position<'_, Validation>,
    ) -> Tensor<1> {
        let mut rng = stream(self.config.seed, Purpose::Batch, place);
        let mut hides = || rng.random_bool(self.config.label_dropout);
        let surprises = (0..PROCESSES).filter_map(|process| {
            let batch = self.batch(&self.data.training, spans, process, &mut hides);
            (batch.spans > 0).then(|| network.of(process).surprise(&batch))
        });
        let surprise = surprises.reduce(|a, b| a + b);
        surprise.expect("there are spans") / (at.batch * SPAN) as f64
    }

    fn update(&self, at: &Position<'_, Validation>) -> Update {
        let rate = schedule::learning_rate(at.share, self.config.warm_up, 0.01);
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
    ) -> Result<Validation, Error> {
        let nats = [OPENINGS, PACKETS, CLOCK].map(|process| self.validation_nats(process));
        let [openings, packets, clock] = nats;
        Ok(Validation {
            step: at.step,
            loss: self.nats_a_packet(nats),
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
        Verdict::of_loss(best.loss, guessing, "nats a packet", hint)
    }
}

#[cfg(test)]
mod tests {
    use tracecodec::action::{Action, Control, Direction, FlowEvent};

    use super::*;

    /// Flows of a SYN and a FIN of either side, over at once.
    fn courses(flows: u16) -> Courses {
        let mut courses = Courses::new(&[]);
        courses.begin(None);
        for flow_token in 0..flows {
            for (flow_evt, dir, tcp_ctrl) in [
                (FlowEvent::Open, Direction::Orig, Control::Syn),
                (FlowEvent::Continue, Direction::Orig, Control::Fin),
                (FlowEvent::Continue, Direction::Resp, Control::Fin),
            ] {
                courses.push(&Action {
                    flow_token,
                    flow_evt,
                    dir,
                    tcp_ctrl,
                    delta_t: 1_000,
                    ..Action::default()
                });
            }
        }
        courses.end();
        courses
    }

    fn batch_of(process: usize) -> Batch {
        let data = Data {
            training: courses(5),
            validation: courses(2),
            profiles: OptionProfiles::new(),
            sources: Vec::new(),
        };
        let config = AutoregressiveConfig::default();
        let session = Session::new(Path::new("model"));
        let task = AutoregressiveTask::new(&config, &data, &session).unwrap();
        let span = Span { process, number: 0 };
        task.batch(&data.training, &[span], process, || false)
    }

    /// What may be repeated is the same before a next event and before none: else it would tell which is to come.
    #[test]
    fn test_nothing_but_the_targets_tells_that_a_course_ends() {
        let batch = batch_of(PACKETS);
        let symbols = Events::default().len();
        let of = |values: &[u8], event: usize| values[event * symbols + ENDS];
        let ends: Vec<u8> = (0..15).map(|event| of(&batch.targets, event)).collect();
        assert_eq!(ends, [0, 0, 1].repeat(5));
        for event in 0..15 {
            assert_eq!(of(&batch.copies, event), 0, "{event}");
            assert_eq!(batch.mask[event * symbols + ENDS], 1.0);
        }
        // Padding tells nothing.
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
        let events = Events::default();
        let width = events.time_sizes().len();
        let steps: Vec<i64> = batch
            .targets
            .chunks(width)
            .map(|row| events.time(row))
            .collect();
        assert_eq!(steps[..14], [1_000; 14]);
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

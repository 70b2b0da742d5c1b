//! `generate`: a trace that a generator makes, or continues.

use std::path::PathBuf;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tracecodec::action::{Action, ActionSchema, FlowEvent, OptionProfiles, Services};
use tracecodec::compile::{CompileConfig, Compiler, PayloadPolicy, SplitCounts};
use tracecodec::flow::MAX_SLOTS;
use tracecodec::lift::Lifter;
use tracecodec::pcap::Timestamp;
use tracecodec_nn::generator::autoregressive::Familiarity;
use tracecodec_nn::generator::{Drawing, Pace, Trace};

use crate::disclosure::{Disclosure, NEUTRAL_EPOCH};
use crate::error::Error;
use crate::files::capture::Capture;
use crate::files::writer::{CaptureWriter, Origin};
use crate::files::{ReadPolicy, claim};

use crate::model::GeneratorChoice;
use crate::monitor::{Monitor, Progress, Warning};
use crate::realise::{Realise, Realised};

/// Nanoseconds of a trace from nothing that are not written, at least and at most.
const SHORTEST_WARM_UP: i64 = 2_000_000_000;
const LONGEST_WARM_UP: i64 = 60_000_000_000;

/// Packets of a trace from nothing that are not written, at most.
const LARGEST_WARM_UP: u64 = 300_000;

/// How long a trace, from what and where to. At least one of `packets` and `duration` is needed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// Capture to write; `-` is stdout.
    pub output: PathBuf,
    /// Write a capture for each session, the client first, into the folder `output`.
    #[serde(default)]
    pub split_flows: bool,
    /// Stop after this many packets.
    #[serde(default)]
    pub packets: Option<u64>,
    /// Stop after this many seconds of the trace.
    #[serde(default)]
    pub duration: Option<f64>,
    /// Seed of every random draw.
    #[serde(default)]
    pub seed: u64,
    /// Capture to continue; `-` is stdin.
    #[serde(default)]
    pub prefix: Option<PathBuf>,
    /// Write the prefix, too, before its continuation, with synthetic endpoints like it.
    #[serde(default)]
    pub with_prefix: bool,
    /// Begin before the first flow opens. Without it a trace from nothing begins with flows open,
    /// as captures do: the generator runs for a while before its packets are written.
    #[serde(default)]
    pub from_silence: bool,
    /// Label of the training data whose kind of traffic to make. Without it, autoregressive
    /// generators find the likeliest label of a prefix, and a trace from nothing has none.
    #[serde(default)]
    pub label: Option<String>,
    /// Packets a second, on average: the times of the model are stretched or shrunk. Without it a
    /// trace has the rates that the model learned, whatever the rate of a prefix.
    #[serde(default)]
    pub rate: Option<f64>,
    /// The generator.
    #[serde(flatten)]
    pub generator: GeneratorChoice,
    /// Take packets as they are drawn, also if they contradict the state of their flow.
    #[serde(default)]
    pub unconstrained: bool,
    /// Threads; `None`: as many as there are cores. The trace does not depend on them.
    #[serde(default)]
    pub threads: Option<usize>,
    /// How actions are realised.
    #[serde(flatten)]
    pub realise: Realise,
    /// When the trace begins.
    #[serde(flatten)]
    pub disclosure: Disclosure,
    /// How the prefix is read.
    #[serde(flatten)]
    pub read: ReadPolicy,
}

/// What was generated.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Path of the capture.
    pub output: String,
    /// Name of the generator.
    pub model: String,
    /// Seed of every random draw.
    pub seed: u64,
    /// Salt of the synthetic endpoints.
    pub salt: u64,
    /// The label that was asked for, or that the prefix was found to have; `None` if there is none.
    pub label: Option<String>,
    /// Packets of the prefix.
    pub prefix_packets: u64,
    /// How familiar the prefix is to the generator; `None` without a prefix, or if the generator
    /// cannot tell.
    pub familiarity: Option<Familiarity>,
    /// Packets that were generated.
    pub packets: u64,
    /// Seconds that they last.
    pub seconds: f64,
    /// Flows that opened.
    pub flows: u64,
    /// Most flows with a packet yet to come; `None` if the generator does not plan ahead.
    pub most_open_flows: Option<usize>,
    /// Packets that contradicted the state of their flow and were corrected, those included that
    /// are drawn but not yet due.
    #[serde(rename = "settled")]
    pub corrected: u64,
    /// Segments beyond the MTU, and what took their place; `None` without an MTU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<SplitCounts>,
    /// What the compiler had to change, and what became of payload.
    #[serde(flatten)]
    pub realised: Realised,
    /// Packets generated in a second of computation.
    pub packets_per_second: f64,
}

/// Generates a trace. Packets are written as they are made: memory grows with the open flows.
///
/// # Errors
/// If a setting is out of its range, the generator or the prefix cannot be read, the capture cannot
/// be written, or the monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    config.check()?;
    if let Some(prefix) = &config.prefix {
        claim::distinct(&[prefix], &config.output)?;
    }
    let model = config.generator.load(monitor)?;
    let mut drawing = Drawing {
        seed: config.seed,
        label: config.label.clone(),
        constrained: !config.unconstrained,
        ..Drawing::default()
    };
    drawing.threads = config.threads.unwrap_or(drawing.threads);
    let mut realise = config.realise.config(model.schema())?;
    if config.realise.payload.is_none() && model.schema().services == Services::Class {
        realise.payload = PayloadPolicy::Shaped;
    }
    let mut making = Making {
        config,
        realise,
        schema: model.schema(),
        compiler: None,
        profiles: model.option_profiles().clone(),
        writer: CaptureWriter::of(
            &config.output,
            config.realise.microseconds,
            config.split_flows,
        )?
        .splitting(config.realise.splitter()?)
        .synthetic(&Origin::Generator(model.digest()), realise.payload)?,
        trace: model.generate(&drawing)?,
        pace: Pace::new(config.rate, model.rate(config.label.as_deref())),
        flows: 0,
        most_open_flows: None,
    };
    let prefix_packets = making.follow(monitor)?;
    if prefix_packets == 0 && !config.from_silence {
        making.warm_up(monitor)?;
    }
    let started = Instant::now();
    let (packets, nanoseconds) = making.generate(monitor)?;
    let taken = started.elapsed().as_secs_f64();
    if let Some(familiarity) = making
        .trace
        .familiarity()
        .filter(Familiarity::is_unfamiliar)
    {
        monitor.warn(&unfamiliar(&familiarity));
    }
    let outcome = Outcome {
        output: config.output.display().to_string(),
        model: config.generator.model.label(),
        seed: config.seed,
        salt: realise.salt.0,
        label: making.trace.label().map(str::to_string),
        prefix_packets,
        familiarity: making.trace.familiarity(),
        packets,
        seconds: nanoseconds as f64 / 1e9,
        flows: making.flows,
        most_open_flows: making.most_open_flows,
        corrected: making.trace.corrected(),
        split: making.writer.split(),
        realised: making.realised(),
        packets_per_second: packets as f64 / taken.max(1e-9),
    };
    making.writer.finish(monitor)?;
    Ok(outcome)
}

impl Config {
    fn check(&self) -> Result<(), Error> {
        if self.packets.is_none() && self.duration.is_none() {
            return Err(Error::refused(
                "neither `packets` nor `duration`",
                "say how long the trace is to be",
            ));
        }
        if self.packets == Some(0) || self.threads == Some(0) {
            return Err(Error::refused(
                "0 `packets` or `threads`",
                "both number from 1 on",
            ));
        }
        let is_positive = |number: f64| number > 0.0 && number.is_finite();
        if ![self.duration, self.rate]
            .into_iter()
            .flatten()
            .all(is_positive)
        {
            return Err(Error::refused(
                "`duration` and `rate` are numbers above 0",
                "seconds of the trace, and packets a second",
            ));
        }
        if self.with_prefix && self.prefix.is_none() {
            return Err(Error::refused(
                "`with_prefix` without a prefix",
                "name the capture to continue as `prefix`",
            ));
        }
        if self.read != ReadPolicy::default() && self.prefix.is_none() {
            return Err(Error::refused(
                "a selection of packets, `sort` or `lenient` without a prefix",
                "name the capture to continue as `prefix`",
            ));
        }
        Ok(())
    }
}

/// A trace in the making, and the capture that it is written to.
struct Making<'a> {
    config: &'a Config,
    realise: CompileConfig,
    schema: ActionSchema,
    /// Made with the first packet, which has the trace's epoch.
    compiler: Option<Compiler>,
    profiles: OptionProfiles,
    writer: CaptureWriter,
    trace: Trace<'a>,
    pace: Pace,
    flows: u64,
    most_open_flows: Option<usize>,
}

impl Making<'_> {
    /// Follows the prefix. Returns how many packets it has.
    fn follow(&mut self, monitor: &mut dyn Monitor) -> Result<u64, Error> {
        let Some(prefix) = &self.config.prefix else {
            return Ok(0);
        };
        let profiles = self.profiles.clone().thaw();
        let mut lifter = Lifter::new(self.schema, MAX_SLOTS, profiles);
        let mut capture = Capture::open(prefix, &self.config.read)?;
        let mut packets = 0;
        capture.for_each(monitor, |packet| {
            let Ok(action) = lifter.lift(packet) else {
                // Out of scope is no error: the lifter counts it.
                return Ok(());
            };
            packets += 1;
            self.trace.follow(&action);
            let compiler = compiler(&mut self.compiler, self.realise, self.config, packet.time);
            let packet = compiler.compile(&action, lifter.profiles());
            if self.config.with_prefix {
                self.writer.write(&packet)
            } else {
                Ok(())
            }
        })?;
        if packets == 0 {
            monitor.warn(&Warning::new(format!(
                "{} has no packet in scope to continue: the trace is from nothing",
                prefix.display()
            )));
        }
        self.profiles = lifter.into_profiles();
        Ok(packets)
    }

    /// Makes packets that are not written, until about as many flows end as open: the number of
    /// open flows has grown by less than a twentieth since half the time that has passed.
    fn warm_up(&mut self, monitor: &mut dyn Monitor) -> Result<(), Error> {
        if self.trace.open_flows().is_none() {
            return Ok(());
        }
        let (mut clock, mut packets) = (0_i64, 0);
        let mut grown: Vec<(i64, usize)> = Vec::new();
        while clock < LONGEST_WARM_UP && packets < LARGEST_WARM_UP {
            monitor.step(&Progress {
                stage: "warming up",
                done: packets,
                total: None,
                detail: "packets",
            })?;
            let batch = self.trace.batch();
            for action in &batch {
                clock = clock.saturating_add(action.delta_t);
                packets += 1;
                let still = Action {
                    delta_t: 0,
                    ..*action
                };
                compiler(&mut self.compiler, self.realise, self.config, NEUTRAL_EPOCH)
                    .compile(&still, &self.profiles);
            }
            let open = self.trace.open_flows().unwrap_or(0);
            grown.push((clock, open));
            let half = grown.partition_point(|(time, _)| *time < clock / 2);
            let is_steady = open as f64 <= 1.05 * grown[half].1 as f64;
            if batch.is_empty() || clock >= SHORTEST_WARM_UP && is_steady {
                break;
            }
        }
        Ok(())
    }

    /// Makes packets until there are enough. Returns how many, and the nanoseconds that they last.
    fn generate(&mut self, monitor: &mut dyn Monitor) -> Result<(u64, i64), Error> {
        let Config {
            packets, duration, ..
        } = self.config;
        let longest = duration.map_or(i64::MAX, |seconds| (seconds * 1e9) as i64);
        let most = packets.unwrap_or(u64::MAX);
        if let Some(compiler) = self.compiler.as_mut()
            && !self.config.with_prefix
        {
            // Of what came before, nothing was written.
            compiler.forget_counts();
        }
        let (mut packets, mut clock) = (0, 0_i64);
        'making: loop {
            monitor.step(&self.progress(packets, clock))?;
            let batch = self.trace.batch();
            if batch.is_empty() {
                break;
            }
            self.most_open_flows = self.most_open_flows.max(self.trace.open_flows());
            for action in batch {
                let delta_t = self.pace.step(action.delta_t);
                if packets == most || clock.saturating_add(delta_t) > longest {
                    break 'making;
                }
                packets += 1;
                clock = clock.saturating_add(delta_t);
                self.flows += u64::from(action.flow_evt != FlowEvent::Continue);
                let action = Action { delta_t, ..action };
                let compiler =
                    compiler(&mut self.compiler, self.realise, self.config, NEUTRAL_EPOCH);
                self.writer
                    .write(&compiler.compile(&action, &self.profiles))?;
            }
        }
        Ok((packets, clock))
    }

    fn progress(&self, packets: u64, clock: i64) -> Progress<'static> {
        let Config { duration, .. } = self.config;
        match self.config.packets {
            Some(total) => Progress {
                stage: "generating",
                done: packets,
                total: Some(total),
                detail: "packets",
            },
            None => Progress {
                stage: "generating",
                done: (clock / 1_000_000_000) as u64,
                total: duration.map(|seconds| seconds.ceil() as u64),
                detail: "seconds",
            },
        }
    }

    fn realised(&self) -> Realised {
        let compiler = self.compiler.as_ref();
        compiler.map(Realised::of).unwrap_or_default()
    }
}

fn unfamiliar(familiarity: &Familiarity) -> Warning {
    let Familiarity { nats, held_out } = familiarity;
    let message = format!(
        "the prefix is unlike the traffic that the generator learned from: {nats:.1} nats a packet, and {:.1} in held-out data, of which 95 % have at most {:.1}; its continuation will look more like that traffic than like the prefix",
        held_out.mean, held_out.unfamiliar
    );
    Warning::new(message).with_hint(
        "train a generator on captures of this network with `from_model` built-in: it takes a few minutes",
    )
}

/// The compiler; if there is none yet, one for a trace whose first packet has this time.
fn compiler<'a>(
    compiler: &'a mut Option<Compiler>,
    realise: CompileConfig,
    config: &Config,
    first: Timestamp,
) -> &'a mut Compiler {
    let epoch = config.disclosure.epoch(Some(first)).unwrap_or(first);
    compiler.get_or_insert_with(|| Compiler::new(realise, epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_a_selection_needs_a_prefix() {
        let mut config = Config {
            packets: Some(1),
            ..Config::default()
        };
        assert!(config.check().is_ok());
        config.read.selection.first = Some(5);
        let error = config.check().unwrap_err();
        assert!(error.to_string().ends_with("without a prefix"), "{error}");
        config.prefix = Some("prefix.pcap".into());
        assert!(config.check().is_ok());
    }
}

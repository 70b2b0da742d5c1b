//! `generate`: a trace that a generator makes, or goes on with.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use serde::Serialize;
use tracecodec::action::{Action, FlowEvent, OptionProfiles};
use tracecodec::compile::Compiler;
use tracecodec::flow::MAX_SLOTS;
use tracecodec::lift::Lifter;
use tracecodec::pcap::Timestamp;
use tracecodec_nn::generator::{Drawing, Pace, Trace};

use crate::cli::{OutputArg, ReadArgs, RealiseArgs};
use crate::generator_args::GeneratorModelArgs;
use crate::input::{Input, progress_bar};
use crate::interrupt;
use crate::output::{
    CaptureOutput, check_distinct, check_stdout, legalisation_line, print_summary,
};
use tracecodec_pipeline::realise::legalisations;

/// When a trace from nothing begins: 2026-01-01.
const EPOCH: Timestamp = Timestamp(1_767_225_600_000_000_000);

/// Generate a trace, or go on with one.
///
/// Makes any number of packets, from nothing but the model or as the continuation of a capture. The same seed gives the same bytes. Packets are
/// written as they are made: memory follows the flows that are open.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("length").required(true).multiple(true)))]
pub(crate) struct Generate {
    #[command(flatten)]
    output: OutputArg,
    /// Stop after so many packets.
    #[arg(long, value_name = "N", group = "length", value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    packets: Option<u64>,
    /// Stop after so many seconds of the trace.
    #[arg(long, value_name = "S", group = "length", value_parser = positive)]
    duration: Option<f64>,
    /// Names all random numbers.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Capture to go on with; - is stdin.
    #[arg(long, value_name = "CAPTURE")]
    prefix: Option<PathBuf>,
    /// Write the capture that is gone on with, too, before its continuation, with synthetic endpoints like it.
    #[arg(long, requires = "prefix")]
    with_prefix: bool,
    /// Label of the training data whose kind of traffic to make. Without it, autoregressive generators find the likeliest label of a prefix, and
    /// a trace from nothing has none.
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// Packets a second, on average: the times of the model are stretched or shrunk. Without it a trace goes at the rates that the model learned,
    /// whatever the rate of a prefix.
    #[arg(long, value_name = "PPS", value_parser = positive)]
    rate: Option<f64>,
    #[command(flatten)]
    model: GeneratorModelArgs,
    /// Take packets as they are drawn. By default what contradicts a flow's state is masked: the packet of a flow that is not open, an
    /// acknowledgment of what was never sent.
    #[arg(long)]
    unconstrained: bool,
    /// Threads; the trace does not depend on them.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    threads: Option<usize>,
    #[command(flatten)]
    realise: RealiseArgs,
    #[command(flatten)]
    read: ReadArgs,
}

/// The summary of a generated trace.
#[derive(Debug, Serialize)]
struct Summary {
    output: String,
    model: String,
    seed: u64,
    salt: u64,
    /// The label that was told, or that the prefix was found to have; null if there is none.
    label: Option<String>,
    /// Packets of the prefix that was gone on with.
    prefix_packets: u64,
    packets: u64,
    seconds: f64,
    /// Flows that opened.
    flows: u64,
    /// Most flows with a packet yet to come; none where the generator does not plan ahead.
    most_open_flows: Option<usize>,
    /// Packets that contradicted their flow's state, and were made to agree, those that are drawn but not yet due included.
    settled: u64,
    legalisations: BTreeMap<&'static str, u64>,
    packets_per_second: f64,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err("a number above 0".to_string()),
    }
}

pub(crate) fn run(args: &Generate, json: bool) -> Result<()> {
    let path = &args.output.output;
    check_stdout(json, path)?;
    if let Some(prefix) = &args.prefix {
        check_distinct(&[prefix], path)?;
    }
    let model = args.model.load()?;
    let mut drawing = Drawing {
        seed: args.seed,
        label: args.label.clone(),
        constrained: !args.unconstrained,
        ..Drawing::default()
    };
    drawing.threads = args.threads.unwrap_or(drawing.threads);
    let mut making = Making {
        compiler: Compiler::new(args.realise.config()?, EPOCH),
        profiles: model.option_profiles().clone(),
        output: CaptureOutput::create(path, args.realise.us)?,
        trace: model.generate(&drawing)?,
        pace: Pace::new(args.rate, model.rate(args.label.as_deref())),
        flows: 0,
        most_open_flows: None,
    };
    let prefix_packets = making.follow(args)?;
    let started = std::time::Instant::now();
    let (packets, nanoseconds) = making.generate(args)?;
    let summary = Summary {
        output: path.display().to_string(),
        model: args.model.name(),
        seed: args.seed,
        salt: args.realise.config()?.salt.0,
        label: making.trace.label().map(str::to_string),
        prefix_packets,
        packets,
        seconds: nanoseconds as f64 / 1e9,
        flows: making.flows,
        most_open_flows: making.most_open_flows,
        settled: making.trace.settled(),
        legalisations: legalisations(making.compiler.legalisations()),
        packets_per_second: packets as f64 / started.elapsed().as_secs_f64().max(1e-9),
    };
    let open = summary.most_open_flows;
    let open = open.map_or(String::new(), |open| format!(", at most {open} flows open"));
    // A label that was told needs no telling.
    let found = summary.label.as_ref().filter(|_| args.label.is_none());
    let found = found.map_or(String::new(), |label| {
        format!(", of label {label} by its prefix")
    });
    let line = format!(
        "{}: {} packets in {:.3} s of traffic{found}, {} flows opened{open}; {} made to agree with their flow{}; {:.0} packets/s",
        summary.output,
        summary.packets,
        summary.seconds,
        summary.flows,
        summary.settled,
        legalisation_line(&summary.legalisations),
        summary.packets_per_second
    );
    making.output.finish()?;
    print_summary(json, &summary, &line)
}

/// A trace in the making, and the capture that it goes to.
struct Making<'a> {
    compiler: Compiler,
    profiles: OptionProfiles,
    output: CaptureOutput,
    trace: Trace<'a>,
    pace: Pace,
    flows: u64,
    most_open_flows: Option<usize>,
}

impl Making<'_> {
    /// Follows the prefix; tells how many packets it has.
    fn follow(&mut self, args: &Generate) -> Result<u64> {
        let Some(prefix) = &args.prefix else {
            return Ok(0);
        };
        let mut lifter = Lifter::new(MAX_SLOTS, self.profiles.clone().thaw());
        let mut input = Input::open(prefix, args.read)?;
        let mut packets = 0;
        input.for_each(|packet| {
            let Ok(action) = lifter.lift(packet) else {
                // Out of scope is no error: lift counts it.
                return Ok(());
            };
            if packets == 0 {
                self.compiler = Compiler::new(args.realise.config()?, packet.time);
            }
            packets += 1;
            self.trace.follow(&action);
            let packet = self.compiler.compile(&action, lifter.profiles());
            match args.with_prefix {
                true => self.output.write(&packet),
                false => Ok(()),
            }
        })?;
        if packets == 0 {
            eprintln!(
                "warning: {} has no packet in scope to go on with: the trace is from nothing",
                prefix.display()
            );
        }
        self.profiles = lifter.into_profiles();
        Ok(packets)
    }

    /// Makes packets until there are enough; tells how many, and how long they last.
    fn generate(&mut self, args: &Generate) -> Result<(u64, i64)> {
        let longest = args
            .duration
            .map_or(i64::MAX, |seconds| (seconds * 1e9) as i64);
        let most = args.packets.unwrap_or(u64::MAX);
        let bar = match args.packets {
            Some(packets) => progress_bar(Some(packets), "packets"),
            None => progress_bar(
                args.duration.map(|seconds| seconds.ceil() as u64),
                "seconds",
            ),
        };
        let (mut packets, mut clock) = (0, 0_i64);
        'making: loop {
            interrupt::check()?;
            let batch = self.trace.batch();
            if batch.is_empty() {
                break;
            }
            for action in batch {
                let delta_t = self.pace.step(action.delta_t);
                if packets == most || clock.saturating_add(delta_t) > longest {
                    break 'making;
                }
                packets += 1;
                clock = clock.saturating_add(delta_t);
                self.flows += u64::from(action.flow_evt != FlowEvent::Continue);
                let action = Action { delta_t, ..action };
                let packet = self.compiler.compile(&action, &self.profiles);
                self.output.write(&packet)?;
            }
            self.most_open_flows = self.most_open_flows.max(self.trace.open_flows());
            match args.packets {
                Some(_) => bar.set_position(packets),
                None => bar.set_position((clock / 1_000_000_000) as u64),
            }
        }
        bar.finish_and_clear();
        Ok((packets, clock))
    }
}

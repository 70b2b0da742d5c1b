//! `probe`: the local geometry of a codec's latents.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec_nn::probe::{Between, Dimension, Interpolation, Noise};
use tracecodec_nn::{Probe as Probed, ProbeConfig};
use tracecodec_pipeline::monitor::counted;
use tracecodec_pipeline::run::probe;

use crate::args::{CaptureArgs, LiftArgs, ModelArgs};
use crate::output::{check_stdout, print, print_json};
use crate::terminal::Terminal;

/// Measure whether near latents decode to near packets.
///
/// Encodes packets of a capture and decodes what lies around their latents: with noise, on the way
/// from one packet to another, and along each dimension. docs/results.md explains the figures;
/// --json prints all of them.
#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// Capture to read; - is stdin.
    #[arg(value_name = "CAPTURE")]
    input: PathBuf,
    /// Most packets to probe, in runs that are spread evenly over the capture.
    #[arg(long, value_name = "N", default_value_t = ProbeConfig::default().packets)]
    packets: usize,
    /// Seed of the noise and of the random pairs.
    #[arg(long, value_name = "SEED", default_value_t = ProbeConfig::default().seed)]
    seed: u64,
    /// Draw what the dimensions change to this file, as SVG.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    read: CaptureArgs,
    #[command(flatten)]
    lift: LiftArgs,
}

pub(crate) fn run(args: &Probe, json: bool) -> Result<()> {
    if let Some(svg) = &args.svg {
        check_stdout(json, svg)?;
    }
    let config = probe::Config {
        input: args.input.clone(),
        packets: args.packets,
        seed: args.seed,
        svg: args.svg.clone(),
        model: args.model.name(),
        device: args.model.device.device(),
        read: args.read.policy(),
        lift: args.lift.lifting(),
    };
    let outcome = probe::run(&config, &mut Terminal::new())?;
    if json {
        return print_json(&outcome);
    }
    print(&render(&outcome.probe)?)
}

fn render(probe: &Probed) -> Result<String> {
    let mut text = String::new();
    writeln!(
        text,
        "{}, {:.1} nats each, {}",
        counted(probe.packets as u64, "packet"),
        probe.kl_nats,
        counted(probe.dimensions.len() as u64, "dimension")
    )?;
    render_noise(&mut text, &probe.noise)?;
    render_way(
        &mut text,
        "the next one of its protocol and direction",
        &probe.neighbours,
    )?;
    render_way(&mut text, "any other", &probe.random_pairs)?;
    render_dimensions(&mut text, &probe.dimensions)?;
    Ok(text)
}

/// What comes back at each level of noise, and how wrong the rest is.
fn render_noise(text: &mut String, levels: &[Noise]) -> Result<()> {
    write!(
        text,
        "\n{:<14}{:>10}{:>12}{:>12}",
        "noise (sigma)", "distance", "fields", "packets"
    )?;
    let quantities: Vec<&str> = levels
        .first()
        .map_or(Vec::new(), |level| level.wrong.keys().copied().collect());
    for name in &quantities {
        write!(text, "{name:>22}")?;
    }
    writeln!(text)?;
    for level in levels {
        let [fields, packets] = [level.fields, level.packets].map(|share| percent(Some(share)));
        let distance = number(level.distance, 2);
        write!(
            text,
            "{:<14}{distance:>10}{fields:>12}{packets:>12}",
            level.scale
        )?;
        for name in &quantities {
            let wrong = level.wrong[name];
            let error = match (wrong.median_error, *name) {
                (None, _) => String::new(),
                (Some(error), "delta_t") => format!(" by {}", percent(Some(error))),
                (Some(error), _) => format!(" by {error}"),
            };
            write!(text, "{:>22}", format!("{}{error}", percent(wrong.share)))?;
        }
        writeln!(text)?;
    }
    writeln!(
        text,
        "by quantity: wrong in so many packets, by so much (median)"
    )?;
    Ok(())
}

/// What lies between pairs of packets.
fn render_way(text: &mut String, of: &str, way: &Interpolation) -> Result<()> {
    writeln!(
        text,
        "\nfrom a packet to {of}: {}",
        counted(way.pairs as u64, "pair")
    )?;
    let [distance, changes] = [way.distance, way.changes].map(|value| number(value, 2));
    writeln!(
        text,
        "  latents {distance} apart; {changes} of 8 steps change a field"
    )?;
    writeln!(
        text,
        "  {:<8}{:>12}{:>14}{:>14}{:>14}",
        "t", "fields", "ends agree", "ends differ", "packets"
    )?;
    for point in &way.points {
        let shares = [
            point.fields,
            point.agreeing_fields,
            point.differing_fields,
            point.packets,
        ];
        let [fields, agreeing, differing, packets] = shares.map(percent);
        writeln!(
            text,
            "  {:<8}{fields:>12}{agreeing:>14}{differing:>14}{packets:>14}",
            point.t
        )?;
    }
    writeln!(text, "  with the value of one of the ends")?;
    writeln!(
        text,
        "  {:<18}{:>12}{:>12}{:>12}",
        "where ends differ", "at an end", "between", "beyond"
    )?;
    for (name, between) in &way.between {
        let Between {
            at_an_end,
            inside,
            outside,
            ..
        } = *between;
        let [at, inside, outside] = [at_an_end, inside, outside].map(percent);
        writeln!(text, "  {name:<18}{at:>12}{inside:>12}{outside:>12}")?;
    }
    Ok(())
}

/// The ten dimensions with most divergence, and the three quantities that each changes most.
fn render_dimensions(text: &mut String, dimensions: &[Dimension]) -> Result<()> {
    let step = dimensions.first().and_then(|first| first.moves.last());
    let step = step.map_or(0.0, |moved| moved.step);
    writeln!(
        text,
        "\n{:<12}{:>8}{:>10}{:>10}  a step of {step} changes",
        "dimension", "nats", "of all", "spread"
    )?;
    for dimension in dimensions.iter().take(10) {
        let most = dimension.moves.last().map(|moved| moved.most());
        let most = most.unwrap_or_default().into_iter().take(3);
        let most = most.map(|(name, share)| format!("{name} {}", percent(Some(share))));
        writeln!(
            text,
            "{:<12}{:>8.2}{:>10}{:>10.2}  {}",
            dimension.dimension,
            dimension.kl_nats,
            percent(Some(dimension.kl_share)),
            dimension.spread,
            most.collect::<Vec<_>>().join(", ")
        )?;
    }
    Ok(())
}

fn percent(share: Option<f64>) -> String {
    share.map_or("–".to_string(), |share| format!("{:.2} %", 100.0 * share))
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".to_string(), |value| format!("{value:.digits$}"))
}

//! `shard`: captures to session-preserving temporal shards.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec::shard::{
    self, Progress, ShardConfig, ShardManifest, ShardSize, Split, SplitWeights,
};

use crate::input::progress_bar;
use crate::interrupt;
use crate::output::{print, print_json};

/// Cut a capture into session-preserving temporal shards.
///
/// A session lies whole in the shard in which it starts. Shards are sorted by start and split into contiguous ranges for training,
/// validation and test. Several captures are read one after the other as one.
#[derive(Debug, Args)]
pub(crate) struct Shard {
    /// Captures to read, in order.
    #[arg(value_name = "CAPTURE", required = true)]
    inputs: Vec<PathBuf>,
    /// Folder to write; it must be new or empty.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Open the next shard when this one holds so many packets.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 2000,
        conflicts_with = "seconds"
    )]
    packets: u64,
    /// Open the next shard after so many seconds instead.
    #[arg(long, value_name = "S")]
    seconds: Option<u64>,
    /// Weights of the training, validation and test ranges.
    #[arg(long, value_name = "T,V,T", default_value = "80,10,10", value_parser = split_weights)]
    split: SplitWeights,
    /// Name of what the packets are, such as the kind of traffic, for the manifest: models may be told it.
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// Replace shards that the folder holds.
    #[arg(long)]
    overwrite: bool,
    /// Keep what comes before damage in a capture, instead of failing.
    #[arg(long)]
    lenient: bool,
}

pub(crate) fn run(args: &Shard, json: bool) -> Result<()> {
    let config = ShardConfig {
        size: args
            .seconds
            .map_or(ShardSize::Packets(args.packets), ShardSize::Seconds),
        split: args.split,
        lenient: args.lenient,
        label: args.label.clone(),
        overwrite: args.overwrite,
    };
    let size = args
        .inputs
        .iter()
        .map(|input| Some(std::fs::metadata(input).ok()?.len()))
        .sum();
    let bar = progress_bar(size, "packets");
    let manifest = shard::shard(&args.inputs, &args.output, &config, &mut |progress| {
        match progress {
            Progress::Reading { bytes, packets } => {
                bar.set_position(bytes);
                bar.set_message(format!("{packets} packets"));
            }
            Progress::Counting { shards, of } => {
                bar.set_message(format!("counted {shards} of {of} shards"))
            }
        }
        if interrupt::is_wanted() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    bar.finish_and_clear();
    warn_of_empty_splits(&manifest);
    if json {
        print_json(&manifest)
    } else {
        print(&render(&manifest)?)
    }
}

fn split_weights(text: &str) -> Result<SplitWeights, String> {
    let weights: Vec<u32> = text
        .split(',')
        .filter_map(|weight| weight.trim().parse().ok())
        .collect();
    match weights[..] {
        [train, validation, test] => Ok(SplitWeights {
            train,
            validation,
            test,
        }),
        _ => Err("three whole numbers, as in 80,10,10".to_string()),
    }
}

/// Training needs shards in each split.
fn warn_of_empty_splits(manifest: &ShardManifest) {
    let weights = manifest.config.split;
    let wanted = [weights.train, weights.validation, weights.test];
    for (split, weight) in Split::ALL.into_iter().zip(wanted) {
        if weight > 0 && manifest.of_split(split).next().is_none() {
            eprintln!(
                "warning: no shard for {}; a smaller --packets makes more shards",
                split.name()
            );
        }
    }
}

/// The paper's Table 6, and what was left out.
fn render(manifest: &ShardManifest) -> Result<String> {
    let mut text = String::new();
    writeln!(
        text,
        "{:<12}{:>8}{:>12}{:>9}{:>9}{:>9}{:>9}",
        "split", "shards", "packets", "TCP %", "UDP %", "ICMP %", "other %"
    )?;
    for row in manifest.table6() {
        let [tcp, udp, icmp, other] = row.percentages();
        let name = row.split.map_or("all", |split| split.name());
        writeln!(
            text,
            "{name:<12}{:>8}{:>12}{tcp:>9.2}{udp:>9.2}{icmp:>9.2}{other:>9.2}",
            row.shards, row.packets
        )?;
    }
    writeln!(text, "{} sessions", manifest.totals.sessions)?;
    for (reason, count) in &manifest.totals.skipped {
        writeln!(text, "left out: {count} {reason}")?;
    }
    Ok(text)
}

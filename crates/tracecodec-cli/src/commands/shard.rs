//! `shard`: captures to session-preserving temporal shards.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec::artifact::Manifest;
use tracecodec::artifact::manifest::{ShardConfig, ShardSize, SplitWeights};
use tracecodec::shard::{self, Progress};

use crate::input::progress_bar;
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
    #[arg(long, value_name = "T,V,T", num_args = 3, value_delimiter = ',', default_values_t = [80, 10, 10])]
    split: Vec<u32>,
    /// Replace shards that the folder holds.
    #[arg(long)]
    overwrite: bool,
    /// Keep what comes before damage in a capture, instead of failing.
    #[arg(long)]
    lenient: bool,
}

pub(crate) fn run(args: &Shard, json: bool) -> Result<()> {
    let [train, validation, test] = args.split[..] else {
        unreachable!("clap wants three")
    };
    let config = ShardConfig {
        size: args
            .seconds
            .map_or(ShardSize::Packets(args.packets), ShardSize::Seconds),
        split: SplitWeights {
            train,
            validation,
            test,
        },
        lenient: args.lenient,
        overwrite: args.overwrite,
    };
    let size = args
        .inputs
        .iter()
        .map(|input| Some(std::fs::metadata(input).ok()?.len()))
        .sum();
    let bar = progress_bar(size, "packets");
    let manifest = shard::shard(
        &args.inputs,
        &args.output,
        &config,
        &mut |progress| match progress {
            Progress::Reading { bytes, packets } => {
                bar.set_position(bytes);
                bar.set_message(format!("{packets} packets"));
            }
            Progress::Counting { shards, of } => {
                bar.set_message(format!("counted {shards} of {of} shards"))
            }
        },
    )?;
    bar.finish_and_clear();
    if json {
        print_json(&manifest)
    } else {
        print(&render(&manifest)?)
    }
}

/// The paper's Table 6, and what was left out.
fn render(manifest: &Manifest) -> Result<String> {
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

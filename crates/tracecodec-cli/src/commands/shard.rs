//! `shard`: captures to session-preserving temporal shards.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec::choice::Choice;
use tracecodec::shard::{ShardManifest, SplitWeights};
use tracecodec_pipeline::files::ReadPolicy;
use tracecodec_pipeline::monitor::counted;
use tracecodec_pipeline::run::shard;

use crate::args::{HeaderArgs, SelectionArgs};
use crate::count::positive_count;
use crate::output::{print, print_json};
use crate::terminal::Terminal;

/// Cut a capture into session-preserving temporal shards.
///
/// A session lies whole in the shard in which it starts. Shards are sorted by start and split into
/// contiguous ranges for training, validation and test. Several captures are read one after the
/// other as one.
#[derive(Debug, Args)]
pub(crate) struct Shard {
    /// Captures to read, in order.
    #[arg(value_name = "CAPTURE", required = true)]
    inputs: Vec<PathBuf>,
    /// Folder to write; it must be new or empty.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Open the next shard when this one holds N packets.
    #[arg(
        long,
        value_name = "N",
        default_value_t = shard::Config::default().packets,
        value_parser = positive_count,
        conflicts_with = "seconds"
    )]
    packets: u64,
    /// Open the next shard after S seconds instead.
    #[arg(long, value_name = "S", value_parser = positive_count)]
    seconds: Option<u64>,
    /// Weights of the training, validation and test ranges.
    #[arg(long, value_name = "T,V,T", default_value_t = shard::Config::default().split)]
    split: SplitWeights,
    /// Name of what the packets are, such as the kind of traffic, for the manifest: models can
    /// learn it as a label.
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// Replace shards that the folder holds.
    #[arg(long)]
    overwrite: bool,
    /// Keep what comes before damage in a capture, instead of failing.
    #[arg(long)]
    lenient: bool,
    #[command(flatten)]
    headers: HeaderArgs,
    #[command(flatten)]
    selection: SelectionArgs,
}

pub(crate) fn run(args: &Shard, json: bool) -> Result<()> {
    let config = shard::Config {
        inputs: args.inputs.clone(),
        output: args.output.clone(),
        packets: args.packets,
        seconds: args.seconds,
        split: args.split,
        label: args.label.clone(),
        overwrite: args.overwrite,
        read: ReadPolicy {
            lenient: args.lenient,
            selection: args.selection.selection(),
            ..args.headers.policy()
        },
    };
    let outcome = shard::run(&config, &mut Terminal::new())?;
    if json {
        print_json(&outcome)
    } else {
        print(&render(&outcome.manifest)?)
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
    writeln!(text, "{}", counted(manifest.totals.sessions, "session"))?;
    for (reason, count) in &manifest.totals.skipped {
        writeln!(text, "left out: {count} {reason}")?;
    }
    Ok(text)
}

//! `shard`: captures to session-preserving temporal shards.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec::artifact::Manifest;
use tracecodec::artifact::manifest::{ShardConfig, ShardSize, SplitWeights};
use tracecodec::shard::{self, Progress};

use crate::cli::ReadArgs;
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
    #[arg(long, value_name = "N", default_value_t = 5000, conflicts_with = "seconds")]
    packets: u64,
    /// Open the next shard after so many seconds instead.
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
    /// Weights of the training, validation and test ranges.
    #[arg(long, value_name = "T,V,T", num_args = 3, value_delimiter = ',', default_values_t = [80, 10, 10])]
    split: Vec<u32>,
    /// Replace shards that the folder holds.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    read: ReadArgs,
}

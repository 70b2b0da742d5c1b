//! `completions` and `man`: derived from the command line's own definition.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::output::print;

/// Print shell completions.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Shell to complete in.
    #[arg(value_enum)]
    shell: Shell,
}

/// Print the manual page, or write one for each command.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write tracecodec.1 and a page for each command into this folder.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &Completions) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tracecodec", &mut text);
    print(&String::from_utf8_lossy(&text))
}

pub(crate) fn run_man(args: &Man) -> Result<()> {
    if let Some(folder) = &args.output {
        return clap_mangen::generate_to(Cli::command(), folder)
            .with_context(|| format!("cannot write into {}", folder.display()));
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    print(&String::from_utf8_lossy(&page))
}

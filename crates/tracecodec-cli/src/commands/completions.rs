//! `completions` and `man`: derived from the command line's own definition.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Command};
use clap_complete::Shell;

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

/// Prints the completions of the command line that `root` defines.
pub(crate) fn run(args: &Completions, mut root: Command) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut root, "tracecodec", &mut text);
    print(&String::from_utf8_lossy(&text))
}

/// Prints or writes the manual of the command line that `root` defines.
pub(crate) fn run_man(args: &Man, root: Command) -> Result<()> {
    if let Some(folder) = &args.output {
        return clap_mangen::generate_to(root, folder)
            .with_context(|| format!("cannot write into {}", folder.display()));
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(root).render(&mut page)?;
    print(&String::from_utf8_lossy(&page))
}

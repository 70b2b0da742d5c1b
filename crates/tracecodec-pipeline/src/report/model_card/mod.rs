//! `MODEL_CARD.md`: what a trained model is, in a page for people. All of it follows from the
//! manifest of its training, and from the model.

mod codec;
mod generator;

pub use codec::of_codec;
pub use generator::of_generator;

use std::fmt::Write as _;

use tracecodec::artifact::SourceEntry;

use crate::plot::number::count;

/// Name of the file, in the folder of the model.
pub const FILE: &str = "MODEL_CARD.md";

/// Files that are listed; a training may have thousands.
const FILES: usize = 20;

/// Packets of training and validation, and the files that they came from.
fn sources([training, validation]: [u64; 2], sources: &[SourceEntry]) -> String {
    let mut text = format!(
        "## Data\n\n{} packets of training, {} of validation, from:\n\n| File | Packets read | BLAKE3 |\n| --- | ---: | --- |\n",
        count(training),
        count(validation)
    );
    for source in sources.iter().take(FILES) {
        let (name, packets) = (cell(&source.name), count(source.packets));
        let _ = writeln!(text, "| {name} | {packets} | {} |", source.blake3);
    }
    if let Some(more) = sources.len().checked_sub(FILES + 1) {
        let _ = writeln!(
            text,
            "\nand {} more, which `manifest.json` lists.",
            count(more as u64 + 1)
        );
    }
    text
}

/// A heading, and names with their values.
fn table(title: &str, rows: &[(&str, String)]) -> String {
    let mut text = format!("## {title}\n\n| | |\n| --- | --- |\n");
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {} |", cell(value));
    }
    text
}

/// Text in one cell of a table, in one line.
fn cell(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.collect::<String>().replace('|', "\\|")
}

//! Folders of captures: which files are captures, and what they are called.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use tracecodec::pcap::Reader;

use crate::failure::Hint;
use crate::output::{check_distinct, check_stdout, print_json, print_summary, printable};

/// Ends of the names of captures.
const EXTENSIONS: [&str; 4] = ["pcap", "pcapng", "cap", "dmp"];

/// Ends behind those, of compressed captures.
const COMPRESSIONS: [&str; 2] = ["gz", "zst"];

/// A capture in a folder.
pub(crate) struct Capture {
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// The same, from the folder on.
    pub(crate) within: PathBuf,
}

impl Capture {
    /// What it is called: its path from the folder on without what tells format and compression.
    pub(crate) fn name(&self) -> String {
        name(&self.within)
    }
}

/// The captures that paths name: each path itself, or the captures below it, if it is a folder; `-` is stdin.
///
/// # Errors
/// As [`captures`].
pub(crate) fn captures_of(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        match path != Path::new("-") && path.is_dir() {
            true => found.extend(captures(path)?.into_iter().map(|capture| capture.path)),
            false => found.push(path.clone()),
        }
    }
    Ok(found)
}

/// The captures below a folder, sorted. Files that are no captures are left out, with a warning.
///
/// # Errors
/// If a folder cannot be read, or there are no captures in it.
pub(crate) fn captures(folder: &Path) -> Result<Vec<Capture>> {
    let (captures, others): (Vec<_>, Vec<_>) = files(folder, Path::new(""))?
        .into_iter()
        .partition(|file| Reader::open(&file.path).is_ok());
    if let Some(first) = others.first() {
        let more = match others.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let first = printable(&first.path.display().to_string());
        eprintln!("warning: left out, since no capture: {first}{more}");
    }
    if captures.is_empty() {
        return Err(Hint::error(
            format!("{}: no captures there", folder.display()),
            "name a folder that holds some",
        ));
    }
    Ok(captures)
}

/// What `--json` prints of a folder.
#[derive(Debug, Serialize)]
struct Summaries<S> {
    captures: Vec<S>,
}

/// Takes a capture to another one, or every capture of a folder to a file of the same name in a new folder, and prints the summaries, which
/// `take` gives as such and as a line.
///
/// # Errors
/// If the output cannot be written, would take the place of the input, or is a folder that holds something; or as `take` fails.
pub(crate) fn take_each<S: Serialize>(
    input: &Path,
    output: &Path,
    json: bool,
    mut take: impl FnMut(&Path, &Path) -> Result<(S, String)>,
) -> Result<()> {
    check_stdout(json, output)?;
    let pipe = Path::new("-");
    if input == pipe || !input.is_dir() {
        check_distinct(&[input], output)?;
        let (summary, line) = take(input, output)?;
        return print_summary(json, &summary, &line);
    }
    if output == pipe {
        return Err(Hint::error(
            format!(
                "{}: a folder of captures cannot go to stdout",
                input.display()
            ),
            "name a new folder",
        ));
    }
    let mut captures = Vec::new();
    for (input, output) in in_and_out(input, output)? {
        let (summary, line) = take(&input, &output)?;
        if !json {
            eprintln!("{line}");
        }
        captures.push(summary);
    }
    if json {
        print_json(&Summaries { captures })?;
    }
    Ok(())
}

/// The captures below a folder, and where each goes in a new folder, which is made.
///
/// # Errors
/// If there are no captures, or the new folder lies within the other one or holds something: what is not overwritten would look as if it came
/// out of this run.
fn in_and_out(folder: &Path, new: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
    let is_free = match fs::read_dir(new) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    };
    if !is_free {
        return Err(Hint::error(
            format!("{}: not an empty folder", new.display()),
            "choose a new or an empty folder",
        ));
    }
    if lies_within(new, folder)? {
        return Err(Hint::error(
            format!("{}: lies within {}", new.display(), folder.display()),
            "choose a folder elsewhere: what comes out would go in the next time",
        ));
    }
    let mut pairs = Vec::new();
    for capture in captures(folder)? {
        let output = new.join(&capture.within);
        if let Some(folder) = output.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        pairs.push((capture.path, output));
    }
    Ok(pairs)
}

/// Whether a path, of which the last parts need not exist, lies within a folder.
fn lies_within(path: &Path, folder: &Path) -> Result<bool> {
    let canonical = |path: &Path| {
        fs::canonicalize(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let nearest = path.ancestors().find(|path| path.exists());
    let nearest = canonical(nearest.unwrap_or(Path::new(".")))?;
    Ok(nearest.starts_with(canonical(folder)?))
}

/// All files below a folder.
fn files(folder: &Path, within: &Path) -> Result<Vec<Capture>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let Some(name) = path.file_name() else {
            continue;
        };
        let within = within.join(name);
        if path.is_dir() {
            found.extend(files(&path, &within)?);
        } else {
            found.push(Capture { path, within });
        }
    }
    found.sort_by(|a, b| a.within.cmp(&b.within));
    Ok(found)
}

/// A capture's path without what tells format and compression.
pub(crate) fn name(path: &Path) -> String {
    let without = |path: &Path, extensions: &[&str]| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension.is_some_and(|extension| extensions.contains(&extension)) {
            true => path.with_extension(""),
            false => path.to_path_buf(),
        }
    };
    let path = without(path, &COMPRESSIONS);
    without(&path, &EXTENSIONS).display().to_string()
}

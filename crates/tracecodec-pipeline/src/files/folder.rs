//! Folders of captures: which files are captures, what they are called, and where each goes.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tracecodec::pcap::Reader;

use super::{claim, document, is_pipe};
use crate::error::Error;
use crate::monitor::{Monitor, Warning};

/// Extensions of captures.
const EXTENSIONS: [&str; 4] = ["pcap", "pcapng", "cap", "dmp"];

/// Extensions of compressed captures, behind the one of the format.
const COMPRESSIONS: [&str; 2] = ["gz", "zst"];

/// A file in a folder.
pub(crate) struct Entry {
    /// Path of the file.
    pub(crate) path: PathBuf,
    /// Path of the file relative to the folder.
    pub(crate) within: PathBuf,
}

impl Entry {
    /// Name in reports: the path from the folder on, without format and compression.
    pub(crate) fn name(&self) -> String {
        name(&self.within)
    }
}

/// The files that paths name: each path itself, or all files below it, sorted, if it is a folder;
/// `-` is stdin.
///
/// # Errors
/// If a path does not exist, or there are no files.
pub(crate) fn below(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for path in paths {
        if !is_pipe(path) && path.is_dir() {
            found.extend(
                files(path, Path::new(""))?
                    .into_iter()
                    .map(|file| file.path),
            );
        } else {
            if !is_pipe(path) {
                fs::metadata(path).map_err(|error| Error::io("cannot read", path, error))?;
            }
            found.push(path.clone());
        }
    }
    if found.is_empty() {
        let names: Vec<_> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        return Err(Error::refused(
            format!("{}: no captures there", names.join(", ")),
            "name captures, or folders that hold some",
        ));
    }
    Ok(found)
}

/// The captures that paths name: each path itself, or the captures below it, if it is a folder;
/// `-` is stdin.
///
/// # Errors
/// If a folder cannot be read, or there are no captures in it.
pub(crate) fn captures_of(
    paths: &[PathBuf],
    monitor: &mut dyn Monitor,
) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for path in paths {
        if !is_pipe(path) && path.is_dir() {
            found.extend(captures(path, monitor)?.into_iter().map(|entry| entry.path));
        } else {
            found.push(path.clone());
        }
    }
    Ok(found)
}

/// The captures below a folder, sorted. Files that are no captures are left out, with a warning.
///
/// # Errors
/// If a folder cannot be read, or there are no captures in it.
pub(crate) fn captures(folder: &Path, monitor: &mut dyn Monitor) -> Result<Vec<Entry>, Error> {
    let (captures, others): (Vec<_>, Vec<_>) = files(folder, Path::new(""))?
        .into_iter()
        .partition(|file| Reader::open(&file.path).is_ok());
    // A manifest that a verb wrote beside its captures is expected: no warning.
    let is_manifest = |file: &&Entry| file.within == Path::new(document::MANIFEST);
    let others: Vec<_> = others.iter().filter(|file| !is_manifest(file)).collect();
    if let Some(first) = others.first() {
        let more = match others.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let first = printable(&first.path.display().to_string());
        monitor.warn(&Warning::new(format!(
            "left out, since no capture: {first}{more}"
        )));
    }
    if captures.is_empty() {
        return Err(Error::refused(
            format!("{}: no captures there", folder.display()),
            "name a folder that holds some",
        ));
    }
    Ok(captures)
}

/// The outcome of a capture, or of every capture of a folder.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Outcomes<O> {
    /// One capture.
    One(O),
    /// The captures of a folder, in order.
    Folder {
        /// One outcome for each capture.
        captures: Vec<O>,
    },
}

impl<O> Outcomes<O> {
    /// The outcomes in order.
    pub fn iter(&self) -> impl Iterator<Item = &O> {
        match self {
            Self::One(outcome) => std::slice::from_ref(outcome).iter(),
            Self::Folder { captures } => captures.iter(),
        }
    }
}

/// Converts a capture to another one, or every capture of a folder to a file of the same name in a
/// new folder.
///
/// # Errors
/// If an output would take the place of an input, or the folder of outputs holds something; or as
/// `take` fails. The folder of outputs is then as it was before, so that the same settings can be
/// run again.
pub(crate) fn take_each<O>(
    input: &Path,
    output: &Path,
    names: Names,
    monitor: &mut dyn Monitor,
    mut take: impl FnMut(&Path, &Path, &mut dyn Monitor) -> Result<O, Error>,
) -> Result<Outcomes<O>, Error> {
    if is_pipe(input) || !input.is_dir() {
        claim::distinct(&[input], output)?;
        return Ok(Outcomes::One(take(input, output, monitor)?));
    }
    let was_there = output.exists();
    let pairs = in_and_out(input, output, names, monitor)?;
    let taken = pairs
        .iter()
        .map(|(input, output)| take(input, output, monitor));
    match taken.collect::<Result<_, _>>() {
        Ok(captures) => Ok(Outcomes::Folder { captures }),
        Err(error) => {
            remove(output, was_there, &pairs);
            Err(error)
        }
    }
}

/// Removes the outputs of a run that failed, and the folders that were made for them.
fn remove(folder: &Path, was_there: bool, pairs: &[(PathBuf, PathBuf)]) {
    for (_, output) in pairs {
        let _ = fs::remove_file(output);
        let made = output.ancestors().skip(1);
        for made in made.take_while(|made| made.starts_with(folder)) {
            if made == folder && was_there {
                break;
            }
            // A folder that holds something stays.
            let _ = fs::remove_dir(made);
        }
    }
}

/// The captures below a folder, and where each goes in a new folder, which is made.
///
/// # Errors
/// If there are no captures, or the new folder lies within the other one or holds something.
pub(crate) fn in_and_out(
    folder: &Path,
    new: &Path,
    names: Names,
    monitor: &mut dyn Monitor,
) -> Result<Vec<(PathBuf, PathBuf)>, Error> {
    if is_pipe(new) {
        return Err(Error::refused(
            format!(
                "{}: a folder of captures cannot go to stdout",
                folder.display()
            ),
            "name a new folder",
        ));
    }
    claim::empty_folder(new)?;
    if lies_within(new, folder)? {
        return Err(Error::refused(
            format!("{}: lies within {}", new.display(), folder.display()),
            "choose a folder elsewhere: what comes out would go in the next time",
        ));
    }
    let mut pairs = Vec::new();
    for (number, capture) in (1..).zip(captures(folder, monitor)?) {
        let output = new.join(match names {
            Names::Kept => capture.within,
            Names::Numbered => numbered(number, &capture.within),
        });
        if let Some(folder) = output.parent() {
            fs::create_dir_all(folder).map_err(|error| Error::io("cannot make", folder, error))?;
        }
        pairs.push((capture.path, output));
    }
    Ok(pairs)
}

/// What the outputs of a folder are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// As the captures that they come from.
    Kept,
    /// By numbers, which say nothing of the captures.
    Numbered,
}

/// A name for the capture of this number that keeps format and compression alone.
fn numbered(number: usize, within: &Path) -> PathBuf {
    let file = Path::new(within.file_name().unwrap_or(within.as_os_str()));
    let stem = name(file);
    let whole = file.display().to_string();
    let extensions = whole.strip_prefix(&stem).unwrap_or_default();
    format!("capture-{number}{extensions}").into()
}

/// Whether a path, of which the last parts need not exist, lies within a folder.
fn lies_within(path: &Path, folder: &Path) -> Result<bool, Error> {
    let canonical =
        |path: &Path| fs::canonicalize(path).map_err(|error| Error::io("cannot read", path, error));
    let nearest = path.ancestors().find(|path| path.exists());
    let nearest = canonical(nearest.unwrap_or(Path::new(".")))?;
    Ok(nearest.starts_with(canonical(folder)?))
}

/// All files below a folder, sorted.
fn files(folder: &Path, within: &Path) -> Result<Vec<Entry>, Error> {
    let io = |error| Error::io("cannot read", folder, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let Some(name) = path.file_name() else {
            continue;
        };
        let within = within.join(name);
        if is_loop(&path, folder) {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path, &within)?);
        } else {
            found.push(Entry { path, within });
        }
    }
    found.sort_by(|a, b| a.within.cmp(&b.within));
    Ok(found)
}

/// Whether a path is a link to a folder that it lies in, which would be walked without an end.
fn is_loop(path: &Path, folder: &Path) -> bool {
    let target = || Some((fs::canonicalize(path).ok()?, fs::canonicalize(folder).ok()?));
    path.is_symlink() && target().is_some_and(|(target, folder)| folder.starts_with(target))
}

/// A capture's path without the extensions of format and compression.
pub fn name(path: &Path) -> String {
    let without = |path: &Path, extensions: &[&str]| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if extension.is_some_and(|extension| extensions.contains(&extension)) {
            path.with_extension("")
        } else {
            path.to_path_buf()
        }
    };
    let path = without(path, &COMPRESSIONS);
    without(&path, &EXTENSIONS).display().to_string()
}

/// Foreign text made safe to show: control characters become replacement characters.
pub fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Silent;
    use crate::testing::data;

    #[test]
    fn test_numbered_names_say_nothing_of_the_capture() {
        for (within, name) in [
            ("site/secret.pcap", "capture-3.pcap"),
            ("secret.pcapng.gz", "capture-3.pcapng.gz"),
            ("2026-11-24", "capture-3"),
        ] {
            assert_eq!(numbered(3, Path::new(within)), Path::new(name));
        }
    }

    #[test]
    fn test_a_stop_leaves_the_folder_of_outputs_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let (input, output) = (folder.path().join("in"), folder.path().join("out"));
        fs::create_dir_all(input.join("inner")).unwrap();
        for name in ["a.pcap", "inner/b.pcap"] {
            fs::copy(data("example.pcap"), input.join(name)).unwrap();
        }
        for is_there in [false, true] {
            if is_there {
                fs::create_dir(&output).unwrap();
            }
            for _ in 0..2 {
                let mut taken = 0;
                let stopped =
                    take_each(&input, &output, Names::Kept, &mut Silent, |from, to, _| {
                        fs::copy(from, to).unwrap();
                        taken += 1;
                        if taken == 2 {
                            Err(Error::Interrupted)
                        } else {
                            Ok(())
                        }
                    });
                assert!(matches!(stopped, Err(Error::Interrupted)));
                assert_eq!(output.exists(), is_there);
            }
        }
        assert_eq!(fs::read_dir(&output).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn test_a_link_to_a_folder_around_it_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("a.pcap"), "").unwrap();
        std::os::unix::fs::symlink(folder.path(), inner.join("loop")).unwrap();
        let found = files(folder.path(), Path::new("")).unwrap();
        let within: Vec<_> = found.iter().map(|entry| entry.within.as_path()).collect();
        assert_eq!(within, [Path::new("inner/a.pcap")]);
    }
}

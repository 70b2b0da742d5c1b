//! Folders of captures: which files are captures, what they are called, and where each goes.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tracecodec::output;
use tracecodec::pcap::Reader;

use super::{claim, document, is_pipe};
use crate::error::Error;
use crate::monitor::{Monitor, Warning};

/// Extensions of captures.
const EXTENSIONS: [&str; 4] = ["pcap", "pcapng", "cap", "dmp"];

/// Extensions of compressed captures, behind the one of the format.
const COMPRESSIONS: [&str; 2] = ["gz", "zst"];

/// The file that a folder of outputs has until the last capture is whole.
pub(crate) const INCOMPLETE: &str = "incomplete.txt";

/// What [`INCOMPLETE`] says.
const INCOMPLETE_TEXT: &str = "The captures of this folder are whole, but others are missing: \
    the run that writes them has not ended.\n";

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
            let files = files(path, Path::new(""))?.into_iter();
            found.extend(files.map(|file| file.path).filter(|file| is_whole(file)));
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

/// Whether a file is not what a run that was killed has left.
fn is_whole(file: &Path) -> bool {
    !output::is_temporary(file)
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
        .filter(|file| is_whole(&file.path))
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
/// A folder whose run fails or is stopped keeps the captures that are whole, and [`INCOMPLETE`]
/// beside them, by which the next run recognises what it may write anew. It is as it was before if
/// no capture is whole.
///
/// # Errors
/// If an output would take the place of an input, or the folder of outputs holds something else; or
/// as `take` fails, with the name of the capture.
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
    let mut captures = Vec::with_capacity(pairs.len());
    for (from, to) in &pairs {
        match make_parent(to).and_then(|()| take(from, to, monitor)) {
            Ok(outcome) => captures.push(outcome),
            Err(error) => {
                remove_empty(output, was_there, &pairs);
                if !captures.is_empty() {
                    monitor.warn(
                        &Warning::new(format!(
                            "{} holds {} of {} captures; what is there is whole",
                            output.display(),
                            captures.len(),
                            pairs.len()
                        ))
                        .with_hint("the same run again writes all of them anew"),
                    );
                }
                return Err(named(error, from));
            }
        }
    }
    fs::remove_file(output.join(INCOMPLETE))
        .map_err(|error| Error::io("cannot remove", &output.join(INCOMPLETE), error))?;
    Ok(Outcomes::Folder { captures })
}

/// The error of a capture, with its name if the message lacks it.
fn named(error: Error, capture: &Path) -> Error {
    let name = capture.display().to_string();
    let message = error.to_string();
    if matches!(error, Error::Interrupted) || message.contains(&name) {
        return error;
    }
    let hint = error.hint().unwrap_or_default().into_owned();
    Error::refused(format!("{name}: {message}"), hint)
}

/// Removes the folders that were made for outputs and hold none, and [`INCOMPLETE`] if no output
/// is there.
fn remove_empty(folder: &Path, was_there: bool, pairs: &[(PathBuf, PathBuf)]) {
    if !pairs.iter().any(|(_, output)| output.exists()) {
        let _ = fs::remove_file(folder.join(INCOMPLETE));
    }
    for (_, output) in pairs {
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

/// The captures below a folder, and where each goes in a new folder, which is made and called
/// [`INCOMPLETE`]. Outputs of an incomplete run are removed.
///
/// # Errors
/// If there are no captures, or the new folder lies within the other one or holds something else
/// than an incomplete run of these captures.
fn in_and_out(
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
    let incomplete = new.join(INCOMPLETE);
    let is_incomplete = incomplete.exists();
    if !is_incomplete {
        claim::empty_folder(new)?;
    }
    if lies_within(new, folder)? {
        return Err(Error::refused(
            format!("{}: lies within {}", new.display(), folder.display()),
            "choose a folder elsewhere: what comes out would go in the next time",
        ));
    }
    let pairs = (1..).zip(captures(folder, monitor)?);
    let pairs: Vec<_> = pairs
        .map(|(number, capture)| {
            let output = new.join(match names {
                Names::Kept => capture.within,
                Names::Numbered => numbered(number, &capture.within),
            });
            (capture.path, output)
        })
        .collect();
    if is_incomplete {
        let earlier = files(new, Path::new(""))?;
        let earlier = earlier.into_iter().map(|file| file.path);
        let earlier: Vec<_> = earlier.filter(|path| *path != incomplete).collect();
        let is_ours = |path: &PathBuf| {
            output::is_temporary(path) || pairs.iter().any(|(_, output)| output == path)
        };
        if let Some(other) = earlier.iter().find(|path| !is_ours(path)) {
            return Err(Error::refused(
                format!("{}: not a capture of this run", other.display()),
                "choose a new or an empty folder",
            ));
        }
        for path in earlier {
            fs::remove_file(&path).map_err(|error| Error::io("cannot remove", &path, error))?;
        }
    }
    make_parent(&incomplete)?;
    fs::write(&incomplete, INCOMPLETE_TEXT)
        .map_err(|error| Error::io("cannot write", &incomplete, error))?;
    Ok(pairs)
}

/// Makes the folder that a file goes to.
fn make_parent(path: &Path) -> Result<(), Error> {
    match path.parent() {
        Some(folder) => {
            fs::create_dir_all(folder).map_err(|error| Error::io("cannot make", folder, error))
        }
        None => Ok(()),
    }
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
        // What is neither a file nor a folder, such as a pipe, might never end.
        let is_special = fs::metadata(&path).is_ok_and(|of| !of.is_file() && !of.is_dir());
        if is_special || is_loop(&path, folder) {
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

    /// A folder of three captures, the last in a folder of its own.
    fn three_captures() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("in/inner")).unwrap();
        for name in ["a.pcap", "b.pcap", "inner/c.pcap"] {
            fs::copy(data("example.pcap"), folder.path().join("in").join(name)).unwrap();
        }
        folder
    }

    /// Copies captures; the one of this number fails.
    fn copy(folder: &Path, fails: Option<(usize, Error)>) -> Result<Outcomes<()>, Error> {
        let (mut number, mut fails) = (0, fails);
        let (input, output) = (folder.join("in"), folder.join("out"));
        take_each(&input, &output, Names::Kept, &mut Silent, |from, to, _| {
            number += 1;
            if let Some((_, error)) = fails.take_if(|(at, _)| *at == number) {
                return Err(error);
            }
            fs::copy(from, to).unwrap();
            Ok(())
        })
    }

    fn left(folder: &Path) -> Vec<String> {
        let left = files(&folder.join("out"), Path::new("")).unwrap();
        left.iter()
            .map(|file| file.within.display().to_string())
            .collect()
    }

    #[test]
    fn test_whole_captures_stay_and_the_run_can_be_repeated() {
        let folder = three_captures();
        let folder = folder.path();
        let stopped = copy(folder, Some((3, Error::Interrupted)));
        assert!(matches!(stopped, Err(Error::Interrupted)));
        assert_eq!(left(folder), ["a.pcap", "b.pcap", INCOMPLETE]);
        assert!(!folder.join("out/inner").exists());
        let failed = copy(
            folder,
            Some((2, Error::refused("no such thing", "another"))),
        );
        let failed = failed.err().unwrap();
        let named = format!("{}: no such thing", folder.join("in/b.pcap").display());
        assert_eq!(failed.to_string(), named);
        assert_eq!(failed.hint().as_deref(), Some("another"));
        assert_eq!(left(folder), ["a.pcap", INCOMPLETE]);
        copy(folder, None).unwrap();
        assert_eq!(left(folder), ["a.pcap", "b.pcap", "inner/c.pcap"]);
        assert!(copy(folder, None).is_err(), "a complete folder stays");
    }

    #[test]
    fn test_an_incomplete_folder_with_something_else_is_refused() {
        let folder = three_captures();
        let folder = folder.path();
        assert!(copy(folder, Some((2, Error::Interrupted))).is_err());
        fs::write(folder.join("out/notes.txt"), "mine").unwrap();
        let refused = copy(folder, None).err().unwrap();
        assert!(refused.to_string().contains("notes.txt"), "{refused}");
        assert_eq!(left(folder), ["a.pcap", INCOMPLETE, "notes.txt"]);
    }

    #[test]
    fn test_a_stop_before_the_first_capture_leaves_the_folder_as_it_was() {
        let folder = three_captures();
        for is_there in [false, true] {
            if is_there {
                fs::create_dir(folder.path().join("out")).unwrap();
            }
            assert!(copy(folder.path(), Some((1, Error::Interrupted))).is_err());
            assert_eq!(folder.path().join("out").exists(), is_there);
        }
        assert!(left(folder.path()).is_empty());
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

//! Claims on inputs and outputs: which files may be read and written, so that nothing is lost.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tracecodec::output::{self, FileKind};

use super::is_pipe;
use crate::error::Error;

/// Refuses an output that would take the place of an input: nothing brings the original back.
pub(crate) fn distinct(inputs: &[impl AsRef<Path>], output: &Path) -> Result<(), Error> {
    let place = |path: &Path| fs::canonicalize(path).ok().filter(|path| path.is_file());
    let Some(target) = place(output) else {
        return Ok(());
    };
    let same = |input: &&Path| place(input).as_deref() == Some(&target);
    match inputs.iter().map(AsRef::as_ref).find(same) {
        Some(input) => Err(Error::refused(
            format!("{}: input and output are the same file", input.display()),
            "write to another file: the original cannot be had back from the output",
        )),
        None => Ok(()),
    }
}

/// Refuses stdin or stdout where a file is needed.
pub(crate) fn named_file(path: &Path, what: &str) -> Result<(), Error> {
    if is_pipe(path) {
        return Err(Error::refused(
            format!("{what} cannot be a pipe"),
            "name a file",
        ));
    }
    Ok(())
}

/// Refuses to read stdin twice.
pub(crate) fn stdin_once(inputs: &[PathBuf]) -> Result<(), Error> {
    if inputs.iter().filter(|input| is_pipe(input)).count() > 1 {
        return Err(Error::refused(
            "- is stdin, and can be named once",
            "name files for the others",
        ));
    }
    Ok(())
}

/// Refuses an output whose name says another kind of file than is written.
pub(crate) fn named_as(path: &Path, kind: FileKind) -> Result<(), Error> {
    let named = kind.check_name(path);
    named.map_err(|error| Error::refused(error.to_string(), error.hint()))
}

/// Refuses a folder to write that is stdout or a file.
pub(crate) fn folder(path: &Path) -> Result<(), Error> {
    if is_pipe(path) || path.exists() && !path.is_dir() {
        return Err(Error::refused(
            format!("{}: not a folder", path.display()),
            "choose a new or an empty folder",
        ));
    }
    Ok(())
}

/// Refuses a folder that is not empty: files that are not overwritten would look like outputs of
/// this run.
pub(crate) fn empty_folder(folder: &Path) -> Result<(), Error> {
    if holds_nothing(folder) {
        return Ok(());
    }
    Err(Error::exists(
        format!("{}: not an empty folder", folder.display()),
        "choose a new or an empty folder",
    ))
}

/// Refuses stdout, a file, and a folder that holds something, but for what `overwrite` may replace:
/// `what`, recognised by the file `described_by`.
pub(crate) fn folder_of(
    folder: &Path,
    described_by: &str,
    what: &str,
    overwrite: bool,
) -> Result<(), Error> {
    self::folder(folder)?;
    let is_ours = folder.join(described_by).exists();
    if overwrite && is_ours || holds_nothing(folder) {
        return Ok(());
    }
    let name = folder.display();
    Err(if is_ours {
        Error::exists(
            format!("{name}: the folder holds {what} already"),
            "`overwrite` replaces them",
        )
    } else {
        Error::exists(
            format!("{name}: the folder is not empty"),
            "choose a new or an empty folder",
        )
    })
}

/// Whether a folder does not exist, or holds nothing but what a run that was killed has left.
fn holds_nothing(folder: &Path) -> bool {
    match fs::read_dir(folder) {
        Ok(mut entries) => {
            entries.all(|entry| entry.is_ok_and(|entry| output::is_temporary(&entry.path())))
        }
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

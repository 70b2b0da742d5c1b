//! Outputs of artifacts: a file that appears whole or not at all, or standard output.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Stdout, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Whether a path means standard input or output: `-`.
pub fn is_pipe(path: &Path) -> bool {
    path == Path::new("-")
}

/// Beginning and end of the names of files and folders that are not whole yet.
const TEMPORARY: (&str, &str) = (".tracecodec-", ".part");

/// Whether a name is that of an output that is not whole yet: a run that was killed leaves it.
pub fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1))
}

/// Failure of an output, with the output's path. It is wrapped in an [`io::Error`] of the same
/// kind.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {cause}", path.display())]
pub struct OutputError {
    /// The file that could not be written; `-` is standard output.
    pub path: PathBuf,
    /// The operating system's error.
    pub cause: io::Error,
}

/// Kinds of files that file name extensions identify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A capture.
    Capture,
    /// Packet actions (Parquet).
    Actions,
    /// Latents (safetensors).
    Latents,
    /// A JSON document.
    Document,
    /// An HTML page.
    Page,
    /// An SVG figure.
    Figure,
    /// Markdown tables.
    Markdown,
    /// LaTeX tables.
    Latex,
    /// A common kind of file that is never written, or a compression that is not.
    Foreign,
}

/// An output whose name is that of another kind of file than is written.
#[derive(Debug, thiserror::Error)]
#[error("{}: a name of {}, but {} would be written", path.display(), named.name(), written.name())]
pub struct Misnamed {
    /// Path of the output.
    pub path: PathBuf,
    /// Kind of file that the name means.
    pub named: FileKind,
    /// Kind of file that is written.
    pub written: FileKind,
}

impl Misnamed {
    /// What to try.
    pub fn hint(&self) -> String {
        let extension = self.written.extensions()[0];
        let mut name = self.path.with_extension("");
        if FileKind::of_name(&name).is_some() {
            name.set_extension("");
        }
        name.set_extension(extension);
        let hint = format!("name it {}", name.display());
        if self.named != FileKind::Foreign {
            return hint;
        }
        let (written, endings) = (self.written.name(), self.written.extensions().join(", ."));
        match self.written {
            FileKind::Capture => {
                format!(
                    "{hint}; {written} end in .{endings}, compressed ones in .gz or .zst after it"
                )
            }
            _ => format!("{hint}; {written} end in .{endings}"),
        }
    }
}

impl FileKind {
    const ALL: [Self; 9] = [
        Self::Capture,
        Self::Actions,
        Self::Latents,
        Self::Document,
        Self::Page,
        Self::Figure,
        Self::Markdown,
        Self::Latex,
        Self::Foreign,
    ];

    /// Extensions of such files in lower case, the usual extension first.
    fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Capture => &["pcap", "pcapng", "cap"],
            Self::Actions => &["parquet"],
            Self::Latents => &["safetensors"],
            Self::Document => &["json"],
            Self::Page => &["html", "htm"],
            Self::Figure => &["svg"],
            Self::Markdown => &["md", "markdown"],
            Self::Latex => &["tex"],
            Self::Foreign => &[
                "csv", "tsv", "txt", "npy", "npz", "pdf", "png", "bz2", "xz", "lz4", "zip",
            ],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Capture => "captures",
            Self::Actions => "packet actions",
            Self::Latents => "latents",
            Self::Document => "JSON documents",
            Self::Page => "HTML pages",
            Self::Figure => "SVG figures",
            Self::Markdown => "Markdown tables",
            Self::Latex => "LaTeX tables",
            Self::Foreign => "another kind of file",
        }
    }

    /// The kind of file that a name means, compressed or not; `None` if the extension is not known.
    pub fn of_name(path: &Path) -> Option<Self> {
        let lower = |path: &Path| Some(path.extension()?.to_str()?.to_ascii_lowercase());
        let extension = match lower(path)?.as_str() {
            "gz" | "zst" => lower(&path.with_extension(""))?,
            extension => extension.to_string(),
        };
        let says = |kind: &Self| kind.extensions().contains(&extension.as_str());
        Self::ALL.into_iter().find(says)
    }

    /// Checks that a name is not that of another kind of file: programs choose by the name how to
    /// open it.
    ///
    /// # Errors
    /// If the name is that of another kind.
    pub fn check_name(self, path: &Path) -> Result<(), Misnamed> {
        match Self::of_name(path) {
            Some(named) if named != self => Err(Misnamed {
                path: path.to_path_buf(),
                named,
                written: self,
            }),
            _ => Ok(()),
        }
    }
}

/// The folder of an output does not exist.
#[derive(Debug, thiserror::Error)]
#[error("there is no folder {}", .0.display())]
struct MissingFolder(PathBuf);

/// A destination of bytes. A file is written under a temporary name beside its target, and replaces
/// the target in [`finish`](Output::finish). If the output is dropped before that, the temporary
/// file is removed and an older target stays as it was.
///
/// Writes are not buffered: wrap the output if they are small.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    destination: Destination,
}

#[derive(Debug)]
enum Destination {
    Stdout(Stdout),
    /// A pipe or a device, which cannot be replaced by a file.
    Special(File),
    /// A regular file, and the place it will be moved to.
    Replace(NamedTempFile, PathBuf),
}

impl Output {
    /// Opens an output by path; `-` is standard output.
    ///
    /// # Errors
    /// If the folder does not exist or cannot be written to, or the path is a folder.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_path_buf();
        match Destination::open(&path) {
            Ok(destination) => Ok(Self { path, destination }),
            Err(cause) => Err(at(&path, cause)),
        }
    }

    /// The path with which the output was created.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the finished file to its place.
    ///
    /// # Errors
    /// If the last bytes cannot be written or the file cannot be moved; the target then stays as it
    /// was.
    pub fn finish(self) -> io::Result<()> {
        self.destination
            .finish()
            .map_err(|cause| at(&self.path, cause))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.destination.writer().write(bytes);
        written.map_err(|cause| at(&self.path, cause))
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.destination.writer().flush();
        flushed.map_err(|cause| at(&self.path, cause))
    }
}

impl Seek for Output {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let sought = match &mut self.destination {
            Destination::Stdout(_) => Err(io::ErrorKind::Unsupported.into()),
            Destination::Special(file) => file.seek(position),
            Destination::Replace(file, _) => file.seek(position),
        };
        sought.map_err(|cause| at(&self.path, cause))
    }
}

impl Destination {
    fn open(path: &Path) -> io::Result<Self> {
        if is_pipe(path) {
            return Ok(Self::Stdout(io::stdout()));
        }
        match fs::metadata(path) {
            Ok(target) if target.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(target) if !target.is_file() => {
                Ok(Self::Special(File::options().write(true).open(path)?))
            }
            // A symbolic link stays a link: the file that it points to is replaced.
            Ok(_) => Self::replace(fs::canonicalize(path)?),
            Err(_) => Self::replace(path.to_path_buf()),
        }
    }

    fn replace(target: PathBuf) -> io::Result<Self> {
        let folder = match target.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(TEMPORARY.0).suffix(TEMPORARY.1);
        share_as_usual(&mut builder);
        // The error's own text names the temporary file, which is of no use to a reader.
        let temporary = builder.tempfile_in(folder);
        let temporary = temporary.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::new(error.kind(), MissingFolder(folder.into())),
            kind => io::Error::from(kind),
        })?;
        Ok(Self::Replace(temporary, target))
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Stdout(stdout) => stdout,
            Self::Special(file) => file,
            Self::Replace(file, _) => file,
        }
    }

    fn finish(mut self) -> io::Result<()> {
        self.writer().flush()?;
        match self {
            Self::Stdout(_) | Self::Special(_) => Ok(()),
            Self::Replace(file, target) => {
                file.persist(target).map(drop).map_err(|error| error.error)
            }
        }
    }
}

/// Requests the permissions of any other new file, which the umask then narrows; by default,
/// temporary files are private.
#[cfg(unix)]
fn share_as_usual(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn share_as_usual(_: &mut tempfile::Builder<'_, '_>) {}

/// A folder that appears whole or not at all: it grows beside its place under a temporary name, and
/// takes the place of an absent or empty folder in [`finish`](OutputFolder::finish).
#[derive(Debug)]
pub struct OutputFolder {
    part: tempfile::TempDir,
    path: PathBuf,
}

impl OutputFolder {
    /// Begins a folder at a path, which must be absent or an empty folder.
    ///
    /// # Errors
    /// If the path holds something, or a folder cannot be made beside it.
    pub fn create(path: &Path) -> io::Result<Self> {
        let begin = || {
            let is_free = match fs::read_dir(path) {
                Ok(mut entries) => entries.next().is_none(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => true,
                Err(error) => return Err(error),
            };
            if !is_free {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            let parent = match path.parent() {
                Some(parent) if parent != Path::new("") => parent,
                _ => Path::new("."),
            };
            fs::create_dir_all(parent)?;
            let mut builder = tempfile::Builder::new();
            builder.prefix(TEMPORARY.0).suffix(TEMPORARY.1);
            share_folder_as_usual(&mut builder);
            builder.tempdir_in(parent)
        };
        let part = begin().map_err(|cause| at(path, cause))?;
        let path = path.to_path_buf();
        Ok(Self { part, path })
    }

    /// Where the folder grows.
    pub fn part(&self) -> &Path {
        self.part.path()
    }

    /// Moves the finished folder to its place.
    ///
    /// # Errors
    /// If it cannot be moved; it is then removed.
    pub fn finish(mut self) -> io::Result<()> {
        let moved = match fs::remove_dir(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => fs::rename(self.part.path(), &self.path),
        };
        moved.map_err(|cause| at(&self.path, cause))?;
        self.part.disable_cleanup(true);
        Ok(())
    }
}

/// Requests the permissions of any other new folder, which the umask then narrows.
#[cfg(unix)]
fn share_folder_as_usual(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(fs::Permissions::from_mode(0o777));
}

#[cfg(not(unix))]
fn share_folder_as_usual(_: &mut tempfile::Builder<'_, '_>) {}

fn at(path: &Path, cause: io::Error) -> io::Error {
    let path = path.to_path_buf();
    io::Error::new(cause.kind(), OutputError { path, cause })
}

/// A folder that was made if it was missing. Dropped, it is removed if it was made and is still
/// empty: work that writes nothing leaves nothing.
#[derive(Debug)]
pub struct MadeFolder(Option<PathBuf>);

impl MadeFolder {
    /// Makes the folder, and those around it, if it is missing.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        let is_missing = !path.exists();
        fs::create_dir_all(path)?;
        Ok(Self(is_missing.then(|| path.to_path_buf())))
    }
}

impl Drop for MadeFolder {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // A folder that holds something stays.
            let _ = fs::remove_dir(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<std::ffi::OsString> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn test_finish_replaces_the_target() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.bin");
        fs::write(&target, "old").unwrap();
        let mut output = Output::create(&target).unwrap();
        output.write_all(b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"old");
        output.finish().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a.bin"]);
    }

    #[test]
    fn test_drop_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut output = Output::create(folder.path().join("a.bin")).unwrap();
        output.write_all(b"half").unwrap();
        drop(output);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn test_seek_goes_back_in_a_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.bin");
        let mut output = Output::create(&target).unwrap();
        output.write_all(b"...d").unwrap();
        output.seek(SeekFrom::Start(0)).unwrap();
        output.write_all(b"abc").unwrap();
        output.finish().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"abcd");
        let error = Output::create("-").unwrap().seek(SeekFrom::Start(0));
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::Unsupported);
    }

    #[test]
    fn test_missing_folder_is_named() {
        let error = Output::create("/no/such/folder/a.bin").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(
            error.to_string(),
            "cannot write /no/such/folder/a.bin: there is no folder /no/such/folder"
        );
    }

    #[test]
    fn test_names_of_other_kinds_are_refused() {
        let check = |kind: FileKind, name: &str| kind.check_name(Path::new(name));
        let error = check(FileKind::Latents, "folder/z.PCAP.gz").unwrap_err();
        assert_eq!(
            error.to_string(),
            "folder/z.PCAP.gz: a name of captures, but latents would be written"
        );
        assert_eq!(error.hint(), "name it folder/z.safetensors");
        assert!(check(FileKind::Capture, "a.parquet").is_err());
        assert!(check(FileKind::Markdown, "a.tex").is_err());
        for name in ["a.csv", "a.npy", "a.pdf", "a.txt", "a.pcap.bz2"] {
            let error = check(FileKind::Capture, name).unwrap_err();
            let hint = "name it a.pcap; captures end in .pcap, .pcapng, .cap, compressed ones in .gz or .zst after it";
            assert_eq!(error.hint(), hint, "{name}");
        }
        for name in ["-", "z", "z.bin", "z.safetensors", "/dev/null", "a.b/z"] {
            assert!(check(FileKind::Latents, name).is_ok(), "{name}");
        }
    }

    #[test]
    fn test_a_folder_appears_whole_or_not_at_all() {
        let around = tempfile::tempdir().unwrap();
        let path = around.path().join("a/b");
        let folder = OutputFolder::create(&path).unwrap();
        fs::write(folder.part().join("one"), "1").unwrap();
        assert!(!path.exists());
        folder.finish().unwrap();
        assert_eq!(names(&path), ["one"]);
        let error = OutputFolder::create(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::DirectoryNotEmpty);
        drop(OutputFolder::create(&around.path().join("c")).unwrap());
        assert_eq!(names(around.path()), ["a"]);
        let error = OutputFolder::create(&path.join("one")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    }

    #[test]
    fn test_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = Output::create(folder.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }

    #[cfg(unix)]
    #[test]
    fn test_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut output = Output::create(&link).unwrap();
        output.write_all(b"new").unwrap();
        output.finish().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn test_device_is_written_in_place() {
        let mut output = Output::create("/dev/full").unwrap();
        let error = output.write_all(b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().starts_with("cannot write /dev/full: "));
    }
}

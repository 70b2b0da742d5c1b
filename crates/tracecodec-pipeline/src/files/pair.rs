//! Pairs of a reference and a decoded capture, from two captures or two folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::folder;
use crate::error::Error;
use crate::monitor::Monitor;

/// Two captures to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    /// Name in reports.
    pub(crate) name: String,
    /// The reference capture.
    pub(crate) reference: PathBuf,
    /// The decoded capture.
    pub(crate) decoded: PathBuf,
}

/// The pair of two captures, or the pairs of two folders by their captures' names.
///
/// # Errors
/// If one is a capture and the other a folder, or a capture of a folder has no partner.
pub(crate) fn pairs(
    reference: &Path,
    decoded: &Path,
    monitor: &mut dyn Monitor,
) -> Result<Vec<Pair>, Error> {
    match (reference.is_dir(), decoded.is_dir()) {
        (false, false) => Ok(vec![Pair {
            name: stem(reference),
            reference: reference.to_path_buf(),
            decoded: decoded.to_path_buf(),
        }]),
        (true, true) => of_folders(reference, decoded, monitor),
        _ => Err(Error::refused(
            "a capture and a folder cannot be compared",
            "name two captures, or two folders of captures",
        )),
    }
}

/// Name of a capture or folder in reports: its file name without format and compression.
pub(crate) fn stem(path: &Path) -> String {
    folder::name(path.file_name().map_or(path, Path::new))
}

fn of_folders(
    reference: &Path,
    decoded: &Path,
    monitor: &mut dyn Monitor,
) -> Result<Vec<Pair>, Error> {
    let references = named(reference, monitor)?;
    let mut rest = named(decoded, monitor)?;
    let mut pairs = Vec::with_capacity(references.len());
    for (name, reference) in references {
        let Some(decoded) = rest.remove(&name) else {
            return Err(Error::refused(
                format!("{}: no capture for {name}", decoded.display()),
                "each reference needs a decoded capture of the same name, even an empty one",
            ));
        };
        pairs.push(Pair {
            name,
            reference,
            decoded,
        });
    }
    match rest.into_keys().next() {
        Some(name) => Err(Error::refused(
            format!("{}: no reference for {name}", reference.display()),
            "the folders must hold captures of the same names",
        )),
        None => Ok(pairs),
    }
}

/// The captures of a folder by their names.
fn named(folder: &Path, monitor: &mut dyn Monitor) -> Result<BTreeMap<String, PathBuf>, Error> {
    let mut named = BTreeMap::new();
    for capture in folder::captures(folder, monitor)? {
        let name = capture.name();
        if let Some(other) = named.insert(name.clone(), capture.path.clone()) {
            return Err(Error::refused(
                format!(
                    "{} and {}: both are named {name}",
                    other.display(),
                    capture.path.display()
                ),
                "captures are paired by their names without the extensions of format and compression",
            ));
        }
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::monitor::Silent;
    use crate::testing::data;

    /// A folder with copies of the example of these names.
    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::copy(data("example.pcap"), path).unwrap();
        }
        folder
    }

    fn names(references: &[&str], decoded: &[&str]) -> Result<Vec<String>, String> {
        let [references, decoded] = [references, decoded].map(folder);
        let pairs = pairs(references.path(), decoded.path(), &mut Silent);
        let pairs = pairs.map_err(|error| error.to_string())?;
        Ok(pairs.into_iter().map(|pair| pair.name).collect())
    }

    #[test]
    fn test_captures_of_folders_are_paired_by_name() {
        let paired = names(&["b/2.cap", "a/1.pcap"], &["a/1.pcapng", "b/2.pcap"]);
        assert_eq!(paired.unwrap(), ["a/1", "b/2"]);
    }

    #[test]
    fn test_captures_without_a_partner_are_refused() {
        let ends = |name: Result<_, String>, end: &str| name.unwrap_err().ends_with(end);
        assert!(ends(
            names(&["1.pcap", "2.pcap"], &["1.pcap"]),
            "no capture for 2"
        ));
        assert!(ends(
            names(&["1.pcap"], &["1.pcap", "2.pcap"]),
            "no reference for 2"
        ));
        assert!(ends(
            names(&["1.pcap"], &["1.pcap", "1.cap"]),
            "both are named 1"
        ));
    }

    #[test]
    fn test_a_capture_and_a_folder_are_no_pair() {
        let folder = folder(&["1.pcap"]);
        assert!(pairs(&data("example.pcap"), folder.path(), &mut Silent).is_err());
        let pairs = pairs(&data("example.pcap"), &data("example.pcap"), &mut Silent).unwrap();
        assert_eq!(pairs[0].name, "example");
    }
}

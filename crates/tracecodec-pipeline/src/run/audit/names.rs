//! Names of an original: its file name, digest and date, in a decoded capture and the files beside.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tracecodec::pcap::{Notes, Reader, Timestamp};

use crate::files::{is_pipe, pair};

/// Files beside a capture that are longer are not read.
const LONGEST_FILE: u64 = 1 << 24;

/// Characters that a file name has at least to be searched for: fewer occur in any text.
const SHORTEST: usize = 4;

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

/// A name of the original that is disclosed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Disclosed {
    /// `file name`, `digest` or `date`.
    pub what: &'static str,
    /// Where it stands: `capture notes`, `packet comments`, `packet times`, or the path of a file.
    pub place: String,
}

/// The names of an original, in lower case.
pub(super) struct Names {
    texts: Vec<(&'static str, String)>,
    began: Option<Timestamp>,
}

impl Names {
    /// The names of a capture with this path, digest and time of the first packet.
    pub(super) fn new(path: &Path, digest: &str, began: Option<Timestamp>) -> Self {
        let mut texts = vec![("digest", digest.to_lowercase())];
        let stem = pair::stem(path).to_lowercase();
        if !is_pipe(path) && stem.len() >= SHORTEST {
            texts.push(("file name", stem));
        }
        if let Some(time) = began {
            texts.push(("date", date(time)));
            texts.push(("date", (time.0 / SECOND).to_string()));
        }
        Self { texts, began }
    }

    /// Names in a text at this place.
    fn within(&self, text: &str, place: &str, found: &mut Vec<Disclosed>) {
        let text = text.to_lowercase();
        let names = self.texts.iter().filter(|(_, name)| text.contains(name));
        found.extend(names.map(|(what, _)| Disclosed {
            what,
            place: place.to_string(),
        }));
    }

    /// Names in what a capture says beside its packets, in comments of packets, and in text files
    /// beside it.
    pub(super) fn disclosed(
        &self,
        notes: &Notes,
        comments: &[String],
        began: Option<Timestamp>,
        beside: &[PathBuf],
    ) -> Vec<Disclosed> {
        let mut found = Vec::new();
        for text in notes.applications.iter().chain(&notes.comments) {
            self.within(text, "capture notes", &mut found);
        }
        for interface in &notes.interfaces {
            self.within(&interface.name, "capture notes", &mut found);
            self.within(&interface.description, "capture notes", &mut found);
        }
        for comment in comments {
            self.within(comment, "packet comments", &mut found);
        }
        let second = |time: Option<Timestamp>| time.map(|time| time.0 / SECOND);
        if second(began).is_some_and(|began| Some(began) == second(self.began)) {
            found.push(Disclosed {
                what: "date",
                place: "packet times".to_string(),
            });
        }
        for path in beside {
            if let Ok(bytes) = fs::read(path) {
                let place = path.display().to_string();
                self.within(&String::from_utf8_lossy(&bytes), &place, &mut found);
            }
        }
        found.sort();
        found.dedup();
        found
    }
}

/// Files that are shared with a decoded capture: of a folder, all files that are no captures; of a
/// capture, those beside it whose names begin as its own.
pub(super) fn beside(decoded: &Path) -> Vec<PathBuf> {
    let (folder, stem) = if decoded.is_dir() {
        (decoded, String::new())
    } else {
        let parent = decoded.parent().filter(|path| !path.as_os_str().is_empty());
        (parent.unwrap_or(Path::new(".")), pair::stem(decoded))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&stem))
        .filter(|entry| {
            let metadata = entry.metadata();
            metadata.is_ok_and(|file| file.is_file() && file.len() <= LONGEST_FILE)
        })
        .map(|entry| entry.path())
        .filter(|path| Reader::open(path).is_err())
        .collect();
    files.sort();
    files
}

/// The day of a time, as in `2026-01-31` (the algorithm of Howard Hinnant, `civil_from_days`).
fn date(time: Timestamp) -> String {
    let days = time.0.div_euclid(SECOND * 86_400) + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    format!("{:04}-{month:02}-{day:02}", year + era * 400 + next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_dates() {
        let day = |seconds: i64| date(Timestamp(seconds * SECOND));
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(951_782_400), "2000-02-29");
        assert_eq!(day(1_772_323_199), "2026-02-28");
        assert_eq!(day(-1), "1969-12-31");
    }

    #[test]
    fn test_names_are_found_in_notes_and_times() {
        let began = Some(Timestamp(1_700_000_000 * SECOND));
        let names = Names::new(Path::new("Secret-Site.pcap.gz"), "AB12CD", began);
        let notes = Notes {
            comments: vec!["made from secret-site.pcap".to_string()],
            ..Notes::default()
        };
        let found = names.disclosed(&notes, &["ab12cd".to_string()], began, &[]);
        let found: Vec<_> = found.iter().map(|name| (name.what, &*name.place)).collect();
        let expected = [
            ("date", "packet times"),
            ("digest", "packet comments"),
            ("file name", "capture notes"),
        ];
        assert_eq!(found, expected);
        assert!(
            names
                .disclosed(&Notes::default(), &[], None, &[])
                .is_empty()
        );
    }
}

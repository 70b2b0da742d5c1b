//! Windows over sequences: the rows of a prefix, and the rows that follow.

use std::ops::Range;

use super::Sequence;
use super::file::LatentFile;
use crate::error::Error;
use crate::train::Examples;

/// Windows that a shuffle keeps together and reads at once: neighbours share most of their rows.
const CHUNK: u64 = 16;

/// Consecutive rows of one sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// Rows of the prefix, row-major. The prefix is shorter at the start of a sequence.
    pub prefix: Vec<f32>,
    /// Rows of the suffix, row-major.
    pub suffix: Vec<f32>,
    /// Label of the sequence, if it has one.
    pub label: Option<String>,
}

/// Place of a window in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    sequence: u32,
    /// Number of the first row of the prefix.
    first: u64,
    /// Number of the first row of the suffix.
    middle: u64,
}

/// The windows of a split, in the order of their rows.
#[derive(Debug)]
pub struct Windows {
    file: LatentFile,
    sequences: Vec<Sequence>,
    prefix: u64,
    suffix: u64,
    places: Vec<Place>,
}

impl Windows {
    pub(super) fn new(
        file: LatentFile,
        sequences: &[Sequence],
        prefix: usize,
        suffix: usize,
        stride: usize,
    ) -> Self {
        let places = sequences.iter().enumerate().flat_map(|(number, sequence)| {
            let suffixes = (0..=sequence.rows).step_by(stride.max(1));
            suffixes
                .take_while(|middle| middle + suffix as u64 <= sequence.rows)
                .map(move |middle| Place {
                    sequence: number as u32,
                    first: sequence.first + middle.saturating_sub(prefix as u64),
                    middle: sequence.first + middle,
                })
        });
        Self {
            file,
            sequences: sequences.to_vec(),
            prefix: prefix as u64,
            suffix: suffix as u64,
            places: places.collect(),
        }
    }

    /// Repeats the windows without a whole prefix so many times: they are few, and the model also
    /// learns from them how a sequence begins.
    pub fn with_starts(mut self, times: usize) -> Self {
        let repeated = self.places.into_iter().flat_map(|place| {
            let is_start = place.middle - place.first < self.prefix;
            std::iter::repeat_n(place, if is_start { times } else { 1 })
        });
        self.places = repeated.collect();
        self
    }

    /// Number of windows.
    pub fn len(&self) -> u64 {
        self.places.len() as u64
    }

    /// Whether there is no window.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Number of rows of a window's prefix.
    ///
    /// # Panics
    /// If there are not so many windows.
    pub fn prefix_rows(&self, number: u64) -> usize {
        let place = self.place(number);
        (place.middle - place.first) as usize
    }

    /// The sequence of a window, and the number of the suffix's first row in it.
    ///
    /// # Panics
    /// If there are not so many windows.
    pub fn position(&self, number: u64) -> (&Sequence, u64) {
        let place = self.place(number);
        let sequence = self.sequence(place);
        (sequence, place.middle - sequence.first)
    }

    /// A window by its number.
    ///
    /// # Errors
    /// If the file can no longer be read.
    ///
    /// # Panics
    /// If there are not so many windows.
    pub fn window(&self, number: u64) -> Result<Window, Error> {
        let place = self.place(number);
        Ok(Window {
            prefix: self.file.read(place.first..place.middle)?,
            suffix: self.file.read(place.middle..place.middle + self.suffix)?,
            label: self.sequence(place).label.clone(),
        })
    }

    fn sequence(&self, place: Place) -> &Sequence {
        &self.sequences[place.sequence as usize]
    }

    fn place(&self, number: u64) -> Place {
        self.places[number as usize]
    }

    /// Windows of some ranges of numbers.
    ///
    /// # Errors
    /// If the file can no longer be read.
    pub fn read(&self, runs: &[Range<u64>]) -> Result<Vec<Window>, Error> {
        let numbers = runs.iter().cloned().flatten();
        numbers.map(|number| self.window(number)).collect()
    }
}

impl Examples for Windows {
    type Example = Window;

    fn len(&self) -> u64 {
        self.len()
    }

    fn chunk(&self) -> u64 {
        CHUNK
    }

    fn read(&self, runs: &[Range<u64>]) -> Result<Vec<Window>, Error> {
        self.read(runs)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sequences;
    use super::super::tests::write;
    use tracecodec::shard::Split;

    #[test]
    fn test_windows_never_cross_sequences() {
        let folder = tempfile::tempdir().unwrap();
        let lengths = [
            (Split::Train, 10, Some("a")),
            (Split::Train, 3, None),
            (Split::Train, 8, None),
        ];
        write(folder.path(), 1, &lengths, |row, _| row as f32);
        let sequences = Sequences::open(folder.path()).unwrap();
        let windows = sequences.windows(Split::Train, 3, 4, 2).unwrap();
        let found: Vec<_> = (0..windows.len())
            .map(|number| windows.window(number).unwrap())
            .map(|window| {
                (
                    window.prefix,
                    window.suffix[0],
                    window.suffix[3],
                    window.label,
                )
            })
            .collect();
        let a = || Some("a".to_string());
        // Rows 10 to 12, of the second sequence, are too few for a suffix.
        assert_eq!(
            found,
            [
                (vec![], 0.0, 3.0, a()),
                (vec![0.0, 1.0], 2.0, 5.0, a()),
                (vec![1.0, 2.0, 3.0], 4.0, 7.0, a()),
                (vec![3.0, 4.0, 5.0], 6.0, 9.0, a()),
                (vec![], 13.0, 16.0, None),
                (vec![13.0, 14.0], 15.0, 18.0, None),
                (vec![14.0, 15.0, 16.0], 17.0, 20.0, None),
            ]
        );
        let (sequence, row) = windows.position(5);
        assert_eq!((sequence.shard.as_str(), row), ("2.pcap", 2));
        let repeated = windows.with_starts(3);
        assert_eq!(repeated.len(), 15);
        let empty = (0..15).filter(|&i| repeated.window(i).unwrap().prefix.is_empty());
        assert_eq!(empty.count(), 6);
    }
}

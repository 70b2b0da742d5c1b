//! Rows of a raw packet table as numbers and codes, and a model's numbers and codes as rows again.

use serde::{Deserialize, Serialize};
use tracecodec::action::OptionProfiles;
use tracecodec::raw::{
    BITS, Bit, BitRow, CATEGORICAL, Candidate, Diagnostics, InvalidRow, NUMERIC, RawRow,
    Vocabularies,
};

/// The table that a baseline is a codec of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::large_enum_variant, reason = "a model has one table")]
pub(super) enum Table {
    /// Header fields: 6 numbers, and 16 codes of these vocabularies.
    Columns(Vocabularies),
    /// The bits of the headers: one number, the time, and a code a bit.
    Bits,
}

/// A row that a model decoded, before it is judged.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// A row of the table of header fields.
    Columns(Box<Candidate>),
    /// A row of the bit table; invalid if the time is not a number.
    Bits(Result<Box<BitRow>, InvalidRow>),
}

impl Decoded {
    /// Judges the row, and compares it with its reference if it is a packet. Returns the row to
    /// render; `None` if it is no packet. If the dictionary learns, option layouts of the bit table
    /// that it lacks are added.
    pub fn judge(
        self,
        reference: &RawRow,
        profiles: &mut OptionProfiles,
        diagnostics: &mut Diagnostics,
    ) -> Option<RawRow> {
        match self {
            Self::Columns(candidate) => diagnostics.add(reference, &candidate, profiles),
            Self::Bits(bits) => {
                diagnostics.add_judged(reference, bits.and_then(|bits| bits.read(profiles)))
            }
        }
    }
}

impl Table {
    /// Numbers of a row.
    pub(super) fn numbers(&self) -> usize {
        match self {
            Self::Columns(_) => NUMERIC,
            Self::Bits => 1,
        }
    }

    /// How many codes each categorical column has.
    pub(super) fn codes(&self) -> Vec<usize> {
        match self {
            Self::Columns(vocabularies) => vocabularies
                .iter()
                .map(|(_, vocabulary)| vocabulary.size() as usize)
                .collect(),
            Self::Bits => vec![Bit::ALL.len(); BITS],
        }
    }

    /// Appends a row's numbers and codes. A row that is no packet has no bits; rows that were read
    /// are always packets.
    pub(super) fn read(
        &self,
        row: &RawRow,
        profiles: &OptionProfiles,
        numbers: &mut Vec<f64>,
        codes: &mut Vec<u32>,
    ) {
        match self {
            Self::Columns(vocabularies) => {
                let cells = Candidate::of(row);
                numbers.extend(cells.numbers);
                codes.extend(vocabularies.encode(&cells.categories));
            }
            Self::Bits => {
                let bits = BitRow::of(row, profiles).map_or([Bit::Absent; BITS], |row| row.bits);
                numbers.push(row.delta_t as f64);
                codes.extend(bits.map(|bit| bit as u32));
            }
        }
    }

    /// Builds a row from numbers and codes, which are as many as a row has and within their
    /// vocabularies.
    pub(super) fn write(&self, numbers: &[f64], codes: &[u32]) -> Decoded {
        match self {
            Self::Columns(vocabularies) => {
                let mut row = [0; CATEGORICAL];
                row.copy_from_slice(codes);
                let mut cells = [0.0; NUMERIC];
                cells.copy_from_slice(numbers);
                Decoded::Columns(Box::new(Candidate {
                    categories: vocabularies
                        .decode(&row)
                        .expect("a model's codes are those of its vocabularies"),
                    numbers: cells,
                }))
            }
            Self::Bits => {
                let mut bits = [Bit::Absent; BITS];
                for (bit, &code) in bits.iter_mut().zip(codes) {
                    *bit = Bit::ALL[code as usize];
                }
                Decoded::Bits(BitRow::decoded(numbers[0], bits).map(Box::new))
            }
        }
    }
}

//! Quality of a decoded table before it is rendered (the paper, C.1, C.4 and Table 9): how many
//! rows are not packets and, in the others, how many categories are right and how far numbers are
//! off.

use std::collections::BTreeMap;
use std::num::ParseIntError;

use serde::{Deserialize, Serialize};

use super::contract::{Candidate, InvalidRow, InvalidRows, by_name, named};
use super::schema::{CATEGORICAL, Column, NUMERIC, RawRow, Value};
use super::{categorical, numeric};
use crate::action::OptionProfiles;

/// Counts of a categorical column's cells that are active in the reference, in valid rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "JsonMatches", into = "JsonMatches")]
pub struct Matches {
    /// Active cells.
    pub active: u64,
    /// Active cells that are decoded exactly.
    pub correct: u64,
}

impl Matches {
    /// Share of the cells that are decoded exactly; `None` without cells.
    pub fn accuracy(&self) -> Option<f64> {
        (self.active > 0).then(|| self.correct as f64 / self.active as f64)
    }

    fn merge(&mut self, other: &Self) {
        self.active += other.active;
        self.correct += other.correct;
    }
}

/// Errors of a numeric column's cells that are active in the reference, in valid rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "JsonDeviations", into = "JsonDeviations")]
pub struct Deviations {
    /// Active cells.
    pub active: u64,
    /// Sum of the absolute errors, in the field's units. As an integer, it does not depend on the
    /// order of merging.
    pub sum: u128,
}

impl Deviations {
    /// Mean absolute error, in the field's units; `None` without cells.
    pub fn mean(&self) -> Option<f64> {
        (self.active > 0).then(|| self.sum as f64 / self.active as f64)
    }

    fn merge(&mut self, other: &Self) {
        self.active += other.active;
        self.sum += other.sum;
    }
}

/// Decoded rows compared with their references. All figures are sums, so that those of parts merge
/// to those of the whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Json", into = "Json")]
pub struct Diagnostics {
    rows: InvalidRows,
    categorical: [Matches; CATEGORICAL],
    numeric: [Deviations; NUMERIC],
}

impl Diagnostics {
    /// Judges a decoded row and, if it is a packet, compares it with its reference. The
    /// `tcp_opt_profile` of both refers to `profiles`. Returns the row to render; `None` if it is
    /// not a packet.
    pub fn add(
        &mut self,
        reference: &RawRow,
        decoded: &Candidate,
        profiles: &OptionProfiles,
    ) -> Option<RawRow> {
        let row = self.rows.validate(decoded, profiles)?;
        self.compare(reference, &row);
        Some(row)
    }

    /// Compares a row that was judged already, as rows of the bit table are when they are read.
    /// Returns the row to render; `None` if it is not a packet.
    pub fn add_judged(
        &mut self,
        reference: &RawRow,
        judged: Result<RawRow, InvalidRow>,
    ) -> Option<RawRow> {
        let row = self.rows.count(judged)?;
        self.compare(reference, &row);
        Some(row)
    }

    /// Compares the cells that are active in the reference. If a cell is not active in the decoded
    /// row, it counts as a wrong category or as the number 0.
    fn compare(&mut self, reference: &RawRow, decoded: &RawRow) {
        let (block, decoded_block) = (reference.block(), decoded.block());
        let columns = categorical().zip(&mut self.categorical);
        for (column, matches) in columns.filter(|(column, _)| column.active.covers(block)) {
            let is_correct =
                column.active.covers(decoded_block) && column.get(reference) == column.get(decoded);
            matches.merge(&Matches {
                active: 1,
                correct: is_correct.into(),
            });
        }
        let columns = numeric().zip(&mut self.numeric);
        for (column, deviations) in columns.filter(|(column, _)| column.active.covers(block)) {
            let decoded = if column.active.covers(decoded_block) {
                number(column, decoded)
            } else {
                0
            };
            deviations.merge(&Deviations {
                active: 1,
                sum: number(column, reference).abs_diff(decoded).into(),
            });
        }
    }

    /// Adds the diagnostics of other rows.
    pub fn merge(&mut self, other: &Self) {
        self.rows.merge(&other.rows);
        for (matches, more) in self.categorical.iter_mut().zip(&other.categorical) {
            matches.merge(more);
        }
        for (deviations, more) in self.numeric.iter_mut().zip(&other.numeric) {
            deviations.merge(more);
        }
    }

    /// Counts of the rows judged, and of the reasons why rows are not packets.
    pub fn rows(&self) -> &InvalidRows {
        &self.rows
    }

    /// The categorical columns by name, in the table's order.
    pub fn by_category(&self) -> impl Iterator<Item = (&'static str, &Matches)> {
        names(categorical()).zip(&self.categorical)
    }

    /// The numeric columns by name, in the table's order.
    pub fn by_number(&self) -> impl Iterator<Item = (&'static str, &Deviations)> {
        names(numeric()).zip(&self.numeric)
    }

    /// Counts of all categorical cells, whose accuracy is the paper's "Cat acc.".
    pub fn matches(&self) -> Matches {
        let mut all = Matches::default();
        self.categorical.iter().for_each(|part| all.merge(part));
        all
    }

    /// Errors of all numeric cells, whatever their units; their mean is the paper's "Num err.".
    pub fn deviations(&self) -> Deviations {
        let mut all = Deviations::default();
        self.numeric.iter().for_each(|part| all.merge(part));
        all
    }
}

/// The row's number in a numeric column.
fn number(column: &Column, row: &RawRow) -> i64 {
    match column.get(row) {
        Value::Number(number) => number,
        Value::Address(_) => unreachable!("addresses are categories"),
    }
}

/// Diagnostics in JSON: counts and sums, which are read again, and figures derived from them, which
/// are not.
#[derive(Serialize, Deserialize)]
struct Json {
    rows: InvalidRows,
    #[serde(skip_deserializing)]
    invalid_row_rate: Option<f64>,
    #[serde(skip_deserializing)]
    categorical_accuracy: Option<f64>,
    #[serde(skip_deserializing)]
    numerical_error: Option<f64>,
    categorical: BTreeMap<String, Matches>,
    numeric: BTreeMap<String, Deviations>,
}

#[derive(Serialize, Deserialize)]
struct JsonMatches {
    active: u64,
    correct: u64,
    #[serde(skip_deserializing)]
    accuracy: Option<f64>,
}

#[derive(Serialize, Deserialize)]
struct JsonDeviations {
    active: u64,
    /// Written in digits: sums of times outgrow the numbers that JSON readers keep exactly.
    sum: String,
    #[serde(skip_deserializing)]
    mean: Option<f64>,
}

impl From<Matches> for JsonMatches {
    fn from(matches: Matches) -> Self {
        Self {
            active: matches.active,
            correct: matches.correct,
            accuracy: matches.accuracy(),
        }
    }
}

impl From<JsonMatches> for Matches {
    fn from(
        JsonMatches {
            active, correct, ..
        }: JsonMatches,
    ) -> Self {
        Self { active, correct }
    }
}

impl From<Deviations> for JsonDeviations {
    fn from(deviations: Deviations) -> Self {
        Self {
            active: deviations.active,
            sum: deviations.sum.to_string(),
            mean: deviations.mean(),
        }
    }
}

impl TryFrom<JsonDeviations> for Deviations {
    type Error = ParseIntError;

    fn try_from(JsonDeviations { active, sum, .. }: JsonDeviations) -> Result<Self, ParseIntError> {
        let sum = sum.parse()?;
        Ok(Self { active, sum })
    }
}

impl From<Diagnostics> for Json {
    fn from(diagnostics: Diagnostics) -> Self {
        Self {
            invalid_row_rate: diagnostics.rows.rate(),
            categorical_accuracy: diagnostics.matches().accuracy(),
            numerical_error: diagnostics.deviations().mean(),
            categorical: named(names(categorical()), diagnostics.categorical),
            numeric: named(names(numeric()), diagnostics.numeric),
            rows: diagnostics.rows,
        }
    }
}

impl TryFrom<Json> for Diagnostics {
    type Error = String;

    fn try_from(json: Json) -> Result<Self, String> {
        Ok(Self {
            rows: json.rows,
            categorical: by_name(names(categorical()), json.categorical)?,
            numeric: by_name(names(numeric()), json.numeric)?,
        })
    }
}

fn names(columns: impl Iterator<Item = &'static Column>) -> impl Iterator<Item = &'static str> {
    columns.map(|column| column.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Family;
    use crate::raw::{Category, Reason};
    use crate::wire::ip_proto;

    /// Adds the example of `docs/metrics.md`: four datagrams, the fourth of which is not decoded as
    /// a packet.
    fn add_example(diagnostics: &mut Diagnostics) {
        let reference = RawRow {
            delta_t: 1_000,
            proto: ip_proto::UDP,
            payload_len: 100,
            ttl: 64,
            udp_sport: 53,
            udp_dport: 40_000,
            ..RawRow::default()
        };
        let near = RawRow {
            delta_t: 400,
            payload_len: 110,
            ttl: 63,
            udp_dport: 40_001,
            ..reference
        };
        let segment = RawRow {
            proto: ip_proto::TCP,
            tcp_seq: 7,
            udp_sport: 0,
            udp_dport: 0,
            ..reference
        };
        let mut rare = Candidate::of(&reference);
        rare.categories[2] = Category::Rare;
        for row in [&reference, &near, &segment] {
            let read = diagnostics.add(&reference, &Candidate::of(row), &OptionProfiles::new());
            assert_eq!(read.as_ref(), Some(row));
        }
        assert_eq!(
            diagnostics.add(&reference, &rare, &OptionProfiles::new()),
            None
        );
    }

    fn example() -> Diagnostics {
        let mut diagnostics = Diagnostics::default();
        add_example(&mut diagnostics);
        diagnostics
    }

    fn columns<T: Copy>(
        columns: impl Iterator<Item = (&'static str, T)>,
    ) -> BTreeMap<&'static str, T> {
        columns.collect()
    }

    #[test]
    fn test_example_by_hand() {
        let diagnostics = example();
        assert_eq!(diagnostics.rows().rate(), Some(0.25));
        let of = columns(diagnostics.by_category());
        let wrong: Vec<(&str, u64)> = of
            .iter()
            .map(|(name, matches)| (*name, matches.active - matches.correct))
            .filter(|(_, wrong)| *wrong > 0)
            .collect();
        let expected = [("proto", 1), ("ttl", 1), ("udp_dport", 2), ("udp_sport", 1)];
        assert_eq!(wrong, expected);
        assert_eq!(of["udp_dport"].accuracy(), Some(1.0 / 3.0));
        assert_eq!(of["tcp_sport"].accuracy(), None);
        assert_eq!(
            diagnostics.matches(),
            Matches {
                active: 30,
                correct: 25
            }
        );
        let of = columns(diagnostics.by_number());
        assert_eq!(of["delta_t"].mean(), Some(200.0));
        assert_eq!(of["tcp_seq"].mean(), None);
        assert_eq!(
            diagnostics.deviations(),
            Deviations {
                active: 9,
                sum: 610
            }
        );
    }

    #[test]
    fn test_numbers_that_are_not_active_when_decoded_are_0() {
        let reference = RawRow {
            proto: ip_proto::TCP,
            tcp_seq: u32::MAX,
            ..RawRow::default()
        };
        let datagram = RawRow {
            proto: ip_proto::UDP,
            tcp_seq: 9,
            ..reference
        };
        let mut diagnostics = Diagnostics::default();
        diagnostics.add_judged(&reference, Ok(datagram));
        let of = columns(diagnostics.by_number());
        assert_eq!(of["tcp_seq"].sum, u32::MAX.into());
        let of = columns(diagnostics.by_category());
        // Both are 0, but the datagram has no such column.
        assert_eq!(of["tcp_flags"].accuracy(), Some(0.0));
    }

    #[test]
    fn test_block_is_that_of_the_version_too() {
        let reference = RawRow {
            proto: ip_proto::ICMP,
            ..RawRow::default()
        };
        let decoded = RawRow {
            ip_version: Family::V6,
            src_ip: std::net::Ipv6Addr::UNSPECIFIED.into(),
            ..reference
        };
        let mut diagnostics = Diagnostics::default();
        diagnostics.add_judged(&reference, Ok(decoded));
        let of = columns(diagnostics.by_category());
        assert_eq!(of["proto"].correct, 1);
        assert_eq!((of["icmp_type"].active, of["icmp_type"].correct), (1, 0));
    }

    #[test]
    fn test_parts_merge() {
        let mut twice = example();
        add_example(&mut twice);
        let mut merged = example();
        merged.merge(&example());
        assert_eq!(merged, twice);
        assert_eq!(
            twice.matches(),
            Matches {
                active: 60,
                correct: 50
            }
        );
        let rare = twice
            .rows()
            .by_reason()
            .find(|(reason, _)| *reason == Reason::Rare);
        assert_eq!(rare, Some((Reason::Rare, 2)));
    }

    #[test]
    fn test_json() {
        let mut diagnostics = example();
        let (past, future) = (i64::MIN, i64::MAX);
        let row = |delta_t| RawRow {
            delta_t,
            ..RawRow::default()
        };
        // The sum needs more than 64 bits.
        for _ in 0..2 {
            diagnostics.add_judged(&row(past), Ok(row(future)));
        }
        let json = serde_json::to_value(&diagnostics).unwrap();
        assert_eq!(json["rows"]["reasons"]["rare"], 1);
        assert_eq!(json["categorical"]["udp_dport"]["correct"], 1);
        assert_eq!(
            json["categorical"]["tcp_flags"]["accuracy"],
            serde_json::Value::Null
        );
        assert_eq!(json["numeric"]["payload_len"]["mean"], 2.0);
        assert_eq!(json["numeric"]["delta_t"]["sum"], "36893488147419103830");
        assert_eq!(json["invalid_row_rate"], 1.0 / 6.0);
        let again: Diagnostics = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(again, diagnostics);
        let wrong = json.to_string().replace("udp_dport", "port");
        assert!(serde_json::from_str::<Diagnostics>(&wrong).is_err());
    }
}

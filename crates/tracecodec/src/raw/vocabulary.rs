//! Vocabularies of the categorical columns: the values that a model knows. Any other value is
//! [`Category::Rare`].

use std::cmp::Reverse;
use std::collections::BTreeMap;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::categorical;
use super::contract::{Candidate, Category};
use super::schema::{CATEGORICAL, Column, ColumnKind, RawRow, Value};
use crate::error::Error;

/// Which values of the training data a vocabulary keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VocabularyPolicy {
    /// Rows of the training data in which a value must occur.
    pub min_count: u64,
    /// Largest number of addresses of a column.
    pub addresses: usize,
    /// Largest number of ports of a column.
    pub ports: usize,
}

impl Default for VocabularyPolicy {
    fn default() -> Self {
        Self {
            min_count: 1,
            addresses: 4_096,
            ports: 8_192,
        }
    }
}

impl VocabularyPolicy {
    /// Largest number of values of a column; there is no limit for classes, which are few.
    fn capacity(&self, kind: ColumnKind) -> usize {
        match kind {
            ColumnKind::Address => self.addresses,
            ColumnKind::Port => self.ports,
            ColumnKind::Class | ColumnKind::Numeric => usize::MAX,
        }
    }
}

/// How often each value of each categorical column occurs in rows in which the column is active.
/// Counts merge.
#[derive(Debug, Clone, Default)]
pub struct ValueCounts([HashMap<Value, u64>; CATEGORICAL]);

impl ValueCounts {
    /// Counts the values of a row.
    pub fn add(&mut self, row: &RawRow) {
        let block = row.block();
        for (counts, column) in self.0.iter_mut().zip(categorical()) {
            if column.active.covers(block) {
                *counts.entry(column.get(row)).or_default() += 1;
            }
        }
    }

    /// Adds the counts of other rows.
    pub fn merge(&mut self, other: Self) {
        for (counts, more) in self.0.iter_mut().zip(other.0) {
            more.into_iter()
                .for_each(|(value, count)| *counts.entry(value).or_default() += count);
        }
    }
}

/// The values of one column that a model knows, most frequent first.
///
/// Codes number the categories that a model may predict for the column: 0 is
/// [`Category::NotApplicable`], 1 is [`Category::Rare`], the values follow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnVocabulary {
    values: Vec<Value>,
    codes: HashMap<Value, u32>,
}

/// Code of [`Category::NotApplicable`].
const NOT_APPLICABLE: u32 = 0;

/// Code of [`Category::Rare`].
const RARE: u32 = 1;

/// Number of codes before the first value's.
const RESERVED: u32 = 2;

impl ColumnVocabulary {
    /// A vocabulary of these values, none of which may occur twice.
    fn new(values: Vec<Value>) -> Self {
        let codes = values.iter().copied().zip(RESERVED..).collect();
        Self { values, codes }
    }

    /// A vocabulary of the most frequent values, by count descending, then by value.
    fn of(counts: &HashMap<Value, u64>, min_count: u64, capacity: usize) -> Self {
        let frequent = counts.iter().filter(|(_, count)| **count >= min_count);
        let mut frequent: Vec<(Reverse<u64>, Value)> = frequent
            .map(|(&value, &count)| (Reverse(count), value))
            .collect();
        frequent.sort_unstable();
        frequent.truncate(capacity);
        Self::new(frequent.into_iter().map(|(_, value)| value).collect())
    }

    /// The values, most frequent first.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// Number of codes, which is one more than the largest code.
    pub fn size(&self) -> u32 {
        RESERVED + self.values.len() as u32
    }

    /// The code of a category; for an unknown value, the code of [`Category::Rare`].
    pub fn encode(&self, category: Category) -> u32 {
        match category {
            Category::NotApplicable => NOT_APPLICABLE,
            Category::Rare => RARE,
            Category::Value(value) => self.codes.get(&value).copied().unwrap_or(RARE),
        }
    }

    /// The category of a code; `None` if the code is not below [`size`](Self::size).
    pub fn decode(&self, code: u32) -> Option<Category> {
        match code {
            NOT_APPLICABLE => Some(Category::NotApplicable),
            RARE => Some(Category::Rare),
            code => {
                let value = self.values.get((code - RESERVED) as usize)?;
                Some(Category::Value(*value))
            }
        }
    }

    /// Share of the counted rows whose value is known; `None` if there are no rows.
    fn coverage(&self, counts: &HashMap<Value, u64>) -> Option<f64> {
        let total: u64 = counts.values().sum();
        let known = self.values.iter().filter_map(|value| counts.get(value));
        (total > 0).then(|| known.sum::<u64>() as f64 / total as f64)
    }
}

/// One vocabulary for each categorical column, in the table's order. In JSON an object from column
/// names to values.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(
    try_from = "BTreeMap<String, Vec<Value>>",
    into = "BTreeMap<String, Vec<Value>>"
)]
pub struct Vocabularies([ColumnVocabulary; CATEGORICAL]);

impl Vocabularies {
    /// The vocabularies of training data.
    pub fn of(counts: &ValueCounts, policy: &VocabularyPolicy) -> Self {
        let mut vocabularies = Self::default();
        let columns = categorical().zip(&counts.0);
        for (vocabulary, (column, counts)) in vocabularies.0.iter_mut().zip(columns) {
            *vocabulary =
                ColumnVocabulary::of(counts, policy.min_count, policy.capacity(column.kind));
        }
        vocabularies
    }

    /// Columns and vocabularies, in the table's order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Column, &ColumnVocabulary)> {
        categorical().zip(&self.0)
    }

    /// Codes of a row's cells.
    pub fn encode(&self, categories: &[Category; CATEGORICAL]) -> [u32; CATEGORICAL] {
        let mut codes = [0; CATEGORICAL];
        for (code, (vocabulary, category)) in codes.iter_mut().zip(self.0.iter().zip(categories)) {
            *code = vocabulary.encode(*category);
        }
        codes
    }

    /// Cells of a row's codes; `None` if a vocabulary has no such code.
    pub fn decode(&self, codes: &[u32; CATEGORICAL]) -> Option<[Category; CATEGORICAL]> {
        let mut categories = [Category::Rare; CATEGORICAL];
        for (category, (vocabulary, code)) in categories.iter_mut().zip(self.0.iter().zip(codes)) {
            *category = vocabulary.decode(*code)?;
        }
        Some(categories)
    }

    /// Whether all values of a row are known. The share of rows that are not covered is the least
    /// share of invalid rows that a model can reach.
    pub fn covers(&self, row: &RawRow) -> bool {
        let codes = self.encode(&Candidate::of(row).categories);
        !codes.contains(&RARE)
    }

    /// Share of the counted rows whose value is known, by column, in the table's order; `None` if
    /// the column is active in no row.
    pub fn coverage(
        &self,
        counts: &ValueCounts,
    ) -> impl Iterator<Item = (&'static Column, Option<f64>)> {
        let columns = self.iter().zip(&counts.0);
        columns.map(|((column, vocabulary), counts)| (column, vocabulary.coverage(counts)))
    }
}

impl From<Vocabularies> for BTreeMap<String, Vec<Value>> {
    fn from(vocabularies: Vocabularies) -> Self {
        let columns = categorical().zip(vocabularies.0);
        columns
            .map(|(column, vocabulary)| (column.name.to_string(), vocabulary.values))
            .collect()
    }
}

impl TryFrom<BTreeMap<String, Vec<Value>>> for Vocabularies {
    type Error = Error;

    fn try_from(mut columns: BTreeMap<String, Vec<Value>>) -> Result<Self, Error> {
        let mut vocabularies = Self::default();
        for (vocabulary, column) in vocabularies.0.iter_mut().zip(categorical()) {
            let values = columns.remove(column.name).ok_or_else(|| {
                Error::Vocabulary(format!("no vocabulary of column {}", column.name))
            })?;
            let cannot = |value: &&Value| !column.set(&mut RawRow::default(), **value);
            if let Some(value) = values.iter().find(cannot).or(twice(&values)) {
                return Err(Error::Vocabulary(format!(
                    "vocabulary of column {}: {value:?} occurs twice or cannot stand there",
                    column.name
                )));
            }
            *vocabulary = ColumnVocabulary::new(values);
        }
        match columns.into_keys().next() {
            Some(name) => Err(Error::Vocabulary(format!(
                "a vocabulary of {name}, which is no categorical column"
            ))),
            None => Ok(vocabularies),
        }
    }
}

/// A value that occurs twice.
fn twice(values: &[Value]) -> Option<&Value> {
    let mut seen = HashMap::new();
    values
        .iter()
        .find(|value| seen.insert(**value, ()).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ip_proto;

    /// A UDP datagram from host `host` to port `port`.
    fn row(host: u8, port: u16) -> RawRow {
        RawRow {
            proto: ip_proto::UDP,
            src_ip: [10, 0, 0, host].into(),
            udp_dport: port,
            ..RawRow::default()
        }
    }

    fn counts(rows: &[RawRow]) -> ValueCounts {
        let mut counts = ValueCounts::default();
        rows.iter().for_each(|row| counts.add(row));
        counts
    }

    fn vocabulary<'a>(vocabularies: &'a Vocabularies, name: &str) -> &'a ColumnVocabulary {
        let mut columns = vocabularies.iter();
        columns.find(|(column, _)| column.name == name).unwrap().1
    }

    #[test]
    fn test_order_is_by_count_then_value() {
        let rows = [row(9, 53), row(2, 53), row(9, 7), row(1, 123), row(2, 9)];
        let vocabularies = Vocabularies::of(&counts(&rows), &VocabularyPolicy::default());
        let hosts = [2, 9, 1].map(|host| Value::Address([10, 0, 0, host].into()));
        assert_eq!(vocabulary(&vocabularies, "src_ip").values(), hosts);
        let ports = [53, 7, 9, 123].map(Value::Number);
        assert_eq!(vocabulary(&vocabularies, "udp_dport").values(), ports);
        assert_eq!(vocabulary(&vocabularies, "tcp_dport").values(), []);
        assert_eq!(vocabulary(&vocabularies, "tcp_dport").size(), 2);
    }

    #[test]
    fn test_policy_bounds_the_vocabulary() {
        let rows = [row(9, 53), row(2, 53), row(9, 7), row(1, 123), row(2, 9)];
        let policy = VocabularyPolicy {
            min_count: 2,
            addresses: 1,
            ..VocabularyPolicy::default()
        };
        let counts = counts(&rows);
        let vocabularies = Vocabularies::of(&counts, &policy);
        assert_eq!(vocabulary(&vocabularies, "src_ip").values().len(), 1);
        assert_eq!(
            vocabulary(&vocabularies, "udp_dport").values(),
            [Value::Number(53)]
        );
        let coverage: BTreeMap<&str, Option<f64>> = vocabularies
            .coverage(&counts)
            .map(|(column, share)| (column.name, share))
            .collect();
        let of = |name| coverage[name];
        assert_eq!((of("src_ip"), of("udp_dport")), (Some(0.4), Some(0.4)));
        assert_eq!((of("dst_ip"), of("tcp_dport")), (Some(1.0), None));
    }

    #[test]
    fn test_codes_and_back() {
        let vocabularies = Vocabularies::of(&counts(&[row(1, 53)]), &VocabularyPolicy::default());
        let known = Candidate::of(&row(1, 53)).categories;
        let codes = vocabularies.encode(&known);
        assert_eq!(vocabularies.decode(&codes), Some(known));
        let unknown = vocabularies.encode(&Candidate::of(&row(2, 53)).categories);
        let at = categorical()
            .position(|column| column.name == "src_ip")
            .unwrap();
        assert_eq!(vocabularies.decode(&unknown).unwrap()[at], Category::Rare);
        assert_eq!(vocabularies.decode(&[3; CATEGORICAL]), None);
        assert!(vocabularies.covers(&row(1, 53)) && !vocabularies.covers(&row(2, 53)));
    }

    #[test]
    fn test_merged_counts_give_the_same_vocabularies() {
        let rows = [row(9, 53), row(2, 53), row(9, 7), row(1, 123), row(2, 9)];
        let mut merged = counts(&rows[3..]);
        merged.merge(counts(&rows[..3]));
        let policy = VocabularyPolicy::default();
        assert_eq!(
            Vocabularies::of(&merged, &policy),
            Vocabularies::of(&counts(&rows), &policy)
        );
    }

    #[test]
    fn test_json() {
        let v6 = RawRow {
            src_ip: std::net::Ipv6Addr::LOCALHOST.into(),
            ..row(1, 53)
        };
        let vocabularies =
            Vocabularies::of(&counts(&[row(1, 53), v6]), &VocabularyPolicy::default());
        let json = serde_json::to_string(&vocabularies).unwrap();
        assert!(json.contains(r#""src_ip":["10.0.0.1","::1"]"#), "{json}");
        assert!(json.contains(r#""udp_dport":[53]"#), "{json}");
        assert_eq!(
            serde_json::from_str::<Vocabularies>(&json).unwrap(),
            vocabularies
        );
        for (wrong, complaint) in [
            (r#""udp_dport":[53,53]"#, "vocabulary of column udp_dport"),
            (r#""udp_dport":[70000]"#, "vocabulary of column udp_dport"),
            (r#""udp_dport":["::1"]"#, "vocabulary of column udp_dport"),
            (r#""port":[53]"#, "no vocabulary of column udp_dport"),
            (r#""udp_dport":[53],"port":[1]"#, "a vocabulary of port"),
        ] {
            let json = json.replace(r#""udp_dport":[53]"#, wrong);
            let error = serde_json::from_str::<Vocabularies>(&json).unwrap_err();
            assert!(error.to_string().contains(complaint), "{error}");
        }
    }
}

//! The contract of the table: which decoded rows are packets. Other rows are counted, never
//! repaired (the paper, C.1 and C.3).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::schema::{Active, CATEGORICAL, COLUMNS, Column, ColumnKind, NUMERIC, RawRow, Value};
use super::{categorical, numeric};
use crate::action::{Family, OptionProfiles, Proto};
use crate::wire::{IPV4_HEADER, ip_proto};

/// Category that a model predicts for a categorical column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// The column is not active in this packet.
    NotApplicable,
    /// A value that the vocabulary lacks.
    Rare,
    /// A value of the vocabulary.
    Value(Value),
}

/// A row as a model decodes it: one cell a column, each on its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Cells of the categorical columns, in the table's order.
    pub categories: [Category; CATEGORICAL],
    /// Cells of the numeric columns, in the table's order and the field's units. Validation rounds
    /// them to the nearest integer.
    pub numbers: [f64; NUMERIC],
}

/// Why a row is not a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The column is active in this packet, but was predicted not to be applicable.
    NotApplicable,
    /// The predicted value is one that the vocabulary lacks.
    Rare,
    /// The number is infinite or NaN.
    NotFinite,
    /// The header's field cannot hold the value.
    OutOfRange,
    /// The address does not have the row's IP version.
    AddressFamily,
    /// The dictionary of option layouts lacks the profile.
    UnknownProfile,
    /// The headers and the payload exceed what the IP header's length field can state.
    TooLong,
    /// Some bits of a header are present, but not its whole fixed part. (Bit table.)
    PartialHeader,
    /// Headers that exclude each other, or do not match the numbers that name them. (Bit table.)
    HeaderConflict,
    /// A header's length field and the options that are present disagree. (Bit table.)
    HeaderLength,
    /// The length field states less than the headers take. (Bit table.)
    TooShort,
}

impl Reason {
    /// All reasons, in the order of reports.
    pub const ALL: [Reason; 11] = [
        Reason::NotApplicable,
        Reason::Rare,
        Reason::NotFinite,
        Reason::OutOfRange,
        Reason::AddressFamily,
        Reason::UnknownProfile,
        Reason::TooLong,
        Reason::PartialHeader,
        Reason::HeaderConflict,
        Reason::HeaderLength,
        Reason::TooShort,
    ];

    /// Name in manifests and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Reason::NotApplicable => "not_applicable",
            Reason::Rare => "rare",
            Reason::NotFinite => "not_finite",
            Reason::OutOfRange => "out_of_range",
            Reason::AddressFamily => "address_family",
            Reason::UnknownProfile => "unknown_profile",
            Reason::TooLong => "packet_too_long",
            Reason::PartialHeader => "partial_header",
            Reason::HeaderConflict => "header_conflict",
            Reason::HeaderLength => "header_length",
            Reason::TooShort => "packet_too_short",
        }
    }
}

/// A fault of one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellFault {
    /// Why the cell is at fault.
    pub reason: Reason,
    /// Name of the column.
    pub column: &'static str,
}

/// A row that is not a packet, with all its faults: at most one a column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct InvalidRow(pub Vec<CellFault>);

impl fmt::Display for InvalidRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a packet:")?;
        for (i, CellFault { reason, column }) in self.0.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(f, "{comma} {column} {}", reason.name())?;
        }
        Ok(())
    }
}

/// A cell of a candidate.
#[derive(Clone, Copy)]
enum Cell {
    Category(Category),
    Number(f64),
}

impl Cell {
    /// Writes the cell into a row. An error says why the column cannot hold it.
    fn put(self, column: &Column, row: &mut RawRow) -> Result<(), Reason> {
        let value = match self {
            Cell::Category(Category::NotApplicable) => return Err(Reason::NotApplicable),
            Cell::Category(Category::Rare) => return Err(Reason::Rare),
            Cell::Category(Category::Value(value)) => value,
            Cell::Number(number) => Value::Number(integer(number)?),
        };
        if column.set(row, value) {
            Ok(())
        } else {
            Err(Reason::OutOfRange)
        }
    }
}

/// The nearest integer; halves are rounded away from 0.
pub(super) fn integer(number: f64) -> Result<i64, Reason> {
    if !number.is_finite() {
        return Err(Reason::NotFinite);
    }
    // The conversion saturates, far beyond any field.
    i64::try_from(number.round() as i128).map_err(|_| Reason::OutOfRange)
}

impl Candidate {
    /// The candidate of a model that loses nothing.
    pub fn of(row: &RawRow) -> Self {
        let block = row.block();
        let mut categories = [Category::NotApplicable; CATEGORICAL];
        for (cell, column) in categories.iter_mut().zip(categorical()) {
            if column.active.covers(block) {
                *cell = Category::Value(column.get(row));
            }
        }
        let mut numbers = [0.0; NUMERIC];
        for (cell, column) in numbers.iter_mut().zip(numeric()) {
            if let (true, Value::Number(number)) = (column.active.covers(block), column.get(row)) {
                *cell = number as f64;
            }
        }
        Self {
            categories,
            numbers,
        }
    }

    /// The row of the candidate, if it is a packet.
    ///
    /// `ip_version` and `proto` select the active columns. Cells of inactive columns are ignored:
    /// they cannot change the packet, and so nothing is imputed. ([`InvalidRows`] counts such
    /// leaks.)
    ///
    /// # Errors
    /// If the candidate is not a packet, with all faults. If `ip_version` or `proto` is at fault,
    /// the active block is unknown, and none of the blocks is judged.
    pub fn validate(&self, profiles: &OptionProfiles) -> Result<RawRow, InvalidRow> {
        let mut row = RawRow::default();
        let mut faults: Vec<CellFault> = Vec::new();
        for (column, cell) in self.cells() {
            let is_active = match column.active {
                Active::Always => true,
                active => has_block(&faults) && active.covers(row.block()),
            };
            if is_active && let Err(reason) = cell.put(column, &mut row) {
                faults.push(CellFault {
                    reason,
                    column: column.name,
                });
            }
        }
        if has_block(&faults) {
            let further = row.faults(profiles).into_iter();
            let is_new =
                |fault: &CellFault| faults.iter().all(|known| known.column != fault.column);
            let further: Vec<CellFault> = further.filter(is_new).collect();
            faults.extend(further);
        }
        if faults.is_empty() {
            Ok(row)
        } else {
            Err(InvalidRow(faults))
        }
    }

    /// Whether a categorical column that is inactive in this packet nevertheless holds a value.
    pub fn leaks(&self, block: Proto) -> bool {
        let cells = self.categories.iter().zip(categorical());
        let mut inactive = cells.filter(|(_, column)| !column.active.covers(block));
        inactive.any(|(cell, _)| *cell != Category::NotApplicable)
    }

    /// The cells of all columns, in order.
    fn cells(&self) -> impl Iterator<Item = (&'static Column, Cell)> {
        let (mut categories, mut numbers) = (self.categories.into_iter(), self.numbers.into_iter());
        COLUMNS.iter().filter_map(move |column| {
            let cell = match column.kind {
                ColumnKind::Numeric => numbers.next().map(Cell::Number),
                ColumnKind::Address | ColumnKind::Port | ColumnKind::Class => {
                    categories.next().map(Cell::Category)
                }
            };
            Some((column, cell?))
        })
    }
}

/// Whether `ip_version` and `proto` are sound, and so determine the row's block.
fn has_block(faults: &[CellFault]) -> bool {
    let mut columns = faults.iter().map(|fault| fault.column);
    !columns.any(|column| matches!(column, "ip_version" | "proto"))
}

impl RawRow {
    /// Checks that the row is a packet.
    ///
    /// # Errors
    /// If it is not a packet, with all faults.
    pub fn check(&self, profiles: &OptionProfiles) -> Result<(), InvalidRow> {
        match self.faults(profiles) {
            faults if faults.is_empty() => Ok(()),
            faults => Err(InvalidRow(faults)),
        }
    }

    fn faults(&self, profiles: &OptionProfiles) -> Vec<CellFault> {
        let block = self.block();
        let active = COLUMNS.iter().filter(|column| column.active.covers(block));
        active
            .filter_map(|column| {
                let reason = self.fault_of(column, profiles)?;
                Some(CellFault {
                    reason,
                    column: column.name,
                })
            })
            .collect()
    }

    /// The fault of an active column, if it has one.
    fn fault_of(&self, column: &Column, profiles: &OptionProfiles) -> Option<Reason> {
        let is_v6 = self.ip_version == Family::V6;
        let (reason, is_wrong) = match (column.name, column.get(self)) {
            (_, Value::Address(address)) => (Reason::AddressFamily, address.is_ipv6() != is_v6),
            (_, Value::Number(number)) if !column.has_room_for(number) => {
                (Reason::OutOfRange, true)
            }
            // IPv6 has no field for flags and fragment offset.
            ("ip_flags" | "ip_frag_off", Value::Number(number)) => {
                (Reason::OutOfRange, is_v6 && number != 0)
            }
            // An extension header is not a protocol, and the table has no column for its contents.
            ("proto", _) => (
                Reason::OutOfRange,
                is_v6 && ip_proto::is_extension(self.proto),
            ),
            ("tcp_opt_profile", _) => (
                Reason::UnknownProfile,
                profiles.layout(self.tcp_opt_profile).is_none(),
            ),
            ("payload_len", _) => (Reason::TooLong, self.is_too_long(profiles)),
            _ => return None,
        };
        is_wrong.then_some(reason)
    }

    fn is_too_long(&self, profiles: &OptionProfiles) -> bool {
        let counted = match self.ip_version {
            Family::V4 => IPV4_HEADER,
            Family::V6 => 0,
        };
        let len = self.header_len(profiles) + usize::from(self.payload_len);
        counted + len > usize::from(u16::MAX)
    }
}

/// Counts of a validation. A row counts once for each reason and once for each column that it fails
/// by.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvalidRows {
    /// Rows judged.
    pub rows: u64,
    /// Rows that are not packets.
    pub invalid: u64,
    /// Valid rows in which an inactive categorical column holds a value.
    pub leaks: u64,
    reasons: ReasonCounts,
    columns: ColumnCounts,
}

/// Rows by reason, in the order of [`Reason::ALL`]. In JSON an object with the names of the
/// reasons.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, u64>", into = "BTreeMap<String, u64>")]
struct ReasonCounts([u64; Reason::ALL.len()]);

/// Rows by column, in the table's order. In JSON an object with the names of the columns.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, u64>", into = "BTreeMap<String, u64>")]
struct ColumnCounts([u64; COLUMNS.len()]);

impl From<ReasonCounts> for BTreeMap<String, u64> {
    fn from(counts: ReasonCounts) -> Self {
        named(Reason::ALL.map(Reason::name), counts.0)
    }
}

impl TryFrom<BTreeMap<String, u64>> for ReasonCounts {
    type Error = String;

    fn try_from(counts: BTreeMap<String, u64>) -> Result<Self, String> {
        by_name(Reason::ALL.map(Reason::name), counts).map(Self)
    }
}

impl From<ColumnCounts> for BTreeMap<String, u64> {
    fn from(counts: ColumnCounts) -> Self {
        named(COLUMNS.iter().map(|column| column.name), counts.0)
    }
}

impl TryFrom<BTreeMap<String, u64>> for ColumnCounts {
    type Error = String;

    fn try_from(counts: BTreeMap<String, u64>) -> Result<Self, String> {
        by_name(COLUMNS.iter().map(|column| column.name), counts).map(Self)
    }
}

/// Values with their names, for JSON.
pub(super) fn named<T>(
    names: impl IntoIterator<Item = &'static str>,
    values: impl IntoIterator<Item = T>,
) -> BTreeMap<String, T> {
    names.into_iter().map(str::to_string).zip(values).collect()
}

/// The values, in the order of `names`; a missing name gives the default, an unknown one an error.
pub(super) fn by_name<T: Default, const N: usize>(
    names: impl IntoIterator<Item = &'static str>,
    mut values: BTreeMap<String, T>,
) -> Result<[T; N], String> {
    let mut names = names.into_iter();
    let ordered = std::array::from_fn(|_| {
        let value = names.next().and_then(|name| values.remove(name));
        value.unwrap_or_default()
    });
    match values.into_keys().next() {
        Some(name) => Err(format!("the raw packet table has no {name}")),
        None => Ok(ordered),
    }
}

impl InvalidRows {
    /// Validates a candidate and counts it; `None` if it is not a packet.
    pub fn validate(&mut self, candidate: &Candidate, profiles: &OptionProfiles) -> Option<RawRow> {
        let row = self.count(candidate.validate(profiles))?;
        self.leaks += u64::from(candidate.leaks(row.block()));
        Some(row)
    }

    /// Counts a row that was judged; `None` if it is not a packet.
    pub fn count(&mut self, judged: Result<RawRow, InvalidRow>) -> Option<RawRow> {
        self.rows += 1;
        match judged {
            Ok(row) => Some(row),
            Err(InvalidRow(faults)) => {
                self.count_faults(&faults);
                None
            }
        }
    }

    fn count_faults(&mut self, faults: &[CellFault]) {
        self.invalid += 1;
        for (count, reason) in self.reasons.0.iter_mut().zip(Reason::ALL) {
            *count += u64::from(faults.iter().any(|fault| fault.reason == reason));
        }
        for (count, column) in self.columns.0.iter_mut().zip(COLUMNS) {
            *count += u64::from(faults.iter().any(|fault| fault.column == column.name));
        }
    }

    /// Adds the counts of other rows.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.invalid += other.invalid;
        self.leaks += other.leaks;
        for (count, more) in self.reasons.0.iter_mut().zip(other.reasons.0) {
            *count += more;
        }
        for (count, more) in self.columns.0.iter_mut().zip(other.columns.0) {
            *count += more;
        }
    }

    /// Share of rows that are not packets; `None` without rows.
    pub fn rate(&self) -> Option<f64> {
        (self.rows > 0).then(|| self.invalid as f64 / self.rows as f64)
    }

    /// Rows by reason, in the order of reports.
    pub fn by_reason(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().zip(self.reasons.0)
    }

    /// Rows by the column at fault, in the table's order.
    pub fn by_column(&self) -> impl Iterator<Item = (&'static str, u64)> {
        COLUMNS.iter().map(|column| column.name).zip(self.columns.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;

    fn udp() -> RawRow {
        RawRow {
            delta_t: -5,
            proto: ip_proto::UDP,
            ttl: 64,
            payload_len: 12,
            udp_sport: 53,
            udp_dport: 40_000,
            ..RawRow::default()
        }
    }

    fn tcp() -> RawRow {
        RawRow {
            proto: ip_proto::TCP,
            tcp_seq: u32::MAX,
            ..RawRow::default()
        }
    }

    fn cell<'a>(candidate: &'a mut Candidate, name: &str) -> &'a mut Category {
        let at = categorical()
            .position(|column| column.name == name)
            .unwrap();
        &mut candidate.categories[at]
    }

    fn number<'a>(candidate: &'a mut Candidate, name: &str) -> &'a mut f64 {
        let at = numeric().position(|column| column.name == name).unwrap();
        &mut candidate.numbers[at]
    }

    fn faults(candidate: &Candidate) -> Vec<(Reason, &'static str)> {
        let faults = match candidate.validate(&OptionProfiles::new()) {
            Ok(_) => Vec::new(),
            Err(InvalidRow(faults)) => faults,
        };
        faults
            .iter()
            .map(|fault| (fault.reason, fault.column))
            .collect()
    }

    #[test]
    fn test_what_loses_nothing_is_valid() {
        for row in [udp(), tcp()] {
            let candidate = Candidate::of(&row);
            assert_eq!(candidate.validate(&OptionProfiles::new()), Ok(row));
            assert!(!candidate.leaks(row.block()));
        }
        assert_eq!(
            *cell(&mut Candidate::of(&udp()), "tcp_sport"),
            Category::NotApplicable
        );
    }

    #[test]
    fn test_each_cell_by_itself() {
        let mut candidate = Candidate::of(&udp());
        *cell(&mut candidate, "udp_sport") = Category::NotApplicable;
        *cell(&mut candidate, "udp_dport") = Category::Rare;
        *cell(&mut candidate, "dscp") = Category::Value(Value::Number(64));
        *cell(&mut candidate, "src_ip") = Category::Value(Value::Number(1));
        *number(&mut candidate, "payload_len") = f64::NAN;
        *number(&mut candidate, "delta_t") = 1e30;
        let expected = [
            (Reason::OutOfRange, "delta_t"),
            (Reason::OutOfRange, "src_ip"),
            (Reason::OutOfRange, "dscp"),
            (Reason::NotFinite, "payload_len"),
            (Reason::NotApplicable, "udp_sport"),
            (Reason::Rare, "udp_dport"),
        ];
        assert_eq!(faults(&candidate), expected);
    }

    #[test]
    fn test_numbers_are_rounded_but_not_clamped() {
        let mut candidate = Candidate::of(&tcp());
        *number(&mut candidate, "payload_len") = -0.4;
        *number(&mut candidate, "tcp_window") = 65_535.4;
        assert_eq!(faults(&candidate), []);
        *number(&mut candidate, "payload_len") = -0.6;
        *number(&mut candidate, "tcp_seq") = 4_294_967_296.0;
        let expected = [
            (Reason::OutOfRange, "payload_len"),
            (Reason::OutOfRange, "tcp_seq"),
        ];
        assert_eq!(faults(&candidate), expected);
    }

    #[test]
    fn test_inactive_columns_are_not_looked_at() {
        let mut candidate = Candidate::of(&udp());
        *cell(&mut candidate, "tcp_sport") = Category::Value(Value::Number(80));
        *cell(&mut candidate, "icmp_type") = Category::Rare;
        *number(&mut candidate, "tcp_seq") = f64::NAN;
        let mut counts = InvalidRows::default();
        assert_eq!(
            counts.validate(&candidate, &OptionProfiles::new()),
            Some(udp())
        );
        assert_eq!((counts.rows, counts.invalid, counts.leaks), (1, 0, 1));
    }

    #[test]
    fn test_addresses_are_of_the_version() {
        let mut candidate = Candidate::of(&udp());
        *cell(&mut candidate, "dst_ip") =
            Category::Value(Value::Address(Ipv6Addr::LOCALHOST.into()));
        assert_eq!(faults(&candidate), [(Reason::AddressFamily, "dst_ip")]);
        *cell(&mut candidate, "ip_version") = Category::Value(Value::Number(6));
        assert_eq!(faults(&candidate), [(Reason::AddressFamily, "src_ip")]);
    }

    #[test]
    fn test_without_a_block_none_is_judged() {
        let mut candidate = Candidate::of(&udp());
        *cell(&mut candidate, "proto") = Category::Rare;
        *cell(&mut candidate, "udp_sport") = Category::Rare;
        assert_eq!(faults(&candidate), [(Reason::Rare, "proto")]);
    }

    #[test]
    fn test_what_only_the_whole_row_tells() {
        let v6 = |row: RawRow| RawRow {
            ip_version: Family::V6,
            src_ip: Ipv6Addr::LOCALHOST.into(),
            dst_ip: Ipv6Addr::LOCALHOST.into(),
            ..row
        };
        let check = |row: RawRow| {
            row.check(&OptionProfiles::new())
                .map_err(|error| error.to_string())
        };
        let flags = RawRow {
            ip_flags: 2,
            ..udp()
        };
        assert_eq!(check(flags), Ok(()));
        let no_field = Err("not a packet: ip_flags out_of_range".to_string());
        assert_eq!(check(v6(flags)), no_field);
        let extension = RawRow {
            proto: ip_proto::HOP_BY_HOP,
            ..udp()
        };
        assert_eq!(check(extension), Ok(()));
        assert!(check(v6(extension)).is_err());
        let longest = RawRow {
            payload_len: 65_535 - 28,
            ..udp()
        };
        assert_eq!(check(longest), Ok(()));
        let longer = RawRow {
            payload_len: 65_535 - 27,
            ..udp()
        };
        let too_long = Err("not a packet: payload_len packet_too_long".to_string());
        assert_eq!(check(longer), too_long);
        assert_eq!(check(v6(longer)), Ok(()));
        let options = RawRow {
            tcp_opt_profile: 11,
            ..tcp()
        };
        let unknown = Err("not a packet: tcp_opt_profile unknown_profile".to_string());
        assert_eq!(check(options), unknown);
    }

    #[test]
    fn test_counts_add_up() {
        let mut candidate = Candidate::of(&udp());
        *cell(&mut candidate, "src_ip") = Category::Rare;
        *cell(&mut candidate, "dst_ip") = Category::Rare;
        let mut counts = InvalidRows::default();
        assert_eq!(counts.rate(), None);
        assert_eq!(counts.validate(&candidate, &OptionProfiles::new()), None);
        let mut sum = counts.clone();
        sum.merge(&counts);
        assert_eq!((sum.rows, sum.invalid, sum.rate()), (2, 2, Some(1.0)));
        // A row with two rare cells counts as one row.
        let by_reason: Vec<(Reason, u64)> = sum.by_reason().filter(|(_, n)| *n > 0).collect();
        assert_eq!(by_reason, [(Reason::Rare, 2)]);
        let by_column: Vec<(&str, u64)> = sum.by_column().filter(|(_, n)| *n > 0).collect();
        assert_eq!(by_column, [("src_ip", 2), ("dst_ip", 2)]);
    }

    #[test]
    fn test_json_of_the_counts() {
        let mut candidate = Candidate::of(&udp());
        *cell(&mut candidate, "src_ip") = Category::Rare;
        let mut counts = InvalidRows::default();
        counts.validate(&candidate, &OptionProfiles::new());
        let json = serde_json::to_string(&counts).unwrap();
        let start = r#"{"rows":1,"invalid":1,"leaks":0,"reasons":{"address_family":0,"#;
        assert!(json.starts_with(start), "{json}");
        assert!(json.contains(r#""rare":1,"#), "{json}");
        assert!(json.contains(r#""src_ip":1,"#), "{json}");
        assert_eq!(serde_json::from_str::<InvalidRows>(&json).unwrap(), counts);
        let wrong = json.replace("src_ip", "source");
        let error = serde_json::from_str::<InvalidRows>(&wrong).unwrap_err();
        assert!(error.to_string().contains("has no source"), "{error}");
    }
}

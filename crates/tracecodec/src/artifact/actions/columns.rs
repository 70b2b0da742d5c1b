//! Rows as columns, and the Parquet schema of the columns.

use std::sync::Arc;

use parquet::basic::ConvertedType::{
    INT_8, INT_16, INT_32, INT_64, NONE, UINT_8, UINT_16, UINT_32, UINT_64,
};
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor, Type};

use super::{DELTA_T, LABEL_COLUMNS, METADATA_COLUMN};
use crate::action::Action;
use crate::action::schema::{Group, QUANTITIES, Quantity, Vocabulary};
use crate::error::ActionsFault;

/// Rows, stored column by column.
pub(super) struct Columns {
    /// Version of the schema that the rows follow.
    version: u32,
    /// Columns in the order of [`QUANTITIES`], each value with the bits of a `u32`.
    pub(super) quantities: Vec<Vec<i32>>,
    pub(super) delta_t: Vec<i64>,
}

impl Columns {
    pub(super) fn new(version: u32) -> Self {
        Self {
            version,
            quantities: vec![Vec::new(); QUANTITIES.len()],
            delta_t: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.delta_t.len()
    }

    pub(super) fn clear(&mut self) {
        self.quantities.iter_mut().for_each(Vec::clear);
        self.delta_t.clear();
    }

    /// Adds an action. Quantities that are inactive or not in the schema are stored as 0.
    pub(super) fn push(&mut self, action: &Action) {
        for (quantity, column) in QUANTITIES.iter().zip(&mut self.quantities) {
            let most = quantity.vocabulary_in(self.version).map_or(0, |v| v.max());
            let value = if quantity.is_active(action) {
                (quantity.get)(action)
            } else {
                0
            };
            column.push(value.min(most) as i32);
        }
        self.delta_t.push(action.delta_t);
    }

    /// The action of a row. An error names a quantity whose value is out of its vocabulary.
    pub(super) fn action(&self, row: usize) -> Result<Action, (&'static Quantity, u32)> {
        let mut action = Action {
            delta_t: self.delta_t[row],
            ..Action::default()
        };
        for (quantity, column) in QUANTITIES.iter().zip(&self.quantities) {
            let value = column[row] as u32;
            if value > quantity.vocabulary_in(self.version).map_or(0, |v| v.max()) {
                return Err((quantity, value));
            }
            // `proto` and `flow_evt` precede every quantity whose activity depends on them.
            if quantity.is_active(&action) {
                (quantity.set)(&mut action, value);
            }
        }
        Ok(action)
    }
}

/// Bits of the narrowest unsigned integer that holds a vocabulary.
pub(super) fn bit_width(vocabulary: Vocabulary) -> i8 {
    match vocabulary.max() {
        0..=0xff => 8,
        0x100..=0xffff => 16,
        _ => 32,
    }
}

pub(super) fn column_type(name: &str, physical: Physical, logical: LogicalType) -> Arc<Type> {
    let builder = Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(Some(logical));
    Arc::new(builder.build().expect("integer types of fitting width"))
}

/// The quantities that a version of the schema has, and their vocabularies there.
pub(super) fn quantities_in(version: u32) -> impl Iterator<Item = (usize, Vocabulary)> {
    let all = QUANTITIES.iter().enumerate();
    all.filter_map(move |(i, quantity)| Some((i, quantity.vocabulary_in(version)?)))
}

/// The Parquet schema of an actions file; if it is labelled, with columns of labels, which may be
/// null.
pub(super) fn parquet_schema(version: u32, is_labelled: bool) -> Arc<Type> {
    let quantities = quantities_in(version).map(|(i, vocabulary)| {
        let logical = LogicalType::integer(bit_width(vocabulary), false);
        column_type(QUANTITIES[i].name, Physical::INT32, logical)
    });
    let delta_t = column_type(DELTA_T, Physical::INT64, LogicalType::integer(64, true));
    let labels = LABEL_COLUMNS.into_iter().filter(|_| is_labelled);
    let labels = labels.map(|name| {
        let builder = Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(Some(LogicalType::String));
        Arc::new(builder.build().expect("a column of text"))
    });
    group(
        "action",
        quantities.chain([delta_t]).chain(labels).collect(),
    )
}

pub(super) fn group(name: &str, columns: Vec<Arc<Type>>) -> Arc<Type> {
    let builder = Type::group_type_builder(name).with_fields(columns);
    Arc::new(builder.build().expect("a group of named columns"))
}

/// The columns of actions that were found by name, each in a place of type `P`.
pub(super) struct Found<P> {
    /// The place of each quantity's column in the order of [`QUANTITIES`], then that of `delta_t`.
    /// `None` if the version of the schema lacks the quantity, or if the context is derived.
    pub(super) places: Vec<Option<P>>,
    /// Whether a quantity of the context is missing, so that the whole context is derived.
    pub(super) derives_context: bool,
    /// Names of the columns that are not in the schema, in the order in which they were found.
    pub(super) ignored: Vec<String>,
}

/// Where and how a file holds a column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Number of the column in the file.
    pub(super) number: usize,
    /// Whether the column's integers are signed.
    pub(super) is_signed: bool,
}

/// Finds the columns of a Parquet schema by name, in any order and of any numeric type.
pub(super) fn layout(
    schema: &SchemaDescriptor,
    version: u32,
) -> Result<Found<Place>, ActionsFault> {
    let columns = schema.columns();
    let names: Vec<_> = columns
        .iter()
        .map(|column| column.path().string())
        .collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    find_columns(&names, version, |number, name| {
        place(&columns[number], number, name)
    })
}

/// Finds the columns of the schema by name, in any order. `place` checks the type of a column that
/// is needed, by its number.
pub(super) fn find_columns<P>(
    names: &[&str],
    version: u32,
    place: impl Fn(usize, &'static str) -> Result<P, ActionsFault>,
) -> Result<Found<P>, ActionsFault> {
    let find = |name: &str| names.iter().position(|column| *column == name);
    let is_context = |quantity: &Quantity| quantity.group == Group::Context;
    let mut context = QUANTITIES.iter().filter(|quantity| is_context(quantity));
    let derives_context = context.any(|quantity| find(quantity.name).is_none());
    let quantities = QUANTITIES.iter().map(|quantity| {
        let is_derived = derives_context && is_context(quantity);
        let is_in_file = quantity.vocabulary_in(version).is_some() && !is_derived;
        (quantity.name, is_in_file)
    });
    let places = quantities
        .chain([(DELTA_T, true)])
        .map(|(name, is_in_file)| {
            if !is_in_file {
                return Ok(None);
            }
            let number = find(name).ok_or(ActionsFault::MissingColumn(name))?;
            place(number, name).map(Some)
        });
    let is_known = |name: &str| {
        name == DELTA_T
            || name == METADATA_COLUMN
            || LABEL_COLUMNS.contains(&name)
            || QUANTITIES.iter().any(|quantity| quantity.name == name)
    };
    let ignored = names.iter().filter(|name| !is_known(name));
    Ok(Found {
        places: places.collect::<Result<_, _>>()?,
        derives_context,
        ignored: ignored.map(|name| name.to_string()).collect(),
    })
}

/// The place of a column, if the column holds one number a row.
fn place(
    column: &ColumnDescriptor,
    number: usize,
    name: &'static str,
) -> Result<Place, ActionsFault> {
    let integer = match (column.logical_type_ref(), column.converted_type()) {
        (Some(LogicalType::Integer(integer)), _) => Some(integer.is_signed),
        (Some(_), _) => None,
        (None, UINT_8 | UINT_16 | UINT_32 | UINT_64) => Some(false),
        (None, NONE | INT_8 | INT_16 | INT_32 | INT_64) => Some(true),
        (None, _) => None,
    };
    let is_number = matches!(
        column.physical_type(),
        Physical::INT32 | Physical::INT64 | Physical::FLOAT | Physical::DOUBLE
    );
    match integer {
        Some(is_signed) if is_number && column.max_rep_level() == 0 => {
            Ok(Place { number, is_signed })
        }
        _ => Err(ActionsFault::ColumnType {
            column: name,
            found: type_name(column),
        }),
    }
}

/// The number as an integer; if it is not an integer, the number as text.
pub(super) fn whole(value: f64) -> Result<i64, String> {
    // Both bounds are powers of two and so exact; the upper bound is the first number that is too
    // large.
    let range = i64::MIN as f64..-(i64::MIN as f64);
    if value.fract() == 0.0 && range.contains(&value) {
        Ok(value as i64)
    } else {
        Err(value.to_string())
    }
}

/// The fault of a value beyond its vocabulary.
pub(super) fn out_of_vocabulary(row: u64, quantity: &Quantity, value: i64) -> ActionsFault {
    ActionsFault::OutOfVocabulary {
        row,
        column: quantity.name,
        value,
        max: quantity.vocabulary.max(),
    }
}

fn type_name(column: &ColumnDescriptor) -> String {
    let repeated = if column.max_rep_level() > 0 {
        "repeated "
    } else {
        ""
    };
    match (column.physical_type(), column.converted_type()) {
        (physical, NONE) => format!("{repeated}{physical}"),
        (physical, converted) => format!("{repeated}{physical} ({converted})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::basic::ConvertedType::{DATE, UTF8};

    #[test]
    fn test_types_of_a_column() {
        let of = |physical, converted, repetition| {
            let column = Type::primitive_type_builder("a", physical)
                .with_converted_type(converted)
                .with_repetition(repetition);
            let column = Arc::new(column.build().unwrap());
            let column = SchemaDescriptor::new(group("x", vec![column])).column(0);
            place(&column, 0, "a")
                .map(|place| place.is_signed)
                .map_err(|e| e.to_string())
        };
        let [optional, repeated, required] = [
            Repetition::OPTIONAL,
            Repetition::REPEATED,
            Repetition::REQUIRED,
        ];
        assert_eq!(of(Physical::INT32, UINT_16, required), Ok(false));
        assert_eq!(of(Physical::INT32, NONE, optional), Ok(true));
        assert_eq!(of(Physical::INT64, UINT_64, optional), Ok(false));
        assert_eq!(of(Physical::DOUBLE, NONE, optional), Ok(true));
        let refused = |found: &str| Err(format!("column a is {found}, not a number"));
        assert_eq!(
            of(Physical::INT32, UINT_16, repeated),
            refused("repeated INT32 (UINT_16)")
        );
        assert_eq!(
            of(Physical::BYTE_ARRAY, UTF8, optional),
            refused("BYTE_ARRAY (UTF8)")
        );
        assert_eq!(of(Physical::INT32, DATE, optional), refused("INT32 (DATE)"));
        assert_eq!(of(Physical::BOOLEAN, NONE, optional), refused("BOOLEAN"));
    }
}

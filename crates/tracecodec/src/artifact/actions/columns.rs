//! Rows as columns, and the Parquet schema of both.

use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor, Type};

use super::DELTA_T;
use crate::action::Action;
use crate::action::schema::{QUANTITIES, Quantity};
use crate::error::ActionsFault;

/// Rows column by column.
#[derive(Default)]
pub(super) struct Columns {
    /// In the order of [`QUANTITIES`]; the bits of a `u32`.
    pub(super) quantities: Vec<Vec<i32>>,
    pub(super) delta_t: Vec<i64>,
}

impl Columns {
    pub(super) fn new() -> Self {
        Self {
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

    /// Adds an action; inactive quantities as 0.
    pub(super) fn push(&mut self, action: &Action) {
        for (quantity, column) in QUANTITIES.iter().zip(&mut self.quantities) {
            let active = quantity.active.covers(action.proto);
            let value = if active { (quantity.get)(action) } else { 0 };
            column.push(value.min(quantity.vocabulary.max()) as i32);
        }
        self.delta_t.push(action.delta_t);
    }

    /// The action of a row; the quantity that is out of its vocabulary, if one is.
    pub(super) fn action(&self, row: usize) -> Result<Action, (&'static Quantity, u32)> {
        let mut action = Action {
            delta_t: self.delta_t[row],
            ..Action::default()
        };
        for (quantity, column) in QUANTITIES.iter().zip(&self.quantities) {
            let value = column[row] as u32;
            if value > quantity.vocabulary.max() {
                return Err((quantity, value));
            }
            // `proto` precedes every quantity whose activity depends on it.
            if quantity.active.covers(action.proto) {
                (quantity.set)(&mut action, value);
            }
        }
        Ok(action)
    }
}

/// Bits of the narrowest unsigned integer that holds the quantity.
fn bit_width(quantity: &Quantity) -> i8 {
    match quantity.vocabulary.max() {
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

/// The Parquet schema of an actions file.
pub(super) fn parquet_schema() -> Arc<Type> {
    let quantities = QUANTITIES.iter().map(|quantity| {
        let logical = LogicalType::integer(bit_width(quantity), false);
        column_type(quantity.name, Physical::INT32, logical)
    });
    let delta_t = column_type(DELTA_T, Physical::INT64, LogicalType::integer(64, true));
    group("action", quantities.chain([delta_t]).collect())
}

pub(super) fn group(name: &str, columns: Vec<Arc<Type>>) -> Arc<Type> {
    let builder = Type::group_type_builder(name).with_fields(columns);
    Arc::new(builder.build().expect("a group of named columns"))
}

/// Place of each column of the schema, in its order.
pub(super) fn places(schema: &SchemaDescriptor) -> Result<Vec<usize>, ActionsFault> {
    let expected = parquet_schema();
    let names = QUANTITIES.iter().map(|quantity| quantity.name);
    let columns = names.chain([DELTA_T]).zip(expected.get_fields());
    columns
        .map(|(name, expected)| {
            let place = schema.columns().iter().position(|column| {
                let path = column.path().parts();
                path.len() == 1 && path[0] == name
            });
            let place = place.ok_or(ActionsFault::MissingColumn(name))?;
            check_type(&schema.columns()[place], expected, name)?;
            Ok(place)
        })
        .collect()
}

/// Accepts the column's own type, required or optional, in Parquet's new words or its old ones. A plain `INT64` counts as
/// signed, as Parquet has it.
pub(super) fn check_type(
    found: &ColumnDescriptor,
    expected: &Type,
    column: &'static str,
) -> Result<(), ActionsFault> {
    let wanted = expected.get_basic_info();
    let annotated = match found.logical_type_ref() {
        Some(logical) => Some(logical) == wanted.logical_type_ref(),
        None => match found.converted_type() {
            ConvertedType::NONE => column == DELTA_T,
            converted => converted == wanted.converted_type(),
        },
    };
    let physical = expected.get_physical_type();
    if annotated && found.physical_type() == physical && found.max_rep_level() == 0 {
        return Ok(());
    }
    Err(ActionsFault::ColumnType {
        column,
        found: type_name(found.physical_type(), found.converted_type()),
        expected: type_name(physical, wanted.converted_type()),
    })
}

fn type_name(physical: Physical, converted: ConvertedType) -> String {
    match converted {
        ConvertedType::NONE => physical.to_string(),
        converted => format!("{physical} ({converted})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_column_types() {
        let of = |column: Arc<Type>| SchemaDescriptor::new(group("x", vec![column])).column(0);
        let expected = column_type("a", Physical::INT32, LogicalType::integer(16, false));
        assert!(check_type(&of(expected.clone()), &expected, "a").is_ok());
        let old = Type::primitive_type_builder("a", Physical::INT32)
            .with_repetition(Repetition::OPTIONAL)
            .with_converted_type(ConvertedType::UINT_16);
        let old = Arc::new(old.build().unwrap());
        assert!(check_type(&of(old), &expected, "a").is_ok());
        let list = Type::primitive_type_builder("a", Physical::INT32)
            .with_repetition(Repetition::REPEATED)
            .with_converted_type(ConvertedType::UINT_16);
        let list = Arc::new(list.build().unwrap());
        assert!(check_type(&of(list), &expected, "a").is_err());
        let plain = Type::primitive_type_builder(DELTA_T, Physical::INT64);
        let plain = Arc::new(plain.build().unwrap());
        let expected = column_type(DELTA_T, Physical::INT64, LogicalType::integer(64, true));
        assert!(check_type(&of(plain), &expected, DELTA_T).is_ok());
    }
}

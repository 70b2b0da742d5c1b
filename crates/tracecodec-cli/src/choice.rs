//! One parser for every choice of the libraries: its table gives the values and their help.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use tracecodec::choice::Choice;

/// Reads the name of a value, or another word for it.
pub(crate) fn choice<T: Choice + Send + Sync>() -> impl TypedValueParser<Value = T> {
    choice_of(|_: T| true)
}

/// Reads the name of one of the values that are allowed here.
pub(crate) fn choice_of<T: Choice + Send + Sync>(
    is_allowed: impl Fn(T) -> bool,
) -> impl TypedValueParser<Value = T> {
    let rows = T::TABLE.iter().filter(|(value, ..)| is_allowed(*value));
    let values = rows.map(|(value, name, doc)| {
        let others = T::ALIASES.iter().filter(move |(of, _)| of == value);
        PossibleValue::new(*name)
            .aliases(others.map(|(_, alias)| *alias))
            .help(*doc)
    });
    PossibleValuesParser::new(values.collect::<Vec<_>>())
        .map(|name| T::of_name(&name).expect("the parser lets known names pass"))
}

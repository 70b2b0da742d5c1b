//! One parser for every choice of the libraries: its table gives the values and their help.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use tracecodec::choice::Choice;

/// Reads the name of a value, or another word for it.
pub(crate) fn choice<T: Choice + Send + Sync>() -> impl TypedValueParser<Value = T> {
    let values = T::TABLE.iter().map(|(value, name, doc)| {
        let others = T::ALIASES.iter().filter(move |(of, _)| of == value);
        PossibleValue::new(*name)
            .aliases(others.map(|(_, alias)| *alias))
            .help(*doc)
    });
    PossibleValuesParser::new(values.collect::<Vec<_>>())
        .map(|name| T::of_name(&name).expect("the parser lets known names pass"))
}

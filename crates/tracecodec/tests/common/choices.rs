//! Checks that the names of a choice are the same in settings and on the command line.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{from_value, json, to_value};
use tracecodec::choice::Choice;

/// Fails if settings call a value otherwise than its table, or do not accept another word for it.
pub(crate) fn check<T: Choice + Serialize + DeserializeOwned>() {
    let words = T::TABLE.iter().map(|(value, name, _)| (value, name));
    let aliases = T::ALIASES.iter().map(|(value, alias)| (value, alias));
    for (value, word) in words.chain(aliases) {
        assert!(from_value::<T>(json!(word)).ok() == Some(*value), "{word}");
        assert!(T::of_name(word) == Some(*value), "{word}");
        assert_eq!(to_value(value).ok(), Some(json!(value.name())));
    }
    assert!(T::of_name("nonsense").is_none());
}

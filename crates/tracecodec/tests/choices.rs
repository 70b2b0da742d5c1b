//! Names of choices are the same in settings and on the command line.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{from_value, json, to_value};
use tracecodec::choice::Choice;
use tracecodec::compile::Link;
use tracecodec::raw::Schema;

fn check<T: Choice + Serialize + DeserializeOwned>() {
    for (value, word, _) in T::TABLE {
        assert!(from_value::<T>(json!(word)).ok() == Some(*value), "{word}");
        assert!(T::of_name(word) == Some(*value), "{word}");
        assert_eq!(to_value(value).ok(), Some(json!(word)));
    }
    assert!(T::of_name("nonsense").is_none());
}

#[test]
fn test_names_of_choices_are_those_of_settings() {
    check::<Link>();
    check::<Schema>();
}

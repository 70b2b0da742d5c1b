//! Names of choices are the same in settings and on the command line.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{from_value, json, to_value};
use tracecodec::choice::Choice;
use tracecodec_nn::baseline::{Model, VocabularyRows};
use tracecodec_nn::generator::Method;
use tracecodec_nn::generator::flow_matching::Preset;
use tracecodec_nn::{Device, EncoderKind, TokenLayout};

fn check<T: Choice + Serialize + DeserializeOwned>() {
    let words = T::TABLE.iter().map(|(value, name, _)| (value, name));
    let aliases = T::ALIASES.iter().map(|(value, alias)| (value, alias));
    for (value, word) in words.chain(aliases) {
        assert!(from_value::<T>(json!(word)).unwrap() == *value, "{word}");
        assert!(T::of_name(word) == Some(*value), "{word}");
        assert_eq!(to_value(value).unwrap(), json!(value.name()));
    }
    assert!(T::of_name("nonsense").is_none());
}

#[test]
fn test_names_of_choices_are_those_of_settings() {
    check::<Device>();
    check::<EncoderKind>();
    check::<Method>();
    check::<Model>();
    check::<Preset>();
    check::<TokenLayout>();
    check::<VocabularyRows>();
}

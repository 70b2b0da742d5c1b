//! Settings by name: from JSON values to the `Config` of a verb, or a refusal that names the key.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Error;
use crate::files::document;

/// Reads settings. A setting that is not named has its default; an unknown key is an error that
/// names the nearest known key.
///
/// # Errors
/// If the settings are not a JSON object, or a key or a value is wrong.
pub fn read<C: DeserializeOwned + Serialize>(settings: Value) -> Result<C, Error> {
    let config: C = serde_json::from_value(settings.clone())
        .map_err(|error| Error::refused(format!("settings: {error}"), ""))?;
    let known = serde_json::to_value(&config)
        .map_err(|error| Error::refused(format!("settings: {error}"), ""))?;
    check_keys("", &settings, &known)?;
    Ok(config)
}

/// An object without settings: everything has its default.
pub fn none() -> Value {
    Value::Object(serde_json::Map::new())
}

/// The default of a setting that is on unless it is turned off.
pub(crate) fn yes() -> bool {
    true
}

/// Reads settings from a JSON file: an object.
///
/// # Errors
/// If the file cannot be read, or is not a JSON object.
pub fn read_file(path: &Path) -> Result<Value, Error> {
    let text = document::read_text(path)?;
    let bad = |reason: String| {
        Error::refused(
            format!("{}: not a training configuration: {reason}", path.display()),
            r#"settings go by their names, as in {"train": {"seed": 1}, "codec": {"d_latent": 32}}"#,
        )
    };
    let settings: Value = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    if settings.is_object() {
        Ok(settings)
    } else {
        Err(bad("it is no JSON object".to_string()))
    }
}

/// Sets one setting of a part of the settings.
///
/// # Errors
/// If the part exists and is not a JSON object.
pub fn set(settings: &mut Value, part: &str, key: &str, value: Value) -> Result<(), Error> {
    let object = |value: &Value| value.is_object();
    if !object(settings) || settings.get(part).is_some_and(|part| !object(part)) {
        return Err(not_an_object(part));
    }
    settings[part][key] = value;
    Ok(())
}

fn not_an_object(what: &str) -> Error {
    Error::refused(
        format!("{what}: not a JSON object"),
        r#"settings go by their names, as in {"train": {"seed": 1}}"#,
    )
}

/// Settings over defaults: what `settings`, an object as in `{"train": {"seed": 1}}`, does not name
/// has the value of `default`.
///
/// # Errors
/// If the settings are not a JSON object, or a key or a value is wrong.
pub fn over<C: DeserializeOwned + Serialize>(default: &C, settings: &Value) -> Result<C, Error> {
    let refused = |error: serde_json::Error| Error::refused(format!("settings: {error}"), "");
    // An absent object of settings, as Rust has it by default.
    let settings = if settings.is_null() {
        none()
    } else {
        settings.clone()
    };
    let default = serde_json::to_value(default).map_err(refused)?;
    check_keys("", &settings, &default)?;
    let read = |settings: Value| {
        let mut merged = default.clone();
        merge(&mut merged, settings);
        serde_json::from_value(merged)
    };
    read(settings.clone()).map_err(|error| {
        let fails = |settings| read(settings).is_err();
        let key = wrong_key(&settings, &fails).unwrap_or_else(|| "settings".to_string());
        Error::refused(format!("{key}: {error}"), "")
    })
}

/// The first setting that, with no other beside it, fails to be read.
fn wrong_key(settings: &Value, fails: &dyn Fn(Value) -> bool) -> Option<String> {
    settings.as_object()?.iter().find_map(|(key, value)| {
        let alone = |value: Value| Value::Object([(key.clone(), value)].into_iter().collect());
        fails(alone(value.clone())).then(|| {
            let within = wrong_key(value, &|value| fails(alone(value)));
            within.map_or_else(|| key.clone(), |within| format!("{key}.{within}"))
        })
    })
}

/// Replaces values of one object by those of another, at any depth.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                match into.get_mut(&key) {
                    Some(known) => merge(known, value),
                    None => {
                        into.insert(key, value);
                    }
                }
            }
        }
        (into, from) => *into = from,
    }
}

/// Refuses keys of `given` that `known` lacks, and values that should be objects and are not, at
/// any depth.
fn check_keys(place: &str, given: &Value, known: &Value) -> Result<(), Error> {
    let Value::Object(known) = known else {
        return Ok(());
    };
    let Value::Object(given) = given else {
        let place = place.strip_suffix('.').unwrap_or(place);
        let what = if place.is_empty() { "settings" } else { place };
        return Err(not_an_object(what));
    };
    for (key, value) in given {
        match known.get(key) {
            Some(known) => check_keys(&format!("{place}{key}."), value, known)?,
            None => {
                return Err(Error::refused(
                    format!("unknown setting \"{place}{key}\""),
                    nearest(key, known.keys().map(String::as_str)),
                ));
            }
        }
    }
    Ok(())
}

/// A hint that names the known word nearest to an unknown one, or all known words if none is near.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<_> = known.collect();
    let near = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), *candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((_, candidate)) => format!("did you mean \"{candidate}\"?"),
        None => format!("known are: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Default, Serialize, Deserialize)]
    #[serde(default)]
    struct Outer {
        seed: u64,
        #[serde(flatten)]
        inner: Inner,
        train: Inner,
    }

    #[derive(Debug, Default, Serialize, Deserialize)]
    #[serde(default)]
    struct Inner {
        lenient: bool,
    }

    #[test]
    fn test_known_keys_are_read_at_any_depth() {
        let config: Outer = read(json!({"lenient": true, "train": {"lenient": true}})).unwrap();
        assert!(config.inner.lenient && config.train.lenient && config.seed == 0);
    }

    #[test]
    fn test_unknown_keys_are_refused_with_the_nearest_known_one() {
        let error = read::<Outer>(json!({"sed": 1})).unwrap_err();
        assert_eq!(error.to_string(), "unknown setting \"sed\"");
        assert_eq!(error.hint().as_deref(), Some("did you mean \"seed\"?"));
        let error = read::<Outer>(json!({"train": {"lenint": true}})).unwrap_err();
        assert_eq!(error.to_string(), "unknown setting \"train.lenint\"");
        assert_eq!(error.hint().as_deref(), Some("did you mean \"lenient\"?"));
        let error = read::<Outer>(json!({"zzz": 1})).unwrap_err();
        assert!(error.hint().unwrap().starts_with("known are: "));
    }

    #[test]
    fn test_settings_over_others_change_what_they_name() {
        let default = Outer {
            seed: 7,
            ..Outer::default()
        };
        let changed = over(&default, &json!({"train": {"lenient": true}})).unwrap();
        assert!(changed.seed == 7 && changed.train.lenient && !changed.inner.lenient);
        assert_eq!(over(&default, &Value::Null).unwrap().seed, 7);
        let error = over(&default, &json!({"train": {"lenint": true}})).unwrap_err();
        assert_eq!(error.hint().as_deref(), Some("did you mean \"lenient\"?"));
        let refused = |settings| over(&default, &settings).unwrap_err().to_string();
        let text = refused(json!({"seed": "x"}));
        assert!(text.starts_with("seed: invalid type: string"), "{text}");
        let text = refused(json!({"seed": 1, "train": {"lenient": 2}}));
        assert!(text.starts_with("train.lenient: invalid type"), "{text}");
        assert!(over(&default, &json!([1])).is_err());
    }

    #[test]
    fn test_what_is_no_object_is_refused() {
        assert!(read::<Outer>(json!([1, {}])).is_err());
        assert!(read::<Outer>(json!({"train": [true]})).is_err());
    }
}

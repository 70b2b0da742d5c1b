//! Verbs by name: settings and outcome as JSON, for callers that have no types of ours.

use std::fmt;
use std::sync::LazyLock;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    audit, baseline, check, classify, compile, continuation, decode, encode, evaluate, events,
    experiment, flows, generate, generator, inspect, lift, merge, probe, report, roundtrip, shard,
    trace, train, verify,
};
use crate::error::Error;
use crate::monitor::{Monitor, Warning};
use crate::settings;

/// A verb that takes its settings, and returns its outcome, as JSON.
pub struct Verb {
    /// Name, as the command line has it: `lift`, `baseline train`; `audit_model` is `audit --model`
    /// there.
    pub name: &'static str,
    /// The settings that have no default, each with a value that means nothing: a JSON object.
    least: &'static str,
    run: Box<Run>,
    complete: fn(Value) -> Result<Value, Error>,
}

type Run = dyn Fn(Value, &mut dyn Monitor) -> Result<Value, Error> + Send + Sync;

impl fmt::Debug for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Verb").field(&self.name).finish()
    }
}

impl Verb {
    /// The verb of a name.
    ///
    /// # Errors
    /// If there is none.
    pub fn named(name: &str) -> Result<&'static Self, Error> {
        VERBS.iter().find(|verb| verb.name == name).ok_or_else(|| {
            let names: Vec<_> = VERBS.iter().map(|verb| verb.name).collect();
            let hint = format!("there are {}", names.join(", "));
            Error::refused(format!("no verb `{name}`"), hint)
        })
    }

    /// Runs the verb. `settings` is a JSON object of the fields of its `Config`; what it does not
    /// name has its default.
    ///
    /// # Errors
    /// If a setting is unknown or wrong, or the verb fails.
    pub fn run(&self, settings: Value, monitor: &mut dyn Monitor) -> Result<Value, Error> {
        (self.run)(settings, monitor)
    }

    /// The settings with which the verb would run: those given, and every default.
    ///
    /// # Errors
    /// If a setting is unknown or wrong.
    pub fn settings(&self, given: Value) -> Result<Value, Error> {
        (self.complete)(given)
    }

    /// Every setting that has a default, with it. Settings that are absent by default and not
    /// stated by manifests (such as `mtu`) are left out.
    pub fn defaults(&self) -> Value {
        let least: Value = serde_json::from_str(self.least).expect("least settings are JSON");
        let mut whole = (self.complete)(least.clone()).expect("least settings are enough");
        if let (Some(whole), Some(least)) = (whole.as_object_mut(), least.as_object()) {
            whole.retain(|key, _| !least.contains_key(key));
        }
        whole
    }
}

fn verb<C, O>(
    name: &'static str,
    least: &'static str,
    run: fn(&C, &mut dyn Monitor) -> Result<O, Error>,
) -> Verb
where
    C: DeserializeOwned + Serialize + 'static,
    O: Serialize + 'static,
{
    Verb {
        name,
        least,
        run: Box::new(move |settings, monitor| {
            let outcome = run(&settings::read(settings)?, monitor)?;
            Ok(serde_json::to_value(outcome).expect("outcomes have string keys"))
        }),
        complete: complete::<C>,
    }
}

fn complete<C: DeserializeOwned + Serialize>(settings: Value) -> Result<Value, Error> {
    let config: C = settings::read(settings)?;
    Ok(serde_json::to_value(config).expect("settings have string keys"))
}

/// Inspects a capture. Damage, which the outcome's JSON does not state, is a warning.
fn inspect(config: &inspect::Config, monitor: &mut dyn Monitor) -> Result<inspect::Outcome, Error> {
    let outcome = inspect::run(config, monitor)?;
    if let Some(damage) = &outcome.damage {
        monitor.warn(&Warning {
            message: damage.to_string(),
            hint: damage.hint().map(|hint| hint.into_owned()),
        });
    }
    Ok(outcome)
}

/// Every verb.
pub static VERBS: LazyLock<Vec<Verb>> = LazyLock::new(|| {
    vec![
        verb("inspect", r#"{"input": ""}"#, inspect),
        verb("lift", r#"{"inputs": [], "output": ""}"#, lift::run),
        verb("compile", r#"{"input": "", "output": ""}"#, compile::run),
        verb("shard", r#"{"inputs": [], "output": ""}"#, shard::run),
        verb("encode", r#"{"input": "", "output": ""}"#, encode::run),
        verb("decode", r#"{"input": "", "output": ""}"#, decode::run),
        verb(
            "roundtrip",
            r#"{"input": "", "output": ""}"#,
            roundtrip::run,
        ),
        verb("events", r#"{"inputs": []}"#, events::run),
        verb(
            "experiment",
            r#"{"output": "", "data": {}}"#,
            experiment::run,
        ),
        verb(
            "trace",
            r#"{"experiment": "", "table": "", "row": "", "column": ""}"#,
            trace::run,
        ),
        verb("flows", r#"{"inputs": [], "output": ""}"#, flows::run),
        verb("check", r#"{"inputs": []}"#, check::run),
        verb("verify", r#"{"inputs": []}"#, verify::run),
        verb(
            "evaluate",
            r#"{"reference": "", "decoded": ""}"#,
            evaluate::run,
        ),
        verb(
            "classify",
            r#"{"real": "", "generated": ""}"#,
            classify::run,
        ),
        verb("audit", r#"{"original": "", "decoded": ""}"#, audit::run),
        verb(
            "audit_model",
            r#"{"data": [], "output": ""}"#,
            audit::model::run,
        ),
        verb("merge", r#"{"inputs": []}"#, merge::run),
        verb("report", r#"{"output": ""}"#, report::run),
        verb("train", r#"{"data": [], "output": ""}"#, train::run),
        verb("generate", r#"{"output": ""}"#, generate::run),
        verb("probe", r#"{"input": ""}"#, probe::run),
        verb(
            "generator sequences",
            r#"{"shards": [], "output": ""}"#,
            generator::sequences::run,
        ),
        verb(
            "generator train",
            r#"{"data": [], "output": ""}"#,
            generator::train::run,
        ),
        verb(
            "generator curve",
            r#"{"model": "", "sequences": ""}"#,
            generator::curve::run,
        ),
        verb(
            "generator continuation",
            r#"{"contestants": [], "shards": [], "output": ""}"#,
            continuation::run,
        ),
        verb(
            "baseline train",
            r#"{"shards": [], "output": "", "model": "tvae"}"#,
            baseline::train::run,
        ),
        verb(
            "baseline reconstruct",
            r#"{"input": "", "output": "", "model": ""}"#,
            baseline::reconstruct::run,
        ),
        verb(
            "baseline diagnose",
            r#"{"inputs": [], "model": ""}"#,
            baseline::diagnose::run,
        ),
        verb(
            "baseline oracle",
            r#"{"input": "", "output": ""}"#,
            baseline::oracle::run,
        ),
    ]
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Silent;
    use crate::testing::{Stopping, data};
    use serde_json::json;

    #[test]
    fn test_every_verb_has_defaults_and_refuses_unknown_settings() {
        for verb in VERBS.iter() {
            let defaults = verb.defaults();
            assert!(defaults.is_object(), "{}", verb.name);
            let mut settings: Value = serde_json::from_str(verb.least).unwrap();
            settings["no_such_setting"] = json!(1);
            let error = verb.run(settings, &mut Silent).unwrap_err();
            assert!(error.to_string().contains("no_such_setting"), "{error}");
            assert_eq!(error.kind(), crate::error::Kind::Setting);
        }
    }

    #[test]
    fn test_every_module_of_a_verb_has_a_row() {
        let modules = include_str!("mod.rs").lines().filter_map(|line| {
            let name = line.strip_prefix("pub mod ")?.strip_suffix(';')?;
            (name != "by_name").then_some(name)
        });
        for module in modules {
            let is_row = |verb: &&Verb| verb.name.split(' ').any(|word| word == module);
            assert!(VERBS.iter().any(|verb| is_row(&verb)), "{module}");
        }
    }

    #[test]
    fn test_a_verb_by_name_does_what_the_verb_does() {
        let verb = Verb::named("inspect").unwrap();
        let outcome = verb.run(
            json!({"input": data("example.pcap"), "first": 7}),
            &mut Silent,
        );
        assert_eq!(outcome.unwrap()["packets_read"], 7);
        let error = Verb::named("inspekt").unwrap_err();
        assert!(error.hint().unwrap().contains("inspect, lift"));
    }

    #[test]
    fn test_damage_is_a_warning_of_inspect() {
        let folder = tempfile::tempdir().unwrap();
        let cut = folder.path().join("cut.pcap");
        std::fs::write(
            &cut,
            &std::fs::read(data("example.pcap")).unwrap()[..10_000],
        )
        .unwrap();
        let mut monitor = Stopping::never();
        let verb = Verb::named("inspect").unwrap();
        let outcome = verb.run(json!({"input": cut}), &mut monitor).unwrap();
        assert_eq!(outcome["complete"], false);
        assert!(monitor.warnings[0].message.contains("cut off"));
    }
}

//! Verbs by name: settings and outcome as JSON, for callers that have no types of ours.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    baseline, check, classify, compile, continuation, decode, encode, evaluate, events, flows,
    generate, generator, inspect, lift, merge, probe, report, roundtrip, shard, train, verify,
};
use crate::error::Error;
use crate::monitor::{Monitor, Warning};
use crate::settings;

/// A verb that takes its settings, and returns its outcome, as JSON.
#[derive(Debug)]
pub struct Verb {
    /// Name, as the command line has it: `lift`, `baseline train`.
    pub name: &'static str,
    /// The settings that have no default, each with a value that means nothing: a JSON object.
    least: &'static str,
    run: fn(Value, &mut dyn Monitor) -> Result<Value, Error>,
    complete: fn(Value) -> Result<Value, Error>,
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

fn call<C: DeserializeOwned + Serialize, O: Serialize>(
    settings: Value,
    monitor: &mut dyn Monitor,
    run: impl FnOnce(&C, &mut dyn Monitor) -> Result<O, Error>,
) -> Result<Value, Error> {
    let outcome = run(&settings::read(settings)?, monitor)?;
    Ok(serde_json::to_value(outcome).expect("outcomes have string keys"))
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
pub static VERBS: &[Verb] = &[
    Verb {
        name: "inspect",
        least: r#"{"input": ""}"#,
        run: |settings, monitor| call(settings, monitor, inspect),
        complete: complete::<inspect::Config>,
    },
    Verb {
        name: "lift",
        least: r#"{"inputs": [], "output": ""}"#,
        run: |settings, monitor| call(settings, monitor, lift::run),
        complete: complete::<lift::Config>,
    },
    Verb {
        name: "compile",
        least: r#"{"input": "", "output": ""}"#,
        run: |settings, monitor| call(settings, monitor, compile::run),
        complete: complete::<compile::Config>,
    },
    Verb {
        name: "shard",
        least: r#"{"inputs": [], "output": ""}"#,
        run: |settings, monitor| call(settings, monitor, shard::run),
        complete: complete::<shard::Config>,
    },
    Verb {
        name: "encode",
        least: r#"{"input": "", "output": ""}"#,
        run: |settings, monitor| call(settings, monitor, encode::run),
        complete: complete::<encode::Config>,
    },
    Verb {
        name: "decode",
        least: r#"{"input": "", "output": ""}"#,
        run: |settings, monitor| call(settings, monitor, decode::run),
        complete: complete::<decode::Config>,
    },
    Verb {
        name: "roundtrip",
        least: r#"{"input": "", "output": ""}"#,
        run: |settings, monitor| call(settings, monitor, roundtrip::run),
        complete: complete::<roundtrip::Config>,
    },
    Verb {
        name: "events",
        least: r#"{"inputs": []}"#,
        run: |settings, monitor| call(settings, monitor, events::run),
        complete: complete::<events::Config>,
    },
    Verb {
        name: "flows",
        least: r#"{"inputs": [], "output": ""}"#,
        run: |settings, monitor| call(settings, monitor, flows::run),
        complete: complete::<flows::Config>,
    },
    Verb {
        name: "check",
        least: r#"{"inputs": []}"#,
        run: |settings, monitor| call(settings, monitor, check::run),
        complete: complete::<check::Config>,
    },
    Verb {
        name: "verify",
        least: r#"{"inputs": []}"#,
        run: |settings, monitor| call(settings, monitor, verify::run),
        complete: complete::<verify::Config>,
    },
    Verb {
        name: "evaluate",
        least: r#"{"reference": "", "decoded": ""}"#,
        run: |settings, monitor| call(settings, monitor, evaluate::run),
        complete: complete::<evaluate::Config>,
    },
    Verb {
        name: "classify",
        least: r#"{"real": "", "generated": ""}"#,
        run: |settings, monitor| call(settings, monitor, classify::run),
        complete: complete::<classify::Config>,
    },
    Verb {
        name: "merge",
        least: r#"{"inputs": []}"#,
        run: |settings, monitor| call(settings, monitor, merge::run),
        complete: complete::<merge::Config>,
    },
    Verb {
        name: "report",
        least: r#"{"output": ""}"#,
        run: |settings, monitor| call(settings, monitor, report::run),
        complete: complete::<report::Config>,
    },
    Verb {
        name: "train",
        least: r#"{"data": [], "output": ""}"#,
        run: |settings, monitor| call(settings, monitor, train::run),
        complete: complete::<train::Config>,
    },
    Verb {
        name: "generate",
        least: r#"{"output": ""}"#,
        run: |settings, monitor| call(settings, monitor, generate::run),
        complete: complete::<generate::Config>,
    },
    Verb {
        name: "probe",
        least: r#"{"input": ""}"#,
        run: |settings, monitor| call(settings, monitor, probe::run),
        complete: complete::<probe::Config>,
    },
    Verb {
        name: "generator sequences",
        least: r#"{"shards": [], "output": ""}"#,
        run: |settings, monitor| call(settings, monitor, generator::sequences::run),
        complete: complete::<generator::sequences::Config>,
    },
    Verb {
        name: "generator train",
        least: r#"{"data": [], "output": ""}"#,
        run: |settings, monitor| call(settings, monitor, generator::train::run),
        complete: complete::<generator::train::Config>,
    },
    Verb {
        name: "generator curve",
        least: r#"{"model": "", "sequences": ""}"#,
        run: |settings, monitor| call(settings, monitor, generator::curve::run),
        complete: complete::<generator::curve::Config>,
    },
    Verb {
        name: "generator continuation",
        least: r#"{"contestants": [], "shards": [], "output": ""}"#,
        run: |settings, monitor| call(settings, monitor, continuation::run),
        complete: complete::<continuation::Config>,
    },
    Verb {
        name: "baseline train",
        least: r#"{"shards": [], "output": "", "model": "tvae"}"#,
        run: |settings, monitor| call(settings, monitor, baseline::train::run),
        complete: complete::<baseline::train::Config>,
    },
    Verb {
        name: "baseline reconstruct",
        least: r#"{"input": "", "output": "", "model": ""}"#,
        run: |settings, monitor| call(settings, monitor, baseline::reconstruct::run),
        complete: complete::<baseline::reconstruct::Config>,
    },
    Verb {
        name: "baseline diagnose",
        least: r#"{"inputs": [], "model": ""}"#,
        run: |settings, monitor| call(settings, monitor, baseline::diagnose::run),
        complete: complete::<baseline::diagnose::Config>,
    },
    Verb {
        name: "baseline oracle",
        least: r#"{"input": "", "output": ""}"#,
        run: |settings, monitor| call(settings, monitor, baseline::oracle::run),
        complete: complete::<baseline::oracle::Config>,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Silent;
    use crate::testing::{Stopping, data};
    use serde_json::json;

    #[test]
    fn test_every_verb_has_defaults_and_refuses_unknown_settings() {
        for verb in VERBS {
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

//! Every verb can be asked for by names and values alone, and refuses names that it does not know.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tracecodec_pipeline::{run, settings};

/// Reads the least settings of a verb, which must come back with every default, and refuses a
/// setting that the verb does not have.
fn reads<C: DeserializeOwned + Serialize>(least: Value) {
    let config: C = settings::read(least.clone()).expect("the least settings are read");
    let whole = serde_json::to_value(&config).expect("settings are JSON");
    for (key, value) in least.as_object().expect("settings are an object") {
        assert_eq!(&whole[key], value, "{key}");
    }
    let again: C = settings::read(whole.clone()).expect("whole settings are read");
    assert_eq!(
        serde_json::to_value(&again).expect("settings are JSON"),
        whole
    );
    let mut wrong = least;
    wrong["no_such_setting"] = json!(1);
    let error = settings::read::<C>(wrong)
        .err()
        .expect("the setting is refused");
    assert!(error.to_string().contains("no_such_setting"), "{error}");
}

#[test]
fn test_verbs_are_asked_for_by_names_and_values() {
    reads::<run::inspect::Config>(json!({"input": "a.pcap", "filter": "tcp port 80", "first": 7}));
    reads::<run::lift::Config>(json!({"inputs": ["a.pcap"], "output": "a.parquet", "slots": 5}));
    reads::<run::compile::Config>(json!({"input": "a", "output": "b", "link": "raw"}));
    reads::<run::encode::Config>(json!({"input": "a", "output": "b", "model": "built-in"}));
    reads::<run::decode::Config>(json!({"input": "a", "output": "b", "strict": true}));
    reads::<run::roundtrip::Config>(
        json!({"input": "a", "output": "b", "salt": "random", "anonymous": true}),
    );
    reads::<run::generate::Config>(json!({"output": "b", "packets": 5, "method": "heun"}));
    reads::<run::probe::Config>(json!({"input": "a", "packets": 5}));
    reads::<run::shard::Config>(json!({"inputs": ["a"], "output": "b"}));
    reads::<run::train::Config>(
        json!({"data": ["a"], "output": "b", "minutes": 0.5, "settings": {"train": {"seed": 1}}}),
    );
    reads::<run::generator::sequences::Config>(json!({"shards": ["a"], "output": "b"}));
    reads::<run::generator::train::Config>(
        json!({"data": ["a"], "output": "b", "preset": "paper"}),
    );
    reads::<run::generator::curve::Config>(json!({"model": "a", "sequences": "b"}));
    reads::<run::baseline::train::Config>(
        json!({"shards": ["a"], "output": "b", "model": "tvae", "schema": "bits"}),
    );
    reads::<run::baseline::reconstruct::Config>(json!({"input": "a", "output": "b", "model": "c"}));
    reads::<run::baseline::diagnose::Config>(json!({"inputs": ["a"], "model": "c"}));
    reads::<run::baseline::oracle::Config>(json!({"input": "a", "output": "b"}));
    reads::<run::audit::Config>(json!({"original": "a", "decoded": "b", "link": true}));
    reads::<run::audit::model::Config>(json!({"data": ["a"], "output": "b", "shadows": 8}));
    reads::<run::check::Config>(json!({"inputs": ["a"], "tools": true}));
    reads::<run::verify::Config>(
        json!({"inputs": ["a"], "tshark": true, "tunnels": "inner", "trust_ip_length": true}),
    );
    reads::<run::events::Config>(json!({"inputs": ["a"]}));
    reads::<run::evaluate::Config>(json!({"reference": "a", "decoded": "b", "label": "codec"}));
    reads::<run::classify::Config>(
        json!({"real": "a", "generated": "b", "later": "c", "sessions": 100, "seed": 1}),
    );
    reads::<run::merge::Config>(json!({"inputs": ["a"]}));
    reads::<run::report::Config>(json!({"inputs": ["a"], "output": "b.html"}));
}

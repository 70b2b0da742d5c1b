//! A byte and JSON as the settings of a verb, or of a training: they are read, or refused in one
//! line; what is read is read again from what it is stored as.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tracecodec_nn::CodecSettings;
use tracecodec_nn::generator::autoregressive::AutoregressiveConfig;
use tracecodec_nn::generator::flow_matching::FlowMatchingConfig;
use tracecodec_pipeline::run::by_name::VERBS;
use tracecodec_pipeline::settings;

fuzz_target!(|bytes: &[u8]| {
    let Some((&number, text)) = bytes.split_first() else {
        return;
    };
    let Ok(given) = serde_json::from_slice::<Value>(text) else {
        return;
    };
    let verb = &VERBS[usize::from(number) % VERBS.len()];
    match verb.settings(given.clone()) {
        Ok(whole) => assert_eq!(verb.settings(whole.clone()).ok(), Some(whole)),
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
    if let Ok(config) = settings::over(&CodecSettings::default(), &given) {
        drop(config.check());
    }
    if let Ok(config) = settings::over(&AutoregressiveConfig::default(), &given) {
        drop(config.check());
    }
    if let Ok(config) = settings::over(&FlowMatchingConfig::default(), &given) {
        drop(config.check());
    }
});

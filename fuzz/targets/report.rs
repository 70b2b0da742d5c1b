//! Evaluations, separated by zero bytes, as `report` and `merge` read them: pages and tables are
//! drawn, or the evaluations are refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracecodec_fuzz::{file, folder};
use tracecodec_pipeline::{Silent, run};

fuzz_target!(|bytes: &[u8]| {
    let parts = bytes.split(|byte| *byte == 0).take(3);
    let inputs: Vec<_> = (0..)
        .zip(parts)
        .map(|(number, part): (u32, _)| file(&format!("{number}.json"), part))
        .collect();
    let report = run::report::Config {
        inputs: inputs.clone(),
        output: folder().join("page.html"),
        markdown: Some(folder().join("tables.md")),
        latex: Some(folder().join("tables.tex")),
        ..run::report::Config::default()
    };
    drop(run::report::run(&report, &mut Silent));
    let merge = run::merge::Config {
        inputs,
        output: Some(folder().join("merged.json")),
        ..run::merge::Config::default()
    };
    drop(run::merge::run(&merge, &mut Silent));
});

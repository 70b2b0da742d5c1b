//! The workflow in some twenty lines: a capture through the built-in codec and back, a codec of
//! one's own, an evaluation and a page. `cargo run --example workflow -- CAPTURE FOLDER`.

use std::ops::ControlFlow;
use std::path::PathBuf;

use tracecodec_pipeline::training::Training;
use tracecodec_pipeline::{Error, Monitor, Progress, Warning, run};

/// A monitor that counts reports.
#[derive(Debug, Default)]
struct Counting {
    reports: u64,
    warnings: u64,
}

impl Monitor for Counting {
    fn progress(&mut self, _: &Progress<'_>) -> ControlFlow<()> {
        self.reports += 1;
        ControlFlow::Continue(())
    }

    fn warn(&mut self, _: &Warning) {
        self.warnings += 1;
    }
}

fn main() -> Result<(), Error> {
    let mut paths = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(capture), Some(folder)) = (paths.next(), paths.next()) else {
        panic!("two arguments: a capture, and a folder to write to");
    };
    let mut monitor = Counting::default();

    let decoded = folder.join("decoded.pcap");
    let config = run::roundtrip::Config::new(&capture, &decoded);
    run::roundtrip::run(&config, &mut monitor)?;

    let config = run::train::Config {
        data: vec![capture.clone()],
        training: Training::new(folder.join("codec")).with_steps(20),
        ..run::train::Config::default()
    };
    let trained = run::train::run(&config, &mut monitor)?;

    let config = run::evaluate::Config {
        reference: capture,
        decoded,
        output: Some(folder.join("evaluation.json")),
        ..run::evaluate::Config::default()
    };
    run::evaluate::run(&config, &mut monitor)?;

    let config = run::report::Config {
        inputs: vec![folder.join("evaluation.json")],
        training: vec![folder.join("codec")],
        output: folder.join("page.html"),
        ..run::report::Config::default()
    };
    let page = run::report::run(&config, &mut monitor)?;

    assert!(monitor.reports > 0);
    eprintln!(
        "{} steps, {} figures, {} reports, {} warnings",
        trained.steps, page.figures, monitor.reports, monitor.warnings
    );
    Ok(())
}

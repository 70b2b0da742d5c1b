//! A monitor that asks to stop is obeyed by every verb, and leaves nothing half-written. Captures
//! of a folder that were whole before are kept.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;
use tracecodec_nn::baseline::Model;
use tracecodec_pipeline::training::Training;
use tracecodec_pipeline::{Error, Monitor, Progress, Silent, Warning, run};

/// Stops a verb at one of its reports.
struct Stop {
    at: u64,
    reports: u64,
}

impl Monitor for Stop {
    fn progress(&mut self, _: &Progress<'_>) -> ControlFlow<()> {
        self.reports += 1;
        if self.reports < self.at {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    fn warn(&mut self, _: &Warning) {}
}

/// Captures of a megabyte or two, which no verb reads at once.
fn capture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/train/crowd.pcap.zst")
}

/// A capture of two thousand packets.
fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/example.pcap")
}

/// Runs a verb with monitors that stop at its first, second and fifth report, each in an empty
/// folder, which must be empty afterwards.
fn leaves_nothing<O>(verb: impl Fn(&Path, &mut dyn Monitor) -> Result<O, Error>) {
    for at in [1, 2, 5] {
        let folder = TempDir::new().expect("a temporary folder");
        let mut stop = Stop { at, reports: 0 };
        let outcome = verb(&folder.path().join("out"), &mut stop);
        assert!(
            matches!(outcome.err(), Some(Error::Interrupted)),
            "report {at} stops it"
        );
        assert_eq!(stop.reports, at, "no report follows the stop");
        let left: Vec<_> = std::fs::read_dir(folder.path())
            .expect("the folder is there")
            .collect();
        assert!(left.is_empty(), "report {at} left {left:?}");
    }
}

/// Path of an output with the given extension.
fn named(out: &Path, extension: &str) -> PathBuf {
    out.with_extension(extension)
}

#[test]
fn test_lift_leaves_nothing() {
    leaves_nothing(|out, monitor| {
        let config = run::lift::Config {
            inputs: vec![capture()],
            output: named(out, "parquet"),
            ..run::lift::Config::default()
        };
        run::lift::run(&config, monitor)
    });
}

#[test]
fn test_compile_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let actions = folder.path().join("actions.parquet");
    let lift = run::lift::Config {
        inputs: vec![capture()],
        output: actions.clone(),
        ..run::lift::Config::default()
    };
    run::lift::run(&lift, &mut Silent).unwrap();
    leaves_nothing(|out, monitor| {
        let config = run::compile::Config {
            input: actions.clone(),
            output: named(out, "pcap"),
            ..run::compile::Config::default()
        };
        run::compile::run(&config, monitor)
    });
}

#[test]
fn test_roundtrip_leaves_nothing() {
    for oracle in [false, true] {
        leaves_nothing(|out, monitor| {
            let config = run::roundtrip::Config {
                oracle,
                refine: false,
                ..run::roundtrip::Config::new(capture(), named(out, "pcap"))
            };
            run::roundtrip::run(&config, monitor)
        });
    }
}

/// Captures that were whole before the stop stay, and the same run again writes all of them.
#[test]
fn test_roundtrip_of_a_folder_keeps_whole_captures() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("in")).unwrap();
    std::fs::copy(example(), path("in/a.pcap")).unwrap();
    std::fs::copy(capture(), path("in/b.pcap.zst")).unwrap();
    let config = run::roundtrip::Config {
        oracle: true,
        ..run::roundtrip::Config::new(path("in"), path("out"))
    };
    let names = || {
        let entries = std::fs::read_dir(path("out")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    };
    let mut stop = Stop { at: 5, reports: 0 };
    let stopped = run::roundtrip::run(&config, &mut stop);
    assert!(matches!(stopped, Err(Error::Interrupted)));
    assert_eq!(names(), ["a.pcap", "incomplete.txt"]);
    run::roundtrip::run(&config, &mut Silent).unwrap();
    assert_eq!(names(), ["a.pcap", "b.pcap.zst", "manifest.json"]);
}

#[test]
fn test_encode_and_decode_leave_nothing() {
    leaves_nothing(|out, monitor| {
        let config = run::encode::Config {
            refine: false,
            ..run::encode::Config::new(capture(), named(out, "safetensors"))
        };
        run::encode::run(&config, monitor)
    });
    let folder = TempDir::new().unwrap();
    let latents = folder.path().join("z.safetensors");
    let encode = run::encode::Config {
        refine: false,
        ..run::encode::Config::new(capture(), &latents)
    };
    run::encode::run(&encode, &mut Silent).unwrap();
    leaves_nothing(|out, monitor| {
        let config = run::decode::Config {
            input: latents.clone(),
            output: named(out, "pcap"),
            ..run::decode::Config::default()
        };
        run::decode::run(&config, monitor)
    });
}

#[test]
fn test_generate_leaves_nothing() {
    leaves_nothing(|out, monitor| {
        let config = run::generate::Config {
            output: named(out, "pcap"),
            packets: Some(100_000),
            ..run::generate::Config::default()
        };
        run::generate::run(&config, monitor)
    });
}

#[test]
fn test_trainings_that_stop_while_they_read_leave_nothing() {
    leaves_nothing(|out, monitor| {
        let config = run::train::Config {
            data: vec![capture()],
            training: Training::new(out),
            ..run::train::Config::default()
        };
        run::train::run(&config, monitor)
    });
    leaves_nothing(|out, monitor| {
        let config = run::generator::train::Config {
            data: vec![capture()],
            training: Training::new(out),
            ..run::generator::train::Config::default()
        };
        run::generator::train::run(&config, monitor)
    });
}

/// Evaluations of five captures.
fn evaluations(folder: &TempDir) -> Vec<PathBuf> {
    let evaluated = (0..5).map(|number| {
        let capture = folder.path().join(format!("{number}.pcap"));
        std::fs::copy(example(), &capture).expect("the example can be copied");
        let output = capture.with_extension("json");
        let config = run::evaluate::Config {
            reference: capture.clone(),
            decoded: capture,
            label: Some("copy".to_string()),
            dataset: Some("example".to_string()),
            output: Some(output.clone()),
            ..run::evaluate::Config::default()
        };
        run::evaluate::run(&config, &mut Silent).expect("a copy can be evaluated");
        output
    });
    evaluated.collect()
}

#[test]
fn test_report_and_merge_leave_nothing() {
    let folder = TempDir::new().unwrap();
    let inputs = evaluations(&folder);
    leaves_nothing(|out, monitor| {
        let config = run::report::Config {
            inputs: inputs.clone(),
            output: named(out, "html"),
            svg: Some(out.to_path_buf()),
            markdown: Some(named(out, "md")),
            ..run::report::Config::default()
        };
        run::report::run(&config, monitor)
    });
    leaves_nothing(|out, monitor| {
        let config = run::merge::Config {
            inputs: inputs.clone(),
            output: Some(named(out, "json")),
            ..run::merge::Config::default()
        };
        run::merge::run(&config, monitor)
    });
}

#[test]
fn test_baseline_verbs_leave_nothing() {
    let folder = TempDir::new().unwrap();
    let model = folder.path().join("model");
    let train = run::baseline::train::Config {
        shards: vec![shards(&folder, example(), 500)],
        training: Training::new(&model).with_steps(1),
        validations: Some(1),
        ..run::baseline::train::Config::new(Model::Tvae)
    };
    run::baseline::train::run(&train, &mut Silent).unwrap();
    leaves_nothing(|out, monitor| {
        let config = run::baseline::reconstruct::Config {
            input: capture(),
            output: named(out, "pcap"),
            model: model.clone(),
            ..run::baseline::reconstruct::Config::default()
        };
        run::baseline::reconstruct::run(&config, monitor)
    });
    leaves_nothing(|_, monitor| {
        let config = run::baseline::diagnose::Config {
            inputs: vec![capture()],
            model: model.clone(),
            ..run::baseline::diagnose::Config::default()
        };
        run::baseline::diagnose::run(&config, monitor)
    });
    leaves_nothing(|out, monitor| {
        let config = run::baseline::oracle::Config {
            input: capture(),
            output: named(out, "pcap"),
            ..run::baseline::oracle::Config::default()
        };
        run::baseline::oracle::run(&config, monitor)
    });
}

/// A stop is obeyed within the samples of one window, not behind those of a whole solver.
#[test]
fn test_generator_curve_stops_between_evaluations() {
    let folder = TempDir::new().unwrap();
    let [sequences, model] = ["sequences", "model"].map(|name| folder.path().join(name));
    let encode = run::generator::sequences::Config {
        shards: vec![shards(&folder, example(), 500)],
        output: sequences.clone(),
        ..run::generator::sequences::Config::default()
    };
    run::generator::sequences::run(&encode, &mut Silent).unwrap();
    let network = json!({"layers": 1, "width": 16, "heads": 2, "prefix": 8, "suffix": 8});
    let train = run::generator::train::Config {
        data: vec![sequences.clone()],
        training: Training::new(&model).with_steps(1),
        settings: json!({"network": network, "train": {"validations": 1}}),
        ..run::generator::train::Config::default()
    };
    run::generator::train::run(&train, &mut Silent).unwrap();
    let config = run::generator::curve::Config {
        windows: 2,
        ..run::generator::curve::Config::new(model, sequences)
    };
    leaves_nothing(|_, monitor| run::generator::curve::run(&config, monitor));
    let mut heard = Stop {
        at: u64::MAX,
        reports: 0,
    };
    let outcome = run::generator::curve::run(&config, &mut heard).unwrap();
    let solvers = outcome
        .curve
        .points
        .iter()
        .chain([&outcome.curve.reference]);
    let evaluations: usize = solvers.map(|point| 2 * point.evaluations).sum();
    assert_eq!(heard.reports, evaluations as u64);
}

/// Shards of a capture, of so many packets each.
fn shards(folder: &TempDir, capture: PathBuf, packets: u64) -> PathBuf {
    let shards = folder.path().join("shards");
    let config = run::shard::Config {
        inputs: vec![capture],
        output: shards.clone(),
        packets,
        ..run::shard::Config::default()
    };
    run::shard::run(&config, &mut Silent).expect("the capture is cut");
    shards
}

#[test]
fn test_verbs_on_shards_leave_nothing() {
    leaves_nothing(|out, monitor| {
        let config = run::shard::Config {
            inputs: vec![capture()],
            output: out.to_path_buf(),
            ..run::shard::Config::default()
        };
        run::shard::run(&config, monitor)
    });
    let folder = TempDir::new().unwrap();
    let shards = shards(&folder, capture(), 20_000);
    leaves_nothing(|out, monitor| {
        let config = run::generator::sequences::Config {
            shards: vec![shards.clone()],
            output: out.to_path_buf(),
            ..run::generator::sequences::Config::default()
        };
        run::generator::sequences::run(&config, monitor)
    });
    leaves_nothing(|out, monitor| {
        let config = run::baseline::train::Config {
            shards: vec![shards.clone()],
            training: Training::new(out),
            ..run::baseline::train::Config::new(Model::Tvae)
        };
        run::baseline::train::run(&config, monitor)
    });
}

#[test]
fn test_a_training_that_stops_leaves_a_checkpoint_that_resumes() {
    let folder = TempDir::new().unwrap();
    let mut config = run::train::Config {
        data: vec![example()],
        training: Training {
            steps: Some(4),
            ..Training::new(folder.path().join("model"))
        },
        ..run::train::Config::default()
    };
    let mut stop = Stop { at: 2, reports: 0 };
    let error = run::train::run(&config, &mut stop).unwrap_err();
    assert!(error.to_string().contains("interrupted after"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("`resume`")));
    config.training.resume = true;
    let outcome = run::train::run(&config, &mut Silent).unwrap();
    assert_eq!(outcome.steps, 4);
}

//! The raw-field baselines and their training through the public API, on rows of the example
//! capture.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ops::ControlFlow;
use std::path::Path;

use tracecodec::artifact::SourceFile;
use tracecodec::choice::Choice;
use tracecodec::raw::{Diagnostics, RawRow, RowReader, Schema, ValueCounts};
use tracecodec_nn::Error;
use tracecodec_nn::baseline::{Baseline, BaselineConfig, Model, RawData, Validation, train};
use tracecodec_nn::train::{Progress, Report, Session};

fn data() -> RawData {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/example.pcap");
    let mut capture = SourceFile::open(&path).unwrap();
    let mut reader = RowReader::default();
    let mut rows = Vec::new();
    while let (Some(packet), true) = (capture.next(), rows.len() < 700) {
        rows.extend(reader.read(&packet.unwrap()));
    }
    let mut values = ValueCounts::default();
    rows.iter().for_each(|row| values.add(row));
    let validation = rows.split_off(500);
    RawData::new(rows, validation, values, reader.into_profiles())
}

fn rows(count: usize) -> Vec<RawRow> {
    data().training()[..count].to_vec()
}

fn settings(model: Model, schema: Schema) -> BaselineConfig {
    let mut config = BaselineConfig::new(model, schema);
    (config.train.steps, config.train.validations) = (4, 2);
    config.train.validation_rows = 50;
    config
}

fn go_on(_: &Progress<'_, Validation>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn run(config: &BaselineConfig, folder: &Path) -> (Baseline, Report<Validation>) {
    train(config, &data(), &Session::new(folder), go_on).unwrap()
}

fn weights(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("weights.safetensors")).unwrap()
}

#[test]
fn test_every_model_comes_back_from_disk() {
    let columns = Model::all().map(|model| (model, Schema::Columns));
    for (model, schema) in columns.chain([(Model::Tvae, Schema::Bits)]) {
        let folder = tempfile::tempdir().unwrap();
        let (trained, report) = run(&settings(model, schema), folder.path());
        assert_eq!(
            (report.steps, report.validations.len()),
            (4, 2),
            "{model:?}"
        );
        let loaded = Baseline::load(folder.path()).unwrap().with_threads(1);
        assert_eq!(loaded.model(), model);
        let rows = rows(40);
        let decoded: Vec<_> = loaded.reconstruct(&rows).collect();
        assert_eq!(decoded.len(), rows.len());
        assert_eq!(
            decoded,
            trained
                .with_threads(3)
                .reconstruct(&rows)
                .collect::<Vec<_>>(),
            "{model:?}"
        );
        check_latents(&loaded);
    }
}

/// Latents decode alone to the same rows as a reconstruction, in several pieces, too; models whose
/// latents cannot are refused.
fn check_latents(baseline: &Baseline) {
    let rows = [rows(500), rows(20)].concat();
    let Ok(width) = baseline.d_latent() else {
        assert!(!matches!(baseline.model(), Model::Tvae | Model::TabsynVae));
        let refused = baseline.latents(&rows).err().unwrap().to_string();
        assert!(refused.starts_with(baseline.model().name()), "{refused}");
        assert!(baseline.decode(&[0.0]).is_err());
        return;
    };
    let latents: Vec<f32> = baseline.latents(&rows).unwrap().flatten().collect();
    assert_eq!(latents.len(), rows.len() * width);
    let decoded: Vec<_> = baseline.reconstruct(&rows).collect();
    assert_eq!(baseline.decode(&latents).unwrap(), decoded);
    let cut_short = baseline.decode(&latents[..2 * width - 1]).unwrap();
    assert_eq!(cut_short, decoded[..1]);
}

#[test]
fn test_training_does_not_depend_on_threads() {
    for model in [Model::Tvae, Model::TabsynVae] {
        let trained = [1, 3].map(|threads| {
            let folder = tempfile::tempdir().unwrap();
            let mut config = settings(model, Schema::Columns);
            config.train.steps = 2;
            let session = Session {
                threads: Some(threads),
                ..Session::new(folder.path())
            };
            train(&config, &data(), &session, go_on).unwrap();
            weights(folder.path())
        });
        assert!(trained[0] == trained[1], "{model:?}");
    }
}

#[test]
fn test_interrupted_training_goes_on_to_the_same_bytes() {
    for model in [Model::Tvae, Model::Goggle] {
        let config = settings(model, Schema::Columns);
        let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        run(&config, whole.path());
        let stop = |progress: &Progress<'_, Validation>| match progress.step {
            3 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        let session = Session::new(parts.path());
        let error = train(&config, &data(), &session, stop).unwrap_err();
        assert!(matches!(error, Error::Interrupted(3)), "{error}");
        let session = Session {
            resume: true,
            ..session
        };
        train(&config, &data(), &session, go_on).unwrap();
        assert!(weights(whole.path()) == weights(parts.path()), "{model:?}");
    }
}

#[test]
fn test_training_learns() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = settings(Model::Tvae, Schema::Columns);
    config.train.steps = 150;
    let (baseline, report) = run(&config, folder.path());
    let losses: Vec<f64> = report.validations.iter().map(|v| v.loss).collect();
    assert!(losses[1] < losses[0], "{losses:?}");
    let mut diagnostics = Diagnostics::default();
    let mut profiles = baseline.option_profiles().clone();
    let rows = rows(500);
    for (row, decoded) in rows.iter().zip(baseline.reconstruct(&rows)) {
        decoded.judge(row, &mut profiles, &mut diagnostics);
    }
    let accuracy = diagnostics.matches().accuracy().unwrap();
    assert!(accuracy > 0.6, "{accuracy}");
    assert!(diagnostics.rows().rate().unwrap() < 0.5);
}

#[test]
fn test_what_cannot_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::new(folder.path());
    let config = settings(Model::Goggle, Schema::Bits);
    let error = train(&config, &data(), &session, go_on).unwrap_err();
    assert!(
        error.to_string().contains("each column to each other"),
        "{error}"
    );
    let none = RawData::new(
        Vec::new(),
        rows(3),
        ValueCounts::default(),
        Default::default(),
    );
    let config = settings(Model::Tvae, Schema::Columns);
    let error = train(&config, &none, &session, go_on).unwrap_err();
    assert!(matches!(error, Error::NoData("training")), "{error}");
    run(&settings(Model::Goggle, Schema::Columns), folder.path());
    std::fs::write(folder.path().join("baseline.json"), "{}").unwrap();
    let error = Baseline::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("baseline.json"), "{error}");
    run(&settings(Model::Goggle, Schema::Columns), folder.path());
    let path = folder.path().join("baseline.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"goggle\"", "\"tabsyn-vae\"")).unwrap();
    let error = Baseline::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("encoding of another model"), "{error}");
}

//! Tests of budgets in minutes, by trainings whose clock advances with their own work alone.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;
use tracecodec_tensor::{Device as Tensors, Module, Tensor, Visitor};

use super::*;
use crate::device::Device;
use crate::model::Kind;

/// A network of one weight.
#[derive(Clone, Debug)]
struct Weight {
    value: Tensor<1>,
}

impl Module for Weight {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        visitor.tensor("value", &mut self.value);
    }
}

/// A task whose work takes a set time, in milliseconds.
struct Slow {
    network: Weight,
    tensors: Tensors,
    /// Milliseconds since the training began.
    now: Arc<AtomicU64>,
    step: u64,
    /// Milliseconds of validating one example.
    validation: u64,
    examples: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Validation(f64);

impl Validated for Validation {
    fn loss(&self) -> f64 {
        self.0
    }
}

/// A thousand examples.
struct Ones;

impl Examples for Ones {
    type Example = f32;

    fn len(&self) -> u64 {
        1_000
    }

    fn read(&self, runs: &[Range<u64>]) -> Result<Vec<f32>, Error> {
        Ok(runs.iter().cloned().flatten().map(|_| 1.0).collect())
    }
}

impl Slow {
    fn pass(&self, milliseconds: u64) {
        self.now.fetch_add(milliseconds, Ordering::Relaxed);
    }
}

impl Task for Slow {
    const KIND: Kind = Kind::Codec;

    type Example = f32;
    type Network = Weight;
    type Validation = Validation;

    fn network(&self) -> &Weight {
        &self.network
    }

    fn device(&self) -> Device {
        Device::Cpu
    }

    fn tensors(&self) -> &Tensors {
        &self.tensors
    }

    fn objective(
        &self,
        network: &Weight,
        _: &[f32],
        _: u64,
        _: &Position<'_, Validation>,
    ) -> Tensor<1> {
        self.pass(self.step);
        (network.value.clone() - 1.0).square()
    }

    fn update(&self, at: &Position<'_, Validation>) -> Update {
        Update {
            weights: None,
            nth: at.step + 1,
            rate: 0.01,
            betas: (0.9, 0.99),
            epsilon: 1e-8,
            decay: Decay::Decoupled(0.0),
            clip: None,
        }
    }

    fn set_weights(&mut self, weights: &Weights) {
        self.network = weights.load(self.network.clone(), &self.tensors);
    }

    fn draw_validation(&mut self, count: usize) -> Result<(), Error> {
        self.examples = count;
        Ok(())
    }

    fn validate(
        &self,
        _: f64,
        at: &Position<'_, Validation>,
        ask: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<Validation, Error> {
        for _ in 0..3 {
            ask()?;
        }
        self.pass(self.validation * self.examples as u64);
        Ok(Validation(1.0 / (1.0 + at.step as f64)))
    }

    fn save(&self, _: &Path) -> Result<String, Error> {
        Ok(String::new())
    }

    fn verdict(&self, _: &Validation) -> Option<Verdict> {
        None
    }
}

const BUDGET: Budget = Budget {
    seed: 0,
    steps: 1,
    minutes: None,
    batch: 1,
    micro_batch: 1,
    shuffle_pool: 1,
    validations: 20,
    validation_examples: 1_024,
    patience: 100,
};

/// A task with these durations of a step and the validation of an example.
fn slow(now: &Arc<AtomicU64>, [step, validation]: [u64; 2]) -> Slow {
    let tensors = Device::Cpu.open().unwrap();
    Slow {
        network: Weight {
            value: Tensor::zeros([1], &tensors),
        },
        tensors,
        now: Arc::clone(now),
        step,
        validation,
        examples: 0,
    }
}

/// Trains for `minutes`, or until a step, with these durations of the preparation, a step and the
/// validation of an example, in milliseconds. Returns also the seconds that the training took.
fn train(
    minutes: f64,
    [prepared, step, validation]: [u64; 3],
    session: &Session<'_>,
    stop: u64,
) -> (f64, Result<Report<Validation>, Error>) {
    let budget = Budget {
        minutes: Some(minutes),
        ..BUDGET
    };
    let now = Arc::new(AtomicU64::new(prepared));
    let mut task = slow(&now, [step, validation]);
    let clock = || Duration::from_millis(now.load(Ordering::Relaxed));
    let mut trainer = Trainer::new(&mut task, &budget, session, &clock);
    let mut progress = |progress: &Progress<'_, Validation>| {
        if progress.step == stop {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let trained = trainer.train(&Arc::new(Ones), session, "", &mut progress);
    let report = trained.map(|(report, _)| report);
    (clock().as_secs_f64(), report)
}

/// Seconds that a training takes, its number of validations, and the number of examples of each if
/// there are fewer than wanted.
fn timed(minutes: f64, times: [u64; 3]) -> (f64, usize, Option<usize>) {
    let folder = tempfile::tempdir().unwrap();
    let (seconds, report) = train(minutes, times, &Session::new(folder.path()), u64::MAX);
    let report = report.unwrap();
    (seconds, report.validations.len(), report.fewer_validated)
}

#[test]
fn test_minutes_are_kept() {
    // A validation of all examples takes no time, 1 s, 10 s, 100 s and 1,000 s.
    for (validation, least) in [(0, 20), (1, 10), (10, 3), (100, 3), (1_000, 3)] {
        let (seconds, count, fewer) = timed(1.0, [0, 100, validation]);
        assert!((54.0..66.0).contains(&seconds), "{validation}: {seconds} s");
        assert!(count >= least, "{validation}: {count} validations");
        assert_eq!(fewer.is_some(), validation >= 10, "{validation}: {fewer:?}");
    }
}

#[test]
fn test_preparation_counts() {
    let (seconds, count, _) = timed(1.0, [40_000, 100, 1]);
    assert!((54.0..66.0).contains(&seconds), "{seconds} s");
    assert!(count > 1, "{count} validations");
    // Preparation that exceeds the budget: one step, and one validation of a few examples.
    let (seconds, count, fewer) = timed(1.0, [70_000, 100, 10]);
    assert!((70.0..71.0).contains(&seconds), "{seconds} s");
    assert_eq!((count, fewer), (1, Some(4)));
}

#[test]
fn test_long_steps_and_validations_end_in_time() {
    let (seconds, count, fewer) = timed(0.1, [0, 2_000, 100]);
    assert!((4.0..7.6).contains(&seconds), "{seconds} s");
    assert!(count > 0 && fewer.is_some(), "{count} {fewer:?}");
}

#[test]
fn test_a_resumed_training_keeps_its_minutes() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::new(folder.path());
    let times = [5_000, 100, 1];
    let (first, stopped) = train(1.0, times, &session, 200);
    assert!(matches!(stopped, Err(Error::Interrupted(200))));
    let session = Session {
        resume: true,
        ..session
    };
    let (second, report) = train(1.0, times, &session, u64::MAX);
    let report = report.unwrap();
    assert!((54.0..66.0).contains(&(first + second)), "{first} {second}");
    assert!(report.steps > 300 && !report.stopped_early, "{report:?}");
}

/// Trains for five steps with two validations, until the report of this number; returns the
/// outcome and the weight.
fn stopped_at(report: usize, session: &Session<'_>) -> (Result<Report<Validation>, Error>, f32) {
    let budget = Budget {
        steps: 5,
        validations: 2,
        ..BUDGET
    };
    let now = Arc::new(AtomicU64::new(0));
    let mut task = slow(&now, [1, 0]);
    let clock = || Duration::from_millis(now.load(Ordering::Relaxed));
    let mut trainer = Trainer::new(&mut task, &budget, session, &clock);
    let mut reports = 0;
    let mut progress = |_: &Progress<'_, Validation>| {
        reports += 1;
        assert!(reports <= report, "nothing is asked after a stop");
        if reports == report {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let trained = trainer.train(&Arc::new(Ones), session, "", &mut progress);
    let weight = trainer.weights.values[0];
    (trained.map(|(report, _)| report), weight)
}

#[test]
fn test_a_stop_at_any_report_resumes_to_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, weight) = stopped_at(usize::MAX, &Session::new(folder.path()));
    let whole = whole.unwrap();
    assert_eq!(whole.validations.len(), 2);
    // A report before and after each of five steps, and three in each validation.
    for report in 1..=16 {
        let folder = tempfile::tempdir().unwrap();
        let session = Session::new(folder.path());
        let (stopped, _) = stopped_at(report, &session);
        if report == 1 {
            assert!(matches!(stopped, Err(Error::Stopped)), "{stopped:?}");
            assert!(!folder.path().join(crate::model::CHECKPOINT).exists());
            continue;
        }
        assert!(matches!(stopped, Err(Error::Interrupted(_))), "{report}");
        let session = Session {
            resume: true,
            ..session
        };
        let (resumed, again) = stopped_at(usize::MAX, &session);
        let resumed = resumed.unwrap();
        assert_eq!((again, resumed.steps), (weight, 5), "{report}");
        assert_eq!(resumed.validations, whole.validations, "{report}");
    }
}

//! The one training loop.
//!
//! A step takes a batch, cut into micro-batches of a fixed size. Each is computed on a network of its own thread, the
//! gradients are summed in order and handed to the optimiser: the weights do not depend on the number of threads. A GPU
//! computes several of the same micro-batches as one.
//!
//! What is trained, a task, owns the network, the objective and the judgement. The loop owns weights, order, budget, checkpoints
//! and the history.

mod average;
mod budget;
mod checkpoint;
mod history;
mod optimiser;
mod order;
pub(crate) mod schedule;
mod state;
mod task;

pub(crate) use budget::{Budget, positive, rule};
pub use history::read_history;
pub(crate) use optimiser::{Decay, Update};
pub(crate) use order::spread;
pub(crate) use task::{Examples, Judged, Moment, Task};

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::files;
use crate::parallel::{default_threads, ordered};
use crate::weights::{Weights, gradients};
use average::Average;
use checkpoint::Checkpoints;
use optimiser::Moments;
use order::Order;
use state::{Losses, Standing, State};

/// Longest time between two checkpoints.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

/// Where a training stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress<'a, V> {
    /// Optimiser steps so far.
    pub step: u64,
    /// Share of the budget that is used, 0 to 1.
    pub share: f64,
    /// Objective of the last step, augmentation and noise included.
    pub loss: f64,
    /// The last validation.
    pub validation: Option<&'a V>,
    /// Training examples a second since the start, validations aside.
    pub examples_per_second: f64,
}

/// How a training ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Report<V> {
    /// Optimiser steps.
    pub steps: u64,
    /// Every validation.
    pub validations: Vec<V>,
    /// The validation of the weights that were kept.
    pub best: V,
    /// Whether patience ran out before the budget did.
    pub stopped_early: bool,
    /// Training examples a second, validations aside.
    pub examples_per_second: f64,
}

/// What the loop leaves to be done.
pub(crate) struct Outcome<V> {
    pub(crate) report: Report<V>,
    /// Digest of the best weights' file.
    pub(crate) digest: String,
    checkpoint: PathBuf,
}

impl<V> Outcome<V> {
    /// Takes the checkpoint away, and gives back how the training ended.
    pub(crate) fn close(self) -> Result<Report<V>, Error> {
        files::remove(&self.checkpoint)?;
        Ok(self.report)
    }
}

/// The best model of a training.
struct Finished<V> {
    validations: Vec<V>,
    best: V,
    digest: String,
    checkpoint: PathBuf,
}

/// Trains a task's model, and leaves the best one in a directory, with `history.jsonl`.
///
/// A checkpoint is written at each validation and every minute between; the outcome takes it away when it is closed. `progress` is called
/// after each step, and may stop the training: then a checkpoint is written, too. With `resume` a training goes on from the directory's
/// checkpoint, which must be of the same `run`, a digest of settings and data, to the same weights as if it had never stopped.
///
/// # Errors
/// If a setting is out of its range, there are no examples, a file cannot be read or written, the loss is no longer finite, the training
/// was stopped, or the checkpoint is of another run.
pub(crate) fn run<T: Task>(
    task: &mut T,
    budget: &Budget,
    examples: &Arc<impl Examples<Example = T::Example>>,
    directory: &Path,
    run: &str,
    resume: bool,
    mut progress: impl FnMut(&Progress<'_, T::Validation>) -> ControlFlow<()>,
) -> Result<Outcome<T::Validation>, Error>
where
    T::Example: 'static,
{
    budget.check()?;
    if examples.len() == 0 {
        return Err(Error::NoData("training"));
    }
    let mut trainer = Trainer::new(task, budget);
    let mut checkpoints = Checkpoints::new(directory);
    if resume {
        let state = State::read(
            directory,
            run,
            trainer.weights.values.len(),
            trainer.average.is_some(),
        )?;
        trainer.restore(state, &mut checkpoints)?;
    }
    let taken = trainer.steps * budget.batch as u64;
    let mut order = Order::after(taken, examples, budget.seed, budget.shuffle_pool);
    let mut written = Instant::now();
    while trainer.share() < 1.0 && checkpoints.since_best() < budget.patience {
        let examples = order.take(budget.batch)?;
        let loss = trainer.step(&examples, checkpoints.validations())?;
        let validations = checkpoints.validations().len() + 1;
        let due = validations as f64 / f64::from(budget.validations.max(1));
        let is_due = trainer.share() >= due.min(1.0);
        if is_due {
            trainer.validate(&mut checkpoints)?;
        }
        let go_on = progress(&trainer.progress(loss, checkpoints.validations().last()));
        if is_due || go_on.is_break() || written.elapsed() > CHECKPOINT_EVERY {
            trainer.state(run, &checkpoints).write(directory)?;
            written = Instant::now();
        }
        if go_on.is_break() {
            return Err(Error::Interrupted(trainer.steps));
        }
    }
    let finished = checkpoints.finish();
    Ok(Outcome {
        report: Report {
            steps: trainer.steps,
            validations: finished.validations,
            best: finished.best,
            stopped_early: trainer.share() < 1.0,
            examples_per_second: trainer.examples_per_second(),
        },
        digest: finished.digest,
        checkpoint: finished.checkpoint,
    })
}

struct Trainer<'a, T: Task> {
    task: &'a mut T,
    budget: &'a Budget,
    threads: usize,
    weights: Weights,
    moments: Moments,
    average: Option<Average>,
    steps: u64,
    seconds: f64,
    losses: Losses,
}

impl<'a, T: Task> Trainer<'a, T> {
    fn new(task: &'a mut T, budget: &'a Budget) -> Self {
        let threads = budget.threads.unwrap_or_else(default_threads);
        let weights = Weights::of(task.network());
        Self {
            threads: task.device().threads(threads),
            average: task
                .averaging()
                .map(|decay| Average::new(decay, &weights.values)),
            task,
            budget,
            moments: Moments::new(weights.values.len()),
            weights,
            steps: 0,
            seconds: 0.0,
            losses: Losses::default(),
        }
    }

    /// Goes on from where another left off; its best model is written again.
    fn restore(
        &mut self,
        state: State<T::Validation>,
        checkpoints: &mut Checkpoints<T::Validation>,
    ) -> Result<(), Error> {
        if !state.best.is_empty() {
            self.weights.values = state.best;
            self.task.set_weights(&self.weights);
        }
        checkpoints.restore(&state.standing.validations, &*self.task, &self.weights)?;
        self.weights.values = state.weights;
        self.moments = state.moments;
        if let (Some(average), Some(values)) = (&mut self.average, state.average) {
            average.values = values;
        }
        self.steps = state.standing.steps;
        self.seconds = state.standing.seconds;
        self.losses = state.standing.losses;
        Ok(())
    }

    fn state(&self, run: &str, checkpoints: &Checkpoints<T::Validation>) -> State<T::Validation> {
        State {
            standing: Standing {
                run: run.to_string(),
                steps: self.steps,
                seconds: self.seconds,
                losses: self.losses,
                validations: checkpoints.validations().to_vec(),
            },
            weights: self.weights.values.clone(),
            moments: self.moments.clone(),
            best: checkpoints.best_weights().to_vec(),
            average: self.average.as_ref().map(|average| average.values.clone()),
        }
    }

    /// Share of the budget that is used.
    fn share(&self) -> f64 {
        match self.budget.minutes {
            Some(minutes) => self.seconds / (60.0 * minutes),
            None => self.steps as f64 / self.budget.steps as f64,
        }
    }

    fn examples_per_second(&self) -> f64 {
        self.steps as f64 * self.budget.batch as f64 / self.seconds.max(1e-9)
    }

    fn progress<'v>(
        &self,
        loss: f64,
        validation: Option<&'v T::Validation>,
    ) -> Progress<'v, T::Validation> {
        Progress {
            step: self.steps,
            share: self.share().min(1.0),
            loss,
            validation,
            examples_per_second: self.examples_per_second(),
        }
    }

    fn moment<'v>(&self, validations: &'v [T::Validation]) -> Moment<'v, T::Validation> {
        Moment {
            step: self.steps,
            share: self.share(),
            batch: self.budget.batch,
            averaged: false,
            validations,
        }
    }

    /// One optimiser step on these examples; gives back the objective.
    fn step(
        &mut self,
        examples: &[T::Example],
        validations: &[T::Validation],
    ) -> Result<f64, Error> {
        let start = Instant::now();
        let at = self.moment(validations);
        let (loss, mut gradient) = self.gradient(examples, &at);
        if !loss.is_finite() {
            let step = self.steps;
            return Err(Error::Diverged { step, loss });
        }
        let update = self.task.update(&at);
        update.apply(&mut self.moments, &mut self.weights.values, &mut gradient);
        self.task.constrain(&mut self.weights.values);
        self.steps += 1;
        if let Some(average) = &mut self.average {
            average.add(&self.weights.values, self.steps);
        }
        self.losses.add(loss);
        self.seconds += start.elapsed().as_secs_f64();
        Ok(loss)
    }

    /// Loss and gradient of a batch, summed over its micro-batches in order.
    fn gradient(&self, examples: &[T::Example], at: &Moment<'_, T::Validation>) -> (f64, Vec<f32>) {
        let device = self.task.tensors().clone().autodiff();
        let micro_batch = self.budget.micro_batch;
        let size = self.task.piece(micro_batch);
        let pieces: Vec<&[T::Example]> = examples.chunks(size).collect();
        let before = self.steps as usize * examples.len();
        let results = ordered(
            self.threads,
            pieces.len(),
            || self.weights.load(self.task.network().clone(), &device),
            |network, piece| {
                let place = (before + piece * size) / micro_batch;
                let loss = self
                    .task
                    .objective(network, pieces[piece], place as u64, at);
                let value = f64::from(loss.clone().into_scalar::<f32>());
                (value, gradients(network, loss.backward()))
            },
        );
        results
            .into_iter()
            .reduce(|(loss, mut sum), (more, gradient)| {
                sum.iter_mut().zip(gradient).for_each(|(a, b)| *a += b);
                (loss + more, sum)
            })
            .expect("a batch has micro-batches")
    }

    /// Puts the weights into the task's model, judges it, and keeps it if it is the best. Where an average of the weights is kept, it is
    /// judged, too, and the better of the two stands for both.
    fn validate(&mut self, checkpoints: &mut Checkpoints<T::Validation>) -> Result<(), Error> {
        let training_loss = std::mem::take(&mut self.losses).mean();
        let at = Moment {
            averaged: true,
            ..self.moment(checkpoints.validations())
        };
        let averaged = match &self.average {
            None => None,
            Some(average) => {
                let mut weights = self.weights.clone();
                weights.values.clone_from(&average.values);
                self.task.set_weights(&weights);
                Some((self.task.validate(training_loss, &at)?, weights))
            }
        };
        self.task.set_weights(&self.weights);
        let at = Moment {
            averaged: false,
            ..at
        };
        let validation = self.task.validate(training_loss, &at)?;
        let (step, loss) = (self.steps, validation.loss());
        if !loss.is_finite() {
            return Err(Error::Diverged { step, loss });
        }
        match averaged {
            Some((averaged, weights)) if averaged.loss() < loss => {
                self.task.set_weights(&weights);
                checkpoints.record(averaged, &*self.task, &weights)
            }
            _ => checkpoints.record(validation, &*self.task, &self.weights),
        }
    }
}

//! The time of a training whose budget is in minutes: preparation, steps, validations and the files
//! at the end share it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Least share of the remaining time that a trial of a validation must take for the duration of a
/// whole one to be estimated from it.
const TRIAL: f64 = 0.02;

/// Least time between two validations, in durations of a validation: validations then take at most
/// a quarter of the time.
const GAP: f64 = 3.0;

/// Number of validations that must fit into the time, if need be with fewer examples.
const LEAST: f64 = 4.0;

/// Time that a training has used, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Spent {
    /// All time so far, earlier sessions included.
    pub(super) all: f64,
    /// Time before the first step.
    pub(super) before: f64,
    /// Number of examples of a validation.
    pub(super) validation_examples: usize,
}

/// When a training must stop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    /// The whole budget, in seconds.
    total: f64,
    /// Seconds of earlier sessions.
    earlier: f64,
    /// Seconds before the first step.
    before: f64,
    /// Seconds of the last step.
    step: f64,
    validation: f64,
    /// Number of examples of a validation.
    examples: usize,
}

impl Deadline {
    /// A deadline after `minutes`; `spent` is the time that earlier sessions used.
    pub(super) fn new(minutes: f64, spent: Option<Spent>) -> Self {
        Self {
            total: 60.0 * minutes,
            earlier: spent.map_or(0.0, |spent| spent.all),
            before: spent.map_or(0.0, |spent| spent.before),
            step: 0.0,
            validation: 0.0,
            examples: spent.map_or(0, |spent| spent.validation_examples),
        }
    }

    /// Seconds of the budget left at `now`, for planning before the first step.
    fn left(&self, now: Duration) -> f64 {
        (self.total - now.as_secs_f64()).max(0.0)
    }

    /// Whether a validation that took `took` is long enough to estimate the duration of a whole
    /// one.
    pub(super) fn suffices(&self, took: Duration, now: Duration) -> bool {
        took.as_secs_f64() >= TRIAL * self.left(now)
    }

    /// Plans validations, given that `tried` of the `wanted` examples took `took`: as many examples
    /// as leave time for [`LEAST`] validations.
    pub(super) fn plan(&mut self, tried: usize, took: Duration, wanted: usize, now: Duration) {
        let left = self.left(now);
        let each = took.as_secs_f64() / tried.max(1) as f64;
        let affordable = left / (GAP + 1.0) / LEAST / each.max(1e-9);
        self.examples = (affordable as usize).clamp(tried.min(wanted), wanted);
        self.validation = each * self.examples as f64;
    }

    /// Number of examples of a validation.
    pub(super) fn examples(&self) -> usize {
        self.examples
    }

    /// Marks the start of the first step; later calls have no effect.
    pub(super) fn begin(&mut self, now: Duration) {
        if self.before == 0.0 {
            self.before = now.as_secs_f64();
        }
    }

    /// Records the duration of a step.
    pub(super) fn step(&mut self, took: Duration) {
        self.step = took.as_secs_f64();
    }

    /// Records the duration of a validation and of writing its files.
    pub(super) fn validated(&mut self, took: Duration) {
        self.validation = took.as_secs_f64();
    }

    /// Seconds for steps and validations: the budget without the preparation, a last step and a
    /// last validation.
    fn usable(&self) -> f64 {
        (self.total - self.before - self.step - self.validation).max(1e-9)
    }

    /// Share of the usable seconds that is used.
    pub(super) fn share(&self, now: Duration) -> f64 {
        let used = self.earlier + now.as_secs_f64() - self.before;
        (used / self.usable()).max(0.0)
    }

    /// Least share of the usable seconds between two validations.
    pub(super) fn gap(&self) -> f64 {
        GAP * self.validation / self.usable()
    }

    /// The time used so far, for a later session.
    pub(super) fn spent(&self, now: Duration) -> Spent {
        Spent {
            all: self.earlier + now.as_secs_f64(),
            before: self.before,
            validation_examples: self.examples,
        }
    }
}

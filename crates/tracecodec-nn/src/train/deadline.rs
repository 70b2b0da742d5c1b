//! The minutes of a training: preparation, steps, validations and the files at the end share them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Least share of the time left that a trial of a validation must take to tell how long a whole one
/// takes.
const TRIAL: f64 = 0.02;

/// Times as long as a validation that pass between two of them, so that they take a quarter of the
/// time at most.
const GAP: f64 = 3.0;

/// Validations that must find time, if need be with fewer examples.
const LEAST: f64 = 4.0;

/// Where a training stands in its time, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Spent {
    /// All time so far, earlier sessions included.
    pub(super) all: f64,
    /// Time before the first step.
    pub(super) before: f64,
    /// Examples of a validation.
    pub(super) validation_examples: usize,
}

/// When a training must stop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    /// The whole budget in seconds.
    total: f64,
    /// Seconds of earlier sessions.
    earlier: f64,
    /// Seconds before the first step.
    before: f64,
    /// Seconds of a step and of a validation, as the last ones took.
    step: f64,
    validation: f64,
    /// Examples of a validation.
    examples: usize,
}

impl Deadline {
    /// A deadline in so many minutes; `spent` is where an earlier session stopped.
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

    /// Seconds left before the first step.
    fn left(&self, now: Duration) -> f64 {
        (self.total - now.as_secs_f64()).max(0.0)
    }

    /// Whether a validation that took so long tells how long a whole one takes.
    pub(super) fn is_telling(&self, took: Duration, now: Duration) -> bool {
        took.as_secs_f64() >= TRIAL * self.left(now)
    }

    /// Plans validations where `tried` of `wanted` examples took so long to validate: as many
    /// examples as leave time for a few validations.
    pub(super) fn plan(&mut self, tried: usize, took: Duration, wanted: usize, now: Duration) {
        let left = self.left(now);
        let each = took.as_secs_f64() / tried.max(1) as f64;
        let affordable = left / (GAP + 1.0) / LEAST / each.max(1e-9);
        self.examples = (affordable as usize).clamp(tried.min(wanted), wanted);
        self.validation = each * self.examples as f64;
    }

    /// Examples of a validation.
    pub(super) fn examples(&self) -> usize {
        self.examples
    }

    /// The first step begins, if it has not yet.
    pub(super) fn begin(&mut self, now: Duration) {
        if self.before == 0.0 {
            self.before = now.as_secs_f64();
        }
    }

    /// A step took so long.
    pub(super) fn step(&mut self, took: Duration) {
        self.step = took.as_secs_f64();
    }

    /// A validation and its files took so long.
    pub(super) fn validated(&mut self, took: Duration) {
        self.validation = took.as_secs_f64();
    }

    /// Seconds for steps and validations: all but the preparation, a last step and a last
    /// validation.
    fn usable(&self) -> f64 {
        (self.total - self.before - self.step - self.validation).max(1e-9)
    }

    /// Share of those seconds that is used.
    pub(super) fn share(&self, now: Duration) -> f64 {
        let used = self.earlier + now.as_secs_f64() - self.before;
        (used / self.usable()).max(0.0)
    }

    /// Least share between two validations.
    pub(super) fn gap(&self) -> f64 {
        GAP * self.validation / self.usable()
    }

    /// What a later session needs to know.
    pub(super) fn spent(&self, now: Duration) -> Spent {
        Spent {
            all: self.earlier + now.as_secs_f64(),
            before: self.before,
            validation_examples: self.examples,
        }
    }
}

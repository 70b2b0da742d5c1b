//! Monitors: whoever calls a verb hears of its progress and its warnings, and may stop it.

use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use crate::error::Error;

/// Listens to a verb while it runs.
///
/// The command line draws bars and turns Ctrl-C into `Break`; a test counts.
pub trait Monitor: Send {
    /// Called at least every few thousand packets, every batch and every step, in order.
    /// If it returns `Break`, the verb stops, removes what is half-written, and returns
    /// [`Error::Interrupted`].
    fn progress(&mut self, progress: &Progress<'_>) -> ControlFlow<()>;

    /// Called once for everything that a person should know although the verb goes on.
    fn warn(&mut self, warning: &Warning);
}

/// Where a verb stands within one of its stages.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress<'a> {
    /// The stage, such as `reading` or `training`. A change of stage begins a new count.
    pub stage: &'a str,
    /// Work done in this stage, in units of its own (bytes, packets, steps). It never decreases
    /// within a stage.
    pub done: u64,
    /// Work of the whole stage in the same units; `None` if it is not known.
    pub total: Option<u64>,
    /// A few words for people, such as `capture.pcap 8192 packets`.
    pub detail: &'a str,
}

/// Something that a person should know although the verb goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What was noticed, in one line.
    pub message: String,
    /// What to try, if anything helps.
    pub hint: Option<String>,
}

impl Warning {
    /// A warning without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    /// The warning with a hint.
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

/// A monitor that ignores everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Monitor for Silent {
    fn progress(&mut self, _: &Progress<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn warn(&mut self, _: &Warning) {}
}

impl dyn Monitor + '_ {
    /// Reports progress; [`Error::Interrupted`] if the monitor wants to stop.
    pub(crate) fn step(&mut self, progress: &Progress<'_>) -> Result<(), Error> {
        match self.progress(progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Interrupted),
        }
    }
}

/// One monitor for several threads: each call waits for the others.
pub(crate) struct Shared<'a>(Mutex<&'a mut dyn Monitor>);

impl<'a> Shared<'a> {
    /// Shares a monitor.
    pub(crate) fn new(monitor: &'a mut dyn Monitor) -> Self {
        Self(Mutex::new(monitor))
    }
}

impl Monitor for &Shared<'_> {
    fn progress(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        // A thread that panicked leaves the monitor as it was between two calls.
        let mut monitor = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        monitor.progress(progress)
    }

    fn warn(&mut self, warning: &Warning) {
        let mut monitor = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        monitor.warn(warning);
    }
}

//! Helpers for the tests of several verbs.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::monitor::{Monitor, Progress, Warning};

/// A file that ships with the repository.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../data")
        .join(name)
}

/// A monitor that counts reports and keeps warnings, and stops the verb at one of the reports.
pub(crate) struct Stopping {
    /// Reports that were heard.
    pub(crate) reports: u64,
    /// Warnings that were heard.
    pub(crate) warnings: Vec<Warning>,
    after: u64,
}

impl Stopping {
    /// Stops at this report.
    pub(crate) fn after(after: u64) -> Self {
        Self {
            reports: 0,
            warnings: Vec::new(),
            after,
        }
    }

    /// Never stops.
    pub(crate) fn never() -> Self {
        Self::after(u64::MAX)
    }
}

impl Monitor for Stopping {
    fn progress(&mut self, _: &Progress<'_>) -> ControlFlow<()> {
        self.reports += 1;
        if self.reports < self.after {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    fn warn(&mut self, warning: &Warning) {
        self.warnings.push(warning.clone());
    }
}

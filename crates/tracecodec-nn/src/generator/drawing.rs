//! Settings by which a trace is drawn, for any backbone.

use crate::error::Error;
use crate::parallel::default_threads;

/// Settings by which a trace is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    /// Seed of every random stream. Default 0.
    pub seed: u64,
    /// Label to generate for. Default none; the autoregressive generator then takes the likeliest
    /// label of a followed trace.
    pub label: Option<String>,
    /// Whether packets that contradict a flow's state are masked: a packet of a flow that is not
    /// open or of another protocol than the flow's, a second opening, an acknowledgment of what was
    /// never sent. Default yes.
    pub constrained: bool,
    /// Threads of the autoregressive generator; the trace does not depend on them. Flow matching
    /// draws a window on one thread. Default: all of the machine's.
    pub threads: usize,
}

impl Default for Drawing {
    fn default() -> Self {
        Self {
            seed: 0,
            label: None,
            constrained: true,
            threads: default_threads(),
        }
    }
}

impl Drawing {
    /// Number of the label among the known ones, from 1; 0 for no label.
    ///
    /// # Errors
    /// If the label is not known.
    pub(super) fn known_label(&self, labels: &[String]) -> Result<usize, Error> {
        let Some(label) = &self.label else {
            return Ok(0);
        };
        let known = labels.iter().position(|known| known == label);
        known.map(|at| at + 1).ok_or_else(|| Error::Label {
            label: label.clone(),
            known: labels.to_vec(),
        })
    }
}

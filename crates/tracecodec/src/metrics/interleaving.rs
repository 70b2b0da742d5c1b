//! Interleaving: how the packets of many sessions alternate.

use serde::{Deserialize, Serialize};

use super::Histogram;

/// How packets of one session follow those of another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interleaving {
    /// Pairs of adjacent packets.
    pub adjacent: u64,
    /// Pairs of adjacent packets that belong to different sessions.
    pub switches: u64,
    /// Runs, that is longest rows of adjacent packets of one session, by their length.
    pub run_lengths: Histogram,
}

impl Interleaving {
    pub(super) fn merge(&mut self, other: &Self) {
        self.adjacent += other.adjacent;
        self.switches += other.switches;
        self.run_lengths.merge(&other.run_lengths);
    }

    /// Share of adjacent pairs whose session changes; `None` with fewer than two packets.
    pub fn switch_rate(&self) -> Option<f64> {
        (self.adjacent > 0).then(|| self.switches as f64 / self.adjacent as f64)
    }
}

/// The run that the latest packet belongs to.
#[derive(Debug, Default)]
pub(super) struct Run {
    session: u64,
    len: u64,
}

impl Run {
    /// Adds the next packet, by its session.
    pub(super) fn step(&mut self, session: u64, interleaving: &mut Interleaving) {
        if self.len > 0 {
            interleaving.adjacent += 1;
        }
        if self.len > 0 && session != self.session {
            interleaving.switches += 1;
            self.end(interleaving);
        }
        self.session = session;
        self.len += 1;
    }

    /// Counts the run as ended.
    pub(super) fn end(&mut self, interleaving: &mut Interleaving) {
        if self.len > 0 {
            interleaving.run_lengths.add(self.len, 1);
        }
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_runs_by_hand() {
        let mut interleaving = Interleaving::default();
        let mut run = Run::default();
        for session in [0, 0, 1, 0, 2, 2, 2] {
            run.step(session, &mut interleaving);
        }
        run.end(&mut interleaving);
        // Packets of sessions 00 1 0 222.
        assert_eq!(interleaving.switch_rate(), Some(0.5));
        let runs: Vec<_> = interleaving.run_lengths.iter().collect();
        assert_eq!(runs, [(1, 2), (2, 1), (3, 1)]);
        assert_eq!(Interleaving::default().switch_rate(), None);
    }
}

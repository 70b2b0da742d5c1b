//! Copying: how many sessions begin as a session of the training data does.

use std::collections::BTreeSet;

use super::SessionSample;

/// The beginnings of training sessions: their first packets as actions without time.
#[derive(Debug, Clone)]
pub struct Beginnings {
    packets: usize,
    seen: BTreeSet<Vec<u64>>,
}

impl Beginnings {
    /// The first `packets` packets (at most 16) of each training session that has as many.
    pub fn new(training: &[SessionSample], packets: usize) -> Self {
        let long = training
            .iter()
            .filter_map(|sample| sample.actions.get(..packets));
        Self {
            packets,
            seen: long.map(<[u64]>::to_vec).collect(),
        }
    }

    /// For each session that is long enough, whether a training session begins as it does.
    pub fn copied(&self, sessions: &[SessionSample]) -> Vec<bool> {
        let long = sessions
            .iter()
            .filter_map(|sample| sample.actions.get(..self.packets));
        long.map(|actions| self.seen.contains(actions)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::SESSION_FEATURES;

    fn session(actions: &[u64]) -> SessionSample {
        SessionSample {
            features: [0.0; SESSION_FEATURES.len()],
            service: None,
            actions: actions.to_vec(),
        }
    }

    #[test]
    fn test_a_beginning_is_copied_if_every_action_is_the_same() {
        let training = [session(&[1, 2, 3]), session(&[4, 5])];
        let sessions = [
            session(&[1, 2, 9]),
            session(&[4, 5]),
            session(&[1]),
            session(&[2, 1]),
        ];
        let copied = |packets| Beginnings::new(&training, packets).copied(&sessions);
        assert_eq!(copied(2), [true, true, false]);
        assert_eq!(copied(3), [false]);
        assert!(copied(4).is_empty());
    }
}

//! The events of a sequence whose values the next event may repeat.

use super::events::{CLASSES, Events};

/// The latest event, and the latest event of each direction.
#[derive(Debug, Clone, Default)]
pub(super) struct Past {
    latest: Option<Vec<u8>>,
    by_role: [Option<Vec<u8>>; 2],
}

impl Past {
    /// Adds an event.
    pub(super) fn take(&mut self, row: &[u8], events: &Events) {
        let role = events.action(row).role() as usize;
        self.by_role[role] = Some(row.to_vec());
        self.latest = Some(row.to_vec());
    }

    /// The value of a symbol that the next event may repeat: of the latest event of the direction
    /// `role`, or without a role of the latest event. [`CLASSES`] if there is none.
    pub(super) fn value(&self, symbol: usize, role: Option<usize>) -> u8 {
        let row = match role {
            Some(role) => &self.by_role[role],
            None => &self.latest,
        };
        row.as_ref().map_or(CLASSES as u8, |row| row[symbol])
    }
}

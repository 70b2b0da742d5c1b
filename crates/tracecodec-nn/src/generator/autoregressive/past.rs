//! The events of a course that the next one may repeat values of.

use super::events::{CLASSES, Events};

/// The latest event, and the latest of each direction.
#[derive(Debug, Clone, Default)]
pub(super) struct Past {
    latest: Option<Vec<u8>>,
    by_role: [Option<Vec<u8>>; 2],
}

impl Past {
    /// Takes the next event.
    pub(super) fn take(&mut self, row: &[u8], events: &Events) {
        let role = events.action(row).role() as usize;
        self.by_role[role] = Some(row.to_vec());
        self.latest = Some(row.to_vec());
    }

    /// The value of a symbol that an event may repeat: of the latest event, or, where the symbols before it tell the direction, of the
    /// latest one of that direction. [`CLASSES`] where there is none.
    pub(super) fn value(&self, symbol: usize, role: Option<usize>) -> u8 {
        let row = match role {
            Some(role) => &self.by_role[role],
            None => &self.latest,
        };
        row.as_ref().map_or(CLASSES as u8, |row| row[symbol])
    }
}

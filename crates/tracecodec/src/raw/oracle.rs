//! The oracle of the raw packet table: rows, and packets of them, with nothing learned in between (the paper, C.5).

use super::render::{Payload, Renderer};
use super::table::{RowCounts, RowReader};
use crate::action::OptionProfiles;
use crate::pcap::Packet;

/// Takes the packets of one trace through the table. What differs then is what the table does not hold.
pub struct RawOracle {
    reader: RowReader,
    renderer: Renderer,
}

impl RawOracle {
    /// An oracle for one trace, with a dictionary of its own.
    pub fn new(payload: Payload) -> Self {
        Self {
            reader: RowReader::new(OptionProfiles::new()),
            renderer: Renderer::new(payload),
        }
    }

    /// Takes a packet through the table. None if it is out of scope.
    pub fn step(&mut self, packet: &Packet<'_>) -> Option<Packet<'_>> {
        let is_first = self.reader.epoch().is_none();
        let row = self.reader.read(packet).ok()?;
        if is_first {
            self.renderer.start_at(packet.time);
        }
        let rendered = self.renderer.render(&row, self.reader.profiles());
        Some(rendered.expect("the headers of a packet in scope are those of a packet"))
    }

    /// Counts of the reading.
    pub fn counts(&self) -> &RowCounts {
        self.reader.counts()
    }
}

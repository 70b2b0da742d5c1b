//! The oracle of the raw packet tables: packets to rows and back, with nothing learned in between
//! (the paper, C.5).

use super::bits::BitRow;
use super::render::{Payload, Renderer};
use super::schema::Schema;
use super::table::{RowCounts, RowReader};
use crate::action::OptionProfiles;
use crate::pcap::Packet;

/// Takes the packets of one trace through a table. Differences in the output are what the table
/// does not keep.
pub struct RawOracle {
    schema: Schema,
    reader: RowReader,
    payload: Payload,
    /// Renderer, created with the first row.
    renderer: Option<Renderer>,
}

impl RawOracle {
    /// An oracle for one trace, with an empty dictionary of option layouts.
    pub fn new(schema: Schema, payload: Payload) -> Self {
        Self {
            schema,
            reader: RowReader::new(OptionProfiles::new()),
            payload,
            renderer: None,
        }
    }

    /// Takes a packet through the table; `None` if the packet is out of scope.
    pub fn step(&mut self, packet: &Packet<'_>) -> Option<Packet<'_>> {
        let mut row = self.reader.read(packet).ok()?;
        let profiles = self.reader.profiles_mut();
        if self.schema == Schema::Bits {
            let bits = BitRow::of(&row, profiles).and_then(|bits| bits.read(profiles));
            row = bits.expect("the bits of a packet are those of a packet");
        }
        let renderer = self
            .renderer
            .get_or_insert_with(|| Renderer::new(self.payload, packet.time));
        let rendered = renderer.render(&row, profiles);
        Some(rendered.expect("the headers of a packet in scope are those of a packet"))
    }

    /// Counts of the packets and rows read.
    pub fn counts(&self) -> &RowCounts {
        self.reader.counts()
    }
}

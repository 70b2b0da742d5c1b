//! Flows of the output by their slots. Memory grows with the slots that were opened, wherever they
//! lie: an action may name any slot.

use hashbrown::HashMap;

use super::flow::Flow;

/// What is known of a slot that was opened.
#[derive(Default)]
struct Slot {
    /// How often it was opened.
    opened: u32,
    /// Place of its latest flow among all flows; `None` if none was put there.
    place: Option<u32>,
    is_live: bool,
}

/// The flows in slots.
#[derive(Default)]
pub(super) struct Slots {
    slots: HashMap<u32, Slot>,
    /// The latest flow of each slot. They lie densely, since a hash table of flows is half empty.
    flows: Vec<Flow>,
}

impl Slots {
    /// Counts an opening of the slot; returns how often it was opened before.
    pub(super) fn open(&mut self, slot: u32) -> u32 {
        let opened = &mut self.slots.entry(slot).or_default().opened;
        let before = *opened;
        *opened = before.wrapping_add(1);
        before
    }

    /// The live flow in a slot.
    pub(super) fn get(&self, slot: u32) -> Option<&Flow> {
        let slot = self.slots.get(&slot).filter(|slot| slot.is_live)?;
        Some(&self.flows[slot.place? as usize])
    }

    /// The live flow in a slot.
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Flow> {
        let slot = self.slots.get(&slot).filter(|slot| slot.is_live)?;
        Some(&mut self.flows[slot.place? as usize])
    }

    /// Puts a flow into a slot, in the place of the flow before.
    pub(super) fn insert(&mut self, slot: u32, flow: Flow) {
        let slot = self.slots.entry(slot).or_default();
        slot.is_live = true;
        match slot.place {
            Some(place) => self.flows[place as usize] = flow,
            None => {
                slot.place = Some(self.flows.len() as u32);
                self.flows.push(flow);
            }
        }
    }

    /// Ends the flow in a slot.
    pub(super) fn end(&mut self, slot: u32) {
        if let Some(slot) = self.slots.get_mut(&slot) {
            slot.is_live = false;
        }
    }
}

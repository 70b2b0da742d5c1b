//! TCP as seen from a tap: sequence arithmetic, flags, the state of one connection that lift and
//! compile share, and the events that an analyser reports.

pub mod automaton;
pub mod events;
pub mod flags;
mod reference;
mod seq;

pub use automaton::State;
pub use reference::{Connection, References, SegmentNumbers};
pub use seq::SeqNumber;

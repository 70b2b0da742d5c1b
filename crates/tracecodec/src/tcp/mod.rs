//! TCP as seen from a tap: sequence arithmetic, flags, and the state of one connection that lift and compile share.

pub mod automaton;
pub mod flags;
mod reference;
mod seq;

pub use automaton::State;
pub use reference::{Connection, References, SegmentNumbers};
pub use seq::SeqNumber;

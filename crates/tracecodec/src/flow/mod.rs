//! Flows: their keys, the slots that they hold, and the sessions that they form.

mod clock;
mod conversations;
mod key;
pub mod session;
mod table;

pub use conversations::{Conversations, CutOptions};
pub use key::{FlowKey, Orientation};
pub use table::{FlowTable, Lifetime, Placement};

/// Largest number of slots that `flow_token` can number.
pub const MAX_SLOTS: usize = 1 << 16;

/// Silence that ends a session, in nanoseconds.
pub const IDLE: i64 = 60 * 1_000_000_000;

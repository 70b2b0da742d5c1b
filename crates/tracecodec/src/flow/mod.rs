//! Flows: their keys, the slots that they hold, and the sessions that they form.

mod clock;
mod conversations;
mod hosts;
mod key;
pub mod session;
mod table;

use crate::action::ActionSchema;

pub use conversations::{Conversations, CutOptions};
pub use hosts::{Host, HostTable};
pub use key::{FlowKey, Orientation};
pub use table::{FlowTable, Lifetime, Placement};

/// Largest number of slots that `flow_token` can number. A live flow takes about 250 bytes.
pub const MAX_SLOTS: usize = ActionSchema::MAX_SLOTS;

/// Silence that ends a session, in nanoseconds.
pub const IDLE: i64 = 60 * 1_000_000_000;

//! Flows: who talks to whom, which slot a flow holds, and where a session ends.

mod clock;
mod conversations;
mod key;
pub mod session;
mod table;

pub use conversations::{Conversations, CutOptions};
pub use key::{FlowKey, Orientation};
pub use table::{FlowTable, Lifetime, Placement};

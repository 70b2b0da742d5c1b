//! Generators: models that continue a trace, or make a new one (the paper, "Latent usefulness").
//!
//! ```text
//! shards → codec or baseline → sequences → windows (prefix, suffix) → flow matching
//! prefix → flow matching → suffix → codec or baseline → packets
//! captures → packet actions → autoregressive → packet actions
//! ```
//!
//! [Flow matching](flow_matching) is independent of packets: it reads and samples rows of a
//! representation, which it identifies by digest. The [autoregressive] generator works on packet
//! actions and flows, without latents.

pub mod autoregressive;
pub mod curve;
mod description;
mod drawing;
pub mod flow_matching;
mod latent;
mod pace;
mod representation;
pub mod sequences;
mod trace;

pub use curve::{Curve, CurveConfig, curve};
pub use description::Backbone;
pub use drawing::Drawing;
pub use flow_matching::{FlowMatching, FlowMatchingConfig, Method, Request, Solver};
pub use latent::{LatentGenerator, LatentTrace};
pub use pace::Pace;
pub use representation::{
    Representation, Statistics, latents_and_steps, rows_of_packets, step_of_time, time_of_step,
};
pub use sequences::{Sequences, SequencesWriter, Window};
pub use trace::{Generator, Trace};

//! Generators: models of latent sequences, which go on where a prefix ends (the paper, "Latent usefulness").
//!
//! ```text
//! shards → codec or baseline → sequences → windows (prefix, suffix) → a generator
//!                                              prefix → generator → suffix → codec or baseline → packets
//! ```
//!
//! A generator knows nothing of packets: it takes and gives rows of a representation, which it names by digest.

pub mod curve;
pub mod flow_matching;
mod representation;
pub mod sequences;

pub use curve::{Curve, CurveConfig, curve};
pub use flow_matching::{FlowMatching, FlowMatchingConfig, Method, Request, Solver};
pub use representation::{Representation, Statistics, step_of_time, time_of_step};
pub use sequences::{Sequences, SequencesWriter, Window};

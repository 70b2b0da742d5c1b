//! `generator`: models of traces: their data, their training, and how many evaluations a sample of
//! latents needs.

pub mod curve;
pub mod sequences;
pub mod train;

//! Generators: models that continue a trace, or make a new one.

pub mod autoregressive;

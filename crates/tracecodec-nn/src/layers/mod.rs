//! The layers that models share. All of them are plain: a residual block, a Transformer encoder block, initial weights.

mod linear;
mod posterior;
mod residual;
mod transformer;

pub(crate) use linear::{linear, table, uniform};
pub(crate) use posterior::{Posterior, divergence, sample};
pub(crate) use residual::ResidualBlock;
pub(crate) use transformer::TransformerBlock;

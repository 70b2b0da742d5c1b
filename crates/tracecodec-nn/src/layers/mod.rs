//! The layers that models share. All of them are plain: a residual block, a Transformer encoder block, initial weights.

mod linear;
mod residual;
mod transformer;

pub(crate) use linear::{linear, table, uniform};
pub(crate) use residual::ResidualBlock;
pub(crate) use transformer::TransformerBlock;

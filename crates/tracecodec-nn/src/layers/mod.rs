//! Layers that models share: a residual block, a Transformer encoder block, dropout, the Gaussian
//! posterior, initial weights.

mod dropout;
mod linear;
mod posterior;
mod residual;
mod transformer;

pub(crate) use dropout::Dropout;
pub(crate) use linear::{Initial, Zeros, linear, table, uniform};
pub(crate) use posterior::{Posterior, divergence, sample};
pub(crate) use residual::ResidualBlock;
pub(crate) use transformer::{Memory, TransformerBlock};

//! Encoded rows of a table, as the networks of the baselines read and write them.

/// How wide the encoded rows of a table are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Modes of each numeric column; 0 if the encoding of numbers has no modes.
    pub(crate) modes: Vec<usize>,
    /// Codes of each categorical column.
    pub(crate) codes: Vec<usize>,
}

/// Encoded rows, row-major: the input and the output of a network.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct EncodedRows {
    /// Number of rows.
    pub(crate) rows: usize,
    /// `[rows, numeric columns]`: the numbers on the scale of the encoding.
    pub(crate) numbers: Vec<f32>,
    /// `[rows, numeric columns]`: the mode of each number; empty if the encoding has no modes.
    pub(crate) modes: Vec<u32>,
    /// `[rows, categorical columns]`: the codes.
    pub(crate) codes: Vec<u32>,
}

/// Where in a training an objective is computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct StepContext {
    /// Rows of the whole optimiser step, of which a batch may be a part.
    pub(crate) total: usize,
    /// Optimiser steps so far.
    pub(crate) step: u64,
    /// Weight of the divergence, for models that have a schedule for it.
    pub(crate) beta: f64,
}

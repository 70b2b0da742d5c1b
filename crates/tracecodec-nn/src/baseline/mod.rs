//! The raw-field baselines: published generators of generic tables, as codecs of the raw packet table (the paper, Appendix C).
//!
//! ```text
//! raw row → encoding → Batch → network → Batch → encoding → candidate row
//! ```

pub(crate) mod batch;
mod one_hot;
mod post_norm;
mod surprise;
pub(crate) mod ttvae;
pub(crate) mod tvae;

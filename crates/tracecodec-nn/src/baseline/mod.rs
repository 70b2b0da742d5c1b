//! The raw-field baselines: published generators of generic tables, as codecs of the raw packet table (the paper, Appendix C).
//!
//! ```text
//! raw row → encoding → Batch → network → Batch → encoding → candidate row
//! ```

pub(crate) mod batch;
#[allow(dead_code)]
pub(crate) mod goggle;
#[allow(dead_code)]
pub(crate) mod plateau;
#[allow(dead_code)]
pub(crate) mod tabsyn;

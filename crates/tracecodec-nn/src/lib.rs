//! The learned path.

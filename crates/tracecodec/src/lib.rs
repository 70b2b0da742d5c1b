//! TraceCodec's symbolic path.
pub mod action;

//! TraceCodec's symbolic path.
pub mod action;
pub mod artifact;
pub mod pcap;

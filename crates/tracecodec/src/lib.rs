//! TraceCodec's symbolic path.
pub mod action;
pub mod artifact;
pub mod compile;
pub mod flow;
pub mod lift;
pub mod oracle;
pub mod pcap;
pub mod shard;
pub mod tcp;
pub mod wire;

//! The commands: one file each, with its arguments and its `run`.

pub(crate) mod audit;
pub(crate) mod baseline;
pub(crate) mod check;
pub(crate) mod classify;
pub(crate) mod compile;
pub(crate) mod completions;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod evaluate;
pub(crate) mod events;
pub(crate) mod experiment;
pub(crate) mod flows;
pub(crate) mod generate;
pub(crate) mod generator;
pub(crate) mod inspect;
pub(crate) mod lift;
pub(crate) mod merge;
pub(crate) mod probe;
pub(crate) mod report;
pub(crate) mod roundtrip;
pub(crate) mod shard;
pub(crate) mod trace;
pub(crate) mod train;
pub(crate) mod verify;

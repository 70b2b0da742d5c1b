//! The verbs, a file each: `Config` (what is asked for, every default included),
//! `run(&Config, &mut dyn Monitor) -> Result<Outcome, Error>`, `Outcome` (what was done, as every
//! surface shows it).
//!
//! A verb calls functions of this crate and of the two below, never another verb; but an experiment
//! is a plan of verbs, which it runs by their names.

pub mod audit;
pub mod baseline;
pub mod by_name;
pub mod check;
pub mod classify;
pub mod compile;
pub mod continuation;
pub mod decode;
pub mod encode;
pub mod evaluate;
pub mod events;
pub mod experiment;
pub mod flows;
pub mod generate;
pub mod generator;
pub mod inspect;
pub mod lift;
pub mod merge;
pub mod probe;
pub mod report;
pub mod roundtrip;
pub mod shard;
pub mod trace;
pub mod train;
pub mod verify;

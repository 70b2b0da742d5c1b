//! Every verb of TraceCodec as a function from path to path.
//!
//! A verb is a module of [`run`]: its `Config` holds all that is asked for, every default included,
//! and `run` does it. Nothing here knows of a terminal, a flag or an exit code: progress and
//! warnings go to a [`Monitor`], which may also stop the verb, and what was done comes back as an
//! `Outcome`.
//!
//! ```no_run
//! use tracecodec_pipeline::{Silent, run};
//!
//! # fn main() -> Result<(), tracecodec_pipeline::Error> {
//! let config = run::lift::Config {
//!     inputs: vec!["capture.pcap".into()],
//!     output: "actions.parquet".into(),
//!     ..run::lift::Config::default()
//! };
//! let outcome = run::lift::run(&config, &mut Silent)?;
//! println!("{} packets", outcome.lift_counts.packets);
//! # Ok(())
//! # }
//! ```
//!
//! # The map
//!
//! ```text
//! error, monitor       what a caller sees while a verb runs and when it fails
//! settings             from names and values to a `Config`
//! files                captures read and written, folders walked, outputs claimed
//! jobs                 work on many captures at once
//! frame                actions as record batches, from other tools and for them
//! tools                programs that may be installed: tshark, tcpdump and others
//! lifting, realise     settings that verbs share: captures to actions, actions to captures
//! disclosure           what an artifact discloses of the captures that it was made from
//! model                models by name
//! dataset              what models learn from: shards, captures and actions files
//! comparison           captures against their references
//! classifier           trees that tell sessions apart
//! report               contents of the page of evaluations and trainings; the card of a model
//! plot                 how figures and tables are drawn: knows no word of networks
//! run                  the verbs
//! ```

pub mod classifier;
pub mod comparison;
mod dataset;
pub mod disclosure;
pub mod error;
pub mod files;
#[cfg(feature = "arrow")]
pub mod frame;
mod jobs;
pub mod lifting;
pub mod model;
pub mod monitor;
pub mod plot;
pub mod realise;
pub mod report;
pub mod run;
pub mod settings;
#[cfg(test)]
mod testing;
pub mod tools;
pub mod training;

pub use error::Error;
pub use model::ModelName;
pub use monitor::{Monitor, Progress, Silent, Warning};

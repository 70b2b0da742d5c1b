//! Metrics: how faithful a capture is to another, measured on the captures alone. `docs/metrics.md`
//! has the formulas.
//!
//! A [`Meter`] summarises a capture as a [`TraceSummary`]. Summaries of references and of decoded
//! captures make an [`Evaluation`], from which the table [`METRICS`] computes numbers. Summaries
//! and evaluations merge, so captures may be summarised separately.
//!
//! ```
//! use std::error::Error;
//!
//! use tracecodec::artifact::{SourceEntry, SourceFile};
//! use tracecodec::flow::{Conversations, CutOptions};
//! use tracecodec::metrics::{Evaluation, Meter, TraceSummary};
//!
//! fn summarise(path: &str) -> Result<(SourceEntry, TraceSummary), Box<dyn Error>> {
//!     let mut capture = SourceFile::open(path)?;
//!     let mut conversations = Conversations::new(CutOptions::Judge);
//!     let mut meter = Meter::new(|_, headers, time| conversations.observe(headers, time));
//!     while let Some(packet) = capture.next() {
//!         meter.observe(&packet?);
//!     }
//!     Ok((capture.finish(None)?, meter.finish()))
//! }
//!
//! # fn main() -> Result<(), Box<dyn Error>> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/example.pcap");
//! let reference = summarise(path)?;
//! let decoded = summarise(path)?;
//! let evaluation = Evaluation::of_pair("example".to_string(), reference, decoded, None);
//! assert_eq!(evaluation.metrics()["tcp_event_pp"], Ok(0.0));
//! # Ok(())
//! # }
//! ```

mod binning;
mod burstiness;
mod copying;
mod coverage;
mod dynamics;
mod evaluation;
mod histogram;
mod host;
mod interleaving;
mod joint;
mod latent_interface;
mod meter;
mod protocol;
mod provenance;
mod session;
mod summary;
mod table;
mod tcp_event;
mod timeline;
mod transition;

pub use binning::{Binning, TimeHistogram};
pub use burstiness::{BinSums, Burstiness};
pub use copying::Beginnings;
pub use coverage::Neighbourhoods;
pub use dynamics::Dynamics;
pub use evaluation::{Evaluation, FORMAT, VERSION};
pub use histogram::Histogram;
pub use host::Hosts;
pub use interleaving::Interleaving;
pub use joint::JointStructure;
pub use latent_interface::{Case, CoverageAdjusted};
pub use meter::Meter;
pub use provenance::{Continuation, ModelEntry, Role, SolverEntry};
pub use session::{SESSION_FEATURES, SessionFeature, SessionSample, SessionSampler};
pub use summary::TraceSummary;
pub use table::{METRICS, Metric, Unit};
pub use tcp_event::{EventCounts, TcpEvents};
pub use timeline::{Timeline, TimelineBin};
pub use transition::{TcpLabel, Transitions};

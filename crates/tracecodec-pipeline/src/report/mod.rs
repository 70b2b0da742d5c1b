//! What a report shows of evaluations and trainings: tables, figures after the paper's figures 3 to
//! 8, learning curves, and the page that holds them; the figure of `probe`; the card of a model.

mod curve;
mod dataset;
mod dynamics;
pub mod geometry;
mod hosts;
mod interleaving;
pub mod model_card;
mod page;
mod protocol_state;
mod section;
mod tables;
mod temporal;
mod training;
mod transitions;

pub(crate) use dataset::datasets;
pub(crate) use page::page;
pub(crate) use section::Section;
pub(crate) use training::training;

//! What `report` makes of evaluations and trainings: tables, figures after the paper's figures 3 to 8, learning curves, and the page
//! that holds them. `probe` draws its figure in the same way.
//!
//! A figure is a few panels; one file makes each. A panel is drawn once, in light colours, as SVG without anything but
//! presentation attributes: that is what a paper gets. The page colours the same SVG anew in the dark, and lays its own marks over it.
//!
//! The SVG is written by hand. A plotting library was tried: its SVG has whole pixels only, a polyline for each dash and no names
//! for anything, so that neither dark colours nor text alternatives could be had without parsing its output.

mod bars;
mod curve;
mod dataset;
mod dots;
mod figure;
mod geometry;
mod interleaving;
mod lines;
pub(crate) mod number;
mod page;
mod panel;
mod protocol_state;
mod scale;
mod section;
mod style;
mod svg;
mod table;
mod tables;
mod temporal;
mod training;
mod transitions;

pub(crate) use dataset::datasets;
pub(crate) use geometry::figure as geometry;
pub(crate) use page::page;
pub(crate) use section::Section;
pub(crate) use table::Table;
pub(crate) use training::training;

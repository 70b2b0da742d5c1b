//! What `report` makes of evaluations: tables, figures after the paper's figures 3 to 8, and the page that holds them. `probe` draws its
//! figure in the same way.
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
mod number;
mod page;
mod panel;
mod protocol_state;
mod scale;
mod style;
mod svg;
mod table;
mod tables;
mod temporal;
mod transitions;

pub(crate) use dataset::{Dataset, datasets};
pub(crate) use figure::Figure;
pub(crate) use geometry::figure as geometry;
pub(crate) use page::page;
pub(crate) use table::Table;

/// The figures of a dataset, in the order of the page.
pub(crate) fn figures(dataset: &Dataset) -> Vec<Figure> {
    vec![
        protocol_state::figure(dataset),
        transitions::figure(dataset),
        interleaving::figure(dataset),
        temporal::figure(dataset),
    ]
}

/// The tables of a dataset: the main one first.
pub(crate) fn all_tables(dataset: &Dataset) -> Vec<Table> {
    let mut all = vec![tables::main(dataset)];
    all.extend(tables::latent_interface(dataset));
    all.push(tables::complete(dataset));
    all
}

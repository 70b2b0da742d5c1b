//! How figures and tables are drawn: SVG, colours, marks, scales, and panels of lines, bars and
//! dots.
//!
//! A figure is a few panels. A panel is drawn once, in light colours, as SVG without anything but
//! presentation attributes: that is what a paper gets. The page colours the same SVG anew in the
//! dark, and lays its own marks over it.
//!
//! The SVG is written by hand. A plotting library was tried: its SVG has whole pixels only, a
//! polyline for each dash and no names for anything, so that neither dark colours nor text
//! alternatives could be had without parsing its output.

pub(crate) mod bars;
pub(crate) mod colour;
pub(crate) mod dots;
pub(crate) mod figure;
pub(crate) mod lines;
pub(crate) mod mark;
pub mod number;
pub(crate) mod panel;
pub(crate) mod scale;
pub(crate) mod series;
pub(crate) mod svg;
pub(crate) mod table;

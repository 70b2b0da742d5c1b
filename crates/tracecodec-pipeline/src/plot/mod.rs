//! Drawing of figures and tables: SVG, colours, marks, scales, and panels of lines, bars and dots.
//!
//! A figure has one or several panels. A panel is drawn once, in light colours, as SVG with
//! presentation attributes only, which is what a paper includes. The report's page recolours the
//! same SVG if the reader prefers a dark page, and overlays interactive marks.
//!
//! No plotting library is used: the one that was tried rounds to whole pixels, writes a polyline
//! for each dash and names no element, so that dark colours and text alternatives would need its
//! output parsed.

pub(crate) mod bars;
pub(crate) mod colour;
pub(crate) mod dots;
pub(crate) mod figure;
pub(crate) mod lines;
pub(crate) mod mark;
pub mod number;
pub(crate) mod panel;
pub(crate) mod pdf;
pub(crate) mod scale;
pub(crate) mod series;
pub(crate) mod svg;
pub(crate) mod table;

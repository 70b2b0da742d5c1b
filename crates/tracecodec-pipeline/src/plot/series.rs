//! A series: the data of one method, or of the reference, in a figure.

use super::mark::Style;

/// Data with the name and the style of its series.
pub(crate) struct Series<'a, T> {
    pub(crate) name: &'a str,
    pub(crate) style: Style,
    pub(crate) data: &'a T,
}

//! A series: what a figure shows beside others of its kind.

use super::mark::Style;

/// Data with its name and its look.
pub(crate) struct Series<'a, T> {
    pub(crate) name: &'a str,
    pub(crate) style: Style,
    pub(crate) data: &'a T,
}

//! Line panels: the reference's curve as a broad band, the methods' curves as thin lines over it.

use super::mark::Style;
use super::panel::{Area, HEAD, Panel, WIDTH};
use super::scale::Scale;
use super::series::Series;

/// Points of a curve, by ascending x.
pub(crate) type Points = Vec<(f64, f64)>;

/// An axis: its name, its scale and the formats of its values.
pub(crate) struct Axis<'a> {
    pub(crate) name: &'a str,
    pub(crate) scale: Scale,
    /// Format of a value at a tick.
    pub(crate) tick: fn(f64) -> String,
    /// Format of a value at a point.
    pub(crate) value: fn(f64) -> String,
}

/// Titles, axes and interpolation of a line panel, which has one curve for each series.
pub(crate) struct Lines<'a> {
    pub(crate) title: &'a str,
    /// Name of the vertical axis.
    pub(crate) subtitle: &'a str,
    pub(crate) x: Axis<'a>,
    pub(crate) y: Axis<'a>,
    pub(crate) between: Between,
}

/// Interpolation between two points of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Between {
    /// Linear: a straight line.
    Line,
    /// Constant: the value of the preceding point.
    Before,
    /// Constant: the value of the following point. The first point's value also holds from the
    /// lower end of the axis to that point.
    After,
}

const HEIGHT: f64 = 272.0;

/// Width of the columns that curves are thinned by, in pixels: about the least distance that the
/// eye resolves.
const COLUMN: f64 = 2.0;

/// Largest number of marks on a curve.
const MARKS: usize = 5;

impl Lines<'_> {
    pub(crate) fn draw<T>(&self, series: &[Series<'_, T>], curves: &[Points]) -> Panel {
        let mut panel = Panel::new(self.title, self.subtitle, (WIDTH, HEIGHT), series);
        let area = Area {
            left: 56.0,
            top: HEAD,
            right: WIDTH - 16.0,
            bottom: HEIGHT - 46.0,
        };
        if curves.iter().all(Vec::is_empty) {
            panel.nothing(area);
            return panel;
        }
        let x = |value: f64| area.left + self.x.scale.at(value) * (area.right - area.left);
        let y = |value: f64| area.bottom - self.y.scale.at(value) * (area.bottom - area.top);
        let ticks = |axis: &Axis<'_>, most, at: &dyn Fn(f64) -> f64| -> Vec<_> {
            let ticks = axis.scale.ticks(most).into_iter();
            ticks.map(|tick| (at(tick), (axis.tick)(tick))).collect()
        };
        panel.y_axis(area, &ticks(&self.y, 5, &y));
        panel.x_axis(area, &ticks(&self.x, 6, &x), self.x.name);
        for (index, (series, curve)) in series.iter().zip(curves).enumerate() {
            // A logarithmic scale has no zero: values up to zero are drawn at the frame.
            let place = |&(px, py): &(f64, f64)| {
                let finite = |value: f64, low: f64, high: f64| value.max(low).min(high);
                (
                    finite(x(px), area.left, area.right),
                    finite(y(py), area.top, area.bottom),
                )
            };
            let places: Vec<_> = curve.iter().map(place).collect();
            let kept = thin(&places, COLUMN);
            let points: Vec<_> = kept.iter().map(|&at| places[at]).collect();
            self.line(&mut panel, series.style, index, &points, area.left);
            for &at in &kept {
                let (value_x, value_y) = curve[at];
                let (at_x, value) = ((self.x.value)(value_x), (self.y.value)(value_y));
                panel.mark(places[at], index, &at_x, &value);
            }
        }
        panel
    }

    fn line(
        &self,
        panel: &mut Panel,
        style: Style,
        index: usize,
        points: &[(f64, f64)],
        left: f64,
    ) {
        let path = match self.between {
            Between::Line => points.to_vec(),
            Between::Before => stairs(points),
            Between::After => stairs_back(points, left),
        };
        panel
            .svg
            .polyline(&path, style.colour(), style.stroke_width(), style.dash());
        // The marks of different series are staggered.
        for mark in 0..MARKS.min(points.len()) {
            let at = (mark * 7 + index * 2 + 1) * points.len() / (MARKS * 7 + 2);
            if let Some(&(x, y)) = points.get(at) {
                style.mark(&mut panel.svg, x, y);
            }
        }
    }
}

/// Step curve that holds each point's height up to the next point.
fn stairs(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut path = Vec::with_capacity(2 * points.len());
    for pair in points.windows(2) {
        path.extend([pair[0], (pair[1].0, pair[0].1)]);
    }
    path.extend(points.last());
    path.dedup();
    path
}

/// Step curve that has each point's height from the preceding point on, and the first point's from
/// `left` on.
fn stairs_back(points: &[(f64, f64)], left: f64) -> Vec<(f64, f64)> {
    let mut path = Vec::with_capacity(2 * points.len());
    let mut before = left;
    for &(x, y) in points {
        path.extend([(before, y), (x, y)]);
        before = x;
    }
    path.dedup();
    path
}

/// Thins a curve for drawing: indexes of the first, the lowest, the highest and the last point in
/// each column of `column` pixels, so that no peak is lost. `positions` are in pixels.
fn thin(positions: &[(f64, f64)], column: f64) -> Vec<usize> {
    let mut kept = Vec::new();
    let mut start = 0;
    while start < positions.len() {
        let number = (positions[start].0 / column).floor();
        let within = |position: &&(f64, f64)| (position.0 / column).floor() == number;
        let end = start + positions[start..].iter().take_while(within).count().max(1);
        let by_height = |&a: &usize, &b: &usize| positions[a].1.total_cmp(&positions[b].1);
        let extremes = [
            (start..end).min_by(by_height),
            (start..end).max_by(by_height),
        ];
        let mut indexes = [Some(start), extremes[0], extremes[1], Some(end - 1)];
        indexes.sort();
        kept.extend(indexes.into_iter().flatten());
        start = end;
    }
    kept.dedup();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_stairs() {
        let path = stairs(&[(0.0, 1.0), (2.0, 3.0), (4.0, 3.0)]);
        assert_eq!(path, [(0.0, 1.0), (2.0, 1.0), (2.0, 3.0), (4.0, 3.0)]);
    }

    #[test]
    fn test_stairs_back() {
        let path = stairs_back(&[(1.0, 9.0), (4.0, 5.0)], 0.0);
        assert_eq!(path, [(0.0, 9.0), (1.0, 9.0), (1.0, 5.0), (4.0, 5.0)]);
        assert!(stairs_back(&[], 0.0).is_empty());
    }

    #[test]
    fn test_thinning_keeps_ends_and_extremes_of_columns() {
        let heights = [5.0, 9.0, 1.0, 6.0, 7.0];
        let positions: Vec<_> = heights
            .iter()
            .enumerate()
            .map(|(x, &y)| (x as f64 * 0.2, y))
            .collect();
        assert_eq!(thin(&positions, 1.0), [0, 1, 2, 4]);
        assert_eq!(thin(&positions, 0.1), [0, 1, 2, 3, 4]);
        assert!(thin(&[], 1.0).is_empty());
    }
}

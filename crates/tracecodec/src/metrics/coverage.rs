//! Density and coverage of one set of points by another (Naeem et al., *Reliable fidelity and
//! diversity metrics for generative models*, 2020).

/// Nearest neighbours that make the radius of a real point.
const NEIGHBOURS: usize = 5;

/// How generated points lie among real ones. A real point's ball reaches to its fifth nearest other
/// real point.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbourhoods {
    /// For each generated point, in how many real balls it lies, over five. The mean is the
    /// density.
    pub density: Vec<f64>,
    /// For each real point, whether a generated point lies in its ball. The share is the coverage.
    pub is_covered: Vec<bool>,
}

impl Neighbourhoods {
    /// Compares points of one dimension; a missing value is NaN. A coordinate is replaced by its
    /// rank among the real points, from 0 to 1, and a missing one by -1, so that no unit matters.
    ///
    /// With fewer than six real points, every ball is empty.
    pub fn of(real: &[&[f64]], generated: &[&[f64]]) -> Self {
        let columns = real.first().map_or(0, |point| point.len());
        let ranks: Vec<_> = (0..columns).map(|at| Ranks::of(real, at)).collect();
        let place = |points: &[&[f64]]| -> Vec<Vec<f32>> {
            let point = |point: &[f64]| -> Vec<f32> {
                let coordinates = ranks.iter().zip(point);
                coordinates.map(|(of, value)| of.rank(*value)).collect()
            };
            points.iter().map(|of| point(of)).collect()
        };
        let (real, generated) = (place(real), place(generated));
        let mut density = vec![0.0; generated.len()];
        let is_covered = real.iter().enumerate().map(|(at, centre)| {
            let Some(radius) = radius(&real, at) else {
                return false;
            };
            let mut is_covered = false;
            for (point, density) in generated.iter().zip(&mut density) {
                if distance(centre, point) <= radius {
                    *density += 1.0 / NEIGHBOURS as f64;
                    is_covered = true;
                }
            }
            is_covered
        });
        let is_covered = is_covered.collect();
        Self {
            density,
            is_covered,
        }
    }
}

/// The sorted values of a coordinate.
struct Ranks(Vec<f64>);

impl Ranks {
    fn of(points: &[&[f64]], column: usize) -> Self {
        let values = points.iter().map(|point| point[column]);
        let mut values: Vec<_> = values.filter(|value| !value.is_nan()).collect();
        values.sort_unstable_by(f64::total_cmp);
        Self(values)
    }

    /// Rank of a value: ties have their middle.
    fn rank(&self, value: f64) -> f32 {
        if value.is_nan() || self.0.is_empty() {
            return -1.0;
        }
        let below = self.0.partition_point(|other| *other < value);
        let up_to = self.0.partition_point(|other| *other <= value);
        ((below + up_to) as f64 / (2 * self.0.len()) as f64) as f32
    }
}

/// Squared distance of a point to its fifth nearest other point.
fn radius(points: &[Vec<f32>], at: usize) -> Option<f32> {
    let others = points.iter().enumerate().filter(|(other, _)| *other != at);
    let mut distances: Vec<_> = others
        .map(|(_, other)| distance(&points[at], other))
        .collect();
    if distances.len() < NEIGHBOURS {
        return None;
    }
    let (_, radius, _) = distances.select_nth_unstable_by(NEIGHBOURS - 1, f32::total_cmp);
    Some(*radius)
}

/// Squared Euclidean distance.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(real: &[f64], generated: &[f64]) -> Neighbourhoods {
        fn points(values: &[f64]) -> Vec<&[f64]> {
            values.chunks(1).collect()
        }
        Neighbourhoods::of(&points(real), &points(generated))
    }

    fn density(of: &Neighbourhoods) -> f64 {
        of.density.iter().sum::<f64>() / of.density.len() as f64
    }

    fn covered(of: &Neighbourhoods) -> usize {
        of.is_covered.iter().filter(|covered| **covered).count()
    }

    #[test]
    fn test_equal_points_cover_everything_and_one_mode_does_not() {
        let real: Vec<f64> = (0..100).map(f64::from).collect();
        let same = of(&real, &real);
        // An inner ball reaches to the third point on at least one side.
        assert_eq!(covered(&same), 100);
        assert!((density(&same) - 1.3).abs() < 0.11, "{}", density(&same));
        let mode = of(&real, &[50.0; 100]);
        assert!(covered(&mode) < 8 && density(&mode) > 0.99, "{mode:?}");
    }

    #[test]
    fn test_missing_values_are_far_from_all_others() {
        let real: Vec<f64> = (0..100).map(f64::from).collect();
        let missing = of(&real, &[f64::NAN; 10]);
        assert_eq!((covered(&missing), density(&missing)), (0, 0.0));
        assert_eq!(covered(&of(&[f64::NAN; 10], &[f64::NAN])), 10);
        assert_eq!(covered(&of(&[1.0; 5], &[1.0])), 0);
    }
}

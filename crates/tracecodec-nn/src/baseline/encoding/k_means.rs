//! K-means on one column: where the components of a mixture start, drawn and moved as scikit-learn
//! does by default.

use rand::Rng;

use crate::random::weighted;

/// Candidates for each centre but the first.
const CANDIDATES: usize = 4;
/// Steps of Lloyd's algorithm at most.
const STEPS: usize = 300;
/// Squared step, in variances of the column, below which the algorithm stops.
const TOLERANCE: f64 = 1e-4;

/// The cluster of each value. Values are distinct, ascending and centred, and occur `counts` times;
/// there is at least one.
///
/// Clusters are numbered as their centres were drawn. If there are fewer values than clusters asked
/// for, there are fewer clusters.
pub(super) fn k_means(
    values: &[f64],
    counts: &[f64],
    clusters: usize,
    rng: &mut impl Rng,
) -> Vec<usize> {
    let drawn = draw_centres(values, counts, clusters, rng);
    let mut order: Vec<usize> = (0..drawn.len()).collect();
    order.sort_by(|&a, &b| drawn[a].total_cmp(&drawn[b]));
    let mut centres: Vec<f64> = order.iter().map(|&cluster| drawn[cluster]).collect();

    let squares = values.iter().zip(counts).map(|(x, count)| count * x * x);
    let variance = squares.sum::<f64>() / counts.iter().sum::<f64>();
    let mut nearest = assign(values, &centres);
    for _ in 0..STEPS {
        let moved = step(values, counts, &nearest, &mut centres);
        let before = std::mem::replace(&mut nearest, assign(values, &centres));
        if moved <= TOLERANCE * variance || nearest == before {
            break;
        }
    }
    nearest.into_iter().map(|centre| order[centre]).collect()
}

/// First centres far from one another (k-means++): of some candidates, each drawn in proportion to
/// its squared distance from the centres so far, the one that leaves least.
fn draw_centres(values: &[f64], counts: &[f64], clusters: usize, rng: &mut impl Rng) -> Vec<f64> {
    let mut centres = vec![values[weighted(rng, counts)]];
    // Squared distance to the nearest centre, by how often the value occurs.
    let mut left = nearer(
        values,
        counts,
        &vec![f64::INFINITY; values.len()],
        centres[0],
    );
    while centres.len() < clusters && left.iter().sum::<f64>() > 0.0 {
        let candidates = (0..CANDIDATES).map(|_| {
            let centre = values[weighted(rng, &left)];
            (centre, nearer(values, counts, &left, centre))
        });
        let least = candidates.min_by(|(_, a), (_, b)| {
            let (a, b) = (a.iter().sum::<f64>(), b.iter().sum());
            a.total_cmp(&b)
        });
        let (centre, after) = least.expect("there are candidates");
        centres.push(centre);
        left = after;
    }
    centres
}

/// What is left of weighted squared distances with one more centre.
fn nearer(values: &[f64], counts: &[f64], left: &[f64], centre: f64) -> Vec<f64> {
    let distances = values.iter().zip(counts);
    let distances = distances.map(|(x, count)| count * (x - centre).powi(2));
    distances.zip(left).map(|(a, &b)| a.min(b)).collect()
}

/// The nearest centre of each value, both ascending.
fn assign(values: &[f64], centres: &[f64]) -> Vec<usize> {
    let mut nearest = 0;
    let assigned = values.iter().map(|x| {
        while centres
            .get(nearest + 1)
            .is_some_and(|next| x - centres[nearest] > next - x)
        {
            nearest += 1;
        }
        nearest
    });
    assigned.collect()
}

/// Moves the centres to the means of their values, and returns the squared length of the step. A
/// centre without values stays.
fn step(values: &[f64], counts: &[f64], nearest: &[usize], centres: &mut [f64]) -> f64 {
    let mut sums = vec![(0.0, 0.0); centres.len()];
    for ((x, count), &centre) in values.iter().zip(counts).zip(nearest) {
        sums[centre].0 += count;
        sums[centre].1 += count * x;
    }
    let mut moved = 0.0;
    for (centre, (count, sum)) in centres.iter_mut().zip(sums) {
        if count > 0.0 {
            moved += (sum / count - *centre).powi(2);
            *centre = sum / count;
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::random::{Purpose, stream};

    #[test]
    fn test_clusters_apart_are_found() {
        let values = [-100.0, -99.0, -98.0, 0.0, 1.0, 2.0, 97.0, 98.0, 99.0];
        let mut numbers = BTreeSet::new();
        for seed in 0..20 {
            let mut rng = stream(seed, Purpose::Probe, 0);
            let nearest = k_means(&values, &[1.0; 9], 3, &mut rng);
            let firsts = [nearest[0], nearest[3], nearest[6]];
            assert_eq!(nearest, firsts.map(|cluster| [cluster; 3]).concat());
            let mut clusters = firsts.to_vec();
            clusters.sort_unstable();
            assert_eq!(clusters, [0, 1, 2]);
            numbers.insert(firsts);
        }
        // Clusters are not sorted by place: the Dirichlet process favours the first components.
        assert!(numbers.len() > 3, "{numbers:?}");
    }

    #[test]
    fn test_clusters_are_near_the_best() {
        let values: Vec<f64> = (0..1000).map(|i| f64::from(i) - 499.5).collect();
        // Of ten runs of a hundred values.
        let best = 1000.0 * (100.0_f64.powi(2) - 1.0) / 12.0;
        for seed in 0..20 {
            let mut rng = stream(seed, Purpose::Probe, 0);
            let nearest = k_means(&values, &[1.0; 1000], 10, &mut rng);
            let mut squares = 0.0;
            for cluster in values
                .iter()
                .zip(nearest)
                .collect::<Vec<_>>()
                .chunk_by(|a, b| a.1 == b.1)
            {
                let mean = cluster.iter().map(|(x, _)| *x).sum::<f64>() / cluster.len() as f64;
                squares += cluster
                    .iter()
                    .map(|(x, _)| (*x - mean).powi(2))
                    .sum::<f64>();
            }
            assert!(squares < 1.08 * best, "{seed}: {squares} {best}");
        }
    }

    #[test]
    fn test_values_count_as_often_as_they_occur() {
        let nearest = |counts: &[f64]| {
            let mut rng = stream(0, Purpose::Probe, 0);
            k_means(&[0.0, 4.0, 10.0], counts, 2, &mut rng)
        };
        let split = |nearest: Vec<usize>| nearest.windows(2).map(|w| w[0] != w[1]).collect();
        let even: Vec<bool> = split(nearest(&[1.0; 3]));
        assert_eq!(even, [false, true]);
        let heavy: Vec<bool> = split(nearest(&[100.0, 100.0, 1.0]));
        assert_eq!(heavy, [true, false]);
    }

    #[test]
    fn test_fewer_values_than_clusters() {
        let mut rng = stream(0, Purpose::Probe, 0);
        let mut nearest = k_means(&[-1.0, 0.0, 1.0], &[5.0; 3], 10, &mut rng);
        nearest.sort_unstable();
        assert_eq!(nearest, [0, 1, 2]);
        assert_eq!(k_means(&[0.0], &[3.0], 10, &mut rng), [0]);
    }
}

//! Mode-specific normalisation: a number as a mode of its column and its place within the mode, the
//! encoding of TVAE and TTVAE (Xu et al., NeurIPS 2019, §4.2).
//!
//! The modes are the components of a Gaussian mixture under a Dirichlet process, fitted by
//! variational inference (Blei and Jordan 2006; Bishop 2006, §10.2) with the settings and the
//! stopping rule of scikit-learn's `BayesianGaussianMixture`. In one dimension, with a prior that
//! counts as one value (mean and variance those of the column, one degree of freedom), the
//! posterior of a component depends on three sums over the values alone.

use std::f64::consts::{LN_2, TAU};

use libm::lgamma;
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::ascending;
use super::k_means::k_means;
use crate::error::Error;
use crate::random::weighted;

/// Largest number of components of the mixture.
const COMPONENTS: usize = 10;
/// Concentration of the Dirichlet process: the smaller it is, the fewer components get weight.
const CONCENTRATION: f64 = 0.001;
/// Largest number of iterations of a fit.
const ITERATIONS: usize = 100;
/// Change of the lower bound, in nats, below which fitting stops.
const TOLERANCE: f64 = 1e-3;
/// Variance that is added to each component for numerical stability, in squares of the column's
/// unit.
const FLOOR: f64 = 1e-6;
/// Weight that a component must exceed to be a mode.
const LEAST_WEIGHT: f64 = 0.005;
/// Weight that is added to each mode's responsibility when a mode is drawn.
const LEAST_RESPONSIBILITY: f64 = 1e-6;
/// Distance from a mode's mean at which α = 1, in standard deviations of the mode.
const DEVIATIONS: f64 = 4.0;
/// Largest |α| of an encoded number.
const LIMIT: f64 = 0.99;

/// Encoder of a column's numbers as a mode and a position α within the mode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ModeNormalizer {
    /// Components whose weight exceeds [`LEAST_WEIGHT`]; at least one.
    modes: Vec<Component>,
    /// All other components; a number that one of them is responsible for is encoded in any mode.
    others: Vec<Component>,
}

/// A component of the mixture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Component {
    /// Expected weight of the component.
    weight: f64,
    /// Expected mean of the component.
    mean: f64,
    /// Square root of the component's expected variance.
    deviation: f64,
    /// Expected logarithm of the weight times the density at the mean.
    log_peak: f64,
}

impl ModeNormalizer {
    /// Whether every component has a positive deviation; in a damaged file one may not.
    pub(crate) fn is_sound(&self) -> bool {
        let mut components = self.modes.iter().chain(&self.others);
        !self.modes.is_empty() && components.all(|component| component.deviation > 0.0)
    }

    /// Fits the modes of a column. Numbers that are not finite are left out; an empty column is
    /// treated as one 0. Fails if `ask` does, which is called before each iteration.
    pub(crate) fn fit(
        values: &[f64],
        rng: &mut impl Rng,
        ask: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let column = Column::new(values);
        let count = COMPONENTS.min(column.counts.iter().sum::<f64>() as usize);
        let nearest = k_means(&column.values, &column.counts, count, rng);
        let mut components = infer(&column, count, &nearest, ask)?;
        for component in &mut components {
            component.mean += column.mean;
        }
        // A component whose weight is NaN becomes a mode: the comparison is false.
        let (others, modes) = components
            .into_iter()
            .partition(|component| component.weight <= LEAST_WEIGHT);
        Ok(Self { modes, others })
    }

    /// Number of modes.
    pub(crate) fn modes(&self) -> usize {
        self.modes.len()
    }

    /// Encodes a number as a mode, drawn by its responsibility for the number, and α: the distance
    /// from the mode's mean in units of four of its deviations, cut off at ±0.99.
    pub(crate) fn encode(&self, x: f64, rng: &mut impl Rng) -> (u32, f32) {
        let (mut responsibilities, _) = responsibilities(self.modes.iter().chain(&self.others), x);
        responsibilities.truncate(self.modes.len());
        for responsibility in &mut responsibilities {
            *responsibility += LEAST_RESPONSIBILITY;
        }
        let drawn = weighted(rng, &responsibilities);
        let mode = &self.modes[drawn];
        let alpha = (x - mode.mean) / (DEVIATIONS * mode.deviation);
        (drawn as u32, alpha.clamp(-LIMIT, LIMIT) as f32)
    }

    /// Decodes α of a mode to a number. α is clamped to ±1; an index beyond the last mode is the
    /// last mode.
    pub(crate) fn decode(&self, mode: u32, alpha: f32) -> f64 {
        let mode = &self.modes[(mode as usize).min(self.modes.len() - 1)];
        mode.mean + DEVIATIONS * mode.deviation * f64::from(alpha.clamp(-1.0, 1.0))
    }
}

/// The distinct values of a column.
struct Column {
    /// Mean of the column.
    mean: f64,
    /// Sample variance of the column; 0 if it has one value.
    variance: f64,
    /// The values less the mean, ascending.
    values: Vec<f64>,
    /// How often each value occurs.
    counts: Vec<f64>,
}

impl Column {
    fn new(values: &[f64]) -> Self {
        let sorted = ascending(values);
        let count = sorted.len() as f64;
        let mean = sorted.iter().sum::<f64>() / count;
        let squares = sorted.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
        let runs = || sorted.chunk_by(|a, b| a == b);
        Self {
            mean,
            variance: squares / (count - 1.0).max(1.0),
            values: runs().map(|run| run[0] - mean).collect(),
            counts: runs().map(|run| run.len() as f64).collect(),
        }
    }
}

/// Sums over the values, weighted by the responsibilities of one component.
#[derive(Debug, Clone, Copy)]
struct Share {
    /// Sum of the component's responsibilities.
    count: f64,
    /// Sum of the values, weighted by the responsibilities.
    sum: f64,
    /// Sum of the squared values, weighted by the responsibilities.
    squares: f64,
}

impl Share {
    /// Sums of a component without values. Its count is slightly above 0, as in scikit-learn, so
    /// that every variance is positive.
    const NONE: Self = Self {
        count: 10.0 * f64::EPSILON,
        sum: 0.0,
        squares: 0.0,
    };

    fn add(&mut self, x: f64, count: f64) {
        self.count += count;
        self.sum += count * x;
        self.squares += count * x * x;
    }
}

/// Fits the components, with means relative to the column's mean, from an initial assignment of
/// its values.
fn infer(
    column: &Column,
    count: usize,
    nearest: &[usize],
    ask: &mut dyn FnMut() -> Result<(), Error>,
) -> Result<Vec<Component>, Error> {
    let mut shares = vec![Share::NONE; count];
    for ((&x, &count), &component) in column.values.iter().zip(&column.counts).zip(nearest) {
        shares[component].add(x, count);
    }
    let (mut components, _) = maximize(column.variance, &shares);
    let mut bound = f64::NEG_INFINITY;
    for _ in 0..ITERATIONS {
        ask()?;
        let (shares, entropy) = expect(column, &components);
        let (next, of_parameters) = maximize(column.variance, &shares);
        let before = std::mem::replace(&mut bound, entropy + of_parameters);
        components = next;
        if (bound - before).abs() < TOLERANCE {
            break;
        }
    }
    Ok(components)
}

/// Expectation step: the sums of each component, and the entropy of the responsibilities.
fn expect(column: &Column, components: &[Component]) -> (Vec<Share>, f64) {
    let mut shares = vec![Share::NONE; components.len()];
    let mut entropy = 0.0;
    for (&x, &count) in column.values.iter().zip(&column.counts) {
        let (responsibilities, negentropy) = responsibilities(components.iter(), x);
        entropy -= count * negentropy;
        for (share, responsibility) in shares.iter_mut().zip(responsibilities) {
            share.add(x, count * responsibility);
        }
    }
    (shares, entropy)
}

/// Maximisation step: the posterior of each component given its sums, with a prior of mean 0 and
/// this variance; and the posteriors' part of the lower bound, up to a constant.
fn maximize(variance: f64, shares: &[Share]) -> (Vec<Component>, f64) {
    let mut bound = 0.0;
    // Weight that the preceding components leave, and its expected logarithm (stick breaking).
    let (mut rest, mut log_rest) = (1.0, 0.0);
    let mut components = Vec::with_capacity(shares.len());
    for (k, share) in shares.iter().enumerate() {
        // Precision of the mean, degrees of freedom and first weight concentration alike: the prior
        // counts as one value.
        let a = 1.0 + share.count;
        let b = CONCENTRATION + shares[k + 1..].iter().map(|later| later.count).sum::<f64>();
        let squares = share.squares - share.sum * share.sum / a;
        let variance = (variance + squares + FLOOR * share.count) / a;
        let log_weight = log_rest + digamma(a) - digamma(a + b);
        let log_precision = LN_2 + digamma(0.5 * a) - a.ln() - variance.ln();
        components.push(Component {
            weight: rest * a / (a + b),
            mean: share.sum / a,
            deviation: variance.sqrt(),
            log_peak: log_weight + 0.5 * (log_precision - TAU.ln() - 1.0 / a),
        });
        rest *= b / (a + b);
        log_rest += digamma(b) - digamma(a + b);
        let wishart = 0.5 * a * (LN_2 - variance.ln() - a.ln()) + lgamma(0.5 * a);
        let beta = lgamma(a) + lgamma(b) - lgamma(a + b);
        bound += wishart + beta - 0.5 * a.ln();
    }
    // The stick is cut off at a finite number of components: the weights are normalised.
    for component in &mut components {
        component.weight /= 1.0 - rest;
    }
    (components, bound)
}

/// Responsibilities of the components for a value, and their negative entropy.
fn responsibilities<'a>(
    components: impl Iterator<Item = &'a Component>,
    x: f64,
) -> (Vec<f64>, f64) {
    let log_joint = |component: &Component| {
        let deviations = (x - component.mean) / component.deviation;
        component.log_peak - 0.5 * deviations * deviations
    };
    let mut values: Vec<f64> = components.map(log_joint).collect();
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut sum, mut expected) = (0.0, 0.0);
    for value in &mut values {
        let log = *value - most;
        *value = log.exp();
        sum += *value;
        expected += *value * log;
    }
    for value in &mut values {
        *value /= sum;
    }
    (values, expected / sum - sum.ln())
}

/// Digamma function, the derivative of the log gamma function, at a positive number: by recurrence
/// up to 10, and by an asymptotic series above (Abramowitz and Stegun 1964, 6.3.5 and 6.3.18).
fn digamma(x: f64) -> f64 {
    if x < 10.0 {
        return digamma(x + 1.0) - 1.0 / x;
    }
    let y = 1.0 / (x * x);
    let series =
        y * (1.0 / 12.0 - y * (1.0 / 120.0 - y * (1.0 / 252.0 - y * (1.0 / 240.0 - y / 132.0))));
    x.ln() - 0.5 / x - series
}

#[cfg(test)]
mod tests {
    use super::super::tests::{column, round_trip};
    use super::*;
    use crate::random::{Purpose, stream};

    /// Fit of a column by scikit-learn, and the responsibilities for two numbers.
    struct Reference {
        weights: [f64; 10],
        means: [f64; 10],
        variances: [f64; 10],
        numbers: [f64; 2],
        responsibilities: [[f64; 10]; 2],
    }

    fn fit(values: &[f64], seed: u64) -> ModeNormalizer {
        ModeNormalizer::fit(values, &mut stream(seed, Purpose::Probe, 0), &mut || Ok(())).unwrap()
    }

    /// Components fitted from an assignment of equal parts of the distinct values, with mean 0.
    fn from_even_parts(values: &[f64]) -> Vec<Component> {
        let column = Column::new(values);
        let distinct = column.values.len();
        let nearest: Vec<usize> = (0..distinct).map(|i| i * 10 / distinct).collect();
        let mut components = infer(&column, 10, &nearest, &mut || Ok(())).unwrap();
        components
            .iter_mut()
            .for_each(|component| component.mean += column.mean);
        components
    }

    #[track_caller]
    fn assert_near(found: impl IntoIterator<Item = f64>, expected: &[f64], least: f64) {
        let found: Vec<f64> = found.into_iter().collect();
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            assert!(
                (a - b).abs() <= 1e-8 * b.abs() + least,
                "{found:?} {expected:?}"
            );
        }
    }

    #[track_caller]
    fn assert_agrees(name: &str, reference: &Reference) {
        let components = from_even_parts(&column(name));
        assert_near(components.iter().map(|c| c.weight), &reference.weights, 0.0);
        assert_near(components.iter().map(|c| c.mean), &reference.means, 0.0);
        assert_near(
            components.iter().map(|c| c.deviation.powi(2)),
            &reference.variances,
            0.0,
        );
        for (&x, expected) in reference.numbers.iter().zip(&reference.responsibilities) {
            assert_near(responsibilities(components.iter(), x).0, expected, 1e-12);
        }
    }

    /// Numbers of scikit-learn, by `tests/encodings_reference.py`.
    #[test]
    fn test_mixture_agrees_with_scikit_learn() {
        assert_agrees(
            "tied",
            &Reference {
                weights: [
                    6.7491800025e-01,
                    1.1245154953e-01,
                    1.2788426980e-03,
                    1.2694911148e-03,
                    1.2604698779e-03,
                    1.2515550555e-03,
                    1.2437813720e-03,
                    4.1161887244e-02,
                    1.6516346115e-01,
                    9.6170666263e-07,
                ],
                means: [
                    6.0202499868e+00,
                    2.2708449452e+03,
                    1.9750390986e+03,
                    1.9722012806e+03,
                    1.9696009058e+03,
                    1.9670401206e+03,
                    1.9654732734e+03,
                    4.7181417623e+03,
                    7.1636778270e+03,
                    1.6875490000e+03,
                ],
                variances: [
                    1.7774992790e+04,
                    1.6591791207e+06,
                    7.8558576944e+06,
                    7.8619444341e+06,
                    7.8675784477e+06,
                    7.8731259866e+06,
                    7.8768323685e+06,
                    4.9981374273e+06,
                    3.4718133330e+06,
                    8.4747744941e+06,
                ],
                numbers: [1.0, 3198.3],
                responsibilities: [
                    [
                        9.9591839944e-01,
                        3.5982232829e-03,
                        1.9208660142e-05,
                        1.9006391276e-05,
                        1.8814773590e-05,
                        1.8626432762e-05,
                        1.8475255029e-05,
                        3.7852807200e-04,
                        1.0717696885e-05,
                        0.0000000000e+00,
                    ],
                    [
                        1.7962202394e-123,
                        7.3648933413e-01,
                        1.2566187366e-03,
                        1.2418053908e-03,
                        1.2278542144e-03,
                        1.2141709823e-03,
                        1.2034662101e-03,
                        1.5625131683e-01,
                        1.0111543350e-01,
                        0.0000000000e+00,
                    ],
                ],
            },
        );
        assert_agrees(
            "times",
            &Reference {
                weights: [
                    3.0553085052e-02,
                    1.2119787892e-03,
                    7.9853406048e-01,
                    1.0070410812e-01,
                    1.1780446107e-03,
                    1.1559161526e-03,
                    1.1343522912e-03,
                    1.1133264112e-03,
                    1.0928141486e-03,
                    6.3322313940e-02,
                ],
                means: [
                    2.6325697179e+10,
                    8.1953988656e+09,
                    1.2357448793e+08,
                    6.0932240585e+09,
                    8.1222702007e+09,
                    8.0751756588e+09,
                    8.0297513727e+09,
                    7.9859010184e+09,
                    7.9435366584e+09,
                    6.6773089184e+10,
                ],
                variances: [
                    1.7011823918e+20,
                    3.2347951538e+20,
                    5.6251011815e+17,
                    1.1740009228e+19,
                    3.2392791853e+20,
                    3.2421684735e+20,
                    3.2449561999e+20,
                    3.2476481824e+20,
                    3.2502497339e+20,
                    4.6427328908e+20,
                ],
                numbers: [7274.0, 832_842_000.0],
                responsibilities: [
                    [
                        2.7573073994e-04,
                        1.4419284365e-05,
                        9.9397310634e-01,
                        5.6483101765e-03,
                        1.3878858378e-05,
                        1.3531521826e-05,
                        1.3197107366e-05,
                        1.2874840912e-05,
                        1.2564017255e-05,
                        2.2387109775e-05,
                    ],
                    [
                        4.7925075805e-04,
                        2.2523326017e-05,
                        9.8642036001e-01,
                        1.2936140168e-02,
                        2.1674488901e-05,
                        2.1129127178e-05,
                        2.0604196965e-05,
                        2.0098467474e-05,
                        1.9610817783e-05,
                        3.8608640372e-05,
                    ],
                ],
            },
        );
        assert_agrees(
            "few",
            &Reference {
                weights: [
                    1.4381294277e-01,
                    1.0399527401e-03,
                    2.8500196454e-01,
                    1.0367902600e-03,
                    1.0348986378e-03,
                    2.8450251921e-01,
                    1.0292486039e-03,
                    2.8254069867e-01,
                    9.8358282326e-07,
                    9.8260022304e-10,
                ],
                means: [
                    1.3904119705e+00,
                    1.9834229159e+02,
                    1.0035005703e+02,
                    1.9834802926e+02,
                    1.9835146047e+02,
                    2.0000034849e+02,
                    1.9836170968e+02,
                    3.9930341071e+02,
                    2.0010000000e+02,
                    2.0010000000e+02,
                ],
                variances: [
                    4.1538589657e+02,
                    2.0040727876e+04,
                    1.0496461749e+02,
                    2.0040703843e+04,
                    2.0040689437e+04,
                    6.9802715706e+01,
                    2.0040646254e+04,
                    2.0856134963e+02,
                    2.0030020020e+04,
                    2.0030020020e+04,
                ],
                numbers: [100.0, 150.0],
                responsibilities: [
                    [
                        2.0841780947e-06,
                        4.0613443703e-05,
                        9.9983626579e-01,
                        4.0479078978e-05,
                        4.0398734363e-05,
                        9.5298381192e-32,
                        4.0158773428e-05,
                        3.7750724136e-94,
                        0.0000000000e+00,
                        0.0000000000e+00,
                    ],
                    [
                        3.5611007393e-09,
                        2.4132698521e-01,
                        3.9345928691e-02,
                        2.4053207970e-01,
                        2.4005674790e-01,
                        1.0120305557e-04,
                        2.3863705189e-01,
                        6.7758660228e-62,
                        0.0000000000e+00,
                        0.0000000000e+00,
                    ],
                ],
            },
        );
    }

    #[test]
    fn test_digamma_to_twelve_digits() {
        // Numbers of SciPy's `digamma`.
        for (x, expected) in [
            (0.001, -1000.575571932),
            (0.5, -1.963510026021),
            (1.0, -0.5772156649015),
            (9.99, 2.250700372831),
            (10.0, 2.251752589067),
            (200000.5, 12.20607264553),
        ] {
            assert!(
                (digamma(x) / expected - 1.0_f64).abs() < 1e-12,
                "{x} {}",
                digamma(x)
            );
        }
    }

    #[test]
    fn test_numbers_come_back() {
        for name in ["tied", "wide", "times", "few", "short"] {
            let values = column(name);
            let modes = fit(&values, 3);
            let mut rng = stream(4, Purpose::Probe, 0);
            let mut cut = 0;
            for &x in &values {
                let (mode, alpha) = modes.encode(x, &mut rng);
                assert!((mode as usize) < modes.modes());
                if alpha.abs() < 0.99 {
                    let unit = modes.modes[mode as usize].deviation;
                    let back = modes.decode(mode, alpha);
                    assert!((back - x).abs() < 1e-6 * unit, "{name}: {x} {back}");
                } else {
                    cut += 1;
                }
            }
            assert!(cut <= values.len() / 50, "{name}: {cut}");
        }
    }

    #[test]
    fn test_modes_are_drawn_by_their_responsibility() {
        let component = |weight: f64, mean| Component {
            weight,
            mean,
            deviation: 1.0,
            log_peak: weight.ln(),
        };
        let modes = ModeNormalizer {
            modes: vec![component(0.2, 0.0), component(0.7, 0.0)],
            others: vec![component(0.1, 100.0)],
        };
        let mut rng = stream(0, Purpose::Probe, 0);
        let mut share = |x| {
            let drawn = (0..10_000).filter(|_| modes.encode(x, &mut rng).0 == 0);
            drawn.count() as f64 / 10_000.0
        };
        assert!((share(0.0) - 2.0 / 9.0).abs() < 0.02);
        // If another component has all the responsibility, every mode is equally likely.
        assert!((share(100.0) - 0.5).abs() < 0.02);
        assert_eq!(modes.encode(100.0, &mut rng).1, 0.99);
        assert_eq!(modes.decode(1, 2.0), 4.0);
        assert_eq!(modes.decode(9, -0.5), -2.0);
    }

    #[test]
    fn test_modes_apart_are_found() {
        let values: Vec<f64> = (0..3000)
            .map(|i| f64::from(i % 3) * 1e6 + f64::from(i * 7919 % 1000))
            .collect();
        let modes = fit(&values, 0);
        let mut rng = stream(0, Purpose::Probe, 1);
        for &x in &values {
            let (mode, alpha) = modes.encode(x, &mut rng);
            assert!(alpha.abs() < 0.3, "{modes:?}");
            assert!(
                (modes.modes[mode as usize].mean - x).abs() < 2e3,
                "{modes:?}"
            );
        }
    }

    #[test]
    fn test_degenerate_columns() {
        let mut rng = stream(0, Purpose::Probe, 0);
        let columns = [
            vec![],
            vec![4.0],
            vec![4.0; 2],
            column("constant"),
            vec![f64::NAN],
        ];
        for values in columns {
            let modes = fit(&values, 0);
            assert_eq!(modes.modes(), 1);
            let x = values
                .first()
                .copied()
                .filter(|x| x.is_finite())
                .unwrap_or(0.0);
            let (mode, alpha) = modes.encode(x, &mut rng);
            assert_eq!((mode, modes.decode(mode, alpha)), (0, x));
        }
        for values in [[1.0, 2.0], [-1e150, 1e150], [f64::MIN, f64::MAX]] {
            let modes = fit(&values, 0);
            for x in [0.0, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                assert!((modes.encode(x, &mut rng).0 as usize) < modes.modes());
            }
        }
    }

    #[test]
    fn test_seed_decides() {
        let values = column("wide");
        assert_eq!(fit(&values, 1), fit(&values, 1));
        assert_ne!(fit(&values, 1), fit(&values, 2));
        let mut reversed = values.clone();
        reversed.reverse();
        assert_eq!(fit(&values, 1), fit(&reversed, 1));
        let modes = fit(&values, 1);
        assert_eq!(round_trip(&modes), modes);
    }
}

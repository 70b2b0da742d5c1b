//! Reductions in eight lanes, which a processor computes side by side: the order of the additions
//! is the same on every processor.

use crate::functions::exp;

/// The sum of a function of each number.
#[inline(always)]
pub(crate) fn sum(numbers: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let (eights, rest) = numbers.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for eight in eights {
        lanes
            .iter_mut()
            .zip(eight)
            .for_each(|(lane, &x)| *lane += of(x));
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|&x| of(x)).sum::<f32>()
}

/// The sum of a function of each pair of numbers.
#[inline(always)]
pub(crate) fn dot(x: &[f32], y: &[f32], of: impl Fn(f32, f32) -> f32) -> f32 {
    let ((x8, x_rest), (y8, y_rest)) = (x.as_chunks::<8>(), y.as_chunks::<8>());
    let mut lanes = [0.0; 8];
    for (x, y) in x8.iter().zip(y8) {
        for ((lane, &x), &y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += of(x, y);
        }
    }
    let rest = x_rest.iter().zip(y_rest).map(|(&x, &y)| of(x, y));
    lanes.iter().sum::<f32>() + rest.sum::<f32>()
}

/// The largest number; a NaN is never larger.
#[inline(always)]
fn largest(numbers: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (eights, rest) = numbers.as_chunks::<8>();
    let lanes = eights.iter().fold([f32::NEG_INFINITY; 8], |lanes, eight| {
        std::array::from_fn(|i| larger(lanes[i], eight[i]))
    });
    let rest = rest.iter().copied().fold(f32::NEG_INFINITY, larger);
    lanes.into_iter().fold(rest, larger)
}

/// Replaces each x by e^(x − the largest x); returns the largest, and the sum of the exponentials.
#[inline(always)]
pub(crate) fn exponentials(numbers: &mut [f32]) -> (f32, f32) {
    let largest = largest(numbers);
    numbers.iter_mut().for_each(|x| *x = exp(*x - largest));
    (largest, sum(numbers, |x| x))
}

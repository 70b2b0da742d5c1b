//! The cross-entropy of many softmaxes side by side, and its gradient, in one walk over the logits.

/// `-log softmax(logits)[class]`, summed over groups and rows: `groups` holds the number of logits
/// of each group of a row, `classes` the class of each group of each row. Overwrites the logits
/// with the gradient: the softmax, less 1 at the class.
pub(crate) fn nats(logits: &mut [f32], groups: &[usize], classes: &[usize]) -> f64 {
    let mut sum = 0.0;
    let mut rest = logits;
    for (&size, &class) in groups.iter().cycle().zip(classes) {
        let (group, after) = rest.split_at_mut(size);
        rest = after;
        let largest = fold(group, f32::NEG_INFINITY, |a, b| if b > a { b } else { a });
        let target = group[class] - largest;
        group.iter_mut().for_each(|x| *x = exp(*x - largest));
        let total = fold(group, 0.0, |a, b| a + b);
        let scale = 1.0 / total;
        group.iter_mut().for_each(|x| *x *= scale);
        group[class] -= 1.0;
        sum += f64::from(total.ln() - target);
    }
    sum
}

/// Folds numbers in eight lanes, which the processor computes in parallel.
fn fold(numbers: &[f32], start: f32, with: impl Fn(f32, f32) -> f32) -> f32 {
    let (eights, rest) = numbers.as_chunks::<8>();
    let mut result = start;
    if !eights.is_empty() {
        let lanes = eights.iter().fold([start; 8], |lanes, eight| {
            std::array::from_fn(|i| with(lanes[i], eight[i]))
        });
        result = lanes.into_iter().fold(result, &with);
    }
    rest.iter().copied().fold(result, with)
}

/// e^x of x ≤ 0, to 2 in the last place; 10⁻³⁸ if e^x is less. As in Cephes' `expf`, 2ⁿ times a
/// polynomial in what remains of x; unlike the standard library's, a loop over it is vectorised.
fn exp(x: f32) -> f32 {
    /// Added to a small number, it leaves no bits for a fraction.
    const ROUND: f32 = 12_582_912.0;
    let x = if x < -87.0 { -87.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let terms = [
        1.398_2e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        0.5,
    ];
    let series = terms
        .iter()
        .fold(1.987_569_1e-4, |sum, term| sum * r + term);
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    let power = f32::from_bits(exponent.wrapping_add(127) << 23);
    (series * r * r + r + 1.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_nats_hold_at_extreme_logits() {
        let mut logits = [1e4, -1e4, 0.0, 0.0];
        let sum = nats(&mut logits, &[2, 2], &[1, 0]);
        assert!((sum - 2e4 - 2f64.ln()).abs() < 1e-2, "{sum}");
        assert_eq!(logits, [1.0, -1.0, -0.5, 0.5]);
    }

    #[test]
    fn test_nats_are_not_finite_where_a_logit_is_not() {
        let mut logits = [0.0, f32::NAN];
        assert!(!nats(&mut logits, &[2], &[0]).is_finite());
    }

    #[test]
    fn test_exp_is_exact_to_the_last_digits() {
        for x in (0..=8700).map(|x| -0.01 * x as f32) {
            let (found, expected) = (exp(x), f64::from(x).exp());
            let error = (f64::from(found) / expected - 1.0).abs();
            assert!(error < 2.4e-7, "exp({x}) = {found}, not {expected}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-1e30), exp(-87.0));
        assert!(exp(f32::NAN).is_nan());
    }
}

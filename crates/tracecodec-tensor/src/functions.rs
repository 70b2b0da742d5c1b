//! Functions of numbers, written so that a loop over them is vectorised, which calls of the
//! standard library's are not.

/// Runs a loop as compiled for the widest vectors that the processor has. The numbers are the same
/// on every processor: no operation is replaced by another. The closure and what it calls must be
/// `#[inline(always)]`: what is left outside is compiled for the least processor.
#[inline]
pub fn vectorised<T>(work: impl FnOnce() -> T) -> T {
    pulp::Arch::new().dispatch(work)
}

/// e^x to 2 in the last place; e^-87 if x is less, e^88 if x is greater. As in Cephes' `expf`, 2ⁿ
/// times a polynomial in what remains of x.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    /// Added to a small number, it leaves no bits for a fraction.
    const ROUND: f32 = 12_582_912.0;
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
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

/// The logistic function, 1 / (1 + e^-x).
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (1.0 + exp(2.0 * x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_exp_is_exact_to_the_last_digits() {
        for x in (-8700..=8800).map(|x| 0.01 * x as f32) {
            let (found, expected) = (exp(x), f64::from(x).exp());
            let error = (f64::from(found) / expected - 1.0).abs();
            assert!(error < 2.4e-7, "exp({x}) = {found}, not {expected}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-1e30), exp(-87.0));
        assert_eq!(exp(1e30), exp(88.0));
        assert!(exp(f32::NAN).is_nan());
    }
}

//! Time steps as small floating-point codes, for models: the relative precision is equal at every
//! scale, and each part is a bounded class.

use serde::{Deserialize, Serialize};

/// Number of exponent classes: zero, and 63 binary exponents for each sign.
pub const EXPONENT_CLASSES: u16 = 127;

/// A signed number of nanoseconds as a class for sign and exponent, and mantissa digits.
///
/// Class 0 is zero. Class `1 + e` holds `2^e ≤ Δt < 2^(e+1)` ns, class `64 + e` the negative steps
/// of that size. The mantissa is the fraction above the leading bit in hexadecimal digits, rounded
/// to nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct TimeCode {
    /// Sign and exponent, below [`EXPONENT_CLASSES`].
    pub exponent: u16,
    /// Fraction above the leading bit, below `16^digits`.
    pub mantissa: u32,
}

impl TimeCode {
    /// Codes a time step with `digits` hexadecimal mantissa digits (at most 7).
    pub fn encode(delta_t: i64, digits: u8) -> Self {
        let bits = 4 * u32::from(digits);
        let magnitude = delta_t.unsigned_abs().min(i64::MAX as u64);
        if magnitude == 0 {
            return Self::default();
        }
        let mut exponent = magnitude.ilog2();
        let fraction = u128::from(magnitude - (1 << exponent)) << bits;
        let half = if exponent > 0 {
            1u128 << (exponent - 1)
        } else {
            0
        };
        let mut mantissa = ((fraction + half) >> exponent) as u64;
        if mantissa == 1 << bits && exponent < 62 {
            (exponent, mantissa) = (exponent + 1, 0);
        }
        Self {
            exponent: (exponent + if delta_t > 0 { 1 } else { 64 }) as u16,
            mantissa: mantissa.min((1 << bits) - 1) as u32,
        }
    }

    /// The time step in nanoseconds, rounded to nearest. A class or mantissa out of range
    /// saturates.
    pub fn decode(self, digits: u8) -> i64 {
        let bits = 4 * u32::from(digits);
        let (exponent, sign) = match self.exponent {
            0 => return 0,
            class @ 1..=63 => (u32::from(class) - 1, 1),
            class => (u32::from(class).min(126) - 64, -1),
        };
        let mantissa = u128::from(self.mantissa).min((1 << bits) - 1);
        let scaled = ((1u128 << bits) + mantissa) << exponent;
        let half = if bits > 0 { 1 << (bits - 1) } else { 0 };
        sign * ((scaled + half) >> bits).min(i64::MAX as u128) as i64
    }

    /// The code of the largest time step that is not longer than `delta_t`.
    pub fn truncate(delta_t: i64, digits: u8) -> Self {
        let bits = 4 * u32::from(digits);
        let magnitude = delta_t.unsigned_abs().min(i64::MAX as u64);
        let Some(exponent) = magnitude.checked_ilog2() else {
            return Self::default();
        };
        let fraction = u128::from(magnitude - (1 << exponent)) << bits;
        Self {
            exponent: (exponent + if delta_t > 0 { 1 } else { 64 }) as u16,
            mantissa: (fraction >> exponent) as u32,
        }
    }

    /// The code with this sign (-1, 0 or 1), binary exponent and mantissa. An exponent out of range
    /// saturates.
    pub fn of(sign: i8, exponent: u8, mantissa: u32) -> Self {
        let exponent = u16::from(exponent.min(62));
        match sign {
            0 => Self::default(),
            sign => Self {
                exponent: exponent + if sign > 0 { 1 } else { 64 },
                mantissa,
            },
        }
    }

    /// Sign of the step: -1, 0 or 1.
    pub fn sign(self) -> i8 {
        match self.exponent {
            0 => 0,
            1..=63 => 1,
            _ => -1,
        }
    }

    /// The binary exponent `e` of `2^e ≤ |Δt| < 2^(e+1)` ns; 0 for a step of 0.
    pub fn binary_exponent(self) -> u8 {
        match self.exponent {
            0 => 0,
            class @ 1..=63 => class as u8 - 1,
            class => (class - 64).min(62) as u8,
        }
    }

    /// The mantissa's digits, most significant first.
    pub fn mantissa_digits(self, digits: u8) -> impl Iterator<Item = u16> {
        (0..digits)
            .rev()
            .map(move |digit| (self.mantissa >> (4 * digit) & 0xf) as u16)
    }
}

/// Length of a step in nanoseconds (69 seconds), forwards or backwards, from which it is a hole.
/// What a hole's code leaves out is not made up for: after a hole of years, that would stretch the
/// steps of a whole capture.
const HOLE: u64 = 1 << 36;

/// Codes the time steps of a trace so that errors do not add up: later steps make up for what
/// earlier codes left out, and each grows by at most 1/256 for it. As long as no step goes back,
/// the decoded clock is never ahead of the true clock or, if true steps are not multiples of the
/// tick, ahead by less than a tick.
#[derive(Debug, Clone, Copy)]
pub struct StepCoder {
    digits: u8,
    tick: Tick,
    /// How far the decoded clock is behind the true clock, in nanoseconds.
    behind: i64,
}

impl StepCoder {
    /// A coder at the start of a trace, with `digits` hexadecimal mantissa digits.
    pub fn new(digits: u8, tick: Tick) -> Self {
        Self {
            digits,
            tick,
            behind: 0,
        }
    }

    /// The next step as decoded from its code, for a true step of `delta_t` nanoseconds. The
    /// decoder then rounds it to the [next tick](Tick::ceil).
    pub fn next(&mut self, delta_t: i64) -> i64 {
        if delta_t.unsigned_abs() >= HOLE {
            return TimeCode::truncate(delta_t, self.digits).decode(self.digits);
        }
        let correction = self.tick.floor(self.correction(delta_t.max(0)));
        // Rounded down to a tick, the correction may exceed a step shorter than a tick; a step does
        // not go back because of it.
        let due = (delta_t + correction).max(delta_t.min(0));
        let step = TimeCode::truncate(due, self.digits).decode(self.digits);
        self.behind += delta_t - self.tick.ceil(step);
        step
    }

    /// Correction that a step of this length makes: at most 1/256 of the step. A lead of less than
    /// a tick is corrected at once.
    fn correction(self, step: i64) -> i64 {
        let most = step >> 8;
        let within_tick = self.tick.nanoseconds() - 1;
        self.behind.clamp(-most.max(within_tick).min(step), most)
    }
}

/// The unit of a trace's times. Steps of whole microseconds need far fewer digits than steps of
/// nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tick {
    /// A nanosecond.
    #[default]
    Nanosecond,
    /// A microsecond: the resolution of most captures.
    Microsecond,
}

impl Tick {
    /// Number of steps at the start of a trace that decide its tick.
    const JUDGED: usize = 8192;

    /// The tick of a trace with these steps, in nanoseconds. The first few thousand steps decide.
    pub fn of(steps: impl IntoIterator<Item = i64>) -> Self {
        let mut steps = steps
            .into_iter()
            .take(Self::JUDGED)
            .filter(|step| *step != 0)
            .peekable();
        let is_coarse = steps.peek().is_some() && steps.all(|step| step % 1_000 == 0);
        if is_coarse {
            Tick::Microsecond
        } else {
            Tick::Nanosecond
        }
    }

    fn nanoseconds(self) -> i64 {
        match self {
            Tick::Nanosecond => 1,
            Tick::Microsecond => 1_000,
        }
    }

    fn floor(self, nanoseconds: i64) -> i64 {
        nanoseconds - nanoseconds.rem_euclid(self.nanoseconds())
    }

    /// The multiple of the tick nearest to `nanoseconds` that is at least as far from 0.
    pub fn ceil(self, nanoseconds: i64) -> i64 {
        let over = nanoseconds % self.nanoseconds();
        match over {
            0 => nanoseconds,
            _ => nanoseconds.saturating_add(over.signum() * self.nanoseconds() - over),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn test_small_steps_are_exact() {
        for delta_t in -4096..=4096 {
            assert_eq!(TimeCode::encode(delta_t, 3).decode(3), delta_t);
        }
    }

    #[test]
    fn test_rounding_carries_into_the_exponent() {
        assert_eq!(
            TimeCode::encode(511, 1),
            TimeCode {
                exponent: 10,
                mantissa: 0
            }
        );
    }

    proptest! {
        #[test]
        fn test_parts_make_the_code(delta_t in any::<i64>(), shift in 0u32..63) {
            let code = TimeCode::encode(delta_t >> shift, 3);
            prop_assert_eq!(TimeCode::of(code.sign(), code.binary_exponent(), code.mantissa), code);
        }

        #[test]
        fn test_errors_of_steps_do_not_add_up(
            steps in prop::collection::vec((0i64..HOLE as i64, 0u32..36), 1..300),
            digits in 2u8..=7,
        ) {
            let mut coder = StepCoder::new(digits, Tick::Nanosecond);
            let (mut time, mut clock, mut longest) = (0i64, 0i64, 0i64);
            for (step, shift) in steps {
                let step = step >> shift;
                time += step;
                longest = longest.max(step);
                let coded = coder.next(step);
                clock += coded;
                prop_assert_eq!(TimeCode::encode(coded, digits).decode(digits), coded);
                prop_assert!(clock <= time);
                // The bound is two units of the last place of the longest step, however many steps
                // there were.
                prop_assert!(time - clock <= 2 * (longest >> (4 * digits)) + 2, "{}", time - clock);
                prop_assert!((coded - step).abs() <= (step >> 8) + (step >> (4 * digits)) + 1);
            }
        }

        #[test]
        fn test_steps_after_a_hole_are_not_stretched(years in 1i64..100, digits in 4u8..=7) {
            let mut coder = StepCoder::new(digits, Tick::Nanosecond);
            coder.next(years * 31_556_952_000_000_000 + 1);
            coder.next(-years * 31_556_952_000_000_001);
            let (mut time, mut clock) = (0, 0);
            for _ in 0..2_000 {
                time += 500_000_000;
                clock += coder.next(500_000_000);
            }
            prop_assert_eq!(clock, time);
        }

        #[test]
        fn test_short_steps_of_whole_microseconds_are_exact(
            steps in prop::collection::vec(0i64..67_000, 1..100),
        ) {
            let steps: Vec<i64> = steps.into_iter().map(|step| 1_000 * step).collect();
            let tick = Tick::of(steps.iter().copied());
            let mut coder = StepCoder::new(4, tick);
            for step in steps {
                prop_assert_eq!(tick.ceil(coder.next(step)), step);
            }
        }

        #[test]
        fn test_steps_between_ticks_do_not_run_ahead(
            steps in prop::collection::vec((0i64..HOLE as i64, 0u32..36), 1..300),
        ) {
            let tick = Tick::Microsecond;
            let mut coder = StepCoder::new(4, tick);
            let (mut time, mut clock, mut longest) = (0i64, 0i64, 0i64);
            for (step, shift) in steps {
                let step = step >> shift;
                time += step;
                longest = longest.max(step);
                let coded = tick.ceil(coder.next(step));
                prop_assert!(coded >= 0);
                clock += coded;
                prop_assert!(clock < time + 1_000);
                prop_assert!(time - clock <= 2 * (longest >> 16) + 2_000, "{}", time - clock);
            }
        }

        #[test]
        fn test_relative_error_is_bounded(delta_t in any::<i64>(), digits in 0u8..=7) {
            let back = TimeCode::encode(delta_t, digits).decode(digits);
            let error = (i128::from(back) - i128::from(delta_t)).unsigned_abs();
            // The bound is half a unit of the last place, or a whole unit if the largest class
            // saturates.
            let bound = delta_t.unsigned_abs() as u128 >> (4 * digits);
            prop_assert!(error <= bound + 1, "{delta_t} -> {back}");
        }

        #[test]
        fn test_codes_are_stable(scale in 12u16..63, negative in any::<bool>(), mantissa in 0u32..4096) {
            // Exponents below the mantissa's width have fewer values than codes.
            let exponent = scale + if negative { 64 } else { 1 };
            let code = TimeCode { exponent, mantissa };
            prop_assert_eq!(TimeCode::encode(code.decode(3), 3), code);
        }
    }
}

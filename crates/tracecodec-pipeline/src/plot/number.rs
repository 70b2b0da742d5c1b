//! Formats of numbers for readers.

/// Formats a number with three significant digits, or a whole one with separated thousands if it
/// is large; a number close to 0 with a power of ten.
pub fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_string()
    } else if size < 1e-3 {
        let exponent = size.log10().floor() as i32;
        format!(
            "{}×10{}",
            trim(format!("{:.2}", value / 10_f64.powi(exponent))),
            superscript(exponent)
        )
    } else if size < 999.5 {
        let digits = 2 - size.log10().floor() as i32;
        trim(format!("{value:.*}", digits.max(0) as usize))
    } else {
        thousands(value.round() as i64)
    }
}

/// Formats a number of a table with two decimals, as the paper has them; a number that is not zero
/// is never written as zero.
pub(crate) fn hundredths(value: f64) -> String {
    if value > 0.0 && value < 0.005 {
        "<0.01".to_string()
    } else {
        format!("{value:.2}")
    }
}

/// Formats an integer with separated thousands.
pub(crate) fn thousands(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0 {
        format!("−{text}")
    } else {
        text
    }
}

/// Formats a count with separated thousands.
pub(crate) fn count(value: u64) -> String {
    thousands(i64::try_from(value).unwrap_or(i64::MAX))
}

/// Formats a share from 0 to 1 in percent.
pub(crate) fn percent(share: f64) -> String {
    format!("{} %", short(100.0 * share))
}

/// Formats a time, given in seconds, with the unit that makes it short.
pub(crate) fn seconds(value: f64) -> String {
    let units = [(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")];
    let unit = units
        .into_iter()
        .find(|(unit, _)| value.abs() >= 0.9995 * unit);
    let (unit, name) = unit.unwrap_or((1.0, "s"));
    format!("{} {name}", short(value / unit))
}

/// Formats a number with an SI prefix (k, M, G), for axes.
pub(crate) fn si(value: f64) -> String {
    let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    match units.into_iter().find(|(unit, _)| value.abs() >= *unit) {
        Some((unit, name)) => format!("{}{name}", short(value / unit)),
        None => short(value),
    }
}

/// Writes an exponent with raised digits.
pub(crate) fn superscript(exponent: i32) -> String {
    let digits = exponent.to_string();
    let raised = digits.chars().map(|c| match c.to_digit(10) {
        Some(digit) => ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][digit as usize],
        None => '⁻',
    });
    raised.collect()
}

/// Removes the zeros at the end of a fraction.
fn trim(text: String) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_string()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_short() {
        let values = [0.0, 1.0, 12.345, 0.0123456, 999.4, 1234567.0, 6.58e-6];
        assert_eq!(
            values.map(short),
            ["0", "1", "12.3", "0.0123", "999", "1,234,567", "6.58×10⁻⁶"]
        );
    }

    #[test]
    fn test_units() {
        assert_eq!(
            [1e-6, 0.0015, 1.0, 90.0, 0.0].map(seconds),
            ["1 µs", "1.5 ms", "1 s", "90 s", "0 s"]
        );
        assert_eq!([0.5, 1500.0, 2e6].map(si), ["0.5", "1.5k", "2M"]);
        assert_eq!(percent(0.25), "25 %");
        assert_eq!(thousands(-1234), "−1,234");
    }
}

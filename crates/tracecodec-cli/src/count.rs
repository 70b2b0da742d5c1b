//! Counts as people write them, `100000`, `100_000`, `100k` or `2M`, and as they read them:
//! `1 packet`.

/// Reads a count.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1_000),
        Some((at, 'm' | 'M')) => (&text[..at], 1_000_000),
        Some((at, 'g' | 'G')) => (&text[..at], 1_000_000_000),
        _ => (text, 1),
    };
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '_');
    let number = is_number.then(|| digits.replace('_', "").parse().ok());
    number
        .flatten()
        .and_then(|number: u64| number.checked_mul(factor))
        .ok_or_else(|| "a whole number, as in 100000, 100_000, 100k or 2M".to_string())
}

/// Reads a count of at least one.
pub(crate) fn positive_count(text: &str) -> Result<u64, String> {
    match count(text)? {
        0 => Err("0 is not in 1..18446744073709551615".to_string()),
        count => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_counts_are_read_as_people_write_them() {
        for (text, number) in [
            ("0", 0),
            ("1234", 1234),
            ("100_000", 100_000),
            ("1k", 1_000),
            ("2M", 2_000_000),
            ("3G", 3_000_000_000),
        ] {
            assert_eq!(count(text), Ok(number), "{text}");
        }
        for text in [
            "",
            "k",
            "_1",
            "-1",
            "1.5k",
            "1kk",
            "99999999999999999999",
            "1 k",
            "9999999999999G",
        ] {
            assert!(count(text).is_err(), "{text}");
        }
        assert!(positive_count("0").is_err());
        assert_eq!(positive_count("1k"), Ok(1_000));
    }
}

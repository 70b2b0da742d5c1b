//! Numbers of one column, on the scales that the networks of the baselines work with.

mod gaussian_mixture;
mod k_means;
mod quantile;
mod standard;

pub(crate) use gaussian_mixture::ModeNormalizer;
pub(crate) use quantile::QuantileTransformer;
pub(crate) use standard::Standardizer;

/// The finite ones of some values, ascending; a single 0 where there is none.
fn ascending(values: &[f64]) -> Vec<f64> {
    let mut finite: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
    if finite.is_empty() {
        finite.push(0.0);
    }
    finite.sort_by(f64::total_cmp);
    finite
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    /// A column of `tests/encodings_reference.py`.
    pub(super) fn column(name: &str) -> Vec<f64> {
        let value = |i: u64| match name {
            "tied" if i.is_multiple_of(3) => i * 7919 % 10_007,
            "tied" => 0,
            "wide" if i.is_multiple_of(4) => 0,
            "wide" => i * 2_654_435_761 % (1 << 32),
            "times" => i * 7919 % 1000 * 10_u64.pow((i % 9) as u32),
            "steps" => i * 7919 % 1009 / 70 * 700,
            "few" => i * i % 7 * 100,
            "constant" => 4_000_000_000,
            "short" => i * i,
            _ => panic!("no column {name}"),
        };
        let count = match name {
            "short" => 6,
            "steps" => 962,
            _ => 1000,
        };
        (0..count).map(|i| value(i) as f64).collect()
    }

    /// What comes back of a value from JSON.
    pub(super) fn round_trip<T: Serialize + DeserializeOwned>(value: &T) -> T {
        serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
    }
}

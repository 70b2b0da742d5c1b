//! Labels of packets, in the convention of pcapML (<https://nprint.github.io/pcapml/>).

use std::fmt;

/// Label of a packet: a packet comment `sample_id,label,…`. Further fields are not kept.
///
/// The number tells samples apart, such as flows or visits of a site, whatever their label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label<'a> {
    /// Number of the sample, in decimal digits; it may exceed 64 bits.
    pub sample_id: &'a str,
    /// What the sample is; not empty.
    pub label: &'a str,
}

impl<'a> Label<'a> {
    /// The label that a packet comment states; `None` if it is another comment.
    pub fn of_comment(comment: &'a str) -> Option<Self> {
        let (sample_id, rest) = comment.split_once(',')?;
        let label = rest.split(',').next().unwrap_or_default().trim();
        let is_number =
            !sample_id.is_empty() && sample_id.bytes().all(|byte| byte.is_ascii_digit());
        (is_number && !label.is_empty()).then_some(Self { sample_id, label })
    }
}

/// The packet comment that states the label.
impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.sample_id, self.label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_label_of_a_comment() {
        let label = |comment| Label::of_comment(comment).map(|label| label.to_string());
        let some = |text: &str| Some(text.to_string());
        assert_eq!(
            label("9003219589747928972,google"),
            some("9003219589747928972,google")
        );
        assert_eq!(label("0,curl,d=e,dst=example.com"), some("0,curl"));
        assert_eq!(
            label("36893488147419103232,web"),
            some("36893488147419103232,web")
        );
        for other in ["", "7", "7,", ",web", "hello, world", "-7,web", "7, ,x"] {
            assert_eq!(label(other), None, "{other}");
        }
    }
}

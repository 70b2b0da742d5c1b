//! Choices: enums that people pick a value of by its name, in all surfaces alike.

/// An enum that people choose a value of. Its table is the one place for names and their meaning:
/// the command line's values and help, the keys of settings and the documentation derive from it.
pub trait Choice: Copy + PartialEq + 'static {
    /// What is chosen, as errors name it, such as `link layer`.
    const WHAT: &'static str;

    /// Every value with its name and a line that says what it is, in the order of the help.
    const TABLE: &'static [(Self, &'static str, &'static str)];

    /// Name of the value.
    fn name(self) -> &'static str {
        let row = Self::TABLE.iter().find(|(value, ..)| *value == self);
        row.expect("the table holds every value").1
    }

    /// The value of a name.
    fn of_name(name: &str) -> Option<Self> {
        let row = Self::TABLE.iter().find(|(_, known, _)| *known == name);
        row.map(|(value, ..)| *value)
    }
}

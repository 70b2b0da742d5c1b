//! Choices: enums that people pick a value of by its name, in all surfaces alike.

/// An enum that people choose a value of. Its table is the one place for names and their meaning:
/// the command line's values and help, the keys of settings and the documentation derive from it.
pub trait Choice: Copy + PartialEq + 'static {
    /// What is chosen, as errors name it, such as `link layer`.
    const WHAT: &'static str;

    /// Every value with its name and a line that says what it is, in the order of the help.
    const TABLE: &'static [(Self, &'static str, &'static str)];

    /// Other words that are accepted for a value.
    const ALIASES: &'static [(Self, &'static str)] = &[];

    /// Every value, in the order of the table.
    fn all() -> impl Iterator<Item = Self> {
        Self::TABLE.iter().map(|(value, ..)| *value)
    }

    /// Name of the value.
    fn name(self) -> &'static str {
        let row = Self::TABLE.iter().find(|(value, ..)| *value == self);
        row.expect("the table holds every value").1
    }

    /// The value of a name, or of another word for it.
    fn of_name(name: &str) -> Option<Self> {
        let names = Self::TABLE.iter().map(|(value, name, _)| (value, name));
        let aliases = Self::ALIASES.iter().map(|(value, alias)| (value, alias));
        let mut words = names.chain(aliases);
        words
            .find(|(_, word)| **word == name)
            .map(|(value, _)| *value)
    }
}

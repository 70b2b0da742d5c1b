//! `history`: what happened in a session, a letter for each kind of packet and side.

use crate::action::Direction;
use crate::tcp::SeqNumber;

/// Most letters of a history. Only RST, FIN and SYN can repeat without bound.
const MOST: usize = 256;

/// Letters of a session, upper-case for the originator, lower-case for the responder.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    letters: String,
}

/// A kind of packet whose letter comes again if the sequence number is another than last time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Numbered(Option<SeqNumber>);

/// A kind of packet whose letter comes with the first packet, the 10th, the 100th and so on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scaled(u64);

impl History {
    /// The letters so far.
    pub(super) fn letters(&self) -> &str {
        &self.letters
    }

    /// Records that the direction was turned around.
    pub(super) fn flip(&mut self) {
        self.letters.push('^');
    }

    /// Adds a letter of a side.
    pub(super) fn add(&mut self, dir: Direction, letter: char) {
        if self.letters.len() < MOST {
            self.letters.push(cased(dir, letter));
        }
    }

    /// Adds a letter of a side unless it is there.
    pub(super) fn add_once(&mut self, dir: Direction, letter: char) {
        if !self.letters.contains(cased(dir, letter)) {
            self.add(dir, letter);
        }
    }
}

impl Numbered {
    /// Whether the letter comes with a packet of this sequence number.
    pub(super) fn is_new(&mut self, seq: SeqNumber) -> bool {
        self.0.replace(seq) != Some(seq)
    }
}

impl Scaled {
    /// Counts a packet; whether the letter comes with it.
    pub(super) fn is_mark(&mut self) -> bool {
        self.0 += 1;
        let magnitude = self.0.ilog10();
        self.0 == 10_u64.pow(magnitude)
    }
}

fn cased(dir: Direction, letter: char) -> char {
    match dir {
        Direction::Orig => letter.to_ascii_uppercase(),
        Direction::Resp => letter.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_letters_are_cased_by_side_and_come_once() {
        let mut history = History::default();
        history.add_once(Direction::Orig, 'd');
        history.add_once(Direction::Orig, 'd');
        history.add_once(Direction::Resp, 'd');
        assert_eq!(history.letters(), "Dd");
    }

    #[test]
    fn test_repetitions_are_marked_at_powers_of_ten() {
        let mut scaled = Scaled::default();
        let marks = (1..=1_000).filter(|_| scaled.is_mark());
        assert_eq!(marks.collect::<Vec<_>>(), [1, 10, 100, 1_000]);
    }

    #[test]
    fn test_the_same_number_is_no_news() {
        let mut numbered = Numbered::default();
        let news = [5, 5, 6, 5].map(|seq| numbered.is_new(SeqNumber(seq)));
        assert_eq!(news, [true, false, true, true]);
    }
}

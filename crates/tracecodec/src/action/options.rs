//! TCP option profiles: layouts of the options area, numbered by a dictionary.
//!
//! A layout is the options area in which everything that varies within a connection is set to zero:
//! timestamps, SACK edges, cookies and the bodies of unknown options. Kinds, lengths, MSS, window
//! scale and the subtype of Multipath TCP stay (RFC 9293 section 3.1, RFC 7323, RFC 2018, RFC
//! 8684).

use std::collections::HashMap;
use std::fmt;

use super::mptcp;
use crate::error::Error;

/// Length of the longest options area (data offset 15).
pub const MAX_OPTIONS: usize = 40;

/// Number of padding profiles: profiles 0 to 10 are 0 to 10 words of NOP. Dictionary entries
/// follow.
pub const PADDING_PROFILES: usize = 11;

/// One option as it lies in an options area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpOption<'a> {
    /// End of option list (kind 0); everything after it is padding.
    End,
    /// No operation (kind 1).
    Nop,
    /// Maximum segment size (kind 2).
    Mss(u16),
    /// Window scale (kind 3).
    WindowScale(u8),
    /// SACK permitted (kind 4).
    SackPermitted,
    /// SACK (kind 5) with the bytes of its blocks.
    Sack(&'a [u8]),
    /// Timestamps (kind 8): value and echo reply.
    Timestamps(u32, u32),
    /// Any other kind, with its body.
    Other(u8, &'a [u8]),
}

/// Walks an options area. Yields each option with its offset and length. Ends at the end-of-list
/// option, at the end of the area, or at the first byte that is not a well-formed option.
#[derive(Debug, Clone)]
pub struct OptionIter<'a> {
    area: &'a [u8],
    at: usize,
}

impl<'a> OptionIter<'a> {
    /// An iterator that starts at the beginning of `area`.
    pub fn new(area: &'a [u8]) -> Self {
        Self { area, at: 0 }
    }
}

impl<'a> Iterator for OptionIter<'a> {
    type Item = (usize, usize, TcpOption<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.area.get(self.at..)?;
        let (len, option) = match *rest {
            [0, ..] => (rest.len(), TcpOption::End),
            [1, ..] => (1, TcpOption::Nop),
            [2, 4, a, b, ..] => (4, TcpOption::Mss(u16::from_be_bytes([a, b]))),
            [3, 3, shift, ..] => (3, TcpOption::WindowScale(shift)),
            [4, 2, ..] => (2, TcpOption::SackPermitted),
            [8, 10, a, b, c, d, e, f, g, h, ..] => (
                10,
                TcpOption::Timestamps(
                    u32::from_be_bytes([a, b, c, d]),
                    u32::from_be_bytes([e, f, g, h]),
                ),
            ),
            [5, len, ..] if len >= 10 && (len - 2) % 8 == 0 => {
                (len.into(), TcpOption::Sack(rest.get(2..len.into())?))
            }
            [2 | 3 | 4 | 5 | 8, ..] => return None,
            [kind, len, ..] if len >= 2 => {
                (len.into(), TcpOption::Other(kind, rest.get(2..len.into())?))
            }
            _ => return None,
        };
        let at = self.at;
        self.at += len;
        Some((at, len, option))
    }
}

/// Number of leading bytes of an option other than the named ones that belong to its layout; all
/// others are 0 there. `None` if the option is malformed, or would be with zeros for a body: the
/// selective negative acknowledgment of SCPS has no holes of size 0.
fn layout_len(option: &[u8]) -> Option<usize> {
    let len = option.len();
    let is_legal = match option[0] {
        mptcp::KIND => return mptcp::layout_len(option),
        // Echoes (RFC 1072), T/TCP (RFC 1644).
        6 | 7 | 11..=13 => len == 6,
        // MD5 signature (RFC 2385).
        19 => len == 18,
        // SCPS capabilities, user timeout (RFC 5482).
        20 | 28 => len == 4,
        21 => len != 6,
        // Authentication (RFC 5925), experiments (RFC 6994).
        29 | 253 | 254 => len >= 4,
        // Fast Open (RFC 7413).
        34 => len == 2 || len.is_multiple_of(2) && (6..=18).contains(&len),
        _ => true,
    };
    is_legal.then_some(2)
}

/// A layout of the options area: at most [`MAX_OPTIONS`] bytes, and a multiple of four.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct OptionLayout {
    bytes: [u8; MAX_OPTIONS],
    len: u8,
}

impl OptionLayout {
    /// A layout of `words` times four bytes of NOP.
    pub fn padding(words: usize) -> Self {
        let len = (4 * words).min(MAX_OPTIONS);
        let mut bytes = [0; MAX_OPTIONS];
        bytes[..len].fill(1);
        Self {
            bytes,
            len: len as u8,
        }
    }

    /// The layout of an options area as captured. Bytes that are not a well-formed option, or an
    /// option that would be malformed with zeros for a body, count as NOP. An area that is too
    /// long, or not a multiple of four, is cut.
    pub fn of(area: &[u8]) -> Self {
        let mut layout = Self::padding(area.len() / 4);
        let area = &area[..layout.len.into()];
        for (at, len, option) in OptionIter::new(area) {
            let body = &mut layout.bytes[at..at + len];
            match option {
                TcpOption::Nop => {}
                TcpOption::End => body.fill(0),
                TcpOption::Mss(_) | TcpOption::WindowScale(_) => {
                    body.copy_from_slice(&area[at..at + len])
                }
                TcpOption::SackPermitted | TcpOption::Sack(_) | TcpOption::Timestamps(..) => {
                    body.fill(0);
                    body[..2].copy_from_slice(&area[at..at + 2]);
                }
                TcpOption::Other(..) => {
                    if let Some(kept) = layout_len(&area[at..at + len]) {
                        body.fill(0);
                        body[..kept].copy_from_slice(&area[at..at + kept]);
                    }
                }
            }
        }
        layout
    }

    /// The options area, with zeros in place of values that vary.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len.into()]
    }

    /// The options of the layout, with offset and length.
    pub fn options(&self) -> OptionIter<'_> {
        OptionIter::new(self.bytes())
    }
}

impl fmt::Display for OptionLayout {
    /// The names of the options in order, as in `mss 1460, nop, window scale 7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (_, len, option)) in self.options().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            match option {
                TcpOption::End => write!(f, "end of list ({len} bytes)")?,
                TcpOption::Nop => f.write_str("nop")?,
                TcpOption::Mss(mss) => write!(f, "mss {mss}")?,
                TcpOption::WindowScale(shift) => write!(f, "window scale {shift}")?,
                TcpOption::SackPermitted => f.write_str("sack permitted")?,
                TcpOption::Sack(blocks) => write!(f, "sack {}", blocks.len() / 8)?,
                TcpOption::Timestamps(..) => f.write_str("timestamps")?,
                TcpOption::Other(kind, body) => {
                    write!(f, "kind {kind} ({} bytes)", body.len() + 2)?
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for OptionLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

/// The dictionary of layouts, which `tcp_opt_profile` refers to.
///
/// Profiles 0 to 10 are 0 to 10 words of NOP: the fallback, by header length, for layouts that the
/// dictionary lacks.
#[derive(Debug, Clone)]
pub struct OptionProfiles {
    layouts: Vec<OptionLayout>,
    index: HashMap<OptionLayout, u16>,
    /// The profile that was interned last: packets of one kind come in runs.
    latest: u16,
    frozen: bool,
}

impl Default for OptionProfiles {
    fn default() -> Self {
        Self::new()
    }
}

impl OptionProfiles {
    /// Largest number of profiles: the vocabulary of `tcp_opt_profile`.
    pub const CAPACITY: usize = 1 << 12;

    /// A dictionary that learns: [`OptionProfiles::intern`] adds new layouts as long as there is
    /// room.
    pub fn new() -> Self {
        let mut profiles = Self {
            layouts: Vec::new(),
            index: HashMap::new(),
            latest: 0,
            frozen: false,
        };
        for words in 0..PADDING_PROFILES {
            profiles.push(OptionLayout::padding(words));
        }
        profiles
    }

    /// Stops learning: unknown layouts become padding of equal length.
    pub fn freeze(mut self) -> Self {
        self.frozen = true;
        self
    }

    /// Resumes learning: unknown layouts get the next free numbers.
    pub fn thaw(mut self) -> Self {
        self.frozen = false;
        self
    }

    /// Whether every profile of `other` has the same layout in this dictionary.
    pub fn extends(&self, other: &Self) -> bool {
        self.layouts.starts_with(&other.layouts)
    }

    fn push(&mut self, layout: OptionLayout) -> u16 {
        let profile = self.layouts.len() as u16;
        self.layouts.push(layout);
        self.index.entry(layout).or_insert(profile);
        profile
    }

    /// Number of profiles, padding included.
    pub fn count(&self) -> usize {
        self.layouts.len()
    }

    /// The profile of a layout. An unknown layout becomes a new entry or, without room, the padding
    /// of equal length.
    pub fn intern(&mut self, layout: OptionLayout) -> u16 {
        if self.layouts[usize::from(self.latest)] == layout {
            return self.latest;
        }
        self.latest = self.find_or_add(layout);
        self.latest
    }

    fn find_or_add(&mut self, layout: OptionLayout) -> u16 {
        if let Some(&profile) = self.index.get(&layout) {
            return profile;
        }
        if self.frozen || self.layouts.len() == Self::CAPACITY {
            return u16::from(layout.len / 4);
        }
        self.push(layout)
    }

    /// The layout of a profile; `None` for a number that the dictionary lacks.
    pub fn layout(&self, profile: u16) -> Option<&OptionLayout> {
        self.layouts.get(usize::from(profile))
    }

    /// Length of the options area of a profile; 0 for a number that the dictionary lacks.
    pub fn options_len(&self, profile: u16) -> usize {
        self.layout(profile)
            .map_or(0, |layout| layout.bytes().len())
    }

    /// The learned entries (profiles 11 and up) as hexadecimal options areas, for manifests.
    pub fn to_hex(&self) -> Vec<String> {
        self.layouts[PADDING_PROFILES..]
            .iter()
            .map(|layout| {
                layout
                    .bytes()
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect()
            })
            .collect()
    }

    /// Reads what [`OptionProfiles::to_hex`] wrote; the result is frozen.
    ///
    /// # Errors
    /// If an entry is not an options area, or there are too many entries.
    pub fn from_hex(entries: &[String]) -> Result<Self, Error> {
        if entries.len() + PADDING_PROFILES > Self::CAPACITY {
            return Err(Error::TooManyProfiles {
                found: entries.len(),
                most: Self::CAPACITY,
            });
        }
        let mut profiles = Self::new();
        for (i, entry) in entries.iter().enumerate() {
            let bytes: Option<Vec<u8>> = (0..entry.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(entry.get(at..at + 2)?, 16).ok())
                .collect();
            match bytes {
                Some(bytes) if bytes.len() <= MAX_OPTIONS && bytes.len() % 4 == 0 => {
                    profiles.push(OptionLayout::of(&bytes));
                }
                _ => return Err(Error::OptionProfile(PADDING_PROFILES + i)),
            }
        }
        Ok(profiles.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SYN: &[u8] = &[
        2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7,
    ];

    #[test]
    fn test_layout_keeps_mss_and_scale_and_forgets_timestamps() {
        let layout = OptionLayout::of(SYN);
        assert_eq!(
            layout.to_string(),
            "mss 1460, sack permitted, timestamps, nop, window scale 7"
        );
        assert_eq!(layout.bytes()[8..16], [0; 8]);
    }

    #[test]
    fn test_malformed_rest_is_padding() {
        assert_eq!(OptionLayout::of(&[1, 1, 8, 0]), OptionLayout::padding(1));
        assert_eq!(OptionLayout::of(&[1, 1, 254, 30]), OptionLayout::padding(1));
    }

    #[test]
    fn test_malformed_option_is_padding_and_the_next_stays() {
        let area = [20, 3, 0x50, 1, 2, 4, 5, 180];
        assert_eq!(
            OptionLayout::of(&area),
            OptionLayout::of(&[1, 1, 1, 1, 2, 4, 5, 180])
        );
    }

    #[test]
    fn test_subtype_and_flags_of_multipath_tcp_stay() {
        let dss = [30, 18, 0x20, 0x05, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9];
        let layout = OptionLayout::of(&[&[1, 1], &dss[..]].concat());
        assert_eq!(layout.bytes()[..6], [1, 1, 30, 18, 0x20, 0x05]);
        assert_eq!(layout.bytes()[6..], [0; 14]);
        let prio = [30, 4, 0x51, 9];
        assert_eq!(OptionLayout::of(&prio).bytes(), [30, 4, 0x51, 0]);
        // A mapping of eight bytes does not fit.
        let contradiction = [&[1, 1, 30, 18, 0x20, 0x0d], &dss[4..]].concat();
        assert_eq!(OptionLayout::of(&contradiction), OptionLayout::padding(5));
    }

    #[test]
    fn test_full_dictionary_falls_back_by_length() {
        let mut profiles = OptionProfiles::new();
        for mss in 0..5000u16 {
            let [a, b] = mss.to_be_bytes();
            profiles.intern(OptionLayout::of(&[2, 4, a, b]));
        }
        assert_eq!(profiles.intern(OptionLayout::of(&[2, 4, 99, 99])), 1);
        assert_eq!(profiles.intern(OptionLayout::of(&[2, 4, 0, 5])), 11 + 5);
    }

    #[test]
    fn test_hex_round_trip() {
        let mut profiles = OptionProfiles::new();
        let profile = profiles.intern(OptionLayout::of(SYN));
        let back = OptionProfiles::from_hex(&profiles.to_hex()).unwrap();
        assert_eq!(back.layout(profile), Some(&OptionLayout::of(SYN)));
        let bad = ["020".to_string()];
        assert!(matches!(
            OptionProfiles::from_hex(&bad),
            Err(Error::OptionProfile(11))
        ));
    }

    proptest! {
        #[test]
        fn test_layout_is_idempotent(area in proptest::collection::vec(any::<u8>(), 0..64)) {
            let layout = OptionLayout::of(&area);
            prop_assert_eq!(layout, OptionLayout::of(layout.bytes()));
        }
    }
}

//! What an artifact discloses of the captures that it was made from, beside the traffic itself.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tracecodec::artifact::SourceEntry;
use tracecodec::pcap::Timestamp;
use tracecodec::select::TimeBound;

use crate::files::writer::Origin;

/// Start of a trace whose date is not disclosed, or that was never captured: 2026-01-01.
pub const NEUTRAL_EPOCH: Timestamp = Timestamp(1_767_225_600_000_000_000);

/// What is disclosed of the captures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Disclosure {
    /// Name no file, no digest and no date of a capture in what is written: traces then begin on
    /// 2026-01-01, unless `epoch` says otherwise.
    pub anonymous: bool,
    /// Time of the first packet, instead of the capture's: RFC 3339, seconds since 1970, or
    /// `+SECONDS` after the capture's.
    pub epoch: Option<TimeBound>,
}

impl Disclosure {
    /// The time of the first packet in what is written; `None` if there is no packet.
    pub fn epoch(&self, captured: Option<Timestamp>) -> Option<Timestamp> {
        let captured = captured?;
        let begin = if self.anonymous {
            NEUTRAL_EPOCH
        } else {
            captured
        };
        Some(self.epoch.map_or(begin, |epoch| epoch.of_capture(begin)))
    }

    /// What a synthetic capture says that it was made from.
    pub fn origin<'a>(&self, file: &'a Path) -> Origin<'a> {
        if self.anonymous {
            Origin::Undisclosed
        } else {
            Origin::File(file)
        }
    }

    /// The entries of captures in what is written, in order.
    pub fn sources(&self, sources: Vec<SourceEntry>) -> Vec<SourceEntry> {
        if !self.anonymous {
            return sources;
        }
        let anonymous = |(number, source): (usize, SourceEntry)| SourceEntry {
            name: format!("capture {number}"),
            blake3: String::new(),
            damage: source.damage.map(|_| "damaged".to_string()),
            selection: None,
            ..source
        };
        (1..).zip(sources).map(anonymous).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracecodec::select::Selection;
    use tracecodec::wire::Tunnels;

    fn source() -> SourceEntry {
        SourceEntry {
            name: "secret-site.pcap".to_string(),
            blake3: "ab12".to_string(),
            bytes: 3,
            packets: 1,
            damage: Some("secret-site.pcap: packet 2: cut".to_string()),
            selection: Some(Selection {
                filter: Some("host 192.0.2.7".parse().unwrap()),
                ..Selection::default()
            }),
            tunnels: Tunnels::Outer,
        }
    }

    #[test]
    fn test_anonymous_artifacts_name_neither_file_nor_digest_nor_date() {
        let anonymous = Disclosure {
            anonymous: true,
            epoch: None,
        };
        let text = serde_json::to_string(&anonymous.sources(vec![source(), source()])).unwrap();
        assert!(!text.contains("secret") && !text.contains("ab12"), "{text}");
        assert!(!text.contains("192.0.2.7"), "{text}");
        assert!(text.contains("capture 1") && text.contains("capture 2"));
        assert_eq!(anonymous.epoch(Some(Timestamp(5))), Some(NEUTRAL_EPOCH));
        assert_eq!(anonymous.epoch(None), None);
    }

    #[test]
    fn test_a_relative_epoch_does_not_disclose_the_date() {
        let epoch = Some(TimeBound::AfterStart(5));
        let anonymous = Disclosure {
            anonymous: true,
            epoch,
        };
        let disclosed = anonymous.epoch(Some(Timestamp(7)));
        assert_eq!(disclosed, Some(Timestamp(NEUTRAL_EPOCH.0 + 5)));
        let open = Disclosure {
            anonymous: false,
            epoch,
        };
        assert_eq!(open.epoch(Some(Timestamp(7))), Some(Timestamp(12)));
    }

    #[test]
    fn test_a_given_epoch_wins() {
        let given = Disclosure {
            anonymous: true,
            epoch: Some(TimeBound::At(Timestamp(7))),
        };
        assert_eq!(given.epoch(Some(Timestamp(5))), Some(Timestamp(7)));
        let open = Disclosure::default();
        assert_eq!(open.epoch(Some(Timestamp(5))), Some(Timestamp(5)));
        assert_eq!(open.sources(vec![source()])[0].name, "secret-site.pcap");
    }
}

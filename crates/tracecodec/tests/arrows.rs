//! Holds the map of `lib.rs`: a stage uses only what the table allows, and the table has no cycle.

#[path = "common/circles.rs"]
mod circles;
#[path = "common/arrows.rs"]
mod map;

use std::path::Path;

/// Each stage and what it may use. Every arrow points to a row above.
///
/// Lift and compile never see each other: what they must agree on lives once, in `tcp` and
/// `action`. The raw packet table sees neither flows nor connections nor the compiler, so that its
/// renderer cannot repair a row by any state (the paper, C.3).
const ARROWS: &map::Arrows = &[
    ("error", &[]),
    ("choice", &[]),
    ("output", &[]),
    ("action", &["choice", "error"]),
    ("service", &["action"]),
    ("pcap", &["error", "output"]),
    ("select", &["error", "pcap"]),
    ("tcp", &["action"]),
    ("wire", &["action", "choice", "pcap", "tcp"]),
    ("check", &["action", "pcap", "tcp", "wire"]),
    ("raw", &["action", "choice", "error", "pcap", "wire"]),
    ("flow", &["action", "pcap", "tcp", "wire"]),
    (
        "lift",
        &["action", "flow", "pcap", "service", "tcp", "wire"],
    ),
    (
        "compile",
        &["action", "choice", "pcap", "service", "tcp", "wire"],
    ),
    (
        "oracle",
        &[
            "action", "compile", "flow", "lift", "pcap", "service", "tcp", "wire",
        ],
    ),
    (
        "artifact",
        &[
            "action", "choice", "error", "lift", "output", "pcap", "select", "wire",
        ],
    ),
    (
        "conn",
        &[
            "action", "artifact", "error", "flow", "output", "pcap", "service", "tcp", "wire",
        ],
    ),
    (
        "metrics",
        &[
            "action", "artifact", "conn", "error", "flow", "pcap", "service", "tcp", "wire",
        ],
    ),
    (
        "audit",
        &[
            "action", "compile", "flow", "oracle", "pcap", "service", "tcp", "wire",
        ],
    ),
    (
        "shard",
        &[
            "action", "artifact", "choice", "error", "flow", "output", "pcap", "wire",
        ],
    ),
];

#[test]
fn test_imports_follow_the_arrows() {
    map::check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), ARROWS);
}

#[test]
fn test_no_files_need_each_other() {
    circles::check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
}

//! Holds the map of `lib.rs`: a stage uses only what the table allows, and the table has no cycle.

#[path = "../../tracecodec/tests/common/arrows.rs"]
mod map;

use std::path::Path;

/// Each stage and what it may use. Every arrow points to a row above.
///
/// Drawing knows no word of networks or captures; verbs use everything and are used by nothing.
const ARROWS: &map::Arrows = &[
    ("error", &[]),
    ("monitor", &["error"]),
    ("testing", &["monitor"]),
    ("plot", &[]),
    ("lifting", &["error", "monitor", "testing"]),
    ("realise", &["error"]),
    ("model", &["error", "monitor", "testing"]),
    ("files", &["error", "monitor", "testing"]),
    ("disclosure", &["files"]),
    ("frame", &["error", "files", "monitor"]),
    ("settings", &["error", "files"]),
    ("jobs", &["error", "monitor"]),
    ("training", &["error", "files", "monitor"]),
    ("report", &["error", "plot"]),
    ("tools", &["error", "files", "monitor", "testing"]),
    ("dataset", &["disclosure", "error", "files", "monitor"]),
    (
        "comparison",
        &["error", "files", "jobs", "monitor", "tools"],
    ),
    ("classifier", &["error", "jobs", "monitor"]),
    (
        "run",
        &[
            "classifier",
            "comparison",
            "dataset",
            "disclosure",
            "error",
            "files",
            "jobs",
            "lifting",
            "model",
            "monitor",
            "plot",
            "realise",
            "report",
            "settings",
            "testing",
            "tools",
            "training",
        ],
    ),
];

#[test]
fn test_imports_follow_the_arrows() {
    map::check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), ARROWS);
}

//! Holds the map of the crate: a file uses only what the table allows, and the table has no cycle.

#[path = "../../tracecodec/tests/common/arrows.rs"]
mod map;

use std::path::Path;

/// Each file and what it may use. Every arrow points to a row above. An operation knows tensors and
/// the tape, and no other operation but the product of matrices.
const ARROWS: &map::Arrows = &[
    ("pool", &[]),
    ("functions", &[]),
    ("lanes", &["functions"]),
    ("device", &[]),
    ("tape", &["pool"]),
    ("tensor", &["device", "pool", "tape"]),
    ("module", &["tensor"]),
    ("gradient", &["module", "tape", "tensor"]),
    ("maps", &["device", "functions", "pool", "tape", "tensor"]),
    (
        "arithmetic",
        &["device", "functions", "lanes", "pool", "tape", "tensor"],
    ),
    ("reduce", &["device", "tape", "tensor"]),
    ("shape", &["device", "tape", "tensor"]),
    ("linear", &["functions", "pool", "tape", "tensor"]),
    (
        "norm",
        &["functions", "lanes", "linear", "pool", "tape", "tensor"],
    ),
    (
        "attention",
        &["functions", "lanes", "linear", "pool", "tape", "tensor"],
    ),
    ("embedding", &["functions", "pool", "tape", "tensor"]),
    ("likelihood", &["functions", "lanes", "tape", "tensor"]),
    ("recurrence", &["pool", "tape", "tensor"]),
    (
        "nodes",
        &["device", "functions", "lanes", "pool", "tape", "tensor"],
    ),
    ("layers", &["device", "linear", "module", "norm", "tensor"]),
];

#[test]
fn test_imports_follow_the_arrows() {
    map::check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), ARROWS);
}

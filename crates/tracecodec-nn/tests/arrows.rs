//! Holds the map of `lib.rs`: a stage uses only what the table allows, and the table has no cycle.

#[path = "../../tracecodec/tests/common/arrows.rs"]
mod map;

use std::path::Path;

/// Each stage and what it may use. Every arrow points to a row above.
///
/// Errors stand at the bottom: whatever fails can say so. The training loop knows no model: codec,
/// baselines and generators are tasks that they hand to it.
const ARROWS: &map::Arrows = &[
    ("error", &[]),
    ("parallel", &["error"]),
    ("random", &[]),
    ("accuracy", &[]),
    ("device", &["error"]),
    ("files", &["error"]),
    ("layers", &["random"]),
    ("weights", &["error"]),
    ("latents", &["error", "files", "random", "weights"]),
    (
        "model",
        &["device", "error", "files", "parallel", "weights"],
    ),
    (
        "train",
        &[
            "device", "error", "files", "model", "parallel", "random", "weights",
        ],
    ),
    (
        "codec",
        &[
            "accuracy", "device", "error", "latents", "layers", "model", "parallel", "random",
            "train", "weights",
        ],
    ),
    (
        "baseline",
        &[
            "device", "error", "layers", "model", "parallel", "random", "train", "weights",
        ],
    ),
    (
        "generator",
        &[
            "codec", "device", "error", "files", "latents", "layers", "model", "parallel",
            "random", "train", "weights",
        ],
    ),
    (
        "stored",
        &["codec", "error", "files", "generator", "latents"],
    ),
    (
        "probe",
        &["accuracy", "codec", "error", "latents", "random"],
    ),
];

#[test]
fn test_imports_follow_the_arrows() {
    map::check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), ARROWS);
}

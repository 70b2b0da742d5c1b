//! Holds the command line's map: arguments and words at the bottom, commands above them, and the
//! root, which alone knows all commands.

#[path = "../../tracecodec/tests/common/arrows.rs"]
mod map;

use std::path::Path;

/// Each file or folder and what it may use. Every arrow points to a row above.
const ARROWS: &map::Arrows = &[
    ("choice", &[]),
    ("stderr", &[]),
    ("failure", &["stderr"]),
    ("interrupt", &[]),
    ("count", &[]),
    ("output", &["failure", "stderr"]),
    ("evaluation", &["output"]),
    ("terminal", &["failure", "interrupt", "stderr"]),
    ("args", &["choice", "count"]),
    ("generator_args", &["choice"]),
    ("training_args", &["count"]),
    (
        "commands",
        &[
            "args",
            "choice",
            "count",
            "evaluation",
            "failure",
            "generator_args",
            "output",
            "stderr",
            "terminal",
            "training_args",
        ],
    ),
    ("cli", &["commands", "failure"]),
    ("main", &[]),
];

#[test]
fn test_imports_follow_the_arrows() {
    map::check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), ARROWS);
}

/// No command calls a sibling: what two commands share lies below them.
#[test]
fn test_commands_call_no_sibling() {
    let commands = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/commands");
    let mut wrong = Vec::new();
    for file in map::sources(&commands) {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            if line.contains("crate::commands")
                || line.contains("super::") && !line.contains("use super::*;")
            {
                wrong.push(format!("{}: {line}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

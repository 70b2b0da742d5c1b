//! Interruption: work stops at the next packet, so that half-written files are removed on the way
//! out.

use std::sync::atomic::{AtomicBool, Ordering};

/// Exit code of an interrupted program, as shells have it for SIGINT.
const INTERRUPTED_EXIT: i32 = 130;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Takes note of SIGINT and SIGTERM. A second one ends the program at once.
pub(crate) fn install() {
    let handler = || {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED_EXIT);
        }
    };
    // Without a handler an interruption ends the program as it always did.
    let _ = ctrlc::set_handler(handler);
}

/// Whether the program is asked to stop.
pub(crate) fn is_wanted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

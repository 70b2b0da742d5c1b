//! Names of choices are the same in settings and on the command line.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "common/choices.rs"]
mod names;

use names::check;
use tracecodec::compile::Link;
use tracecodec::raw::Schema;
use tracecodec::shard::Split;
use tracecodec::wire::Tunnels;

#[test]
fn test_names_of_choices_are_those_of_settings() {
    check::<Link>();
    check::<Schema>();
    check::<Split>();
    check::<Tunnels>();
}

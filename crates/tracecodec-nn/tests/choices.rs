//! Names of choices are the same in settings and on the command line.

#[path = "../../tracecodec/tests/common/choices.rs"]
mod names;

use names::check;
use tracecodec_nn::baseline::{Model, VocabularyRows};
use tracecodec_nn::generator::Method;
use tracecodec_nn::generator::flow_matching::Preset;
use tracecodec_nn::{Device, EncoderKind, TokenLayout};

#[test]
fn test_names_of_choices_are_those_of_settings() {
    check::<Device>();
    check::<EncoderKind>();
    check::<Method>();
    check::<Model>();
    check::<Preset>();
    check::<TokenLayout>();
    check::<VocabularyRows>();
}

//! Random actions, and dictionaries of option layouts for them.

use proptest::collection::vec;
use proptest::prelude::*;
use tracecodec::action::schema::{QUANTITIES, Quantity, Vocabulary};
use tracecodec::action::{Action, OptionLayout, OptionProfiles};

const SECOND: i64 = 1_000_000_000;

/// Slots of a random sequence: few, so that their state matters.
const SLOTS: u32 = 5;

/// Host slots of a random sequence.
const HOSTS: u16 = 6;

/// Longest payload of a random sequence.
const LONGEST: u32 = 100_000;

/// A random value of a quantity: any class, or a number of any magnitude.
fn set(action: &mut Action, quantity: &Quantity, value: u32, magnitude: u32) {
    let value = match quantity.vocabulary {
        Vocabulary::Classes(n) => value % u32::from(n),
        Vocabulary::Digits(_) => (value >> magnitude) & quantity.vocabulary.max(),
    };
    (quantity.set)(action, value);
}

/// Few slots and hosts, so that they are met again.
fn bound(action: &mut Action) {
    action.flow_token %= SLOTS;
    action.icmp_quote_token %= SLOTS;
    action.orig_host %= HOSTS;
    action.resp_host %= HOSTS;
    action.icmp_param %= 2 * HOSTS;
    action.l4_payload_len %= LONGEST;
}

/// A time step: mostly short, sometimes backwards, sometimes long enough for a slot to be given
/// back.
pub(crate) fn delta_t() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 0..SECOND,
        1 => -SECOND..0,
        1 => 50 * SECOND..400 * SECOND,
        1 => -400 * SECOND..200_000 * SECOND,
    ]
}

/// Any action: every quantity random, those that its protocol does not use included.
pub(crate) fn action() -> impl Strategy<Value = Action> {
    let values = vec((any::<u32>(), 0u32..32), QUANTITIES.len());
    (values, delta_t()).prop_map(|(values, delta_t)| {
        let mut action = Action {
            delta_t,
            ..Action::default()
        };
        for (quantity, (value, magnitude)) in QUANTITIES.iter().zip(values) {
            set(&mut action, quantity, value, magnitude);
        }
        bound(&mut action);
        action
    })
}

/// Actions in which some quantities are replaced by random values.
pub(crate) fn mutated(actions: Vec<Action>) -> impl Strategy<Value = Vec<Action>> {
    let places = 0..actions.len().max(1);
    let mutation = (places, 0..QUANTITIES.len(), any::<u32>(), 0u32..32);
    vec(mutation, 0..10).prop_map(move |mutations| {
        let mut actions = actions.clone();
        for (place, quantity, value, magnitude) in mutations {
            if let Some(action) = actions.get_mut(place) {
                set(action, &QUANTITIES[quantity], value, magnitude);
                bound(action);
            }
        }
        actions
    })
}

/// An options area: well-formed options of any kind, or any bytes.
pub(crate) fn options() -> impl Strategy<Value = Vec<u8>> {
    let option = prop_oneof![
        Just(vec![1]),
        Just(vec![4, 2]),
        (0u16..9000).prop_map(|mss| [&[2, 4][..], &mss.to_be_bytes()].concat()),
        any::<u8>().prop_map(|shift| vec![3, 3, shift]),
        vec(any::<u8>(), 8).prop_map(|body| [&[8, 10][..], &body].concat()),
        (1usize..4)
            .prop_map(|blocks| [vec![5, 8 * blocks as u8 + 2], vec![9; 8 * blocks]].concat()),
        (any::<u8>(), vec(any::<u8>(), 0..20)).prop_map(|(kind, body)| [
            &[kind, body.len() as u8 + 2][..],
            &body
        ]
        .concat()),
    ];
    let options = vec(option, 0..6).prop_map(|options| {
        let mut area = options.concat();
        area.resize(area.len().next_multiple_of(4), 1);
        area.truncate(40);
        area
    });
    let bytes = (0usize..=10).prop_flat_map(|words| vec(any::<u8>(), 4 * words));
    prop_oneof![3 => options, 1 => bytes]
}

/// A dictionary of some options areas.
pub(crate) fn profiles() -> impl Strategy<Value = OptionProfiles> {
    vec(options(), 0..260).prop_map(|areas| {
        let mut profiles = OptionProfiles::new();
        for area in areas {
            profiles.intern(OptionLayout::of(&area));
        }
        profiles
    })
}

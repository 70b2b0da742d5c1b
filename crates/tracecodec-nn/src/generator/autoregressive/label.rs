//! Which label a trace has that came with none: the one under which its openings are likeliest.

use tracecodec::action::Action;

use super::courses::{opens, start};
use super::events::Unacknowledged;
use super::legal::Legal;
use super::past::Past;
use super::process::Memory;
use super::superposition::input;
use super::{Autoregressive, OPENINGS};

/// Nats that a label may be behind the likeliest one: farther behind, it is out of the question.
const BEHIND: f64 = 50.0;

/// A label that the trace may have.
struct Hypothesis {
    label: u8,
    memory: Memory,
    /// What it costs to tell the openings so far, if this is the label.
    nats: f64,
}

impl Autoregressive {
    /// Number of the label, of those that training traces had, under which the openings of a trace are likeliest; 0 is none, which counts if
    /// traces had none, and is what a trace without openings has.
    pub(super) fn likeliest_label(&self, trace: &[Action]) -> u8 {
        let events = &self.events;
        let legal = Legal::new(events, true);
        let openings = &self.samplers()[OPENINGS];
        let hypothesis = |label| {
            let mut memory = Memory::default();
            openings.take(&mut memory, &start(events, label));
            Hypothesis {
                label,
                memory,
                nats: 0.0,
            }
        };
        let known = (0..).zip(&self.rates).filter(|(_, rate)| rate.is_some());
        let mut hypotheses: Vec<_> = known.map(|(label, _)| hypothesis(label)).collect();
        let mut past = Past::default();
        past.take(&start(events, 0)[..events.len()], events);
        let (mut clock, mut opened) = (0_i64, 0);
        let mut likeliest = 0;
        for action in trace {
            clock = clock.saturating_add(action.delta_t.max(0));
            if !opens(action) {
                continue;
            }
            let opening = Action {
                delta_t: clock - opened,
                ..*action
            };
            opened = clock;
            let mut row = input(events, &opening, Unacknowledged::default(), 0);
            for hypothesis in &mut hypotheses {
                let choice = |symbol: usize, row: &[u8]| legal.choice(symbol, row, &past, None);
                hypothesis.nats += openings.cost(&hypothesis.memory, &row, choice);
                *row.last_mut().expect("a row ends with its label") = hypothesis.label;
                openings.take(&mut hypothesis.memory, &row);
            }
            past.take(&row[..events.len()], events);
            hypotheses.sort_by(|a, b| a.nats.total_cmp(&b.nats));
            let Some(Hypothesis { label, nats, .. }) = hypotheses.first() else {
                break;
            };
            likeliest = *label;
            let most = nats + BEHIND;
            hypotheses.retain(|hypothesis| hypothesis.nats <= most);
            if hypotheses.len() == 1 {
                break;
            }
        }
        likeliest
    }
}

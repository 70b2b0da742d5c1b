//! The label of a trace that came without one: the label under which its openings are likeliest.

use tracecodec::action::{Action, FlowEvent};

use super::event_sequences::{opens, start};
use super::events::Unacknowledged;
use super::hosts::Hosts;
use super::legal::Legal;
use super::past::Past;
use super::process::Memory;
use super::superposition::input;
use super::{Autoregressive, OPENINGS};

/// Nats by which a label may be less likely than the likeliest one before it is dropped.
const BEHIND: f64 = 50.0;

/// A label that the trace may have.
struct Hypothesis {
    label: u8,
    memory: Memory,
    /// Negative log-likelihood of the openings so far under this label, in nats.
    nats: f64,
}

impl Autoregressive {
    /// Number of the training label under which the openings of a trace are likeliest. Number 0, no
    /// label, is a candidate if there were training traces without a label, and is the result for a
    /// trace without openings.
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
        past.take(events.of_opening(&start(events, 0)), events);
        let mut hosts = Hosts::default();
        let (mut clock, mut opened) = (0_i64, 0);
        let mut likeliest = 0;
        for action in trace {
            clock = clock.saturating_add(action.delta_t.max(0));
            if action.flow_evt != FlowEvent::Open {
                continue;
            }
            let links = hosts.links(action);
            hosts.take(action);
            if !opens(action) {
                continue;
            }
            let opening = Action {
                delta_t: clock - opened,
                ..*action
            };
            opened = clock;
            let links = &links[..events.links()];
            let mut row = input(events, &opening, links, Unacknowledged::default(), 0);
            for hypothesis in &mut hypotheses {
                let choice = |symbol: usize, row: &[u8]| legal.choice(symbol, row, &past, None);
                hypothesis.nats += openings.cost(&hypothesis.memory, &row, choice);
                *row.last_mut().expect("a row ends with its label") = hypothesis.label;
                openings.take(&mut hypothesis.memory, &row);
            }
            past.take(events.of_opening(&row), events);
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

//! Verdict on a trained model that is of no use.

/// A warning about a model whose training ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Why the model is of no use, by its best validation.
    pub reason: String,
    /// What to try.
    pub hint: String,
}

impl Verdict {
    /// The verdict on a model whose loss is not below that of a guess; `None` if it is below.
    /// `unit` is the unit of the losses, such as ` nats a packet`, or empty.
    pub(crate) fn of_loss(loss: f64, guessing: f64, unit: &str, hint: String) -> Option<Self> {
        // A loss that is NaN counts as not below.
        let is_better = loss < guessing;
        (!is_better).then(|| Self {
            reason: format!(
                "the best validation has a loss of {}{unit}, and guessing {}: the training diverged, or had hardly begun",
                short(loss),
                short(guessing)
            ),
            hint,
        })
    }
}

/// What to try if the learning rate can be set.
pub(crate) fn rate_hint(learning_rate: f64) -> String {
    format!("lower learning_rate ({learning_rate}), or train for longer")
}

/// A loss in few digits.
fn short(loss: f64) -> String {
    if loss.abs() >= 1e6 {
        format!("{loss:.1e}")
    } else if loss.abs() >= 100.0 {
        format!("{loss:.0}")
    } else {
        format!("{loss:.2}")
    }
}

//! Solvers of the flow's differential equation dx/dt = v(x, t), from t = 0 to t = 1 in equal steps.

use std::fmt;

use serde::{Deserialize, Serialize};
use tracecodec::choice::Choice;

/// Method of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Euler's method, with the velocity at the start of a step: order 1, one evaluation a step.
    Euler,
    /// The midpoint method, with the velocity half-way: order 2, two evaluations a step.
    Midpoint,
    /// Heun's method, with the mean of the velocities at both ends: order 2, two evaluations a
    /// step. The paper uses it.
    Heun,
}

impl Choice for Method {
    const WHAT: &'static str = "method";

    const TABLE: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Euler, "euler", "One evaluation a step"),
        (Self::Midpoint, "midpoint", "Two evaluations a step"),
        (Self::Heun, "heun", "Two evaluations a step, the paper's"),
    ];
}

/// A method and its number of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Solver {
    /// Method of each step.
    pub method: Method,
    /// Number of steps, at least 1.
    pub steps: usize,
}

impl Method {
    /// Evaluations of the velocity in each step.
    pub fn evaluations(self) -> usize {
        match self {
            Self::Euler => 1,
            Self::Midpoint | Self::Heun => 2,
        }
    }
}

impl Default for Solver {
    /// Midpoint with 8 steps: twice the evaluations beyond which samples of the small preset came
    /// no nearer to held-out rows.
    fn default() -> Self {
        Self {
            method: Method::Midpoint,
            steps: 8,
        }
    }
}

impl fmt::Display for Solver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} steps", self.method.name(), self.steps)
    }
}

impl Solver {
    /// Evaluations of the velocity in total.
    pub fn evaluations(self) -> usize {
        self.steps.max(1) * self.method.evaluations()
    }

    /// Solves the equation from `x` at t = 0.
    ///
    /// # Errors
    /// The first of `velocity`, which ends it.
    pub fn solve<E>(
        self,
        mut x: Vec<f32>,
        mut velocity: impl FnMut(&[f32], f32) -> Result<Vec<f32>, E>,
    ) -> Result<Vec<f32>, E> {
        let steps = self.steps.max(1);
        let h = 1.0 / steps as f32;
        for step in 0..steps {
            // The time is not a sum of steps, which would round.
            let at = |part: f32| ((step as f32 + part) / steps as f32).min(1.0);
            let start = velocity(&x, at(0.0))?;
            x = match self.method {
                Method::Euler => moved(&x, h, &start),
                Method::Midpoint => {
                    let half_way = moved(&x, h / 2.0, &start);
                    moved(&x, h, &velocity(&half_way, at(0.5))?)
                }
                Method::Heun => {
                    let end = velocity(&moved(&x, h, &start), at(1.0))?;
                    moved(&moved(&x, h / 2.0, &start), h / 2.0, &end)
                }
            };
        }
        Ok(x)
    }
}

/// Computes `x + h v`.
fn moved(x: &[f32], h: f32, v: &[f32]) -> Vec<f32> {
    x.iter().zip(v).map(|(x, v)| x + h * v).collect()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// The error at t = 1 of dx/dt = x + t from x = 1, whose solution is 2 exp(t) - t - 1.
    fn error(method: Method, steps: usize) -> f64 {
        let solver = Solver { method, steps };
        let mut evaluations = 0;
        let Ok(x) = solver.solve(vec![1.0], |x, t| {
            evaluations += 1;
            Ok::<_, Infallible>(vec![x[0] + t])
        });
        assert_eq!(evaluations, solver.evaluations());
        (f64::from(x[0]) - (2.0 * std::f64::consts::E - 2.0)).abs()
    }

    #[test]
    fn test_orders_of_convergence() {
        for (method, order) in [
            (Method::Euler, 1.0),
            (Method::Midpoint, 2.0),
            (Method::Heun, 2.0),
        ] {
            let measured = (error(method, 16) / error(method, 32)).log2();
            assert!((measured - order).abs() < 0.25, "{method:?} {measured}");
        }
    }

    #[test]
    fn test_straight_flows_need_one_step() {
        for method in Method::all() {
            let solver = Solver { method, steps: 1 };
            let Ok(x) = solver.solve(vec![1.0, 2.0], |_, _| Ok::<_, Infallible>(vec![2.0, -3.0]));
            assert_eq!(x, [3.0, -1.0]);
        }
    }
}

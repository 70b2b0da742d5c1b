//! The network of a baseline: one of the published models.

use std::ops::Range;

use rand::Rng;
use tracecodec_tensor::{Device, Module, Tensor, Visitor};

use super::batch::{EncodedRows, Shape, StepContext};
use super::config::Model;
use super::goggle::{self, Goggle};
use super::plateau::reduced;
use super::tabsyn::{self, TabSyn};
use super::ttvae::{self, Ttvae};
use super::tvae::Tvae;
use crate::train::{Decay, Update};
use crate::weights::Weights;

/// Decay rates of Adam's moments, PyTorch's defaults.
const BETAS: (f32, f32) = (0.9, 0.999);

/// Adam's epsilon, PyTorch's default.
const EPSILON: f32 = 1e-8;

/// Bounds of the deviation that TVAE and TTVAE learn for each number.
const SIGMA: (f32, f32) = (0.01, 1.0);

/// A published network.
#[derive(Debug, Clone)]
pub(super) enum Network {
    /// TVAE.
    Tvae(Tvae),
    /// TabSyn-VAE.
    TabSyn(TabSyn),
    /// GOGGLE.
    Goggle(Goggle),
    /// TTVAE.
    Ttvae(Ttvae),
}

impl Module for Network {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        match self {
            Self::Tvae(network) => visitor.part("Tvae", network),
            Self::TabSyn(network) => visitor.part("TabSyn", network),
            Self::Goggle(network) => visitor.part("Goggle", network),
            Self::Ttvae(network) => visitor.part("Ttvae", network),
        }
    }
}

impl Network {
    /// A network with fresh weights.
    pub(super) fn new(model: Model, shape: &Shape, rng: &mut impl Rng, device: &Device) -> Self {
        match model {
            Model::Tvae => Self::Tvae(Tvae::new(shape, rng, device)),
            Model::TabsynVae => Self::TabSyn(TabSyn::new(shape, rng, device)),
            Model::Goggle => {
                let variant = goggle::Variant::Published;
                Self::Goggle(Goggle::new(shape, variant, rng, device))
            }
            Model::GoggleIntended => {
                let variant = goggle::Variant::Intended;
                Self::Goggle(Goggle::new(shape, variant, rng, device))
            }
            Model::Ttvae => {
                let variant = ttvae::Variant::Published;
                Self::Ttvae(Ttvae::new(shape, variant, rng, device))
            }
            Model::TtvaeIntended => {
                let variant = ttvae::Variant::Intended;
                Self::Ttvae(Ttvae::new(shape, variant, rng, device))
            }
        }
    }

    /// The share of the rows in the loss of a step.
    pub(super) fn objective(
        &self,
        batch: &EncodedRows,
        context: &StepContext,
        rng: &mut impl Rng,
    ) -> Tensor<1> {
        match self {
            Self::Tvae(network) => network.objective(batch, context, rng),
            Self::TabSyn(network) => network.objective(batch, context, rng),
            Self::Goggle(network) => network.objective(batch, context, rng),
            Self::Ttvae(network) => network.objective(batch, context, rng),
        }
    }

    /// The reconstruction objective by which checkpoints are selected, without noise, summed over
    /// the rows: the loss of numbers and codes of TVAE and TTVAE, the cross-entropy of TabSyn-VAE,
    /// the squared error of GOGGLE.
    pub(super) fn nats(&self, batch: &EncodedRows) -> f64 {
        match self {
            Self::Tvae(network) => network.nats(batch),
            Self::TabSyn(network) => network.nats(batch).ce,
            Self::Goggle(network) => network.nats(batch),
            Self::Ttvae(network) => network.nats(batch),
        }
    }

    /// The means of the rows' latents, `[rows, d_latent]`; `None` if rows do not decode from
    /// latents alone.
    pub(super) fn latent(&self, batch: &EncodedRows) -> Option<Tensor<2>> {
        match self {
            Self::Tvae(network) => Some(network.latent(batch)),
            Self::TabSyn(network) => Some(network.latent(batch)),
            Self::Goggle(_) | Self::Ttvae(_) => None,
        }
    }

    /// Numbers of a row's latent; `None` if rows do not decode from latents alone.
    pub(super) fn d_latent(&self) -> Option<usize> {
        match self {
            Self::Tvae(_) => Some(Tvae::D_LATENT),
            Self::TabSyn(network) => Some(network.d_latent()),
            Self::Goggle(_) | Self::Ttvae(_) => None,
        }
    }

    /// Decodes latents to rows; `None` if rows do not decode from latents alone.
    pub(super) fn decode(&self, z: Tensor<2>) -> Option<EncodedRows> {
        match self {
            Self::Tvae(network) => Some(network.decode(z)),
            Self::TabSyn(network) => Some(network.decode(z)),
            Self::Goggle(_) | Self::Ttvae(_) => None,
        }
    }

    /// Encodes rows and decodes them from the means of their latents.
    pub(super) fn reconstruct(&self, batch: &EncodedRows) -> EncodedRows {
        match self {
            Self::Tvae(network) => network.reconstruct(batch),
            Self::TabSyn(network) => network.reconstruct(batch),
            Self::Goggle(network) => network.reconstruct(batch),
            Self::Ttvae(network) => network.reconstruct(batch),
        }
    }
}

/// How the weights of a published network move: the optimiser and the schedules of its code.
#[derive(Debug)]
pub(super) struct Optimisation {
    model: Model,
    /// Deviations that are held within bounds.
    sigma: Option<Range<usize>>,
    /// Weights that are trained in turns: GOGGLE's graph, and all other weights.
    turns: Option<[Vec<Range<usize>>; 2]>,
}

impl Optimisation {
    /// The optimiser of a model with this network.
    pub(super) fn new(model: Model, network: &Network) -> Self {
        // A network's weights are those of the enum, in the same order.
        let sigma = |weights: Weights, name: &str| {
            Some(weights.range(name).expect("the network has such weights"))
        };
        let (sigma, turns) = match network {
            Network::Tvae(tvae) => (sigma(Weights::of(tvae), Tvae::SIGMA), None),
            Network::Ttvae(ttvae) => (sigma(Weights::of(ttvae), Ttvae::SIGMA), None),
            Network::TabSyn(_) => (None, None),
            Network::Goggle(goggle) => {
                let weights = Weights::of(goggle);
                (None, Some([0, 1].map(|step| goggle.moved(&weights, step))))
            }
        };
        Self {
            model,
            sigma,
            turns,
        }
    }

    /// Weight of the divergence, given the losses of the validations so far.
    pub(super) fn beta(&self, losses: &[f64]) -> f64 {
        match self.model {
            Model::TabsynVae => tabsyn::beta(losses),
            _ => 1.0,
        }
    }

    /// Settings of optimiser step `step`, from 0, given the losses of the validations so far and of
    /// the training between them.
    pub(super) fn update(&self, step: u64, losses: &[f64], training_losses: &[f64]) -> Update {
        let (rate, decay) = match self.model {
            Model::Tvae => (1e-3, 1e-5),
            Model::TabsynVae => (reduced(1e-3, 0.95, 10, losses), 0.0),
            Model::Ttvae | Model::TtvaeIntended => (reduced(1e-3, 0.9, 20, training_losses), 1e-5),
            // The graph does not decay.
            Model::Goggle | Model::GoggleIntended => {
                (5e-3, if step.is_multiple_of(2) { 1e-3 } else { 0.0 })
            }
        };
        let turns = self.turns.as_ref();
        let turn = turns.map(|turns| (&turns[(step % 2) as usize], step / 2 + 1));
        Update {
            weights: turn.map(|(weights, _)| weights.clone()),
            nth: turn.map_or(step + 1, |(_, nth)| nth),
            rate: rate as f32,
            betas: BETAS,
            epsilon: EPSILON,
            decay: Decay::Coupled(decay),
            clip: None,
        }
    }

    /// Holds weights within their bounds.
    pub(super) fn constrain(&self, weights: &mut [f32]) {
        let (least, most) = SIGMA;
        if let Some(sigma) = &self.sigma {
            let sigma = &mut weights[sigma.clone()];
            sigma.iter_mut().for_each(|s| *s = s.clamp(least, most));
        }
    }
}

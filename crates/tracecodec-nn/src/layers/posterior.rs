//! The Gaussian posterior of a latent.

use tracecodec_tensor::Tensor;

/// Mean and log-variance of the latents, `[rows, d_latent]` each.
pub(crate) struct Posterior {
    /// Mean.
    pub(crate) mu: Tensor<2>,
    /// Logarithm of the variance.
    pub(crate) log_var: Tensor<2>,
}

/// KL divergence KL(q ‖ N(0, 1)), summed over dimensions and packets.
pub(crate) fn divergence(posterior: &Posterior) -> Tensor<1> {
    let log_var = posterior.log_var.clone();
    let variance = log_var.clone().exp();
    (posterior.mu.clone().square() + variance - log_var - 1.0).sum() * 0.5
}

/// A draw from the posterior with the given standard normal noise.
pub(crate) fn sample(posterior: &Posterior, noise: Tensor<2>) -> Tensor<2> {
    posterior.mu.clone() + (posterior.log_var.clone() * 0.5).exp() * noise
}

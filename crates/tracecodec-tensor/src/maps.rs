//! Functions of each number of a tensor.

use std::mem::take;

use crate::functions::{exp, sigmoid, tanh, vectorised};
use crate::pool;
use crate::tape::Gradients;
use crate::tensor::{Data, Tensor};

impl<const D: usize> Tensor<D> {
    /// The exponential function of each number.
    pub fn exp(self) -> Self {
        #[cfg(feature = "gpu")]
        if let Some(x) = self.as_gpu() {
            return Self::gpu(x.exp());
        }
        self.map(exp, |_, y| y)
    }

    /// The natural logarithm of each number.
    pub fn log(self) -> Self {
        #[cfg(feature = "gpu")]
        if let Some(x) = self.as_gpu() {
            return Self::gpu(x.log());
        }
        self.map(f32::ln, |x, _| 1.0 / x)
    }

    /// The root of each number.
    pub fn sqrt(self) -> Self {
        #[cfg(feature = "gpu")]
        if let Some(x) = self.as_gpu() {
            return Self::gpu(x.sqrt());
        }
        self.map(f32::sqrt, |_, y| 0.5 / y)
    }

    /// The square of each number.
    pub fn square(self) -> Self {
        #[cfg(feature = "gpu")]
        if let Some(x) = self.as_gpu() {
            return Self::gpu(x.clone() * x);
        }
        self.map(|x| x * x, |x, _| 2.0 * x)
    }

    /// The hyperbolic tangent of each number.
    pub fn tanh(self) -> Self {
        #[cfg(feature = "gpu")]
        if let Some(x) = self.as_gpu() {
            return Self::gpu(x.tanh());
        }
        self.map(tanh, |_, y| 1.0 - y * y)
    }

    /// The logistic function of each number.
    pub fn sigmoid(self) -> Self {
        #[cfg(feature = "gpu")]
        if let Some(x) = self.as_gpu() {
            return Self::gpu(burn::tensor::activation::sigmoid(x));
        }
        self.map(sigmoid, |_, y| y * (1.0 - y))
    }

    /// Each number times its logistic function (Elfwing et al. 2018).
    pub fn silu(self) -> Self {
        #[cfg(feature = "gpu")]
        if let Some(x) = self.as_gpu() {
            return Self::gpu(burn::tensor::activation::silu(x));
        }
        let slope = |x: f32, y: f32| {
            let gate = sigmoid(x);
            gate + y * (1.0 - gate)
        };
        self.map(|x| x * sigmoid(x), slope)
    }

    /// Each number, or 0 if it is negative.
    pub fn relu(self) -> Self {
        #[cfg(feature = "gpu")]
        if let Some(x) = self.as_gpu() {
            return Self::gpu(burn::tensor::activation::relu(x));
        }
        let slope = |x: f32, _| if x > 0.0 { 1.0 } else { 0.0 };
        self.map(|x| if x < 0.0 { 0.0 } else { x }, slope)
    }

    /// Each number, or the nearest bound if it is out of bounds, where its gradient is 0.
    pub fn clamp(self, least: f32, most: f32) -> Self {
        #[cfg(feature = "gpu")]
        if let Some(x) = self.as_gpu() {
            return Self::gpu(x.clamp(least, most));
        }
        let is_within = move |x: f32| (least..=most).contains(&x);
        self.map(
            move |x| x.clamp(least, most),
            move |x, _| if is_within(x) { 1.0 } else { 0.0 },
        )
    }

    /// A function of each number; `slope` is its derivative at `x`, where the function is `y`.
    fn map(
        self,
        function: impl Fn(f32) -> f32,
        slope: impl Fn(f32, f32) -> f32 + Send + Sync + 'static,
    ) -> Self {
        let (x, node) = self.cpu();
        let mut y = pool::any(x.len());
        vectorised(
            #[inline(always)]
            || {
                y.iter_mut()
                    .zip(x.iter())
                    .for_each(|(y, &x)| *y = function(x))
            },
        );
        let Some(node) = node else {
            return Self::of(y, self.shape, None);
        };
        let (x, node) = (x.clone(), node.clone());
        let output: Data = y.into();
        let y = output.clone();
        let backward = move |gradient: &mut Vec<f32>, gradients: &mut Gradients| {
            let places = gradient.iter_mut().zip(x.iter().zip(y.iter()));
            vectorised(
                #[inline(always)]
                || places.for_each(|(g, (&x, &y))| *g *= slope(x, y)),
            );
            gradients.give(&node, take(gradient));
        };
        Self::shared(output, self.shape, true, backward)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;

    #[test]
    fn test_slopes_are_those_of_the_functions() {
        let functions: [fn(Tensor<1>) -> Tensor<1>; 9] = [
            Tensor::exp,
            Tensor::log,
            Tensor::sqrt,
            Tensor::square,
            Tensor::tanh,
            Tensor::sigmoid,
            Tensor::silu,
            Tensor::relu,
            |x| x.clamp(0.5, 1.0),
        ];
        for (i, function) in functions.into_iter().enumerate() {
            for x in [0.3_f32, 0.7, 1.9] {
                let at = |x: f32| function(Tensor::new(vec![x], [1], &Device::cpu())).scalar();
                let leaf = Tensor::new(vec![x], [1], &Device::cpu()).tracked();
                let slope = function(leaf.clone()).backward().of(&leaf)[0];
                let step = 1e-2;
                let expected = (at(x + step) - at(x - step)) / (2.0 * step);
                assert!(
                    (slope - expected).abs() < 2e-3,
                    "{i} {x} {slope} {expected}"
                );
            }
        }
    }
}

//! The gradients of a loss: with respect to the weights of a module, or to single tensors.

use crate::module::{Module, count};
use crate::tape::Gradients;
use crate::tensor::{Tensor, Value};

impl Tensor<1> {
    /// The gradients of a loss with respect to [tracked](Tensor::tracked) tensors.
    pub fn backward(&self) -> Gradients {
        self.walk(0)
    }

    /// The gradients of a loss with respect to all weights of a module, concatenated in the
    /// module's order. A weight that the loss does not depend on has gradient 0.
    pub fn gradient(&self, module: &impl Module) -> Vec<f32> {
        #[cfg(feature = "gpu")]
        if let Some(loss) = self.as_gpu() {
            return crate::module::read_gradients(module, loss.backward());
        }
        self.walk(count(module)).into_weights()
    }

    fn walk(&self, weights: usize) -> Gradients {
        match &self.value {
            Value::Cpu { node, .. } => {
                let node = node.as_ref().expect("the loss depends on a tracked tensor");
                Gradients::walk(node, weights)
            }
            #[cfg(feature = "gpu")]
            Value::Gpu(loss) => Gradients::of_gpu(loss.backward()),
        }
    }
}

impl Gradients {
    /// The gradient of a leaf, a tensor that [`tracked`](Tensor::tracked) returned; zeros if the
    /// loss does not depend on it.
    pub fn of<const D: usize>(&self, leaf: &Tensor<D>) -> Vec<f32> {
        match &leaf.value {
            Value::Cpu { node, .. } => self.of_leaf(node.as_ref().expect("a leaf is tracked")),
            #[cfg(feature = "gpu")]
            Value::Gpu(tensor) => {
                let gradients = self.gpu.as_ref().expect("the loss was on the GPU, too");
                let size = tensor.shape().num_elements();
                let found = tensor.grad(gradients);
                found.map_or_else(|| vec![0.0; size], crate::tensor::read)
            }
        }
    }
}

//! Modules: structures whose tensors are trained.

use crate::tensor::Tensor;

/// A structure with weights. Cheap to clone.
pub trait Module: Clone {
    /// Passes every weight to the visitor, by name and always in the same order.
    fn visit(&mut self, visitor: &mut impl Visitor);
}

/// Reads or replaces the weights of a module.
pub trait Visitor {
    /// Enters the part of the module with this name.
    fn enter(&mut self, name: &str);

    /// Leaves the part that was entered last.
    fn leave(&mut self);

    /// Meets a weight.
    fn tensor<const D: usize>(&mut self, name: &str, weight: &mut Tensor<D>);

    /// Visits a part of the module.
    fn part(&mut self, name: &str, part: &mut impl Module)
    where
        Self: Sized,
    {
        self.enter(name);
        part.visit(self);
        self.leave();
    }
}

impl<M: Module> Module for Vec<M> {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        for (i, part) in self.iter_mut().enumerate() {
            visitor.part(&i.to_string(), part);
        }
    }
}

impl<M: Module, const N: usize> Module for [M; N] {
    fn visit(&mut self, visitor: &mut impl Visitor) {
        for (i, part) in self.iter_mut().enumerate() {
            visitor.part(&i.to_string(), part);
        }
    }
}

/// Number of values of all weights.
pub(crate) fn count(module: &impl Module) -> usize {
    struct Count(usize);

    impl Visitor for Count {
        fn enter(&mut self, _name: &str) {}

        fn leave(&mut self) {}

        fn tensor<const D: usize>(&mut self, _name: &str, weight: &mut Tensor<D>) {
            self.0 += weight.dims().iter().product::<usize>();
        }
    }

    let mut count = Count(0);
    module.clone().visit(&mut count);
    count.0
}

/// The gradients of a module's weights, concatenated. They are collected on their device, to be
/// read at once: each read of a GPU waits for it.
#[cfg(feature = "gpu")]
pub(crate) fn read_gradients(module: &impl Module, gradients: burn::tensor::Gradients) -> Vec<f32> {
    struct Collect {
        gradients: burn::tensor::Gradients,
        found: Vec<burn::tensor::Tensor<1>>,
    }

    impl Visitor for Collect {
        fn enter(&mut self, _name: &str) {}

        fn leave(&mut self) {}

        fn tensor<const D: usize>(&mut self, _name: &str, weight: &mut Tensor<D>) {
            let weight = weight.as_gpu().expect("a module is on one device");
            let gradient = weight.grad_remove(&mut self.gradients);
            let gradient = gradient.unwrap_or_else(|| {
                let device = weight.device().without_autodiff();
                burn::tensor::Tensor::zeros(weight.shape(), &device)
            });
            self.found.push(gradient.flatten(0, D - 1));
        }
    }

    let mut collect = Collect {
        gradients,
        found: Vec::new(),
    };
    module.clone().visit(&mut collect);
    crate::tensor::read(burn::tensor::Tensor::cat(collect.found, 0))
}

//! The tensor: numbers, their shape, and how they came about.

use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::device::{Device, Place};
use crate::pool;
use crate::tape::{Gradients, Node};

/// Dense `f32` numbers with `D` axes, in row-major order. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tensor<const D: usize> {
    pub(crate) shape: [usize; D],
    pub(crate) value: Value<D>,
}

#[derive(Debug, Clone)]
pub(crate) enum Value<const D: usize> {
    Cpu {
        data: Data,
        /// The tensor's place in the graph, if it is tracked.
        node: Option<Arc<Node>>,
    },
    #[cfg(feature = "gpu")]
    Gpu(burn::tensor::Tensor<D>),
}

/// A part of shared numbers.
#[derive(Debug, Clone)]
pub(crate) struct Data {
    all: Arc<Vec<f32>>,
    range: Range<usize>,
}

impl Drop for Data {
    fn drop(&mut self) {
        if let Some(numbers) = Arc::get_mut(&mut self.all) {
            pool::recycle(std::mem::take(numbers));
        }
    }
}

impl Data {
    /// This part of this part.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        let start = self.range.start;
        Self {
            all: Arc::clone(&self.all),
            range: start + range.start..start + range.end,
        }
    }

    /// Whether nothing else shares the numbers.
    pub(crate) fn is_unique(&self) -> bool {
        self.range == (0..self.all.len()) && Arc::strong_count(&self.all) == 1
    }

    /// The numbers, without a copy if nothing else shares them.
    pub(crate) fn into_vec(mut self) -> Vec<f32> {
        if self.range == (0..self.all.len())
            && let Some(numbers) = Arc::get_mut(&mut self.all)
        {
            self.range = 0..0;
            return std::mem::take(numbers);
        }
        let mut copy = pool::any(self.len());
        copy.copy_from_slice(&self);
        copy
    }
}

impl From<Vec<f32>> for Data {
    fn from(values: Vec<f32>) -> Self {
        Self {
            range: 0..values.len(),
            all: Arc::new(values),
        }
    }
}

impl Deref for Data {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.all[self.range.clone()]
    }
}

impl<const D: usize> Tensor<D> {
    /// A tensor of these values, row-major.
    ///
    /// # Panics
    /// If the shape has another number of values.
    pub fn new(values: Vec<f32>, shape: [usize; D], device: &Device) -> Self {
        assert_eq!(values.len(), size(&shape), "values of {shape:?}");
        match &device.0 {
            Place::Cpu => Self::of(values, shape, None),
            #[cfg(feature = "gpu")]
            Place::Gpu(gpu) => {
                let data = burn::tensor::TensorData::new(values, shape);
                Self::gpu(burn::tensor::Tensor::from_data(data, gpu))
            }
        }
    }

    /// A tensor of zeros.
    pub fn zeros(shape: [usize; D], device: &Device) -> Self {
        Self::full(0.0, shape, device)
    }

    /// A tensor of one value everywhere.
    pub fn full(value: f32, shape: [usize; D], device: &Device) -> Self {
        Self::new(vec![value; size(&shape)], shape, device)
    }

    /// A weight that is a part of all weights of a module, which are on the CPU: its gradient is
    /// that part of the gradient, if it is tracked.
    pub fn weight(
        all: &Arc<Vec<f32>>,
        start: usize,
        shape: [usize; D],
        device: &Device,
        is_tracked: bool,
    ) -> Self {
        let count = size(&shape);
        let range = start..start + count;
        match &device.0 {
            Place::Cpu => {
                let data = Data {
                    all: Arc::clone(all),
                    range,
                };
                let node = is_tracked.then(|| Node::weight(count, start));
                let value = Value::Cpu { data, node };
                Self { shape, value }
            }
            #[cfg(feature = "gpu")]
            Place::Gpu(gpu) => {
                let data = burn::tensor::TensorData::new(all[range].to_vec(), shape);
                let tensor = burn::tensor::Tensor::from_data(data, gpu);
                Self::gpu(tensor.set_require_grad(is_tracked))
            }
        }
    }

    /// Length of each axis.
    pub fn dims(&self) -> [usize; D] {
        self.shape
    }

    /// The device that the tensor is on; tensors made there can be combined with it.
    pub fn device(&self) -> Device {
        match &self.value {
            Value::Cpu { .. } => Device::cpu(),
            #[cfg(feature = "gpu")]
            Value::Gpu(tensor) => Device(Place::Gpu(tensor.device())),
        }
    }

    /// The values, row-major.
    pub fn into_values(self) -> Vec<f32> {
        match self.value {
            Value::Cpu { data, .. } => data.into_vec(),
            #[cfg(feature = "gpu")]
            Value::Gpu(tensor) => read(tensor),
        }
    }

    /// The same values as a constant.
    pub fn detach(self) -> Self {
        match self.value {
            Value::Cpu { data, .. } => Self {
                shape: self.shape,
                value: Value::Cpu { data, node: None },
            },
            #[cfg(feature = "gpu")]
            Value::Gpu(tensor) => Self::gpu(tensor.detach()),
        }
    }

    /// The same values as a tensor that gradients are taken with respect to. On a GPU the tensor
    /// must be on a [differentiating](Device::differentiating) device.
    pub fn tracked(self) -> Self {
        match self.value {
            Value::Cpu { data, .. } => {
                let node = Some(Node::leaf(data.len()));
                Self {
                    shape: self.shape,
                    value: Value::Cpu { data, node },
                }
            }
            #[cfg(feature = "gpu")]
            Value::Gpu(tensor) => Self::gpu(tensor.require_grad()),
        }
    }

    /// A tensor on the CPU.
    pub(crate) fn of(values: Vec<f32>, shape: [usize; D], node: Option<Arc<Node>>) -> Self {
        debug_assert_eq!(values.len(), size(&shape));
        let data = values.into();
        let value = Value::Cpu { data, node };
        Self { shape, value }
    }

    /// As [`output`](Self::output), of numbers that the operation needs itself.
    pub(crate) fn shared(
        data: Data,
        shape: [usize; D],
        is_tracked: bool,
        backward: impl Fn(&mut Vec<f32>, &mut Gradients) + Send + Sync + 'static,
    ) -> Self {
        let node = is_tracked.then(|| Node::operation(data.len(), backward));
        let value = Value::Cpu { data, node };
        Self { shape, value }
    }

    /// The output of an operation on the CPU, tracked if any of its inputs is: `backward` gives the
    /// inputs their gradients.
    pub(crate) fn output(
        values: Vec<f32>,
        shape: [usize; D],
        is_tracked: bool,
        backward: impl Fn(&mut Vec<f32>, &mut Gradients) + Send + Sync + 'static,
    ) -> Self {
        debug_assert_eq!(values.len(), size(&shape));
        Self::shared(values.into(), shape, is_tracked, backward)
    }

    /// The numbers and the node of a tensor that is on the CPU.
    pub(crate) fn cpu(&self) -> (&Data, Option<&Arc<Node>>) {
        match &self.value {
            Value::Cpu { data, node } => (data, node.as_ref()),
            #[cfg(feature = "gpu")]
            Value::Gpu(_) => panic!("tensors of one operation are on one device"),
        }
    }

    /// The numbers and the node of a tensor that is on the CPU.
    pub(crate) fn into_cpu(self) -> (Data, Option<Arc<Node>>) {
        match self.value {
            Value::Cpu { data, node } => (data, node),
            #[cfg(feature = "gpu")]
            Value::Gpu(_) => panic!("tensors of one operation are on one device"),
        }
    }

    /// A tensor on a GPU.
    #[cfg(feature = "gpu")]
    pub(crate) fn gpu(tensor: burn::tensor::Tensor<D>) -> Self {
        Self {
            shape: tensor.dims(),
            value: Value::Gpu(tensor),
        }
    }

    /// Burn's tensor, if the tensor is on a GPU.
    #[cfg(feature = "gpu")]
    pub(crate) fn as_gpu(&self) -> Option<burn::tensor::Tensor<D>> {
        match &self.value {
            Value::Cpu { .. } => None,
            Value::Gpu(tensor) => Some(tensor.clone()),
        }
    }
}

impl Tensor<1> {
    /// The value of a tensor of one value.
    ///
    /// # Panics
    /// If it has another number of values.
    pub fn scalar(&self) -> f32 {
        let values = self.clone().into_values();
        assert_eq!(values.len(), 1, "a tensor of one value");
        values[0]
    }
}

/// Number of values of a tensor of this shape.
pub(crate) fn size(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// The values of a tensor on a GPU.
#[cfg(feature = "gpu")]
pub(crate) fn read<const D: usize>(tensor: burn::tensor::Tensor<D>) -> Vec<f32> {
    let values = tensor.into_data().try_into_vec();
    values.expect("tensors are f32")
}

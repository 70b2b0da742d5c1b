//! Reverse-mode differentiation on the CPU: a graph of the operations on tracked tensors, walked
//! backwards (Baydin et al. 2018, section 3.2).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::pool;

/// Number of the next node. An operation is numbered after its inputs, so descending numbers are an
/// order in which every node comes after all that depend on it.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// The gradient of one operation: given the gradient of the output, which it may take, adds those
/// of its inputs.
type Backward = Box<dyn Fn(&mut Vec<f32>, &mut Gradients) + Send + Sync>;

/// A tracked tensor in the graph.
pub(crate) struct Node {
    number: u64,
    /// Number of values of the tensor.
    size: usize,
    kind: Kind,
}

enum Kind {
    /// A weight whose gradient begins at this place of the flat gradient.
    Weight(usize),
    /// Any other tensor that gradients are taken with respect to.
    Leaf,
    Operation(Backward),
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({})", self.number)
    }
}

impl Node {
    fn new(size: usize, kind: Kind) -> Arc<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { number, size, kind })
    }

    /// A weight of so many values that begins at `place` among all weights.
    pub(crate) fn weight(size: usize, place: usize) -> Arc<Self> {
        Self::new(size, Kind::Weight(place))
    }

    /// A tensor of so many values that gradients are taken with respect to.
    pub(crate) fn leaf(size: usize) -> Arc<Self> {
        Self::new(size, Kind::Leaf)
    }

    /// The output of an operation, of so many values.
    pub(crate) fn operation(
        size: usize,
        backward: impl Fn(&mut Vec<f32>, &mut Gradients) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::new(size, Kind::Operation(Box::new(backward)))
    }
}

/// The gradients of a loss.
pub struct Gradients {
    /// Of all weights, in their order; of any value where nothing was added yet.
    weights: Vec<f32>,
    /// Start and end of each weight that something was added to.
    reached: BTreeMap<usize, usize>,
    /// Of operations that are not done yet, and of leaves.
    others: BTreeMap<u64, (Arc<Node>, Vec<f32>)>,
    /// Of tensors on a GPU.
    #[cfg(feature = "gpu")]
    pub(crate) gpu: Option<burn::tensor::Gradients>,
}

impl Gradients {
    /// Walks back from an output of one value. `weights` is the number of values of all weights.
    pub(crate) fn walk(output: &Arc<Node>, weights: usize) -> Self {
        let mut gradients = Self {
            weights: pool::any(weights),
            reached: BTreeMap::new(),
            others: BTreeMap::new(),
            #[cfg(feature = "gpu")]
            gpu: None,
        };
        gradients.give(output, vec![1.0; output.size]);
        let mut leaves = BTreeMap::new();
        while let Some((number, (node, mut gradient))) = gradients.others.pop_last() {
            match &node.kind {
                Kind::Operation(backward) => {
                    backward(&mut gradient, &mut gradients);
                    pool::recycle(gradient);
                }
                _ => {
                    leaves.insert(number, (node, gradient));
                }
            }
        }
        gradients.others = leaves;
        gradients
    }

    /// Where the gradient of a tensor is summed.
    pub(crate) fn sum(&mut self, node: &Arc<Node>) -> &mut [f32] {
        let (sum, keep) = self.sum_or_fresh(node);
        if keep == 0.0 {
            sum.fill(0.0);
        }
        sum
    }

    /// Where the gradient of a tensor is summed, and the factor by which the sum so far is to be
    /// kept: 0 if nothing was added yet, when it has any value.
    pub(crate) fn sum_or_fresh(&mut self, node: &Arc<Node>) -> (&mut [f32], f32) {
        if let Kind::Weight(start) = node.kind {
            let end = start + node.size;
            let is_fresh = self.reached.insert(start, end).is_none();
            let keep = if is_fresh { 0.0 } else { 1.0 };
            return (&mut self.weights[start..end], keep);
        }
        match self.others.entry(node.number) {
            Entry::Vacant(vacant) => {
                let fresh = vacant.insert((node.clone(), pool::any(node.size)));
                (&mut fresh.1, 0.0)
            }
            Entry::Occupied(occupied) => (&mut occupied.into_mut().1, 1.0),
        }
    }

    /// Adds to the gradient of a tensor.
    pub(crate) fn give(&mut self, node: &Arc<Node>, gradient: Vec<f32>) {
        if !matches!(node.kind, Kind::Weight(_))
            && let Entry::Vacant(vacant) = self.others.entry(node.number)
        {
            vacant.insert((node.clone(), gradient));
            return;
        }
        let sum = self.sum(node);
        sum.iter_mut().zip(&gradient).for_each(|(a, b)| *a += b);
        pool::recycle(gradient);
    }

    /// The gradients of all weights, in their order; 0 where the loss does not depend on a weight.
    pub(crate) fn into_weights(mut self) -> Vec<f32> {
        let mut end = 0;
        self.reached.insert(self.weights.len(), self.weights.len());
        for (&start, &next) in &self.reached {
            self.weights[end..start].fill(0.0);
            end = next;
        }
        self.weights
    }

    /// Gradients on a GPU.
    #[cfg(feature = "gpu")]
    pub(crate) fn of_gpu(gradients: burn::tensor::Gradients) -> Self {
        Self {
            weights: Vec::new(),
            reached: BTreeMap::new(),
            others: BTreeMap::new(),
            gpu: Some(gradients),
        }
    }

    /// The gradient of a leaf; zeros if the loss does not depend on it.
    pub(crate) fn of_leaf(&self, leaf: &Node) -> Vec<f32> {
        let found = self.others.get(&leaf.number);
        found.map_or_else(|| vec![0.0; leaf.size], |(_, gradient)| gradient.clone())
    }
}

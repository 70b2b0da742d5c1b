//! The linear recurrence of gated recurrent layers.

use std::mem::take;

use crate::pool;
use crate::tape::Gradients;
use crate::tensor::{Data, Tensor};

/// Every h_t = a_t h_(t−1) + b_t along the second axis of `[sequences, steps, width]`, from h = 0.
pub fn recurrence(a: Tensor<3>, b: Tensor<3>) -> Tensor<3> {
    #[cfg(feature = "gpu")]
    if let (Some(a), Some(b)) = (a.as_gpu(), b.as_gpu()) {
        return Tensor::gpu(on_gpu(a, b));
    }
    let [sequences, steps, width] = a.shape;
    let ((a, a_node), (b, b_node)) = (a.into_cpu(), b.into_cpu());
    let mut h = b.into_vec();
    for sequence in 0..sequences {
        for step in 1..steps {
            let at = (sequence * steps + step) * width;
            let (before, own) = h[at - width..at + width].split_at_mut(width);
            for ((own, before), a) in own.iter_mut().zip(before).zip(&a[at..at + width]) {
                *own += a * *before;
            }
        }
    }
    let is_tracked = a_node.is_some() || b_node.is_some();
    let output: Data = h.into();
    let h = output.clone();
    let backward = move |gradient: &mut Vec<f32>, gradients: &mut Gradients| {
        // The gradient of h_t reaches h_(t−1) by a_t; the whole of it is that of b_t.
        for sequence in 0..sequences {
            for step in (1..steps).rev() {
                let at = (sequence * steps + step) * width;
                let (before, own) = gradient[at - width..at + width].split_at_mut(width);
                for ((before, own), a) in before.iter_mut().zip(own).zip(&a[at..at + width]) {
                    *before += a * *own;
                }
            }
        }
        if let Some(node) = &a_node {
            let mut of_a = pool::zeros(gradient.len());
            for (row, of_a) in of_a.chunks_exact_mut(width).enumerate() {
                if row % steps == 0 {
                    continue;
                }
                let at = row * width;
                let pairs = gradient[at..at + width].iter().zip(&h[at - width..at]);
                of_a.iter_mut()
                    .zip(pairs)
                    .for_each(|(a, (g, h))| *a = g * h);
            }
            gradients.give(node, of_a);
        }
        if let Some(node) = &b_node {
            gradients.give(node, take(gradient));
        }
    };
    Tensor::shared(output, [sequences, steps, width], is_tracked, backward)
}

/// The same in log₂ of the steps rounds, each of which joins steps twice as far apart (Hillis and
/// Steele 1986).
#[cfg(feature = "gpu")]
fn on_gpu(
    mut a: burn::tensor::Tensor<3>,
    mut b: burn::tensor::Tensor<3>,
) -> burn::tensor::Tensor<3> {
    use burn::tensor::Tensor as Gpu;

    // Shifts the second axis by so many steps to later ones, and fills up with zeros.
    let earlier = |x: Gpu<3>, by: usize| {
        let [sequences, steps, width] = x.dims();
        let zeros = Gpu::zeros([sequences, by, width], &x.device());
        Gpu::cat(vec![zeros, x.narrow(1, 0, steps - by)], 1)
    };
    let [_, steps, _] = a.dims();
    let mut reach = 1;
    while reach < steps {
        b = b.clone() + a.clone() * earlier(b, reach);
        reach *= 2;
        if reach < steps {
            a = a.clone() * earlier(a, reach / 2);
        }
    }
    b
}

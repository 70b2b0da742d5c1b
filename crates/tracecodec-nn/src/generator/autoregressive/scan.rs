//! The linear recurrence `h_t = a_t h_(t-1) + b_t`, all steps at once.

use burn::tensor::Tensor;

/// Every `h_t` along the second axis of `[sequences, steps, width]`, from `h = 0`. It takes log₂ of
/// the steps rounds, each of which joins steps twice as far apart (Hillis and Steele 1986).
pub(super) fn scan(mut a: Tensor<3>, mut b: Tensor<3>) -> Tensor<3> {
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

/// Shifts the second axis by so many steps to later ones, and fills up with zeros.
fn earlier(x: Tensor<3>, by: usize) -> Tensor<3> {
    let [sequences, steps, width] = x.dims();
    let zeros = Tensor::zeros([sequences, by, width], &x.device());
    Tensor::cat(vec![zeros, x.narrow(1, 0, steps - by)], 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, normals, stream};
    use burn::tensor::{Device, TensorData};

    #[test]
    fn test_scan_is_the_recurrence() {
        for steps in [1, 2, 5, 8, 13] {
            let mut rng = stream(steps as u64, Purpose::Weights, 0);
            let [a, b] = [(); 2].map(|()| normals(&mut rng, 2 * steps * 3));
            let tensor = |values: &[f32]| -> Tensor<3> {
                let data = TensorData::new(values.to_vec(), [2, steps, 3]);
                Tensor::from_data(data, &Device::flex())
            };
            let scanned: Vec<f32> = scan(tensor(&a), tensor(&b))
                .into_data()
                .try_into_vec()
                .unwrap();
            for sequence in 0..2 {
                for column in 0..3 {
                    let mut h = 0.0;
                    for step in 0..steps {
                        let at = (sequence * steps + step) * 3 + column;
                        h = a[at] * h + b[at];
                        assert!((scanned[at] - h).abs() < 1e-4 * (1.0 + h.abs()));
                    }
                }
            }
        }
    }
}

//! Compares the gradients of every operation with differences of its values; and with the feature
//! `wgpu` values and gradients with those of Burn.

use tracecodec_tensor::{
    Attention, Device, Segments, Tensor, attention, attention_packed, embedding_sum, layer_norm,
    linear, linear_relu, rectified_prefix_sums, recurrence, rms_norm, rows_of,
};

/// Numbers between −1 and 1 that look like noise.
fn noise(count: usize, seed: usize) -> Vec<f32> {
    let number = |i: usize| ((i + 1) as f64 * 12.9898 + seed as f64 * 78.233).sin() * 43_758.547;
    (0..count)
        .map(|i| 2.0 * number(i).fract().abs() as f32 - 1.0)
        .collect()
}

fn constant<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<D> {
    Tensor::new(values.to_vec(), shape, &Device::cpu())
}

/// The sum of the output's numbers, each with a weight of its own.
fn weighed<const D: usize>(output: Tensor<D>) -> Tensor<1> {
    let (shape, device) = (output.dims(), output.device());
    let weights = noise(shape.iter().product(), 99);
    (output * Tensor::new(weights, shape, &device)).sum()
}

/// Checks the gradients of a function of inputs of so many numbers.
fn check(name: &str, sizes: &[usize], function: impl Fn(&[Tensor<1>]) -> Tensor<1>) {
    const STEP: f32 = 4e-3;
    let inputs: Vec<Vec<f32>> = sizes
        .iter()
        .enumerate()
        .map(|(i, &n)| noise(n, i))
        .collect();
    let tensor = |values: &Vec<f32>| constant(values, [values.len()]);
    let leaves: Vec<_> = inputs
        .iter()
        .map(|values| tensor(values).tracked())
        .collect();
    let gradients = function(&leaves).backward();
    for (i, leaf) in leaves.iter().enumerate() {
        for (place, found) in gradients.of(leaf).into_iter().enumerate() {
            let at = |step: f32| {
                let mut inputs = inputs.clone();
                inputs[i][place] += step;
                f64::from(function(&inputs.iter().map(tensor).collect::<Vec<_>>()).scalar())
            };
            let expected = (at(STEP) - at(-STEP)) / f64::from(2.0 * STEP);
            assert!(
                (f64::from(found) - expected).abs() < 5e-3 * (1.0 + expected.abs()),
                "{name}: input {i}, place {place}: {found}, not {expected}"
            );
        }
    }
    #[cfg(feature = "wgpu")]
    compare_with_gpu(name, &inputs, &function);
}

/// Compares value and gradients with those of Burn on a GPU.
#[cfg(feature = "wgpu")]
fn compare_with_gpu(name: &str, inputs: &[Vec<f32>], function: &dyn Fn(&[Tensor<1>]) -> Tensor<1>) {
    let on = |device: Device| {
        let leaf =
            |values: &Vec<f32>| Tensor::new(values.clone(), [values.len()], &device).tracked();
        let leaves: Vec<_> = inputs.iter().map(leaf).collect();
        let value = function(&leaves);
        let gradients = value.backward();
        let gradients: Vec<f32> = leaves.iter().flat_map(|leaf| gradients.of(leaf)).collect();
        (value.scalar(), gradients)
    };
    let gpu = Device::wgpu()
        .expect("a GPU, or software Vulkan")
        .differentiating();
    let ((value, gradients), (expected, references)) = (on(Device::cpu()), on(gpu));
    assert!(
        (value - expected).abs() < 1e-4 * (1.0 + expected.abs()),
        "{name}: {value} {expected}"
    );
    for (gradient, reference) in gradients.iter().zip(references) {
        let error = (gradient - reference).abs();
        assert!(
            error < 1e-4 * (1.0 + reference.abs()),
            "{name}: {gradient} {reference}"
        );
    }
}

#[test]
fn test_linear_layers() {
    let layer = |layer: fn(&Tensor<2>, &Tensor<2>, &Tensor<1>) -> Tensor<2>| {
        move |x: &[Tensor<1>]| {
            let (input, weight) = (x[0].clone().reshape([3, 4]), x[1].clone().reshape([4, 5]));
            weighed(layer(&input, &weight, &x[2]))
        }
    };
    check("linear", &[12, 20, 5], layer(linear));
    check("linear_relu", &[12, 20, 5], layer(linear_relu));
}

#[test]
fn test_an_input_that_is_used_twice() {
    check("twice", &[12, 16, 4], |x| {
        let (input, weight) = (x[0].clone().reshape([3, 4]), x[1].clone().reshape([4, 4]));
        let once = linear(&input, &weight, &x[2]);
        weighed(linear(&once, &weight, &x[2]) + input)
    });
}

#[test]
fn test_products_of_matrices() {
    check("matmul", &[2 * 3 * 4, 2 * 4 * 5], |x| {
        weighed(
            x[0].clone()
                .reshape([2, 3, 4])
                .matmul(x[1].clone().reshape([2, 4, 5])),
        )
    });
    check("matmul of two axes", &[12, 20], |x| {
        weighed(
            x[0].clone()
                .reshape([3, 4])
                .matmul(x[1].clone().reshape([4, 5])),
        )
    });
}

#[test]
fn test_norms() {
    check("rms_norm", &[2 * 11, 11], |x| {
        weighed(rms_norm(&x[0].clone().reshape([2, 11]), &x[1]))
    });
    check("layer_norm", &[2 * 11, 11, 11], |x| {
        weighed(layer_norm(&x[0].clone().reshape([2, 11]), &x[1], &x[2]))
    });
}

#[test]
fn test_attention() {
    let how = Attention {
        sequences: 2,
        heads: 2,
    };
    check("attention_packed", &[2 * 3 * 12], |x| {
        weighed(attention_packed(&x[0].clone().reshape([6, 12]), how))
    });
    for dropout in [None, Some(noise(2 * 2 * 3 * 3, 5))] {
        check("attention", &[24, 24, 24], |x| {
            let [query, key, value] = [0, 1, 2].map(|i| x[i].clone().reshape([6, 4]));
            weighed(attention(&query, &key, &value, how, dropout.clone()))
        });
    }
    // More keys than queries.
    for dropout in [None, Some(noise(2 * 2 * 3 * 5, 5))] {
        check("attention to more keys", &[24, 40, 40], |x| {
            let query = x[0].clone().reshape([6, 4]);
            let [key, value] = [1, 2].map(|i| x[i].clone().reshape([10, 4]));
            weighed(attention(&query, &key, &value, how, dropout.clone()))
        });
    }
}

#[test]
fn test_packed_attention_is_attention() {
    let how = Attention {
        sequences: 2,
        heads: 2,
    };
    let packed = constant(&noise(72, 0), [6, 12]);
    let [query, key, value] = [0, 1, 2].map(|i| packed.clone().narrow(1, 4 * i, 4));
    let apart = attention(&query, &key, &value, how, None).into_values();
    assert_eq!(attention_packed(&packed, how).into_values(), apart);
}

#[test]
fn test_tables() {
    check("embedding_sum", &[5 * 3], |x| {
        let places = vec![0, 1, 4, 2, 2, u32::MAX];
        weighed(embedding_sum(
            &x[0].clone().reshape([5, 3]),
            places,
            &[2, 1],
        ))
    });
    check("rows_of", &[5 * 3], |x| {
        weighed(rows_of(
            &x[0].clone().reshape([5, 3]),
            vec![4, 0, u32::MAX, 4],
        ))
    });
    check("rectified_prefix_sums", &[2 * 3, 5 * 3], |x| {
        let (start, table) = (x[0].clone().reshape([2, 3]), x[1].clone().reshape([5, 3]));
        weighed(rectified_prefix_sums(
            &start,
            &table,
            vec![0, 3, 1, 4, 4, 2],
        ))
    });
}

#[test]
fn test_prefix_sums_take_the_rows_before() {
    let start = constant(&[1.0, -5.0], [1, 2]);
    let table = constant(&[10.0, 2.0, 100.0, 4.0], [2, 2]);
    let sums = rectified_prefix_sums(&start, &table, vec![0, 1, 1]);
    assert_eq!(sums.dims(), [3, 1, 2]);
    assert_eq!(sums.into_values(), [1.0, 0.0, 11.0, 0.0, 111.0, 1.0]);
}

#[test]
fn test_recurrence() {
    check("recurrence", &[2 * 4 * 3, 2 * 4 * 3], |x| {
        weighed(recurrence(
            x[0].clone().reshape([2, 4, 3]),
            x[1].clone().reshape([2, 4, 3]),
        ))
    });
    let a = constant(&[9.0, 0.5, 2.0], [1, 3, 1]);
    let b = constant(&[4.0, 1.0, 1.0], [1, 3, 1]);
    assert_eq!(recurrence(a, b).into_values(), [4.0, 3.0, 7.0]);
}

#[test]
fn test_likelihood() {
    let segments = Segments::padded(vec![(3, 4), (2, 2), (2, 2)]);
    for weights in [None, Some(vec![1.0, 0.5, 0.0, 2.0, 1.0, 1.0])] {
        check("negative_log_likelihood", &[2 * 8], |x| {
            let logits = x[0].clone().reshape([2, 8]);
            let classes = vec![2, 0, 1, 0, 1, 1];
            segments.negative_log_likelihood(logits, classes, weights.clone())
        });
    }
}

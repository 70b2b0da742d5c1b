//! Rows of tables, looked up and summed.

use std::iter::repeat_n;

use crate::functions::vectorised;
use crate::pool;
use crate::tape::Gradients;
use crate::tensor::{Data, Tensor};

/// A place that stands for no row: it adds nothing.
const NONE: u32 = u32::MAX;

/// The rows of a table, `[rows, width]`, at these places: `[places, width]`. `u32::MAX` stands for
/// a row of zeros.
pub fn rows_of(table: &Tensor<2>, places: Vec<u32>) -> Tensor<2> {
    embedding_sum(table, places, &[1])
}

/// Sums of rows of a table, `[rows, width]`: each sum takes the next so many places as `groups`
/// says, again and again until all are used. `[sums, width]`; `u32::MAX` adds nothing.
///
/// # Panics
/// If a place is not in the table, or the groups do not fit the number of places.
pub fn embedding_sum(table: &Tensor<2>, places: Vec<u32>, groups: &[usize]) -> Tensor<2> {
    let [_, width] = table.shape;
    let round: usize = groups.iter().sum();
    assert!(
        places.len().is_multiple_of(round.max(1)),
        "whole rounds of groups"
    );
    let sums = places.len() / round.max(1) * groups.len();
    #[cfg(feature = "gpu")]
    if let Some(table) = table.as_gpu() {
        return Tensor::gpu(on_gpu(table, &places, groups));
    }
    let (data, node) = table.cpu();
    let mut values = pool::any(sums * width);
    let mut rest = places.as_slice();
    let each = groups.iter().cycle();
    for (sum, &count) in values.chunks_exact_mut(width.max(1)).zip(each) {
        let (own, after) = rest.split_at(count);
        rest = after;
        vectorised(
            #[inline(always)]
            || sum_rows(data, own, sum),
        );
    }
    let (node, groups) = (node.cloned(), groups.to_vec());
    let is_tracked = node.is_some();
    let backward = move |gradient: &mut Vec<f32>, gradients: &mut Gradients| {
        let Some(node) = &node else { return };
        let table = gradients.sum(node);
        walk(&places, &groups, |sum, place| {
            let row = &mut table[place * width..][..width];
            let gradient = &gradient[sum * width..][..width];
            row.iter_mut().zip(gradient).for_each(|(x, g)| *x += g);
        });
    };
    Tensor::output(values, [sums, width], is_tracked, backward)
}

/// Writes the sum of these rows of a table as wide as the sum.
#[inline(always)]
fn sum_rows(table: &[f32], places: &[u32], sum: &mut [f32]) {
    /// Columns that are summed at once, in registers.
    const COLUMNS: usize = 32;

    let width = sum.len();
    let rows = || {
        places
            .iter()
            .filter(|place| **place != NONE)
            .map(|&place| place as usize * width)
    };
    let (parts, rest) = sum.as_chunks_mut::<COLUMNS>();
    let start = parts.len() * COLUMNS;
    for (i, part) in parts.iter_mut().enumerate() {
        let mut total = [0.0; COLUMNS];
        for row in rows() {
            let row = &table[row + i * COLUMNS..][..COLUMNS];
            total.iter_mut().zip(row).for_each(|(total, x)| *total += x);
        }
        *part = total;
    }
    rest.fill(0.0);
    for row in rows() {
        let row = &table[row + start..][..rest.len()];
        rest.iter_mut().zip(row).for_each(|(total, x)| *total += x);
    }
}

/// Calls `visit` with each sum and each place that it takes.
fn walk(places: &[u32], groups: &[usize], mut visit: impl FnMut(usize, usize)) {
    let sums = groups.iter().cycle().enumerate();
    let sums = sums.flat_map(|(sum, &count)| repeat_n(sum, count));
    for (sum, &place) in sums.zip(places) {
        if place != NONE {
            visit(sum, place as usize);
        }
    }
}

#[cfg(feature = "gpu")]
fn on_gpu(
    table: burn::tensor::Tensor<2>,
    places: &[u32],
    groups: &[usize],
) -> burn::tensor::Tensor<2> {
    use burn::tensor::{Int, Tensor as Gpu, TensorData};

    /// Most numbers of rows that are looked up at once: adapters limit the size of a buffer.
    const LOOKED_UP: usize = 1 << 24;

    let [rows, width] = table.dims();
    let device = table.device();
    // A row of zeros is the place that stands for none.
    let table = Gpu::cat(vec![table, Gpu::zeros([1, width], &device)], 0);
    let at = |&place: &u32| {
        if place == NONE {
            rows as i32
        } else {
            place as i32
        }
    };
    let round: usize = groups.iter().sum();
    let sums = |places: &[u32]| {
        let rounds = places.len() / round;
        let data = TensorData::new(places.iter().map(at).collect::<Vec<i32>>(), [places.len()]);
        let found = table
            .clone()
            .select(0, Gpu::<1, Int>::from_data(data, &device));
        let found = found.reshape([rounds, round, width]);
        let mut start = 0;
        let sums = groups.iter().map(|&count| {
            let part = found.clone().narrow(1, start, count).sum_dim(1);
            start += count;
            part
        });
        Gpu::cat(sums.collect(), 1).reshape([rounds * groups.len(), width])
    };
    let rounds = (LOOKED_UP / (round * width).max(1)).max(1);
    Gpu::cat(places.chunks(rounds * round).map(sums).collect(), 0)
}

/// For each row of `x`, `[rows, width]`, and each of its places in a table: `x` plus the rows of
/// the table at all places before, rectified. `[places of a row, rows, width]`.
///
/// It is the hidden layer of an autoregressive model of a vector, whose symbols are predicted each
/// given those before it (NADE, Larochelle and Murray 2011).
pub fn rectified_prefix_sums(x: &Tensor<2>, table: &Tensor<2>, places: Vec<u32>) -> Tensor<3> {
    let [rows, width] = x.shape;
    let each = places.len() / rows.max(1);
    #[cfg(feature = "gpu")]
    if let (Some(x), Some(table)) = (x.as_gpu(), table.as_gpu()) {
        let found = on_gpu(table, &places, &[1]).reshape([rows, each, width]);
        let before = found.clone().cumsum(1) - found;
        let sums = before + x.reshape([rows, 1, width]);
        return Tensor::gpu(burn::tensor::activation::relu(sums).swap_dims(0, 1));
    }
    let ((x, x_node), (table, table_node)) = (x.cpu(), table.cpu());
    let mut values = pool::any(each * rows * width);
    let mut sum = pool::zeros(width);
    for row in 0..rows {
        sum.copy_from_slice(&x[row * width..][..width]);
        for (symbol, &place) in places[row * each..][..each].iter().enumerate() {
            let out = &mut values[(symbol * rows + row) * width..][..width];
            for (out, &sum) in out.iter_mut().zip(&sum) {
                *out = if sum < 0.0 { 0.0 } else { sum };
            }
            let row = &table[place as usize * width..][..width];
            sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
    }
    let nodes = (x_node.cloned(), table_node.cloned());
    let is_tracked = nodes.0.is_some() || nodes.1.is_some();
    let output: Data = values.into();
    let rectified = output.clone();
    let backward = move |gradient: &mut Vec<f32>, gradients: &mut Gradients| {
        // From the last place to the first, the gradients of the sums behind a place add up.
        let mut of_x = pool::zeros(rows * width);
        let mut no_table = Vec::new();
        let of_table = match &nodes.1 {
            Some(node) => gradients.sum(node),
            None => &mut no_table[..],
        };
        for (row, behind) in of_x.chunks_exact_mut(width).enumerate() {
            for (symbol, &place) in places[row * each..][..each].iter().enumerate().rev() {
                if !of_table.is_empty() {
                    let sum = &mut of_table[place as usize * width..][..width];
                    sum.iter_mut().zip(&*behind).for_each(|(sum, g)| *sum += g);
                }
                let at = (symbol * rows + row) * width;
                let pairs = rectified[at..at + width]
                    .iter()
                    .zip(&gradient[at..at + width]);
                for (behind, (&y, g)) in behind.iter_mut().zip(pairs) {
                    *behind += if y > 0.0 { *g } else { 0.0 };
                }
            }
        }
        if let Some(node) = &nodes.0 {
            gradients.give(node, of_x);
        }
    };
    Tensor::shared(output, [each, rows, width], is_tracked, backward)
}

//! Memory that is used again. A network asks for the same few sizes over and over; fresh memory
//! from the system would be cleared, page by page, each time.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

/// Most numbers that are kept for later: 256 MiB.
const KEPT: usize = 64 << 20;

/// Fewer numbers than these are left to the allocator.
const SMALL: usize = 1 << 10;

/// Memory by its length.
#[derive(Default)]
struct Pool {
    sizes: HashMap<usize, Size>,
    kept: usize,
}

/// Memory of one length.
#[derive(Default)]
struct Size {
    free: Vec<Vec<f32>>,
    /// Pieces that are in use. Memory that comes from elsewhere, such as that of the inputs of a
    /// network, is not kept beyond these: no one would ever ask for it.
    in_use: usize,
}

static POOL: LazyLock<Mutex<Pool>> = LazyLock::new(Mutex::default);

fn with<T>(work: impl FnOnce(&mut Pool) -> T) -> T {
    work(&mut POOL.lock().unwrap_or_else(PoisonError::into_inner))
}

/// So many numbers, of any values.
pub(crate) fn any(length: usize) -> Vec<f32> {
    let found = (length >= SMALL).then(|| {
        with(|pool| {
            let size = pool.sizes.entry(length).or_default();
            size.in_use += 1;
            let found = size.free.pop()?;
            pool.kept -= length;
            Some(found)
        })
    });
    found.flatten().unwrap_or_else(|| vec![0.0; length])
}

/// So many zeros.
pub(crate) fn zeros(length: usize) -> Vec<f32> {
    let mut numbers = any(length);
    numbers.fill(0.0);
    numbers
}

/// Keeps the memory of numbers that nobody needs any more, such as a gradient that is used up.
pub fn recycle(numbers: Vec<f32>) {
    let length = numbers.len();
    if length >= SMALL && numbers.capacity() == length {
        with(|pool| {
            let Some(size) = pool.sizes.get_mut(&length).filter(|size| size.in_use > 0) else {
                return;
            };
            size.in_use -= 1;
            if pool.kept + length <= KEPT {
                pool.kept += length;
                size.free.push(numbers);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_memory_is_used_again() {
        let length = 12_345;
        let mut numbers = any(length);
        numbers.fill(7.0);
        let place = numbers.as_ptr();
        recycle(numbers);
        // What the pool did not give out is not kept.
        (0..9).for_each(|_| recycle(vec![0.0; length]));
        assert_eq!(with(|pool| pool.sizes[&length].free.len()), 1);
        let again = any(length);
        assert_eq!(again.as_ptr(), place);
        assert!(zeros(length).iter().all(|x| *x == 0.0));
        let spare = Vec::with_capacity(2 * length);
        recycle(spare);
        assert!(any(2 * length).iter().all(|x| *x == 0.0));
    }
}

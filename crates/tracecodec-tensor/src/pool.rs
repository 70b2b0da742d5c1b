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
    free: HashMap<usize, Vec<Vec<f32>>>,
    kept: usize,
}

static POOL: LazyLock<Mutex<Pool>> = LazyLock::new(Mutex::default);

fn with<T>(work: impl FnOnce(&mut Pool) -> T) -> T {
    work(&mut POOL.lock().unwrap_or_else(PoisonError::into_inner))
}

/// So many numbers, of any values.
pub(crate) fn any(length: usize) -> Vec<f32> {
    let found = (length >= SMALL).then(|| {
        with(|pool| {
            let found = pool.free.get_mut(&length)?.pop()?;
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
            if pool.kept + length <= KEPT {
                pool.kept += length;
                pool.free.entry(length).or_default().push(numbers);
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
        let numbers = vec![7.0; length];
        let place = numbers.as_ptr();
        recycle(numbers);
        let again = any(length);
        assert_eq!(again.as_ptr(), place);
        assert!(zeros(length).iter().all(|x| *x == 0.0));
        let spare = Vec::with_capacity(2 * length);
        recycle(spare);
        assert!(any(2 * length).iter().all(|x| *x == 0.0));
    }
}

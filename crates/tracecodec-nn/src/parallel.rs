//! Ordered work on several threads; the results do not depend on their number.

/// The number of threads that the machine offers.
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Computes `work(state, 0)`, `work(state, 1)`, …, `work(state, pieces - 1)`, and returns the
/// results in order. Each thread has a state of its own, which must not carry anything from piece
/// to piece that a result depends on.
pub(crate) fn ordered<S, T: Send>(
    threads: usize,
    pieces: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) -> T + Sync,
) -> Vec<T> {
    let threads = threads.clamp(1, pieces.max(1));
    let stripe = |first: usize| -> Vec<T> {
        let mut state = state();
        (first..pieces)
            .step_by(threads)
            .map(|piece| work(&mut state, piece))
            .collect()
    };
    let stripes = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|first| scope.spawn(move || stripe(first)))
            .collect();
        let mut stripes = vec![stripe(0)];
        for other in others {
            stripes.push(
                other
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            );
        }
        stripes
    });
    interleave(stripes, pieces)
}

fn interleave<T>(stripes: Vec<Vec<T>>, pieces: usize) -> Vec<T> {
    let mut stripes: Vec<_> = stripes.into_iter().map(Vec::into_iter).collect();
    let threads = stripes.len();
    (0..pieces)
        .filter_map(|piece| stripes[piece % threads].next())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_results_come_in_order() {
        for threads in 1..5 {
            let squares = ordered(threads, 7, || (), |(), i| i * i);
            assert_eq!(squares, [0, 1, 4, 9, 16, 25, 36], "{threads} threads");
        }
        assert!(ordered(2, 0, || (), |(), i| i).is_empty());
    }
}

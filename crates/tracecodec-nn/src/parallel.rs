//! Ordered work on several threads; the results do not depend on their number.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Error;

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
    ordered_until(threads, pieces, state, work, &mut || Ok(())).expect("nothing asks for a stop")
}

/// Works as [`ordered`] until `ask`, which the calling thread calls before each of its pieces,
/// fails: then no thread begins another piece, and the failure is returned.
pub(crate) fn ordered_until<S, T: Send>(
    threads: usize,
    pieces: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) -> T + Sync,
    ask: &mut dyn FnMut() -> Result<(), Error>,
) -> Result<Vec<T>, Error> {
    let threads = threads.clamp(1, pieces.max(1));
    let is_stopped = AtomicBool::new(false);
    let stripe = |first: usize, goes_on: &mut dyn FnMut() -> bool| -> Vec<T> {
        let mut state = state();
        (first..pieces)
            .step_by(threads)
            .take_while(|_| goes_on())
            .map(|piece| work(&mut state, piece))
            .collect()
    };
    let (stripe, is_stopped) = (&stripe, &is_stopped);
    let mut answer = Ok(());
    let stripes = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|first| {
                let mut goes_on = || !is_stopped.load(Ordering::Relaxed);
                scope.spawn(move || stripe(first, &mut goes_on))
            })
            .collect();
        let mut goes_on = || {
            answer = ask();
            is_stopped.store(answer.is_err(), Ordering::Relaxed);
            answer.is_ok()
        };
        let mut stripes = vec![stripe(0, &mut goes_on)];
        for other in others {
            stripes.push(
                other
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            );
        }
        stripes
    });
    answer.map(|()| interleave(stripes, pieces))
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
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn test_results_come_in_order() {
        for threads in 1..5 {
            let squares = ordered(threads, 7, || (), |(), i| i * i);
            assert_eq!(squares, [0, 1, 4, 9, 16, 25, 36], "{threads} threads");
        }
        assert!(ordered(2, 0, || (), |(), i| i).is_empty());
    }

    #[test]
    fn test_a_stop_is_heard_before_the_next_piece() {
        for threads in 1..4 {
            let (mut asked, done) = (0, AtomicUsize::new(0));
            let work = |(): &mut (), _| done.fetch_add(1, Ordering::Relaxed);
            let mut ask = || {
                asked += 1;
                if asked < 3 {
                    Ok(())
                } else {
                    Err(Error::Stopped)
                }
            };
            let stopped = ordered_until(1, 1_000, || (), work, &mut ask);
            assert!(matches!(stopped, Err(Error::Stopped)), "{threads} threads");
            assert_eq!((asked, done.into_inner()), (3, 2), "{threads} threads");
        }
    }
}

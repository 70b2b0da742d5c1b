//! Ordered work on several threads; the results do not depend on their number.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

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
    let work = |state: &mut S, piece: usize, _: GoesOn<'_>| work(state, piece);
    stripes_until(threads, pieces, state, work, ask, false)
}

/// Whether the work goes on: a piece that takes long asks now and then, and ends early if not.
pub(crate) type GoesOn<'a> = &'a mut dyn FnMut() -> bool;

/// Longest time between two calls of `ask` while the calling thread waits for the others.
const PATIENCE: Duration = Duration::from_millis(50);

/// Works as [`ordered_until`], but a piece may ask, too, whether the work goes on, and the calling
/// thread asks while it waits for the others.
pub(crate) fn long_pieces_until<S, T: Send>(
    threads: usize,
    pieces: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, GoesOn<'_>) -> T + Sync,
    ask: &mut dyn FnMut() -> Result<(), Error>,
) -> Result<Vec<T>, Error> {
    stripes_until(threads, pieces, state, work, ask, true)
}

fn stripes_until<S, T: Send>(
    threads: usize,
    pieces: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, GoesOn<'_>) -> T + Sync,
    ask: &mut dyn FnMut() -> Result<(), Error>,
    asks_while_waiting: bool,
) -> Result<Vec<T>, Error> {
    let threads = threads.clamp(1, pieces.max(1));
    let (is_stopped, running) = (AtomicBool::new(false), AtomicUsize::new(threads - 1));
    let stripe = |first: usize, goes_on: GoesOn<'_>| -> Vec<T> {
        let mut state = state();
        let mut done = Vec::new();
        for piece in (first..pieces).step_by(threads) {
            if !goes_on() {
                break;
            }
            done.push(work(&mut state, piece, goes_on));
        }
        done
    };
    let (stripe, is_stopped, running) = (&stripe, &is_stopped, &running);
    let caller = &thread::current();
    let mut answer = Ok(());
    let stripes = thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|first| {
                scope.spawn(move || {
                    let done = stripe(first, &mut || !is_stopped.load(Ordering::Relaxed));
                    running.fetch_sub(1, Ordering::Relaxed);
                    caller.unpark();
                    done
                })
            })
            .collect();
        let mut goes_on = || {
            if answer.is_ok() {
                answer = ask();
                is_stopped.store(answer.is_err(), Ordering::Relaxed);
            }
            answer.is_ok()
        };
        let mut stripes = vec![stripe(0, &mut goes_on)];
        // A thread that panicked is finished without a word.
        while asks_while_waiting
            && running.load(Ordering::Relaxed) > 0
            && !others.iter().all(|other| other.is_finished())
        {
            thread::park_timeout(PATIENCE);
            goes_on();
        }
        for other in others {
            let joined = other.join();
            stripes.push(joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
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

    /// The second piece works until it is told to stop, long after the calling thread is done.
    #[test]
    fn test_a_stop_is_heard_within_a_piece_and_while_waiting() {
        let mut asked = 0;
        let mut ask = || {
            asked += 1;
            if asked < 4 {
                Ok(())
            } else {
                Err(Error::Stopped)
            }
        };
        let work = |(): &mut (), piece: usize, goes_on: GoesOn<'_>| {
            while piece == 1 && goes_on() {
                thread::yield_now();
            }
        };
        let stopped = long_pieces_until(2, 2, || (), work, &mut ask);
        assert!(matches!(stopped, Err(Error::Stopped)));
        assert_eq!(asked, 4);
    }
}

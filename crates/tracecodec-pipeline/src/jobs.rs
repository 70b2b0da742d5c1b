//! Work on many captures at once.

use rayon::prelude::*;

use crate::error::Error;
use crate::monitor::{Monitor, Parts};

/// Works on every item, on the given number of threads (0: as many as there are cores), but on no
/// more than have something to do. The results have the order of the items.
///
/// Reports to the monitor how many items are done; if there is a single item, all of its progress.
///
/// # Errors
/// If work on an item fails, or the monitor stops it.
pub(crate) fn each<I: Sync, T: Send>(
    items: &[I],
    jobs: usize,
    stage: &str,
    monitor: &mut dyn Monitor,
    work: impl Fn(&I, &mut dyn Monitor) -> Result<T, Error> + Sync,
) -> Result<Vec<T>, Error> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(jobs.min(items.len().max(cores)))
        .build()
        .map_err(|error| Error::refused(error.to_string(), "ask for fewer `jobs`"))?;
    if let [item] = items {
        return Ok(vec![pool.install(|| work(item, monitor))?]);
    }
    let parts = Parts::new(monitor, stage, items.len());
    pool.install(|| {
        items
            .par_iter()
            .map(|item| parts.work(|monitor| work(item, monitor)))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Silent;

    #[test]
    fn test_no_thread_is_started_for_nothing() {
        let count = |_: &u8, _: &mut dyn Monitor| Ok(rayon::current_num_threads());
        let cores = std::thread::available_parallelism().unwrap().get();
        for items in [1, 2 * cores] {
            let found = each(&vec![0; items], 1_000_000, "", &mut Silent, count).unwrap();
            assert_eq!(found, vec![items.max(cores); items]);
        }
        assert_eq!(each(&[0; 9], 3, "", &mut Silent, count).unwrap(), [3; 9]);
    }
}

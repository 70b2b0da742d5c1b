//! Work on many captures at once.

use rayon::prelude::*;

use crate::error::Error;
use crate::monitor::{Monitor, Parts};

/// Works on every item, on the given number of threads (0: as many as there are cores). The results
/// have the order of the items.
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
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(jobs)
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

//! Monitors: the caller of a verb receives its progress and its warnings, and may stop it.

use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;

/// Longest time without progress that nobody minds.
const AT_ONCE: Duration = Duration::from_millis(200);

/// Listens to a verb while it runs.
///
/// The command line draws bars and turns Ctrl-C into `Break`; a test counts.
pub trait Monitor: Send {
    /// Called at least every few thousand packets, every batch and every step, in order.
    /// If it returns `Break`, the verb stops, removes what is half-written, and returns
    /// [`Error::Interrupted`].
    fn progress(&mut self, progress: &Progress<'_>) -> ControlFlow<()>;

    /// Called once for everything that a person should know although the verb continues.
    fn warn(&mut self, warning: &Warning);
}

/// Where a verb stands within one of its stages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The stage, such as `reading` or `training`. A change of stage begins a new count.
    pub stage: &'a str,
    /// Work done in this stage, in units of its own (bytes, packets, steps). It never decreases
    /// within a stage.
    pub done: u64,
    /// Work of the whole stage in the same units; `None` if it is not known.
    pub total: Option<u64>,
    /// A few words for people, such as `8192 packets`.
    pub detail: &'a str,
}

/// Something that a person should know although the verb continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What was noticed, in one line.
    pub message: String,
    /// What to try, if anything helps.
    pub hint: Option<String>,
}

impl Warning {
    /// A warning without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    /// The warning with a hint.
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

/// A number of things in words; their `name` is a singular whose plural ends in `s`.
pub fn counted(count: u64, name: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {name}{plural}")
}

/// A time in words, to the minute.
pub fn in_words(seconds: f64) -> String {
    let minutes = (seconds / 60.0).ceil().max(1.0) as u64;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("about {minutes} min"),
        (hours, minutes) => format!("about {hours} h {minutes:02} min"),
    }
}

/// A monitor that ignores everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Monitor for Silent {
    fn progress(&mut self, _: &Progress<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn warn(&mut self, _: &Warning) {}
}

impl dyn Monitor + '_ {
    /// Reports progress; [`Error::Interrupted`] if the monitor wants to stop.
    pub(crate) fn step(&mut self, progress: &Progress<'_>) -> Result<(), Error> {
        match self.progress(progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Interrupted),
        }
    }

    /// What a network at work asks again and again: whether the monitor wants to stop. Work that is
    /// done at once shows nothing of its progress.
    pub(crate) fn asks(
        &mut self,
        progress: &Progress<'_>,
    ) -> impl FnMut() -> Result<(), tracecodec_nn::Error> {
        let begun = Instant::now();
        move || {
            if begun.elapsed() > AT_ONCE && self.progress(progress).is_break() {
                return Err(tracecodec_nn::Error::Stopped);
            }
            Ok(())
        }
    }
}

/// One monitor for work on several threads that is counted in whole parts, such as captures.
///
/// The caller receives the number of parts that are done. Progress within a part moves no bar, but
/// gives the caller a chance to stop.
pub(crate) struct Parts<'a> {
    state: Mutex<PartsState<'a>>,
    stage: &'a str,
    total: u64,
}

struct PartsState<'a> {
    monitor: &'a mut dyn Monitor,
    done: u64,
    /// Whether the monitor asked to stop; if it did, every part stops.
    stopped: bool,
}

impl<'a> Parts<'a> {
    /// Begins a stage of the given number of parts.
    pub(crate) fn new(monitor: &'a mut dyn Monitor, stage: &'a str, total: usize) -> Self {
        Self {
            state: Mutex::new(PartsState {
                monitor,
                done: 0,
                stopped: false,
            }),
            stage,
            total: total as u64,
        }
    }

    /// Works on one part, with a monitor for it, and counts it as done.
    pub(crate) fn work<T>(
        &self,
        work: impl FnOnce(&mut dyn Monitor) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let result = work(&mut Part(self))?;
        match self.report(1) {
            ControlFlow::Continue(()) => Ok(result),
            ControlFlow::Break(()) => Err(Error::Interrupted),
        }
    }

    fn report(&self, parts: u64) -> ControlFlow<()> {
        let mut state = self.lock();
        state.done += parts;
        let done = state.done;
        if !state.stopped {
            let progress = Progress {
                stage: self.stage,
                done,
                total: Some(self.total),
                detail: "",
            };
            state.stopped = state.monitor.progress(&progress).is_break();
        }
        if state.stopped {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn lock(&self) -> MutexGuard<'_, PartsState<'a>> {
        // A thread that panicked leaves the state as it was between two calls.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The monitor of one part.
struct Part<'a, 'b>(&'a Parts<'b>);

impl Monitor for Part<'_, '_> {
    fn progress(&mut self, _: &Progress<'_>) -> ControlFlow<()> {
        self.0.report(0)
    }

    fn warn(&mut self, warning: &Warning) {
        self.0.lock().monitor.warn(warning);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_one_is_singular() {
        let counts = [0, 1, 2].map(|count| counted(count, "packet"));
        assert_eq!(counts, ["0 packets", "1 packet", "2 packets"]);
    }

    #[test]
    fn test_times_are_rounded_up_to_the_minute() {
        let times = [0.0, 61.0, 3_660.0].map(in_words);
        assert_eq!(times, ["about 1 min", "about 2 min", "about 1 h 01 min"]);
    }

    /// Counts calls, and stops after the given number of them.
    struct Counting {
        seen: Vec<u64>,
        stop_after: usize,
    }

    impl Monitor for Counting {
        fn progress(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
            self.seen.push(progress.done);
            if self.seen.len() >= self.stop_after {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        }

        fn warn(&mut self, _: &Warning) {}
    }

    fn counting(stop_after: usize) -> Counting {
        Counting {
            seen: Vec::new(),
            stop_after,
        }
    }

    #[test]
    fn test_parts_are_counted_whole_and_asked_within() {
        let mut monitor = counting(usize::MAX);
        let parts = Parts::new(&mut monitor, "checking", 2);
        for _ in 0..2 {
            parts
                .work(|part| part.step(&Progress::default()))
                .expect("nobody stops it");
        }
        assert_eq!(monitor.seen, [0, 1, 1, 2]);
    }

    #[test]
    fn test_a_stop_is_for_all_parts() {
        /// Asks to stop once, and not again.
        struct Once(bool);

        impl Monitor for Once {
            fn progress(&mut self, _: &Progress<'_>) -> ControlFlow<()> {
                if std::mem::replace(&mut self.0, true) {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            }

            fn warn(&mut self, _: &Warning) {}
        }

        let mut monitor = Once(false);
        let parts = Parts::new(&mut monitor, "checking", 2);
        for _ in 0..2 {
            let outcome = parts.work(|part| part.step(&Progress::default()));
            assert!(matches!(outcome, Err(Error::Interrupted)));
        }
    }

    #[test]
    fn test_a_part_stops_within() {
        let mut monitor = counting(1);
        let parts = Parts::new(&mut monitor, "checking", 1);
        let outcome = parts.work(|part| part.step(&Progress::default()));
        assert!(matches!(outcome, Err(Error::Interrupted)));
    }
}

//! A verb at work: on a thread of its own, while the calling thread hands on progress and warnings
//! and listens for Ctrl-C.

use std::ffi::CString;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use tracecodec_pipeline::{Error, Monitor, Progress, Warning};

use crate::errors;

/// Longest time between two looks at signals, and shortest between two reports of one stage.
const INTERVAL: Duration = Duration::from_millis(50);

/// Messages on their way. If there are as many, further progress is dropped, and warnings wait.
const ON_THEIR_WAY: usize = 64;

/// Bytes of the stack of the thread at work, as many as main threads have.
const STACK: usize = 8 << 20;

/// Frames between the caller of the package and this module: the verb's function and `_run`.
const FRAMES: i32 = 3;

enum Message {
    Progress(Report),
    Warning(Warning),
}

/// Progress that owns its texts.
#[derive(PartialEq, Eq)]
struct Report {
    stage: String,
    done: u64,
    total: Option<u64>,
    detail: String,
}

/// The monitor of the thread at work.
struct Sending<'a> {
    messages: SyncSender<Message>,
    stop: &'a AtomicBool,
    /// Whether anybody listens to progress.
    reports: bool,
}

impl Monitor for Sending<'_> {
    fn progress(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        if self.stop.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        if self.reports {
            let report = Report {
                stage: progress.stage.to_string(),
                done: progress.done,
                total: progress.total,
                detail: progress.detail.to_string(),
            };
            // A report that finds no room is out of date when there is some.
            let _ = self.messages.try_send(Message::Progress(report));
        }
        ControlFlow::Continue(())
    }

    fn warn(&mut self, warning: &Warning) {
        // Nobody listens any more if the calling thread has failed.
        let _ = self.messages.send(Message::Warning(warning.clone()));
    }
}

/// Works without the interpreter's lock, and returns the result. Progress goes to the callable
/// `progress`, warnings to Python's `warnings`. An exception of either, or Ctrl-C, stops the work.
///
/// # Errors
/// If the work fails or panics, or was stopped.
pub(crate) fn attended<T: Send>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&mut dyn Monitor) -> Result<T, Error> + Send,
) -> PyResult<T> {
    let stop = AtomicBool::new(false);
    let (messages, received) = sync_channel(ON_THEIR_WAY);
    let mut monitor = Sending {
        messages,
        stop: &stop,
        reports: progress.is_some(),
    };
    thread::scope(|scope| {
        let worker = thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, move || work(&mut monitor))?;
        let attention = Attention {
            py,
            progress,
            delivered: None,
        };
        let attention = attention.until_the_end(received, &stop);
        // The work has ended, or will at its next report.
        let outcome = py.detach(|| worker.join());
        attention?;
        match outcome {
            Ok(outcome) => outcome.map_err(|error| errors::raise(py, &error)),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                Err(errors::fault(py, text.unwrap_or("a panic")))
            }
        }
    })
}

/// The calling thread, which attends to a verb.
struct Attention<'a, 'py> {
    py: Python<'py>,
    progress: Option<&'a Bound<'py, PyAny>>,
    /// Stage and time of the last report that was handed on.
    delivered: Option<(String, Instant)>,
}

impl Attention<'_, '_> {
    /// Hands on messages until there are no more. Asks for a stop at the first exception, and
    /// returns it.
    fn until_the_end(mut self, mut received: Receiver<Message>, stop: &AtomicBool) -> PyResult<()> {
        let mut latest = None;
        loop {
            let (message, still) = self.py.detach(move || {
                let message = received.recv_timeout(INTERVAL);
                (message, received)
            });
            received = still;
            let handed = match message {
                Ok(Message::Warning(warning)) => self.warn(&warning),
                Ok(Message::Progress(report)) => {
                    latest = Some(report);
                    self.report(&mut latest, false)
                }
                Err(RecvTimeoutError::Timeout) => self.report(&mut latest, false),
                Err(RecvTimeoutError::Disconnected) => {
                    return self.report(&mut latest, true);
                }
            };
            if let Err(exception) = handed.and_then(|()| self.py.check_signals()) {
                stop.store(true, Ordering::Relaxed);
                return Err(exception);
            }
        }
    }

    /// Hands on the latest report, if it is the last one, or the first for a while or of its stage.
    fn report(&mut self, latest: &mut Option<Report>, is_last: bool) -> PyResult<()> {
        let (Some(progress), Some(report)) = (self.progress, latest.as_ref()) else {
            return Ok(());
        };
        let is_soon = self
            .delivered
            .as_ref()
            .is_some_and(|(stage, when)| *stage == report.stage && when.elapsed() < INTERVAL);
        if is_soon && !is_last {
            return Ok(());
        }
        let goes_on = progress.call1((&report.stage, report.done, report.total, &report.detail))?;
        self.delivered = Some((report.stage.clone(), Instant::now()));
        *latest = None;
        if goes_on.is(&*pyo3::types::PyBool::new(self.py, false)) && !is_last {
            return Err(errors::raise(self.py, &Error::Interrupted));
        }
        Ok(())
    }

    fn warn(&self, warning: &Warning) -> PyResult<()> {
        let text = match &warning.hint {
            Some(hint) => format!("{} (hint: {hint})", warning.message),
            None => warning.message.clone(),
        };
        let errors = self.py.import("tracecodec._errors")?;
        let category = errors.getattr("TraceCodecWarning")?;
        let text = CString::new(text.replace('\0', " "))?;
        PyErr::warn(self.py, &category, &text, FRAMES)
    }
}

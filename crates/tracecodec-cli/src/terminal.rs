//! The monitor of the command line: bars and warnings on stderr, Ctrl-C as a wish to stop.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tracecodec_pipeline::{Monitor, Progress, Warning};

use crate::failure::settings_as_flags;
use crate::interrupt;
use crate::stderr;

/// Draws a bar for the stage that is under way, if stderr is a terminal.
pub(crate) struct Terminal {
    bar: ProgressBar,
    stage: String,
}

impl Terminal {
    /// A terminal without a bar.
    pub(crate) fn new() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            stage: String::new(),
        }
    }

    /// Begins the bar of another stage: a bar if its total is known, else a spinner.
    fn begin(&mut self, progress: &Progress<'_>) {
        self.bar.finish_and_clear();
        self.stage = progress.stage.to_string();
        if !std::io::stderr().is_terminal() {
            return;
        }
        // `wide_msg` is cut at the width of the terminal: a line that wraps would be left behind.
        let (bar, template) = match progress.total {
            Some(total) => (
                ProgressBar::new(total),
                "{bar:30} {percent:>3}% {eta} left  {wide_msg}",
            ),
            None => (
                ProgressBar::new_spinner(),
                "{spinner} {elapsed}  {wide_msg}",
            ),
        };
        bar.enable_steady_tick(Duration::from_millis(200));
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar = bar.with_style(style).with_position(progress.done);
        // What was done before, as by a training that is resumed, says nothing of the speed.
        self.bar.reset_eta();
    }
}

impl Monitor for Terminal {
    fn progress(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        if progress.stage != self.stage {
            self.begin(progress);
        }
        self.bar.set_position(progress.done);
        self.bar
            .set_message(format!("{} {}", progress.stage, progress.detail));
        if interrupt::is_wanted() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn warn(&mut self, warning: &Warning) {
        self.bar.suspend(|| {
            stderr::line(&format!("warning: {}", warning.message));
            if let Some(hint) = &warning.hint {
                stderr::line(&format!("hint: {}", settings_as_flags(hint)));
            }
        });
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

//! Programs as child processes: their lines come as they are written, and a stop ends them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use crate::error::Error;
use crate::monitor::{Monitor, Progress};

/// Lines that may wait to be read, and lines between two reports of progress.
const LINES: usize = 4096;

/// Longest silence of a program before the next report of progress.
const SILENCE: Duration = Duration::from_millis(100);

/// First line of a program's version that holds a digit, without a full stop.
///
/// # Errors
/// If the program cannot be run.
pub(super) fn version(name: &str, argument: &str) -> io::Result<String> {
    let output = Command::new(name).arg(argument).output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    // Some programs warn first of the user who runs them.
    let line = said
        .lines()
        .find(|line| line.contains(|c: char| c.is_ascii_digit()))
        .unwrap_or_default()
        .trim_end();
    Ok(line.strip_suffix('.').unwrap_or(line).to_string())
}

/// How a program ended, with what it wrote to stderr.
pub(super) struct Ending {
    pub(super) status: ExitStatus,
    pub(super) stderr: String,
}

/// Runs a program, and hands each line of its stdout to `each`.
///
/// # Errors
/// If the program cannot be run, or the monitor stops it; it is then killed.
pub(super) fn run(
    command: &mut Command,
    monitor: &mut dyn Monitor,
    each: impl FnMut(&str),
) -> Result<Ending, Error> {
    let name = command.get_program().to_string_lossy().into_owned();
    let io = |source| Error::Io {
        action: format!("cannot run {name}"),
        path: None,
        source,
    };
    let mut errors = tempfile::tempfile().map_err(io)?;
    let mut child = spawn(command, &errors).map_err(io)?;
    let stdout = child.stdout.take().expect("stdout is piped");
    let (sender, lines) = sync_channel(LINES);
    let reader = thread::spawn(move || read(stdout, &sender));
    let heard = listen(&lines, &name, monitor, each);
    // A reader that waits for room ends when the receiver is dropped.
    drop(lines);
    if heard.is_err() {
        // The program may have ended by itself.
        let _ = child.kill();
    }
    let status = child.wait().map_err(io)?;
    let read = reader.join().unwrap_or(Ok(()));
    heard?;
    read.map_err(io)?;
    let stderr = text(&mut errors).map_err(io)?;
    Ok(Ending { status, stderr })
}

fn spawn(command: &mut Command, errors: &File) -> io::Result<Child> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors.try_clone()?)
        .spawn()
}

/// Sends each line to the channel, until there are no more or the receiver is gone.
fn read(stdout: ChildStdout, sender: &SyncSender<Vec<u8>>) -> io::Result<()> {
    for line in BufReader::new(stdout).split(b'\n') {
        if sender.send(line?).is_err() {
            break;
        }
    }
    Ok(())
}

/// Hands over all lines, and reports progress meanwhile.
fn listen(
    lines: &Receiver<Vec<u8>>,
    name: &str,
    monitor: &mut dyn Monitor,
    mut each: impl FnMut(&str),
) -> Result<(), Error> {
    let stage = format!("running {name}");
    let mut count = 0;
    loop {
        if count % LINES == 0 {
            monitor.step(&Progress {
                stage: &stage,
                ..Progress::default()
            })?;
        }
        match lines.recv_timeout(SILENCE) {
            Ok(line) => {
                count += 1;
                each(&String::from_utf8_lossy(&line));
            }
            Err(RecvTimeoutError::Timeout) => count = 0,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// The whole text of a file.
fn text(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::monitor::Silent;
    use crate::testing::Stopping;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn test_lines_and_errors_are_kept_apart() {
        let mut lines = Vec::new();
        let mut command = shell("echo one; echo two; echo why >&2; exit 3");
        let ending = run(&mut command, &mut Silent, |line| {
            lines.push(line.to_string())
        })
        .unwrap();
        assert_eq!(lines, ["one", "two"]);
        assert_eq!(
            (ending.status.code(), &ending.stderr[..]),
            (Some(3), "why\n")
        );
    }

    #[test]
    fn test_a_program_that_is_not_there_is_named() {
        let error = run(&mut Command::new("no-such-program"), &mut Silent, |_| {});
        let message = error.err().unwrap().to_string();
        assert!(
            message.starts_with("cannot run no-such-program: "),
            "{message}"
        );
    }

    #[test]
    fn test_a_stop_ends_a_program_that_is_silent_or_talks_for_ever() {
        for script in ["exec sleep 600", "while :; do echo; done"] {
            let started = Instant::now();
            let outcome = run(&mut shell(script), &mut Stopping::after(3), |_| {});
            assert!(matches!(outcome, Err(Error::Interrupted)), "{script}");
            assert!(started.elapsed() < Duration::from_secs(60), "{script}");
        }
    }
}

//! How the process ends: exit codes, and errors as one readable chain on standard error.

use std::error::Error;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use forewarm_infrastructure::trace::TraceError;

use crate::config::ConfigError;

/// Why a command failed; each kind has its exit code.
#[derive(Debug)]
pub enum Failure {
    /// 64: bad usage or configuration.
    Usage(anyhow::Error),
    /// 66: unreadable input.
    Input(anyhow::Error),
    /// 69: a needed server (or store, or port) is unavailable.
    Unavailable(anyhow::Error),
    /// 70: anything else.
    Internal(anyhow::Error),
    /// 1: a check was made and is not met; what it found has been printed.
    NotMet,
    /// 0: the reader of our output went away.
    BrokenPipe,
}

impl Failure {
    fn parts(&self) -> Option<(u8, &anyhow::Error)> {
        match self {
            Self::Usage(error) => Some((64, error)),
            Self::Input(error) => Some((66, error)),
            Self::Unavailable(error) => Some((69, error)),
            Self::Internal(error) => Some((70, error)),
            Self::NotMet | Self::BrokenPipe => None,
        }
    }

    /// What went wrong, without its exit code.
    pub(super) fn into_error(self) -> anyhow::Error {
        match self {
            Self::Usage(error)
            | Self::Input(error)
            | Self::Unavailable(error)
            | Self::Internal(error) => error,
            Self::NotMet => anyhow::anyhow!("a check is not met"),
            Self::BrokenPipe => anyhow::anyhow!("the reader went away"),
        }
    }

    /// A failure to write output: a closed pipe is none.
    pub(crate) fn output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::Internal(anyhow::Error::new(error).context("cannot write the output")),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Unreadable { .. } => Self::Input(error.into()),
            _ => Self::Usage(error.into()),
        }
    }
}

impl From<TraceError> for Failure {
    fn from(error: TraceError) -> Self {
        match error {
            error if error.is_broken_pipe() => Self::BrokenPipe,
            TraceError::Write { .. } => Self::Internal(error.into()),
            _ => Self::Input(error.into()),
        }
    }
}

/// Runs a command. A panic is a defect of ours and has printed its message: 70, like every other
/// internal error, and not the 101 that scripts don't know.
pub(super) fn guarded(command: impl FnOnce() -> ExitCode) -> ExitCode {
    // Nothing that the command has touched is used again.
    catch_unwind(AssertUnwindSafe(command)).unwrap_or_else(|_| ExitCode::from(70))
}

/// Prints what went wrong and gives the exit code.
pub(super) fn report(result: Result<(), Failure>) -> ExitCode {
    let Err(failure) = result else {
        return ExitCode::SUCCESS;
    };
    let Some((code, error)) = failure.parts() else {
        return match failure {
            Failure::NotMet => ExitCode::from(1),
            _ => ExitCode::SUCCESS,
        };
    };
    let _ = writeln!(io::stderr(), "forewarm: {}", chain(error.as_ref()));
    ExitCode::from(code)
}

/// Prints clap's message; help and version are no failure.
pub(super) fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() {
        ExitCode::from(64)
    } else {
        ExitCode::SUCCESS
    }
}

/// An error and its causes in one line. A cause that its effect already repeats is left out.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_as_an_internal_error_and_all_else_as_it_says() {
        let panicked = guarded(|| panic!("this message belongs to the test"));
        assert_eq!(panicked, ExitCode::from(70));
        assert_eq!(guarded(|| ExitCode::from(66)), ExitCode::from(66));
    }
}

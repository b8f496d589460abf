//! What is printed: results on standard output, messages on standard error.
//!
//! Names of files come from anywhere, so control characters are escaped wherever they are printed. A result that cannot
//! be written is an error; a message that cannot be written is lost. A closed pipe ends the program quietly: by SIGPIPE
//! where there is such a signal, and without a message elsewhere.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};
use sleeve_files::names::escaped;

/// What errors of standard output name.
pub const STDOUT: &str = "standard output";

/// Prints a result, which ends in a line break. Names in it must be escaped.
pub fn print(text: &str) -> Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).context(STDOUT)
}

/// Prints a message: a line on standard error. Control characters in it are escaped.
pub fn note(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{}", escaped(&text.to_string()));
}

/// Prints a warning.
pub fn warn(text: impl Display) {
    note(format_args!("warning: {text}"));
}

/// Prints the message of an error.
pub fn error(error: &anyhow::Error) {
    note(format_args!("error: {error:#}"));
}

/// Whether the error is that nobody reads standard output any more.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let closed = error.chain().any(|cause| {
        let io = match cause.downcast_ref::<sleeve::Error>() {
            Some(sleeve::Error::Io { reason, .. }) => Some(reason.kind()),
            _ => cause.downcast_ref::<io::Error>().map(io::Error::kind),
        };
        io == Some(ErrorKind::BrokenPipe)
    });
    closed && format!("{error:#}").starts_with(STDOUT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_told_from_other_errors() {
        let of = |kind: ErrorKind| anyhow::Error::from(io::Error::from(kind));
        assert!(is_closed_pipe(&of(ErrorKind::BrokenPipe).context(STDOUT)));
        assert!(is_closed_pipe(&sleeve::Error::io(STDOUT, ErrorKind::BrokenPipe.into()).into()));
        assert!(!is_closed_pipe(&of(ErrorKind::StorageFull).context(STDOUT)));
        assert!(!is_closed_pipe(&sleeve::Error::io("a.npy", ErrorKind::BrokenPipe.into()).into()));
    }
}

//! How a program ended, and whether it may end like that.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

#[derive(Debug, PartialEq, Eq)]
pub enum Ending {
    Done,
    /// An error in words, with the exit code for it.
    Refused,
    /// Ended from outside by SIGKILL.
    Killed,
    /// Rust's standard library aborts when memory cannot be had: of small things, that cannot be helped.
    NoMemory,
    /// Anything else, in words.
    Fault(String),
}

impl Ending {
    pub fn new(status: ExitStatus, said: &str) -> Self {
        let last = || said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("").to_owned();
        match (status.code(), status.signal()) {
            _ if said.contains("panicked at") => Ending::Fault(format!("a panic: {}", panic(said))),
            (Some(0), _) => Ending::Done,
            (_, Some(9)) => Ending::Killed,
            (_, Some(6)) if said.contains("memory allocation of") => Ending::NoMemory,
            (Some(1), _) if !said.trim().is_empty() => Ending::Refused,
            // The loader's own words: the program never began.
            (Some(127), _) if said.contains("error while loading shared libraries") => Ending::Refused,
            _ => Ending::Fault(format!("{status}: {}", last())),
        }
    }
}

/// The place of a panic and its message, without the backtrace.
fn panic(said: &str) -> String {
    said.lines().skip_while(|line| !line.contains("panicked at")).take(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_excuse_a_failure() {
        let of = |raw: i32, said: &str| Ending::new(ExitStatus::from_raw(raw), said);
        assert_eq!(of(0, ""), Ending::Done);
        assert_eq!(of(9, ""), Ending::Killed);
        assert_eq!(of(1 << 8, "error: no space"), Ending::Refused);
        assert_eq!(of(6, "memory allocation of 12 bytes failed"), Ending::NoMemory);
        for (raw, said) in [(1 << 8, ""), (6, "?"), (11, ""), (101 << 8, "thread panicked at x"), (25, "")] {
            assert!(matches!(of(raw, said), Ending::Fault(_)), "{raw}");
        }
    }
}

//! Programs that check and measure this repository, fetched as binaries by package name into `target/tools`.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::peers;
use crate::run::{repository, tests_may_skip};

/// A program of `requirements-tools.txt`. The first call fetches all of them.
pub fn program(name: &str) -> Result<PathBuf> {
    let python = peers::environment("tools", &repository().join("xtask/requirements-tools.txt"))?;
    let program = python.with_file_name(name);
    if !program.is_file() {
        bail!("{} is missing: remove target/tools to fetch it again", program.display());
    }
    Ok(program)
}

/// The same for the suite: if it cannot be fetched, this prints that its check is skipped; with SLEEVE_TEST_ALL it is
/// an error.
pub fn program_or_skip(name: &str) -> Result<Option<PathBuf>> {
    match program(name) {
        Ok(program) => Ok(Some(program)),
        Err(error) if tests_may_skip() => {
            eprintln!("warning: {name} could not be fetched: {error:#}");
            eprintln!("         its check is skipped; it needs python3 with venv, and a network");
            Ok(None)
        }
        Err(error) => Err(error.context(format!("{name} could not be fetched"))),
    }
}

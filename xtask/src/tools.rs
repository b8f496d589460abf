//! Programs that check and measure this repository, ready-made, by package name into `target/tools`.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::peers;
use crate::run::{repository, tests_may_skip};

/// A program of `requirements-tools.txt`, fetched when one of them is first asked for.
pub fn program(name: &str) -> Result<PathBuf> {
    let python = peers::environment("tools", &repository().join("xtask/requirements-tools.txt"))?;
    let program = python.with_file_name(name);
    if !program.is_file() {
        bail!("{} is not there: remove target/tools to have it made again", program.display());
    }
    Ok(program)
}

/// The same for the suite: where it cannot be fetched, this says that its check is skipped, or is an error under
/// SLEEVE_TEST_ALL.
pub fn program_or_skip(name: &str) -> Result<Option<PathBuf>> {
    match program(name) {
        Ok(program) => Ok(Some(program)),
        Err(error) if tests_may_skip() => {
            eprintln!("warning: {name} could not be fetched: {error:#}");
            eprintln!("         its check is skipped; to have it: python3 with venv, and a network");
            Ok(None)
        }
        Err(error) => Err(error.context(format!("{name} could not be fetched"))),
    }
}

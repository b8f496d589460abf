//! Programs that check and measure this repository, ready-made, by package name into `target/tools`.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::peers;
use crate::run::repository;

/// A program of `requirements-tools.txt`, fetched when one of them is first asked for.
pub fn program(name: &str) -> Result<PathBuf> {
    let python = peers::environment("tools", &repository().join("xtask/requirements-tools.txt"))?;
    let program = python.with_file_name(name);
    if !program.is_file() {
        bail!("{} is not there: remove target/tools to have it made again", program.display());
    }
    Ok(program)
}

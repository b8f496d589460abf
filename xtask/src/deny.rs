//! Checks the dependencies: licences, bans and sources (`deny.toml`).

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::run::{checked, repository};
use crate::tools;

/// Runs `cargo deny check bans licenses sources`. Prints a warning if cargo-deny cannot be fetched.
pub fn check() -> Result<()> {
    match tools::program_or_skip("cargo-deny")? {
        Some(program) => deny(&program, &["bans", "licenses", "sources"].map(str::to_owned)),
        None => Ok(()),
    }
}

/// Runs `cargo deny check` with the given checks; without any, those of the suite.
pub fn run(checks: &[String]) -> Result<()> {
    if checks.is_empty() { check() } else { deny(&tools::program("cargo-deny")?, checks) }
}

fn deny(program: &Path, checks: &[String]) -> Result<()> {
    let mut deny = Command::new(program);
    deny.current_dir(repository()).args(["--locked", "--log-level", "error", "check"]);
    checked(deny.args(checks)).context("deny.toml has the rules for dependencies")
}

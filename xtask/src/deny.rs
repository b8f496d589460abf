//! The dependencies: their licences, what must not be among them, and where they come from (`deny.toml`).

use std::process::Command;

use anyhow::{Context, Result};

use crate::run::{checked, repository};
use crate::{peers, tools};

/// Runs `cargo deny check bans licenses sources`; where cargo-deny cannot be fetched, it says so.
pub fn check() -> Result<()> {
    match tools::program("cargo-deny") {
        Ok(_) => run(&["bans", "licenses", "sources"].map(str::to_owned)),
        Err(error) => peers::complain("cargo-deny", &error, "apt-get install python3-venv, and a network"),
    }
}

/// Runs `cargo deny check` with the names of checks.
pub fn run(checks: &[String]) -> Result<()> {
    let mut deny = Command::new(tools::program("cargo-deny")?);
    deny.current_dir(repository()).args(["--locked", "--log-level", "error", "check"]);
    checked(deny.args(checks)).context("deny.toml says what dependencies may be")
}

//! Clippy's lints, by themselves or while the tests compile.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;

use crate::run::{cargo, checked, output};

/// Lints all code of the packages in cargo's arguments `workspace`.
pub fn alone(workspace: &[&str]) -> Result<()> {
    let mut clippy = cargo();
    clippy.args(["clippy", "--quiet"]).args(workspace);
    checked(clippy.args(["--all-targets", "--", "-D", "warnings"]))
}

/// What makes cargo compile the workspace with Clippy's driver in place of rustc. It lints, and then compiles: once, where
/// `cargo clippy` has every dependency checked for itself.
///
/// The driver turns off rustc's own optimisations, those before LLVM's, so the whole suite does not use it: it tests what
/// users get.
pub fn driver() -> Result<Vec<(&'static str, OsString)>> {
    let sysroot = output(std::process::Command::new("rustc").args(["--print", "sysroot"]))?;
    let own = Path::new(sysroot.trim()).join("bin/clippy-driver");
    let driver = if own.is_file() { own.into_os_string() } else { "clippy-driver".into() };
    // As `cargo clippy` passes what stands behind `--`.
    Ok(vec![("RUSTC_WORKSPACE_WRAPPER", driver), ("CLIPPY_ARGS", "-Dwarnings__CLIPPY_HACKERY__".into())])
}

/// Compiles all code with the driver.
pub fn while_compiling(workspace: &[&str], driver: &[(&str, OsString)]) -> Result<()> {
    let mut build = cargo();
    build.args(["build", "--quiet", "--all-targets"]).args(workspace);
    checked(build.envs(driver.iter().map(|(name, value)| (name, value))))
}

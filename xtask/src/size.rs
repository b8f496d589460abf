//! `cargo xtask size`: memory and time of much work (`benches/size/`), with the programs as they are released.

use anyhow::{Result, bail};

use crate::run::{cargo, checked, target};

/// Builds the programs, unless a folder of them is given, and runs the measurement.
pub fn run(arguments: &[String]) -> Result<()> {
    if !cfg!(target_os = "linux") {
        bail!("what a process uses is read as Linux tells it");
    }
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let mut build = cargo();
    build.args([
        "build",
        "--quiet",
        "--release",
        "--package",
        "sleeve-benches",
        "--bin",
        "similar",
        "--bin",
        "size",
    ]);
    checked(&mut build)?;
    if !has("--programs") && !has("--help") && !has("-h") {
        let packages = ["--package", "sleeve-cli", "--package", "sleeve-training"];
        checked(cargo().args(["build", "--quiet", "--release"]).args(packages))?;
    }
    let mut size = std::process::Command::new(target().join("release/size"));
    size.args(arguments);
    if !has("--folder") {
        // Temporary folders are in memory on many machines.
        size.arg("--folder").arg(target());
    }
    checked(&mut size)
}

//! `cargo xtask device-check`: whether everything that runs on CUDA gives what it gives on the CPU.

use std::path::Path;

use anyhow::{Context, Result};

use crate::needs::Peer;
use crate::run::{cargo, checked};
use crate::{libtorch, needs};

/// What the NVIDIA driver creates, on Linux and on WSL.
const DRIVER: [&str; 3] = ["/dev/nvidiactl", "/proc/driver/nvidia/version", "/dev/dxg"];

/// Checks all families' networks, then the tests that need a device: the engine's and training's. Options are those of
/// `benches/device_check.rs`.
pub fn run(arguments: &[String]) -> Result<()> {
    if let Some(reason) = skipped(&DRIVER) {
        println!("{reason}");
        return Ok(());
    }
    libtorch::prepare()?;
    let path = needs::ensure(&[Peer::Python])?;
    // In the program's folder, where the library searches for it.
    checked(cargo().args(["build", "--quiet", "--release", "--package", libtorch::PACKAGE]))?;
    let mut networks = cargo();
    networks.args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "sleeve-benches",
        "--bin",
        "device-check",
        "--",
    ]);
    let networks = checked(networks.args(arguments).env("PATH", &path));
    let tests = |package: &[&str]| {
        let mut command = cargo();
        command.args(["test", "--release", "--test", "torch", "--package"]).args(package);
        checked(command.args(["--", "--nocapture", "cuda"]).env("PATH", &path))
    };
    let engine = tests(&["sleeve-tests"]);
    let training = tests(&["sleeve-training", "--features", libtorch::FEATURES]);
    // All are run, whichever fails.
    networks.context("the networks")?;
    engine.context("the engine's tests")?;
    training.context("a step of training")
}

/// Why nothing is checked, if there is none of the files of a driver.
fn skipped(files: &[&str]) -> Option<String> {
    let has_driver = files.iter().any(|path| Path::new(path).exists());
    (!has_driver)
        .then(|| format!("skipped: no CUDA device\nthere is no NVIDIA driver: none of {}", files.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_driver_it_is_skipped() {
        let reason = skipped(&["/nonexistent/driver"]).unwrap();
        assert!(reason.starts_with("skipped: no CUDA device\n") && reason.contains("/nonexistent/driver"));
        assert_eq!(skipped(&["/nonexistent/driver", "/"]), None);
    }
}

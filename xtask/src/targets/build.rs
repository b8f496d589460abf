//! Builds for a target, and runs its tests under emulation.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::toolchain::Toolchain;
use super::{Target, Tests};
use crate::run::{checked, target};

/// Builds what the table says. Optimised, unless `is_debug`.
pub fn build(wanted: &Target, is_debug: bool) -> Result<()> {
    if let Some(build) = wanted.built_by {
        return build();
    }
    let toolchain = Toolchain::of(wanted)?;
    for package in wanted.packages {
        let mut command = toolchain.cargo("zigbuild")?;
        command.args(["--locked", "--package", package.name]).args(package.part);
        command.args(["--target", wanted.triple]);
        if !is_debug {
            command.arg("--release");
        }
        if let Some(features) = package.features {
            command.args(["--no-default-features", "--features", features]);
        }
        checked(&mut command)?;
    }
    println!("{}: {}", wanted.triple, folder(wanted, is_debug).display());
    Ok(())
}

/// Where a target's files are.
fn folder(wanted: &Target, is_debug: bool) -> PathBuf {
    target().join(wanted.plain()).join(if is_debug { "debug" } else { "release" })
}

/// Runs the target's tests, with the long ones or without.
pub fn test(wanted: &Target, toolchain: &Toolchain, all: bool) -> Result<()> {
    if wanted.tests.is_empty() {
        bail!("no tests are run for it here");
    }
    for Tests { package, filters, .. } in wanted.tests.iter().filter(|tests| tests.is_long == all) {
        let mut command = toolchain.cargo("test")?;
        command.arg("--locked").args(*package).args(["--target", wanted.triple, "--"]).args(*filters);
        checked(&mut command)?;
    }
    Ok(())
}

/// Clippy on the library as it is compiled for a target.
pub fn lint(wanted: &Target, toolchain: &Toolchain) -> Result<()> {
    let mut command = toolchain.cargo("clippy")?;
    command.args(["--quiet", "--locked", "--package", "sleeve", "--lib", "--target", wanted.plain()]);
    checked(command.args(["--", "-D", "warnings"]))
}

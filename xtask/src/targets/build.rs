//! Builds for a target, and runs its tests under emulation.

use std::path::PathBuf;

use anyhow::Result;

use super::toolchain::Toolchain;
use super::{Target, Tests, macos};
use crate::run::{checked, target};

/// Builds what the table says. Optimised, unless `is_debug`.
pub fn build(wanted: &Target, is_debug: bool) -> Result<()> {
    if let Some(build) = wanted.built_by {
        return build();
    }
    let toolchain = Toolchain::of(wanted)?;
    for package in wanted.packages {
        let mut command = toolchain.cargo("zigbuild")?;
        command.env("SLEEVE_SONAME", wanted.run_time_name().unwrap_or_default());
        command.args(["--locked", "--package", package.name]).args(package.part);
        command.args(["--target", wanted.triple]);
        if !is_debug {
            command.arg("--release");
        }
        checked(&mut command)?;
    }
    if wanted.plain().ends_with("apple-darwin") {
        let name = wanted.run_time_name().expect("a Mac's library has a name");
        macos::check(&folder(wanted, is_debug), &name)?;
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
    for Tests { package, filters, .. } in wanted.tests.iter().filter(|tests| tests.is_long == all) {
        let mut command = toolchain.cargo("test")?;
        command.arg("--locked").args(*package).args(["--target", wanted.triple, "--"]).args(*filters);
        checked(&mut command)?;
    }
    Ok(())
}

/// Clippy on the library, the C library and the program as they are compiled for a target.
pub fn lint(wanted: &Target, toolchain: &Toolchain) -> Result<()> {
    let mut command = toolchain.cargo("clippy")?;
    command.args(["--quiet", "--locked", "--package", "sleeve", "--package", "sleeve-capi"]);
    command.args(["--package", "sleeve-cli", "--target", wanted.plain()]);
    checked(command.args(["--", "-D", "warnings"]))
}

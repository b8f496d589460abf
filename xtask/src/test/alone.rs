//! Each package alone, as its users compile it: without the features that other packages of the workspace enable in shared
//! dependencies, and from the archive that would be published.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use serde_json::Value;

use super::found::Program;
use crate::libtorch;
use crate::run::{cargo, checked, output, target};

/// Checks each package by itself.
pub fn check(programs: &[Program], with_torch: bool) -> Result<()> {
    let mut packages: Vec<&str> = programs.iter().map(|program| program.package.as_str()).collect();
    packages.sort_unstable();
    packages.dedup();
    packages.retain(|package| with_torch || *package != libtorch::PACKAGE);
    for package in packages {
        checked(cargo().args(["check", "--quiet", "--package", package]))?;
    }
    checked(cargo().args(["check", "--quiet", "--package", "sleeve", "--no-default-features"]))
}

/// Packages every crate that is published, and compiles each from its archive.
pub fn package() -> Result<()> {
    let metadata: Value =
        serde_json::from_str(&output(cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let published: Vec<(&str, &str)> = packages
        .filter(|package| package["publish"].is_null())
        .filter_map(|package| Some((package["name"].as_str()?, package["version"].as_str()?)))
        .collect();
    forget_earlier_archives(&published);
    let mut command = cargo();
    // Also tests uncommitted changes. They are compiled, and nothing runs.
    command
        .args(["package", "--quiet", "--locked", "--allow-dirty", "--target-dir"])
        .arg(target().join("packages"));
    command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "0").env("CARGO_PROFILE_DEV_DEBUG", "false");
    checked(command.args(published.iter().flat_map(|(name, _)| ["--package", name])))
}

/// cargo keeps the unpacked archive of a version, and would use it for a later archive of the same version.
fn forget_earlier_archives(published: &[(&str, &str)]) {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    for kept in ["src", "cache"] {
        let Some(registry) = home.as_ref().map(|home| home.join("registry").join(kept)) else { continue };
        for folder in fs::read_dir(registry).into_iter().flatten().flatten() {
            // The folder of `cargo package`'s temporary registry has no host name before the hash.
            if !folder.file_name().to_string_lossy().starts_with('-') {
                continue;
            }
            for (name, version) in published {
                let stem = folder.path().join(format!("{name}-{version}"));
                let _ = fs::remove_dir_all(&stem);
                let _ = fs::remove_file(format!("{}.crate", stem.display()));
            }
        }
    }
}

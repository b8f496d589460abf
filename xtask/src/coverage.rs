//! `cargo xtask coverage`: which lines the tests reach, measured by cargo-llvm-cov.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::run::{checked, output, repository};
use crate::{debian, tools};

/// What is measured by default: all that does not need libtorch.
const WORKSPACE: [&str; 3] = ["--workspace", "--exclude", "sleeve-torch"];

/// Runs the instrumented tests and prints a table. The arguments go to `cargo llvm-cov`: packages, `--html`, and names
/// of tests after `--`. No peers are fetched: tests without their peer are skipped.
pub fn run(arguments: &[String]) -> Result<()> {
    let program = tools::program("cargo-llvm-cov").context("cargo-llvm-cov cannot be fetched")?;
    let mut coverage = Command::new(program);
    coverage.arg("llvm-cov").current_dir(repository());
    if !chooses_packages(arguments) {
        coverage.args(WORKSPACE);
    }
    coverage.args(arguments);
    if let Some(folder) = llvm()? {
        coverage
            .env("LLVM_COV", folder.join("llvm-cov-19"))
            .env("LLVM_PROFDATA", folder.join("llvm-profdata-19"));
    }
    checked(&mut coverage)
}

/// Whether the options before `--` select packages.
fn chooses_packages(arguments: &[String]) -> bool {
    let names = ["-p", "--package", "--workspace", "--all", "--manifest-path"];
    arguments.iter().take_while(|argument| *argument != "--").any(|argument| {
        names.iter().any(|name| argument == name || argument.starts_with(&format!("{name}=")))
    })
}

/// The folder of the LLVM programs that read the counters. `None` if cargo-llvm-cov finds them by itself: rustup's
/// component, or `LLVM_COV` and `LLVM_PROFDATA`.
fn llvm() -> Result<Option<PathBuf>> {
    if std::env::var_os("LLVM_COV").is_some() && std::env::var_os("LLVM_PROFDATA").is_some() {
        return Ok(None);
    }
    let sysroot = output(Command::new("rustc").args(["--print", "target-libdir"]))?;
    let component = PathBuf::from(sysroot.trim()).with_file_name("bin");
    if component.join("llvm-profdata").is_file() || component.join("llvm-profdata.exe").is_file() {
        return Ok(None);
    }
    // The counters' format has been the same since LLVM 19; rustc's own LLVM is newer.
    debian::programs("llvm", &["llvm-19"]).map(Some).context(
        "LLVM's programs for the counters are missing: `rustup component add llvm-tools`, or Debian's package llvm-19",
    )
}

//! For the build scripts of packages that link libtorch: finds it, or prints how to get it, and adds its folder to the
//! rpath of the package's programs, tests and shared libraries (cargo does not pass link arguments to other packages).
//!
//! The variables are those of torch-sys: `LIBTORCH_USE_PYTORCH`, `LIBTORCH_LIB`, `LIBTORCH` (`.cargo/config.toml` sets
//! its default).

use std::path::{Path, PathBuf};
use std::process::Command;

/// The version that the workspace's tch requires.
const VERSION: &str = "2.11.0";

/// Prints the instructions for cargo, and returns the folder of libtorch's libraries. Without a usable libtorch, ends
/// the build with a message.
pub fn link() -> PathBuf {
    for variable in ["LIBTORCH", "LIBTORCH_LIB", "LIBTORCH_USE_PYTORCH"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    match folder() {
        Ok(folder) => {
            println!("cargo:rerun-if-changed={}", folder.display());
            println!("cargo:rustc-link-arg=-Wl,-rpath,{}", folder.display());
            folder
        }
        Err(reason) => {
            eprintln!("error: {reason}\n");
            eprintln!("`cargo xtask libtorch` fetches libtorch {VERSION} into target/libtorch, which is");
            eprintln!("used by default; or set LIBTORCH to the folder of another copy of that version.");
            std::process::exit(1);
        }
    }
}

/// The folder of libtorch's shared libraries.
fn folder() -> Result<PathBuf, String> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    if variable("LIBTORCH_USE_PYTORCH").is_some() {
        return of_python();
    }
    let root = variable("LIBTORCH").unwrap_or_else(|| "/usr".into());
    let lib = variable("LIBTORCH_LIB").unwrap_or_else(|| root.clone()).join("lib");
    if !lib.join("libtorch_cpu.so").exists() {
        return Err(format!("there is no libtorch in {}", lib.display()));
    }
    if let Ok(version) = std::fs::read_to_string(root.join("build-version")) {
        let version = version.trim();
        if version.split('+').next() != Some(VERSION) {
            return Err(format!("{} is libtorch {version}, but {VERSION} is needed", root.display()));
        }
    }
    Ok(lib)
}

/// The libraries of the PyTorch that python3 imports.
fn of_python() -> Result<PathBuf, String> {
    let script = "import os, torch; print(os.path.join(os.path.dirname(torch.__file__), 'lib'))";
    let output = Command::new("python3").args(["-c", script]).output();
    let output = output.map_err(|error| format!("LIBTORCH_USE_PYTORCH is set, but python3: {error}"))?;
    if !output.status.success() {
        return Err("LIBTORCH_USE_PYTORCH is set, but python3 cannot import torch".into());
    }
    Ok(Path::new(String::from_utf8_lossy(&output.stdout).trim()).to_owned())
}

//! libtorch for the CPU, from PyTorch's wheels: only the files that the crates of this workspace need.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use crate::run::{checked, have, output, target, tests_may_skip};

/// The version that tch requires, and the wheels that contain its libraries.
const VERSION: &str = "2.11.0";
const WHEELS: [&str; 3] = ["torch==2.11.0", "nvidia-cuda-cupti==13.0.85", "nvidia-cuda-runtime==13.0.96"];

/// The platform tags of the wheels.
const PLATFORMS: [&str; 4] = ["manylinux_2_28", "manylinux_2_25", "manylinux_2_17", "manylinux2014"];

/// The libraries that are kept. PyTorch's wheel is for CPU and CUDA; only those CUDA libraries are kept that
/// libtorch_cpu itself is linked with. Without libtorch_cuda, programs built here start without CUDA.
const LIBRARIES: [&str; 5] =
    ["libc10.so", "libtorch_cpu.so", "libgomp.so.1", "libcupti.so.13", "libcudart.so.13"];

/// Unpacks headers and the given libraries from all wheels in a folder.
const UNPACK: &str = r#"
import os, shutil, sys, zipfile

wheels, out, libraries = sys.argv[1], sys.argv[2], sys.argv[3:]
os.makedirs(os.path.join(out, "lib"))
for wheel in sorted(os.listdir(wheels)):
    archive = zipfile.ZipFile(os.path.join(wheels, wheel))
    for entry in archive.infolist():
        name = entry.filename
        base = name.rsplit("/", 1)[-1]
        if name.startswith("torch/include/") and not name.endswith("/") and ".." not in name:
            path = os.path.join(out, name[len("torch/"):])
        elif "/lib/" in name and base in libraries:
            path = os.path.join(out, "lib", base)
        else:
            continue
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with archive.open(entry) as source, open(path, "wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
missing = [name for name in libraries if not os.path.exists(os.path.join(out, "lib", name))]
if missing:
    sys.exit("the wheels lack " + ", ".join(missing))
"#;

/// Returns the folder of libtorch: `LIBTORCH`, or `target/libtorch`, to which it is fetched unless it is there.
pub fn prepare() -> Result<PathBuf> {
    let ours = target().join("libtorch");
    let wanted = std::env::var_os("LIBTORCH").map_or_else(|| ours.clone(), PathBuf::from);
    if is_complete(&wanted) || std::env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
        return Ok(wanted);
    }
    if wanted != ours {
        bail!("LIBTORCH is {}, which contains no libtorch; unset it to fetch one", wanted.display());
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!("libtorch is fetched for Linux on x86-64 only; set LIBTORCH to a copy of version {VERSION}");
    }
    fetch(&ours).with_context(|| {
        format!(
            "libtorch {VERSION} could not be fetched; with python3, its pip or venv, and a network `cargo xtask \
             libtorch` does it, or set LIBTORCH to the folder of a copy"
        )
    })?;
    Ok(ours)
}

/// The features that need libtorch, of packages that can be built without it.
pub const FEATURES: &str = "sleeve-training/torch";
/// The package that always needs libtorch.
pub const PACKAGE: &str = "sleeve-torch";

/// Cargo's arguments for the whole workspace, with and without what needs libtorch. Both have Parquet, which the
/// program's tests read.
pub const WITH: [&str; 3] = ["--workspace", "--features", "sleeve-training/torch,sleeve-cli/parquet"];
pub const WITHOUT: [&str; 5] = ["--workspace", "--exclude", PACKAGE, "--features", PARQUET];
/// The feature of the program that its tests need.
pub const PARQUET: &str = "sleeve-cli/parquet";

/// Prepares libtorch and returns whether it is available. If not, this prints a warning; with SLEEVE_TEST_ALL it is an
/// error.
pub fn available() -> Result<bool> {
    let compiler =
        if have("c++") || have("g++") { Ok(()) } else { Err(anyhow!("there is no C++ compiler (g++)")) };
    match compiler.and_then(|()| prepare()) {
        Ok(_) => Ok(true),
        Err(error) if tests_may_skip() => {
            eprintln!("warning: {error:#}");
            eprintln!("         what needs libtorch is neither compiled nor tested");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn is_complete(folder: &Path) -> bool {
    folder.join("lib/libtorch_cpu.so").is_file() && folder.join("include/torch").is_dir()
}

/// Downloads the wheels and creates `folder`, which appears only when it is complete.
fn fetch(folder: &Path) -> Result<()> {
    println!("libtorch {VERSION} for the CPU, 545 MB of wheels -> target/libtorch");
    let work = target().join("libtorch.partial");
    let _ = fs::remove_dir_all(&work);
    let (wheels, out) = (work.join("wheels"), work.join("libtorch"));
    fs::create_dir_all(&wheels)?;
    let python = python_with_pip()?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]);
    // Explicit, so that any Python version can fetch them.
    pip.args(["--no-deps", "--only-binary=:all:", "--implementation", "cp", "--python-version", "3.11"]);
    for platform in PLATFORMS {
        pip.arg("--platform").arg(format!("{platform}_x86_64"));
    }
    checked(pip.arg("--dest").arg(&wheels).args(WHEELS))?;
    checked(Command::new(&python).args(["-c", UNPACK]).arg(&wheels).arg(&out).args(LIBRARIES))?;
    // The original libtorch.so only links to libtorch_cuda.
    fs::write(out.join("lib/libtorch.so"), "INPUT(-ltorch_cpu)\n")?;
    fs::write(out.join("build-version"), VERSION)?;
    let _ = fs::remove_dir_all(folder);
    fs::rename(&out, folder)?;
    fs::remove_dir_all(&work)?;
    Ok(())
}

/// A Python with a working pip: the system's, or that of a virtual environment.
fn python_with_pip() -> Result<PathBuf> {
    if !have("python3") {
        bail!("python3 is not on the path");
    }
    if output(Command::new("python3").args(["-m", "pip", "--version"])).is_ok() {
        return Ok("python3".into());
    }
    let folder = target().join("pip");
    let python = folder.join("bin/python");
    if !python.exists() {
        checked(Command::new("python3").args(["-m", "venv"]).arg(&folder))
            .context("python3 has neither pip nor venv; Debian has them in python3-pip and python3-venv")?;
    }
    Ok(python)
}

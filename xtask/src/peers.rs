//! The peers of tests and benchmarks: Python packages in virtual environments, and Debian's audio tools. All are under
//! `target/`, created once, and created again when the requirements change.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian;
use crate::run::{cargo, checked, have, output, repository, target};

/// The Debian programs that the tests call and that work from any folder, and the package of each.
const PROGRAMS: &[(&str, &str)] = &[
    ("ffmpeg", "ffmpeg"),
    ("oggenc", "vorbis-tools"),
    ("opusenc", "opus-tools"),
    ("opusdec", "opus-tools"),
    ("cmake", "cmake"),
    ("abidw", "abigail-tools"),
    ("abidiff", "abigail-tools"),
];

/// Fetches the Debian programs that this machine lacks. Returns their folder.
pub fn programs() -> Result<Option<PathBuf>> {
    let missing: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| !have(program)).map(|&(_, package)| package).collect();
    if missing.is_empty() { Ok(None) } else { debian::fetch(&missing).map(Some) }
}

/// The peers of most tests: Essentia's Python package, onnxruntime, pyarrow, TensorBoard.
pub fn python() -> Result<()> {
    environment("peers", &repository().join("tests/peers/requirements.txt")).map(drop)
}

/// cargo-c, which installs the library as C projects expect: `target/cargo-c/bin`.
pub fn cargo_c() -> Result<()> {
    let root = target().join("cargo-c");
    let stamp = root.join("version.txt");
    if fs::read_to_string(&stamp).is_ok_and(|version| version == CARGO_C) {
        return Ok(());
    }
    println!("cargo-c {CARGO_C} -> target/cargo-c");
    // Not optimised, because it runs once or twice and compiles in a third of the time.
    let mut install = cargo();
    install.args(["install", "--quiet", "--locked", "--debug", "--force", "cargo-c", "--version", CARGO_C]);
    install.args(["--config", "profile.dev.debug=false"]).arg("--root").arg(&root);
    // A separate folder, removed afterwards: half a gigabyte.
    let build = root.join("build");
    install.arg("--target-dir").arg(&build);
    let has_openssl = Command::new("pkg-config").args(["--exists", "openssl"]).status();
    if !has_openssl.is_ok_and(|status| status.success()) {
        install.args(["--features", "vendored-openssl"]);
    }
    let installed = output(&mut install);
    let _ = fs::remove_dir_all(build);
    installed?;
    Ok(fs::write(stamp, CARGO_C)?)
}

/// The version of cargo-c that this toolchain compiles.
const CARGO_C: &str = "0.10.24+cargo-0.98.0";

/// TensorFlow, whose converted networks a test runs. It has its own environment because it is large.
pub fn keras() -> Result<()> {
    environment("keras", &repository().join("tests/peers/requirements-keras.txt")).map(drop)
}

/// Conan, which builds and tries its recipe.
pub fn conan() -> Result<()> {
    environment("conan", &repository().join("tests/peers/requirements-conan.txt")).map(drop)
}

/// The source of JUCE's modules, and zlib, in `target/juce`.
pub fn juce() -> Result<()> {
    debian::alone("juce", &["juce-modules-source-data", "zlib1g-dev"]).map(drop)
}

/// What the Python package is built and tested with.
pub fn python_package() -> Result<()> {
    environment("python", &repository().join("bindings/python/tests/requirements.txt")).map(drop)
}

/// Ray, Spark and PyTorch, with which the Python package is tested.
pub fn cluster() -> Result<()> {
    environment("python-cluster", &repository().join("bindings/python/tests/cluster/requirements.txt"))
        .map(drop)
}

/// Playwright, which drives a browser, and Chromium where the machine has none. Returns the folder of Chromium.
pub fn browser() -> Result<Option<PathBuf>> {
    environment("browser", &repository().join("tests/peers/requirements-browser.txt"))?;
    if ["chromium-headless-shell", "chromium"].iter().any(|name| have(name)) {
        return Ok(None);
    }
    debian::programs_of("chromium", &["chromium-headless-shell"], "usr/lib/chromium").map(Some)
}

/// Creates the virtual environment `target/<name>` with the packages of `requirements`.
pub fn environment(name: &str, requirements: &Path) -> Result<PathBuf> {
    let folder = target().join(name);
    let wanted = fs::read_to_string(requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let stamp = folder.join("installed-requirements.txt");
    let python = folder.join("bin/python");
    if python.exists() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    println!(
        "Python packages of {} -> target/{name}",
        requirements.file_name().unwrap_or_default().display()
    );
    if !have("python3") {
        bail!("python3 is not on the path");
    }
    if !python.exists() {
        checked(Command::new("python3").args(["-m", "venv"]).arg(&folder))
            .context("python3 cannot create a virtual environment; on Debian, install python3-venv")?;
    }
    output(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(requirements),
    )?;
    fs::write(stamp, wanted)?;
    Ok(python)
}

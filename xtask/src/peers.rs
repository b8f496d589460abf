//! The peers that tests and benchmarks measure us against: Python packages in virtual environments, and
//! Debian's audio tools, all under `target/`, made once and made again when what is asked for changes.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian;
use crate::run::{cargo, checked, have, repository, target, tests_may_skip};

/// Debian's programs that the tests call and that work from any folder, and the package each comes in.
const PROGRAMS: &[(&str, &str)] = &[
    ("ffmpeg", "ffmpeg"),
    ("oggenc", "vorbis-tools"),
    ("opusenc", "opus-tools"),
    ("opusdec", "opus-tools"),
    ("cmake", "cmake"),
    ("abidw", "abigail-tools"),
    ("abidiff", "abigail-tools"),
];

/// What the tests need; returns the PATH to run them with.
pub fn prepare() -> Result<OsString> {
    let missing: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| !have(program)).map(|&(_, package)| package).collect();
    let mut folders: Vec<PathBuf> = Vec::new();
    if !missing.is_empty() {
        match debian::fetch(&missing) {
            Ok(folder) => folders.push(folder),
            Err(error) => {
                complain("Debian's audio tools", &error, &format!("apt-get install {}", missing.join(" ")))?
            }
        }
    }
    if let Err(error) = environment("peers", &repository().join("tests/peers/requirements.txt")) {
        complain(
            "the peers' Python packages",
            &error,
            "apt-get install python3 python3-venv, and a network",
        )?;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    Ok(std::env::join_paths(folders)?)
}

/// cargo-c, which installs the library as C projects expect it: `target/cargo-c/bin`.
pub fn cargo_c() -> Result<()> {
    let root = target().join("cargo-c");
    let stamp = root.join("version.txt");
    if fs::read_to_string(&stamp).is_ok_and(|version| version == CARGO_C) {
        return Ok(());
    }
    println!("cargo-c {CARGO_C} -> target/cargo-c");
    // Not optimised: it runs once or twice, and compiles in a third of the time.
    let mut install = cargo();
    install.args(["install", "--quiet", "--locked", "--debug", "--force", "cargo-c", "--version", CARGO_C]);
    install.args(["--config", "profile.dev.debug=false"]).arg("--root").arg(&root);
    // Kept apart, and gone afterwards: half a gigabyte.
    let build = root.join("build");
    install.arg("--target-dir").arg(&build);
    let has_openssl = Command::new("pkg-config").args(["--exists", "openssl"]).status();
    if !has_openssl.is_ok_and(|status| status.success()) {
        install.args(["--features", "vendored-openssl"]);
    }
    let installed = checked(&mut install);
    let _ = fs::remove_dir_all(build);
    match installed {
        Ok(()) => Ok(fs::write(stamp, CARGO_C)?),
        Err(error) => complain("cargo-c", &error, "a network"),
    }
}

/// The version of cargo-c that this toolchain compiles.
const CARGO_C: &str = "0.10.24+cargo-0.98.0";

/// TensorFlow, whose converted networks a test runs: an environment of its own, for it is large.
pub fn keras() -> Result<()> {
    match environment("keras", &repository().join("tests/peers/requirements-keras.txt")) {
        Ok(_) => Ok(()),
        Err(error) => complain("Keras and tf2onnx", &error, "apt-get install python3-venv, and a network"),
    }
}

/// Makes the virtual environment `target/<name>` hold the packages of `requirements`.
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
        checked(Command::new("python3").args(["-m", "venv"]).arg(&folder)).context(
            "python3 cannot make a virtual environment; Debian has this in the package python3-venv",
        )?;
    }
    checked(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(requirements),
    )?;
    fs::write(stamp, wanted)?;
    Ok(python)
}

/// On a user's machine a missing peer means skipped tests, said aloud; under SLEEVE_TEST_ALL it is an error.
pub fn complain(what: &str, error: &anyhow::Error, remedy: &str) -> Result<()> {
    if !tests_may_skip() {
        bail!("{what}: {error:#}");
    }
    eprintln!("warning: {what} could not be fetched: {error:#}");
    eprintln!("         the tests that need them will be skipped; to have them: {remedy}");
    Ok(())
}

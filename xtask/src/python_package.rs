//! Prepares `cargo xtask bench python`: the wheel in an environment of its own, and the packages it is compared with.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::needs::{self, Peer};
use crate::peers;
use crate::run::{checked, output, repository, target};

/// `musicnn` was made for TensorFlow 1, which has wheels for Python 3.7 at most.
const MUSICNN: &str = "musicnn==0.1.0\ntensorflow==1.15.5\nprotobuf==3.20.3\n";

/// Builds and installs everything. A peer that does not install is left out, with the reason.
pub fn prepare() -> Result<()> {
    needs::ensure(&[Peer::PythonPackage])?;
    let (builder, folder) = (target().join("python/bin"), target().join("python-bench-wheel"));
    let _ = fs::remove_dir_all(&folder);
    let mut maturin = Command::new(builder.join("maturin"));
    maturin.current_dir(repository()).args(["build", "--quiet", "--release", "--locked", "--interpreter"]);
    maturin.arg(builder.join("python")).args(["--manifest-path", "bindings/python/Cargo.toml", "--out"]);
    checked(maturin.arg(&folder))?;
    let wheel = fs::read_dir(&folder)?.next().context("maturin built no wheel")??.path();
    println!("{}: {:.1} MB", wheel.display(), fs::metadata(&wheel)?.len() as f64 / 1e6);
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, "numpy\n")?;
    let python = peers::environment("python-bench", &requirements)?;
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--force-reinstall",
        "--no-deps",
    ]);
    output(pip.arg(wheel))?;
    for (name, installed) in [("musicnn", musicnn()), ("essentia-tensorflow", essentia())] {
        if let Err(error) = installed {
            println!("{name} is left out: {error:#}");
        }
    }
    Ok(())
}

/// `musicnn` in an environment of Python 3.7, which is `PYTHON37` or `python3.7`.
fn musicnn() -> Result<()> {
    let folder = target().join("python-musicnn");
    let stamp = folder.join("installed-requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == MUSICNN) {
        return Ok(());
    }
    let python: PathBuf = std::env::var_os("PYTHON37").map_or("python3.7".into(), PathBuf::from);
    output(Command::new(python).args(["-m", "venv"]).arg(&folder)).context("no Python 3.7 (PYTHON37)")?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    output(pip.args(MUSICNN.lines()))?;
    Ok(fs::write(stamp, MUSICNN)?)
}

/// `essentia-tensorflow`, and a MusiCNN for it.
fn essentia() -> Result<()> {
    needs::ensure(&[Peer::EssentiaTensorflow, Peer::Keras])?;
    let folder = target().join("python-bench-files");
    if !folder.join("musicnn.pb").exists() {
        let graphs = target().join("python-bench-graphs");
        let mut make = Command::new(target().join("keras/bin/python"));
        make.arg(repository().join("tests/peers/essentia_graphs.py")).arg(&graphs);
        output(make.env("TF_CPP_MIN_LOG_LEVEL", "3"))?;
        fs::create_dir_all(&folder)?;
        fs::copy(graphs.join("musicnn.pb"), folder.join("musicnn.pb"))?;
    }
    Ok(())
}

//! The Python package: its wheel is built, installed into a virtual environment, and tested there by pytest.

mod cluster;
mod package;
mod release;

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sleeve_tests::{build_workspace, once_a_run, output_of, profile, repository};

/// The Python of a virtual environment under `target/`, created by `cargo xtask test`.
fn environment(name: &str) -> Option<PathBuf> {
    let python = repository().join("target").join(name).join("bin/python");
    python.exists().then_some(python)
}

/// The folder that holds the wheel of the tests.
fn wheels() -> PathBuf {
    repository().join("target/python-wheel")
}

/// The wheel in a folder.
fn wheel_in(folder: &Path) -> PathBuf {
    let mut files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_some_and(|ending| ending == "whl")).expect("a wheel was built")
}

/// Packs the wheel of the workspace's own build and installs it in `python`'s environment. `builder` has maturin, which
/// writes the wheel's metadata; letting it compile would take minutes, for a package alone has other features in what it
/// depends on. [`release`] has a wheel of maturin's.
fn install(name: &str, python: &Path, builder: &Path) {
    once_a_run("python-wheel", || {
        build_workspace(&["--lib"]);
        let _ = fs::remove_dir_all(wheels());
        let content = wheels().join("content");
        let package = content.join("sleeve");
        fs::create_dir_all(&package).unwrap();
        let mut maturin = Command::new(builder.with_file_name("maturin"));
        maturin.current_dir(repository().join("bindings/python"));
        maturin.args(["pep517", "write-dist-info", "--metadata-directory"]).arg(&content);
        output_of(maturin.arg("--interpreter").arg(builder));
        for entry in fs::read_dir(repository().join("bindings/python/python/sleeve")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::copy(&path, package.join(path.file_name().unwrap())).unwrap();
            }
        }
        let library = profile().join(format!("{DLL_PREFIX}_sleeve{DLL_SUFFIX}"));
        fs::copy(library, package.join("_sleeve.abi3.so")).unwrap();
        let mut pack = Command::new(builder);
        pack.args(["-m", "wheel", "pack"]).arg(&content).arg("--dest-dir").arg(wheels());
        output_of(&mut pack);
    });
    once_a_run(&format!("{name}-installed"), || pip_install(python, &wheel_in(&wheels()), &["--no-deps"]));
}

fn pip_install(python: &Path, wheel: &Path, options: &[&str]) {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--force-reinstall"]);
    output_of(pip.args(options).arg(wheel));
}

/// Runs pytest on files of `bindings/python/tests`. Its report is in the panic if one fails.
fn pytest(python: &Path, files: &[&str]) {
    let tests = repository().join("bindings/python/tests");
    let mut command = Command::new(python);
    // Elsewhere, so that `import sleeve` can only find what is installed.
    command.current_dir(wheels()).args(["-m", "pytest", "-p", "no:cacheprovider", "--tb=short"]);
    command.arg("-c").arg(repository().join("bindings/python/pyproject.toml"));
    command.args(files.iter().map(|file| tests.join(file))).env_remove("PYTHONPATH");
    let output = command.output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}{}", String::from_utf8_lossy(&output.stderr));
    print!("{report}");
    assert!(report.contains(" passed"), "{report}");
}

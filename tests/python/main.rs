//! The Python package: its wheel is built, installed into a virtual environment, and tested there by pytest.

mod cluster;
mod package;

use std::path::{Path, PathBuf};
use std::process::Command;

use sleeve_tests::{once_a_run, output_of, repository};

/// The Python of a virtual environment under `target/`, created by `cargo xtask test`.
fn environment(name: &str) -> Option<PathBuf> {
    let python = repository().join("target").join(name).join("bin/python");
    python.exists().then_some(python)
}

/// The folder that holds the built wheel.
fn wheels() -> PathBuf {
    repository().join("target/python-wheel")
}

/// Builds the wheel in the profile of the tests, whose compiled crates it shares, and installs it in `python`'s
/// environment. `builder` has maturin.
fn install(name: &str, python: &Path, builder: &Path) {
    once_a_run("python-wheel", || {
        let _ = std::fs::remove_dir_all(wheels());
        let mut maturin = Command::new(builder.with_file_name("maturin"));
        maturin.current_dir(repository()).args(["build", "--quiet", "--locked"]);
        // For every CPython from 3.10 on, so it matters not for which it is asked.
        maturin.args(["--manifest-path", "bindings/python/Cargo.toml"]).arg("--interpreter").arg(builder);
        maturin.args(["--profile", if cfg!(debug_assertions) { "dev" } else { "release" }]);
        output_of(maturin.arg("--out").arg(wheels()));
    });
    once_a_run(&format!("{name}-installed"), || {
        let wheel = std::fs::read_dir(wheels()).unwrap().next().expect("a wheel was built").unwrap().path();
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
        output_of(pip.arg("--force-reinstall").arg(wheel));
    });
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

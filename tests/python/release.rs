//! The wheel as it is published: `cargo xtask test --all`, or by name. It compiles everything once more.

use std::fs;
use std::process::Command;

use sleeve_tests::{output_of, repository, skip};

use super::{environment, install, pip_install, pytest, wheel_in, wheels};

/// The names of a wheel's files, without the folder of its metadata, whose name has the version.
fn files(python: &std::path::Path, wheel: &std::path::Path) -> Vec<String> {
    let code = "import sys, zipfile; print(*sorted(zipfile.ZipFile(sys.argv[1]).namelist()), sep='\\n')";
    let text = output_of(Command::new(python).args(["-c", code]).arg(wheel));
    let text = String::from_utf8(text).unwrap();
    text.lines().filter(|name| !name.ends_with('/')).map(str::to_owned).collect()
}

fn first_on_the_path(folder: &std::path::Path) -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths([folder.to_owned()].into_iter().chain(std::env::split_paths(&path))).unwrap()
}

/// What maturin builds has the files of the wheel that all tests use, is small, and works for a newcomer, who has nothing
/// but pip: the README's lines, mypy and pyright.
#[test]
fn a_newcomer_installs_it() {
    let Some(builder) = environment("python") else { skip!("no Python environment") };
    install("python", &builder, &builder);
    let folder = repository().join("target/python-release");
    let _ = fs::remove_dir_all(&folder);
    let mut maturin = Command::new(builder.with_file_name("maturin"));
    // zig links with the glibc of 2014, as on machines that never had a newer one. It is a Python package.
    maturin.current_dir(repository()).env("PATH", first_on_the_path(builder.parent().unwrap()));
    maturin.args(["build", "--quiet", "--release", "--locked", "--zig", "--compatibility", "manylinux2014"]);
    maturin.args(["--manifest-path", "bindings/python/Cargo.toml", "--interpreter"]).arg(&builder);
    output_of(maturin.arg("--out").arg(&folder));
    let wheel = wheel_in(&folder);
    let bytes = fs::metadata(&wheel).unwrap().len();
    println!("{}: {:.1} MB", wheel.display(), bytes as f64 / 1e6);
    assert!(bytes < 10_000_000, "{bytes} bytes");
    let name = wheel.file_name().unwrap().to_string_lossy().into_owned();
    assert!(name.contains("-cp310-abi3-manylinux_2_17_") && name.contains("manylinux2014_"), "{name}");
    // maturin also lists what is inside, for auditors.
    let mut published = files(&builder, &wheel);
    published.retain(|name| !name.contains("/sboms/"));
    assert_eq!(published, files(&builder, &wheel_in(&wheels())));

    let fresh = folder.join("environment");
    output_of(Command::new(&builder).args(["-m", "venv"]).arg(&fresh));
    let python = fresh.join("bin/python");
    pip_install(&python, &wheel, &[]);
    let code = "import numpy, sleeve; print(sleeve.extract((numpy.zeros(60_000), 16_000)).embeddings.shape)";
    assert_eq!(output_of(Command::new(&python).args(["-c", code])), b"(1, 200)\n");
    // The packages that the README's lines name, and those that read its types.
    let requirements = repository().join("bindings/python/tests/requirements.txt");
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    output_of(pip.arg(requirements));
    pytest(&python, &["test_readme.py"]);
}

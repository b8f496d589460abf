//! With packages of gigabytes: Ray, Spark, PyTorch. `cargo xtask test --all`, or by name.

use std::process::Command;

use sleeve_tests::{once_a_run, output_of, repository, skip, torch_engine};

use super::{environment, install, pip_install, pytest, wheel_in};

/// Runs these files in the environment `target/python-cluster`, with the wheel. `false` without the environment.
fn passes(files: &[&str]) -> bool {
    let (Some(python), Some(builder)) = (environment("python-cluster"), environment("python")) else {
        return false;
    };
    install("python-cluster", &python, &builder);
    pytest(&python, files);
    true
}

#[test]
fn ray_keeps_every_row_when_an_actor_is_killed() {
    if !passes(&["cluster/test_ray.py"]) {
        skip!("no Python environment with Ray");
    }
}

#[test]
fn spark() {
    if !sleeve_tests::have("java") {
        skip!("no Java");
    }
    if !passes(&["cluster/test_spark.py"]) {
        skip!("no Python environment with Spark");
    }
}

#[test]
fn pytorch() {
    let Some(python) = environment("python-cluster") else { skip!("no Python environment with PyTorch") };
    let Some(engine) = torch_engine() else { skip!("no libtorch") };
    once_a_run("sleeve-torch-installed", || {
        let folder = repository().join("target/python-torch-wheel");
        let _ = std::fs::remove_dir_all(&folder);
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]);
        pip.args(["--no-build-isolation", "--wheel-dir"]).arg(&folder);
        output_of(pip.arg(repository().join("bindings/torch/python")).env("SLEEVE_TORCH_LIBRARY", engine));
        pip_install(&python, &wheel_in(&folder), &["--no-deps"]);
    });
    if !passes(&["cluster/test_torch.py"]) {
        skip!("no Python environment with PyTorch");
    }
}

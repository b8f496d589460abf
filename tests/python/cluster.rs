//! With packages of gigabytes: Ray, Spark, PyTorch. `cargo xtask test --all`, or by name.

use sleeve_tests::skip;

use super::{environment, install, pytest};

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
    if !passes(&["cluster/test_torch.py"]) {
        skip!("no Python environment with PyTorch");
    }
}

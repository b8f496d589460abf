//! `cargo xtask bench`: the benchmark programs of `benches/`, built in release mode, compared with their peers.

use anyhow::{Result, bail};

use crate::needs::Peer;
use crate::run::{cargo, checked, repository};
use crate::{essentia, libtorch, needs, peers, python_package, targets, wasm};

/// Runs the named benchmark with the remaining arguments, or lists all.
pub fn run(arguments: &[String]) -> Result<()> {
    let known = names()?;
    let Some((name, rest)) = arguments.split_first() else {
        println!("cargo xtask bench NAME [--help | options], NAME one of: {}", known.join(", "));
        return Ok(());
    };
    let name = &name.replace('_', "-");
    // Users of cargo expect that `--` separates options.
    let rest = if rest.first().is_some_and(|first| first == "--") { &rest[1..] } else { rest };
    if !known.contains(name) {
        bail!("unknown benchmark `{name}`; known: {}", known.join(", "));
    }
    if name == "train" {
        libtorch::prepare()?;
        // The peer is PyTorch with all of CUDA's libraries: fetched for this benchmark only.
        peers::environment(
            "bench-torch",
            &repository().join("training/benches/peers/requirements-torch.txt"),
        )?;
        let bench = ["bench", "--quiet", "--package", "sleeve-training", "--features", libtorch::FEATURES];
        return checked(cargo().args(bench).args(["--bench", "train", "--"]).args(rest));
    }
    if let Some((_, programs)) = TRAINING.iter().find(|(training, _)| training == name) {
        for program in *programs {
            let bench = ["bench", "--quiet", "--package", "sleeve-training", "--bench", program, "--"];
            checked(cargo().args(bench).args(rest))?;
        }
        return Ok(());
    }
    if name == "instructions" {
        return targets::instructions();
    }
    let path = needs::ensure(&[Peer::Programs, Peer::Python])?;
    let mut command_environment = None;
    if name == "effnet" || name == "engine" {
        // Its peers are large: fetched for this benchmark only.
        peers::environment("bench-peers", &repository().join("benches/peers/requirements.txt"))?;
    }
    if name == "wasm" {
        needs::ensure(&[Peer::Browser])?;
        wasm::for_bench()?;
    }
    if name == "similar" {
        peers::environment("bench-faiss", &repository().join("benches/peers/requirements-faiss.txt"))?;
    }
    if name == "essentia" {
        needs::ensure(&[Peer::EssentiaLibrary, Peer::EssentiaTensorflow, Peer::Keras])?;
        // Built without other packages' features, as for a host application.
        checked(cargo().args(["build", "--quiet", "--release", "--package", "sleeve-capi", "--lib"]))?;
        command_environment = Some(("PYTHONPATH", essentia::package()?));
        essentia::host(&path)?;
    }
    if name == "cuda" {
        // In the benchmark's folder, where the library searches for it.
        libtorch::prepare()?;
        checked(cargo().args(["build", "--quiet", "--release", "--package", "sleeve-torch"]))?;
    }
    if name == "python" {
        python_package::prepare()?;
    }
    // Some benchmarks run command-line tools; this one runs Python.
    if name != "essentia" {
        checked(cargo().args(["build", "--quiet", "--release", "--package", "sleeve-cli"]))?;
    }
    let mut command = cargo();
    command.args(["run", "--quiet", "--release", "--package", "sleeve-benches", "--bin", name, "--"]);
    checked(command.args(rest).env("PATH", path).envs(command_environment))
}

/// The benchmarks that are in the training crate, and their programs.
const TRAINING: [(&str, &[&str]); 4] = [
    ("discogs", &["discogs"]),
    ("training-data", &["discogs", "training_data"]),
    ("features", &["features"]),
    ("loader", &["loader"]),
];

/// The programs `benches/<name>.rs`, and those of the training crate.
fn names() -> Result<Vec<String>> {
    let mut names: Vec<String> = TRAINING.map(|(name, _)| name.to_owned()).into();
    for entry in std::fs::read_dir(repository().join("benches"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().replace('_', "-")));
        }
    }
    names.push("train".into());
    names.sort();
    Ok(names)
}

//! `cargo xtask fuzz`: the fuzz targets of `tests/fuzz`, built on the stable toolchain and run for some minutes each.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{cargo, checked, repository, target};

const HELP: &str = "\
cargo xtask fuzz [--minutes N] [--corpus DIR] [--seeds DIR]... [TARGET...]

Builds the fuzz targets with the coverage that libFuzzer needs, runs each, and prints a table. Without a TARGET: all.
It is a failure if one finds something.

  --minutes N   how long each target runs, 1 by default; 0 only replays the corpus and the seeds
  --corpus DIR  where inputs are kept between runs, a folder for each target; target/fuzz/corpus by default
  --seeds DIR   also begins with the files of this folder, those of up to 64 KB whose extension the target reads

The stable compiler's coverage is all there is: address sanitizer wants cargo-fuzz and a nightly compiler. What is found is
kept in target/fuzz/artifacts. Panics of dependencies that the library turns into errors are listed, and are no failure.
";

/// How the targets begin the line of a contained panic.
const CONTAINED: &str = "contained panic: ";

/// Inputs that are longer are not seeds.
const MAX_SEED: u64 = 64 << 10;

/// A target: what it begins with.
struct Target {
    name: &'static str,
    /// Files and folders with seeds, in the repository.
    seeds: &'static [&'static str],
    /// The extensions of seeds.
    extensions: &'static [&'static str],
    max_length: usize,
}

const AUDIO: &[&str] = &[
    "aac", "aiff", "avi", "caf", "flac", "m4a", "m4p", "mkv", "mov", "mp2", "mp3", "mp4", "ogg", "opus",
    "spx", "wav", "webm", "wv", "",
];

const TARGETS: &[Target] = &[
    Target { name: "capi", seeds: &[], extensions: &[], max_length: 4096 },
    Target {
        name: "checkpoint",
        seeds: &["training/tests/data/fuzz/checkpoint"],
        extensions: &["safetensors"],
        max_length: 1 << 16,
    },
    Target {
        name: "config",
        seeds: &["training/configs", "training/configs/debian", "training/tests/data/fuzz/config"],
        extensions: &["toml"],
        max_length: 1 << 14,
    },
    Target {
        name: "decode",
        seeds: &["tests/data/fuzz/decode", "tests/data/audio"],
        extensions: AUDIO,
        max_length: 1 << 16,
    },
    Target {
        name: "discogs",
        seeds: &["training/tests/data/fuzz/discogs"],
        extensions: &["xml"],
        max_length: 1 << 16,
    },
    Target {
        name: "library",
        seeds: &["tests/data/fuzz/library"],
        extensions: &["", "library"],
        max_length: 1 << 16,
    },
    Target {
        name: "metadata_json",
        seeds: &["tests/data/fuzz/metadata_json", "models", "models/heads"],
        extensions: &["json"],
        max_length: 1 << 16,
    },
    Target {
        name: "npy",
        seeds: &["tests/data/graphs", "tests/data/fuzz/npy"],
        extensions: &["npy"],
        max_length: 1 << 14,
    },
    Target {
        name: "onnx_model",
        seeds: &["tests/data/fuzz/onnx_model", "tests/data/graphs", "training/tests/data/vggish"],
        extensions: &["onnx"],
        max_length: 1 << 16,
    },
    Target {
        name: "playlist",
        // The first byte is that of the kind.
        seeds: &["tests/data/fuzz/playlist"],
        extensions: &[""],
        max_length: 1 << 14,
    },
    Target {
        name: "tags",
        seeds: &["tests/data/audio", "training/tests/data/fuzz/tags"],
        extensions: AUDIO,
        max_length: 1 << 16,
    },
];

struct Request {
    minutes: f64,
    corpus: PathBuf,
    seeds: Vec<PathBuf>,
    targets: Vec<&'static Target>,
}

/// Runs the command.
pub fn run(arguments: &[String]) -> Result<()> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        print!("{HELP}");
        return Ok(());
    }
    let request = parse(arguments)?;
    build(&request.targets)?;
    let runs: Result<Vec<Ran>> = request.targets.iter().map(|target| fuzz(target, &request)).collect();
    println!(
        "{:<14} {:>12} {:>9} {:>9} {:>9}  findings",
        "target", "executions", "coverage", "inputs", "peak MB"
    );
    let runs = runs?;
    let mut found = 0;
    for (target, ran) in request.targets.iter().zip(&runs) {
        found += usize::from(ran.finding.is_some());
        let finding = ran.finding.as_deref().unwrap_or("none");
        println!(
            "{:<14} {:>12} {:>9} {:>9} {:>9}  {finding}",
            target.name, ran.executions, ran.coverage, ran.inputs, ran.peak
        );
    }
    for (target, ran) in request.targets.iter().zip(&runs) {
        ran.contained.iter().for_each(|place| println!("{}: contained panic: {place}", target.name));
    }
    if found > 0 {
        bail!("{found} targets found something; the inputs are in {}", folder().join("artifacts").display());
    }
    Ok(())
}

fn parse(arguments: &[String]) -> Result<Request> {
    let mut request =
        Request { minutes: 1.0, corpus: folder().join("corpus"), seeds: Vec::new(), targets: Vec::new() };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("{argument} takes a value\n\n{HELP}"));
        match argument.as_str() {
            "--minutes" => {
                let minutes = value()?.parse().ok().filter(|minutes: &f64| (0.0..1e6).contains(minutes));
                request.minutes = minutes.with_context(|| format!("--minutes takes a number\n\n{HELP}"))?;
            }
            "--corpus" => request.corpus = std::path::absolute(value()?)?,
            "--seeds" => request.seeds.push(std::path::absolute(value()?)?),
            name => match TARGETS.iter().find(|target| target.name == name) {
                Some(target) => request.targets.push(target),
                None => bail!("unknown target `{name}`; there are {}", names().join(", ")),
            },
        }
    }
    if request.targets.is_empty() {
        request.targets = TARGETS.iter().collect();
    }
    Ok(request)
}

fn names() -> Vec<&'static str> {
    TARGETS.iter().map(|target| target.name).collect()
}

fn folder() -> PathBuf {
    target().join("fuzz")
}

/// Where binaries are; also keeps flags away from build scripts, which have nothing to be instrumented for.
fn triple() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

fn build(targets: &[&Target]) -> Result<()> {
    if !cfg!(target_os = "linux") {
        bail!("the fuzz targets are built on Linux");
    }
    let mut build = cargo();
    let flags = [
        "--cfg=fuzzing",
        "-Cpasses=sancov-module",
        "-Cllvm-args=-sanitizer-coverage-level=4",
        "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
        "-Cllvm-args=-sanitizer-coverage-pc-table",
        "-Cllvm-args=-sanitizer-coverage-trace-compares",
    ];
    build.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")).env("CARGO_TARGET_DIR", folder());
    build.args([
        "build",
        "--release",
        "--locked",
        "--manifest-path",
        "tests/fuzz/Cargo.toml",
        "--target",
        &triple(),
    ]);
    build.args(targets.iter().flat_map(|target| ["--bin", target.name]));
    checked(&mut build)
}

/// What a run gave.
struct Ran {
    executions: u64,
    coverage: u64,
    inputs: u64,
    peak: u64,
    finding: Option<String>,
    /// Where dependencies panicked, as the targets note it (`shared/panics.rs`).
    contained: BTreeSet<String>,
}

fn fuzz(target: &Target, request: &Request) -> Result<Ran> {
    let corpus = request.corpus.join(target.name);
    let seeds = folder().join("seeds").join(target.name);
    let artifacts = folder().join("artifacts").join(target.name);
    for folder in [&corpus, &seeds, &artifacts] {
        fs::create_dir_all(folder)?;
    }
    gather(target, &request.seeds, &seeds)?;
    let mut fuzzer = Command::new(folder().join(triple()).join("release").join(target.name));
    fuzzer.arg(&corpus).arg(&seeds).current_dir(&artifacts);
    let dictionary = repository().join("tests/fuzz").join(format!("{}.dict", target.name));
    if dictionary.exists() {
        fuzzer.arg(format!("-dict={}", dictionary.display()));
    }
    if request.minutes == 0.0 {
        fuzzer.arg("-runs=0");
    } else {
        fuzzer.arg(format!("-max_total_time={}", (request.minutes * 60.0).ceil()));
    }
    fuzzer.args(["-print_final_stats=1", "-rss_limit_mb=2048", "-timeout=30"]);
    fuzzer.arg(format!("-max_len={}", target.max_length));
    fuzzer.arg(format!("-artifact_prefix={}/", artifacts.display()));
    println!("{}: {} minutes", target.name, request.minutes);
    let output = fuzzer.output().with_context(|| format!("cannot start {}", target.name))?;
    let said = String::from_utf8_lossy(&output.stderr);
    fs::write(artifacts.join("log.txt"), said.as_bytes())?;
    let finding = (!output.status.success()).then(|| finding(&said));
    Ok(Ran {
        executions: number(&said, "stat::number_of_executed_units:").unwrap_or(0),
        coverage: number(&said, " cov:").unwrap_or(0),
        inputs: number(&said, " corp:").unwrap_or(0),
        peak: number(&said, "stat::peak_rss_mb:").unwrap_or(0),
        finding,
        contained: said.lines().filter_map(|line| line.strip_prefix(CONTAINED)).map(str::to_owned).collect(),
    })
}

/// The last number after a label.
fn number(said: &str, label: &str) -> Option<u64> {
    let rest = said.rsplit_once(label)?.1.trim_start();
    rest.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

/// What libFuzzer says of the input that it ended with.
fn finding(said: &str) -> String {
    let of = |label: &str| said.lines().find(|line| line.contains(label)).map(|line| line.trim().to_owned());
    let reason = of("panicked at").or_else(|| of("ERROR: libFuzzer")).unwrap_or_else(|| "it ended".into());
    match of("Test unit written to") {
        Some(place) => format!("{reason}; {place}"),
        None => reason,
    }
}

/// Copies the seeds of a target into one folder, under names that are those of their places.
fn gather(target: &Target, more: &[PathBuf], folder: &Path) -> Result<()> {
    for place in target.seeds.iter().map(|seeds| repository().join(seeds)) {
        copy(target, &place, false, folder)?;
    }
    more.iter().try_for_each(|place| copy(target, place, true, folder))
}

fn copy(target: &Target, place: &Path, is_deep: bool, folder: &Path) -> Result<()> {
    if target.extensions.is_empty() || !place.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(place).with_context(|| place.display().to_string())? {
        let path = entry?.path();
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if is_deep {
                copy(target, &path, true, folder)?;
            }
        } else if target.extensions.contains(&extension.as_ref()) && fs::metadata(&path)?.len() <= MAX_SEED {
            let name = path.to_string_lossy().replace(['/', ' '], "_");
            fs::copy(&path, folder.join(name.trim_start_matches('_')))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_target_is_in_the_table() {
        let mut files: Vec<String> = fs::read_dir(repository().join("tests/fuzz/fuzz_targets"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        files.sort();
        assert_eq!(files, names());
        for seeds in TARGETS.iter().flat_map(|target| target.seeds) {
            assert!(repository().join(seeds).is_dir(), "there is no {seeds}");
        }
    }

    /// The lock file of the fuzz targets is no part of the workspace's, so nothing else says that it is out of date.
    #[test]
    fn the_lock_file_has_what_the_packages_need() {
        let mut metadata = cargo();
        metadata.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
        let metadata: Value = serde_json::from_str(&crate::run::output(&mut metadata).unwrap()).unwrap();
        let lock = fs::read_to_string(repository().join("tests/fuzz/Cargo.lock")).unwrap();
        let mut compared = 0;
        for package in metadata["packages"].as_array().unwrap() {
            let name = package["name"].as_str().unwrap();
            let entry = |entry: &&str| entry.starts_with(&format!("name = \"{name}\"\n"));
            let Some(entry) = lock.split("[[package]]\n").find(entry) else { continue };
            for dependency in package["dependencies"].as_array().unwrap() {
                let needed = dependency["name"].as_str().unwrap();
                if dependency["kind"] != "dev" && dependency["optional"] == false {
                    // A version follows where there are several.
                    let is_there =
                        entry.contains(&format!("\"{needed}\"")) || entry.contains(&format!("\"{needed} "));
                    assert!(
                        is_there,
                        "{name} needs {needed}: cargo metadata --manifest-path tests/fuzz/Cargo.toml"
                    );
                    compared += 1;
                }
            }
        }
        assert!(compared > 50, "{compared}");
    }

    #[test]
    fn libfuzzer_s_words_are_understood() {
        let said = "#2 INITED cov: 10 ft: 11 corp: 1/1b\n#9 DONE   cov: 3456 ft: 7 corp: 12/34b\n\
                    stat::number_of_executed_units: 98765\nstat::peak_rss_mb:              77\n";
        assert_eq!(number(said, " cov:"), Some(3456));
        assert_eq!(number(said, " corp:"), Some(12));
        assert_eq!(number(said, "stat::number_of_executed_units:"), Some(98_765));
        assert_eq!(number(said, "stat::peak_rss_mb:"), Some(77));
        assert_eq!(number("", " cov:"), None);
        let found =
            finding("x\nthread panicked at a.rs:1\nartifact_prefix; Test unit written to ./crash-1\n");
        assert!(found.contains("a.rs:1") && found.contains("crash-1"), "{found}");
    }
}

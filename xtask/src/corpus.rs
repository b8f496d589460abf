//! Prepares the corpus on which the published models are trained and evaluated, from packages to folds; and evaluates
//! the models and compares with `models/results`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::run::{cargo, checked, repository, target};

/// Folds of the cross-validation. The published models are trained on all but the first.
const FOLDS: usize = 3;
/// Tolerance for figures of a machine that adds in another order: a tenth of a percent.
const TOLERANCE: f64 = 1e-3;
/// The models that others are compared with.
const BASELINES: [&str; 3] = ["mel-statistics", "random:0", "msd-musicnn-1"];

/// Makes everything under `target/corpus-extended` that training and evaluation need: recordings, tables, features and
/// folds. Existing files are reused. Returns the folder.
pub fn prepare() -> Result<PathBuf> {
    checked(cargo().args(["build", "--release", "--package", "sleeve-training"]))?;
    let corpus = target().join("corpus-extended");
    let at = |name: &str| corpus.join(name).display().to_string();
    let set = at("dataset");
    train(&["corpus", "debian", "--subset", "extended", "--out", &corpus.display().to_string()])?;
    train(&["discogs", &at("releases.xml.gz"), "--out", &at("tables")])?;
    train(&["scan", &at("audio"), "--out", &at("collection.parquet")])?;
    let names = ["--ids", &at("ids.tsv"), "--discogs", &at("tables"), "--out", &set];
    train(&[&["match", &at("collection.parquet")], &names[..]].concat())?;
    let parts = repository().join("training/corpus/folds.csv").display().to_string();
    for fold in 1..=FOLDS {
        let (folder, number) = (at(&format!("folds/{fold}")), format!("{fold}/{FOLDS}"));
        // Recorded: drawn anew, they would change with whatever the program learns of the recordings.
        let given = ["--parts", &parts, "--styles", "0", "--releases", "1"];
        let folds = ["--apart", "releases", "--fold", &number, "--out", &folder];
        train(&[&["split", &set], &given[..], &folds].concat())?;
        train(&["pairs", &folder, "--never", &at("never.tsv")])?;
    }
    let collection = at("dataset/matched.parquet");
    train(&["features", &at("audio"), "--collection", &collection, "--out", &at("features")])?;
    Ok(corpus)
}

/// Evaluates published models on the held-out tracks of the first fold, and compares with `models/results`.
pub fn evaluate(names: &[String]) -> Result<()> {
    let models = repository().join("models");
    let expected = models.join("results/retrieval/debian");
    let known = published(&expected)?;
    let names: Vec<&str> = if names.is_empty() {
        known.iter().map(String::as_str).collect()
    } else {
        names.iter().map(String::as_str).collect()
    };
    if let Some(name) = names.iter().find(|name| !known.iter().any(|known| known == **name)) {
        bail!("{name} is not one of the models with results: {}", known.join(", "));
    }
    let corpus = prepare()?;
    let at = |name: &str| corpus.join(name).display().to_string();
    let out = target().join("results");
    let (fold, features, cache) = (at("folds/1"), at("features"), at("embeddings"));
    let mut arguments = vec!["retrieve".to_owned(), fold, "--features".into(), features];
    arguments.extend(["--cache".into(), cache, "--name".into(), "debian".into()]);
    arguments.extend(["--against".into(), "msd-musicnn-1".into(), "--out".into(), out.display().to_string()]);
    for name in &names {
        arguments.extend(["--encoder".into(), models.join(name).display().to_string()]);
    }
    arguments.extend(BASELINES.iter().flat_map(|name| ["--encoder".into(), (*name).into()]));
    train(&arguments.iter().map(String::as_str).collect::<Vec<_>>())?;
    let mut wrong = 0;
    for name in names {
        let file = format!("{name}.json");
        let found = figures(&out.join("retrieval/debian").join(&file))?;
        let stated = figures(&expected.join(&file))?;
        let most = stated
            .iter()
            .map(|(key, stated)| match found.iter().find(|(found, _)| found == key) {
                Some((_, found)) => (found - stated).abs(),
                None => f64::INFINITY,
            })
            .fold(0.0, f64::max);
        let verdict = if most <= TOLERANCE { "agrees with" } else { "DIFFERS from" };
        println!("{name}: {verdict} models/results (largest difference {most:.1e})");
        wrong += usize::from(most > TOLERANCE);
    }
    if wrong > 0 {
        bail!("{wrong} of the models differ from models/results");
    }
    Ok(())
}

/// The models that have a file and results.
fn published(results: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(results).with_context(|| format!("cannot read {}", results.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let file = repository().join(format!("models/{stem}.onnx"));
        if path.extension().is_some_and(|extension| extension == "json") && file.is_file() {
            names.push(stem);
        }
    }
    names.retain(|name| !BASELINES.contains(&name.as_str()));
    names.sort();
    Ok(names)
}

/// The figures in a file of results, without their intervals.
fn figures(path: &Path) -> Result<Vec<(String, f64)>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let results: Value = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    let metrics =
        results["metrics"].as_object().with_context(|| format!("{} has no metrics", path.display()))?;
    // The figures for altered copies are not computed here.
    let own = metrics.iter().filter(|(key, _)| !key.starts_with("altered"));
    own.map(|(key, figure)| Ok((key.clone(), figure["value"].as_f64().context("a figure without a value")?)))
        .collect()
}

/// Prints a command of `sleeve-train` and runs it.
fn train(arguments: &[&str]) -> Result<()> {
    println!("\n$ sleeve-train {}", arguments.join(" "));
    let program = target().join("release/sleeve-train");
    checked(std::process::Command::new(program).args(arguments).current_dir(repository()))
}

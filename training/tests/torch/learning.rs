//! On a collection with audible artists, releases and styles, the loss falls. And from real recordings to models that
//! the library opens, with every command in order.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sleeve::extractor::Extractor;
use sleeve::model::Model;
use sleeve_training::batches::{Dataset, PairLoader, Readers, TagLoader};
use sleeve_training::config::{Config, Objective, SHIPPED};
use sleeve_training::runlog::{Entry, read};
use sleeve_training::splits::Part;

use crate::support;
use crate::support::synthetic::{SIZE, Size, data_set, train};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A run of a shipped configuration with changes, on the CPU, in the data set's folder.
fn learn(set: &Path, model: &str, changes: &[String]) -> (PathBuf, Output) {
    let run = set.join("runs").join(model);
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("configs/{model}.toml"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_sleeve-train"));
    command.arg("train").arg(config).arg("--data").arg(set).arg("--features").arg(set.join("features"));
    command.arg("--out").arg(&run).args(["--keep", "1"]).env("OMP_WAIT_POLICY", "passive");
    for change in ["run.device=cpu", "run.groups=1"] {
        command.args(["--set", change]);
    }
    for change in changes {
        command.args(["--set", change]);
    }
    (run, command.output().unwrap())
}

fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A share of hits, and the expectation for guessing.
#[derive(Debug)]
struct Found {
    top1: f64,
    chance: f64,
    /// Standard error of the share for guessing.
    error: f64,
    pairs: usize,
}

/// The result of a run for an association: training loss of the first and of the last epoch, and the averaged network's
/// in-batch top-1 accuracy on validation pairs.
fn outcome(set: &Path, run: &Path, association: &str) -> (f64, f64, Found) {
    let log: Vec<Entry> = read(run).unwrap();
    let loss = |entry: &Entry| entry.values[&format!("train/{association}/loss")];
    let epochs: Vec<&Entry> = log.iter().filter(|entry| entry.values.contains_key("learning_rate")).collect();
    let top1 = log.last().unwrap().values[&format!("average/{association}/accuracy")];
    // The same batches as in the run; the expectation for guessing is one divided by the number of allowed positives.
    let config = Config::load_with(run.join("config.toml"), &[] as &[&str]).unwrap();
    let tasks = config.objective.associations();
    let task = tasks.iter().find(|task| task.name.name() == association).unwrap();
    let data = Dataset::open(set, &set.join("features")).unwrap();
    let loader = PairLoader::new(&data, &config, task, Part::Validation, &Readers::new(1, 2)).unwrap();
    let mut chances = Vec::new();
    for batch in loader.epoch(0, 0, 1) {
        let batch = batch.unwrap();
        let count = batch.len();
        let allowed = batch.allowed.unwrap_or_else(|| vec![true; count * count]);
        let choices = allowed.chunks(count).map(|row| row.iter().filter(|allowed| **allowed).count());
        chances.extend(choices.map(|choices| 1.0 / choices as f64));
    }
    let pairs = chances.len();
    let chance = chances.iter().sum::<f64>() / pairs as f64;
    let error = chances.iter().map(|chance| chance * (1.0 - chance)).sum::<f64>().sqrt() / pairs as f64;
    (loss(epochs[0]), loss(epochs.last().unwrap()), Found { top1, chance, error, pairs })
}

/// Checks that the loss has fallen, and that the accuracy on validation pairs, which have other artists, is far above
/// guessing.
fn has_learnt(set: &Path, run: &Path, association: &str) {
    let (first, last, found) = outcome(set, run, association);
    let above = (found.top1 - found.chance) / found.error;
    println!(
        "{association}: loss {first:.3} -> {last:.3}; {found:?}: {above:.1} standard errors above chance"
    );
    assert!(last < 0.9 * first, "{association}: the loss went from {first} to {last}");
    assert!(found.pairs >= 30 && above >= MARGIN, "{association}: {found:?}, {above:.1} standard errors");
}

/// Standard errors above guessing: by chance, this happens in one of thirty thousand runs.
const MARGIN: f64 = 4.0;

/// Checks that validation tags are predicted better than without listening: the loss of any fixed prediction, even of
/// the best one for these tracks, is at least the entropy of their styles.
fn has_learnt_tags(set: &Path, run: &Path) {
    let log: Vec<Entry> = read(run).unwrap();
    let found = log.last().unwrap().values["average/tags/loss"];
    let config = Config::load_with(run.join("config.toml"), &[] as &[&str]).unwrap();
    let data = Dataset::open(set, &set.join("features")).unwrap();
    let Objective::Tags(tags) = &config.objective else { panic!("{:?}", config.objective) };
    let loader = TagLoader::new(&data, &config, tags, Part::Validation, &Readers::new(1, 2)).unwrap();
    let classes = loader.classes().len();
    let mut counts = vec![0.0f64; classes];
    let mut tracks = 0.0;
    for batch in loader.epoch(0, 0, 1) {
        for tags in batch.unwrap().tags.chunks(classes) {
            counts.iter_mut().zip(tags).for_each(|(count, tag)| *count += f64::from(*tag));
            tracks += 1.0;
        }
    }
    let entropy = |share: f64| match share > 0.0 && share < 1.0 {
        true => -share * share.ln() - (1.0 - share) * (1.0 - share).ln(),
        false => 0.0,
    };
    let guess = counts.iter().map(|count| entropy(count / tracks)).sum::<f64>() / classes as f64;
    println!("tags: validation loss {found:.3}, of the best guess {guess:.3}, {tracks} tracks");
    assert!(tracks >= 100.0 && guess > 0.2, "{tracks} tracks, {guess}");
    assert!(found < 0.9 * guess, "{found}, and {guess} without listening");
}

/// Trains on one association of a collection with audible traits. Validation has other artists than training.
///
/// Changes to the shipped configurations: one batch per step, fewer pairs in it, two crops of a recording per epoch,
/// and a projection of 64: one of 512 starts with large random similarities (some tens), which a short run does not
/// unlearn.
fn association_is_learnt(set: &Path, association: &str, [pairs, crops, epochs]: [usize; 3]) {
    let changes = [
        format!("objective.associations.{association}.pairs={pairs}"),
        "objective.projection=64".into(),
        format!("data.crops={crops}"),
        // Six labels among twelve pairs, fourteen artists among ten: others of the same label or artist are not
        // negatives.
        format!("data.mask_related={}", ["artist", "label"].contains(&association)),
        format!("run.epochs={epochs}"),
        "swa.epochs=2".into(),
        "swa.learning_rate=3e-4".into(),
    ];
    let run = run(set, association, &changes);
    has_learnt(set, &run, association);
}

/// The objective that needs the fewest patches for it, on a smaller collection: all others learn through the same steps.
#[test]
fn a_collection_made_for_it_is_learnt_from() {
    let temporary = tempfile::tempdir().unwrap();
    let set = data_set(temporary.path(), Size { artists: 18, seconds: 6, ..SIZE });
    association_is_learnt(&set, "release", [12, 2, 4]);
}

/// Minutes of two cores: only with `cargo xtask test --all`.
#[test]
fn every_other_objective_learns_from_that_collection() {
    let temporary = tempfile::tempdir().unwrap();
    let set = data_set(temporary.path(), SIZE);
    for (association, how) in [("track", [16, 1, 6]), ("artist", [10, 2, 5]), ("label", [12, 2, 5])] {
        association_is_learnt(&set, association, how);
    }
    let changes = ["objective.patches=32", "run.epochs=7", "swa.epochs=2", "swa.learning_rate=3e-4"];
    let run = run(&set, "tags", &changes.map(str::to_owned));
    has_learnt_tags(&set, &run);
}

/// Trains, and fails if the run fails.
fn run(set: &Path, model: &str, changes: &[String]) -> PathBuf {
    let (run, output) = learn(set, model, changes);
    println!("{}", printed(&output));
    assert!(output.status.success());
    run
}

#[test]
fn from_packages_to_models() {
    let name = "from_packages_to_models";
    for program in ["apt-get", "dpkg-deb"] {
        if !support::have(program) {
            return support::skip(name, &format!("no {program}"));
        }
    }
    // Kept between runs: existing files are not fetched again.
    let corpus = Path::new(env!("CARGO_TARGET_TMPDIR")).join("corpus-small");
    let fetched = Command::new(env!("CARGO_BIN_EXE_sleeve-train"))
        .args(["corpus", "debian", "--subset", "small", "--out", text(&corpus)])
        .output()
        .unwrap();
    if !fetched.status.success() {
        return support::skip(name, &format!("packages out of reach: {}", printed(&fetched).trim()));
    }
    let temporary = tempfile::tempdir().unwrap();
    let (at, from) = (|name: &str| temporary.path().join(name), |name: &str| corpus.join(name));
    let (tables, collection, set) = (at("tables"), at("collection.parquet"), at("set"));
    train(&["discogs", text(&from("releases.xml.gz")), "--out", text(&tables)]);
    train(&["scan", text(&from("audio")), "--out", text(&collection)]);
    let ids = from("ids.tsv");
    let matching = ["match", text(&collection), "--ids", text(&ids), "--discogs", text(&tables)];
    train(&[&matching[..], &["--out", text(&set)]].concat());
    // The catalogue has no styles for these tracks.
    train(&["split", text(&set), "--styles", "0", "--validation", "4", "--test", "1", "--releases", "1"]);
    println!("{}", train(&["pairs", text(&set), "--never", text(&from("never.tsv"))]));
    let split = set.join("split.parquet");
    let audio = from("audio");
    let features = ["features", text(&audio), "--collection", text(&split), "--out"];
    println!("{}", train(&[&features[..], &[text(&set.join("features"))]].concat()));

    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/audio/ground.ogg");
    let mut learnt = Vec::new();
    for (model, _) in SHIPPED {
        let mut changes = vec!["run.epochs=3".to_owned(), "swa.epochs=1".to_owned()];
        match model {
            "tags" => changes.push("objective.patches=8".into()),
            "multitask" => {
                for association in ["track", "release", "artist", "label"] {
                    changes.push(format!("objective.associations.{association}.pairs=2"));
                }
                changes.push("objective.epoch=shortest".into());
                changes.push(format!("objective.encoder.run={}", text(&set.join("runs/track"))));
                changes.push("objective.encoder.epoch=2".into());
            }
            association => changes.push(format!("objective.associations.{association}.pairs=4")),
        }
        let (run, output) = learn(&set, model, &changes);
        let said = printed(&output);
        println!("{model}: {said}");
        if !output.status.success() {
            // So few tracks may not have pairs of every kind; then the error explains it with counts. Without styles
            // there are no tags.
            let reasons = [" pairs in train (", "are too few for one step", "there is no style to learn"];
            assert!(reasons.iter().any(|reason| said.contains(reason)), "{model}: {said}");
            continue;
        }
        let models = at("models");
        for (from, name) in [("best", model.to_owned()), ("swa", format!("{model}-swa"))] {
            let file = run.join(format!("{from}.safetensors"));
            train(&["export", text(&file), "--out", text(&models), "--name", &name, "--formats", "onnx"]);
        }
        let extractor = Extractor::builder(Model::open(models.join(model)).unwrap()).build().unwrap();
        let analysis = extractor.extract_file(&recording).unwrap();
        let rows = analysis.embeddings().unwrap();
        assert!(rows.nrows() > 10 && rows.ncols() == 1280, "{model}: {:?}", rows.dim());
        assert!(rows.iter().all(|value| value.is_finite()), "{model}");
        assert_ne!(rows.row(0), rows.row(5), "{model}");
        learnt.push(model);
    }
    // Every track is a pair with itself.
    assert!(["track", "release", "artist"].iter().all(|model| learnt.contains(model)), "{learnt:?}");
    println!("learnt: {learnt:?}");
}

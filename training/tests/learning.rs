//! On a collection whose artists, releases and styles can be heard, the loss falls. And from real recordings to models
//! that the library opens, every command in its order.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sleeve::extractor::Extractor;
use sleeve::model::Model;
use sleeve_training::config::SHIPPED;
use sleeve_training::runlog::{Entry, read};
use support::synthetic::{SIZE, Size, data_set, train};

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

#[test]
fn a_collection_made_for_it_is_learnt_from() {
    let temporary = tempfile::tempdir().unwrap();
    let set = data_set(temporary.path(), Size { artists: 12, releases: 2, seconds: 5, ..SIZE });
    let changes = ["objective.associations.artist.pairs=6", "run.epochs=3", "swa.epochs=1"];
    let (run, output) = learn(&set, "artist", &changes.map(str::to_owned));
    println!("{}", printed(&output));
    assert!(output.status.success());
    let log: Vec<Entry> = read(&run).unwrap();
    let loss = |epoch: usize| log[epoch - 1].values["train/artist/loss"];
    assert!(loss(3) < 0.8 * loss(1), "{} -> {}", loss(1), loss(3));
}

#[test]
fn from_packages_to_models() {
    let name = "from_packages_to_models";
    for program in ["apt-get", "dpkg-deb"] {
        if !support::have(program) {
            return support::skip(name, &format!("no {program}"));
        }
    }
    // Kept between runs: what is there is not fetched again.
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
    // The catalogue knows no styles.
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
            // So few tracks need not make a pair of every kind; then the counts say why. And without styles there are
            // no tags.
            let reasons = [" pairs in train (", "are too few for a step", "there is no style to learn"];
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
        let rows = analysis.patches();
        assert!(rows.nrows() > 10 && rows.ncols() == 1280, "{model}: {:?}", rows.dim());
        assert!(rows.iter().all(|value| value.is_finite()), "{model}");
        assert_ne!(rows.row(0), rows.row(5), "{model}");
        learnt.push(model);
    }
    // Every track is a pair with itself.
    assert!(["track", "release", "artist"].iter().all(|model| learnt.contains(model)), "{learnt:?}");
    println!("learnt: {learnt:?}");
}

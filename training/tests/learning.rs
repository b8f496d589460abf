//! That training learns: on a collection whose artists, releases and styles can be heard, the loss falls and validation
//! beats chance. And from that collection to a model that `extract` opens.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use sleeve_training::runlog::{Entry, read};
use support::synthetic::{SIZE, data_set, train};

/// A run of a shipped configuration with changes; its log.
fn learn(set: &Path, model: &str, changes: &[&str]) -> (PathBuf, Vec<Entry>) {
    let run = set.join("runs").join(model);
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("configs/{model}.toml"));
    let features = set.join("features");
    let mut arguments = vec!["train", text(&config), "--data", text(set), "--features", text(&features)];
    arguments.extend(["--out", text(&run), "--set", "run.device=cpu", "--set", "run.groups=1"]);
    changes.iter().for_each(|change| arguments.extend(["--set", change]));
    println!("{}", train(&arguments));
    let log = read(&run).unwrap();
    (run, log)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn artists_and_styles_are_learnt() {
    let temporary = tempfile::tempdir().unwrap();
    let set = data_set(temporary.path(), SIZE);
    let (run, log) = learn(
        &set,
        "artist",
        &["objective.associations.artist.pairs=12", "run.epochs=8", "swa.epochs=2"],
    );
    let value = |entry: &Entry, name: &str| entry.values[name];
    let (first, last) = (&log[0], &log[7]);
    let fell = value(last, "train/artist/loss") / value(first, "train/artist/loss");
    assert!(fell < 0.8, "{fell}");
    // The average's statistics are those of its weights; the running ones of so short a run lag behind.
    let average = log.last().unwrap();
    let accuracy = value(average, "average/artist/accuracy");
    println!("validation top-1 {accuracy:.3}");
    assert!(accuracy > 0.25, "{accuracy}: by chance, one in twelve");

    let models = temporary.path().join("models");
    train(&["export", text(&run.join("swa.safetensors")), "--out", text(&models), "--name", "artist"]);
    let metadata = std::fs::read_to_string(models.join("artist.json")).unwrap();
    assert!(metadata.contains("trained on artist"), "{metadata}");
    let _ = Command::new("true");
}

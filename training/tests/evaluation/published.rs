//! The models in `models/`: each opens, has the checksum in its card, and has the results that its card lists.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use sleeve::engine::{EngineOptions, Purpose};
use sleeve::extractor::Extractor;
use sleeve::model::Model;
use sleeve_training::evaluation::report::{Inputs, Report};
use sleeve_training::evaluation::results::Results;

/// The folder of downstream heads.
const HEADS: &str = "heads";

fn models() -> PathBuf {
    sleeve_tests::repository().join("models")
}

/// The models' stems.
fn stems() -> Vec<String> {
    let stems = stems_in(&models());
    assert!(stems.len() >= 6, "{stems:?}");
    stems
}

fn stems_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let graphs = entries.filter(|path| path.extension().is_some_and(|it| it == "onnx" || it == "pt"));
    let mut stems: Vec<String> =
        graphs.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    stems.sort();
    stems.dedup();
    stems
}

#[test]
fn files_are_what_their_checksums_say() {
    let card = std::fs::read_to_string(models().join("README.md")).unwrap();
    let sums: BTreeMap<&str, &str> = card
        .lines()
        .filter_map(|line| line.trim().split_once("  "))
        .filter(|(sum, _)| sum.len() == 64 && sum.chars().all(|digit| digit.is_ascii_hexdigit()))
        .map(|(sum, name)| (name, sum))
        .collect();
    let mut all = 0;
    let heads = stems_in(&models().join(HEADS)).into_iter().map(|stem| format!("{HEADS}/{stem}"));
    for stem in stems().into_iter().chain(heads) {
        for kind in ["onnx", "pt", "json"] {
            let name = format!("{stem}.{kind}");
            let Ok(bytes) = std::fs::read(models().join(&name)) else { continue };
            let found: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(sums.get(name.as_str()).copied(), Some(found.as_str()), "{name}");
            all += bytes.len();
        }
        assert!(card.contains(&format!("`{stem}`")), "no card of {stem}");
    }
    assert!(all < 20 << 20, "{all} bytes of models");
}

#[test]
fn models_open_and_embed() {
    for stem in stems() {
        let model = Model::open(models().join(&stem)).unwrap();
        assert_eq!(model.warnings(), [] as [String; 0], "{stem}");
        let metadata = model.metadata();
        assert!(!metadata.text("description").is_empty() && !metadata.text("license").is_empty(), "{stem}");
        let output = model.output(Purpose::Embeddings).expect("embeddings");
        let engine = model.engine(&EngineOptions::default().threads(1)).unwrap();
        let frames = model.patching().unwrap().frames();
        let patches: Vec<f32> =
            (0..2 * frames * 96).map(|at| (at % 31) as f32 / 8.0 * (at % 7) as f32 / 7.0).collect();
        let mut rows = vec![0.0; 2 * model.outputs()[output].dim];
        engine.run(&patches, 2, &mut [(output, &mut rows)]).unwrap();
        let (one, other) = rows.split_at(rows.len() / 2);
        assert!(rows.iter().all(|value| value.is_finite()) && one != other, "{stem}");
    }
}

/// Heads run on the outputs of their models, and have metrics in their metadata.
#[test]
fn heads_run_behind_their_models() {
    let folder = models().join(HEADS);
    for stem in stems_in(&folder) {
        let head = Model::open(folder.join(&stem)).unwrap();
        assert_eq!(head.warnings(), [] as [String; 0], "{stem}");
        let document = head.metadata().document();
        let behind = document["inference"]["embedding_model"]["model_name"].as_str().unwrap();
        assert!(stem.ends_with(&format!("-{behind}")), "{stem}");
        let embedding = Model::open(models().join(behind)).unwrap();
        let width = embedding.outputs()[embedding.output(Purpose::Embeddings).unwrap()].dim;
        assert_eq!(document["schema"]["inputs"][0]["shape"][1], width);
        assert!(document["dataset"]["metrics"]["roc_auc"].is_number(), "{stem}");
        assert!(!head.metadata().text("license").is_empty(), "{stem}");
        let extractor = Extractor::builder(embedding).head(head.clone()).threads(1).build().unwrap();
        let analysis = extractor.extract_file(sleeve_tests::recording("ground.ogg")).unwrap();
        let rows = analysis.predictions().expect("predictions");
        assert_eq!(analysis.classes(), head.classes());
        assert!(!rows.is_empty() && rows.iter().all(|value| (0.0..=1.0).contains(value)), "{stem}");
    }
}

/// Results are those of the files in `models/`.
#[test]
fn results_are_of_these_files() {
    let folder = models().join("results/retrieval/debian");
    let mut checked = 0;
    for stem in stems() {
        let path = folder.join(format!("{stem}.json"));
        if !path.is_file() {
            continue;
        }
        let results = Results::load(&path).unwrap();
        let bytes = std::fs::read(models().join(format!("{stem}.onnx"))).unwrap();
        let sum: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(results.encoders[0].identity, sum, "{stem}");
        assert_eq!(results.counts["artists_in_other_parts"], 0);
        assert_eq!(results.counts["tracks_with_a_release_in_other_parts"], 0);
        checked += 1;
    }
    assert!(checked >= 2, "{checked}");
}

/// The committed files are enough for the report: the paper's tables and figure, and every model's training and
/// retrieval.
#[test]
fn the_report_shows_every_model() {
    let results = models().join("results");
    let inputs =
        Inputs { runs: vec![results.join("runs")], data: Some(results.join("data")), results: Some(results) };
    let report = Report::gather(&inputs).unwrap();
    let table = |file: &str| report.tables().find(|table| table.file == file).unwrap().markdown();
    let associations = table("table-1-associations");
    let ours: Vec<&str> = associations.lines().filter(|line| line.contains("| ours |")).collect();
    assert!(ours.len() == 4 && ours.iter().all(|line| !line.contains("not run")), "{ours:#?}");
    assert!(report.pictures().any(|picture| picture.file == "figure-2"));
    let (attempts, artists) = (table("attempts"), table("retrieval-same-artist"));
    // Runs whose models are not in `models/` any more as well.
    let runs = std::fs::read_dir(models().join("results/runs")).unwrap();
    let runs: Vec<String> =
        runs.map(|run| run.unwrap().file_name().into_string().expect("a name in ASCII")).collect();
    for run in &runs {
        let row = attempts.lines().find(|line| line.starts_with(&format!("| {run} |"))).unwrap();
        assert!(!row.contains("not run") && !row.contains("\"/"), "{row}");
    }
    assert_eq!(runs.len(), 6);
    for stem in stems() {
        // Converted, and not measured here.
        let is_measured = !stem.starts_with("mtt") && !stem.contains("-vgg-");
        assert!(!is_measured || artists.contains(&format!("| debian | {stem} |")), "{stem}");
    }
}

/// Every recording has an author's licence, and no licence forbids selling.
#[test]
fn credits_name_a_licence_for_every_recording() {
    let text = std::fs::read_to_string(models().join("CREDITS.tsv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("track\tauthor\tlicence\tsource"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), 1119);
    for row in rows {
        assert!(row.len() == 4 && !row[2].is_empty() && !row[3].is_empty(), "{row:?}");
        assert!(!row[2].to_lowercase().contains("-nc"), "{row:?}");
        assert!(
            !["drascula", "battletanks", "ethymonics"].iter().any(|name| row[3].contains(name)),
            "{row:?}"
        );
    }
}

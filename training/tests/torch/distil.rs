//! A network that learns from other models: its targets belong to the crops that it sees, its losses are what they are
//! called, and a run comes nearer to its teachers.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use sleeve::engine::EngineOptions;
use sleeve::model::Model;
use sleeve_files::npy::{Dtype, NpyWriter, read_npy};
use sleeve_training::batches::{DistilBatch, DistilLoader, PATCH, Readers};
use sleeve_training::config::{Config, Distil, EmbeddingLoss, Objective, TagLoss};
use sleeve_training::features::{Content, FEATURES, Store};
use sleeve_training::network::loss;
use sleeve_training::runlog::{Entry, read};
use sleeve_training::splits::Part;
use sleeve_training::table::{Builder, Cell, write_table};
use sleeve_training::targets::{TargetStore, Teacher, make::make};
use tch::{Kind, Tensor};

use crate::support::dataset;

/// Tracks from this number have no features.
const UNREAD: u32 = 36;
const CROPS: usize = 6;

/// A value of a track's mel frames, as loud as music.
fn mel(track: usize, frame: usize, band: usize) -> f32 {
    let wave = (frame as f32 * (0.05 + 0.01 * (track % 7) as f32) + band as f32 * 0.3).sin();
    (1.5 + wave + ((track * 31 + frame * 7 + band * 13) % 11) as f32 * 0.1) * (1.0 - band as f32 / 130.0)
}

/// A data set whose features sound like something, and a folder for everything else.
fn data_set() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    dataset::write(folder.path(), &(UNREAD..dataset::TRACKS).collect::<Vec<_>>());
    let store = Store::new(folder.path().join("features"));
    for track in 0..UNREAD {
        let frames = dataset::frames(track);
        let mut writer = NpyWriter::create(dataset::features(&store, track), 96, Dtype::F16).unwrap();
        for frame in 0..frames {
            let row: Vec<f32> = (0..96).map(|band| mel(track as usize, frame, band)).collect();
            writer.write_rows(&row).unwrap();
        }
        writer.finish().unwrap();
    }
    folder
}

/// The shipped configuration with the two bundled MusiCNN networks only.
fn config(changes: &[&str]) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("distil.toml");
    std::fs::write(&path, text()).unwrap();
    Config::load_with(&path, changes).unwrap()
}

fn text() -> String {
    let shipped = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/distil.toml"));
    let shipped = shipped.unwrap().replace("models/msd-musicnn-1.onnx", "msd-musicnn-1");
    let mut parts: Vec<&str> = shipped.split("[[objective.teachers]]\n").collect();
    let (last, rest) = parts.pop().unwrap().split_once("[optimizer]").unwrap();
    assert!(last.contains("mtt_vgg"));
    let mtt = parts.pop().unwrap().replace("models/mtt-musicnn-1.onnx", "mtt-musicnn-1");
    format!("{}[[objective.teachers]]\n{}[[objective.teachers]]\n{mtt}[optimizer]{rest}", parts[0], parts[1])
}

fn distil(config: &Config) -> &Distil {
    let Objective::Distil(distil) = &config.objective else { panic!("{:?}", config.objective) };
    distil
}

fn teachers(config: &Config) -> Vec<Teacher> {
    let options = EngineOptions::default().threads(1);
    distil(config).teachers.iter().map(|teacher| Teacher::open(teacher, &options).unwrap()).collect()
}

/// The targets of a data set, and a loader.
fn loader(folder: &Path, config: &Config, part: Part) -> DistilLoader {
    let (data, teachers) = (dataset::open(folder), teachers(config));
    let store = TargetStore::create(&folder.join("targets"), CROPS).unwrap();
    make(&data, &store, &teachers, 2, &AtomicBool::new(false), |_, _| {}).unwrap();
    let readers: Arc<Readers> = dataset::readers();
    DistilLoader::new(&data, config, distil(config), (&store, &teachers), part, &readers).unwrap()
}

fn batches(loader: &DistilLoader) -> Vec<DistilBatch> {
    loader.round(3, 0, 0, 1).map(Result::unwrap).collect()
}

/// The embedding by msd-musicnn-1 of the 187 frames around a track's patch, with all powers times `gain`.
fn expected(folder: &Path, track: u32, patch: &[f32], gain: f32) -> Vec<f32> {
    let store = Store::new(folder.join("features"));
    let mel = read_npy(dataset::features(&store, track)).unwrap();
    let frames = mel.nrows();
    let frame = |at: usize| mel.row(at % frames).to_vec();
    // The place is found by the values alone.
    let start = (0..frames)
        .find(|&start| frame(start).iter().zip(patch).all(|(a, b)| (a - b).abs() < 2e-3))
        .expect("the patch is one of the track");
    let first = start.saturating_sub(29).min(frames.saturating_sub(187));
    let louder = |value: f32| (1.0 + gain * (10.0f32.powf(value) - 1.0)).log10();
    let input: Vec<f32> = (first..first + 187).flat_map(frame).map(louder).collect();
    let model = Model::open("msd-musicnn-1").unwrap();
    let engine = model.engine(&EngineOptions::default().threads(1)).unwrap();
    let mut values = vec![0.0; 200];
    engine.run(&input, 1, &mut [(model.output_named("embeddings").unwrap(), &mut values)]).unwrap();
    values
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Checks the first batches against the model itself: patches are at one gain of the power, targets at another.
#[track_caller]
fn follow(folder: &Path, loader: &DistilLoader, of_patch: f32, of_target: f32) {
    let mut checked = 0;
    for batch in batches(loader).into_iter().take(2) {
        let rows = batch.patches.chunks(PATCH).zip(&batch.tracks).zip(batch.targets[0].chunks(200));
        for ((patch, &track), target) in rows {
            let level = |value: &f32| (1.0 + (10.0f32.powf(*value) - 1.0) / of_patch).log10();
            let original: Vec<f32> = patch.iter().map(level).collect();
            let own = expected(folder, track, &original, of_target);
            let apart = own.iter().zip(target).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(cosine(&own, target) > 0.9999 && apart < 0.05, "track {track}: {apart}");
            checked += 1;
        }
    }
    assert_eq!(checked, 16);
}

const ONE: [&str; 6] = [
    "objective.patches=8",
    "data.crops=1",
    "objective.teachers.msd_musicnn.standardise=false",
    "objective.teachers.mtt_musicnn.standardise=false",
    "augment.gain_least=-12",
    "augment.gain_most=-12",
];

#[test]
fn targets_are_those_of_the_crop_or_of_what_is_heard() {
    let folder = data_set();
    let quiet = 10.0f32.powf(-1.2);
    let clean = loader(folder.path(), &config(&ONE), Part::Train);
    assert_eq!(
        clean.terms().iter().map(|term| (term.teacher, term.tags, term.width())).collect::<Vec<_>>(),
        [(0, false, 200), (0, true, 50), (1, false, 200), (1, true, 50)]
    );
    follow(folder.path(), &clean, quiet, 1.0);
    let heard =
        loader(folder.path(), &config(&[&ONE[..], &["objective.targets=heard"]].concat()), Part::Train);
    follow(folder.path(), &heard, quiet, quiet);
    // Without augmentation, both are the same up to half precision.
    let off = [&ONE[..4], &["augment.gain_least=0", "augment.gain_most=0"]].concat();
    let clean = batches(&loader(folder.path(), &config(&off), Part::Train));
    let heard = batches(&loader(
        folder.path(),
        &config(&[&off[..], &["objective.targets=heard"]].concat()),
        Part::Train,
    ));
    assert_eq!(clean.len(), heard.len());
    for (one, other) in clean.iter().zip(&heard) {
        assert!(one.patches == other.patches && one.tracks == other.tracks);
        for (one, other) in one.targets.iter().zip(&other.targets) {
            let worst =
                one.iter().zip(other).map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f32::max);
            assert!(worst < 2e-3, "{worst}");
        }
    }
    // Validation has the same crops in every epoch, in whole batches, and changes nothing.
    let validation = loader(folder.path(), &config(&ONE), Part::Validation);
    let whole: Vec<DistilBatch> = validation.whole(0, 1).unwrap().map(Result::unwrap).collect();
    assert!(whole.len() > 1 && whole.iter().all(|batch| batch.tracks.len() == 8), "{whole:?}");
    let parts: Vec<DistilBatch> =
        (0..2).flat_map(|rank| validation.whole(rank, 2).unwrap()).map(Result::unwrap).collect();
    assert!(parts.len() == whole.len() && parts.iter().all(|batch| whole.contains(batch)));
}

#[test]
fn standardised_targets_are_relative_to_all_stored_crops_of_the_training_part() {
    let folder = data_set();
    let changes = ["objective.patches=8", "augment.gain_least=0", "augment.gain_most=0"];
    let plain = [&changes[..], &["objective.teachers.msd_musicnn.standardise=false"]].concat();
    let standard = batches(&loader(folder.path(), &config(&changes), Part::Train));
    let plain = batches(&loader(folder.path(), &config(&plain), Part::Train));

    // All stored rows of the first teacher: tags, then the embedding.
    let store = TargetStore::open(&folder.path().join("targets")).unwrap();
    let teacher = teachers(&config(&[])).remove(0);
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for track in (0..UNREAD).filter(|&track| dataset::part(track) == Part::Train) {
        let content = Content::from_hex(&dataset::sha256(track)).unwrap();
        let stored = read_npy(store.path(&teacher, content)).unwrap();
        assert_eq!((stored.nrows(), stored.ncols()), (CROPS.min(dataset::frames(track).max(128) - 127), 250));
        rows.extend(
            stored.rows().into_iter().map(|row| row.iter().skip(50).map(|&value| value.into()).collect()),
        );
    }
    let count = rows.len() as f64;
    let mean = |at: usize| rows.iter().map(|row| row[at]).sum::<f64>() / count;
    let spread = |at: usize, mean: f64| rows.iter().map(|row| (row[at] - mean).powi(2)).sum::<f64>() / count;
    let scales: Vec<(f64, f64)> = (0..200).map(|at| (mean(at), spread(at, mean(at)).sqrt())).collect();
    assert!(scales.iter().filter(|(_, deviation)| *deviation > 1e-3).count() > 50);
    for (standard, plain) in standard.iter().zip(&plain) {
        assert!(standard.tracks == plain.tracks && standard.targets[1] == plain.targets[1]);
        for (at, (own, raw)) in standard.targets[0].iter().zip(&plain.targets[0]).enumerate() {
            let (mean, deviation) = scales[at % 200];
            let expected = if deviation > 1e-6 { (f64::from(*raw) - mean) / deviation } else { 0.0 };
            assert!(
                (f64::from(*own) - expected).abs() < 1e-3 * (1.0 + expected.abs()),
                "{own}, not {expected}"
            );
        }
    }
}

#[test]
fn patches_come_from_copies_as_often_as_from_originals_and_targets_stay() {
    let folder = data_set();
    // Copies of the same paths with another extension: 6 dB quieter, and a frame shorter.
    let copies = Store::new(folder.path().join("copies"));
    let mut listed = Builder::new(&FEATURES);
    for track in 0..UNREAD {
        let sha = dataset::sha256(track + 1000);
        let file = copies.path(Content::from_hex(&sha).unwrap());
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let mut writer = NpyWriter::create(&file, 96, Dtype::F16).unwrap();
        let frames = (dataset::frames(track) - 1).max(1);
        for frame in 0..frames {
            let quieter = |value: f32| (1.0 + 0.25 * (10.0f32.powf(value) - 1.0)).log10();
            let row: Vec<f32> = (0..96).map(|band| quieter(mel(track as usize, frame, band))).collect();
            writer.write_rows(&row).unwrap();
        }
        writer.finish().unwrap();
        let name = dataset::name(track).replace(".ogg", ".mp3");
        listed.push([
            Cell::Text("copies"),
            Cell::Text(&name),
            Cell::Text(&sha),
            Cell::Int(Some(frames as i32)),
            Cell::MaybeText(None),
            Cell::MaybeText(None),
        ]);
    }
    write_table(&copies.table(None), &FEATURES, &listed.finish()).unwrap();
    let set = format!("augment.copies=[{:?}]", copies.folder());
    let base = ["objective.patches=8", "data.crops=12", "augment.gain_least=0", "augment.gain_most=0"];
    let plain = batches(&loader(folder.path(), &config(&base), Part::Train));
    let mixed = batches(&loader(folder.path(), &config(&[&base[..], &[&set]].concat()), Part::Train));
    let (mut copied, mut all) = (0, 0);
    for (plain, mixed) in plain.iter().zip(&mixed) {
        assert!(plain.tracks == mixed.tracks && plain.targets == mixed.targets);
        for (one, other) in plain.patches.chunks(PATCH).zip(mixed.patches.chunks(PATCH)) {
            all += 1;
            if one != other {
                copied += 1;
                // The same place at another level; at the very end, a frame earlier.
                let sum = |patch: &[f32]| patch.iter().map(|value| 10.0f32.powf(*value) - 1.0).sum::<f32>();
                assert!((sum(other) / sum(one) - 0.25).abs() < 0.02, "{}", sum(other) / sum(one));
            }
        }
    }
    let expected = all as f64 / 2.0;
    assert!((f64::from(copied) - expected).abs() < 4.0 * (f64::from(all) / 4.0).sqrt(), "{copied} of {all}");
    // A copy that is missing, or of something else, is named.
    let content = Content::from_hex(&dataset::sha256(1003)).unwrap();
    let mut writer = NpyWriter::create(copies.path(content), 96, Dtype::F16).unwrap();
    writer.write_rows(&[0.0; 96]).unwrap();
    writer.finish().unwrap();
    let (data, config) = (dataset::open(folder.path()), config(&[&base[..], &[&set]].concat()));
    let (store, teachers) = (TargetStore::open(&folder.path().join("targets")).unwrap(), teachers(&config));
    let readers = dataset::readers();
    let opened =
        DistilLoader::new(&data, &config, distil(&config), (&store, &teachers), Part::Train, &readers);
    let said = opened.err().unwrap().to_string();
    assert!(said.contains("003.ogg: its copy has 1 frames"), "{said}");
}

#[test]
fn losses_are_zero_for_a_perfect_copy_and_have_their_gradients() {
    let own = Tensor::from_slice(&[0.3f64, -1.0, 2.0, 0.5, 0.1, -0.7]).view([2, 3]).set_requires_grad(true);
    let value = |tensor: &Tensor| tensor.double_value(&[]);
    let same = own.detach();
    assert!(value(&loss::embedding(EmbeddingLoss::Cosine, &own, &(&same * 3.0))).abs() < 1e-12);
    assert!((value(&loss::embedding(EmbeddingLoss::Cosine, &own, &(&same * -1.0))) - 2.0).abs() < 1e-12);
    assert!(value(&loss::embedding(EmbeddingLoss::Mse, &own, &same)).abs() < 1e-12);
    assert!((value(&loss::embedding(EmbeddingLoss::Mse, &own, &(&same + 2.0))) - 4.0).abs() < 1e-12);
    assert!(value(&loss::probabilities(TagLoss::Kl, &own, &same.sigmoid())).abs() < 1e-12);
    assert!(value(&loss::probabilities(TagLoss::Mse, &own, &same.sigmoid())).abs() < 1e-12);
    // Against p = 1/4 and certain tags, computed by hand: log(4) - 3/4 log(3) is the entropy.
    let logits = Tensor::from_slice(&[0.0f64]).view([1, 1]);
    let quarter = Tensor::from_slice(&[0.25f64]).view([1, 1]);
    let entropy = 4.0f64.ln() - 0.75 * 3.0f64.ln();
    assert!((value(&loss::probabilities(TagLoss::Bce, &logits, &quarter)) - 2.0f64.ln()).abs() < 1e-12);
    let kl = value(&loss::probabilities(TagLoss::Kl, &logits, &quarter));
    assert!((kl - (2.0f64.ln() - entropy)).abs() < 1e-12, "{kl}");
    for certain in [0.0, 1.0] {
        let target = Tensor::from_slice(&[certain]).view([1, 1]);
        assert!((value(&loss::probabilities(TagLoss::Kl, &logits, &target)) - 2.0f64.ln()).abs() < 1e-12);
    }
    // The divergence and the cross-entropy have the same gradient: sigmoid less target, over all values.
    for kind in [TagLoss::Kl, TagLoss::Bce] {
        let mut own = own.detach().set_requires_grad(true);
        let target = Tensor::from_slice(&[0.2f64, 0.9, 0.0, 1.0, 0.5, 0.3]).view([2, 3]);
        loss::probabilities(kind, &own, &target).backward();
        let difference = own.grad() - (own.sigmoid() - &target) / 6.0;
        assert!(difference.abs().max().double_value(&[]) < 1e-12);
        own.zero_grad();
    }
    assert_eq!(own.kind(), Kind::Double);
}

fn command(folder: &Path, arguments: &[&str]) -> Output {
    let config = folder.join("distil.toml");
    std::fs::write(&config, text()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sleeve-train"));
    command.arg(arguments[0]);
    if ["train", "targets"].contains(&arguments[0]) {
        command.arg(&config).arg("--data").arg(folder).arg("--features").arg(folder.join("features"));
        for change in ["run.device=cpu", "objective.patches=8", "objective.projection=16", "swa.epochs=1"] {
            command.args(["--set", change]);
        }
    }
    command.args(&arguments[1..]).env("OMP_WAIT_POLICY", "passive").output().unwrap()
}

#[track_caller]
fn succeeds(output: &Output) -> String {
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn a_run_comes_nearer_to_its_teachers_alone_and_beside_associations() {
    let folder = data_set();
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (targets, run) = (text(&path("targets")), text(&path("run")));
    let train = ["train", "--out", &run, "--targets", &targets, "--keep", "0"];
    let said = command(folder.path(), &train);
    assert!(String::from_utf8_lossy(&said.stderr).contains("targets.json is missing"), "{said:?}");
    let said = succeeds(&command(folder.path(), &["targets", "--out", &targets, "--crops", "6"]));
    assert!(said.contains("36 recordings, 2 teachers"), "{said}");
    let again = succeeds(&command(folder.path(), &["targets", "--out", &targets, "--crops", "6"]));
    assert!(again.contains("; 0 patches computed"), "{again}");

    let sets = ["--set", "run.epochs=3", "--set", "data.crops=2", "--set", "swa.learning_rate=1e-3"];
    println!("{}", succeeds(&command(folder.path(), &[&train[..], &sets].concat())));
    let log: Vec<Entry> = read(Path::new(&run)).unwrap();
    let epochs: Vec<&Entry> = log.iter().filter(|entry| entry.values.contains_key("learning_rate")).collect();
    for name in ["msd_musicnn_embeddings", "msd_musicnn_tags", "mtt_musicnn_embeddings", "mtt_musicnn_tags"] {
        let loss = |entry: &Entry| entry.values[&format!("train/{name}/loss")];
        let (first, last) = (loss(epochs[0]), loss(epochs[2]));
        println!("{name}: {first:.4} -> {last:.4}");
        assert!(last < 0.97 * first, "{name}: {first} to {last}");
        assert!(epochs[0].values[&format!("validation/{name}/loss")].is_finite());
    }
    assert!(epochs[0].values["batches"] > 1.0);
    assert_eq!(epochs[0].values["train/msd_musicnn_tags/patches"], 8.0 * epochs[0].values["batches"]);

    // The exported model has the tags of both under their names; another run goes on from it, with associations.
    let best = text(&path("run/best.safetensors"));
    let models = text(&path("models"));
    let export = ["export", &best, "--out", &models, "--name", "student", "--formats", "onnx"];
    succeeds(&command(folder.path(), &export));
    let model = Model::open(path("models/student.onnx")).unwrap();
    let outputs: Vec<(&str, usize)> =
        model.outputs().iter().map(|output| (output.name.as_str(), output.dim)).collect();
    assert_eq!(
        outputs,
        [
            ("msd_musicnn_embeddings", 200),
            ("predictions", 50),
            ("mtt_musicnn_embeddings", 200),
            ("mtt_predictions", 50),
            ("embeddings", 1280)
        ]
    );
    assert_eq!(model.classes(), Model::open("msd-musicnn-1").unwrap().classes());
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path("models/student.json")).unwrap()).unwrap();
    let mtt = Model::open("mtt-musicnn-1").unwrap();
    assert_eq!(json["schema"]["outputs"][3]["classes"], serde_json::json!(mtt.classes()));

    let beside = text(&path("beside"));
    let initial = format!("model.initial={best}");
    let tasks =
        "objective.associations=[{name=\"artist\",weight=0.5,pairs=4},{name=\"track\",weight=0.5,pairs=4}]";
    let train = ["train", "--out", &beside, "--targets", &targets, "--set", tasks, "--set", &initial];
    let more =
        ["--set", "run.epochs=1", "--set", "optimizer.learning_rate=1e-4", "--set", "swa.learning_rate=1e-4"];
    println!("{}", succeeds(&command(folder.path(), &[&train[..], &more].concat())));
    let log: Vec<Entry> = read(Path::new(&beside)).unwrap();
    let entry = &log[0].values;
    let started = epochs[0].values["train/msd_musicnn_tags/loss"];
    assert!(entry["train/msd_musicnn_tags/loss"] < started, "it starts where the other ended");
    assert!(entry["train/artist/pairs"] >= 4.0 && entry["train/track/accuracy"] >= 0.0);
    let sum: f64 =
        [("artist", 0.5), ("track", 0.5), ("msd_musicnn_embeddings", 1.0), ("msd_musicnn_tags", 10.0)]
            .into_iter()
            .chain([("mtt_musicnn_embeddings", 0.5), ("mtt_musicnn_tags", 5.0)])
            .map(|(name, weight)| weight * entry[&format!("train/{name}/loss")])
            .sum();
    assert!((sum / entry["train/distil/loss"] - 1.0).abs() < 1e-5, "{sum}");
}

#[test]
fn what_cannot_be_learnt_from_a_teacher_is_said() {
    let options = EngineOptions::default().threads(1);
    let open = |changes: &[&str]| {
        let config = config(changes);
        let opened = Teacher::open(&distil(&config).teachers[0], &options);
        opened.err().map_or_else(String::new, |error| error.to_string())
    };
    assert_eq!(open(&[]), "");
    assert!(open(&["objective.teachers.msd_musicnn.model=/no/such.onnx"]).contains("such.onnx"));
    let folder = tempfile::tempdir().unwrap();
    let features = folder.path().to_str().unwrap();
    let untrained =
        ["export", "--random", "--head", "none", "--out", features, "--name", "bare", "--formats", "onnx"];
    succeeds(&command(folder.path(), &untrained));
    let bare = format!("objective.teachers.msd_musicnn.model={features}/bare.onnx");
    assert!(open(&[&bare]).contains("it has no tags"), "{}", open(&[&bare]));
    // A network of 128 frames and 1280 values is a teacher without a dense layer.
    assert_eq!(open(&[&bare, "objective.teachers.msd_musicnn.tags=none"]), "");
    let loaded = |change: &str| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("x.toml"), text()).unwrap();
        Config::load_with(folder.path().join("x.toml"), &[change]).unwrap_err().to_string()
    };
    for (change, reason) in [
        ("objective.patches=1", "objective.patches is 1"),
        ("objective.teachers.mtt_musicnn.name=msd_musicnn", "two teachers are called msd_musicnn"),
        ("objective.teachers.mtt_musicnn.name=a-b", "\"a-b\""),
        ("objective.teachers.msd_musicnn.tags_weight=0", "tags_weight is 0"),
        ("augment.gain_least=9", "augment.gain_least is 9, above augment.gain_most"),
        ("augment.mix=2", "augment.mix is 2"),
        ("augment.time_width=129", "augment.time_width is 129"),
    ] {
        assert!(loaded(change).contains(reason), "{change}: {}", loaded(change));
    }
}

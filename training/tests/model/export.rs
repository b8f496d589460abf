//! Exported ONNX files: the same embeddings on the fused engine, rten and onnxruntime; and the errors of `sleeve-train
//! export`.

use std::path::Path;
use std::process::{Command, Output};

use ndarray::{Array2, Array3};
use ndarray_npy::{read_npy, write_npy};
use serde_json::Value;
use sleeve::engine::{EngineChoice, EngineOptions, Purpose};
use sleeve::model::Model;
use sleeve_tests::{output_of, peer, python, skip};
use sleeve_training::checkpoint::Checkpoint;
use sleeve_training::network::plain::{embeddings, randomise_norms};
use sleeve_training::network::{Description, Head};

use crate::support::compare::{cosine, relative_error};
use crate::support::formula;

const PATCHES: usize = 8;

fn command(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sleeve-train"));
    command.args(arguments).current_dir(folder);
    command
}

fn sleeve_train(arguments: &[&str], folder: &Path) -> Output {
    command(&[&["export"], arguments].concat(), folder).output().unwrap()
}

#[track_caller]
fn written(arguments: &[&str], folder: &Path) -> String {
    let output = sleeve_train(arguments, folder);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn refused(arguments: &[&str], folder: &Path, reason: &str) {
    let output = sleeve_train(arguments, folder);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{arguments:?}");
    assert!(text.contains(reason), "{text}");
}

/// All outputs of a model for the patches of `formula`.
fn run(model: &Model, engine: EngineChoice) -> Vec<Vec<f32>> {
    let options = EngineOptions::default().engine(engine).threads(1);
    let engine = model.engine(&options).unwrap();
    let patches = formula::patches(PATCHES);
    let mut outputs: Vec<Vec<f32>> =
        model.outputs().iter().map(|output| vec![0.0; PATCHES * output.dim]).collect();
    let mut slices: Vec<(usize, &mut [f32])> =
        outputs.iter_mut().map(Vec::as_mut_slice).enumerate().collect();
    engine.run(&patches, PATCHES, &mut slices).unwrap();
    outputs
}

#[test]
fn every_runtime_gives_the_same_embeddings_of_half_precision() {
    every_runtime_gives_the_same_embeddings("half", 10 << 20);
}

#[test]
fn every_runtime_gives_the_same_embeddings_of_eight_bits() {
    every_runtime_gives_the_same_embeddings("int8", 5 << 20);
}

fn every_runtime_gives_the_same_embeddings(weights: &str, most_bytes: u64) {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--random", "--seed", "5", "--random-norms", "--out", ".", "--name", "net"];
    written(&[&arguments[..], &["--formats", "onnx", "--weights", weights]].concat(), folder.path());
    let path = folder.path().join("net.onnx");
    assert!(std::fs::metadata(&path).unwrap().len() < most_bytes, "{weights}");
    let model = Model::open(&path).unwrap();
    assert_eq!(model.warnings(), [] as [String; 0]);
    let names: Vec<_> = model.outputs().iter().map(|output| (output.name.as_str(), output.dim)).collect();
    assert_eq!(names, [("projections", 512), ("embeddings", 1280)]);
    assert_eq!(model.output(Purpose::Embeddings), Some(1));
    assert_eq!(model.patching(), Some(sleeve::patches::Patching::EFFNET));

    let fused = run(&model, EngineChoice::Effnet);
    // Embeddings of different patches differ, so that mixed-up patches would be detected.
    for (i, one) in fused[1].chunks(1280).enumerate() {
        for other in fused[1].chunks(1280).take(i) {
            let cosine = cosine(one, other);
            assert!(cosine < 0.9, "{i}: {cosine}");
        }
    }
    let rten = run(&model, EngineChoice::Onnx);
    for (name, (found, expected)) in ["projections", "embeddings"].iter().zip(rten.iter().zip(&fused)) {
        let error = relative_error(found, expected);
        println!("{name}: rten and the fused engine differ by {error:.1e}");
        assert!(error <= 1e-4, "{name}: rten and the fused engine differ by {error:.1e}");
    }

    let (Some(python), Some(mut peer)) = (python(), peer("run_onnx.py")) else {
        skip!("onnxruntime is not here");
    };
    let check = "import onnx, sys; onnx.checker.check_model(sys.argv[1], full_check=True)";
    output_of(Command::new(python).args(["-c", check]).arg(&path));
    let patches = folder.path().join("patches.npy");
    let array = Array3::from_shape_vec((PATCHES, 128, 96), formula::patches(PATCHES)).unwrap();
    write_npy(&patches, &array).unwrap();
    output_of(peer.arg(&path).arg(&patches).arg(folder.path().join("out")));
    for (index, (name, expected)) in ["projections", "embeddings"].iter().zip(&fused).enumerate() {
        let found: Array2<f32> = read_npy(folder.path().join(format!("out{index}.npy"))).unwrap();
        let error = relative_error(found.as_slice().unwrap(), expected);
        println!("{name}: onnxruntime and the fused engine differ by {error:.1e}");
        assert!(error <= 1e-4, "{name}: onnxruntime and the fused engine differ by {error:.1e}");
    }
}

#[test]
fn a_classifier_has_its_classes_and_dataset() {
    let folder = tempfile::tempdir().unwrap();
    let mut description = Description::new(vec![Head::classes("predictions", 3)]);
    description.classes = ["Dub", "Ska", "Zouk"].map(str::to_owned).to_vec();
    description.metadata.insert("dataset".into(), serde_json::json!({"name": "a dump", "size": "9 tracks"}));
    let mut checkpoint = Checkpoint::untrained(description, 3).unwrap();
    randomise_norms(&mut checkpoint.tensors, 3);
    checkpoint.write(folder.path().join("styles.safetensors")).unwrap();
    std::fs::write(folder.path().join("more.json"), r#"{"license": "CC0-1.0"}"#).unwrap();
    let arguments = ["styles.safetensors", "--out", "models", "--name", "styles", "--formats", "onnx"];
    let said = written(&[&arguments[..], &["--metadata", "more.json"]].concat(), folder.path());
    assert!(said.contains("models/styles.onnx") && said.contains("rounding"), "{said}");

    let model = Model::open(folder.path().join("models/styles")).unwrap();
    assert_eq!(model.classes(), ["Dub", "Ska", "Zouk"]);
    assert_eq!(model.metadata().text("license"), "CC0-1.0");
    assert_eq!(model.metadata().document()["dataset"]["size"], "9 tracks");
    assert_eq!(model.metadata().document()["model_types"], serde_json::json!(["onnx"]));
    assert_eq!(model.output(Purpose::Predictions), Some(0));
    let outputs = run(&model, EngineChoice::Auto);
    assert!(outputs[0].iter().all(|value| (0.0..=1.0).contains(value)));
    assert!(outputs[0].iter().any(|&value| value != outputs[0][0]));

    // The same bytes from the same weights, and from the file itself.
    let path = folder.path().join("models/styles.onnx");
    let first = std::fs::read(&path).unwrap();
    written(&[&arguments[..], &["--metadata", "more.json", "--replace"]].concat(), folder.path());
    assert!(std::fs::read(&path).unwrap() == first);
    let again = ["--from", "models/styles.onnx", "--out", "again", "--name", "styles", "--formats", "onnx"];
    written(&again, folder.path());
    assert!(std::fs::read(folder.path().join("again/styles.onnx")).unwrap() == first);

    // The error of folding and rounding.
    let (found, expected) = (&outputs[1], embeddings(&checkpoint.tensors, &formula::patches(PATCHES)));
    let error = relative_error(found, &expected);
    let cosines = found.chunks(1280).zip(expected.chunks(1280)).map(|(a, b)| cosine(a, b));
    let least = cosines.fold(1.0, f64::min);
    println!("exported against the checkpoint: relative error {error:.1e}, cosine at least {least:.7}");
    assert!(error < 5e-3 && least > 0.9999, "relative error {error:.1e}, cosine {least}");
}

#[test]
fn eight_bits_are_kept_from_file_to_file() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--random", "--seed", "7", "--random-norms", "--formats", "onnx", "--out", "."];
    written(&[&arguments[..], &["--name", "half"]].concat(), folder.path());
    let said = written(&[&arguments[..], &["--name", "int8", "--weights", "int8"]].concat(), folder.path());
    assert!(said.contains("rounding to eight bits"), "{said}");
    let bytes = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    // The name is in the file; in other folders it can stay.
    let from = |source: &str, out: &str, weights: &[&str]| {
        let arguments = ["--from", source, "--formats", "onnx", "--out", out, "--name", "int8"];
        written(&[&arguments[..], weights].concat(), folder.path());
    };
    from("half.onnx", "later", &["--weights", "int8"]);
    assert!(bytes("later/int8.onnx") == bytes("int8.onnx"));
    from("int8.onnx", "again", &[]);
    assert!(bytes("again/int8.onnx") == bytes("int8.onnx"));
    from("int8.onnx", "wide", &["--weights", "half"]);
    assert!(bytes("wide/int8.onnx").len() > 3 * bytes("int8.onnx").len() / 2);
    let outputs = |name: &str| run(&Model::open(folder.path().join(name)).unwrap(), EngineChoice::Effnet);
    assert!(
        outputs("wide/int8.onnx") == outputs("int8.onnx"),
        "half precision holds eight bits without loss"
    );
    assert!(outputs("half.onnx") != outputs("int8.onnx"));
}

#[test]
fn weights_that_eight_bits_cannot_hold_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let music = sleeve_tests::repository().join("examples/audio");
    let music = music.to_str().expect("Unicode");
    output_of(&mut command(&["scan", music, "--out", "collection.parquet"], place));
    let features = ["features", music, "--collection", "collection.parquet", "--out", "features"];
    output_of(&mut command(&features, place));

    let mut checkpoint = Checkpoint::untrained(Description::new(vec![]), 2).unwrap();
    checkpoint.write(place.join("net.safetensors")).unwrap();
    let arguments = ["net.safetensors", "--out", ".", "--name", "net", "--formats", "onnx"];
    let compared = [&arguments[..], &["--weights", "int8", "--compare", "features"]].concat();
    let said = written(&compared, place);
    println!("{said}");
    assert!(said.contains("embeddings of 256 patches before and after: cosine 0.999"), "{said}");

    // One weight of each output is a thousand times the others, on an input that is always zero. In half precision that
    // changes nothing; in steps of the large weight, all others are rounded to zero.
    let tensors = &mut checkpoint.tensors;
    for part in ["weight", "bias"] {
        tensors.get_mut(&format!("features.7.0.block.3.1.{part}")).unwrap().values[0] = 0.0;
    }
    tensors.get_mut("features.7.0.block.3.1.running_mean").unwrap().values[0] = 0.0;
    for weights in tensors.get_mut("features.8.0.weight").unwrap().values.chunks_mut(320) {
        weights[0] = 1000.0 * weights.iter().fold(0.0f32, |most, weight| most.max(weight.abs()));
    }
    checkpoint.write(place.join("net.safetensors")).unwrap();
    std::fs::remove_file(place.join("net.onnx")).unwrap();
    std::fs::remove_file(place.join("net.json")).unwrap();
    refused(&compared, place, "net.onnx: not written: the cosine of embeddings before and after rounding is");
    assert!(!place.join("net.onnx").exists());
    refused(&[&arguments[..], &["--compare", "features"]].concat(), place, "--weights");
}

#[test]
fn random_weights_follow_their_seed_and_need_no_head() {
    let folder = tempfile::tempdir().unwrap();
    for (name, seed) in [("a", "1"), ("b", "1"), ("c", "2")] {
        let arguments = ["--random", "--head", "none", "--out", ".", "--formats", "onnx", "--name", "same"];
        written(&[&arguments[..], &["--seed", seed]].concat(), folder.path());
        std::fs::rename(folder.path().join("same.onnx"), folder.path().join(name)).unwrap();
        std::fs::remove_file(folder.path().join("same.json")).unwrap();
    }
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(read("a") == read("b"));
    assert!(read("a") != read("c"));
    let arguments = ["--random", "--head", "400", "--out", ".", "--formats", "onnx", "--name", "tags"];
    written(&arguments, folder.path());
    let json: Value = serde_json::from_slice(&read("tags.json")).unwrap();
    assert_eq!(json["schema"]["outputs"][0]["shape"], serde_json::json!(["batch", 400]));
}

#[test]
fn what_cannot_be_exported_is_named_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = Checkpoint::untrained(Description::new(vec![]), 1).unwrap();
    let path = folder.path().join("net.safetensors");
    checkpoint.write(&path).unwrap();
    let to = |name: &'static str| ["--out", ".", "--formats", "onnx", "--name", name];
    let with = |source: &[&'static str], name| [source, &to(name)[..]].concat();
    written(&with(&["net.safetensors"], "net"), folder.path());
    let plain = std::fs::read(folder.path().join("net.onnx")).unwrap();
    refused(&with(&["net.safetensors"], "net"), folder.path(), "net.onnx: exists already");
    std::fs::remove_file(folder.path().join("net.onnx")).unwrap();
    refused(&with(&["net.safetensors"], "net"), folder.path(), "net.json: exists already");
    assert!(!folder.path().join("net.onnx").exists());

    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(folder.path().join("cut.safetensors"), &bytes[..bytes.len() / 2]).unwrap();
    refused(
        &with(&["cut.safetensors"], "cut"),
        folder.path(),
        "cut.safetensors: not a whole safetensors file",
    );
    std::fs::remove_file(folder.path().join("net.json")).unwrap();
    std::fs::write(folder.path().join("net.pt"), "of another network").unwrap();
    refused(
        &with(&["net.safetensors", "--replace"], "net"),
        folder.path(),
        "net.pt: belongs to another network and would stay beside the new files",
    );

    let name = b"efficientnet-b0";
    let at = bytes.windows(name.len()).position(|bytes| bytes == name).unwrap();
    let mut other = bytes.clone();
    other[at + 14] = b'7';
    std::fs::write(folder.path().join("b7.safetensors"), other).unwrap();
    let reason = "b7.safetensors: a network of architecture `efficientnet-b7`, not efficientnet-b0";
    refused(&with(&["b7.safetensors"], "b7"), folder.path(), reason);
    refused(&with(&["gone.safetensors"], "gone"), folder.path(), "gone.safetensors: No such file");
    refused(&with(&["net.safetensors"], "../net"), folder.path(), "\"../net\" is not a valid file name");
    refused(&to("nothing"), folder.path(), "required arguments were not provided");
    refused(&with(&["--random", "--from", "net.onnx"], "x"), folder.path(), "cannot be used with");

    // Only complete files of this program can be read.
    refused(&with(&["--from", "none.onnx"], "x"), folder.path(), "error: none.onnx: No such file");
    std::fs::write(folder.path().join("half.onnx"), &plain[..plain.len() / 2]).unwrap();
    refused(&with(&["--from", "half.onnx"], "x"), folder.path(), "half.onnx: ");
    let foreign = sleeve_tests::repository().join("models/mtt-musicnn-1.onnx");
    let foreign: &'static str = foreign.to_str().unwrap().to_owned().leak();
    refused(&with(&["--from", foreign], "x"), folder.path(), "was not written by `sleeve-train export`");
    refused(
        &with(&["--from", foreign, "--formats", "pt", "--weights", "half"], "x"),
        folder.path(),
        "was not written",
    );
    std::fs::write(folder.path().join("bad.json"), r#"{"schema": 1}"#).unwrap();
    let bad = with(&["net.safetensors", "--metadata", "bad.json"], "bad");
    refused(&bad, folder.path(), "bad.json: metadata sets `schema`");
}

/// A libtorch file can be made of another network, with the metadata beside it.
#[test]
fn torchscript_is_made_of_musicnn() {
    let folder = tempfile::tempdir().unwrap();
    for kind in ["onnx", "json"] {
        let name = format!("mtt-musicnn-1.{kind}");
        let from = sleeve_tests::repository().join("models").join(&name);
        std::fs::copy(from, folder.path().join(name)).unwrap();
    }
    let from = ["--from", "mtt-musicnn-1.onnx", "--formats", "pt", "--out"];
    written(&[&from[..], &[".", "--name", "mtt-musicnn-1"]].concat(), folder.path());
    written(&[&from[..], &["elsewhere", "--name", "mine"]].concat(), folder.path());
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(read("mtt-musicnn-1.pt") == read("elsewhere/mine.pt"));
    let json = |name: &str| serde_json::from_slice::<Value>(&read(name)).unwrap();
    let (beside, alone) = (json("mtt-musicnn-1.json"), json("elsewhere/mine.json"));
    assert_eq!((&beside["name"], &alone["name"]), (&"MTT MusiCNN".into(), &"MTT MusiCNN".into()));
    assert_eq!(beside["model_types"], serde_json::json!(["onnx", "pt"]));
    assert_eq!(alone["model_types"], serde_json::json!(["pt"]));
    assert_eq!((&beside["classes"], beside["classes"].as_array().unwrap().len()), (&alone["classes"], 50));

    // Without metadata, or with an unsupported operator, the error gives the reason.
    std::fs::copy(folder.path().join("mtt-musicnn-1.onnx"), folder.path().join("bare.onnx")).unwrap();
    let bare = ["--from", "bare.onnx", "--formats", "pt", "--out", "elsewhere", "--name", "bare"];
    refused(&bare, folder.path(), "bare.onnx: it was not written by `sleeve-train export`");
    let mut bytes = read("mtt-musicnn-1.onnx");
    for at in 0..bytes.len() - 7 {
        if &bytes[at..at + 7] == b"Sigmoid" {
            bytes[at..at + 7].copy_from_slice(b"Hardmax");
        }
    }
    std::fs::write(folder.path().join("other.onnx"), bytes).unwrap();
    std::fs::copy(folder.path().join("mtt-musicnn-1.json"), folder.path().join("other.json")).unwrap();
    let other = ["--from", "other.onnx", "--formats", "pt", "--out", "elsewhere", "--name", "other"];
    refused(&other, folder.path(), "operator Hardmax");
}

#[test]
fn help_explains() {
    let text = written(&["--help"], Path::new("."));
    for word in ["--formats", "--random", "--from", "half precision", "embeddings", "module.to(dtype)"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

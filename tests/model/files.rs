//! Model files by every kind of name, with every kind of disagreement, and damaged.

use std::fs;
use std::path::{Path, PathBuf};

use rten_onnx::onnx::{
    AttributeProto, AttributeType, DataLocation, DataType, Dimension, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, StringStringEntryProto, TensorProto, TensorShapeProto, TypeProto, TypeProtoTensor,
    ValueInfoProto,
};
use sleeve::Error;
use sleeve::engine::{Device, EngineChoice, EngineOptions, Precision, Purpose};
use sleeve::extractor::Extractor;
use sleeve::model::{Metadata, Model};
use sleeve_files::npy::{NpyReader, read_npy};
use sleeve_tests::{data, repository};

fn graph(name: &str) -> PathBuf {
    data("graphs").join(format!("{name}.onnx"))
}

/// The error of opening a path.
fn refusal(path: impl AsRef<Path>) -> Error {
    match Model::open(path.as_ref()) {
        Err(error) => error,
        Ok(model) => panic!("{} was opened: {model:?}", path.as_ref().display()),
    }
}

fn model_of(nodes: Vec<NodeProto>, initializer: Vec<TensorProto>) -> Vec<u8> {
    let value = |name: &str| ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto {
            tensor_type: Some(TypeProtoTensor {
                elem_type: Some(DataType::FLOAT),
                shape: Some(TensorShapeProto {
                    dim: vec![
                        Dimension { dim_param: Some("n".into()), dim_value: None },
                        Dimension { dim_value: Some(4), dim_param: None },
                    ],
                }),
            }),
            sequence: None,
        }),
    };
    let graph = GraphProto {
        node: nodes,
        initializer,
        input: vec![value("x")],
        output: vec![value("y")],
        value_info: Vec::new(),
    };
    let model = ModelProto {
        ir_version: Some(8),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(17) }],
        ..Default::default()
    };
    model.write_buf().unwrap()
}

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: Some(op.into()),
        input: inputs.iter().map(|&input| input.into()).collect(),
        output: vec![output.into()],
        name: Some(format!("the {op}")),
        ..Default::default()
    }
}

fn tensor(name: &str, dims: &[i64], data_type: DataType, raw: &[u8]) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        dims: dims.to_vec(),
        data_type: Some(data_type),
        raw_data: Some(raw.to_vec().into()),
        ..Default::default()
    }
}

/// The error of opening a model, creating its engine or running it.
fn failure(onnx: Vec<u8>) -> String {
    let attempt = || -> sleeve::Result<()> {
        let model = Model::from_bytes("odd", onnx, None)?;
        let engine = model.engine(&EngineOptions::default().engine(EngineChoice::Onnx).threads(1))?;
        let mut output = vec![0.0; model.outputs()[0].dim];
        engine.run(&vec![1.0; model.input().len()], 1, &mut [(0, &mut output)])
    };
    attempt().expect_err("it should have failed").to_string()
}

#[test]
fn a_model_is_found_by_file_by_stem_and_by_name() {
    let folder = repository().join("models");
    let by_name = Model::open("msd-musicnn-1").unwrap();
    for path in ["msd-musicnn-1", "msd-musicnn-1.onnx", "msd-musicnn-1.json"] {
        let model = Model::open(folder.join(path)).unwrap();
        assert_eq!(model.name(), "msd-musicnn-1");
        assert_eq!(model.sha256(), by_name.sha256());
        assert_eq!(model.metadata(), by_name.metadata());
    }
    assert_eq!(Model::bundled_names().next(), Some("msd-musicnn-1"));
    assert_eq!(Model::bundled("msd-musicnn-1").unwrap().sha256(), by_name.sha256());
    assert_eq!(by_name.classes().len(), 50);
    assert_eq!(by_name.sample_rate(), 16_000);
    assert_eq!(by_name.output(Purpose::Predictions), Some(0));
    assert_eq!(by_name.output(Purpose::Embeddings), Some(1));
    assert_eq!(by_name.output(Purpose::Other), by_name.output_named("dense"));
    assert_eq!(by_name.clone().with_hop(187).unwrap().patching().unwrap().hop(), 187);
    assert!(by_name.with_hop(0).is_err());
}

#[test]
fn hashes_and_licences_stand_beside_the_models() {
    let readme = fs::read_to_string(repository().join("models/README.md")).unwrap();
    for stem in ["msd-musicnn-1", "mtt-musicnn-1", "msd-vgg-1", "mtt-vgg-1"] {
        let model = Model::open(repository().join("models").join(stem)).unwrap();
        assert!(readme.contains(&format!("{}  {stem}.onnx", model.sha256())), "{stem}");
        assert_eq!(model.metadata().text("license"), "ISC");
        let written = fs::read_to_string(repository().join(format!("models/{stem}.json"))).unwrap();
        assert_eq!(model.metadata().to_json(), written, "{stem}: written as it was read");
    }
}

#[test]
fn what_cannot_be_opened_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, content) in [
        ("torch.pt", "x"),
        ("frozen.pb", "x"),
        ("alone.json", "{}"),
        ("song.wav", "RIFF"),
        ("empty.onnx", ""),
        ("text.onnx", "this is not a graph"),
        ("broken.json", "{"),
        ("odd.json", "[]"),
        ("latin.json", ""),
    ] {
        fs::write(at(name), content).unwrap();
    }
    for stem in ["broken", "odd", "latin"] {
        fs::copy(graph("head_softmax"), at(&format!("{stem}.onnx"))).unwrap();
    }
    fs::write(at("latin.json"), b"{\"name\": \"caf\xe9\"}").unwrap();
    fs::create_dir(at("folder.onnx")).unwrap();
    for (name, says) in [
        // The message depends on whether there is a libtorch plugin.
        ("torch.pt", "torch"),
        ("torch", "torch"),
        ("frozen.pb", "use the .onnx"),
        ("frozen", "use the .onnx"),
        ("alone.json", "no .onnx or .pt beside it"),
        ("alone", "no .onnx or .pt beside it"),
        ("song.wav", "neither an .onnx"),
        ("empty.onnx", "no graph"),
        ("text.onnx", "ONNX"),
        ("broken", "not a JSON object"),
        ("odd.onnx", "not a JSON object"),
        ("latin.json", "not UTF-8"),
        ("folder.onnx", "folder"),
        ("missing.onnx", "No such file"),
        ("missing.json", "bundled: msd-musicnn-1"),
        ("missing", "bundled: msd-musicnn-1"),
        ("missing.pt", "bundled: msd-musicnn-1"),
    ] {
        let error = refusal(at(name)).to_string();
        assert!(error.contains(says), "{name}: {error}");
        assert!(error.contains(name.split('.').next().unwrap()), "{name}: {error}");
    }
    assert!(matches!(refusal(at("torch.pt")), Error::Unavailable(_) | Error::Model { .. }));
    assert!(refusal("nothing-of-this-name").to_string().contains("bundled: msd-musicnn-1"));
    assert!(Model::bundled("x").unwrap_err().to_string().contains("bundled: msd-musicnn-1"));
    // What follows a dot in a stem is not an extension.
    fs::copy(graph("head_softmax"), at("track-1.5.onnx")).unwrap();
    assert_eq!(Model::open(at("track-1.5")).unwrap().name(), "track-1.5");
}

#[test]
fn a_graph_without_metadata_is_used_as_it_is() {
    let model = Model::open(graph("head_softmax")).unwrap();
    assert!(model.is_head() && model.classes().is_empty() && model.warnings().is_empty());
    assert_eq!(model.output(Purpose::Predictions), model.output_named("model/Softmax"));
    assert_eq!(model.patching(), None);
    let model = Model::open(graph("channel_last")).unwrap();
    assert_eq!(model.output(Purpose::Embeddings), Some(1));
    // Nobody says what its patches are, so it takes patches alone, and no audio.
    assert_eq!((model.patching(), model.sample_rate()), (None, 0));
    let refusal = Extractor::builder(model).build().err().unwrap().to_string();
    assert!(refusal.contains("16 frames of 8 values") && refusal.contains("--front-end"), "{refusal}");
}

#[test]
fn the_graph_is_right_and_the_disagreement_named() {
    let onnx = fs::read(graph("fixed_batch")).unwrap();
    let json = r#"{"classes": ["a", "b"], "inference": {"sample_rate": 16000, "algorithm": "TensorflowPredictMusiCNN"},
        "schema": {"inputs": [{"name": "melspectrogram", "shape": [64, 187, 96]}], "outputs": [
        {"name": "PartitionedCall:0", "shape": [64, 1280], "output_purpose": "predictions"},
        {"name": "PartitionedCall:1", "shape": [64, 12], "output_purpose": "embeddings"},
        {"name": "PartitionedCall:2", "shape": [64, 3], "output_purpose": "predictions"}]}}"#;
    let model = Model::from_bytes("published", onnx, Some(json)).unwrap();
    assert_eq!(model.outputs()[model.output(Purpose::Predictions).unwrap()].dim, 5);
    assert_eq!(model.outputs()[model.output(Purpose::Embeddings).unwrap()].dim, 12);
    let refusal = model.audio_patching().unwrap_err().to_string();
    assert!(refusal.contains("frames of 8 values, TensorflowPredictMusiCNN gives frames of 96"), "{refusal}");
    assert!(model.classes().is_empty());
    for (ours, theirs) in [
        ("serving_default_melspectrogram", "names the input melspectrogram"),
        ("[64, 16, 8]", "[64, 187, 96]"),
        ("graph 5", "1280"),
        ("2 classes", "has 5"),
        ("PartitionedCall:2", "does not have"),
    ] {
        let named = model.warnings().iter().any(|warning| warning.contains(ours) && warning.contains(theirs));
        assert!(named, "{ours} {theirs}: {:#?}", model.warnings());
    }
    assert_eq!(model.warnings().len(), 5, "{:#?}", model.warnings());
}

#[test]
fn what_no_engine_can_do_is_said() {
    let refused = |model: &Model, options: EngineOptions| match model.engine(&options) {
        Err(Error::Unavailable(reason)) => reason,
        Err(other) => panic!("{other}"),
        Ok(engine) => panic!("{}", engine.describe()),
    };
    let of = |engine| EngineOptions::default().engine(engine);
    // A graph that cannot be written for libtorch is refused for that reason, with or without a plugin.
    let model = sleeve_tests::small_model::with_sines();
    let reason = refused(&model, of(EngineChoice::Torch));
    assert!(reason.starts_with("the torch engine: ") && reason.contains("no TorchScript file"), "{reason}");
    let cuda = EngineOptions::default().device(Device::Cuda(vec![1]));
    let reason = refused(&model, cuda);
    assert!(reason.starts_with("device cuda:1: ") && reason.contains("no TorchScript file"), "{reason}");
    // A graph that can be written is refused because the device is not available, with or without a plugin.
    let model = Model::bundled("msd-musicnn-1").unwrap();
    let cuda = EngineOptions::default().device(Device::Cuda(vec![255]));
    assert!(refused(&model, cuda).contains("cuda:255"));
    let other = model.engine(&of(EngineChoice::Effnet)).err().unwrap().to_string();
    assert!(other.contains("not an EfficientNet-B0"), "{other}");
    for precision in [Precision::Bf16, Precision::Fp16] {
        let reason = refused(&model, EngineOptions::default().precision(precision));
        assert!(reason.contains(&precision.to_string()), "{reason}");
    }
    let engine = model.engine(&EngineOptions::default().threads(2)).unwrap();
    assert_eq!(engine.name(), "fused");
    assert!(engine.describe().ends_with(", f32, 2 threads"), "{}", engine.describe());
    let engine = model.engine(&of(EngineChoice::Onnx).threads(2)).unwrap();
    assert_eq!((engine.name(), engine.describe().as_str()), ("onnx", "cpu, rten, f32, 2 threads"));
}

#[test]
fn operators_that_are_not_there_are_named() {
    let reason = failure(model_of(vec![node("Loop", &["x"], "z"), node("NonZero", &["z"], "y")], Vec::new()));
    assert!(reason.contains("Loop, NonZero"), "{reason}");
    let mut foreign = node("Fancy", &["x"], "y");
    foreign.domain = Some("com.example".into());
    assert!(failure(model_of(vec![foreign], Vec::new())).contains("com.example::Fancy"));
}

/// A model file whose weights, 64 bytes, are where these pairs say.
fn with_external(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut weights = tensor("w", &[4, 4], DataType::FLOAT, &[]);
    let pair = |&(key, value): &(&str, &str)| StringStringEntryProto {
        key: Some(key.into()),
        value: Some(value.into()),
    };
    weights.raw_data = None;
    weights.data_location = Some(DataLocation::EXTERNAL);
    weights.external_data = pairs.iter().map(pair).collect();
    model_of(vec![node("MatMul", &["x", "w"], "y")], vec![weights])
}

#[test]
fn weights_outside_the_models_folder_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("inside");
    fs::create_dir(&inside).unwrap();
    fs::write(folder.path().join("outside.data"), [0; 64]).unwrap();
    fs::write(inside.join("weights.data"), [0; 64]).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path().join("outside.data"), inside.join("link.data")).unwrap();
    let file = inside.join("m.onnx");
    for path in
        ["../outside.data", "/etc/passwd", "", ".", "/", "none.data", "a/../../outside.data", "link.data"]
    {
        fs::write(&file, with_external(&[("location", path)])).unwrap();
        let reason = refusal(&file).to_string();
        assert!(reason.contains(path) && reason.contains("m.onnx"), "{reason}");
    }
    fs::write(&file, with_external(&[("location", "weights.data"), ("offset", "0"), ("length", "64")]))
        .unwrap();
    assert_eq!(Model::open(&file).unwrap().input().len(), 4);
    // A model from memory has no folder.
    let reason = failure(with_external(&[("location", "weights.data")]));
    assert!(reason.contains("from memory"), "{reason}");
}

#[test]
fn weights_beyond_their_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("w"), [0; 80]).unwrap();
    let file = folder.path().join("m.onnx");
    let most = u64::MAX.to_string();
    for (offset, length, fits) in [
        ("0", "64", true),
        ("16", "64", true),
        ("17", "64", false),
        ("0", "63", false),
        ("0", "65", false),
        (most.as_str(), "64", false),
        ("0", most.as_str(), false),
        ("-1", "64", false),
        ("x", "64", false),
    ] {
        fs::write(&file, with_external(&[("location", "w"), ("offset", offset), ("length", length)]))
            .unwrap();
        match Model::open(&file) {
            Ok(_) => assert!(fits, "{offset} {length}"),
            Err(error) => {
                assert!(!fits && error.to_string().contains("tensor w"), "{offset} {length}: {error}")
            }
        }
    }
}

#[test]
fn sizes_that_cannot_be_meant_are_refused() {
    let huge = tensor("w", &[1 << 40, 1 << 40], DataType::FLOAT, &[0; 16]);
    assert!(
        failure(model_of(vec![node("MatMul", &["x", "w"], "y")], vec![huge])).contains("impossible shape")
    );
    let negative = tensor("w", &[-4, 4], DataType::FLOAT, &[0; 16]);
    assert!(
        failure(model_of(vec![node("Add", &["x", "w"], "y")], vec![negative])).contains("impossible shape")
    );
    let short = tensor("w", &[4, 4], DataType::FLOAT, &[0; 16]);
    failure(model_of(vec![node("MatMul", &["x", "w"], "y")], vec![short]));
    let shape = (1i64 << 40).to_le_bytes();
    for op in ["ConstantOfShape", "Expand", "Tile"] {
        let inputs: &[&str] = if op == "ConstantOfShape" { &["s"] } else { &["x", "s"] };
        let shape = tensor("s", &[1], DataType::INT64, &shape);
        let onnx = model_of(vec![node(op, inputs, "z"), node("Add", &["x", "z"], "y")], vec![shape]);
        assert!(failure(onnx).contains("asks for a tensor of shape"), "{op}");
    }
    let mut pool = node("MaxPool", &["x"], "y");
    pool.attribute = vec![AttributeProto {
        name: Some("pads".into()),
        ints: vec![1 << 40, 1 << 40],
        r#type: Some(AttributeType::INTS),
        ..Default::default()
    }];
    assert!(failure(model_of(vec![pool], Vec::new())).contains("pads"));
}

#[test]
fn long_chains_are_planned_within_the_stack_and_longer_ones_refused() {
    let chain = |length: usize| {
        let nodes = (0..length).map(|index| {
            let name = |index: usize| match index {
                0 => "x".to_owned(),
                index if index == length => "y".to_owned(),
                index => format!("t{index}"),
            };
            // Alternating, so that nothing is fused.
            node(if index % 2 == 0 { "Exp" } else { "Tanh" }, &[&name(index)], &name(index + 1))
        });
        model_of(nodes.collect(), Vec::new())
    };
    let model = Model::from_bytes("chain", chain(2048), None).unwrap();
    let engine = model.engine(&EngineOptions::default().threads(1)).unwrap();
    let mut output = [0.0; 4];
    engine.run(&[0.5; 4], 1, &mut [(0, &mut output)]).unwrap();
    assert!(output.iter().all(|value| value.is_finite()));
    assert!(failure(chain(2049)).contains("2048 nodes deep"));
    let wide = (0..8193).map(|index| node("Exp", &["x"], &format!("t{index}")));
    assert!(failure(model_of(wide.collect(), Vec::new())).contains("8193 nodes"));
    let backwards = vec![node("Exp", &["t"], "y"), node("Exp", &["x"], "t")];
    assert!(failure(model_of(backwards, Vec::new())).contains("t is used before it is computed"));
}

#[test]
fn every_truncation_and_many_alterations_are_survived() {
    for name in ["head_softmax", "channel_last"] {
        let whole = fs::read(graph(name)).unwrap();
        let survive = |bytes: Vec<u8>| {
            let Ok(model) = Model::from_bytes("damaged", bytes, None) else { return };
            let options = EngineOptions::default().engine(EngineChoice::Onnx).threads(1);
            let Ok(engine) = model.engine(&options) else { return };
            let (width, dim) = (model.input().len(), model.outputs()[0].dim);
            if width < 1 << 16 && dim < 1 << 16 {
                let mut output = vec![0.0; dim];
                let _ = engine.run(&vec![1.0; width], 1, &mut [(0, &mut output)]);
            }
        };
        for length in 0..whole.len() {
            survive(whole[..length].to_vec());
        }
        for index in 0..whole.len() {
            let mut altered = whole.clone();
            altered[index] = altered[index].wrapping_add(1 + (index % 255) as u8);
            survive(altered);
        }
    }
}

/// Inputs with which fuzzing found a fault, which their names describe.
#[test]
fn inputs_that_fuzzing_found_are_survived() {
    let mut read = 0;
    for file in files("fuzz/metadata_json") {
        if let Ok(text) = fs::read_to_string(&file)
            && let Ok(metadata) = Metadata::from_json(&text)
        {
            // What was written is plain JSON: no warning of commas too many, and the rest is the same.
            let again = Metadata::from_json(&metadata.to_json()).unwrap();
            assert_eq!(again.document(), metadata.document(), "{}", file.display());
            assert_eq!((again.inputs(), again.outputs()), (metadata.inputs(), metadata.outputs()));
            assert_eq!((again.classes(), again.sample_rate()), (metadata.classes(), metadata.sample_rate()));
            assert_eq!(Metadata::from_json(&again.to_json()).unwrap(), again, "{}", file.display());
            read += 1;
        }
    }
    assert!(read > 0);
    for file in files("fuzz/onnx_model") {
        let Ok(model) = Model::open(&file) else { continue };
        let options = EngineOptions::default().engine(EngineChoice::Onnx).threads(1);
        let Ok(engine) = model.engine(&options) else { continue };
        let width = model.input().len();
        let mut buffers: Vec<Vec<f32>> =
            model.outputs().iter().map(|output| vec![0.0; 2 * output.dim]).collect();
        let mut wanted: Vec<(usize, &mut [f32])> =
            buffers.iter_mut().map(Vec::as_mut_slice).enumerate().collect();
        let _ = engine.run(&vec![1.0; 2 * width], 2, &mut wanted);
    }
}

/// What the fuzz target `npy` checks.
#[test]
fn arrays_that_fuzzing_found_are_refused_or_read() {
    let mut read = 0;
    for file in files("fuzz/npy") {
        let Ok(mut reader) = NpyReader::open(&file) else {
            assert!(read_npy(&file).is_err(), "{}", file.display());
            continue;
        };
        let whole = read_npy(&file).unwrap();
        assert_eq!(whole.dim(), (reader.rows(), reader.cols()), "{}", file.display());
        let mut row = vec![0.0; reader.cols()];
        for at in 0..reader.rows().min(64) {
            reader.read_rows(at, &mut row).unwrap();
            assert!(row.iter().zip(whole.row(at)).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
        read += 1;
    }
    assert!(read > 0);
}

fn files(folder: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(data(folder)) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

//! TorchScript files: which can be opened, and the errors for the others, before any audio is read.

use std::fs;
use std::path::PathBuf;

use sleeve::Error;
use sleeve::engine::{Device, EngineChoice, EngineOptions, InputSpec, Precision, Purpose};
use sleeve::extractor::Extractor;
use sleeve::internal::Module;
use sleeve::model::Model;
use sleeve_tests::effnet::graph;
use sleeve_tests::{recording, skip, torch_engine};

const PATCH: usize = 128 * 96;

/// The first statement of every file: a linear layer on the mean of each patch's frames.
const SUMS: &str = "a = torch.linear(torch.mean(x, [1]), self.w)";

/// A file with one small layer and the given last statements.
fn file(statements: &[&str], returns: &str) -> Vec<u8> {
    let mut module = Module::new();
    let weights: Vec<f32> = (0..4 * 96).map(|i| ((i * 7 % 13) as f32 - 6.0) / 64.0).collect();
    module.parameter("w", &[4, 96], &weights);
    module.statement(SUMS);
    statements.iter().for_each(|statement| module.statement(*statement));
    module.to_bytes(returns)
}

fn dictionary() -> Vec<u8> {
    file(&["return {\"embeddings\": a, \"predictions\": torch.sigmoid(a)}"], "Dict[str, Tensor]")
}

fn tuple() -> Vec<u8> {
    file(&["return (torch.sigmoid(a), a)"], "Tuple[Tensor, Tensor]")
}

fn options(precision: Precision) -> EngineOptions {
    EngineOptions::default().device(Device::Cpu).precision(precision).threads(1)
}

fn json(outputs: &[&str]) -> String {
    let outputs: Vec<String> = outputs
        .iter()
        .map(|purpose| format!("{{\"name\": \"{purpose}\", \"output_purpose\": \"{purpose}\"}}"))
        .collect();
    format!(
        "{{\"classes\": [\"a\", \"b\", \"c\", \"d\"], \"schema\": {{\"inputs\": [{{\"name\": \"mel\", \
         \"shape\": [128, 96]}}], \"outputs\": [{}]}}}}",
        outputs.join(", ")
    )
}

fn refusal(bytes: Vec<u8>, json: Option<&str>) -> String {
    match Model::from_bytes("model", bytes, json) {
        Ok(model) => panic!("{model:?} was opened"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn outputs_are_named_by_a_dictionary_or_else_by_the_metadata() {
    if torch_engine().is_none() {
        skip!("no libtorch; run `cargo xtask libtorch`");
    }
    let purposes = |model: &Model| -> Vec<(String, Purpose, usize)> {
        model.outputs().iter().map(|o| (o.name.clone(), o.purpose, o.dim)).collect()
    };
    let predictions = ("predictions".to_owned(), Purpose::Predictions, 4);
    let embeddings = ("embeddings".to_owned(), Purpose::Embeddings, 4);
    let model = Model::from_bytes("d", dictionary(), None).unwrap();
    assert_eq!(purposes(&model), [embeddings.clone(), predictions.clone()]);
    assert_eq!(model.input(), InputSpec::Patch { frames: 128, bands: 96 });
    let model = Model::from_bytes("t", tuple(), None).unwrap();
    assert_eq!(purposes(&model), [predictions.clone(), embeddings.clone()]);
    let model = Model::from_bytes("t", tuple(), Some(&json(&["predictions", "embeddings"]))).unwrap();
    assert_eq!(purposes(&model), [predictions, embeddings.clone()]);
    assert_eq!(model.classes(), ["a", "b", "c", "d"]);
    let model = Model::from_bytes("one", file(&["return a"], "Tensor"), None).unwrap();
    assert_eq!(purposes(&model), [embeddings]);

    // Each output has the values of its name.
    let model = Model::from_bytes("d", dictionary(), None).unwrap();
    let engine = model.engine(&options(Precision::F32)).unwrap();
    assert_eq!(engine.name(), "torch");
    assert!(engine.describe().starts_with("cpu, libtorch 2.11.0, f32"), "{}", engine.describe());
    let patches: Vec<f32> = (0..3 * PATCH).map(|i| (i % 97) as f32 / 97.0).collect();
    let (mut a, mut b) = (vec![0.0; 12], vec![0.0; 12]);
    engine.run(&patches, 3, &mut [(1, &mut b), (0, &mut a)]).unwrap();
    for (embedding, prediction) in a.iter().zip(&b) {
        assert!((1.0 / (1.0 + (-embedding).exp()) - prediction).abs() < 1e-6, "{embedding} {prediction}");
    }
}

#[test]
fn a_file_is_opened_by_any_of_its_names() {
    if torch_engine().is_none() {
        skip!("no libtorch; run `cargo xtask libtorch`");
    }
    let folder = tempfile::tempdir().unwrap();
    let stem = folder.path().join("sums-1.5");
    fs::write(folder.path().join("sums-1.5.pt"), tuple()).unwrap();
    fs::write(folder.path().join("sums-1.5.json"), json(&["predictions", "embeddings"])).unwrap();
    for name in ["sums-1.5", "sums-1.5.pt", "sums-1.5.json"] {
        let model = Model::open(folder.path().join(name)).unwrap();
        assert_eq!((model.name(), model.classes().len()), ("sums-1.5", 4), "{name}");
        assert_eq!(model.sha256().len(), 64);
    }
    // From a recording.
    let extractor =
        Extractor::builder(Model::open(&stem).unwrap()).threads(1).device(Device::Cpu).build().unwrap();
    let analysis = extractor.extract_file(recording("sky.ogg")).unwrap();
    assert!(analysis.patch_count() > 10 && analysis.embeddings().unwrap().ncols() == 4);
    // The built-in engines do not run TorchScript.
    for engine in [EngineChoice::Effnet, EngineChoice::Onnx] {
        let error = Model::open(&stem).unwrap().engine(&options(Precision::F32).engine(engine));
        assert!(error.err().unwrap().to_string().contains("TorchScript"));
    }
}

#[test]
fn what_is_no_torchscript_is_refused() {
    if torch_engine().is_none() {
        skip!("no libtorch; run `cargo xtask libtorch`");
    }
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("broken.pt");
    for (bytes, words) in [
        (b"a checkpoint, perhaps".to_vec(), "not a TorchScript file"),
        (b"PK\x03\x04".to_vec(), "not a TorchScript file"),
        (tuple()[..900].to_vec(), "not a TorchScript file"),
        (Vec::new(), "not a TorchScript file"),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = Model::open(&path).unwrap_err();
        assert!(matches!(error, Error::Model { .. }), "{error:?}");
        let said = error.to_string();
        assert!(said.contains("broken.pt") && said.contains(words), "{said}");
        assert!(said.lines().count() == 1, "{said}");
    }
}

#[test]
fn another_version_is_named() {
    if torch_engine().is_none() {
        skip!("no libtorch; run `cargo xtask libtorch`");
    }
    let mut bytes = tuple();
    // The record `version` has "3\n" and becomes 99; its checksum is changed in two places.
    let at = bytes.windows(14).position(|window| window == b"sleeve/version").unwrap();
    let content = bytes[at..].windows(2).position(|window| window == b"3\n").unwrap() + at;
    let checksum = |bytes: &[u8]| {
        let bit = |crc: u32| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        let crc =
            bytes.iter().fold(!0u32, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| bit(crc)));
        (!crc).to_le_bytes()
    };
    let (old, new) = (checksum(b"3\n"), checksum(b"99"));
    bytes[content..content + 2].copy_from_slice(b"99");
    for place in 0..bytes.len() - 4 {
        if bytes[place..place + 4] == old {
            bytes[place..place + 4].copy_from_slice(&new);
        }
    }
    let said = refusal(bytes, None);
    assert!(said.contains("version 99") && said.contains("2.11.0"), "{said}");
}

#[test]
fn shapes_and_outputs_that_do_not_fit_are_refused() {
    if torch_engine().is_none() {
        skip!("no libtorch; run `cargo xtask libtorch`");
    }
    let said = refusal(
        file(&["b = torch.reshape(x, [-1, 64, 96])", "return torch.mul(a, torch.mean(b, [1, 2]))"], "Tensor"),
        None,
    );
    assert!(said.contains("[1, 128, 96]"), "{said}");
    let said = refusal(file(&["return torch.reshape(a, [1, -1])"], "Tensor"), None);
    assert!(said.contains("one row at a time"), "{said}");
    let said = refusal(file(&["return torch.unsqueeze(a, 0)"], "Tensor"), None);
    assert!(said.contains("[1, 1, 4]"), "{said}");
    let said = refusal(file(&["return \"four\""], "str"), None);
    assert!(said.contains("string"), "{said}");
    let said = refusal(file(&["return (a, 1)"], "Tuple[Tensor, int]"), None);
    assert!(said.contains("number"), "{said}");
    let said = refusal(file(&["return torch.linear(a, self.w)"], "Tensor"), None);
    assert!(said.contains("[1, 128, 96]"), "{said}");
    // The metadata lists an output that the file does not have.
    let said = refusal(file(&["return a"], "Tensor"), Some(&json(&["predictions", "embeddings"])));
    assert!(said.contains("1 outputs") && said.contains("predictions, embeddings"), "{said}");
    // A requested output must exist.
    let model = Model::from_bytes("model", file(&["return a"], "Tensor"), None).unwrap();
    let error = Extractor::builder(model).output("predictions").build().err().unwrap().to_string();
    assert!(error.contains("no output `predictions`"), "{error}");
}

#[test]
fn a_file_beside_a_graph_must_give_the_same_outputs() {
    if torch_engine().is_none() {
        skip!("no libtorch; run `cargo xtask libtorch`");
    }
    let Some(onnx) = graph("half", 6, None) else { skip!("no peers; run `cargo xtask peers`") };
    let folder = tempfile::tempdir().unwrap();
    fs::copy(onnx, folder.path().join("pair.onnx")).unwrap();
    fs::write(folder.path().join("pair.pt"), tuple()).unwrap();
    let model = Model::open(folder.path().join("pair")).unwrap();
    // On the CPU the graph runs, and the TorchScript file is not used.
    assert_eq!(model.engine(&options(Precision::F32)).unwrap().name(), "effnet");
    let torch = options(Precision::F32).engine(EngineChoice::Torch);
    let error = model.engine(&torch).err().unwrap().to_string();
    assert!(error.contains("pair.pt") && error.contains("projections (512), embeddings (1280)"), "{error}");
    // The file written from the graph has weights in half precision, like the graph.
    let written = model.to_torchscript().unwrap();
    assert!((7_500_000..10_000_000).contains(&written.len()), "{} bytes", written.len());
    fs::write(folder.path().join("pair.pt"), written).unwrap();
    let engine = model.engine(&torch).unwrap();
    assert_eq!((engine.name(), engine.outputs()), ("torch", model.outputs()));
}

#[test]
fn a_precision_in_name_alone_is_refused() {
    if torch_engine().is_none() {
        skip!("no libtorch; run `cargo xtask libtorch`");
    }
    // It casts its input and weights to f32, so it computes in f32 whatever precision is requested.
    let mut module = Module::new();
    module.parameter("w", &[4, 96], &[0.5; 4 * 96]);
    module.statement("y = torch.to(torch.mean(x, [1]), 6)");
    module.statement("return torch.linear(y, torch.to(self.w, 6))");
    let model = Model::from_bytes("cast", module.to_bytes("Tensor"), None).unwrap();
    model.engine(&options(Precision::F32)).unwrap();
    let error = model.engine(&options(Precision::Bf16)).err().unwrap();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("bf16") && said.contains("computes in f32"), "{said}");
    // A file without casts runs in bf16 on request.
    let model = Model::from_bytes("free", dictionary(), None).unwrap();
    assert!(model.engine(&options(Precision::Bf16)).unwrap().describe().contains("bf16"));
}

#[test]
fn a_lost_device_says_which() {
    if torch_engine().is_none() {
        skip!("no libtorch; run `cargo xtask libtorch`");
    }
    // Fails like a device as soon as a value is negative.
    let mut module = Module::new();
    module.parameter("w", &[4, 96], &[0.5; 4 * 96]);
    module.statement(SUMS);
    module.statement("if bool(torch.lt(torch.min(x), 0)):");
    module.statement("  ops.prim.RaiseException(\"CUDA error: unspecified launch failure\")");
    module.statement("else:");
    module.statement("  pass");
    module.statement("return a");
    let model = Model::from_bytes("fragile", module.to_bytes("Tensor"), None).unwrap();
    let engine = model.engine(&options(Precision::F32)).unwrap();
    let mut found = vec![0.0; 4];
    engine.run(&[1.0; PATCH], 1, &mut [(0, &mut found)]).unwrap();
    let error = engine.run(&[-1.0; PATCH], 1, &mut [(0, &mut found)]).unwrap_err().to_string();
    assert!(error.contains("device lost: cpu") && error.contains("unspecified launch failure"), "{error}");
    // After that, every call fails with the same error.
    assert_eq!(engine.run(&[1.0; PATCH], 1, &mut [(0, &mut found)]).unwrap_err().to_string(), error);
}

//! The small network on an embedding: one hidden layer or none. Its values, and the file that `extract --head` opens.

use std::path::{Path, PathBuf};

use half::f16;
use serde_json::{Map, Value, json};
use sleeve::internal::onnx::{Attribute, Graph, Node, ValueInfo};
use sleeve::model::{Metadata, Model};

use super::super::datasets::Labelling;
use crate::atomic;
use crate::error::{Error, Result};
use crate::export::onnx::{cast, dense, half, written};

/// The sizes of the layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Values of an embedding.
    pub inputs: usize,
    /// Units of the hidden layer; 0 for none, which makes it a linear probe.
    pub hidden: usize,
    /// Classes, or targets.
    pub classes: usize,
}

impl Shape {
    /// The tensors with their names, in the order of a head's values: `[outputs, inputs]` and `[outputs]` of the hidden
    /// layer if there is one, then of the output layer.
    pub fn tensors(self) -> Vec<(&'static str, Vec<usize>)> {
        let Shape { inputs, hidden, classes } = self;
        if hidden == 0 {
            return vec![("output.weight", vec![classes, inputs]), ("output.bias", vec![classes])];
        }
        vec![
            ("hidden.weight", vec![hidden, inputs]),
            ("hidden.bias", vec![hidden]),
            ("output.weight", vec![classes, hidden]),
            ("output.bias", vec![classes]),
        ]
    }

    /// The number of values in all of them.
    pub fn values(self) -> usize {
        self.tensors().iter().map(|(_, dims)| dims.iter().product::<usize>()).sum()
    }
}

/// A trained head.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// The sizes of its layers.
    pub shape: Shape,
    /// Whether classes exclude each other (softmax) or not (sigmoid), or its outputs are quantities.
    pub labelling: Labelling,
    /// Its values, in the order of [`Shape::tensors`].
    pub values: Vec<f32>,
}

/// Names of the graph's input and output.
const INPUT: &str = "embeddings";
const OUTPUT: &str = "predictions";

impl Head {
    /// The bytes of an ONNX file: weights in half precision with casts, input embeddings `[n, inputs]`, output
    /// activations `[n, classes]`.
    ///
    /// # Errors
    /// If a weight is too large for half precision.
    pub fn onnx(&self, name: &str) -> Result<Vec<u8>> {
        assert_eq!(self.values.len(), self.shape.values());
        let layer = |layer: &str, input: &str, output: &str| {
            let (weight, bias) = (format!("{layer}.weight.f32"), format!("{layer}.bias.f32"));
            dense(&[input, &weight, &bias], output)
        };
        let (activation, axis) = match self.labelling {
            Labelling::Multi => (Some("Sigmoid"), Vec::new()),
            Labelling::Single => (Some("Softmax"), vec![Attribute::of_int("axis", -1)]),
            Labelling::Regression => (None, Vec::new()),
        };
        let tensors = self.shape.tensors();
        let mut node: Vec<Node> =
            tensors.iter().map(|(name, _)| cast(name, &format!("{name}.f32"))).collect();
        let before = if self.shape.hidden > 0 { "hidden.relu" } else { INPUT };
        if self.shape.hidden > 0 {
            node.push(layer("hidden", INPUT, "hidden.out"));
            node.push(Node::new("Relu", &["hidden.out"], before, Vec::new()));
        }
        match activation {
            Some(activation) => {
                node.push(layer("output", before, "output.out"));
                node.push(Node::new(activation, &["output.out"], OUTPUT, axis));
            }
            None => node.push(layer("output", before, OUTPUT)),
        }
        let mut initializer = Vec::new();
        let mut rest = &self.values[..];
        for (name, dims) in tensors {
            let (own, others) = rest.split_at(dims.iter().product());
            let halves: Vec<f16> = own.iter().map(|&value| f16::from_f32(value)).collect();
            if let Some(at) = halves.iter().position(|value| !value.is_finite()) {
                let reason = format!("{name} contains {}, too large for half precision", own[at]);
                return Err(Error::InvalidArgument(reason));
            }
            initializer.push(half(name, &dims, &halves));
            rest = others;
        }
        let graph = Graph {
            name: Some(name.to_owned()),
            node,
            initializer,
            input: vec![ValueInfo::rows(INPUT, &[self.shape.inputs])],
            output: vec![ValueInfo::rows(OUTPUT, &[self.shape.classes])],
            ..Graph::default()
        };
        Ok(written(graph, &[]))
    }
}

/// The content of a head's metadata, besides its shape.
#[derive(Clone, Debug)]
pub struct About<'a> {
    /// The names of the classes.
    pub classes: &'a [String],
    /// The data set, and its number of tracks.
    pub dataset: (&'a str, usize),
    /// Figures on the test tracks.
    pub metrics: &'a [(&'a str, f64)],
    /// The encoder whose vectors it reads: the model's name, and `@` and the output if that is not the embeddings.
    pub model: &'a str,
    /// Frames of that model's patches.
    pub frames: usize,
}

/// The files of graph and metadata for a head at `path`, which may end in `.onnx`.
pub fn files(path: &Path) -> [PathBuf; 2] {
    let stem = match path.extension() {
        Some(extension) if extension == "onnx" => path.with_extension(""),
        _ => path.to_owned(),
    };
    // A stem may contain dots.
    ["onnx", "json"].map(|extension| {
        let mut name = stem.as_os_str().to_owned();
        name.push(format!(".{extension}"));
        PathBuf::from(name)
    })
}

/// Writes a head as the two [`files`] of `path`, after the library has opened it; existing files are replaced.
///
/// # Errors
/// If it cannot be opened or written.
pub fn save(head: &Head, path: &Path, about: &About) -> Result<[PathBuf; 2]> {
    let [path, described] = files(path);
    let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
    let bytes = head.onnx(&name)?;
    let json = Metadata::from_document(document(&name, head, about))?.to_json();
    let model = Model::from_bytes(&path.display().to_string(), bytes.clone(), Some(&json))?;
    if let [warning, ..] = model.warnings() {
        return Err(Error::format(&path, format!("not written: {warning}")));
    }
    atomic::write(&path, &bytes)?;
    atomic::write(&described, json.as_bytes())?;
    Ok([path, described])
}

fn document(name: &str, head: &Head, about: &About) -> Map<String, Value> {
    let (op, kind) = match head.labelling {
        Labelling::Multi => ("Sigmoid", "multi-label classifier"),
        Labelling::Single => ("Softmax", "multi-class classifier"),
        Labelling::Regression => ("Gemm", "regression"),
    };
    let what = match head.labelling {
        Labelling::Regression => "the quantities, in the units of the data set",
        Labelling::Multi | Labelling::Single => "activations of the classes",
    };
    // The front end and patching of its model.
    let algorithm = match about.frames {
        128 => "TensorflowPredictEffnetDiscogs",
        187 => "TensorflowPredictMusiCNN",
        _ => "",
    };
    // An encoder is named MODEL@OUTPUT if it is not of the embeddings.
    let (model, output) = about.model.split_once('@').unwrap_or((about.model, "embeddings"));
    let metrics: Map<String, Value> =
        about.metrics.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let (dataset, tracks) = about.dataset;
    let document = json!({
        "name": name,
        "type": kind,
        "link": "",
        "version": "1",
        "description": format!("labels of {dataset}, told from {output} of {model}"),
        "author": "",
        "email": "",
        "release_date": "",
        "framework": "onnx",
        "framework_version": "",
        "license": "",
        "classes": about.classes,
        "model_types": ["onnx"],
        "dataset": {"name": dataset, "citation": "", "size": format!("{tracks} tracks"), "metrics": metrics},
        "schema": {
            "inputs": [{"name": INPUT, "type": "float", "shape": ["batch", head.shape.inputs]}],
            "outputs": [{
                "name": OUTPUT, "type": "float", "shape": ["batch", head.shape.classes], "op": op,
                "output_purpose": "predictions", "description": what,
            }],
        },
        "citation": "",
        "inference": {
            "sample_rate": 16_000,
            "algorithm": "TensorflowPredict2D",
            "embedding_model": {"algorithm": algorithm, "model_name": model, "link": "", "output": output},
        },
    });
    let Value::Object(document) = document else { unreachable!("an object is written above") };
    document
}

#[cfg(test)]
mod tests {
    use sleeve::engine::{EngineOptions, Purpose};
    use sleeve::model::Meaning;

    use super::*;

    #[test]
    fn the_library_computes_what_the_numbers_say() {
        let folder = tempfile::tempdir().unwrap();
        for (labelling, hidden) in [
            (Labelling::Multi, 4),
            (Labelling::Single, 4),
            (Labelling::Regression, 4),
            (Labelling::Single, 0),
            (Labelling::Regression, 0),
        ] {
            let shape = Shape { inputs: 5, hidden, classes: 3 };
            let values: Vec<f32> = (0..shape.values()).map(|at| ((at * 7 % 11) as f32 - 5.0) / 4.0).collect();
            let head = Head { shape, labelling, values };
            let classes = ["a", "b", "c"].map(str::to_owned);
            let about = About {
                classes: &classes,
                dataset: ("mine", 9),
                metrics: &[("roc_auc", 0.75)],
                model: "base",
                frames: 128,
            };
            let [path, json] = save(&head, &folder.path().join("head.onnx"), &about).unwrap();
            let model = Model::open(&path).unwrap();
            assert!(model.is_head() && model.warnings().is_empty() && model.classes() == classes);
            assert_eq!(model.output(Purpose::Predictions), Some(0));
            let meaning = match labelling {
                Labelling::Multi => Meaning::Labels,
                Labelling::Single => Meaning::Classes,
                Labelling::Regression => Meaning::Quantities,
            };
            assert_eq!(model.meaning(0), meaning);
            let document: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
            assert_eq!(document["dataset"]["metrics"]["roc_auc"], 0.75);
            let embedding = &document["inference"]["embedding_model"];
            assert_eq!(
                (&embedding["model_name"], &embedding["output"]),
                (&json!("base"), &json!("embeddings"))
            );

            let rows: Vec<f32> = (0..10).map(|at| (at as f32 * 0.7).sin()).collect();
            let mut found = [0.0; 6];
            let engine = model.engine(&EngineOptions::default().threads(1)).unwrap();
            engine.run(&rows, 2, &mut [(0, &mut found)]).unwrap();
            for (row, found) in rows.chunks(5).zip(found.chunks(3)) {
                let expected = plain(&head, row);
                for (found, expected) in found.iter().zip(&expected) {
                    assert!((found - expected).abs() < 1e-5, "{found} {expected}");
                }
            }
        }
    }

    fn plain(head: &Head, row: &[f32]) -> Vec<f32> {
        let layer = |weights: &[f32], biases: &[f32], x: &[f32]| -> Vec<f32> {
            let rows = weights.chunks(x.len()).zip(biases);
            rows.map(|(row, bias)| row.iter().zip(x).map(|(a, b)| a * b).sum::<f32>() + bias).collect()
        };
        let v = &head.values;
        let logits = match head.shape.hidden {
            0 => layer(&v[..15], &v[15..], row),
            _ => {
                let hidden: Vec<f32> = layer(&v[..20], &v[20..24], row).iter().map(|x| x.max(0.0)).collect();
                layer(&v[24..36], &v[36..], &hidden)
            }
        };
        let exponents: Vec<f32> = logits.iter().map(|x| x.exp()).collect();
        match head.labelling {
            Labelling::Multi => exponents.iter().map(|x| x / (1.0 + x)).collect(),
            Labelling::Single => exponents.iter().map(|x| x / exponents.iter().sum::<f32>()).collect(),
            Labelling::Regression => logits,
        }
    }

    #[test]
    fn names_may_hold_dots() {
        for name in ["a/head-1.5", "a/head-1.5.onnx"] {
            assert_eq!(files(Path::new(name)), ["a/head-1.5.onnx", "a/head-1.5.json"].map(PathBuf::from));
        }
    }

    #[test]
    fn a_weight_beyond_half_precision_is_refused() {
        let shape = Shape { inputs: 1, hidden: 1, classes: 1 };
        let head = Head { shape, labelling: Labelling::Multi, values: vec![0.0, 1e6, 0.0, 0.0] };
        assert!(head.onnx("x").unwrap_err().to_string().contains("hidden.bias contains 1000000"));
    }
}

//! Every operator that audio networks use, in every attribute and operator set that occurs in them: onnxruntime's
//! values, or a refusal in words. `tests/peers/operators` writes the graphs and runs them on onnxruntime.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use sleeve::engine::{EngineChoice, EngineOptions};
use sleeve::internal::onnx::{Model as File, run_graph};
use sleeve::model::Model;
use sleeve_tests::{output_of, peer, skip};

/// What is refused: the beginning of the cases' names, and what the reason says. A refusal that is not listed fails,
/// and so does a line that nothing is refused by.
const REFUSED: &[(&str, &str)] = &[
    ("Acosh:", "not have the operators"),
    ("Asinh:", "not have the operators"),
    ("Atanh:", "not have the operators"),
    ("Cosh:", "not have the operators"),
    ("Sinh:", "not have the operators"),
    ("BitShift", "not have the operators"),
    ("Conv: 3-D", "4 dims"),
    ("ConvTranspose: output shape", "output_shape"),
    ("MaxPool: dilated", "dilations"),
    ("AveragePool: dilated", "dilations"),
    ("MaxPool: indices", "indices"),
    ("LpPool", "not have the operators"),
    ("GlobalLpPool", "not have the operators"),
    ("MatMul: integers", "expected tensor"),
    ("BatchNormalization: not spatial", "spatial"),
    ("LayerNormalization: mean and deviation", "unsupported output"),
    ("MeanVarianceNormalization", "not have the operators"),
    ("LRN", "not have the operators"),
    ("RNN:", "not have the operators"),
    ("GRU:", "linear_before_reset=0"),
    ("LSTM: forward lengths", "not the same positive length"),
    ("LSTM: reverse lengths", "not the same positive length"),
    ("LSTM: bidirectional lengths", "not the same positive length"),
    ("LSTM: lengths at run time", "not constant"),
    ("LSTM: other activations", "activations"),
    ("LSTM: clip", "clip"),
    ("LSTM: input_forget", "input_forget"),
    ("LSTM: peepholes", "8 inputs"),
    ("Attention: past", "past keys"),
    ("QLinear", "not have the operators"),
    ("ReduceL2: type", "unsupported input type"),
    ("ReduceMean: type", "unsupported input type"),
    ("ReduceMax: bytes", "unsupported input type"),
    ("Concat: bytes", "unsupported input type"),
    ("SpaceToDepth", "not have the operators"),
    ("NonZero", "not have the operators"),
    ("Compress", "not have the operators"),
    ("Constant: int16", "INT16"),
    ("Constant: uint16", "UINT16"),
    ("Constant: uint32", "UINT32"),
    ("Constant: uint64", "UINT64"),
    ("Resize: nearest", "coordinate_transformation_mode"),
    ("Resize: linear", "coordinate_transformation_mode"),
    ("Resize: cubic", "cubic"),
    ("Resize: opset 10", "opset version 10"),
    ("Resize: axes", "axes"),
    ("Resize: antialias", "antialias"),
    ("Resize: channels", "two resized dimensions"),
    ("Resize: keeps the ratio", "axes"),
    ("HannWindow", "not have the operators"),
    ("HammingWindow", "not have the operators"),
    ("BlackmanWindow", "not have the operators"),
    ("MelWeightMatrix", "not have the operators"),
];

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
    /// What onnxruntime refuses.
    not_run: Vec<String>,
}

/// One graph; ranges are of `cases.bin`.
#[derive(Deserialize)]
struct Case {
    operator: String,
    name: String,
    /// Largest difference, absolute up to 1 and relative beyond. Integers and booleans come as floats and are exact.
    tolerance: f32,
    /// Whether it is a model, whose input is a batch of rows.
    rows: bool,
    model: (usize, usize),
    /// The same graph without the sizes of its input; empty for a model.
    open: (usize, usize),
    shape: Vec<usize>,
    input: (usize, usize),
    outputs: Vec<(usize, usize)>,
}

fn range((start, end): (usize, usize)) -> Range<usize> {
    start..end
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|&word| f32::from_le_bytes(word)).collect()
}

fn equal(found: &[f32], expected: &[f32], tolerance: f32) -> bool {
    let same = |(&found, &expected): (&f32, &f32)| {
        found == expected
            || found.is_nan() && expected.is_nan()
            || (found - expected).abs() <= tolerance * expected.abs().max(1.0)
    };
    found.len() == expected.len() && found.iter().zip(expected).all(same)
}

/// The values of a model's only output for all rows.
fn rows_of(model: &Model, input: &[f32], batch: Option<usize>) -> Result<Vec<f32>, String> {
    let options = EngineOptions::default().engine(EngineChoice::Onnx).threads(1).batch_size(batch);
    let engine = model.engine(&options).map_err(|error| error.to_string())?;
    let rows = input.len() / engine.input().len();
    let mut values = vec![0.0; rows * engine.outputs()[0].dim];
    engine.run(input, rows, &mut [(0, &mut values)]).map_err(|error| error.to_string())?;
    Ok(values)
}

/// The outputs of a case.
fn run(case: &Case, graph: &[u8], input: &[f32]) -> Result<Vec<Vec<f32>>, String> {
    if !case.rows {
        return run_graph(&File::read(graph.to_vec())?, &case.shape, input);
    }
    let model = Model::from_bytes(&case.name, graph, None).map_err(|error| error.to_string())?;
    let values = rows_of(&model, input, None)?;
    // The same bits in batches of another size, and for a row alone.
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
    assert_eq!(bits(&rows_of(&model, input, Some(3))?), bits(&values), "{}", case.name);
    let (row, dim) = (input.len() / case.shape[0], values.len() / case.shape[0]);
    assert_eq!(bits(&rows_of(&model, &input[..row], None)?), bits(&values[..dim]), "{}", case.name);
    Ok(vec![values])
}

#[test]
fn every_operator_gives_onnxruntimes_values_or_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut command) = peer("operators") else { skip!("no peers: run `cargo xtask peers`") };
    output_of(command.arg(folder.path()));
    let bytes = fs::read(folder.path().join("cases.bin")).unwrap();
    let list = fs::read_to_string(folder.path().join("cases.json")).unwrap();
    let Cases { cases, not_run } = serde_json::from_str(&list).unwrap();
    assert!(cases.len() > 1500 && not_run.len() < 20, "{} {not_run:?}", cases.len());
    // For each operator: equal, refused.
    let mut table: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let (mut wrong, mut unlisted) = (Vec::new(), Vec::new());
    let mut unused = REFUSED.to_vec();
    let graphs = cases.iter().flat_map(|case| [(case, case.model), (case, case.open)]);
    for (case, graph) in graphs.filter(|(_, (start, end))| start < end) {
        let counts = table.entry(&case.operator).or_default();
        match run(case, &bytes[range(graph)], &floats(&bytes[range(case.input)])) {
            Ok(outputs) => {
                counts.0 += 1;
                assert_eq!(outputs.len(), case.outputs.len(), "{}", case.name);
                for (found, &expected) in outputs.iter().zip(&case.outputs) {
                    let expected = floats(&bytes[range(expected)]);
                    if !equal(found, &expected, case.tolerance) {
                        wrong.push(format!("{}\n   found {found:?}\nexpected {expected:?}", case.name));
                    }
                }
            }
            Err(reason) => {
                counts.1 += 1;
                let fits =
                    |&(start, why): &(&str, &str)| case.name.starts_with(start) && reason.contains(why);
                if !REFUSED.iter().any(fits) {
                    unlisted.push(format!("{}: {reason}", case.name));
                }
                unused.retain(|line| !fits(line));
            }
        }
    }
    println!("{:26} equal refused", "operator");
    for (operator, (equal, refused)) in &table {
        println!("{operator:26} {equal:5} {refused:7}");
    }
    let (equal, refused) =
        table.values().fold((0, 0), |(equal, refused), counts| (equal + counts.0, refused + counts.1));
    println!("{equal} equal, {refused} refused; onnxruntime itself refuses {} more", not_run.len());
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(unlisted.is_empty(), "{} are refused and not listed:\n{}", unlisted.len(), unlisted.join("\n"));
    assert!(unused.is_empty(), "nothing is refused by {unused:?}");
    external_data(&folder.path().join("external"));
}

/// A model whose weights are in a file beside it. Its identity is that of both files.
fn external_data(folder: &Path) {
    let model = Model::open(folder.join("model.onnx")).unwrap();
    let [input, expected] =
        ["input.f32", "output.f32"].map(|name| floats(&fs::read(folder.join(name)).unwrap()));
    assert!(equal(&rows_of(&model, &input, None).unwrap(), &expected, 1e-5));
    let data = folder.join("model.onnx.data");
    let mut bytes = fs::read(&data).unwrap();
    bytes[0] ^= 1;
    fs::write(&data, bytes).unwrap();
    let other = Model::open(folder.join("model.onnx")).unwrap();
    assert_ne!(model.sha256(), other.sha256());
}

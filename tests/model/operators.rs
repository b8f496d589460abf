//! Every operator that audio networks use, in every attribute and operator set that occurs in them: onnxruntime's
//! values, or a refusal in words. `tests/peers/operators` writes the graphs and runs them on onnxruntime. The fused engine,
//! which passes on most of them, must give the same where it takes one.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use sleeve::engine::effnet::KernelSet;
use sleeve::engine::fused::{FusedEngine, Network};
use sleeve::engine::{Engine, EngineChoice, EngineOptions, InputSpec, OutputSpec, Precision, Purpose};
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
    ("AveragePool: SAME stride 3", "larger than its kernel"),
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

/// Whether values of the fused engine are onnxruntime's: each, or all together, for it adds in another order. It takes
/// denormals for zeros, and values beyond 1e30 are not compared where each value has its own.
fn equal_fused(found: &[f32], expected: &[f32], input: &[f32], tolerance: f32) -> bool {
    if equal(found, expected, tolerance) {
        return true;
    }
    if found.len() != expected.len() {
        return false;
    }
    if input.len() == expected.len() {
        let is_meant = |x: f32| x.is_nan() || !x.is_subnormal() && x.abs() < 1e30;
        let places = (0..input.len()).filter(|&i| is_meant(input[i]));
        if places.clone().all(|i| equal(&found[i..=i], &expected[i..=i], tolerance)) {
            return places.count() >= input.len() / 2;
        }
    }
    let norm =
        |values: &mut dyn Iterator<Item = f32>| values.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    let difference = norm(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    difference <= 5e-6 * norm(&mut expected.iter().copied())
}

/// The outputs of a case on the fused engine, or why it does not take the graph. It has no refusals of its own: what it
/// does not take goes to the ONNX engine.
fn run_fused(case: &Case, graph: &[u8], input: &[f32]) -> Result<Vec<Vec<f32>>, String> {
    let (&rows, row) = case.shape.split_first().ok_or("no rows")?;
    let set = KernelSet::best(Precision::F32).expect("there are always kernels in f32");
    let network = Network::read(graph.to_vec(), row, set)?;
    let outputs: Vec<OutputSpec> =
        network.outputs().iter().map(|(name, dim)| OutputSpec::new(name, Purpose::Other, *dim)).collect();
    let mut values: Vec<Vec<f32>> = outputs.iter().map(|output| vec![0.0; rows * output.dim]).collect();
    let spec = InputSpec::Vector { dim: row.iter().product() };
    let engine = FusedEngine::new(Arc::new(network), spec, outputs, &EngineOptions::default().threads(1));
    let mut wanted: Vec<(usize, &mut [f32])> = values.iter_mut().map(Vec::as_mut_slice).enumerate().collect();
    engine.map_err(|error| error.to_string())?.run(input, rows, &mut wanted).unwrap();
    Ok(values)
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
    // For each operator: equal, refused, and taken by the fused engine.
    let mut table: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    let (mut wrong, mut unlisted) = (Vec::new(), Vec::new());
    let mut unused = REFUSED.to_vec();
    let graphs = cases.iter().flat_map(|case| [(case, case.model), (case, case.open)]);
    for (case, graph) in graphs.filter(|(_, (start, end))| start < end) {
        let counts = table.entry(&case.operator).or_default();
        let (graph, input) = (&bytes[range(graph)], floats(&bytes[range(case.input)]));
        if let Ok(outputs) = run_fused(case, graph, &input) {
            counts.2 += 1;
            for (found, &expected) in outputs.iter().zip(&case.outputs) {
                let expected = floats(&bytes[range(expected)]);
                if !equal_fused(found, &expected, &input, case.tolerance) {
                    wrong.push(format!("{} (fused)\n   found {found:?}\nexpected {expected:?}", case.name));
                }
            }
        }
        match run(case, graph, &input) {
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
    println!("{:26} equal refused fused", "operator");
    for (operator, (equal, refused, fused)) in &table {
        println!("{operator:26} {equal:5} {refused:7} {fused:5}");
    }
    let sum = |count: fn(&(usize, usize, usize)) -> usize| table.values().map(count).sum::<usize>();
    let (equal, refused, fused) = (sum(|counts| counts.0), sum(|counts| counts.1), sum(|counts| counts.2));
    println!(
        "{equal} equal, {refused} refused, {fused} also on the fused engine; onnxruntime itself refuses {} more",
        not_run.len()
    );
    assert!(fused > 200, "the fused engine takes {fused}");
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

/// Why a drawn case may be refused, by operator.
const DRAWN_REFUSED: &[(&str, &str)] = &[
    ("AveragePool", "larger than its kernel"),
    ("AveragePool", "too small for kernel"),
    ("AveragePool", "Output size is <= 0"),
    ("MaxPool", "too small for kernel"),
    ("MaxPool", "Output size is <= 0"),
    ("ConvTranspose", "larger than its kernel"),
    ("ConvTranspose", "Input is too small"),
    ("Pad", "non-constant padding"),
    ("IsInf", "detects nothing"),
];

/// Operators with attributes, sizes and values by chance. `SLEEVE_OPERATORS="SEED COUNT"` draws others, or more.
#[test]
fn drawn_operators_give_onnxruntimes_values_or_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut command) = peer("operators") else { skip!("no peers: run `cargo xtask peers`") };
    let draw = std::env::var("SLEEVE_OPERATORS").unwrap_or_else(|_| "1 2000".into());
    output_of(command.arg(folder.path()).args(draw.split(' ')));
    let bytes = fs::read(folder.path().join("cases.bin")).unwrap();
    let list = fs::read_to_string(folder.path().join("cases.json")).unwrap();
    let Cases { cases, not_run } = serde_json::from_str(&list).unwrap();
    assert!(not_run.len() * 50 < cases.len(), "{} of {}", not_run.len(), cases.len());
    let (mut equal_ones, mut refused, mut fused, mut wrong) = (0, 0, 0, Vec::new());
    for case in &cases {
        for graph in [case.model, case.open] {
            let (graph, input) = (&bytes[range(graph)], floats(&bytes[range(case.input)]));
            let mut compare = |outputs: &[Vec<f32>], is_equal: &dyn Fn(&[f32], &[f32]) -> bool| {
                for (found, &expected) in outputs.iter().zip(&case.outputs) {
                    let expected = floats(&bytes[range(expected)]);
                    if !is_equal(found, &expected) {
                        wrong.push(format!("{}\n   found {found:?}\nexpected {expected:?}", case.name));
                    }
                }
            };
            if let Ok(outputs) = run_fused(case, graph, &input) {
                fused += 1;
                compare(&outputs, &|a, b| equal_fused(a, b, &input, case.tolerance));
            }
            match run(case, graph, &input) {
                Ok(outputs) => {
                    equal_ones += 1;
                    compare(&outputs, &|a, b| equal(a, b, case.tolerance));
                }
                Err(reason) => {
                    refused += 1;
                    let fits =
                        |&(operator, why): &(&str, &str)| case.operator == operator && reason.contains(why);
                    if !DRAWN_REFUSED.iter().any(fits) {
                        wrong.push(format!("{}: {reason}", case.name));
                    }
                }
            }
        }
    }
    println!("{equal_ones} equal, {refused} refused, {fused} also on the fused engine");
    assert!(equal_ones > 20 * refused && fused > 0, "{equal_ones} equal, {refused} refused, {fused} fused");
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}

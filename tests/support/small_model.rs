//! A model small enough to run thousands of times in a test: tanh of a few sums of a patch's mel values.

use rten_onnx::onnx::{
    DataType, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, TypeProtoTensor, ValueInfoProto,
};
use sleeve::model::Model;

/// Frames in a patch.
pub const FRAMES: usize = 9;
/// Sizes of its embeddings and predictions.
pub const DIMS: [usize; 2] = [6, 4];

/// Patches of 9 frames to embeddings and predictions. Each output depends on every value of the patch.
pub fn model() -> Model {
    Model::from_bytes("small", onnx(), None).expect("the graph can be read")
}

/// The file of [`model`].
pub fn onnx() -> Vec<u8> {
    let nodes = vec![
        node("Flatten", &["melspectrogram"], "flat"),
        node("MatMul", &["flat", "w0"], "sums"),
        node("Tanh", &["sums"], "embeddings"),
        node("MatMul", &["embeddings", "w1"], "logits"),
        node("Sigmoid", &["logits"], "predictions"),
    ];
    let weights = vec![weights("w0", FRAMES * 96, DIMS[0], 0.02), weights("w1", DIMS[0], DIMS[1], 1.0)];
    let outputs = [("embeddings", DIMS[0]), ("predictions", DIMS[1])];
    build(nodes, weights, ("melspectrogram", &[FRAMES, 96]), &outputs)
}

/// A network with an operator that is not converted to TorchScript.
pub fn with_sines() -> Model {
    let nodes = vec![
        node("Flatten", &["x"], "flat"),
        node("MatMul", &["flat", "w"], "sums"),
        node("Sin", &["sums"], "y"),
    ];
    let weights = vec![weights("w", FRAMES * 96, 3, 0.02)];
    let file = build(nodes, weights, ("x", &[FRAMES, 96]), &[("y", 3)]);
    Model::from_bytes("sines", file, None).expect("the graph can be read")
}

/// The file of a network that declares more predictions than its weights give.
pub fn with_a_wrong_shape() -> Vec<u8> {
    let nodes = vec![node("Flatten", &["x"], "flat"), node("MatMul", &["flat", "w"], "predictions")];
    build(nodes, vec![weights("w", FRAMES * 96, 3, 0.02)], ("x", &[FRAMES, 96]), &[("predictions", 5)])
}

/// A head for its embeddings, with three predictions.
pub fn head() -> Model {
    let nodes = vec![node("MatMul", &["x", "w"], "logits"), node("Sigmoid", &["logits"], "predictions")];
    let file = build(nodes, vec![weights("w", DIMS[0], 3, 2.0)], ("x", &[DIMS[0]]), &[("predictions", 3)]);
    Model::from_bytes("small-head", file, None).expect("the graph can be read")
}

fn build(
    node: Vec<NodeProto>,
    initializer: Vec<TensorProto>,
    input: (&str, &[usize]),
    outputs: &[(&str, usize)],
) -> Vec<u8> {
    let output = outputs.iter().map(|&(name, dim)| value(name, &[dim])).collect();
    let input = vec![value(input.0, input.1)];
    let graph = GraphProto { node, initializer, input, output, value_info: Vec::new() };
    let model = ModelProto {
        ir_version: Some(8),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(17) }],
        ..Default::default()
    };
    model.write_buf().expect("the graph can be written")
}

fn value(name: &str, dims: &[usize]) -> ValueInfoProto {
    let batch = Dimension { dim_param: Some("n".into()), dim_value: None };
    let rest = dims.iter().map(|&dim| Dimension { dim_value: Some(dim as i64), dim_param: None });
    let shape = TensorShapeProto { dim: std::iter::once(batch).chain(rest).collect() };
    let tensor = TypeProtoTensor { elem_type: Some(DataType::FLOAT), shape: Some(shape) };
    ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto { tensor_type: Some(tensor), sequence: None }),
    }
}

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: Some(op.into()),
        input: inputs.iter().map(|&input| input.into()).collect(),
        output: vec![output.into()],
        ..Default::default()
    }
}

/// A matrix of different numbers, of both signs, at most `scale` in size.
fn weights(name: &str, rows: usize, columns: usize, scale: f32) -> TensorProto {
    let value = |index: usize| scale * (index as f32 * 0.7 + 0.3).sin();
    let raw: Vec<u8> = (0..rows * columns).flat_map(|index| value(index).to_le_bytes()).collect();
    TensorProto {
        name: Some(name.into()),
        dims: vec![rows as i64, columns as i64],
        data_type: Some(DataType::FLOAT),
        raw_data: Some(raw.into()),
        ..Default::default()
    }
}

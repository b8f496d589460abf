//! Constructors for the parts of files that are written.

use prost::bytes::Bytes;

use super::proto::{
    Attribute, Dimension, Graph, Model, Node, OperatorSet, Pair, Shape, Tensor, TensorType, Type, ValueInfo,
    element,
};

/// Operator set 17 is the first with layer norm, and widely supported.
const OPERATOR_SET: i64 = 17;
const FORMAT: i64 = 8;

/// ONNX's numbers for attribute types.
mod kind {
    pub const FLOAT: i64 = 1;
    pub const INT: i64 = 2;
    pub const INTS: i64 = 7;
}

/// A file with one graph.
pub fn file_of(graph: Graph, metadata_props: Vec<Pair>) -> Model {
    let operators = OperatorSet { domain: Some(String::new()), version: Some(OPERATOR_SET) };
    let opset_import = vec![operators];
    Model { ir_version: Some(FORMAT), graph, opset_import, metadata_props, ..Model::default() }
}

/// A key and its value.
pub fn property(key: &str, value: &str) -> Pair {
    Pair { key: Some(key.into()), value: Some(value.into()) }
}

impl Node {
    /// A node with one output. The node has the output's name.
    pub fn new(op: &str, inputs: &[&str], output: &str, attribute: Vec<Attribute>) -> Node {
        Node {
            input: inputs.iter().map(|&input| input.into()).collect(),
            output: vec![output.into()],
            name: Some(format!("{op}_{output}")),
            op_type: Some(op.into()),
            attribute,
            domain: None,
        }
    }
}

impl Attribute {
    /// A number.
    pub fn of_float(name: &str, value: f32) -> Attribute {
        Attribute { name: Some(name.into()), f: Some(value), r#type: Some(kind::FLOAT), ..Default::default() }
    }

    /// A whole number.
    pub fn of_int(name: &str, value: i64) -> Attribute {
        Attribute { name: Some(name.into()), i: Some(value), r#type: Some(kind::INT), ..Default::default() }
    }

    /// A list of whole numbers.
    pub fn of_ints(name: &str, ints: Vec<i64>) -> Attribute {
        Attribute { name: Some(name.into()), ints, r#type: Some(kind::INTS), ..Default::default() }
    }
}

impl Tensor {
    /// A tensor whose values are these bytes.
    pub fn raw(name: &str, dims: &[usize], data_type: i64, bytes: impl Into<Bytes>) -> Tensor {
        Tensor {
            dims: dims.iter().map(|&dim| dim as i64).collect(),
            data_type: Some(data_type),
            name: Some(name.into()),
            raw_data: Some(bytes.into()),
            ..Default::default()
        }
    }
}

impl ValueInfo {
    /// An input or output in f32 whose first dimension, the batch, is free.
    pub fn rows(name: &str, dims: &[usize]) -> ValueInfo {
        let batch = Dimension { dim_value: None, dim_param: Some("batch".into()) };
        let fixed = |&dim: &usize| Dimension { dim_value: Some(dim as i64), dim_param: None };
        let shape = Shape { dim: std::iter::once(batch).chain(dims.iter().map(fixed)).collect() };
        let tensor_type = Some(TensorType { elem_type: Some(element::F32), shape: Some(shape) });
        ValueInfo { name: Some(name.into()), r#type: Some(Type { tensor_type, sequence_type: None }) }
    }

    /// An input or output in f32 whose shape is not stated.
    pub fn of_any_shape(name: &str) -> ValueInfo {
        let tensor_type = Some(TensorType { elem_type: Some(element::F32), shape: None });
        ValueInfo { name: Some(name.into()), r#type: Some(Type { tensor_type, sequence_type: None }) }
    }
}

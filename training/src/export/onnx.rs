//! The exported network as an ONNX file.
//!
//! Weights are initialisers by the names they have in a checkpoint: in half precision, each behind a Cast to f32, or of
//! eight bits behind a DequantizeLinear. Runtimes compute in f32 and do that once, when they load.

use half::f16;

use super::protobuf::Message;
use super::weights::{Half, Weights};
use crate::network::architecture::{BANDS, Block, Convolution, EMBEDDING, Encoder, FRAMES, Gate};
use crate::network::{Head, HeadKind};

/// Operator set 17 is the first with layer norm; every runtime of the last years reads it.
const OPERATOR_SET: i64 = 17;
const FORMAT: i64 = 8;
/// The name of the graph's input.
pub(super) const INPUT: &str = "melspectrogram";
/// The name of the output that every network has.
pub(super) const EMBEDDINGS: &str = "embeddings";
const LAYER_NORM_EPSILON: f32 = 1e-5;

/// ONNX's numbers for types of elements.
pub(crate) mod element {
    pub const F32: i64 = 1;
    pub const I8: i64 = 3;
    pub const I64: i64 = 7;
    pub const F16: i64 = 10;
}

/// ONNX's numbers for types of attributes.
mod attribute {
    pub const FLOAT: i64 = 1;
    pub const INT: i64 = 2;
    pub const INTS: i64 = 7;
}

/// The key of the network's description among the file's properties.
pub(crate) const DESCRIPTION: &str = "sleeve";

/// The file's bytes. The network's description goes with it, so that other formats can be made from the file.
pub fn file(weights: &Weights, name: &str, description: &str) -> Vec<u8> {
    let mut writer = Writer { graph: Message::new(), weights };
    writer.network();
    let mut graph = writer.graph;
    graph.text(2, name);
    for (name, tensor) in &weights.tensors {
        match &tensor.steps {
            None => {
                graph.message(5, &initialiser_of(name, &tensor.dims, &tensor.values));
            }
            Some(steps) => {
                graph.message(5, &eight_bits(name, tensor, steps));
                graph.message(5, &scales(&scale_of(name), steps));
            }
        }
    }
    let mut axes = Message::new();
    axes.ints(1, [1]).int(2, element::I64).text(8, AXES).bytes(9, &1i64.to_le_bytes());
    graph.message(5, &axes);
    graph.message(11, &value(INPUT, &[FRAMES, BANDS]));
    for head in &weights.heads {
        graph.message(12, &value(&head.name, &[head.values]));
    }
    graph.message(12, &value(EMBEDDINGS, &[EMBEDDING]));

    let mut operators = Message::new();
    operators.text(1, "").int(2, OPERATOR_SET);
    let mut model = Message::new();
    model.int(1, FORMAT).text(2, "sleeve-train").text(3, env!("CARGO_PKG_VERSION"));
    model.message(7, &graph).message(8, &operators);
    let mut property = Message::new();
    property.text(1, DESCRIPTION).text(2, description);
    model.message(14, &property);
    model.into_bytes()
}

/// The axis of the one channel. As all names but those of inputs and outputs it has a dot, which no head's has.
const AXES: &str = "features.channel_axis";

/// The name of the steps of a tensor of eight bits.
pub(super) fn scale_of(name: &str) -> String {
    format!("{name}.scale")
}

/// A tensor in whole numbers of steps.
fn eight_bits(name: &str, tensor: &Half, steps: &[f16]) -> Message {
    let rows = tensor.values.chunks(tensor.values.len() / steps.len());
    let counts = rows.zip(steps).flat_map(|(row, step)| {
        row.iter().map(move |value| (value.to_f32() / step.to_f32()).round() as i8 as u8)
    });
    let mut message = Message::new();
    message.ints(1, tensor.dims.iter().map(|&dim| dim as i64));
    message.int(2, element::I8).text(8, name).bytes(9, &counts.collect::<Vec<u8>>());
    message
}

/// Steps in f32, as DequantizeLinear wants them.
fn scales(name: &str, steps: &[f16]) -> Message {
    let bytes: Vec<u8> = steps.iter().flat_map(|step| step.to_f32().to_le_bytes()).collect();
    let mut message = Message::new();
    message.ints(1, [steps.len() as i64]);
    message.int(2, element::F32).text(8, name).bytes(9, &bytes);
    message
}

/// A tensor that is stored in half precision.
pub(crate) fn initialiser_of(name: &str, dims: &[usize], values: &[f16]) -> Message {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut message = Message::new();
    message.ints(1, dims.iter().map(|&dim| dim as i64));
    message.int(2, element::F16).text(8, name).bytes(9, &bytes);
    message
}

/// A node with one output and attributes that are whole numbers.
pub(crate) fn node(op: &str, inputs: &[&str], output: &str, attributes: &[(&str, i64)]) -> Message {
    let mut node = Message::new();
    inputs.iter().for_each(|input| {
        node.text(1, input);
    });
    node.text(2, output).text(3, &format!("{op}_{output}")).text(4, op);
    for (name, value) in attributes {
        let mut message = Message::new();
        message.text(1, name).int(3, *value).int(20, attribute::INT);
        node.message(5, &message);
    }
    node
}

/// An input or output in f32 whose first dimension, the batch, is free.
pub(crate) fn value(name: &str, dims: &[usize]) -> Message {
    let mut shape = Message::new();
    let mut batch = Message::new();
    batch.text(2, "batch");
    shape.message(1, &batch);
    for &dim in dims {
        let mut message = Message::new();
        message.int(1, dim as i64);
        shape.message(1, &message);
    }
    let mut tensor = Message::new();
    tensor.int(1, element::F32).message(2, &shape);
    let mut kind = Message::new();
    kind.message(1, &tensor);
    let mut message = Message::new();
    message.text(1, name).message(2, &kind);
    message
}

enum Attribute {
    Float(f32),
    Int(i64),
    Ints(Vec<i64>),
}

struct Writer<'a> {
    graph: Message,
    weights: &'a Weights,
}

impl Writer<'_> {
    fn network(&mut self) {
        let encoder = Encoder::b0();
        let mut x = self.node("Unsqueeze", "features.patches", &[INPUT, AXES], &[]);
        x = self.convolution(&encoder.stem, &x);
        for block in &encoder.blocks {
            x = self.block(block, &x);
        }
        x = self.convolution(&encoder.head, &x);
        x = self.node("GlobalAveragePool", "features.mean", &[&x], &[]);
        self.node("Flatten", EMBEDDINGS, &[&x], &[("axis", Attribute::Int(1))]);
        for head in &self.weights.heads {
            self.head(head);
        }
    }

    /// Adds a node with one output, which is returned.
    fn node(&mut self, op: &str, output: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        let mut node = Message::new();
        inputs.iter().for_each(|input| {
            node.text(1, input);
        });
        node.text(2, output).text(3, &format!("{op}_{output}")).text(4, op);
        for (name, value) in attributes {
            let mut message = Message::new();
            message.text(1, name);
            match value {
                Attribute::Float(value) => message.float(2, *value).int(20, attribute::FLOAT),
                Attribute::Int(value) => message.int(3, *value).int(20, attribute::INT),
                Attribute::Ints(values) => message.ints(8, values.iter().copied()).int(20, attribute::INTS),
            };
            node.message(5, &message);
        }
        self.graph.message(1, &node);
        output.to_owned()
    }

    /// A stored tensor in f32.
    fn weight(&mut self, name: &str) -> String {
        if self.weights.tensors[name].steps.is_some() {
            let scale = scale_of(name);
            let output = format!("{name}.f32");
            return self.node("DequantizeLinear", &output, &[name, &scale], &[("axis", Attribute::Int(0))]);
        }
        self.node("Cast", &format!("{name}.f32"), &[name], &[("to", Attribute::Int(element::F32))])
    }

    fn conv(&mut self, path: &str, x: &str, kernel: usize, stride: usize, groups: usize) -> String {
        let weight = self.weight(&format!("{path}.weight"));
        let bias = self.weight(&format!("{path}.bias"));
        let padding = (kernel - 1) / 2;
        let pair = |value: usize| Attribute::Ints(vec![value as i64; 2]);
        let attributes = [
            ("dilations", pair(1)),
            ("group", Attribute::Int(groups as i64)),
            ("kernel_shape", pair(kernel)),
            ("pads", Attribute::Ints(vec![padding as i64; 4])),
            ("strides", pair(stride)),
        ];
        self.node("Conv", &format!("{path}.out"), &[x, &weight, &bias], &attributes)
    }

    fn silu(&mut self, x: &str) -> String {
        let sigmoid = self.node("Sigmoid", &format!("{x}.sigmoid"), &[x], &[]);
        self.node("Mul", &format!("{x}.silu"), &[x, &sigmoid], &[])
    }

    fn convolution(&mut self, layer: &Convolution, x: &str) -> String {
        let x = self.conv(&layer.conv(), x, layer.kernel, layer.stride, layer.groups);
        if layer.activated { self.silu(&x) } else { x }
    }

    fn block(&mut self, block: &Block, input: &str) -> String {
        let mut x = input.to_owned();
        if let Some(expand) = &block.expand {
            x = self.convolution(expand, &x);
        }
        x = self.convolution(&block.depthwise, &x);
        x = self.gate(&block.gate, &x);
        x = self.convolution(&block.project, &x);
        if block.residual {
            x = self.node("Add", &format!("{x}.sum"), &[&x, input], &[]);
        }
        x
    }

    fn gate(&mut self, gate: &Gate, x: &str) -> String {
        let path = &gate.path;
        let mean = self.node("GlobalAveragePool", &format!("{path}.mean"), &[x], &[]);
        let y = self.conv(&format!("{path}.fc1"), &mean, 1, 1, 1);
        let y = self.silu(&y);
        let y = self.conv(&format!("{path}.fc2"), &y, 1, 1, 1);
        let y = self.node("Sigmoid", &format!("{path}.gate"), &[&y], &[]);
        self.node("Mul", &format!("{path}.out"), &[x, &y], &[])
    }

    fn head(&mut self, head: &Head) {
        let path = head.path();
        let weight = self.weight(&format!("{path}.dense.weight"));
        let bias = self.weight(&format!("{path}.dense.bias"));
        let transposed = [("transB", Attribute::Int(1))];
        let inputs = [EMBEDDINGS, &weight, &bias];
        let x = self.node("Gemm", &format!("{path}.dense.out"), &inputs, &transposed);
        match head.kind {
            HeadKind::Classes => self.node("Sigmoid", &head.name, &[&x], &[]),
            HeadKind::Projection => {
                let weight = self.weight(&format!("{path}.norm.weight"));
                let bias = self.weight(&format!("{path}.norm.bias"));
                let attributes =
                    [("axis", Attribute::Int(-1)), ("epsilon", Attribute::Float(LAYER_NORM_EPSILON))];
                let output = format!("{path}.norm.out");
                let x = self.node("LayerNormalization", &output, &[&x, &weight, &bias], &attributes);
                self.node("Tanh", &head.name, &[&x], &[])
            }
        };
    }
}

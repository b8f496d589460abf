//! Writes the exported network as an ONNX file.
//!
//! Weights are initialisers with their names in a checkpoint: in half precision with a Cast to f32, or in eight bits
//! with a DequantizeLinear. Runtimes compute in f32 and convert the weights once, when they load the file.

use half::f16;
use sleeve::internal::onnx::{Attribute, Graph, Model, Node, Tensor, ValueInfo, element, file_of, property};

use super::weights::{Half, Weights};
use crate::network::architecture::{BANDS, Block, Convolution, EMBEDDING, Encoder, FRAMES, Gate};
use crate::network::{Head, HeadKind};

/// The name of the graph's input.
pub(super) const INPUT: &str = "melspectrogram";
/// The name of the output that every network has.
pub(super) const EMBEDDINGS: &str = "embeddings";
const LAYER_NORM_EPSILON: f32 = 1e-5;

/// The key of the network's description among the file's properties.
pub(crate) const DESCRIPTION: &str = "sleeve";

/// The bytes of the file. It contains the network's description, so that other formats can be made from the file.
pub fn file(weights: &Weights, name: &str, description: &str) -> Vec<u8> {
    let mut writer = Writer { nodes: Vec::new(), weights };
    writer.network();
    let mut initializer = Vec::new();
    for (name, tensor) in &weights.tensors {
        match &tensor.steps {
            None => initializer.push(half(name, &tensor.dims, &tensor.values)),
            Some(steps) => {
                initializer.extend([eight_bits(name, tensor, steps), scales(&scale_of(name), steps)])
            }
        }
    }
    initializer.push(Tensor::raw(AXES, &[1], element::I64, 1i64.to_le_bytes().to_vec()));
    let heads = weights.heads.iter().map(|head| ValueInfo::rows(&head.name, &[head.values]));
    let graph = Graph {
        name: Some(name.to_owned()),
        node: writer.nodes,
        initializer,
        input: vec![ValueInfo::rows(INPUT, &[FRAMES, BANDS])],
        output: heads.chain([ValueInfo::rows(EMBEDDINGS, &[EMBEDDING])]).collect(),
        ..Graph::default()
    };
    written(graph, &[(DESCRIPTION, description)])
}

/// A file that names this program as its producer.
pub(crate) fn written(graph: Graph, properties: &[(&str, &str)]) -> Vec<u8> {
    let properties = properties.iter().map(|(key, value)| property(key, value)).collect();
    let producer_name = Some("sleeve-train".to_owned());
    let producer_version = Some(env!("CARGO_PKG_VERSION").to_owned());
    Model { producer_name, producer_version, ..file_of(graph, properties) }.to_bytes()
}

/// The axis of the channel. Like all names except those of inputs and outputs it has a dot, which no head's name has.
const AXES: &str = "features.channel_axis";

/// The name of the scales of an eight-bit tensor.
pub(super) fn scale_of(name: &str) -> String {
    format!("{name}.scale")
}

/// A tensor in whole multiples of its scales.
fn eight_bits(name: &str, tensor: &Half, steps: &[f16]) -> Tensor {
    let rows = tensor.values.chunks(tensor.values.len() / steps.len());
    let counts = rows.zip(steps).flat_map(|(row, step)| {
        row.iter().map(move |value| (value.to_f32() / step.to_f32()).round() as i8 as u8)
    });
    Tensor::raw(name, &tensor.dims, element::I8, counts.collect::<Vec<u8>>())
}

/// Scales in f32, as DequantizeLinear needs them.
fn scales(name: &str, steps: &[f16]) -> Tensor {
    let bytes: Vec<u8> = steps.iter().flat_map(|step| step.to_f32().to_le_bytes()).collect();
    Tensor::raw(name, &[steps.len()], element::F32, bytes)
}

/// A tensor that is stored in half precision.
pub(crate) fn half(name: &str, dims: &[usize], values: &[f16]) -> Tensor {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Tensor::raw(name, dims, element::F16, bytes)
}

/// A node that casts a stored tensor to f32.
pub(crate) fn cast(stored: &str, output: &str) -> Node {
    Node::new("Cast", &[stored], output, vec![Attribute::of_int("to", element::F32)])
}

/// A dense layer whose weights are `[outputs, inputs]`.
pub(crate) fn dense(inputs: &[&str; 3], output: &str) -> Node {
    Node::new("Gemm", inputs, output, vec![Attribute::of_int("transB", 1)])
}

struct Writer<'a> {
    nodes: Vec<Node>,
    weights: &'a Weights,
}

impl Writer<'_> {
    fn network(&mut self) {
        let encoder = Encoder::b0();
        let mut x = self.node("Unsqueeze", "features.patches", &[INPUT, AXES], Vec::new());
        x = self.convolution(&encoder.stem, &x);
        for block in &encoder.blocks {
            x = self.block(block, &x);
        }
        x = self.convolution(&encoder.head, &x);
        x = self.node("GlobalAveragePool", "features.mean", &[&x], Vec::new());
        self.node("Flatten", EMBEDDINGS, &[&x], vec![Attribute::of_int("axis", 1)]);
        for head in &self.weights.heads {
            self.head(head);
        }
    }

    /// Adds a node with one output and returns the output's name.
    fn node(&mut self, op: &str, output: &str, inputs: &[&str], attributes: Vec<Attribute>) -> String {
        self.push(Node::new(op, inputs, output, attributes))
    }

    fn push(&mut self, node: Node) -> String {
        let output = node.output[0].clone();
        self.nodes.push(node);
        output
    }

    /// A stored tensor in f32.
    fn weight(&mut self, name: &str) -> String {
        let output = format!("{name}.f32");
        if self.weights.tensors[name].steps.is_some() {
            let (scale, axis) = (scale_of(name), Attribute::of_int("axis", 0));
            return self.node("DequantizeLinear", &output, &[name, &scale], vec![axis]);
        }
        self.push(cast(name, &output))
    }

    fn conv(&mut self, path: &str, x: &str, kernel: usize, stride: usize, groups: usize) -> String {
        let weight = self.weight(&format!("{path}.weight"));
        let bias = self.weight(&format!("{path}.bias"));
        let padding = (kernel - 1) / 2;
        let pair = |name: &str, value: usize| Attribute::of_ints(name, vec![value as i64; 2]);
        let attributes = vec![
            pair("dilations", 1),
            Attribute::of_int("group", groups as i64),
            pair("kernel_shape", kernel),
            Attribute::of_ints("pads", vec![padding as i64; 4]),
            pair("strides", stride),
        ];
        self.node("Conv", &format!("{path}.out"), &[x, &weight, &bias], attributes)
    }

    fn silu(&mut self, x: &str) -> String {
        let sigmoid = self.node("Sigmoid", &format!("{x}.sigmoid"), &[x], Vec::new());
        self.node("Mul", &format!("{x}.silu"), &[x, &sigmoid], Vec::new())
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
            x = self.node("Add", &format!("{x}.sum"), &[&x, input], Vec::new());
        }
        x
    }

    fn gate(&mut self, gate: &Gate, x: &str) -> String {
        let path = &gate.path;
        let mean = self.node("GlobalAveragePool", &format!("{path}.mean"), &[x], Vec::new());
        let y = self.conv(&format!("{path}.fc1"), &mean, 1, 1, 1);
        let y = self.silu(&y);
        let y = self.conv(&format!("{path}.fc2"), &y, 1, 1, 1);
        let y = self.node("Sigmoid", &format!("{path}.gate"), &[&y], Vec::new());
        self.node("Mul", &format!("{path}.out"), &[x, &y], Vec::new())
    }

    fn head(&mut self, head: &Head) {
        let path = head.path();
        let weight = self.weight(&format!("{path}.dense.weight"));
        let bias = self.weight(&format!("{path}.dense.bias"));
        if head.kind == HeadKind::Dense {
            self.push(dense(&[EMBEDDINGS, &weight, &bias], &head.name));
            return;
        }
        let x = self.push(dense(&[EMBEDDINGS, &weight, &bias], &format!("{path}.dense.out")));
        match head.kind {
            HeadKind::Dense => unreachable!("returned above"),
            HeadKind::Classes => self.node("Sigmoid", &head.name, &[&x], Vec::new()),
            HeadKind::Projection => {
                let weight = self.weight(&format!("{path}.norm.weight"));
                let bias = self.weight(&format!("{path}.norm.bias"));
                let attributes =
                    vec![Attribute::of_int("axis", -1), Attribute::of_float("epsilon", LAYER_NORM_EPSILON)];
                let output = format!("{path}.norm.out");
                let x = self.node("LayerNormalization", &output, &[&x, &weight, &bias], attributes);
                self.node("Tanh", &head.name, &[&x], Vec::new())
            }
        };
    }
}

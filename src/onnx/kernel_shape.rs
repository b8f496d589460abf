//! States what exporters may leave out: the kernel's shape.

use std::collections::HashMap;

use super::proto::{Attribute, Graph, Node};

impl Node {
    /// Whether it is a convolution without `kernel_shape`.
    pub fn lacks_kernel_shape(&self) -> bool {
        matches!(self.op_type(), "Conv" | "ConvInteger" | "ConvTranspose")
            && self.attribute("kernel_shape").is_none()
    }
}

/// Convolutions may omit `kernel_shape`, because it is the shape of the weights, but rten needs it for the number of
/// dimensions. So it is added if the weights are constant.
pub fn say_kernel_shapes(graph: &mut Graph) {
    if !graph.node.iter().any(Node::lacks_kernel_shape) {
        return;
    }
    let shapes = constant_shapes(graph);
    for node in graph.node.iter_mut().filter(|node| node.lacks_kernel_shape()) {
        let weights = node.input_at(1).unwrap_or_default();
        // [filters, channels, kernel...]
        if let Some([_, _, kernel @ ..]) = shapes.get(weights).map(Vec::as_slice) {
            node.attribute.push(Attribute::of_ints("kernel_shape", kernel.to_vec()));
        }
    }
}

/// The shapes of the constants of a graph, including converted ones.
fn constant_shapes(graph: &Graph) -> HashMap<String, Vec<i64>> {
    let initialisers = graph.initializer.iter();
    let mut shapes: HashMap<String, Vec<i64>> =
        initialisers.filter_map(|tensor| Some((tensor.name.clone()?, tensor.dims.clone()))).collect();
    for node in &graph.node {
        let shape = match node.op_type() {
            "Constant" => node.attribute.iter().find_map(|value| Some(value.t.as_ref()?.dims.clone())),
            "Cast" | "DequantizeLinear" | "Identity" => {
                node.input.first().and_then(|input| shapes.get(input).cloned())
            }
            _ => None,
        };
        if let (Some(shape), Some(output)) = (shape, node.output.first()) {
            shapes.insert(output.clone(), shape);
        }
    }
    shapes
}

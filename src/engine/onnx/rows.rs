//! Whether the rows of a batch have to do with each other in a graph.
//!
//! Some networks compute something over the whole batch: `DynamicQuantizeLinear` takes its range from all values, so a
//! row's outputs depend on its neighbours. They are run one row at a time. A graph is taken for one of them if, on a way
//! from its input, there is a `DynamicQuantizeLinear`, or a reduction, a sum or a softmax over the first axis or over all
//! axes. That the batch may have become another axis by then is not followed, so some graphs run one row at a time
//! without need; and what mixes rows by products (`x` times its own transpose) is not found.

use std::collections::HashSet;

use crate::onnx::{Graph, Model, Node};

/// Whether a row's outputs may depend on the other rows of its batch.
pub(super) fn mix(file: &Model) -> bool {
    let graph = &file.graph;
    let inputs = file.signature().inputs;
    // Values that depend on those of the input; a shape does not.
    let mut data: HashSet<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
    for node in &graph.node {
        if node.op_type() == "Shape" || !node.input.iter().any(|name| data.contains(name.as_str())) {
            continue;
        }
        if mixes(node, graph) {
            return true;
        }
        data.extend(node.output.iter().map(String::as_str));
    }
    false
}

fn mixes(node: &Node, graph: &Graph) -> bool {
    let integers = |index: usize| constant(graph, node.input_at(index)?);
    let is_first = |axis: i64, default: i64| node.int("axis").unwrap_or(axis) == default;
    match node.op_type() {
        "DynamicQuantizeLinear" => true,
        "ArgMax" | "ArgMin" => is_first(0, 0),
        "Hardmax" | "LogSoftmax" | "Softmax" | "LayerNormalization" | "LpNormalization" | "TopK" => {
            is_first(-1, 0)
        }
        "CumSum" => integers(1).is_none_or(|axes| axes.contains(&0)),
        "MeanVarianceNormalization" => node.ints("axes").is_none_or(|axes| axes.contains(&0)),
        name if name.starts_with("Reduce") => {
            let stated = node.ints("axes").map(<[i64]>::to_vec).or_else(|| integers(1));
            match stated {
                Some(axes) => axes.is_empty() || axes.contains(&0),
                None => true,
            }
        }
        _ => false,
    }
}

/// The values of a constant of integers.
fn constant(graph: &Graph, name: &str) -> Option<Vec<i64>> {
    if let Some(tensor) = graph.initializer.iter().find(|tensor| tensor.name() == name) {
        return tensor.integers().ok();
    }
    let node = graph.node.iter().find(|node| node.output.first().is_some_and(|output| output == name))?;
    match (node.op_type(), node.attribute("value")) {
        ("Constant", Some(value)) => value.t.as_ref()?.integers().ok(),
        ("Constant", None) => node.ints("value_ints").map(<[i64]>::to_vec),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{Attribute, Tensor, ValueInfo, element, file_of};

    /// Whether a graph of these nodes from `x` to `y` mixes rows.
    fn mixed(node: Vec<Node>) -> bool {
        let axes = Tensor::raw("first", &[1], element::I64, 0i64.to_le_bytes().to_vec());
        let last = Tensor::raw("last", &[1], element::I64, (-1i64).to_le_bytes().to_vec());
        let (input, output) = (vec![ValueInfo::rows("x", &[4])], vec![ValueInfo::rows("y", &[4])]);
        let graph = Graph { node, initializer: vec![axes, last], input, output, ..Graph::default() };
        mix(&file_of(graph, Vec::new()))
    }

    #[test]
    fn what_is_computed_over_the_batch_is_found() {
        let node = |op: &str, inputs: &[&str]| Node::new(op, inputs, "y", Vec::new());
        let along = |op: &str, axis: i64| Node::new(op, &["x"], "y", vec![Attribute::of_int("axis", axis)]);
        for mixing in [
            node("DynamicQuantizeLinear", &["x"]),
            node("ReduceMax", &["x"]),
            node("ReduceMean", &["x", "first"]),
            along("Softmax", 0),
            along("ArgMax", 0),
        ] {
            assert!(mixed(vec![mixing.clone()]), "{mixing:?}");
            let before = Node::new("Neg", &["x"], "t", Vec::new());
            let input = mixing.input.iter().map(|name| if name == "x" { "t".into() } else { name.clone() });
            let behind = Node { input: input.collect(), ..mixing };
            assert!(mixed(vec![before, behind]));
        }
        for alone in [
            node("ReduceMean", &["x", "last"]),
            node("Softmax", &["x"]),
            along("ArgMax", 1),
            node("ReduceMax", &["first"]),
        ] {
            assert!(!mixed(vec![alone.clone()]), "{alone:?}");
        }
        // A shape is not data.
        let shape = Node::new("Shape", &["x"], "t", Vec::new());
        assert!(!mixed(vec![shape, node("ReduceProd", &["t"])]));
    }
}

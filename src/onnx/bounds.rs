//! Checks of a graph before it is loaded: sizes and depth.

use std::collections::HashMap;

use super::proto::{Attribute, Graph, Node, Tensor, element};

/// Maximum number of nodes. The largest audio networks have about 2,000.
pub(super) const MAX_NODES: usize = 8192;

/// Maximum number of nodes on a path through a graph. Execution is planned by recursion, one level per node: the stack
/// of the engine's threads is enough for twice as many.
const MAX_DEPTH: usize = 2048;

/// Maximum kernel, stride, dilation or padding. Larger ones would need too much memory and time.
const MAX_ATTRIBUTE: i64 = 1024;

/// Maximum number of values in a constant tensor.
const MAX_ELEMENTS: u64 = 1 << 29;

/// Maximum number of values in a tensor whose size a constant sets.
const MAX_MADE: u64 = 1 << 24;

/// Operators with a constant for the size of their output; for `Pad`, it is what is added.
const SHAPE_TAKERS: [&str; 8] =
    ["ConstantOfShape", "DFT", "Expand", "OneHot", "Pad", "Range", "Resize", "Tile"];

/// Attributes that set a size.
const SIZES: [&str; 5] = ["dilations", "kernel_shape", "output_padding", "pads", "strides"];

/// Checks a graph.
///
/// # Errors
/// Why it cannot be used.
pub fn check(graph: &Graph) -> Result<(), String> {
    if graph.node.is_empty() || graph.output.is_empty() {
        return Err("the graph computes nothing: it has no nodes or no outputs".into());
    }
    if graph.node.len() > MAX_NODES {
        return Err(format!("the graph has {} nodes; at most {MAX_NODES} are supported", graph.node.len()));
    }
    check_depth(&graph.node)?;
    // The constants that set the size of a tensor, and whether they are a padding.
    let mut shapes = HashMap::new();
    for node in &graph.node {
        let name = node.op_type();
        if SHAPE_TAKERS.contains(&name) {
            shapes.extend(node.input.iter().map(|input| (input.as_str(), name == "Pad")));
        }
        for attribute in &node.attribute {
            check_attribute(attribute).map_err(|reason| format!("operator {name}: {reason}"))?;
        }
    }
    for tensor in &graph.initializer {
        check_tensor(tensor)?;
        if let Some(&is_padding) = shapes.get(tensor.name()) {
            check_shape(tensor.name(), &integers(tensor), is_padding)?;
        }
    }
    for node in graph.node.iter().filter(|node| node.op_type() == "Constant") {
        let name = node.output.first().map(String::as_str).unwrap_or_default();
        let Some(&is_padding) = shapes.get(name) else { continue };
        for attribute in &node.attribute {
            check_shape(name, &attribute.ints, is_padding)?;
            let tensor = attribute.t.as_ref();
            tensor.map_or(Ok(()), |tensor| check_shape(name, &integers(tensor), is_padding))?;
        }
    }
    Ok(())
}

/// Checks that every node comes after those that compute its inputs, and that no path is too long.
fn check_depth(nodes: &[Node]) -> Result<(), String> {
    // For each node's value, its depth in nodes once the node has been visited; 0 before.
    let made = nodes.iter().flat_map(|node| &node.output).filter(|name| !name.is_empty());
    let mut depths: HashMap<&str, usize> = HashMap::new();
    for name in made {
        if depths.insert(name, 0).is_some() {
            return Err(format!("{name} is computed twice"));
        }
    }
    for node in nodes {
        let mut depth = 0;
        for input in &node.input {
            match depths.get(input.as_str()) {
                Some(0) => {
                    return Err(format!("the nodes are not in order: {input} is used before it is computed"));
                }
                Some(&made) => depth = depth.max(made),
                None => {}
            }
        }
        if depth == MAX_DEPTH {
            return Err(format!("the graph is more than {MAX_DEPTH} nodes deep"));
        }
        depths.extend(
            node.output.iter().filter(|name| !name.is_empty()).map(|name| (name.as_str(), depth + 1)),
        );
    }
    Ok(())
}

fn check_attribute(attribute: &Attribute) -> Result<(), String> {
    let name = attribute.name();
    if attribute.g.is_some() || !attribute.graphs.is_empty() {
        return Err("it contains another graph (control flow), which no engine supports".into());
    }
    if let Some(tensor) = &attribute.t {
        check_tensor(tensor)?;
    }
    let too_large = |value: &&i64| SIZES.contains(&name) && value.unsigned_abs() > MAX_ATTRIBUTE as u64;
    match attribute.ints.iter().chain(&attribute.i).find(too_large) {
        Some(value) => Err(format!("attribute {name} is {value}, beyond {MAX_ATTRIBUTE}")),
        None => Ok(()),
    }
}

fn check_tensor(tensor: &Tensor) -> Result<(), String> {
    let name = tensor.name.as_deref().unwrap_or("without a name");
    let elements = tensor.dims.iter().try_fold(1u64, |product, &dim| {
        product.checked_mul(u64::try_from(dim).ok()?).filter(|&product| product <= MAX_ELEMENTS)
    });
    if elements.is_none() {
        return Err(format!("tensor {name} has an impossible shape {:?}", tensor.dims));
    }
    Ok(())
}

/// The values of an integer tensor, which may be a shape; empty for others.
fn integers(tensor: &Tensor) -> Vec<i64> {
    match (&tensor.raw_data, tensor.data_type()) {
        // Any list that a runtime may read.
        (None, _) => {
            tensor.int64_data.iter().copied().chain(tensor.int32_data.iter().map(|&v| v.into())).collect()
        }
        (Some(raw), element::I64) => {
            raw.as_chunks::<8>().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect()
        }
        (Some(raw), element::I32) => {
            raw.as_chunks::<4>().0.iter().map(|&bytes| i32::from_le_bytes(bytes).into()).collect()
        }
        _ => Vec::new(),
    }
}

fn check_shape(name: &str, values: &[i64], is_padding: bool) -> Result<(), String> {
    let possible = if is_padding {
        values.iter().all(|value| value.unsigned_abs() <= MAX_ATTRIBUTE as u64)
    } else {
        let mut sizes = values.iter().filter(|&&value| value > 0).map(|value| value.unsigned_abs());
        let product = sizes.try_fold(1u64, |product, size| product.checked_mul(size));
        product.is_some_and(|product| product <= MAX_MADE)
    };
    if possible { Ok(()) } else { Err(format!("constant {name} asks for a tensor of shape {values:?}")) }
}

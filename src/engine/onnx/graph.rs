//! What an ONNX file declares: its inputs, its outputs, its operators; and the checks that come before
//! anything of it is loaded.

use std::collections::{BTreeSet, HashMap};

use rten_onnx::onnx::{AttributeProto, DataLocation, ModelProto, NodeProto, TensorProto, ValueInfoProto};

use super::protobuf;

/// The largest file that is read. The largest embedding networks in use have about 90 million weights.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// Nodes in a graph. The largest audio networks have about 2,000.
const MAX_NODES: usize = 8192;

/// Nodes on the longest way through a graph. Execution is planned by recursion, one level a node: twice this
/// many fit the stack of the engine's threads.
const MAX_DEPTH: usize = 2048;

/// No kernel, stride, dilation or padding is larger; what is larger asks for memory and time that nobody has.
const MAX_ATTRIBUTE: i64 = 1024;

/// Values in one constant tensor.
const MAX_ELEMENTS: u64 = 1 << 29;

/// Values in a tensor that is made as large as a constant says.
const MAX_MADE: u64 = 1 << 24;

/// Operators that make a tensor as large as a constant says; to `Pad`, it says what is added.
const SHAPE_TAKERS: [&str; 5] = ["ConstantOfShape", "Expand", "Pad", "Range", "Tile"];

/// Attributes that say how large something is.
const SIZES: [&str; 5] = ["dilations", "kernel_shape", "output_padding", "pads", "strides"];

/// A graph's declared tensor: an input or an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Its dimensions, `None` for those that are dynamic; `None` where the file declares no shape.
    pub dims: Option<Vec<Option<usize>>>,
}

/// What an ONNX file declares.
#[derive(Clone, Debug)]
pub struct Graph {
    /// The graph's inputs, without the initialisers that old files list among them.
    pub inputs: Vec<Tensor>,
    /// The graph's outputs.
    pub outputs: Vec<Tensor>,
    /// The operators it uses, each once; those outside the default domain as `domain::name`.
    pub operators: BTreeSet<String>,
}

impl Graph {
    /// Reads and checks a serialised ONNX model.
    ///
    /// # Errors
    /// Why the bytes cannot be used: no ONNX file, weights in another file, a size that cannot be meant.
    pub fn read(bytes: &[u8]) -> Result<Graph, String> {
        protobuf::walk(bytes)?;
        let model = ModelProto::parse_buf(bytes).map_err(|error| format!("no ONNX file: {error}"))?;
        let graph = model.graph.ok_or("no ONNX file: it holds no graph")?;
        if graph.node.is_empty() || graph.output.is_empty() {
            return Err("the graph computes nothing: it has no nodes or no outputs".into());
        }
        if graph.node.len() > MAX_NODES {
            return Err(format!("the graph has {} nodes; at most {MAX_NODES} are run", graph.node.len()));
        }
        check_depth(&graph.node)?;
        let mut operators = BTreeSet::new();
        // The constants that say how large a tensor is, and whether it is a padding that they say.
        let mut shapes = HashMap::new();
        for node in &graph.node {
            let name = node.op_type.as_deref().unwrap_or_default();
            operators.insert(match node.domain.as_deref() {
                None | Some("" | "ai.onnx") => name.to_owned(),
                Some(domain) => format!("{domain}::{name}"),
            });
            if SHAPE_TAKERS.contains(&name) {
                shapes.extend(node.input.iter().map(|input| (input.as_str(), name == "Pad")));
            }
            for attribute in &node.attribute {
                check_attribute(attribute).map_err(|reason| format!("operator {name}: {reason}"))?;
            }
        }
        for tensor in &graph.initializer {
            check_tensor(tensor)?;
            let name = tensor.name.as_deref().unwrap_or_default();
            if let Some(&is_padding) = shapes.get(name) {
                check_shape(name, &integers(tensor), is_padding)?;
            }
        }
        for node in graph.node.iter().filter(|node| node.op_type.as_deref() == Some("Constant")) {
            let name = node.output.first().map(String::as_str).unwrap_or_default();
            let Some(&is_padding) = shapes.get(name) else { continue };
            for attribute in &node.attribute {
                check_shape(name, &attribute.ints, is_padding)?;
                let tensor = attribute.t.as_ref();
                tensor.map_or(Ok(()), |tensor| check_shape(name, &integers(tensor), is_padding))?;
            }
        }
        let initialised: BTreeSet<&str> =
            graph.initializer.iter().filter_map(|tensor| tensor.name.as_deref()).collect();
        let declared = |values: &[ValueInfoProto]| -> Vec<Tensor> { values.iter().map(declared).collect() };
        let mut inputs = declared(&graph.input);
        inputs.retain(|input| !initialised.contains(input.name.as_str()));
        Ok(Graph { inputs, outputs: declared(&graph.output), operators })
    }
}

/// The name and shape of an input or output.
fn declared(value: &ValueInfoProto) -> Tensor {
    let shape = value.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref()?.shape.as_ref());
    let dims = shape.map(|shape| {
        // Exporters write 0 or -1 for "any" where they should write nothing.
        let fixed = |value: i64| usize::try_from(value).ok().filter(|&value| value > 0);
        shape.dim.iter().map(|dim| dim.dim_value.and_then(fixed)).collect()
    });
    Tensor { name: value.name.clone().unwrap_or_default(), dims }
}

/// Whether every node comes after those it takes its inputs from, none too deep.
fn check_depth(nodes: &[NodeProto]) -> Result<(), String> {
    // For each value that a node makes, how many nodes deep it is once its node has been seen; 0 before.
    let made = nodes.iter().flat_map(|node| &node.output).filter(|name| !name.is_empty());
    let mut depths: HashMap<&str, usize> = made.map(|name| (name.as_str(), 0)).collect();
    for node in nodes {
        let mut depth = 0;
        for input in &node.input {
            match depths.get(input.as_str()) {
                Some(0) => {
                    return Err(format!("the nodes are not in order: {input} is used before it is made"));
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

fn check_attribute(attribute: &AttributeProto) -> Result<(), String> {
    let name = attribute.name.as_deref().unwrap_or_default();
    if attribute.g.is_some() {
        return Err("it holds a graph of its own (control flow), which no engine here runs".into());
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

fn check_tensor(tensor: &TensorProto) -> Result<(), String> {
    let name = tensor.name.as_deref().unwrap_or("without a name");
    if tensor.data_location.is_some_and(|location| location != DataLocation::DEFAULT)
        || !tensor.external_data.is_empty()
    {
        let file = tensor.external_data.iter().find(|pair| pair.key.as_deref() == Some("location"));
        let file = file.and_then(|pair| pair.value.as_deref()).unwrap_or("another file");
        return Err(format!(
            "the weights of tensor {name} are kept in {file:?}; a model must be one file, whose hash says \
             which weights it has: save it without external data"
        ));
    }
    let elements = tensor.dims.iter().try_fold(1u64, |product, &dim| {
        product.checked_mul(u64::try_from(dim).ok()?).filter(|&product| product <= MAX_ELEMENTS)
    });
    if elements.is_none() {
        return Err(format!("tensor {name} has an impossible shape {:?}", tensor.dims));
    }
    Ok(())
}

/// The values of an integer tensor that may be a shape; empty for anything else.
fn integers(tensor: &TensorProto) -> Vec<i64> {
    use rten_onnx::onnx::DataType;
    let Some(raw) = &tensor.raw_data else {
        return tensor
            .int64_data
            .iter()
            .copied()
            .chain(tensor.int32_data.iter().map(|&v| v.into()))
            .collect();
    };
    let raw = raw.borrow();
    match tensor.data_type {
        Some(DataType::INT64) => {
            raw.as_chunks::<8>().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect()
        }
        Some(DataType::INT32) => {
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

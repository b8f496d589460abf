//! What is valid ONNX and the runtime does not understand, said in another way.

use std::borrow::Cow;
use std::collections::HashMap;

use rten_onnx::onnx::{AttributeProto, AttributeType, GraphProto, ModelProto, NodeProto};

/// The bytes of a model that rten reads as ONNX means it: convolutions may leave out `kernel_shape`, which
/// their weights say as well, but rten takes it for the number of dimensions.
pub fn repair(bytes: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    let mut model = ModelProto::parse_buf(bytes).map_err(|error| error.to_string())?;
    let Some(graph) = &mut model.graph else { return Ok(Cow::Borrowed(bytes)) };
    let lacking = |node: &NodeProto| {
        matches!(node.op_type.as_deref(), Some("Conv" | "ConvTranspose"))
            && !node.attribute.iter().any(|attribute| attribute.name.as_deref() == Some("kernel_shape"))
    };
    if !graph.node.iter().any(lacking) {
        return Ok(Cow::Borrowed(bytes));
    }
    let shapes = constant_shapes(graph);
    for node in graph.node.iter_mut().filter(|node| lacking(node)) {
        let weights = node.input.get(1).map(String::as_str).unwrap_or_default();
        // [filters, channels, kernel...]
        let Some([_, _, kernel @ ..]) = shapes.get(weights).map(Vec::as_slice) else {
            return Err(format!("a convolution has neither a kernel_shape nor constant weights ({weights})"));
        };
        node.attribute.push(AttributeProto {
            name: Some("kernel_shape".into()),
            ints: kernel.to_vec(),
            r#type: Some(AttributeType::INTS),
            ..Default::default()
        });
    }
    Ok(Cow::Owned(model.write_buf().map_err(|error| error.to_string())?))
}

/// The shapes of the constants of a graph, those behind a conversion included.
fn constant_shapes(graph: &GraphProto) -> HashMap<String, Vec<i64>> {
    let initialisers = graph.initializer.iter();
    let mut shapes: HashMap<String, Vec<i64>> =
        initialisers.filter_map(|tensor| Some((tensor.name.clone()?, tensor.dims.clone()))).collect();
    for node in &graph.node {
        let shape = match node.op_type.as_deref() {
            Some("Constant") => node.attribute.iter().find_map(|value| Some(value.t.as_ref()?.dims.clone())),
            Some("Cast" | "DequantizeLinear" | "Identity") => {
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

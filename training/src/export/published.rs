//! An exported ONNX file, read back: the other formats can be made from it where there is no checkpoint.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use half::f16;
use rten_onnx::onnx::{DataLocation, DataType, ModelProto, TensorProto};

use super::onnx::DESCRIPTION;
use super::weights::{Half, Weights, layout};
use crate::error::{Error, Result};
use crate::network::Description;

/// The description and the weights of a file that [`super::export`] wrote.
///
/// # Errors
/// `Format`: no ONNX file, or one that was written by something else.
pub fn read(path: &Path) -> Result<(Description, Weights)> {
    // The library looks a file over before anything is built from it: sizes, nesting, counts.
    let model = sleeve::model::Model::open(path).map_err(|error| Error::format(path, reason(&error)))?;
    drop(model);
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    weights_of(&bytes).map_err(|reason| Error::format(path, reason))
}

/// The library's reason without the file's name, which is said once already.
fn reason(error: &sleeve::Error) -> String {
    match error {
        sleeve::Error::Model { reason, .. } => reason.clone(),
        sleeve::Error::Io { reason, .. } => reason.to_string(),
        other => other.to_string(),
    }
}

fn weights_of(bytes: &[u8]) -> Result<(Description, Weights), String> {
    let model = ModelProto::parse_buf(bytes).map_err(|error| format!("not an ONNX file: {error}"))?;
    let properties = &model.metadata_props;
    let description = properties.iter().find(|property| property.key.as_deref() == Some(DESCRIPTION));
    let description = description
        .and_then(|property| property.value.as_deref())
        .ok_or("it was not written by `sleeve-train export`; only its own files say which weight is which")?;
    let description: Description = serde_json::from_str(description)
        .map_err(|error| format!("the description among its properties cannot be read: {error}"))?;
    description.check()?;
    let graph = model.graph.ok_or("it holds no graph")?;
    let mut stored: HashMap<&str, &TensorProto> =
        graph.initializer.iter().filter_map(|tensor| Some((tensor.name.as_deref()?, tensor))).collect();
    let mut tensors = BTreeMap::new();
    for (name, dims) in layout(&description.heads) {
        let tensor = stored.remove(name.as_str()).ok_or_else(|| format!("it has no tensor `{name}`"))?;
        let half = half(tensor, &dims).map_err(|reason| format!("tensor `{name}` {reason}"))?;
        tensors.insert(name, half);
    }
    let heads = description.heads.clone();
    Ok((description, Weights { heads, tensors, rounding: 0.0 }))
}

fn half(tensor: &TensorProto, dims: &[usize]) -> Result<Half, String> {
    if !tensor.dims.iter().copied().eq(dims.iter().map(|&dim| dim as i64)) {
        return Err(format!("has the shape {:?}, not {dims:?}", tensor.dims));
    }
    if tensor.data_type != Some(DataType::FLOAT16) {
        return Err("is not in half precision".into());
    }
    if tensor.data_location == Some(DataLocation::EXTERNAL) {
        return Err("lies in another file".into());
    }
    let raw = tensor.raw_data.as_ref().ok_or("holds nothing")?.borrow();
    let (words, rest) = raw.as_chunks();
    if words.len() != dims.iter().product::<usize>() || !rest.is_empty() {
        return Err(format!("holds {} bytes, not those of {dims:?}", raw.len()));
    }
    let values: Vec<f16> = words.iter().map(|&word| f16::from_le_bytes(word)).collect();
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        return Err(format!("holds {value}"));
    }
    Ok(Half { dims: dims.to_vec(), values })
}

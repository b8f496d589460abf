//! Reads an exported ONNX file, so that other formats can be made without the checkpoint.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use half::f16;
use sleeve::internal::onnx::{self, element};
use sleeve::internal::read_capped;
use sleeve::model::Model;

use super::onnx::{DESCRIPTION, scale_of};
use super::weights::{Half, Weights, layout};
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::network::architecture::{Encoder, NORM_EPSILON};
use crate::network::parameters::parameters;
use crate::network::{Description, HeadKind, Tensor, Tensors};

/// The description and the weights of a file that [`super::export`] wrote.
///
/// # Errors
/// `Format` if it is not an ONNX file, or was written by another program.
pub fn read(path: &Path) -> Result<(Description, Weights)> {
    let bytes =
        read_capped(path, onnx::MAX_FILE_BYTES).map_err(|error| Error::format(path, reason(&error)))?;
    let model = onnx::Model::read(bytes).and_then(|model| weights_of(&model));
    model.map_err(|reason| Error::format(path, reason))
}

/// The network of a file that [`super::export`] wrote, to be trained further: each batch norm, which was folded into its
/// convolution, is one without effect but for its bias. Projection heads are left out, because a file lacks the
/// similarity that they were learnt with.
///
/// # Errors
/// As [`read`].
pub fn unfolded(path: &Path) -> Result<Checkpoint> {
    let (mut description, weights) = read(path)?;
    description.heads.retain(|head| head.kind != HeadKind::Projection);
    let mut stored: BTreeMap<String, Tensor> = weights
        .tensors
        .into_iter()
        .map(|(name, half)| {
            let values = half.values.iter().map(|value| value.to_f32()).collect();
            (name, Tensor { dims: half.dims, values })
        })
        .collect();
    let mut tensors = Tensors::new();
    for layer in Encoder::b0().convolutions() {
        let bias = stored.remove(&format!("{}.bias", layer.conv())).expect("it was read");
        let norm = layer.norm();
        let all = |value: f32| Tensor { dims: vec![layer.outputs], values: vec![value; layer.outputs] };
        let scale = (1.0 + NORM_EPSILON).sqrt() as f32;
        for (name, tensor) in
            [("weight", all(scale)), ("bias", bias), ("running_mean", all(0.0)), ("running_var", all(1.0))]
        {
            tensors.insert(format!("{norm}.{name}"), tensor);
        }
    }
    let parameters = parameters(&description.heads).into_iter();
    for name in parameters
        .map(|parameter| parameter.name)
        .filter(|name| !tensors.contains_key(name))
        .collect::<Vec<_>>()
    {
        let tensor = stored.remove(&name).expect("it was read");
        tensors.insert(name, tensor);
    }
    Ok(Checkpoint { description, tensors })
}

/// Opens the file with the library.
///
/// # Errors
/// `Format` if it cannot be opened.
pub fn open(path: &Path) -> Result<Model> {
    Model::open(path).map_err(|error| Error::format(path, reason(&error)))
}

/// The library's reason without the file's name, which the error has already.
fn reason(error: &sleeve::Error) -> String {
    match error {
        sleeve::Error::Model { reason, .. } => reason.clone(),
        sleeve::Error::Io { reason, .. } => reason.to_string(),
        other => other.to_string(),
    }
}

fn weights_of(model: &onnx::Model) -> Result<(Description, Weights), String> {
    let description = model.metadata_props.iter().find(|property| property.key() == DESCRIPTION);
    let description = description.and_then(|property| property.value.as_deref()).ok_or(
        "it was not written by `sleeve-train export`, so its weights are not known; `--formats pt` may work",
    )?;
    let description: Description = serde_json::from_str(description)
        .map_err(|error| format!("the description among its properties cannot be read: {error}"))?;
    description.check()?;
    let mut stored: HashMap<&str, &onnx::Tensor> =
        model.graph.initializer.iter().map(|tensor| (tensor.name(), tensor)).collect();
    let mut tensors = BTreeMap::new();
    let mut tensor = |name: &str| stored.remove(name).ok_or_else(|| format!("it has no tensor `{name}`"));
    for (name, dims) in layout(&description.heads) {
        let main = tensor(&name)?;
        let read = match main.data_type() {
            element::I8 => {
                let scale = scale_of(&name);
                let steps =
                    steps(tensor(&scale)?, dims[0]).map_err(|reason| format!("tensor `{scale}` {reason}"))?;
                eight_bits(main, &dims, steps)
            }
            _ => half(main, &dims),
        };
        tensors.insert(name.clone(), read.map_err(|reason| format!("tensor `{name}` {reason}"))?);
    }
    let heads = description.heads.clone();
    Ok((description, Weights { heads, tensors, rounding: 0.0 }))
}

fn half(tensor: &onnx::Tensor, dims: &[usize]) -> Result<Half, String> {
    let values = words(tensor, dims, element::F16, "half precision", f16::from_le_bytes)?;
    Ok(Half { dims: dims.to_vec(), values: finite(values)?, steps: None })
}

/// The scales of an eight-bit tensor, one per output.
fn steps(tensor: &onnx::Tensor, outputs: usize) -> Result<Vec<f16>, String> {
    let exact = words(tensor, &[outputs], element::F32, "f32", f32::from_le_bytes)?;
    let steps: Vec<f16> = exact.iter().map(|&step| f16::from_f32(step)).collect();
    match exact.iter().zip(&steps).find(|&(&exact, step)| exact <= 0.0 || step.to_f32() != exact) {
        Some((exact, _)) => Err(format!("contains the scale {exact}, which is not in half precision")),
        None => Ok(steps),
    }
}

fn eight_bits(tensor: &onnx::Tensor, dims: &[usize], steps: Vec<f16>) -> Result<Half, String> {
    let counts = words(tensor, dims, element::I8, "eight bits", i8::from_le_bytes)?;
    let per_output = counts.len() / dims[0];
    let rows = counts.chunks(per_output).zip(&steps);
    let values =
        rows.flat_map(|(row, step)| row.iter().map(|&count| f16::from_f32(f32::from(count) * step.to_f32())));
    Ok(Half { dims: dims.to_vec(), values: finite(values.collect())?, steps: Some(steps) })
}

fn finite(values: Vec<f16>) -> Result<Vec<f16>, String> {
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(format!("contains {value}")),
        None => Ok(values),
    }
}

/// The values of a tensor that must have this shape and type.
fn words<const N: usize, T>(
    tensor: &onnx::Tensor,
    dims: &[usize],
    data_type: i64,
    spelt: &str,
    read: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, String> {
    if !tensor.dims.iter().copied().eq(dims.iter().map(|&dim| dim as i64)) {
        return Err(format!("has the shape {:?}, not {dims:?}", tensor.dims));
    }
    if tensor.data_type() != data_type {
        return Err(format!("is not in {spelt}"));
    }
    let raw = tensor.raw_data.as_ref().ok_or("is empty")?;
    let (words, rest) = raw.as_chunks();
    if words.len() != dims.iter().product::<usize>() || !rest.is_empty() {
        return Err(format!("has {} bytes, which do not fit {dims:?}", raw.len()));
    }
    Ok(words.iter().map(|&word| read(word)).collect())
}

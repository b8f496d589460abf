//! External data: weights that a file keeps in others beside it.

use std::collections::HashMap;

use prost::bytes::Bytes;

use super::proto::{Model, Tensor};
use super::{MAX_FILE_BYTES, element};

/// Reads a file by the location that a tensor gives. The caller says which locations are allowed.
pub type Read<'a> = dyn FnMut(&str) -> Result<Bytes, String> + 'a;

/// Puts external data into the tensors. Each file is read once, in the order in which tensors name them; the values are
/// slices of it.
///
/// # Errors
/// Which tensor, and why it does not get its data: the file, or an offset and a length that do not fit.
pub fn resolve(model: &mut Model, read: &mut Read<'_>) -> Result<(), String> {
    let graph = &mut model.graph;
    let attributes = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
    let inside = attributes.filter_map(|attribute| attribute.t.as_deref_mut());
    let mut files = HashMap::new();
    let mut total = 0;
    for tensor in graph.initializer.iter_mut().chain(inside).filter(|tensor| tensor.is_external()) {
        fill(tensor, &mut files, &mut total, read)
            .map_err(|reason| format!("the weights of tensor {}: {reason}", tensor.name()))?;
    }
    Ok(())
}

fn fill(
    tensor: &mut Tensor,
    files: &mut HashMap<String, Bytes>,
    total: &mut u64,
    read: &mut Read<'_>,
) -> Result<(), String> {
    let entry = |key: &str| {
        let pair = tensor.external_data.iter().find(|pair| pair.key() == key);
        pair.and_then(|pair| pair.value.as_deref())
    };
    let location = entry("location").ok_or("they are in another file, which is not named")?;
    let number = |key: &str| {
        let invalid = |value| format!("{key} {value:?} of {location} is not a number");
        entry(key).map(|value| value.parse::<u64>().map_err(|_| invalid(value))).transpose()
    };
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    let wanted = bytes_of(tensor)?;
    if length.is_some_and(|length| length != wanted) {
        return Err(format!("its shape needs {wanted} bytes of {location}, and its length is another"));
    }
    // Many tensors may share bytes, and each is written for the engine.
    *total += wanted;
    if *total > MAX_FILE_BYTES {
        return Err(format!("with it, external data is larger than {} MiB", MAX_FILE_BYTES >> 20));
    }
    if !files.contains_key(location) {
        files.insert(location.to_owned(), read(location)?);
    }
    let file = &files[location];
    let end = offset.checked_add(wanted).filter(|&end| end <= file.len() as u64);
    let end = end.ok_or_else(|| {
        format!("{wanted} bytes from {offset} on are beyond the end of {location} ({} bytes)", file.len())
    })?;
    // Both are within the file's length.
    let data = file.slice(offset as usize..end as usize);
    tensor.raw_data = Some(data);
    tensor.external_data.clear();
    tensor.data_location = None;
    Ok(())
}

/// The size of a tensor's values.
fn bytes_of(tensor: &Tensor) -> Result<u64, String> {
    let size = match tensor.data_type() {
        element::U8 | element::I8 | element::BOOL => 1,
        element::F16 => 2,
        element::F32 | element::I32 => 4,
        element::F64 | element::I64 => 8,
        other => return Err(format!("elements of ONNX type {other} are not supported")),
    };
    let bytes =
        tensor.dims.iter().try_fold(size, |product: u64, &dim| product.checked_mul(u64::try_from(dim).ok()?));
    bytes
        .filter(|&bytes| bytes <= MAX_FILE_BYTES)
        .ok_or_else(|| format!("an impossible shape {:?}", tensor.dims))
}

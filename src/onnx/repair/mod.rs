//! Rewrites what rten 0.27 computes differently from onnxruntime, or refuses it.
//!
//! Every node is looked at once, in order; one file a kind. What rten does, and what becomes of it:
//!
//! | what | rten | here |
//! |---|---|---|
//! | `Relu`, `Clip` | NaN becomes a bound | [`activations`]: `Max` and `Min`, which keep it |
//! | `Sign` of 0 | 1 | 0 |
//! | `Softplus` beyond 88 | infinite | the value itself |
//! | `IsInf` of one sign | refused | a comparison |
//! | `Celu`, `Mish`, `Selu`, `Shrink`, `ThresholdedRelu`, `GroupNormalization` | unknown | other operators |
//! | `Attention`, `GlobalMaxPool`, `ReduceL1`, `RMSNormalization`, `Swish` | only with all operators | other operators |
//! | `Cast` to booleans | any integer | [`casts`]: 0 or 1 |
//! | `Cast` to bytes, int32 and half precision, beyond their range | saturates | wraps; the least integer; infinite |
//! | `Div` by one value | multiplies by its inverse | [`arithmetic`]: divides, where a step follows or the inverse overflows |
//! | what adds 0 or multiplies by 1, of more dimensions | left out, with its dimensions | `Expand` |
//! | a list of one value added to a product | refused | the value |
//! | `Pow` of floats to integers | refused | floats |
//! | softmaxes before operator set 13 | as since | [`softmax`]: over all axes from `axis` on |
//! | `Hardmax` | unknown | other operators |
//! | `SAME_LOWER` | as `SAME_UPPER` | [`windows`]: explicit padding |
//! | padding of `ConvInteger` | 0 | the zero point |
//! | `ConvInteger` with signed weights, or a zero point of theirs | wrong numbers | [`integers`]: taken apart |
//! | `MatMulInteger` with zero points for columns | takes wrong ones | taken apart; for rows refused |
//! | pools without strides | refused | strides of 1 |
//! | `sequence_lens` | ignored | [`recurrent`]: cut and padded if all rows have one length; refused otherwise |
//! | `ArgMax`, `ArgMin` of equal values | the last | [`reductions`]: the first, or as `select_last_index` says |
//! | `ReduceMean` over no axes (`noop_with_empty_axes`) | over all | over none |
//! | `ReduceL2` over no axes | the value | its size |
//! | `QuantizeLinear` | multiplies by the scale's inverse | [`quantised`]: divides |
//! | `QuantizeLinear` without zero point | refused | `uint8` from 0 |
//! | `DynamicQuantizeLinear` of zeros | scale 0 | scale 1 |
//! | `Slice` without axes, `Pad` with axes | refused | [`moves`]: all are stated |
//! | `Slice` backwards from before the first value, or to the largest number | panics; nothing | the first value; to the first |
//! | `AveragePool` with `SAME` and strides beyond the kernel by 2 and more | no padding | refused: onnxruntime shifts its windows |
//! | `Dropout` | random | nothing, as in inference; refused in training |
//! | cubic `Resize` | linear | refused |
//! | a batch of size 0, which is any | refused when it runs | any |
//!
//! What stays: integers of 64 bits are computed in 32 and saturate; half and double precision are computed in single.
//! The maximum of values of which some are NaN (`MaxPool`, `ReduceMax`, `ArgMax` and their minima) depends on the order of
//! evaluation in onnxruntime, and recurrent layers there turn NaN into numbers: rten's reductions give NaN, its pools
//! ignore it, its recurrent layers keep it.

mod activations;
mod arithmetic;
mod attention;
mod casts;
mod draft;
mod facts;
mod integers;
mod moves;
mod normalisations;
mod quantised;
mod recurrent;
mod reductions;
mod softmax;
mod windows;

use draft::Draft;

use super::functions::default_version;
use super::proto::{Model, Node, ValueInfo};

/// The same network in a form that rten computes as onnxruntime does.
///
/// # Errors
/// The operator that has no such form, and why.
pub fn for_rten(file: &Model) -> Result<Model, String> {
    let mut model = file.clone();
    let mut draft = Draft::new(file, default_version(&file.opset_import));
    for node in std::mem::take(&mut model.graph.node) {
        let name = node.op_type().to_owned();
        rewrite(node, &mut draft).map_err(|reason| format!("operator {name}: {reason}"))?;
    }
    model.graph.node = draft.nodes;
    model.graph.initializer.append(&mut draft.initializers);
    let graph = &mut model.graph;
    for value in graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info) {
        free_batch(value);
    }
    Ok(model)
}

fn rewrite(node: Node, draft: &mut Draft) -> Result<(), String> {
    if !matches!(node.domain(), "" | "ai.onnx") {
        draft.keep(node);
        return Ok(());
    }
    match node.op_type() {
        "Relu" => activations::relu(node, draft),
        "Clip" => activations::clip(node, draft),
        "Swish" => activations::swish(node, draft),
        "Attention" => attention::attention(node, draft),
        "Sign" => activations::sign(node, draft),
        "Softplus" => activations::softplus(node, draft),
        "IsInf" => activations::is_inf(node, draft),
        "Celu" => activations::celu(node, draft),
        "Mish" => activations::mish(node, draft),
        "Selu" => activations::selu(node, draft),
        "Shrink" => activations::shrink(node, draft),
        "ThresholdedRelu" => activations::thresholded_relu(node, draft),
        "Cast" => casts::cast(node, draft),
        "CastLike" => casts::cast_like(node, draft),
        "Add" | "Div" | "Mul" | "Sub" => arithmetic::binary(node, draft),
        "Pow" => arithmetic::pow(node, draft),
        "Softmax" | "LogSoftmax" => softmax::softmax(node, draft),
        "Hardmax" => softmax::hardmax(node, draft),
        "Conv" | "ConvInteger" => windows::conv(node, draft),
        "ConvTranspose" => windows::conv_transpose(node, draft),
        "AveragePool" | "MaxPool" => windows::pool(node, draft),
        "GRU" | "LSTM" => recurrent::recurrent(node, draft),
        "ArgMax" | "ArgMin" => reductions::arg(node, draft),
        "ReduceMean" => reductions::over_none(node, "Identity", draft),
        "ReduceL2" => reductions::over_none(node, "Abs", draft),
        "MatMulInteger" => integers::mat_mul_integer(node, draft),
        "ReduceL1" => reductions::l1(node, draft),
        "GlobalMaxPool" => windows::global_max(node, draft),
        "RMSNormalization" => normalisations::root_mean_square(node, draft),
        "QuantizeLinear" => quantised::quantize(node, draft),
        "DynamicQuantizeLinear" => quantised::dynamic(node, draft),
        "Slice" => moves::slice(node, draft),
        "Pad" => moves::pad(node, draft),
        "Dropout" => moves::dropout(node, draft),
        "Resize" => moves::resize(node, draft),
        "Upsample" => moves::upsample(node, draft),
        "GroupNormalization" => normalisations::group(node, draft),
        _ => {
            draft.keep(node);
            Ok(())
        }
    }
}

/// Exporters write a size of 0 for "any".
fn free_batch(value: &mut ValueInfo) {
    let shape = value.r#type.as_mut().and_then(|kind| kind.tensor_type.as_mut()?.shape.as_mut());
    for dim in shape.into_iter().flat_map(|shape| &mut shape.dim) {
        dim.dim_value = dim.dim_value.filter(|&value| value > 0);
    }
}

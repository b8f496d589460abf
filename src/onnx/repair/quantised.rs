//! Quantisation to bytes. onnxruntime divides by the scale and rounds to even; rten multiplies by the inverse, which at
//! ties gives the next step. So the operators are written out.

use super::draft::{Draft, input, int, output};
use crate::onnx::{Node, element};

pub(super) fn quantize(node: Node, draft: &mut Draft) -> Result<(), String> {
    if node.int("block_size").unwrap_or(0) != 0 || node.int("precision").unwrap_or(0) != 0 {
        return Err("block_size and precision are not supported".into());
    }
    let (x, scale) = (input(&node, 0)?.to_owned(), input(&node, 1)?.to_owned());
    let zero = node.input_at(2).map(str::to_owned);
    let to = match (&zero, node.int("output_dtype").unwrap_or(0)) {
        (Some(zero), _) => draft.element(zero),
        (None, 0) => element::U8,
        (None, stated) => stated,
    };
    if !matches!(to, element::U8 | element::I8) {
        return Err(format!("elements of ONNX type {to} are not supported"));
    }
    let mut along = [Some(scale), zero];
    let constant =
        along[0].as_ref().and_then(|scale| Some(draft.constant(scale)?.dims.iter().product::<i64>()));
    let rank_of_scale = along[0].as_ref().and_then(|scale| draft.rank(scale));
    let is_one = constant == Some(1) || rank_of_scale == Some(0);
    if !is_one {
        // One scale for each place on an axis: the axes behind it are added.
        if rank_of_scale != Some(1) {
            return Err("the number of its scales is not known".into());
        }
        let rank = draft.rank(&x).ok_or("the number of dimensions is not known")?;
        let axis = draft.axis(&x, node.int("axis").unwrap_or(1))?;
        let behind: Vec<i64> = (1..(rank - axis) as i64).collect();
        if !behind.is_empty() {
            for value in along.iter_mut().flatten() {
                let behind = draft.i64s(&behind);
                *value = draft.op("Unsqueeze", &[value, &behind], Vec::new());
            }
        }
    }
    let [scale, zero] = along;
    written_out(&x, &scale.expect("it is an input"), zero.as_deref(), to, output(&node)?, draft);
    Ok(())
}

/// `clip(round(x / scale) + zero)`.
fn written_out(x: &str, scale: &str, zero: Option<&str>, to: i64, output: &str, draft: &mut Draft) {
    // A divisor of the input's shape is not one value, by whose inverse rten would multiply; with one axis more, not
    // even if the input is one value.
    let shape = draft.op("Shape", &[x], Vec::new());
    let two = draft.i64s(&[2]);
    let shape = draft.op("Concat", &[&two, &shape], int("axis", 0));
    let divisors = draft.op("Expand", &[scale, &shape], Vec::new());
    let quotients = draft.op("Div", &[x, &divisors], Vec::new());
    let first = draft.i64(0);
    let quotient = draft.op("Gather", &[&quotients, &first], int("axis", 0));
    let mut steps = draft.op("Round", &[&quotient], Vec::new());
    if let Some(zero) = zero {
        let zero = draft.op("Cast", &[zero], int("to", element::F32));
        steps = draft.op("Add", &[&steps, &zero], Vec::new());
    }
    let (low, high) = if to == element::U8 { (0.0, 255.0) } else { (-128.0, 127.0) };
    let [low, high] = [low, high].map(|bound| draft.f32(bound));
    let steps = draft.op("Clip", &[&steps, &low, &high], Vec::new());
    draft.finish("Cast", &[&steps], output, int("to", to));
}

/// Bytes over the range of all values, 0 included. The range of zeros alone has scale 1.
pub(super) fn dynamic(node: Node, draft: &mut Draft) -> Result<(), String> {
    let x = input(&node, 0)?.to_owned();
    let [scale_name, zero_name] =
        [1, 2].map(|index| node.output.get(index).filter(|name| !name.is_empty()).cloned());
    // Two of each value, so that divisions are divisions.
    let nothing = draft.f32s(&[0.0, 0.0]);
    let bytes = draft.f32s(&[255.0, 255.0]);
    let ones = draft.f32s(&[1.0, 1.0]);
    let least = draft.op("ReduceMin", &[&x], int("keepdims", 0));
    let largest = draft.op("ReduceMax", &[&x], int("keepdims", 0));
    let least = draft.op("Min", &[&nothing, &least], Vec::new());
    let largest = draft.op("Max", &[&nothing, &largest], Vec::new());
    let range = draft.op("Sub", &[&largest, &least], Vec::new());
    let is_nothing = draft.op("Equal", &[&range, &nothing], Vec::new());
    let scale = draft.op("Div", &[&range, &bytes], Vec::new());
    let scale = draft.op("Where", &[&is_nothing, &ones, &scale], Vec::new());
    let below = draft.op("Div", &[&least, &scale], Vec::new());
    let zero = draft.op("Sub", &[&nothing, &below], Vec::new());
    let zero = draft.op("Max", &[&zero, &nothing], Vec::new());
    let zero = draft.op("Min", &[&zero, &bytes], Vec::new());
    let zero = draft.op("Round", &[&zero], Vec::new());
    let first = draft.i64(0);
    let scale = draft.op("Gather", &[&scale, &first], int("axis", 0));
    let zero = draft.op("Gather", &[&zero, &first], int("axis", 0));
    let byte = draft.op("Cast", &[&zero], int("to", element::U8));
    if let Some(name) = scale_name {
        draft.finish("Identity", &[&scale], &name, Vec::new());
    }
    if let Some(name) = zero_name {
        draft.finish("Identity", &[&byte], &name, Vec::new());
    }
    if draft.is_used(&node, 0) {
        written_out(&x, &scale, Some(&byte), element::U8, output(&node)?, draft);
    }
    Ok(())
}

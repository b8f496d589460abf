//! Normalisations that rten does not have.

use super::draft::{Draft, input, int, output};
use crate::onnx::{Attribute, Node};

/// `x / sqrt(mean(x^2) + epsilon)` over the axes from `axis` on, times a scale.
pub(super) fn root_mean_square(node: Node, draft: &mut Draft) -> Result<(), String> {
    let x = input(&node, 0)?;
    let rank = draft.rank(x).ok_or("the number of dimensions is not known")?;
    let axis = draft.axis(x, node.int("axis").unwrap_or(-1))?;
    let axes = draft.i64s(&(axis as i64..rank as i64).collect::<Vec<i64>>());
    let epsilon = draft.f32(node.float("epsilon").unwrap_or(1e-5));
    let squares = draft.op("Mul", &[x, x], Vec::new());
    let mean = draft.op("ReduceMean", &[&squares, &axes], int("keepdims", 1));
    let mean = draft.op("Add", &[&mean, &epsilon], Vec::new());
    let root = draft.op("Sqrt", &[&mean], Vec::new());
    let values = draft.op("Div", &[x, &root], Vec::new());
    draft.finish("Mul", &[&values, input(&node, 1)?], output(&node)?, Vec::new());
    Ok(())
}

/// Groups of channels are normalised as the channels of an instance normalisation. Before operator set 21, scale and
/// bias are of groups, since then of channels.
pub(super) fn group(node: Node, draft: &mut Draft) -> Result<(), String> {
    let groups = node.int("num_groups").filter(|groups| (1..=4096).contains(groups));
    let groups = groups.ok_or("num_groups is not stated, or out of range")?;
    let x = input(&node, 0)?.to_owned();
    let rank = draft.rank(&x).filter(|&rank| rank >= 2).ok_or("the number of dimensions is not known")?;
    let shape = draft.op("Shape", &[&x], Vec::new());
    let grouped = draft.i64s(&[0, groups, -1]);
    let values = draft.op("Reshape", &[&x, &grouped], Vec::new());
    let [ones, zeros] = [1.0, 0.0].map(|value| draft.f32s(&vec![value; groups as usize]));
    let epsilon = vec![Attribute::of_float("epsilon", node.float("epsilon").unwrap_or(1e-5))];
    let mut values = draft.op("InstanceNormalization", &[&values, &ones, &zeros], epsilon);
    let is_of_channels = draft.opset >= 21;
    if is_of_channels {
        values = draft.op("Reshape", &[&values, &shape], Vec::new());
    }
    // Behind the axis that scale and bias are along.
    let behind: Vec<i64> = if is_of_channels { (1..rank as i64 - 1).collect() } else { vec![1] };
    for (index, op) in [(1, "Mul"), (2, "Add")] {
        let mut factor = input(&node, index)?.to_owned();
        if !behind.is_empty() {
            let behind = draft.i64s(&behind);
            factor = draft.op("Unsqueeze", &[&factor, &behind], Vec::new());
        }
        values = draft.op(op, &[&values, &factor], Vec::new());
    }
    draft.finish("Reshape", &[&values, &shape], output(&node)?, Vec::new());
    Ok(())
}

//! Softmaxes. Before operator set 13 they ran over all axes from `axis` on, which is 1 if it is not stated.

use super::draft::{Draft, input, int, output};
use crate::onnx::{Attribute, Node, element};

/// Whether a node is of the old kind, its axis, and whether that is the last.
fn kind(node: &Node, x: &str, draft: &Draft) -> (bool, i64, bool) {
    let is_old = draft.opset < 13;
    let axis = node.int("axis").unwrap_or(if is_old { 1 } else { -1 });
    let is_last = axis == -1 || draft.rank(x).is_some_and(|rank| axis + 1 == rank as i64);
    (is_old, axis, is_last)
}

pub(super) fn softmax(mut node: Node, draft: &mut Draft) -> Result<(), String> {
    let x = input(&node, 0)?.to_owned();
    let (is_old, axis, is_last) = kind(&node, &x, draft);
    if !is_old || is_last {
        node.attribute = int("axis", axis);
        draft.keep(node);
        return Ok(());
    }
    let shape = draft.op("Shape", &[&x], Vec::new());
    let flat = draft.op("Flatten", &[&x], int("axis", axis));
    let values = draft.op(node.op_type(), &[&flat], int("axis", -1));
    draft.finish("Reshape", &[&values, &shape], output(&node)?, Vec::new());
    Ok(())
}

/// 1 at the first of the largest values, 0 elsewhere.
pub(super) fn hardmax(node: Node, draft: &mut Draft) -> Result<(), String> {
    let x = input(&node, 0)?.to_owned();
    let (is_old, axis, is_last) = kind(&node, &x, draft);
    if is_last {
        hard(draft, &x, Some(output(&node)?));
    } else if is_old {
        let shape = draft.op("Shape", &[&x], Vec::new());
        let flat = draft.op("Flatten", &[&x], int("axis", axis));
        let values = hard(draft, &flat, None);
        draft.finish("Reshape", &[&values, &shape], output(&node)?, Vec::new());
    } else {
        let rank = draft.rank(&x).ok_or("the number of dimensions is not known")?;
        let axis = draft.axis(&x, axis)?;
        let mut order: Vec<i64> = (0..rank as i64).collect();
        order.swap(axis, rank - 1);
        let swap = || vec![Attribute::of_ints("perm", order.clone())];
        let swapped = draft.op("Transpose", &[&x], swap());
        let values = hard(draft, &swapped, None);
        draft.finish("Transpose", &[&values], output(&node)?, swap());
    }
    Ok(())
}

/// Over the last axis.
fn hard(draft: &mut Draft, x: &str, output: Option<&str>) -> String {
    let one = draft.i64s(&[1]);
    let unused = draft.op("Identity", &[&one], Vec::new());
    let index = format!("{unused}i");
    let mut top = Node::new("TopK", &[x, &one], &format!("{unused}v"), int("axis", -1));
    top.output.push(index.clone());
    draft.keep(top);
    let size = draft.op("Shape", &[x], int("start", -1));
    let zero = draft.i64(0);
    let step = draft.i64(1);
    let size = draft.op("Squeeze", &[&size], Vec::new());
    let places = draft.op("Range", &[&zero, &size, &step], Vec::new());
    let is_first = draft.op("Equal", &[&index, &places], Vec::new());
    match output {
        Some(output) => {
            draft.finish("Cast", &[&is_first], output, int("to", element::F32));
            output.to_owned()
        }
        None => draft.op("Cast", &[&is_first], int("to", element::F32)),
    }
}

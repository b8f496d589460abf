//! Reductions.

use super::draft::{Draft, input, int, output};
use crate::onnx::Node;

/// Of equal values, rten's operator finds the last and `TopK` the first.
pub(super) fn arg(mut node: Node, draft: &mut Draft) -> Result<(), String> {
    if node.int("select_last_index").unwrap_or(0) != 0 {
        node.attribute.retain(|attribute| attribute.name() != "select_last_index");
        draft.keep(node);
        return Ok(());
    }
    let axis = node.int("axis").unwrap_or(0);
    let (x, index) = (input(&node, 0)?.to_owned(), output(&node)?.to_owned());
    let one = draft.i64s(&[1]);
    let mut settings = int("axis", axis);
    settings.extend(int("largest", (node.op_type() == "ArgMax").into()));
    let keeps = node.int("keepdims").unwrap_or(1) != 0;
    let name = draft.op("Identity", &[&one], Vec::new());
    let place = if keeps { index.clone() } else { format!("{name}i") };
    let mut top = Node::new("TopK", &[&x, &one], &format!("{name}v"), settings);
    top.output.push(place.clone());
    draft.keep(top);
    if !keeps {
        let axis = draft.i64s(&[axis]);
        draft.finish("Squeeze", &[&place, &axis], &index, Vec::new());
    }
    Ok(())
}

/// The sum of absolute values.
pub(super) fn l1(node: Node, draft: &mut Draft) -> Result<(), String> {
    let absolute = draft.op("Abs", &[input(&node, 0)?], Vec::new());
    let mut inputs = vec![absolute.as_str()];
    inputs.extend(node.input_at(1));
    draft.finish("ReduceSum", &inputs, output(&node)?, node.attribute.clone());
    Ok(())
}

/// Over no axes, if none are stated and that is what they mean then: `alone` is what that makes of each value.
pub(super) fn over_none(node: Node, alone: &str, draft: &mut Draft) -> Result<(), String> {
    let noop = node.int("noop_with_empty_axes").unwrap_or(0) != 0;
    if !noop {
        draft.keep(node);
        return Ok(());
    }
    let is_empty = match (node.input_at(1), node.ints("axes")) {
        (Some(axes), _) => {
            draft.integers(axes).ok_or("its axes are not constant, and none of them means none")?.is_empty()
        }
        (None, axes) => axes.is_none_or(<[i64]>::is_empty),
    };
    if is_empty {
        draft.finish(alone, &[input(&node, 0)?], output(&node)?, Vec::new());
    } else {
        draft.keep(node);
    }
    Ok(())
}

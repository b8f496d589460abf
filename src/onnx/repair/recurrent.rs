//! Recurrent layers.

use super::draft::{Draft, input, int, output};
use crate::onnx::Node;

/// rten ignores the rows' lengths (`sequence_lens`). If they are one and the same constant, the input is cut to it and
/// the first output filled up with zeros, which is what lengths mean.
pub(super) fn recurrent(mut node: Node, draft: &mut Draft) -> Result<(), String> {
    usual_activations(&mut node);
    if node.op_type() == "GRU" && node.int("linear_before_reset").unwrap_or(0) == 0 {
        return Err("linear_before_reset=0 is not supported".into());
    }
    let Some(lengths) = node.input_at(4) else {
        draft.keep(node);
        return Ok(());
    };
    let lengths = draft.integers(lengths).ok_or("sequence_lens is not constant")?;
    let length = match lengths[..] {
        [first, ..] if lengths.iter().all(|&length| length == first) && first > 0 => first,
        _ => return Err("sequence_lens is not the same positive length for all rows".into()),
    };
    let x = input(&node, 0)?.to_owned();
    let [start, end, axis] = [0, length, 0].map(|value| draft.i64s(&[value]));
    node.input[0] = draft.op("Slice", &[&x, &start, &end, &axis], Vec::new());
    node.input[4] = String::new();
    if node.op_type() == "GRU" {
        node.input.truncate(6);
    }
    if !draft.is_used(&node, 0) {
        draft.keep(node);
        return Ok(());
    }
    let whole = output(&node)?.to_owned();
    let steps = draft.op("Shape", &[&x], int("start", 0));
    let one = draft.i64s(&[1]);
    let steps = draft.op("Slice", &[&steps, &start, &one, &start], Vec::new());
    let missing = draft.op("Sub", &[&steps, &end], Vec::new());
    let nothing = draft.i64s(&[0]);
    let missing = draft.op("Max", &[&missing, &nothing], Vec::new());
    let [before, after] = [4, 3].map(|count| draft.i64s(&vec![0; count]));
    let pads = draft.op("Concat", &[&before, &missing, &after], int("axis", 0));
    let short = format!("{missing}y");
    node.output[0] = short.clone();
    draft.keep(node);
    draft.finish("Pad", &[&short, &pads], &whole, Vec::new());
    Ok(())
}

/// Activations that are stated but are the usual ones, in any case of letters, as onnxruntime reads them.
fn usual_activations(node: &mut Node) {
    let usual: &[&str] =
        if node.op_type() == "GRU" { &["sigmoid", "tanh"] } else { &["sigmoid", "tanh", "tanh"] };
    let Some(stated) = node.attribute("activations") else { return };
    let is_usual = stated
        .strings
        .iter()
        .zip(usual.iter().cycle())
        .all(|(stated, usual)| stated.eq_ignore_ascii_case(usual.as_bytes()));
    let directions = if node.string("direction") == Some(b"bidirectional") { 2 } else { 1 };
    if is_usual && stated.strings.len() == usual.len() * directions {
        node.attribute.retain(|attribute| attribute.name() != "activations");
    }
}

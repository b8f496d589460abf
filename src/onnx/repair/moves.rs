//! Operators that move values, and dropout, which in inference does nothing.

use super::draft::{Draft, input, output};
use crate::onnx::{Attribute, Node, element};

/// The largest scale of a resize. Larger ones would need too much memory.
const MAX_SCALE: f32 = 64.0;

/// Without axes, a slice is of the first ones. Backwards, rten wants a start within the axis, and an end that is not the
/// largest number.
pub(super) fn slice(mut node: Node, draft: &mut Draft) -> Result<(), String> {
    if let Some(starts) = node.ints("starts") {
        if node.attribute("axes").is_none() {
            let axes = (0..starts.len() as i64).collect();
            node.attribute.push(Attribute::of_ints("axes", axes));
        }
    } else if node.input_at(3).is_none() {
        let starts = input(&node, 1)?;
        let count = draft.constant(starts).map(|tensor| tensor.dims.iter().product::<i64>());
        let count = count.ok_or("it has no axes, and its starts are not constant")?;
        if !(0..=64).contains(&count) {
            return Err("it has no axes, and too many starts".into());
        }
        let axes = draft.i64s(&(0..count).collect::<Vec<i64>>());
        node.input.resize(node.input.len().max(4), String::new());
        node.input[3] = axes;
    }
    if let Some(steps) = node.input_at(4) {
        let steps = draft.integers(steps).ok_or("its steps are not constant")?;
        if steps.iter().any(|&step| step < 0) {
            backwards(&mut node, &steps, draft)?;
        }
    }
    draft.keep(node);
    Ok(())
}

fn backwards(node: &mut Node, steps: &[i64], draft: &mut Draft) -> Result<(), String> {
    let starts = draft.integers(input(node, 1)?);
    if starts.is_none_or(|starts| starts.iter().any(|&start| start < -1)) {
        // At least minus the size: the first value of the axis.
        let [x, axes] = [0, 3].map(|index| input(node, index).map(str::to_owned));
        let shape = draft.op("Shape", &[&x?], Vec::new());
        let sizes = draft.op("Gather", &[&shape, &axes?], Vec::new());
        let least = draft.op("Neg", &[&sizes], Vec::new());
        node.input[1] = draft.op("Max", &[&node.input[1], &least], Vec::new());
    }
    let ends = draft.integers(input(node, 2)?).ok_or("its ends are not constant, backwards")?;
    if ends.len() != steps.len() {
        return Err(format!("{} ends for {} steps", ends.len(), steps.len()));
    }
    // For onnxruntime, the largest number is the end in either direction.
    let is_last = |&(&end, &step): &(&i64, &i64)| step < 0 && (end == i64::MAX || end == i64::from(i32::MAX));
    let ends: Vec<i64> =
        ends.iter().zip(steps).map(|pair| if is_last(&pair) { i32::MIN.into() } else { *pair.0 }).collect();
    node.input[2] = draft.i64s(&ends);
    Ok(())
}

/// Padding of some axes becomes padding of all.
pub(super) fn pad(mut node: Node, draft: &mut Draft) -> Result<(), String> {
    if let Some(axes) = node.input_at(3) {
        let axes = draft.integers(axes).ok_or("its axes are not constant")?;
        let pads = draft.integers(input(&node, 1)?).ok_or("its pads are not constant, but of some axes")?;
        let x = input(&node, 0)?;
        let rank = draft.rank(x).ok_or("the number of dimensions is not known")?;
        if pads.len() != 2 * axes.len() {
            return Err(format!("{} pads for {} axes", pads.len(), axes.len()));
        }
        let mut all = vec![0; 2 * rank];
        for (index, &axis) in axes.iter().enumerate() {
            let axis = draft.axis(x, axis)?;
            all[axis] = pads[index];
            all[rank + axis] = pads[axes.len() + index];
        }
        node.input[1] = draft.i64s(&all);
        node.input.truncate(3);
    }
    draft.keep(node);
    Ok(())
}

pub(super) fn dropout(node: Node, draft: &mut Draft) -> Result<(), String> {
    if let Some(training) = node.input_at(2) {
        let values = draft.constant(training).and_then(|tensor| tensor.booleans());
        if values.is_none_or(|values| values.contains(&true)) {
            return Err("it is for training".into());
        }
    }
    let x = input(&node, 0)?;
    if let Some(mask) = node.output.get(1).filter(|_| draft.is_used(&node, 1)) {
        let shape = draft.op("Shape", &[x], Vec::new());
        // What is kept; in old operator sets onnxruntime says nothing is.
        let kept = draft.tensor(&[1], element::BOOL, vec![(draft.opset >= 12).into()]);
        draft.finish("Expand", &[&kept, &shape], mask, Vec::new());
    }
    draft.finish("Identity", &[x], output(&node)?, Vec::new());
    Ok(())
}

/// rten computes cubic as linear; other modes it refuses itself.
pub(super) fn resize(mut node: Node, draft: &mut Draft) -> Result<(), String> {
    if node.string("mode") == Some(b"cubic") {
        return Err("cubic interpolation is not supported".into());
    }
    if node.attribute("axes").is_some() {
        return Err("axes are not supported".into());
    }
    if let Some(scales) = node.input_at(2) {
        let scales = draft.floats(scales).ok_or("its scales are not constant")?;
        check_scales(&scales)?;
        // Scales that are an empty list are none.
        if scales.is_empty() {
            node.input[2] = String::new();
        }
    }
    draft.keep(node);
    Ok(())
}

/// The operator before `Resize`.
pub(super) fn upsample(node: Node, draft: &mut Draft) -> Result<(), String> {
    let constant = || draft.floats(node.input_at(1)?);
    let scales = node.floats("scales").map(<[f32]>::to_vec).or_else(constant);
    check_scales(&scales.ok_or("its scales are not constant")?)?;
    draft.keep(node);
    Ok(())
}

fn check_scales(scales: &[f32]) -> Result<(), String> {
    if scales.iter().all(|scale| (0.0..=MAX_SCALE).contains(scale)) {
        Ok(())
    } else {
        Err(format!("its scales are {scales:?}, beyond {MAX_SCALE}"))
    }
}

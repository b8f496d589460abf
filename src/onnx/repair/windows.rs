//! Convolutions and pools: padding, strides, dilations.
//!
//! With `SAME_LOWER`, an odd padding has its larger half in front. How much it is depends on the input's size, so it is
//! computed by nodes, which rten evaluates when it loads a graph whose sizes are fixed.

use super::draft::{Draft, input, int, output};
use super::integers::conv_integer;
use crate::onnx::{Attribute, Node, element};

/// What a window is along each axis.
struct Window {
    kernel: Vec<i64>,
    strides: Vec<i64>,
    dilations: Vec<i64>,
}

impl Window {
    fn of(node: &Node) -> Result<Window, String> {
        let kernel = node.ints("kernel_shape").ok_or("its kernel_shape is not stated")?.to_vec();
        let or_ones = |name: &str| match node.ints(name) {
            Some(values) if values.len() == kernel.len() => Ok(values.to_vec()),
            None => Ok(vec![1; kernel.len()]),
            Some(values) => Err(format!("{name} has {} values for {} axes", values.len(), kernel.len())),
        };
        let (strides, dilations) = (or_ones("strides")?, or_ones("dilations")?);
        if kernel.iter().chain(&strides).chain(&dilations).any(|&value| value < 1) {
            return Err("a kernel, stride or dilation is not positive".into());
        }
        Ok(Window { kernel, strides, dilations })
    }

    /// The size of the dilated kernel.
    fn extent(&self) -> Vec<i64> {
        self.kernel
            .iter()
            .zip(&self.dilations)
            .map(|(kernel, dilation)| (kernel - 1) * dilation + 1)
            .collect()
    }
}

fn is_lower(node: &Node) -> bool {
    node.string("auto_pad") == Some(b"SAME_LOWER")
}

fn is_same(node: &Node) -> bool {
    matches!(node.string("auto_pad"), Some(b"SAME_LOWER" | b"SAME_UPPER"))
}

fn without(node: &mut Node, names: &[&str]) {
    node.attribute.retain(|attribute| !names.contains(&attribute.name()));
}

/// The padding of all axes of `x`, as `Pad` takes it, with the larger half in front (`SAME_LOWER`) or behind.
fn same_pads(x: &str, window: &Window, is_lower: bool, draft: &mut Draft) -> String {
    let shape = draft.op("Shape", &[x], int("start", 2));
    let less: Vec<i64> = window.strides.iter().map(|stride| stride - 1).collect();
    let [less, strides, extent] =
        [less, window.strides.clone(), window.extent()].map(|values| draft.i64s(&values));
    let nothing = draft.i64s(&vec![0; window.kernel.len()]);
    let ones = draft.i64s(&vec![1; window.kernel.len()]);
    let twos = draft.i64s(&vec![2; window.kernel.len()]);
    // (ceil(size / stride) - 1) stride + extent - size, at least 0.
    let rounded = draft.op("Add", &[&shape, &less], Vec::new());
    let windows = draft.op("Div", &[&rounded, &strides], Vec::new());
    let steps = draft.op("Sub", &[&windows, &ones], Vec::new());
    let span = draft.op("Mul", &[&steps, &strides], Vec::new());
    let span = draft.op("Add", &[&span, &extent], Vec::new());
    let total = draft.op("Sub", &[&span, &shape], Vec::new());
    let total = draft.op("Max", &[&total, &nothing], Vec::new());
    let half = draft.op("Div", &[&total, &twos], Vec::new());
    let rest = draft.op("Sub", &[&total, &half], Vec::new());
    let (begin, end) = if is_lower { (rest, half) } else { (half, rest) };
    let none = draft.i64s(&[0, 0]);
    draft.op("Concat", &[&none, &begin, &none, &end], int("axis", 0))
}

/// A convolution whose padding rten computes as it should be.
fn kept(node: Node, draft: &mut Draft) -> Result<(), String> {
    if node.op_type() == "ConvInteger" {
        return conv_integer(node, draft);
    }
    draft.keep(node);
    Ok(())
}

pub(super) fn conv(mut node: Node, draft: &mut Draft) -> Result<(), String> {
    // rten pads bytes with 0; the padding is the zero point.
    let is_integer = node.op_type() == "ConvInteger";
    let is_upper = node.string("auto_pad") == Some(b"SAME_UPPER");
    let stated = node.ints("pads").filter(|pads| pads.iter().any(|&pad| pad != 0)).map(<[i64]>::to_vec);
    if !(is_lower(&node) || is_integer && (is_upper || stated.is_some())) {
        return kept(node, draft);
    }
    let window = Window::of(&node)?;
    let x = input(&node, 0)?.to_owned();
    let pads = if is_lower(&node) || is_upper {
        same_pads(&x, &window, is_lower(&node), draft)
    } else {
        let stated = stated.unwrap_or_default();
        if stated.len() != 2 * window.kernel.len() {
            return Err(format!("{} pads for {} axes", stated.len(), window.kernel.len()));
        }
        let (begin, end) = stated.split_at(window.kernel.len());
        draft.i64s(&[&[0, 0], begin, &[0, 0], end].concat())
    };
    node.input[0] = if !is_integer {
        draft.op("Pad", &[&x, &pads], Vec::new())
    } else {
        let wide = draft.op("Cast", &[&x], int("to", element::I32));
        let zero = match node.input_at(2) {
            Some(zero) => {
                let zero = zero.to_owned();
                draft.op("Cast", &[&zero], int("to", element::I32))
            }
            None => draft.tensor(&[], element::I32, vec![0; 4]),
        };
        let padded = draft.op("Pad", &[&wide, &pads, &zero], Vec::new());
        let byte = byte_of(draft, &x)?;
        draft.op("Cast", &[&padded], int("to", byte))
    };
    without(&mut node, &["auto_pad", "pads"]);
    kept(node, draft)
}

fn byte_of(draft: &Draft, x: &str) -> Result<i64, String> {
    match draft.element(x) {
        element @ (element::U8 | element::I8) => Ok(element),
        _ => Err("the type of its input is not known".into()),
    }
}

/// What a transposed convolution cuts off does not depend on the input's size.
pub(super) fn conv_transpose(mut node: Node, draft: &mut Draft) -> Result<(), String> {
    if node.attribute("output_shape").is_some() {
        return Err("output_shape is not supported".into());
    }
    if is_lower(&node) {
        let window = Window::of(&node)?;
        let more = node.ints("output_padding").map(<[i64]>::to_vec).unwrap_or_default();
        let extent = window.extent();
        let total =
            (0..extent.len()).map(|axis| extent[axis] + more.get(axis).unwrap_or(&0) - window.strides[axis]);
        let total: Vec<i64> = total.collect();
        if total.iter().any(|&total| total < 0) {
            return Err("its stride is larger than its kernel, with SAME_LOWER".into());
        }
        let begin = total.iter().map(|total| total - total / 2);
        let pads = begin.chain(total.iter().map(|total| total / 2)).collect();
        without(&mut node, &["auto_pad", "pads"]);
        node.attribute.push(Attribute::of_ints("pads", pads));
    }
    draft.keep(node);
    Ok(())
}

/// The largest value of each channel.
pub(super) fn global_max(node: Node, draft: &mut Draft) -> Result<(), String> {
    let x = input(&node, 0)?;
    let rank = draft.rank(x).ok_or("the number of dimensions is not known")?;
    let axes = draft.i64s(&(2..rank as i64).collect::<Vec<i64>>());
    draft.finish("ReduceMax", &[x, &axes], output(&node)?, Vec::new());
    Ok(())
}

pub(super) fn pool(mut node: Node, draft: &mut Draft) -> Result<(), String> {
    let window = Window::of(&node)?;
    if window.dilations.iter().any(|&dilation| dilation != 1) {
        return Err("dilations are not supported".into());
    }
    if node.output.len() > 1 && draft.is_used(&node, 1) {
        return Err("its second output, the indices, is not supported".into());
    }
    node.output.truncate(1);
    if node.op_type() == "AveragePool" && is_same(&node) {
        let mut axes = window.strides.iter().zip(&window.kernel);
        if axes.any(|(stride, kernel)| stride - kernel >= 2) {
            return Err("its strides are larger than its kernel, with SAME padding".into());
        }
    }
    if node.attribute("strides").is_none() {
        node.attribute.push(Attribute::of_ints("strides", window.strides.clone()));
    }
    if !is_lower(&node) {
        draft.keep(node);
        return Ok(());
    }
    let x = input(&node, 0)?.to_owned();
    let pads = same_pads(&x, &window, true, draft);
    let settings = || {
        vec![
            Attribute::of_ints("kernel_shape", window.kernel.clone()),
            Attribute::of_ints("strides", window.strides.clone()),
        ]
    };
    let last = output(&node)?;
    if node.op_type() == "MaxPool" {
        let least = draft.f32(f32::NEG_INFINITY);
        let padded = draft.op("Pad", &[&x, &pads, &least], Vec::new());
        draft.finish("MaxPool", &[&padded], last, settings());
        return Ok(());
    }
    let padded = draft.op("Pad", &[&x, &pads], Vec::new());
    if node.int("count_include_pad").unwrap_or(0) != 0 {
        draft.finish("AveragePool", &[&padded], last, settings());
        return Ok(());
    }
    // The mean with the padding, divided by the share of the window that is not padding.
    let shape = draft.op("Shape", &[&x], Vec::new());
    let one = draft.f32(1.0);
    let ones = draft.op("Expand", &[&one, &shape], Vec::new());
    let ones = draft.op("Pad", &[&ones, &pads], Vec::new());
    let share = draft.op("AveragePool", &[&ones], settings());
    let mean = draft.op("AveragePool", &[&padded], settings());
    draft.finish("Div", &[&mean, &share], last, Vec::new());
    Ok(())
}

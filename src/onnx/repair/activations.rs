//! Operators on single values: what becomes of NaN, zeros and large values, and those that rten does not have.

use super::draft::{Draft, input, output};
use crate::onnx::{Attribute, Node};

/// `max(x, 0)`, where NaN stays.
pub(super) fn relu(node: Node, draft: &mut Draft) -> Result<(), String> {
    let x = input(&node, 0)?;
    let zero = like(x, 0.0, draft);
    draft.finish("Max", &[x, &zero], output(&node)?, Vec::new());
    Ok(())
}

/// A number in the type of `x`.
fn like(x: &str, value: f32, draft: &mut Draft) -> String {
    let number = draft.f32(value);
    if draft.is_float(x) { number } else { draft.op("CastLike", &[&number, x], Vec::new()) }
}

/// `min(max(x, low), high)`, where NaN stays. Bounds that are left out are the largest finite values, and a constant NaN
/// is none.
pub(super) fn clip(node: Node, draft: &mut Draft) -> Result<(), String> {
    let x = input(&node, 0)?.to_owned();
    if draft.is_integer(&x) {
        draft.keep(node);
        return Ok(());
    }
    let mut value = x.clone();
    for (index, (op, name, beyond)) in
        [("Max", "min", f32::MIN), ("Min", "max", f32::MAX)].into_iter().enumerate()
    {
        let bound = match (node.input_at(index + 1), node.float(name)) {
            (Some(bound), _) => bound.to_owned(),
            (None, Some(constant)) => draft.f32(constant),
            // Of integers, there would be no such bound.
            (None, None) if !draft.is_float(&x) => continue,
            (None, None) => draft.f32(beyond),
        };
        if draft.floats(&bound).is_some_and(|values| values.iter().any(|value| value.is_nan())) {
            continue;
        }
        value = draft.op(op, &[&value, &bound], Vec::new());
    }
    draft.finish("Identity", &[&value], output(&node)?, Vec::new());
    Ok(())
}

/// The sign of 0 is 0.
pub(super) fn sign(node: Node, draft: &mut Draft) -> Result<(), String> {
    let x = input(&node, 0)?;
    if draft.is_integer(x) {
        draft.keep(node);
        return Ok(());
    }
    let zero = like(x, 0.0, draft);
    let is_zero = draft.op("Equal", &[x, &zero], Vec::new());
    let sign = draft.op("Sign", &[x], Vec::new());
    draft.finish("Where", &[&is_zero, &zero, &sign], output(&node)?, Vec::new());
    Ok(())
}

/// `x sigmoid(alpha x)`.
pub(super) fn swish(node: Node, draft: &mut Draft) -> Result<(), String> {
    let x = input(&node, 0)?;
    let scaled = match node.float("alpha") {
        Some(alpha) if alpha != 1.0 => {
            let alpha = draft.f32(alpha);
            draft.op("Mul", &[x, &alpha], Vec::new())
        }
        _ => x.to_owned(),
    };
    let gate = draft.op("Sigmoid", &[&scaled], Vec::new());
    draft.finish("Mul", &[x, &gate], output(&node)?, Vec::new());
    Ok(())
}

/// In single precision, `log(1 + exp(x))` is `x` from 20 on.
pub(super) fn softplus(node: Node, draft: &mut Draft) -> Result<(), String> {
    let x = input(&node, 0)?.to_owned();
    softplus_of(draft, &x, Some(output(&node)?));
    Ok(())
}

fn softplus_of(draft: &mut Draft, x: &str, output: Option<&str>) -> String {
    let twenty = draft.f32(20.0);
    let is_large = draft.op("Greater", &[x, &twenty], Vec::new());
    let small = draft.op("Softplus", &[x], Vec::new());
    match output {
        Some(output) => {
            draft.finish("Where", &[&is_large, x, &small], output, Vec::new());
            output.to_owned()
        }
        None => draft.op("Where", &[&is_large, x, &small], Vec::new()),
    }
}

/// Infinities of one sign.
pub(super) fn is_inf(mut node: Node, draft: &mut Draft) -> Result<(), String> {
    let wanted = |name: &str| node.int(name).unwrap_or(1) != 0;
    let infinity = match (wanted("detect_positive"), wanted("detect_negative")) {
        (true, true) => {
            node.attribute.clear();
            draft.keep(node);
            return Ok(());
        }
        (true, false) => f32::INFINITY,
        (false, true) => f32::NEG_INFINITY,
        (false, false) => return Err("it detects nothing".into()),
    };
    let infinity = draft.f32(infinity);
    draft.finish("Equal", &[input(&node, 0)?, &infinity], output(&node)?, Vec::new());
    Ok(())
}

/// `alpha elu(x / alpha)`.
pub(super) fn celu(node: Node, draft: &mut Draft) -> Result<(), String> {
    let alpha = draft.f32(node.float("alpha").unwrap_or(1.0));
    let scaled = draft.op("Div", &[input(&node, 0)?, &alpha], Vec::new());
    let elu = draft.op("Elu", &[&scaled], Vec::new());
    draft.finish("Mul", &[&elu, &alpha], output(&node)?, Vec::new());
    Ok(())
}

/// `x tanh(softplus(x))`.
pub(super) fn mish(node: Node, draft: &mut Draft) -> Result<(), String> {
    let x = input(&node, 0)?.to_owned();
    let softplus = softplus_of(draft, &x, None);
    let tanh = draft.op("Tanh", &[&softplus], Vec::new());
    draft.finish("Mul", &[&x, &tanh], output(&node)?, Vec::new());
    Ok(())
}

/// `gamma elu(x)`, with the defaults that ONNX gives.
pub(super) fn selu(node: Node, draft: &mut Draft) -> Result<(), String> {
    let alpha = node.float("alpha").unwrap_or(1.673_263_2);
    let gamma = draft.f32(node.float("gamma").unwrap_or(1.050_701));
    let elu = draft.op("Elu", &[input(&node, 0)?], vec![Attribute::of_float("alpha", alpha)]);
    draft.finish("Mul", &[&elu, &gamma], output(&node)?, Vec::new());
    Ok(())
}

/// `x + bias` below `-lambd`, `x - bias` above `lambd`, else 0.
pub(super) fn shrink(node: Node, draft: &mut Draft) -> Result<(), String> {
    let x = input(&node, 0)?;
    if !draft.is_float(x) {
        return Err("its input is not known to be of floats".into());
    }
    let (bias, lambda) = (node.float("bias").unwrap_or(0.0), node.float("lambd").unwrap_or(0.5));
    let [bias, lambda, negative, zero] = [bias, lambda, -lambda, 0.0].map(|value| draft.f32(value));
    let below = draft.op("Less", &[x, &negative], Vec::new());
    let above = draft.op("Greater", &[x, &lambda], Vec::new());
    let raised = draft.op("Add", &[x, &bias], Vec::new());
    let lowered = draft.op("Sub", &[x, &bias], Vec::new());
    let upper = draft.op("Where", &[&above, &lowered, &zero], Vec::new());
    draft.finish("Where", &[&below, &raised, &upper], output(&node)?, Vec::new());
    Ok(())
}

/// `x` above `alpha`, else 0.
pub(super) fn thresholded_relu(node: Node, draft: &mut Draft) -> Result<(), String> {
    let x = input(&node, 0)?;
    let [alpha, zero] = [node.float("alpha").unwrap_or(1.0), 0.0].map(|value| draft.f32(value));
    let above = draft.op("Greater", &[x, &alpha], Vec::new());
    draft.finish("Where", &[&above, x, &zero], output(&node)?, Vec::new());
    Ok(())
}

//! Conversions of types. rten has fewer types than ONNX (see [`super::facts`]) and saturates where onnxruntime, as
//! processors do, wraps.

use super::draft::{Draft, input, int, output};
use crate::onnx::{Node, element};

pub(super) fn cast(node: Node, draft: &mut Draft) -> Result<(), String> {
    let to = node.int("to").ok_or("it does not say to which type")?;
    convert(input(&node, 0)?, to, output(&node)?, draft);
    Ok(())
}

pub(super) fn cast_like(node: Node, draft: &mut Draft) -> Result<(), String> {
    match draft.element(input(&node, 1)?) {
        0 => Err("the type that it converts to is not known".into()),
        to => {
            convert(input(&node, 0)?, to, output(&node)?, draft);
            Ok(())
        }
    }
}

fn convert(x: &str, to: i64, output: &str, draft: &mut Draft) {
    let from = draft.element(x);
    match to {
        _ if from == to => draft.finish("Cast", &[x], output, int("to", to)),
        // Not 0 is true, NaN too. Floats hold whether an integer is 0.
        element::BOOL => {
            let float = draft.op("Cast", &[x], int("to", element::F32));
            let zero = draft.f32(0.0);
            let is_zero = draft.op("Equal", &[&float, &zero], Vec::new());
            draft.finish("Not", &[&is_zero], output, Vec::new());
        }
        // Through an integer that wraps.
        element::I8 | element::U8 if from != element::BOOL => {
            let integer = draft.op("Cast", &[x], int("to", element::I32));
            draft.finish("Cast", &[&integer], output, int("to", to));
        }
        // What an int32 does not hold, and NaN, become the least one.
        element::I32 if draft.is_float(x) => {
            let limit = draft.f32(2_147_483_648.0);
            let least = draft.tensor(&[], element::I32, i32::MIN.to_le_bytes().to_vec());
            let fits = draft.op("Less", &[x, &limit], Vec::new());
            let integer = draft.op("Cast", &[x], int("to", element::I32));
            draft.finish("Where", &[&fits, &integer, &least], output, Vec::new());
        }
        // Half precision is computed in single, but what it does not hold is infinite. From 65,520 on it rounds up.
        element::F16 if matches!(from, element::F32 | element::F64) => {
            let float = draft.op("Cast", &[x], int("to", element::F16));
            let [limit, infinity] = [65_520.0, f32::INFINITY].map(|value| draft.f32(value));
            let size = draft.op("Abs", &[&float], Vec::new());
            let fits = draft.op("Less", &[&size, &limit], Vec::new());
            let beyond = draft.op("Mul", &[&float, &infinity], Vec::new());
            draft.finish("Where", &[&fits, &float, &beyond], output, Vec::new());
        }
        _ => draft.finish("Cast", &[x], output, int("to", to)),
    }
}

//! Sums, products, divisions and powers.

use super::draft::{Draft, input, int, output};
use crate::onnx::{Node, element};

/// Operators that turn a difference in the last bit into a whole step.
const STEPS: [&str; 8] =
    ["Cast", "Ceil", "Equal", "Floor", "GreaterOrEqual", "LessOrEqual", "QuantizeLinear", "Round"];

/// A constant of one value may have more dimensions than the other side, which the result then has, too: rten forgets
/// that when it leaves out what adds 0 or multiplies by 1. And it adds no list of one value to a matrix product.
pub(super) fn binary(mut node: Node, draft: &mut Draft) -> Result<(), String> {
    for (index, other) in [(1, 0), (0, 1)] {
        let constant = input(&node, index)?;
        let Some(&[value]) = draft.floats(constant).as_deref() else { continue };
        let rank = draft.rank(constant).unwrap_or(0);
        let is_neutral = match node.op_type() {
            "Add" => value == 0.0,
            "Mul" => value == 1.0,
            "Sub" => value == 0.0 && index == 1,
            _ => value == 1.0 && index == 1,
        };
        if is_neutral && rank > 1 {
            let shape = draft.i64s(&vec![1; rank]);
            draft.finish("Expand", &[input(&node, other)?, &shape], output(&node)?, Vec::new());
            return Ok(());
        }
        if rank == 1 && draft.rank(input(&node, other)?) >= Some(1) {
            node.input[index] = draft.f32(value);
        }
    }
    if node.op_type() == "Div" {
        return div(node, draft);
    }
    draft.keep(node);
    Ok(())
}

/// rten multiplies by the inverse if the divisor is one value. The inverse of a power of two is exact; another is not,
/// which shows if a step follows, and that of a denormal is infinite.
fn div(node: Node, draft: &mut Draft) -> Result<(), String> {
    let (a, b) = (input(&node, 0)?, input(&node, 1)?);
    let quotient = output(&node)?;
    let divisor = draft.floats(b);
    let is_exact = match &divisor {
        Some(values) => match values[..] {
            [value] => {
                let inverse = 1.0 / value;
                let is_power = value.to_bits() & 0x7f_ffff == 0;
                let is_usual = value == 0.0 || value.is_normal() && inverse.is_normal() || !value.is_finite();
                is_usual && (is_power || value == 0.0 || !draft.feeds(quotient, &STEPS))
            }
            _ => true,
        },
        None => !draft.feeds(quotient, &STEPS),
    };
    if is_exact || draft.is_integer(a) {
        draft.keep(node);
        return Ok(());
    }
    // Twice the same divisors along an axis of their own, so that they are not one value.
    let (rank, ranks) = (draft.rank(a), draft.rank(b));
    let divisors = if divisor.is_some() && ranks <= Some(1) && rank != Some(0) {
        let shape = draft.op("Shape", &[a], Vec::new());
        let two = draft.i64s(&[2]);
        let shape = draft.op("Concat", &[&two, &shape], int("axis", 0));
        draft.op("Expand", &[b, &shape], Vec::new())
    } else {
        let (Some(rank), Some(ranks)) = (rank, ranks) else {
            return Err(
                "the number of dimensions is not known, and a division by one value is inexact".into()
            );
        };
        let new: Vec<i64> = (0..1 + rank.saturating_sub(ranks) as i64).collect();
        let new = draft.i64s(&new);
        let one = draft.op("Unsqueeze", &[b, &new], Vec::new());
        draft.op("Concat", &[&one, &one], int("axis", 0))
    };
    let quotients = draft.op("Div", &[a, &divisors], Vec::new());
    let first = draft.i64(0);
    draft.finish("Gather", &[&quotients, &first], quotient, int("axis", 0));
    Ok(())
}

/// rten has no powers of floats to integers; floats hold those exponents that occur.
pub(super) fn pow(mut node: Node, draft: &mut Draft) -> Result<(), String> {
    let (base, exponent) = (input(&node, 0)?, input(&node, 1)?);
    if !draft.is_integer(base) && !draft.is_float(exponent) {
        let exponent = exponent.to_owned();
        node.input[1] = draft.op("Cast", &[&exponent], int("to", element::F32));
    }
    draft.keep(node);
    Ok(())
}

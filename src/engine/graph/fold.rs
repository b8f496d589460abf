//! Operations on constants only, computed once at load.

use super::constant::{BATCH, Constant, Values};
use super::view::axis_index;
use crate::onnx::{Node, element};

/// The result of a node whose inputs are all constant.
pub(in crate::engine) fn fold(node: &Node, inputs: &[Option<&Constant>]) -> Result<Constant, String> {
    let input = |position: usize| {
        inputs.get(position).copied().flatten().ok_or_else(|| format!("its operand {position} is missing"))
    };
    let list = |position: usize, name: &str| -> Result<Option<Vec<i64>>, String> {
        match inputs.get(position).copied().flatten() {
            Some(constant) => Ok(Some(constant.as_ints()?.to_vec())),
            None => Ok(node.ints(name).map(<[i64]>::to_vec)),
        }
    };
    match node.op_type() {
        "Constant" => constant(node),
        "Identity" => Ok(input(0)?.clone()),
        "Cast" => cast(input(0)?, node.int("to").unwrap_or(0)),
        "DequantizeLinear" => {
            let zero = inputs.get(2).copied().flatten();
            dequantize(input(0)?, input(1)?, zero, node.int("axis").unwrap_or(1))
        }
        "Shape" => Ok(Constant::ints(input(0)?.dims.iter().map(|&dim| dim as i64).collect())),
        "Reshape" => input(0)?.reshape(&list(1, "shape")?.ok_or("its shape is missing")?),
        "Transpose" => {
            let rank = input(0)?.dims.len();
            let order: Vec<usize> = match node.ints("perm") {
                Some(order) => order
                    .iter()
                    .map(|&axis| axis_index(axis, rank))
                    .collect::<Result<Vec<usize>, String>>()?,
                None => (0..rank).rev().collect(),
            };
            input(0)?.transpose(&order)
        }
        "Unsqueeze" => {
            let axes = list(1, "axes")?.ok_or("its axes are missing")?;
            let rank = input(0)?.dims.len() + axes.len();
            let mut dims = input(0)?.dims.clone();
            let mut places =
                axes.iter().map(|&axis| axis_index(axis, rank)).collect::<Result<Vec<_>, String>>()?;
            places.sort_unstable();
            for place in places {
                if place > dims.len() {
                    return Err("an unsqueeze that names an axis twice".into());
                }
                dims.insert(place, 1);
            }
            input(0)?.with_dims(dims)
        }
        "Squeeze" => {
            let own = &input(0)?.dims;
            let axes = list(1, "axes")?;
            let mut drop = vec![axes.is_none(); own.len()];
            for axis in axes.unwrap_or_default() {
                drop[axis_index(axis, own.len())?] = true;
            }
            let kept = own.iter().zip(drop).filter(|&(&dim, drop)| !(drop && dim == 1));
            input(0)?.with_dims(kept.map(|(&dim, _)| dim).collect())
        }
        "Concat" => {
            let mut all = Vec::new();
            for position in 0..inputs.len() {
                all.extend_from_slice(input(position)?.as_ints()?);
                if all.len() > 64 {
                    return Err("a list of more than 64 integers".into());
                }
            }
            Ok(Constant::ints(all))
        }
        "Gather" => {
            let (from, at) = (input(0)?.as_ints()?, input(1)?);
            let values: Result<Vec<i64>, String> =
                at.as_ints()?.iter().map(|&index| Ok(from[axis_index(index, from.len())?])).collect();
            let dims = at.dims.clone();
            Ok(Constant { dims, values: Values::Ints(values?.into()) })
        }
        "Slice" => {
            let from = input(0)?.as_ints()?;
            let bound = |list: Option<Vec<i64>>, default: i64| -> Result<usize, String> {
                let [value] = list.unwrap_or_else(|| vec![default])[..] else {
                    return Err("a slice of several axes of a list".into());
                };
                let value = if value < 0 { value.saturating_add(from.len() as i64) } else { value };
                Ok(value.clamp(0, from.len() as i64) as usize)
            };
            if list(4, "steps")?.is_some_and(|steps| steps != [1]) {
                return Err("a slice with steps".into());
            }
            let (start, end) = (bound(list(1, "starts")?, 0)?, bound(list(2, "ends")?, i64::MAX)?);
            Ok(Constant::ints(from[start..end.max(start)].to_vec()))
        }
        "Sqrt" => input(0)?.map(f32::sqrt),
        "Neg" => input(0)?.map(|value| -value),
        "Reciprocal" => input(0)?.map(|value| 1.0 / value),
        "Add" => arithmetic(input(0)?, input(1)?, |a, b| a + b, i64::checked_add),
        "Sub" => arithmetic(input(0)?, input(1)?, |a, b| a - b, i64::checked_sub),
        "Mul" => arithmetic(input(0)?, input(1)?, |a, b| a * b, i64::checked_mul),
        "Div" => arithmetic(input(0)?, input(1)?, |a, b| a / b, i64::checked_div),
        "Pow" => input(0)?.zip(input(1)?, f32::powf),
        _ => Err("an unknown operation on constants".into()),
    }
}

fn constant(node: &Node) -> Result<Constant, String> {
    if let Some(tensor) = node.attribute("value").and_then(|value| value.t.as_ref()) {
        return Constant::read(tensor);
    }
    if let Some(value) = node.float("value_float") {
        return Ok(Constant::floats(vec![], vec![value]));
    }
    if let Some(values) = node.floats("value_floats") {
        return Ok(Constant::floats(vec![values.len()], values.to_vec()));
    }
    if let Some(value) = node.int("value_int") {
        return Constant::ints(vec![value]).with_dims(vec![]);
    }
    if let Some(values) = node.ints("value_ints") {
        return Ok(Constant::ints(values.to_vec()));
    }
    Err("a constant of an unknown kind".into())
}

fn cast(input: &Constant, to: i64) -> Result<Constant, String> {
    match (to, &input.values) {
        (element::F32, Values::Floats(_)) | (element::I64 | element::I32, Values::Ints(_)) => {
            Ok(input.clone())
        }
        (element::F32, Values::Bytes(values)) => {
            Ok(Constant::floats(input.dims.clone(), values.iter().map(|&value| value.into()).collect()))
        }
        (element::F32, Values::Ints(values)) => {
            Ok(Constant::floats(input.dims.clone(), values.iter().map(|&value| value as f32).collect()))
        }
        _ => Err(format!("a cast to ONNX type {to}")),
    }
}

/// Dequantises 8-bit weights, with one step size for all or one for each slice along an axis.
fn dequantize(
    steps: &Constant,
    scale: &Constant,
    zero: Option<&Constant>,
    axis: i64,
) -> Result<Constant, String> {
    // One value for each slice, along the axis.
    let along = |constant: &Constant| -> Result<Constant, String> {
        if constant.len() == 1 {
            return constant.with_dims(vec![]);
        }
        let axis = axis_index(axis, steps.dims.len())?;
        if constant.dims != [steps.dims[axis]] {
            let (all, given) = (&steps.dims, &constant.dims);
            return Err(format!("scales or zero points of {given:?} along axis {axis} of {all:?}"));
        }
        let mut dims = vec![1; steps.dims.len()];
        dims[axis] = steps.dims[axis];
        constant.with_dims(dims)
    };
    let mut values = cast(steps, element::F32)?;
    if let Some(zero) = zero {
        values = values.zip(&along(&cast(zero, element::F32)?)?, |value, zero| value - zero)?;
    }
    values.zip(&along(scale)?, |value, scale| value * scale)
}

fn arithmetic(
    a: &Constant,
    b: &Constant,
    floats: impl Fn(f32, f32) -> f32,
    ints: impl Fn(i64, i64) -> Option<i64>,
) -> Result<Constant, String> {
    let (Values::Ints(x), Values::Ints(y)) = (&a.values, &b.values) else { return a.zip(b, floats) };
    if x.len() != y.len() || x.contains(&BATCH) || y.contains(&BATCH) {
        return Err("arithmetic on a shape that the graph does not fix".into());
    }
    let values: Option<Vec<i64>> = x.iter().zip(y.iter()).map(|(&x, &y)| ints(x, y)).collect();
    let values = values.ok_or("integers that overflow")?;
    Ok(Constant { dims: a.dims.clone(), values: Values::Ints(values.into()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(dims: &[usize], values: &[i16]) -> Constant {
        Constant { dims: dims.to_vec(), values: Values::Bytes(values.into()) }
    }

    #[test]
    fn eight_bits_are_steps_from_a_zero_point_along_an_axis() {
        let steps = bytes(&[2, 3], &[-128, 0, 127, 1, 2, 3]);
        let floats = |dims: &[usize], values: &[f32]| Constant::floats(dims.to_vec(), values.to_vec());
        let values = |constant: Result<Constant, String>| constant.unwrap().as_floats().unwrap().to_vec();
        let one = dequantize(&steps, &floats(&[], &[0.5]), None, 1);
        assert_eq!(values(one), [-64.0, 0.0, 63.5, 0.5, 1.0, 1.5]);
        let rows = dequantize(&steps, &floats(&[2], &[1.0, 10.0]), Some(&bytes(&[2], &[0, 1])), 0);
        assert_eq!(values(rows), [-128.0, 0.0, 127.0, 0.0, 10.0, 20.0]);
        let columns = dequantize(&steps, &floats(&[3], &[1.0, 2.0, 3.0]), None, -1);
        assert_eq!(values(columns), [-128.0, 0.0, 381.0, 1.0, 4.0, 9.0]);
        for (scale, axis) in
            [(floats(&[2], &[1.0, 1.0]), 1), (floats(&[3], &[1.0; 3]), 0), (floats(&[2], &[1.0; 2]), 7)]
        {
            assert!(dequantize(&steps, &scale, None, axis).is_err());
        }
        assert!(dequantize(&floats(&[1], &[1.0]), &bytes(&[], &[1]), None, 0).is_err(), "a scale of bytes");
    }
}

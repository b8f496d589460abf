//! Convolutions and products of bytes. rten's convolutions are right only for unsigned weights whose zero point is 0, so others are taken apart:
//! `sum (x - x0) (w - w0) = sum (x - x0) w - w0 sum (x - x0)`, all in integers of 32 bits.

use super::draft::{Draft, input, int, output};
use crate::onnx::{Node, element};

/// A convolution without padding, or whose padding is 0.
pub(super) fn conv_integer(mut node: Node, draft: &mut Draft) -> Result<(), String> {
    if draft.element(input(&node, 0)?) != element::U8 {
        return Err("its input is not known to be of uint8".into());
    }
    let weights = draft.constant(input(&node, 1)?).ok_or("its weights are not constant")?.clone();
    let dims: Vec<usize> = weights.dims.iter().map(|&dim| usize::try_from(dim).unwrap_or(0)).collect();
    let [filters, channels, kernel @ ..] = &dims[..] else {
        return Err("its weights have no channels".into());
    };
    let zeros: Vec<i32> = match node.input_at(3) {
        Some(zero) => {
            let zero = draft.constant(zero).ok_or("the zero point of its weights is not constant")?;
            zero.eight_bits::<Vec<i16>>()?.into_iter().map(i32::from).collect()
        }
        None => vec![0],
    };
    if zeros.len() != 1 && zeros.len() != *filters {
        return Err(format!("{} zero points for {filters} filters", zeros.len()));
    }
    let is_signed = weights.data_type() == element::I8;
    if !is_signed && zeros.iter().all(|&zero| zero == 0) {
        node.input.truncate(3);
        draft.keep(node);
        return Ok(());
    }
    let groups = node.int("group").unwrap_or(1);
    if groups != 1 && groups != *filters as i64 {
        return Err("groups of several filters are not supported, with a zero point or signed weights".into());
    }
    // Signed weights and their zero points become unsigned ones.
    let shift = if is_signed { 128 } else { 0 };
    let unsigned =
        weights.eight_bits::<Vec<i16>>()?.into_iter().map(|weight| (weight + shift) as u8).collect();
    let unsigned = draft.tensor(&dims, element::U8, unsigned);
    let zeros: Vec<i32> = zeros.into_iter().map(|zero| zero + i32::from(shift)).collect();
    // One filter of ones for each group.
    let shape = [&[if groups == 1 { 1 } else { *filters }, *channels], kernel].concat();
    let ones = draft.tensor(&shape, element::U8, vec![1; shape.iter().product()]);
    let mut part = |weights: &str| {
        let mut inputs = vec![node.input[0].as_str(), weights];
        inputs.extend(node.input_at(2));
        draft.op("ConvInteger", &inputs, node.attribute.clone())
    };
    let (products, sums) = (part(&unsigned), part(&ones));
    // Zero points along the axis of channels.
    let mut along = vec![zeros.len()];
    along.extend(kernel.iter().map(|_| 1));
    let zeros =
        draft.tensor(&along, element::I32, zeros.iter().flat_map(|zero| zero.to_le_bytes()).collect());
    let correction = draft.op("Mul", &[&sums, &zeros], Vec::new());
    let difference = draft.op("Sub", &[&products, &correction], Vec::new());
    draft.finish("Cast", &[&difference], output(&node)?, int("to", element::I32));
    Ok(())
}

/// A matrix product of bytes. rten takes the wrong one of several zero points beyond the first tile of its kernel.
pub(super) fn mat_mul_integer(mut node: Node, draft: &mut Draft) -> Result<(), String> {
    let is_one = |name: &str, draft: &Draft| {
        let constant = draft.constant(name).map(|tensor| tensor.dims.iter().product::<i64>() == 1);
        constant.unwrap_or(draft.rank(name) == Some(0))
    };
    if node.input_at(2).is_some_and(|zero| !is_one(zero, draft)) {
        return Err("zero points for rows are not supported".into());
    }
    let Some(zeros) = node.input_at(3).filter(|zeros| !is_one(zeros, draft)).map(str::to_owned) else {
        draft.keep(node);
        return Ok(());
    };
    let depth = match draft.constant(input(&node, 1)?).map(|weights| &weights.dims[..]) {
        Some(&[depth, _]) => usize::try_from(depth).map_err(|_| "an impossible shape")?,
        _ => return Err("zero points for columns of what is not a constant matrix are not supported".into()),
    };
    let ones = draft.tensor(&[depth, 1], element::U8, vec![1; depth]);
    node.input.truncate(3);
    let sums = node.input.iter().map(String::as_str).enumerate();
    let sums: Vec<&str> = sums.map(|(index, name)| if index == 1 { ones.as_str() } else { name }).collect();
    let sums = draft.op("MatMulInteger", &sums, Vec::new());
    let products: Vec<&str> = node.input.iter().map(String::as_str).collect();
    let products = draft.op("MatMulInteger", &products, Vec::new());
    let zeros = draft.op("Cast", &[&zeros], int("to", element::I32));
    let correction = draft.op("Mul", &[&sums, &zeros], Vec::new());
    draft.finish("Sub", &[&products, &correction], output(&node)?, Vec::new());
    Ok(())
}

//! Convolutions and matrix products. A matrix product is a 1x1 convolution.

use std::sync::Arc;

use super::expression::{Conv, Id, Pads};
use super::trace::{Trace, Value, floats, weights_of};
use crate::engine::graph::constant::Constant;
use crate::engine::graph::view::{Axis, View};
use crate::onnx::Node;

impl Trace<'_> {
    pub(super) fn conv(
        &mut self,
        node: &Node,
        inputs: &[Option<Value>],
        id: Id,
        view: &View,
    ) -> Result<Value, String> {
        let size = self.arena.size(id);
        if !view.is_nchw(size) {
            return Err(format!("a convolution over axes {:?}", view.0));
        }
        let weights = weights_of(inputs, 1)?;
        let [outputs, inputs_per_group, rows, columns] = weights.dims[..] else {
            return Err("a convolution that is not two-dimensional".into());
        };
        if rows == 0 || columns == 0 || rows > 16 || columns > 16 {
            return Err(format!("a kernel of {rows} x {columns}"));
        }
        let pair = |name: &str, default: usize| -> Result<[usize; 2], String> {
            match node.ints(name) {
                None => Ok([default; 2]),
                Some(&[a, b]) if (1..=16).contains(&a) && (1..=16).contains(&b) => {
                    Ok([a as usize, b as usize])
                }
                Some(other) => Err(format!("{name} of {other:?}")),
            }
        };
        if pair("dilations", 1)? != [1, 1] {
            return Err("a dilated kernel".into());
        }
        if pair("kernel_shape", rows)? != [rows, columns] && node.ints("kernel_shape").is_some() {
            return Err("a kernel shape that does not match its weights".into());
        }
        let stride = pair("strides", 1)?;
        let groups = usize::try_from(node.int("group").unwrap_or(1)).map_err(|_| "a negative group count")?;
        let pads = match node.string("auto_pad").unwrap_or(b"NOTSET") {
            b"NOTSET" => explicit_pads(node)?,
            b"VALID" => [0; 4],
            b"SAME_UPPER" => same(size.rows, size.columns, [rows, columns], stride, false),
            b"SAME_LOWER" => same(size.rows, size.columns, [rows, columns], stride, true),
            _ => return Err("an unknown padding".into()),
        };
        let shift: Arc<[f32]> = match inputs.get(2).and_then(Option::as_ref) {
            Some(_) => floats(inputs, 2)?.into(),
            None => vec![0.0; outputs].into(),
        };
        let id = self.arena.conv(Conv {
            x: id,
            weights: weights.as_floats()?.clone(),
            scale: vec![1.0; outputs].into(),
            shift,
            inputs_per_group,
            groups,
            kernel: [rows, columns],
            stride,
            pads,
        })?;
        Ok(Value::Tensor { id, view: View::canonical(self.arena.size(id)) })
    }

    /// `x * weights`, where `x` has its channels last and `weights` is `[inputs, outputs]`.
    pub(super) fn matmul(&mut self, weights: &Constant, id: Id, view: View) -> Result<Value, String> {
        let [_, outputs] = weights.dims[..] else {
            return Err("a product with something other than a matrix".into());
        };
        self.product(&weights.transpose(&[1, 0])?, vec![0.0; outputs], id, view)
    }

    pub(super) fn gemm(
        &mut self,
        node: &Node,
        inputs: &[Option<Value>],
        id: Id,
        view: View,
    ) -> Result<Value, String> {
        if node.int("transA").unwrap_or(0) != 0 {
            return Err("its first operand is transposed".into());
        }
        let alpha = node.float("alpha").unwrap_or(1.0);
        let beta = node.float("beta").unwrap_or(1.0);
        let mut weights = weights_of(inputs, 1)?;
        if weights.dims.len() != 2 {
            return Err("a product with something other than a matrix".into());
        }
        if node.int("transB").unwrap_or(0) == 0 {
            weights = weights.transpose(&[1, 0])?;
        }
        if alpha != 1.0 {
            weights = weights.map(|weight| weight * alpha)?;
        }
        let outputs = weights.dims[0];
        let mut shift = match inputs.get(2).and_then(Option::as_ref) {
            Some(_) => floats(inputs, 2)?,
            None => vec![0.0],
        };
        if shift.len() == 1 {
            shift = vec![shift[0]; outputs];
        }
        shift.iter_mut().for_each(|value| *value *= beta);
        self.product(&weights, shift, id, view)
    }

    /// A product with weights `[outputs, inputs]`.
    fn product(
        &mut self,
        weights: &Constant,
        shift: Vec<f32>,
        id: Id,
        mut view: View,
    ) -> Result<Value, String> {
        let [outputs, inputs] = weights.dims[..] else { return Err("a product without a matrix".into()) };
        if view.0.last() != Some(&Axis::Channel) {
            return Err("a product over an axis other than the channels".into());
        }
        let id = self.arena.conv(Conv {
            x: id,
            weights: weights.as_floats()?.clone(),
            scale: vec![1.0; outputs].into(),
            shift: shift.into(),
            inputs_per_group: inputs,
            groups: 1,
            kernel: [1, 1],
            stride: [1, 1],
            pads: [0; 4],
        })?;
        if outputs == 1
            && let Some(last) = view.0.last_mut()
        {
            *last = Axis::Unit;
        }
        Ok(Value::Tensor { id, view })
    }
}

fn explicit_pads(node: &Node) -> Result<Pads, String> {
    let Some(pads) = node.ints("pads") else { return Ok([0; 4]) };
    if pads.len() != 4 || pads.iter().any(|pad| !(0..=16).contains(pad)) {
        return Err(format!("a border of {pads:?}"));
    }
    Ok(std::array::from_fn(|i| pads[i] as usize))
}

/// "Same" padding: one output per stride; an odd pixel of padding goes to the end (with `lower`, to the beginning).
fn same(rows: usize, columns: usize, kernel: [usize; 2], stride: [usize; 2], lower: bool) -> Pads {
    let split = |size: usize, kernel: usize, stride: usize| {
        let total = ((size.div_ceil(stride) - 1) * stride + kernel).saturating_sub(size);
        let small = total / 2;
        if lower { (total - small, small) } else { (small, total - small) }
    };
    let (top, bottom) = split(rows, kernel[0], stride[0]);
    let (left, right) = split(columns, kernel[1], stride[1]);
    [top, left, bottom, right]
}

//! Operators that compute each value from one or two others, and reductions.

use super::{Constant, FLOAT, Kind, Value, Writer, argument, axis_of, integer, known};
use crate::onnx::{Node, element};

impl<'a> Writer<'a> {
    pub(super) fn cast(&mut self, node: &'a Node) -> Result<Value, String> {
        known(node, &["to", "saturate"])?;
        let value = self.first(node);
        match integer(node, "to", 0)? {
            element::F32 => self.exactly(argument(node, 0)?),
            element::I64 if value.as_ref().is_ok_and(|value| value.kind == Kind::Integers) => value,
            other => Err(format!("it casts to the type {other}, not to f32")),
        }
    }

    /// A function of one value, in f32.
    pub(super) fn unary(&mut self, function: &str, node: &'a Node) -> Result<Value, String> {
        known(node, &[])?;
        let value = self.exactly(argument(node, 0)?)?;
        Ok(Value { code: format!("torch.{function}({})", value.code), ..value })
    }

    /// A function of two values, in f32. Constants without axes are written as numbers, which no type rounds.
    pub(super) fn binary(&mut self, function: &str, node: &'a Node) -> Result<Value, String> {
        known(node, &[])?;
        let (a, b) = (argument(node, 0)?, argument(node, 1)?);
        if let Some(number) = self.scalar(b)? {
            let value = self.exactly(a)?;
            return Ok(Value {
                code: format!("torch.{function}({}, {})", value.code, literal(number)),
                ..value
            });
        }
        if let Some(number) = self.scalar(a)? {
            let value = self.exactly(b)?;
            let (x, number) = (&value.code, literal(number));
            let code = match function {
                "sub" => format!("torch.rsub({x}, {number})"),
                "div" => format!("torch.mul(torch.reciprocal({x}), {number})"),
                "pow" => format!("torch.pow({number}, {x})"),
                _ => format!("torch.{function}({x}, {number})"),
            };
            return Ok(Value { code, ..value });
        }
        let (a, b) = (self.exactly(a)?, self.exactly(b)?);
        let code = format!("torch.{function}({}, {})", a.code, b.code);
        Ok(Value { code, kind: Kind::F32, rank: a.rank.max(b.rank) })
    }

    /// The larger or the smaller of two values.
    pub(super) fn extreme(&mut self, function: &str, node: &'a Node) -> Result<Value, String> {
        known(node, &[])?;
        if node.input.len() != 2 {
            return Err("it has not two inputs".into());
        }
        let (a, b) = (argument(node, 0)?, argument(node, 1)?);
        let constant = match (self.scalar(a)?, self.scalar(b)?) {
            (_, Some(number)) => Some((a, number)),
            (Some(number), None) => Some((b, number)),
            (None, None) => None,
        };
        if let Some((other, number)) = constant {
            let value = self.exactly(other)?;
            let limits = match function {
                "maximum" => format!("{}, None", literal(number)),
                _ => format!("None, {}", literal(number)),
            };
            return Ok(Value { code: format!("torch.clamp({}, {limits})", value.code), ..value });
        }
        let (a, b) = (self.exactly(a)?, self.exactly(b)?);
        let code = format!("torch.{function}({}, {})", a.code, b.code);
        Ok(Value { code, kind: Kind::F32, rank: a.rank.max(b.rank) })
    }

    pub(super) fn relu(&mut self, node: &'a Node) -> Result<Value, String> {
        known(node, &[])?;
        let value = self.first(node)?;
        Ok(Value { code: format!("torch.relu({})", value.code), ..value })
    }

    /// Limits by constants, from inputs or (in old versions) attributes.
    pub(super) fn clip(&mut self, node: &'a Node) -> Result<Value, String> {
        known(node, &["min", "max"])?;
        let value = self.first(node)?;
        let limit = |index, name| match node.input_at(index) {
            None => Ok(node.float(name)),
            Some(input) => self.scalar(input)?.map(Some).ok_or_else(|| format!("its {name} is no constant")),
        };
        let text = |limit: Option<f32>| limit.map_or("None".to_owned(), literal);
        let (least, most) = (limit(1, "min")?, limit(2, "max")?);
        if least.is_none() && most.is_none() {
            return Ok(value);
        }
        Ok(Value { code: format!("torch.clamp({}, {}, {})", value.code, text(least), text(most)), ..value })
    }

    pub(super) fn gelu(&mut self, node: &'a Node) -> Result<Value, String> {
        known(node, &["approximate"])?;
        let value = self.exactly(argument(node, 0)?)?;
        let kind = match node.string("approximate") {
            None | Some(b"none") => "none",
            Some(b"tanh") => "tanh",
            Some(_) => return Err("its approximation is unknown".into()),
        };
        Ok(Value { code: format!("torch.gelu({}, approximate=\"{kind}\")", value.code), ..value })
    }

    /// Softmax over the last axis, where all versions of ONNX mean the same.
    pub(super) fn softmax(&mut self, node: &'a Node) -> Result<Value, String> {
        known(node, &["axis"])?;
        let value = self.exactly(argument(node, 0)?)?;
        // Without an axis it is 1 in old versions, the last in newer ones.
        let axis = axis_of(integer(node, "axis", if value.rank == 2 { 1 } else { 0 })?, value.rank)?;
        if axis + 1 != value.rank {
            return Err("it is not over the last axis".into());
        }
        Ok(Value { code: format!("torch.softmax({}, {axis})", value.code), ..value })
    }

    /// Layer normalisation over the last axis.
    pub(super) fn layer_norm(&mut self, node: &'a Node) -> Result<Value, String> {
        known(node, &["axis", "epsilon", "stash_type"])?;
        let value = self.exactly(argument(node, 0)?)?;
        if axis_of(integer(node, "axis", -1)?, value.rank)? + 1 != value.rank {
            return Err("it is not over the last axis".into());
        }
        let scale_name = argument(node, 1)?;
        let Constant { dims, .. } = self.constant(scale_name)?;
        let scale = self.exact(scale_name)?;
        let shift = match node.input_at(2) {
            None => "None".to_owned(),
            Some(name) => self.exact(name)?,
        };
        let epsilon = literal(node.float("epsilon").unwrap_or(1e-5));
        Ok(Value {
            code: format!("torch.layer_norm({}, {dims:?}, {scale}, {shift}, {epsilon})", value.code),
            ..value
        })
    }

    /// A reduction: in the value's own type if it only picks, else in f32.
    pub(super) fn reduced(&mut self, function: &str, node: &'a Node) -> Result<Value, String> {
        known(node, &["axes", "keepdims", "noop_with_empty_axes"])?;
        let axes = self.axes(node)?;
        let is_kept = integer(node, "keepdims", 1)? != 0;
        let picks = matches!(function, "amax" | "amin");
        let value = if picks { self.first(node)? } else { self.exactly(argument(node, 0)?)? };
        for &axis in &axes {
            axis_of(axis, value.rank)?;
        }
        let rank = if is_kept { value.rank } else { value.rank.saturating_sub(axes.len()) };
        let kept = if is_kept { "True" } else { "False" };
        Ok(Value {
            code: format!("torch.{function}({}, {axes:?}, {kept})", value.code),
            kind: value.kind,
            rank,
        })
    }

    /// A reduction over all axes behind the channels, which stay.
    pub(super) fn global(&mut self, function: &str, node: &'a Node) -> Result<Value, String> {
        known(node, &[])?;
        let value = if function == "amax" { self.first(node)? } else { self.exactly(argument(node, 0)?)? };
        let axes: Vec<usize> = (2..value.rank).collect();
        if axes.is_empty() {
            return Err("its input has nothing but channels".into());
        }
        Ok(Value { code: format!("torch.{function}({}, {axes:?}, True)", value.code), ..value })
    }

    pub(super) fn arg_max(&mut self, node: &'a Node) -> Result<Value, String> {
        known(node, &["axis", "keepdims", "select_last_index"])?;
        if integer(node, "select_last_index", 0)? != 0 {
            return Err("it takes the last of equal values".into());
        }
        let value = self.exactly(argument(node, 0)?)?;
        let axis = axis_of(integer(node, "axis", 0)?, value.rank)?;
        let is_kept = integer(node, "keepdims", 1)? != 0;
        let kept = if is_kept { "True" } else { "False" };
        let rank = if is_kept { value.rank } else { value.rank - 1 };
        Ok(Value {
            code: format!("torch.argmax({}, {axis}, {kept})", value.code),
            kind: Kind::Integers,
            rank,
        })
    }

    /// A batch norm as a factor and an offset for each channel.
    pub(super) fn norm_factors(&self, node: &'a Node) -> Result<(Vec<f64>, Vec<f64>), String> {
        known(node, &["epsilon", "momentum", "spatial", "training_mode"])?;
        if integer(node, "training_mode", 0)? != 0 || integer(node, "spatial", 1)? != 1 {
            return Err("it is not that of a trained network".into());
        }
        let list = |index| Ok::<_, String>(self.constant(argument(node, index)?)?.values);
        let (scale, shift, mean, variance) = (list(1)?, list(2)?, list(3)?, list(4)?);
        let count = scale.len();
        if [&shift, &mean, &variance].iter().any(|values| values.len() != count) {
            return Err("its constants have different lengths".into());
        }
        let epsilon = f64::from(node.float("epsilon").unwrap_or(1e-5));
        let factor: Vec<f64> = scale
            .iter()
            .zip(&variance)
            .map(|(&scale, &variance)| f64::from(scale) / (f64::from(variance) + epsilon).sqrt())
            .collect();
        let offset = shift.iter().zip(&mean).zip(&factor);
        let offset: Vec<f64> =
            offset.map(|((&shift, &mean), factor)| f64::from(shift) - f64::from(mean) * factor).collect();
        match factor.iter().chain(&offset).all(|value| (*value as f32).is_finite()) {
            true => Ok((factor, offset)),
            false => Err("its factors are not finite".into()),
        }
    }

    pub(super) fn batch_norm(&mut self, node: &'a Node) -> Result<Value, String> {
        let (factor, offset) = self.norm_factors(node)?;
        let value = self.exactly(argument(node, 0)?)?;
        if value.rank < 2 {
            return Err("its input has no channels".into());
        }
        let mut shape = vec![1; value.rank];
        shape[1] = factor.len();
        let single = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<f32>>();
        let output = &node.output[0];
        let factor = self.parameter(&format!("{output}_factor"), &shape, &single(&factor));
        let offset = self.parameter(&format!("{output}_offset"), &shape, &single(&offset));
        let scaled = format!("torch.mul({}, torch.to({factor}, {FLOAT}))", value.code);
        Ok(Value { code: format!("torch.add({scaled}, torch.to({offset}, {FLOAT}))"), ..value })
    }
}

/// A number in the code, exactly.
pub(super) fn literal(value: f32) -> String {
    format!("{:?}", f64::from(value))
}

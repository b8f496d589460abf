//! Operators that move values without computing: other shapes, orders, and parts.

use super::arithmetic::literal;
use super::lengths::Length;
use super::{Kind, Value, Writer, argument, axis_of, integer, known, operator};
use crate::onnx::Node;

/// The most values that `Gather` picks by a list.
const MOST_PICKED: usize = 64;

impl<'a> Writer<'a> {
    pub(super) fn concat(&mut self, node: &'a Node) -> Result<Value, String> {
        known(node, &["axis"])?;
        if node.attribute("axis").is_none() {
            return Err("it has no axis".into());
        }
        let axis = integer(node, "axis", 0)?;
        let parts: Result<Vec<Value>, String> = node.input.iter().map(|input| self.exactly(input)).collect();
        let mut parts = parts?;
        let rank = parts.first().ok_or("it has no input")?.rank;
        // A graph for one patch may hold constants for one patch, such as tokens.
        let computed = node.input.iter().position(|input| !self.is_constant(input));
        if self.batch == Some(1)
            && axis_of(axis, rank)? != 0
            && let Some(computed) = computed
        {
            let first = parts[computed].code.clone();
            let others = ", -1".repeat(rank - 1);
            for (input, part) in node.input.iter().zip(&mut parts) {
                if self.is_constant(input) {
                    part.code = format!("torch.expand({}, [torch.size({first}, 0){others}])", part.code);
                }
            }
        }
        let codes: Vec<&str> = parts.iter().map(|part| part.code.as_str()).collect();
        Ok(Value { code: format!("torch.cat([{}], {axis})", codes.join(", ")), kind: Kind::F32, rank })
    }

    pub(super) fn unsqueeze(&mut self, node: &'a Node) -> Result<Value, String> {
        known(node, &["axes"])?;
        let axes = self.axes(node)?;
        let mut value = self.first(node)?;
        let rank = value.rank + axes.len();
        let mut places: Vec<usize> =
            axes.iter().map(|&axis| axis_of(axis, rank)).collect::<Result<_, _>>()?;
        places.sort_unstable();
        // One axis is written as the graph has it.
        if let &[axis] = axes.as_slice() {
            return Ok(Value { code: format!("torch.unsqueeze({}, {axis})", value.code), rank, ..value });
        }
        for place in places {
            value.code = format!("torch.unsqueeze({}, {place})", value.code);
        }
        Ok(Value { rank, ..value })
    }

    pub(super) fn squeeze(&mut self, node: &'a Node) -> Result<Value, String> {
        known(node, &["axes"])?;
        let axes = self.axes(node)?;
        let mut value = self.first(node)?;
        let rank = value.rank;
        let mut places: Vec<usize> =
            axes.iter().map(|&axis| axis_of(axis, rank)).collect::<Result<_, _>>()?;
        places.sort_unstable();
        places.dedup();
        for place in places.iter().rev() {
            value.code = format!("torch.squeeze({}, {place})", value.code);
        }
        Ok(Value { rank: rank - places.len(), ..value })
    }

    pub(super) fn transpose(&mut self, node: &'a Node) -> Result<Value, String> {
        known(node, &["perm"])?;
        let value = self.first(node)?;
        let reversed: Vec<i64> = (0..value.rank as i64).rev().collect();
        let order = node.ints("perm").map_or(reversed, <[i64]>::to_vec);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..value.rank as i64) {
            return Err(format!("its order is {order:?}, its input has {} axes", value.rank));
        }
        Ok(Value { code: format!("torch.permute({}, {order:?})", value.code), ..value })
    }

    pub(super) fn flatten(&mut self, node: &'a Node) -> Result<Value, String> {
        known(node, &["axis"])?;
        let value = self.first(node)?;
        if integer(node, "axis", 1)? != 1 || value.rank < 2 {
            return Err("it does not keep the batch alone".into());
        }
        Ok(Value { code: format!("torch.flatten({}, 1, -1)", value.code), rank: 2, ..value })
    }

    pub(super) fn reshape(&mut self, node: &'a Node) -> Result<Value, String> {
        known(node, &["allowzero"])?;
        let value = self.first(node)?;
        let lengths =
            self.lengths_of(argument(node, 1)?).ok_or("its shape is not computed from lengths")?.values;
        let is_zero_copied = integer(node, "allowzero", 0)? == 0;
        let has_open = lengths.contains(&Length::Known(-1));
        let mut dims = Vec::new();
        for (axis, length) in lengths.iter().enumerate() {
            dims.push(match length {
                Length::Known(0) if is_zero_copied && axis < value.rank => {
                    format!("torch.size({}, {axis})", value.code)
                }
                Length::Known(0) => return Err("its shape is empty".into()),
                // The batch that the graph fixes is any batch here.
                Length::Known(batch) if axis == 0 && Some(*batch) == self.batch => match has_open {
                    true => format!("torch.size({}, 0)", value.code),
                    false => "-1".into(),
                },
                other => other.code(),
            });
        }
        Ok(Value {
            code: format!("torch.reshape({}, [{}])", value.code, dims.join(", ")),
            rank: dims.len(),
            ..value
        })
    }

    pub(super) fn expand(&mut self, node: &'a Node) -> Result<Value, String> {
        known(node, &[])?;
        let value = self.exactly(argument(node, 0)?)?;
        let lengths =
            self.lengths_of(argument(node, 1)?).ok_or("its shape is not computed from lengths")?.values;
        let rank = value.rank.max(lengths.len());
        let missing = rank - lengths.len();
        let dims: Vec<String> = (0..rank)
            .map(|axis| match axis.checked_sub(missing).map(|at| &lengths[at]) {
                // A length of 1 keeps what there is.
                None | Some(Length::Known(1)) if axis >= rank - value.rank => "-1".into(),
                None => "1".into(),
                Some(length) => length.code(),
            })
            .collect();
        Ok(Value { code: format!("torch.expand({}, [{}])", value.code, dims.join(", ")), rank, ..value })
    }

    /// Slices with constant limits.
    pub(super) fn slice(&mut self, node: &'a Node) -> Result<Value, String> {
        known(node, &["axes", "ends", "starts"])?;
        let mut value = self.first(node)?;
        let list = |index: usize, name: &str| match node.input_at(index) {
            Some(input) => self.integers(input).map(Some),
            None => Ok(node.ints(name).map(<[i64]>::to_vec)),
        };
        let starts = list(1, "starts")?.ok_or("it has no starts")?;
        let ends = list(2, "ends")?.ok_or("it has no ends")?;
        let axes = list(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = list(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
        if [&ends, &axes, &steps].iter().any(|list| list.len() != starts.len()) {
            return Err("its limits are not of one length".into());
        }
        for (((&start, &end), &axis), &step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
            let axis = axis_of(axis, value.rank)?;
            if step < 1 {
                return Err("it goes backwards".into());
            }
            // All of the batch that the graph fixes is all of any.
            let is_whole =
                axis == 0 && start == 0 && step == 1 && self.batch.is_some_and(|batch| end >= batch);
            if !is_whole {
                value.code = format!("torch.slice({}, {axis}, {start}, {end}, {step})", value.code);
            }
        }
        Ok(value)
    }

    /// One or a few places along an axis.
    pub(super) fn gather(&mut self, node: &'a Node) -> Result<Value, String> {
        known(node, &["axis"])?;
        let value = self.first(node)?;
        let axis = axis_of(integer(node, "axis", 0)?, value.rank)?;
        let name = argument(node, 1)?;
        let indices = self.integers(name)?;
        let rank = self.constants[self.original(name)].dims.len();
        let x = &value.code;
        match (rank, indices.as_slice()) {
            (0, &[index]) => Ok(Value {
                code: format!("torch.select({x}, {axis}, {index})"),
                rank: value.rank - 1,
                ..value
            }),
            (1, list) if (1..=MOST_PICKED).contains(&list.len()) => {
                let picked: Vec<String> = list
                    .iter()
                    .map(|index| format!("torch.unsqueeze(torch.select({x}, {axis}, {index}), {axis})"))
                    .collect();
                Ok(Value { code: format!("torch.cat([{}], {axis})", picked.join(", ")), ..value })
            }
            _ => Err("its indices are not one number or a short list".into()),
        }
    }

    /// For each row one of its parts: `indices` are `[n, 1]`, and count along the second axis.
    pub(super) fn gather_nd(&mut self, node: &'a Node) -> Result<Value, String> {
        known(node, &["batch_dims"])?;
        let (value, indices) = (self.first(node)?, self.value(argument(node, 1)?)?);
        let is_choice = integer(node, "batch_dims", 0)? == 1 && indices.rank == 2 && value.rank >= 2;
        if !is_choice || indices.kind != Kind::Integers {
            return Err("it is no choice of one part a row".into());
        }
        let (x, ones) = (&value.code, ", 1".repeat(value.rank - 1));
        // More than one index a row fails here.
        let chosen = format!("torch.reshape({}, [torch.size({x}, 0){ones}])", indices.code);
        let code = format!("torch.select(torch.take_along_dim({x}, {chosen}, 1), 1, 0)");
        Ok(Value { code, rank: value.rank - 1, ..value })
    }

    pub(super) fn pad(&mut self, node: &'a Node) -> Result<Value, String> {
        known(node, &["mode", "pads"])?;
        let value = self.first(node)?;
        let pads = match node.input_at(1) {
            Some(input) => self.integers(input)?,
            None => node.ints("pads").map(<[i64]>::to_vec).ok_or("it has no pads")?,
        };
        if pads.len() != 2 * value.rank || node.input_at(3).is_some() {
            return Err(format!("its pads are {pads:?}, its input has {} axes", value.rank));
        }
        if pads.iter().any(|&pad| pad < 0) {
            return Err("it cuts".into());
        }
        let (before, after) = pads.split_at(value.rank);
        // torch lists the last axis first, and only as many as change.
        let first = before.iter().zip(after).position(|(&before, &after)| before + after > 0);
        let Some(first) = first else { return Ok(value) };
        let both: Vec<i64> = (first..value.rank).rev().flat_map(|axis| [before[axis], after[axis]]).collect();
        let x = &value.code;
        let code = match node.string("mode") {
            None | Some(b"constant") => {
                let filler = match node.input_at(2) {
                    None => 0.0,
                    Some(name) => self.scalar(name)?.ok_or("its value is not one number")?,
                };
                format!("torch.constant_pad_nd({x}, {both:?}, {})", literal(filler))
            }
            // For the last axes of an image alone.
            Some(b"reflect") if first >= 2 && value.rank <= 4 => {
                format!("torch.reflection_pad{}d({x}, {:?})", value.rank - 2, {
                    let mut all = both;
                    all.resize(2 * (value.rank - 2), 0);
                    all
                })
            }
            Some(_) => return Err("its mode is neither constant nor reflect on the last axes".into()),
        };
        Ok(Value { code, ..value })
    }

    /// Parts along an axis: the one node with several outputs.
    pub(super) fn split(&mut self, node: &'a Node) -> Result<(), String> {
        if operator(node) != "Split" || node.output.is_empty() || node.output.iter().any(String::is_empty) {
            return Err("it does not have exactly one output".into());
        }
        known(node, &["axis", "split"])?;
        let value = self.first(node)?;
        let axis = axis_of(integer(node, "axis", 0)?, value.rank)?;
        let sizes = match node.input_at(1) {
            Some(input) => self.integers(input)?,
            None => node.ints("split").map(<[i64]>::to_vec).ok_or("the sizes of its parts are not stated")?,
        };
        if sizes.len() != node.output.len() || sizes.iter().any(|&size| size < 0) {
            return Err(format!("it has {} outputs for the sizes {sizes:?}", node.output.len()));
        }
        let mut start = 0i64;
        for (output, size) in node.output.iter().zip(sizes) {
            let end = start.checked_add(size).ok_or("its parts are too large")?;
            let code = format!("torch.slice({}, {axis}, {start}, {end}, 1)", value.code);
            self.set(output, Value { code, ..value.clone() });
            start = end;
        }
        Ok(())
    }
}

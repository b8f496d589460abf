//! Walks a graph's nodes and turns what each computes into expressions.

use super::expression::{Arena, Function, Id, Operation};
use crate::engine::graph::constant::{BATCH, Constant};
use crate::engine::graph::view::{Axis, View, axis_index};
use crate::engine::graph::walk::{Values, folded, needed_nodes, only_input, optional_ints};
pub(super) use crate::engine::graph::walk::{floats, weights_of};
use crate::onnx::{Graph, Node, element};

pub(super) type Value = crate::engine::graph::walk::Value<Id>;

/// An output of the graph: its name, and the expression for its vector per patch.
pub(super) struct TracedOutput {
    pub name: String,
    pub id: Id,
}

pub(super) struct Trace<'a> {
    pub arena: Arena,
    pub input_name: String,
    pub rows: usize,
    pub columns: usize,
    batch: Option<i64>,
    values: Values<'a, Id>,
}

/// The graph as expressions, or why it cannot be read.
pub(super) fn trace(graph: &Graph) -> Result<(Trace<'_>, Vec<TracedOutput>), String> {
    let mut trace = Trace::start(graph)?;
    for node in needed_nodes(graph)? {
        trace.step(node).map_err(|reason| {
            let name = node.output.first().map_or(node.name(), String::as_str);
            format!("{} `{name}`: {reason}", node.op_type())
        })?;
    }
    let mut outputs = Vec::new();
    for output in &graph.output {
        let name = output.name();
        match trace.values.get(name) {
            Some(Value::Tensor { id, view }) if view.is_rows() => {
                outputs.push(TracedOutput { name: name.to_owned(), id: *id });
            }
            Some(Value::Tensor { .. }) => {
                return Err(format!("output {name} is not a vector per patch"));
            }
            Some(Value::Constant(_)) => return Err(format!("output {name} is constant")),
            None => return Err(format!("output {name} is never computed")),
        }
    }
    if outputs.is_empty() {
        return Err("the graph has no outputs".into());
    }
    Ok((trace, outputs))
}

impl<'a> Trace<'a> {
    fn start(graph: &'a Graph) -> Result<Self, String> {
        let (input, dims) = only_input(graph)?;
        let (batch, rest) = dims.split_first().ok_or("the input is a scalar")?;
        let batch = batch.map(|batch| batch as i64);
        let fixed: Option<Vec<usize>> = rest.iter().copied().collect();
        let fixed = fixed.ok_or("the graph does not fix the size of a patch")?;
        // [n, frames, bands], or with an axis for the one channel, first or last.
        let (axes, rows, columns) = match fixed[..] {
            [rows, columns] => (vec![Axis::Row, Axis::Column], rows, columns),
            [1, rows, columns] => (vec![Axis::Unit, Axis::Row, Axis::Column], rows, columns),
            [rows, columns, 1] => (vec![Axis::Row, Axis::Column, Axis::Unit], rows, columns),
            _ => return Err(format!("the input is {dims:?}, not patches of frames x bands")),
        };
        if !(32..=4096).contains(&rows) || !(32..=4096).contains(&columns) || rows * columns > 1 << 20 {
            return Err(format!("a patch of {rows} x {columns} values"));
        }
        let mut arena = Arena::default();
        let id = arena.input(rows, columns);
        let mut view = vec![Axis::Batch];
        view.extend(axes);
        let mut values = Values::of_initializers(graph);
        values.insert(input.name(), Value::Tensor { id, view: View(view) });
        Ok(Self { arena, input_name: input.name().to_owned(), rows, columns, batch, values })
    }

    fn step(&mut self, node: &'a Node) -> Result<(), String> {
        let inputs = self.values.inputs_of(node)?;
        let value = match folded(node, &inputs)? {
            Some(constant) => Value::Constant(constant),
            None => self.apply(node, &inputs)?,
        };
        let output = node.output.first().ok_or("it has no output")?;
        self.values.insert(output, value);
        Ok(())
    }

    fn apply(&mut self, node: &Node, inputs: &[Option<Value>]) -> Result<Value, String> {
        if let (Some(operation), [Some(a), Some(b)]) = (arithmetic(node.op_type()), inputs) {
            return self.binary(operation, a, b);
        }
        let Some(Some(Value::Tensor { id, view })) = inputs.first() else {
            return Err("a constant first operand".into());
        };
        let (id, view) = (*id, view.clone());
        let size = self.arena.size(id);
        let keep = |id: Id| Ok(Value::Tensor { id, view: view.clone() });
        match node.op_type() {
            "Identity" | "Dropout" => keep(id),
            "Cast" if node.int("to") == Some(element::F32) => keep(id),
            "Sigmoid" => keep(self.arena.function(Function::Sigmoid, id)?),
            "Swish" if node.float("alpha").unwrap_or(1.0) == 1.0 => {
                keep(self.arena.function(Function::Silu, id)?)
            }
            "Relu" => keep(self.arena.function(Function::Relu, id)?),
            "Tanh" => keep(self.arena.function(Function::Tanh, id)?),
            "Exp" => keep(self.arena.function(Function::Exp, id)?),
            "Sqrt" => keep(self.arena.function(Function::Sqrt, id)?),
            "Reciprocal" => keep(self.arena.function(Function::Reciprocal, id)?),
            "Neg" => keep(self.arena.affine(id, &[-1.0], &[0.0])?),
            "Pow" => match floats(inputs, 1)?[..] {
                [2.0] => keep(self.arena.binary(Operation::Mul, id, id)?),
                [0.5] => keep(self.arena.function(Function::Sqrt, id)?),
                _ => Err("a power other than 2 or 0.5".into()),
            },
            "Softmax" => {
                let axis = axis_index(node.int("axis").unwrap_or(-1), view.rank())?;
                if view.0[axis] != Axis::Channel {
                    return Err("a softmax over an axis other than the channels".into());
                }
                keep(self.arena.function(Function::Softmax, id)?)
            }
            "LayerNormalization" => {
                let axis = axis_index(node.int("axis").unwrap_or(-1), view.rank())?;
                if view.0[axis] != Axis::Channel || axis + 1 != view.rank() {
                    return Err("a layer norm over an axis other than the channels".into());
                }
                let scale = floats(inputs, 1)?;
                let shift = if inputs.len() > 2 { floats(inputs, 2)? } else { vec![0.0; scale.len()] };
                let epsilon = node.float("epsilon").unwrap_or(1e-5);
                keep(self.arena.layer_norm(id, scale.into(), shift.into(), epsilon)?)
            }
            "Transpose" => {
                let reversed: Vec<i64> = (0..view.rank() as i64).rev().collect();
                let view = view.transpose(node.ints("perm").unwrap_or(&reversed))?;
                Ok(Value::Tensor { id, view })
            }
            "Squeeze" => {
                let axes = optional_ints(node, inputs, "axes")?;
                Ok(Value::Tensor { id, view: view.squeeze(axes.as_deref())? })
            }
            "Unsqueeze" => {
                let axes = optional_ints(node, inputs, "axes")?.ok_or("its axes are missing")?;
                Ok(Value::Tensor { id, view: view.unsqueeze(&axes)? })
            }
            "Reshape" => {
                let target = optional_ints(node, inputs, "shape")?.ok_or("its shape is missing")?;
                Ok(Value::Tensor { id, view: view.reshape(&target, size, self.batch)? })
            }
            "Flatten" => {
                if node.int("axis").unwrap_or(1) != 1 || !view.is_rows() || view.0[0] != Axis::Batch {
                    return Err("a flatten of more than one axis".into());
                }
                let channel = if size.channels == 1 { Axis::Unit } else { Axis::Channel };
                Ok(Value::Tensor { id, view: View(vec![Axis::Batch, channel]) })
            }
            "Shape" => Ok(Value::Constant(Constant::ints(view.dims(size, self.batch)))),
            "Slice" => self.slice(node, inputs, id, view),
            "Pad" => self.pad(node, inputs, id, view),
            "BatchNormalization" => self.batch_norm(node, inputs, id, view),
            "Conv" => self.conv(node, inputs, id, &view),
            "MatMul" => self.matmul(&weights_of(inputs, 1)?, id, view),
            "Gemm" => self.gemm(node, inputs, id, view),
            "GlobalAveragePool" => {
                if !view.is_nchw(size) {
                    return Err("a pooling over axes other than rows and columns".into());
                }
                let id = self.arena.pool(id);
                Ok(Value::Tensor { id, view: View::canonical(self.arena.size(id)) })
            }
            "ReduceMean" => self.reduce_mean(node, inputs, id, view),
            _ => Err("an operator that an EfficientNet-B0 does not have".into()),
        }
    }

    fn binary(&mut self, operation: Operation, a: &Value, b: &Value) -> Result<Value, String> {
        use Operation::{Add, Div, Mul, Sub};
        let (id, view) = match (a, b) {
            (Value::Tensor { id: a, view: va }, Value::Tensor { id: b, view: vb }) => {
                let (sa, sb) = (self.arena.size(*a), self.arena.size(*b));
                // Axes must match, counted from the last. An axis of one element matches any.
                let (ra, rb) = (va.rank(), vb.rank());
                let rank = ra.max(rb);
                let axis = |view: &View, i: usize| {
                    (i + view.rank()).checked_sub(rank).map_or(Axis::Unit, |i| view.0[i])
                };
                let mut axes = Vec::with_capacity(rank);
                for i in 0..rank {
                    let (x, y) = (axis(va, i), axis(vb, i));
                    if x != y && x != Axis::Unit && y != Axis::Unit {
                        return Err(format!("axes of {va:?} with axes of {vb:?}"));
                    }
                    axes.push(if x == Axis::Unit { y } else { x });
                }
                if axes.iter().filter(|&&axis| axis == Axis::Batch).count() != 1 {
                    return Err(format!("axes of {va:?} with axes of {vb:?} for {sa:?} and {sb:?}"));
                }
                (self.arena.binary(operation, *a, *b)?, View(axes))
            }
            (Value::Tensor { id, view }, Value::Constant(constant)) => {
                let (id, view, values) = self.per_channel(*id, view, constant)?;
                let zero = [0.0];
                let inverse = |values: &[f32]| values.iter().map(|value| 1.0 / value).collect::<Vec<_>>();
                let id = match operation {
                    Add => self.arena.affine(id, &[1.0], &values)?,
                    Sub => {
                        let negative: Vec<f32> = values.iter().map(|value| -value).collect();
                        self.arena.affine(id, &[1.0], &negative)?
                    }
                    Mul => self.arena.affine(id, &values, &zero)?,
                    Div => self.arena.affine(id, &inverse(&values), &zero)?,
                };
                (id, view)
            }
            (Value::Constant(constant), Value::Tensor { id, view }) => {
                let (id, view, values) = self.per_channel(*id, view, constant)?;
                let id = match operation {
                    Add => self.arena.affine(id, &[1.0], &values)?,
                    Sub => self.arena.affine(id, &[-1.0], &values)?,
                    Mul => self.arena.affine(id, &values, &[0.0])?,
                    Div => {
                        let inverse = self.arena.function(Function::Reciprocal, id)?;
                        self.arena.affine(inverse, &values, &[0.0])?
                    }
                };
                (id, view)
            }
            (Value::Constant(_), Value::Constant(_)) => return Err("two constants".into()),
        };
        Ok(Value::Tensor { id, view })
    }

    /// A constant as one value per tensor or per channel.
    fn per_channel(&self, id: Id, view: &View, constant: &Constant) -> Result<(Id, View, Vec<f32>), String> {
        let values = constant.as_floats()?;
        let channels = self.arena.size(id).channels;
        if values.len() == 1 && constant.dims.len() <= view.rank() {
            return Ok((id, view.clone(), values.to_vec()));
        }
        let fits = constant.dims.len() <= view.rank()
            && values.len() == channels
            && constant
                .dims
                .iter()
                .rev()
                .zip(view.0.iter().rev())
                .all(|(&dim, &axis)| dim == if axis == Axis::Channel { channels } else { 1 });
        if !fits {
            return Err(format!("a constant of {:?} on axes {:?}", constant.dims, view.0));
        }
        Ok((id, view.clone(), values.to_vec()))
    }

    fn slice(&self, node: &Node, inputs: &[Option<Value>], id: Id, view: View) -> Result<Value, String> {
        let list = |position: usize, name: &str| -> Result<Option<Vec<i64>>, String> {
            match inputs.get(position).and_then(Option::as_ref) {
                Some(Value::Constant(constant)) => Ok(Some(constant.as_ints()?.to_vec())),
                Some(Value::Tensor { .. }) => Err("bounds that depend on the input".into()),
                None => Ok(node.ints(name).map(<[i64]>::to_vec)),
            }
        };
        let starts = list(1, "starts")?.ok_or("its starts are missing")?;
        let ends = list(2, "ends")?.ok_or("its ends are missing")?;
        let axes = list(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = list(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
        let dims = view.dims(self.arena.size(id), self.batch);
        let whole = starts.len() == ends.len()
            && starts.len() == axes.len()
            && steps.iter().all(|&step| step == 1)
            && starts.iter().all(|&start| start == 0)
            && ends.iter().zip(&axes).all(|(&end, &axis)| {
                axis_index(axis, dims.len()).is_ok_and(|axis| {
                    end == dims[axis]
                        || (dims[axis] != BATCH && end >= dims[axis])
                        || end >= i64::from(i32::MAX)
                })
            });
        if whole { Ok(Value::Tensor { id, view }) } else { Err("a slice that omits values".into()) }
    }

    fn pad(&mut self, node: &Node, inputs: &[Option<Value>], id: Id, view: View) -> Result<Value, String> {
        if node.string("mode").is_some_and(|mode| mode != b"constant") {
            return Err("a border that is not constant".into());
        }
        let value = match inputs.get(2).and_then(Option::as_ref) {
            Some(Value::Constant(constant)) => constant.as_floats()?.first().copied().unwrap_or(0.0),
            Some(Value::Tensor { .. }) => return Err("a border that depends on the input".into()),
            None => node.float("value").unwrap_or(0.0),
        };
        if value != 0.0 {
            return Err(format!("a border of {value}, not of zeros"));
        }
        let pads = optional_ints(node, inputs, "pads")?.ok_or("its border is missing")?;
        if pads.len() != 2 * view.rank() || inputs.get(3).is_some_and(Option::is_some) {
            return Err("a border that does not fit its tensor".into());
        }
        let mut border = [0usize; 4];
        for (i, &axis) in view.0.iter().enumerate() {
            for (side, pad) in [(0, pads[i]), (2, pads[view.rank() + i])] {
                let pad = usize::try_from(pad).map_err(|_| "a negative border")?;
                match axis {
                    Axis::Row => border[side] = pad,
                    Axis::Column => border[side + 1] = pad,
                    _ if pad == 0 => {}
                    _ => return Err(format!("a border along {axis:?}")),
                }
            }
        }
        Ok(Value::Tensor { id: self.arena.pad(id, border)?, view })
    }

    fn batch_norm(
        &mut self,
        node: &Node,
        inputs: &[Option<Value>],
        id: Id,
        view: View,
    ) -> Result<Value, String> {
        let size = self.arena.size(id);
        if view.0.get(1).is_none_or(|&axis| axis != Axis::Channel) || node.int("training_mode") == Some(1) {
            return Err("a batch norm over an axis other than the channels, or in training mode".into());
        }
        let [scale, shift, mean, variance] =
            [floats(inputs, 1)?, floats(inputs, 2)?, floats(inputs, 3)?, floats(inputs, 4)?];
        if [&scale, &shift, &mean, &variance].iter().any(|values| values.len() != size.channels) {
            return Err(format!("a batch norm that does not fit {} channels", size.channels));
        }
        let epsilon = f64::from(node.float("epsilon").unwrap_or(1e-5));
        let factors: Vec<f64> = scale
            .iter()
            .zip(&variance)
            .map(|(&scale, &variance)| f64::from(scale) / (f64::from(variance) + epsilon).sqrt())
            .collect();
        let offsets: Vec<f32> = (0..size.channels)
            .map(|c| (f64::from(shift[c]) - f64::from(mean[c]) * factors[c]) as f32)
            .collect();
        let factors: Vec<f32> = factors.into_iter().map(|factor| factor as f32).collect();
        Ok(Value::Tensor { id: self.arena.affine(id, &factors, &offsets)?, view })
    }

    fn reduce_mean(
        &mut self,
        node: &Node,
        inputs: &[Option<Value>],
        id: Id,
        view: View,
    ) -> Result<Value, String> {
        let axes = optional_ints(node, inputs, "axes")?.ok_or("a mean over everything")?;
        let mut over = Vec::new();
        let mut left = view.clone();
        let mut keep = vec![true; view.rank()];
        for &axis in &axes {
            let index = axis_index(axis, view.rank())?;
            if view.0[index] != Axis::Unit {
                over.push(view.0[index]);
            }
            left.0[index] = Axis::Unit;
            keep[index] = false;
        }
        if node.int("keepdims") == Some(0) {
            left = View(left.0.iter().zip(keep).filter(|(_, keep)| *keep).map(|(&axis, _)| axis).collect());
        }
        let size = self.arena.size(id);
        let essential_map: Vec<Axis> = [(size.rows, Axis::Row), (size.columns, Axis::Column)]
            .into_iter()
            .filter(|&(n, _)| n > 1)
            .map(|(_, axis)| axis)
            .collect();
        let id = match over[..] {
            [Axis::Channel] => self.arena.mean(id)?,
            _ if over.len() == essential_map.len()
                && essential_map.iter().all(|axis| over.contains(axis)) =>
            {
                self.arena.pool(id)
            }
            _ => return Err(format!("a mean over {over:?}")),
        };
        Ok(Value::Tensor { id, view: left })
    }
}

fn arithmetic(op: &str) -> Option<Operation> {
    Some(match op {
        "Add" => Operation::Add,
        "Sub" => Operation::Sub,
        "Mul" => Operation::Mul,
        "Div" => Operation::Div,
        _ => return None,
    })
}

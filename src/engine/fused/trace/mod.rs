//! Reads an ONNX graph: each node becomes operations on maps, while transposes, squeezes and reshapes that only name
//! axes differently become nothing.

mod layers;
mod shapes;

use super::ir::{Arithmetic, Function, Id, Ir, Op};
use crate::engine::graph::Size;
use crate::engine::graph::constant::Constant;
use crate::engine::graph::view::{Axis, View, axis_index};
use crate::engine::graph::walk::{
    Values, floats, folded, needed_nodes, only_input, optional_ints, weights_of,
};
use crate::onnx::{Graph, Node, element};

type Value = crate::engine::graph::walk::Value<Id>;

/// A network as operations. Its outputs are rows of channels, in the graph's order.
pub(super) struct Traced {
    pub ir: Ir,
    /// Name and values per row of each output.
    pub outputs: Vec<(String, usize)>,
}

struct Trace<'a> {
    ir: Ir,
    batch: Option<i64>,
    values: Values<'a, Id>,
}

/// The graph as operations on rows of the given shape, or why it cannot be read.
pub(super) fn trace(graph: &Graph, row: &[usize]) -> Result<Traced, String> {
    let mut trace = Trace::start(graph, row)?;
    for node in needed_nodes(graph)? {
        trace.step(node).map_err(|reason| {
            let name = node.output.first().map_or(node.name(), String::as_str);
            format!("{} `{name}`: {reason}", node.op_type())
        })?;
    }
    let mut outputs = Vec::new();
    for output in &graph.output {
        let name = output.name();
        match trace.values.get(name).cloned() {
            Some(Value::Tensor { id, view }) => {
                let id = trace.flat(id, &view)?;
                outputs.push((name.to_owned(), trace.ir.size(id).channels));
                trace.ir.outputs.push(id);
            }
            Some(Value::Constant(_)) => return Err(format!("output {name} is constant")),
            None => return Err(format!("output {name} is never computed")),
        }
    }
    if outputs.is_empty() {
        return Err("the graph has no outputs".into());
    }
    Ok(Traced { ir: trace.ir, outputs })
}

impl<'a> Trace<'a> {
    fn start(graph: &'a Graph, row: &[usize]) -> Result<Self, String> {
        let (input, dims) = only_input(graph)?;
        let batch = dims.first().copied().flatten().map(|batch| batch as i64);
        if dims.len() != row.len() + 1
            || dims[1..].iter().zip(row).any(|(dim, &n)| dim.is_some_and(|dim| dim != n))
        {
            return Err(format!("rows of {row:?}, but an input of {dims:?}"));
        }
        let mut trace = Self { ir: Ir::default(), batch, values: Values::of_initializers(graph) };
        let (size, mut view) = shapes::named(row)?;
        let mut id = trace.ir.push(Op::Input, size)?;
        if row.iter().filter(|&&n| n > 1).count() == 3 {
            // ONNX's layers take channels first.
            id = trace.arranged(id, [Axis::Row, Axis::Column, Axis::Channel])?;
            for axis in &mut view.0 {
                *axis = match *axis {
                    Axis::Row => Axis::Channel,
                    Axis::Column => Axis::Row,
                    Axis::Channel => Axis::Column,
                    other => other,
                };
            }
        }
        trace.values.insert(input.name(), Value::Tensor { id, view });
        Ok(trace)
    }

    fn size(&self, id: Id) -> Size {
        self.ir.size(id)
    }

    fn step(&mut self, node: &'a Node) -> Result<(), String> {
        let inputs = self.values.inputs_of(node)?;
        let value = match folded(node, &inputs)? {
            Some(constant) => Value::Constant(constant),
            None => self.apply(node, &inputs)?,
        };
        if node.output.iter().skip(1).any(|name| !name.is_empty() && node.op_type() != "Dropout") {
            return Err("more than one output".into());
        }
        let output = node.output.first().ok_or("it has no output")?;
        self.values.insert(output, value);
        Ok(())
    }

    fn apply(&mut self, node: &Node, inputs: &[Option<Value>]) -> Result<Value, String> {
        if node.op_type() == "Concat" {
            return self.concat(node, inputs);
        }
        if let (Some(operation), [Some(a), Some(b)]) = (arithmetic(node.op_type()), inputs) {
            return self.binary(operation, a, b);
        }
        let Some(Some(Value::Tensor { id, view })) = inputs.first() else {
            return Err("a constant first operand".into());
        };
        let (id, view) = (*id, view.clone());
        if let Some(function) = function(node, inputs)? {
            return Ok(Value::Tensor { id: self.ir.function(id, function)?, view });
        }
        match node.op_type() {
            "Identity" | "Dropout" => Ok(Value::Tensor { id, view }),
            "Cast" if node.int("to") == Some(element::F32) => Ok(Value::Tensor { id, view }),
            "Neg" => Ok(Value::Tensor { id: self.ir.affine(id, &[-1.0], &[0.0])?, view }),
            "Softmax" => {
                // In old operator sets, over all axes from this one, and from the second if none is stated: the same for
                // the last.
                if node.int("axis").is_none() && view.rank() != 2 {
                    return Err("a softmax that does not say over which axis".into());
                }
                let axis = axis_index(node.int("axis").unwrap_or(-1), view.rank())?;
                let is_one = view.0[axis] == Axis::Unit && self.size(id).channels == 1;
                if !(view.0[axis] == Axis::Channel || is_one) || axis + 1 != view.rank() {
                    return Err("a softmax over an axis other than the last, the channels".into());
                }
                let size = self.size(id);
                Ok(Value::Tensor { id: self.ir.push(Op::Softmax(id), size)?, view })
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
                if node.int("allowzero").unwrap_or(0) != 0 {
                    return Err("a reshape where 0 is a size".into());
                }
                let target = optional_ints(node, inputs, "shape")?.ok_or("its shape is missing")?;
                self.reshape(id, view, &target)
            }
            "Flatten" => {
                if node.int("axis").unwrap_or(1) != 1 {
                    return Err("a flatten that keeps other axes than the first".into());
                }
                self.reshape(id, view, &[0, -1])
            }
            "Shape" if node.int("start").is_none() && node.int("end").is_none() => {
                Ok(Value::Constant(Constant::ints(view.dims(self.size(id), self.batch))))
            }
            "Pad" => self.pad(node, inputs, id, view),
            "BatchNormalization" => self.batch_norm(node, inputs, id, view),
            "Conv" => self.conv(node, inputs, id, &view),
            "MatMul" => self.matmul(&weights_of(inputs, 1)?, id, view),
            "Gemm" => self.gemm(node, inputs, id, view),
            "MaxPool" | "AveragePool" => self.pool(node, id, &view),
            "GlobalAveragePool" | "GlobalMaxPool" => self.global_pool(node, id, &view),
            "ReduceMean" | "ReduceMax" | "ReduceSum" => self.reduce(node, inputs, id, view),
            _ => Err("an operator that the fused engine does not have".into()),
        }
    }

    fn binary(&mut self, operation: Arithmetic, a: &Value, b: &Value) -> Result<Value, String> {
        use Arithmetic::{Add, Div, Max, Min, Mul, Sub};
        let (id, view) = match (a, b) {
            (Value::Tensor { id: a, view: va }, Value::Tensor { id: b, view: vb }) => {
                // Axes must match, counted from the last. An axis of one element matches any.
                let rank = va.rank().max(vb.rank());
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
                    return Err(format!("axes of {va:?} with axes of {vb:?}"));
                }
                (self.ir.binary(operation, *a, *b)?, View(axes))
            }
            (Value::Tensor { id, view }, Value::Constant(constant)) => {
                let values = self.per_channel(*id, view, constant)?;
                let id = match operation {
                    Add => self.ir.affine(*id, &[1.0], &values)?,
                    Sub => self.ir.affine(*id, &[1.0], &values.iter().map(|v| -v).collect::<Vec<_>>())?,
                    Mul => self.ir.affine(*id, &values, &[0.0])?,
                    Div => {
                        let inverses: Vec<f32> = values.iter().map(|v| 1.0 / v).collect();
                        if !values.iter().chain(&inverses).all(|v| v.is_normal()) {
                            return Err("a division by what has no inverse".into());
                        }
                        self.ir.affine(*id, &inverses, &[0.0])?
                    }
                    Max | Min => {
                        let [limit] = values[..] else { return Err("a limit for each channel".into()) };
                        if limit.is_nan() {
                            return Err("a limit that is not a number".into());
                        }
                        let infinite = f32::INFINITY;
                        let (from, to) =
                            if operation == Max { (limit, infinite) } else { (-infinite, limit) };
                        self.ir.function(*id, Function::Clip(from, to))?
                    }
                };
                (id, view.clone())
            }
            (constant @ Value::Constant(numbers), tensor @ Value::Tensor { id, view }) => match operation {
                Add | Mul | Max | Min => return self.binary(operation, tensor, constant),
                Sub => {
                    let values = self.per_channel(*id, view, numbers)?;
                    (self.ir.affine(*id, &[-1.0], &values)?, view.clone())
                }
                Div => {
                    let values = self.per_channel(*id, view, numbers)?;
                    let inverse = self.ir.function(*id, Function::Reciprocal)?;
                    (self.ir.affine(inverse, &values, &[0.0])?, view.clone())
                }
            },
            (Value::Constant(_), Value::Constant(_)) => return Err("two constants".into()),
        };
        Ok(Value::Tensor { id, view })
    }

    /// A constant as one value for all, or one a channel.
    fn per_channel(&self, id: Id, view: &View, constant: &Constant) -> Result<Vec<f32>, String> {
        let values = constant.as_floats()?;
        let channels = self.size(id).channels;
        let fits = constant.dims.len() <= view.rank()
            && (values.len() == 1
                || values.len() == channels
                    && constant
                        .dims
                        .iter()
                        .rev()
                        .zip(view.0.iter().rev())
                        .all(|(&dim, &axis)| dim == if axis == Axis::Channel { channels } else { 1 }));
        if !fits {
            return Err(format!("a constant of {:?} on axes {:?}", constant.dims, view.0));
        }
        Ok(values.to_vec())
    }
}

fn arithmetic(op: &str) -> Option<Arithmetic> {
    Some(match op {
        "Add" => Arithmetic::Add,
        "Sub" => Arithmetic::Sub,
        "Mul" => Arithmetic::Mul,
        "Div" => Arithmetic::Div,
        "Max" => Arithmetic::Max,
        "Min" => Arithmetic::Min,
        _ => return None,
    })
}

/// The function that a node applies to each value.
fn function(node: &Node, inputs: &[Option<Value>]) -> Result<Option<Function>, String> {
    let limit = |position: usize, name: &str, otherwise: f32| -> Result<f32, String> {
        match inputs.get(position).is_some_and(Option::is_some) {
            true => match floats(inputs, position)?[..] {
                [value] => Ok(value),
                _ => Err("a limit that is not one value".into()),
            },
            false => Ok(node.float(name).unwrap_or(otherwise)),
        }
    };
    Ok(Some(match node.op_type() {
        "Relu" => Function::Relu,
        "Clip" => {
            let (from, to) = (limit(1, "min", f32::MIN)?, limit(2, "max", f32::MAX)?);
            if from.is_nan() || to.is_nan() || from > to {
                return Err(format!("limits {from} and {to}"));
            }
            Function::Clip(from, to)
        }
        "LeakyRelu" => match node.float("alpha").unwrap_or(0.01) {
            factor if (0.0..=1.0).contains(&factor) => Function::Leaky(factor),
            other => return Err(format!("a slope of {other}")),
        },
        "Elu" => Function::Elu(node.float("alpha").unwrap_or(1.0)),
        "Sigmoid" => Function::Sigmoid,
        "Swish" if node.float("alpha").unwrap_or(1.0) == 1.0 => Function::Silu,
        "Tanh" => Function::Tanh,
        "Gelu" if node.string("approximate").is_none_or(|kind| kind == b"none") => Function::Gelu,
        "Exp" => Function::Exp,
        "Log" => Function::Log,
        "Sqrt" => Function::Sqrt,
        "Reciprocal" => Function::Reciprocal,
        "Abs" => Function::Abs,
        "Pow" => match floats(inputs, 1)?[..] {
            [2.0] => Function::Square,
            _ => return Err("a power other than 2".into()),
        },
        _ => return Ok(None),
    }))
}

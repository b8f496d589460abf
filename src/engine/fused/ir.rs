//! What a graph computes for one row of its input, without layout: operations on maps of `[rows, columns, channels]`.

use std::sync::Arc;

use crate::engine::graph::Size;
use crate::engine::graph::view::Axis;

/// The index of a node in its [`Ir`]; operands have smaller ones.
pub(super) type Id = usize;

/// Zeros around a map: above, left, below, right.
pub(super) type Pads = [usize; 4];

/// A function of one value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Function {
    Relu,
    /// Limits, such as 0 and 6.
    Clip(f32, f32),
    /// Factor of negative values, below 1.
    Leaky(f32),
    /// Factor of `exp(x) - 1` for negative values.
    Elu(f32),
    Sigmoid,
    Silu,
    Tanh,
    Gelu,
    Exp,
    Log,
    Sqrt,
    Reciprocal,
    Abs,
    Square,
}

/// A function of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Max,
    Min,
}

/// A step that computes each value from the same value, and its channel's constants.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Function(Function),
    /// One scale and one shift a channel.
    Affine(Arc<[f32]>, Arc<[f32]>),
}

/// A convolution of two dimensions. Zeros surround its input.
#[derive(Clone, Debug)]
pub(super) struct Conv {
    pub x: Id,
    /// `[output][input of the group][kernel row][kernel column]`
    pub weights: Arc<[f32]>,
    pub bias: Arc<[f32]>,
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    pub pads: Pads,
    pub groups: usize,
}

/// What a window of values becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pooling {
    Max,
    /// The mean of the values inside the map.
    Mean,
    /// Their sum divided by the size of the window, whose part outside the map counts as zeros.
    MeanWithPads,
    Sum,
}

/// A pooling over windows. What is outside the map is ignored.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    pub x: Id,
    pub pooling: Pooling,
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub pads: Pads,
}

/// What a node computes.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Input,
    Conv(Conv),
    Pool(Pool),
    /// Max, mean or sum over the channels.
    Channels(Pooling, Id),
    Step(Id, Step),
    /// The second operand has the size of the first, or is one value a channel, or one value.
    Binary(Arithmetic, Id, Id),
    Concat(Vec<Id>, Axis),
    Softmax(Id),
    /// The values in the order of these axes, slowest first, as a map of this node's size.
    Relayout(Id, [Axis; 3]),
    Pad(Id, Pads),
}

impl Op {
    pub fn operands(&self) -> Vec<Id> {
        match self {
            Op::Input => vec![],
            Op::Conv(conv) => vec![conv.x],
            Op::Pool(pool) => vec![pool.x],
            Op::Channels(_, x) | Op::Step(x, _) | Op::Softmax(x) | Op::Relayout(x, _) | Op::Pad(x, _) => {
                vec![*x]
            }
            Op::Binary(_, a, b) => vec![*a, *b],
            Op::Concat(parts, _) => parts.clone(),
        }
    }

    /// The same operation on other operands.
    pub fn map(mut self, to: impl Fn(Id) -> Id) -> Self {
        match &mut self {
            Op::Input => {}
            Op::Conv(conv) => conv.x = to(conv.x),
            Op::Pool(pool) => pool.x = to(pool.x),
            Op::Channels(_, x) | Op::Step(x, _) | Op::Softmax(x) | Op::Relayout(x, _) | Op::Pad(x, _) => {
                *x = to(*x)
            }
            Op::Binary(_, a, b) => (*a, *b) = (to(*a), to(*b)),
            Op::Concat(parts, _) => parts.iter_mut().for_each(|part| *part = to(*part)),
        }
        self
    }
}

/// The operations in order, and which of them are the graph's outputs.
#[derive(Clone, Debug, Default)]
pub(super) struct Ir {
    pub nodes: Vec<(Op, Size)>,
    pub outputs: Vec<Id>,
}

/// More operations than any network that is meant.
const MAX_NODES: usize = 4096;
/// More values than any map of a network that is meant.
const MAX_VALUES: usize = 1 << 26;

impl Ir {
    pub fn size(&self, id: Id) -> Size {
        self.nodes[id].1
    }

    pub fn op(&self, id: Id) -> &Op {
        &self.nodes[id].0
    }

    /// Adds an operation whose size is known.
    pub fn push(&mut self, op: Op, size: Size) -> Result<Id, String> {
        let values = [size.rows, size.columns, size.channels]
            .iter()
            .try_fold(1usize, |product, &n| product.checked_mul(n));
        if values.is_none_or(|values| values == 0 || values > MAX_VALUES) {
            return Err(format!("a map of {size:?}"));
        }
        if self.nodes.len() >= MAX_NODES {
            return Err(format!("more than {MAX_NODES} operations"));
        }
        self.nodes.push((op, size));
        Ok(self.nodes.len() - 1)
    }

    pub fn function(&mut self, x: Id, function: Function) -> Result<Id, String> {
        self.push(Op::Step(x, Step::Function(function)), self.size(x))
    }

    /// `x * scale + shift`, where each is one value or one a channel.
    pub fn affine(&mut self, x: Id, scale: &[f32], shift: &[f32]) -> Result<Id, String> {
        let size = self.size(x);
        let wide = |values: &[f32]| -> Result<Arc<[f32]>, String> {
            match values.len() {
                1 => Ok(vec![values[0]; size.channels].into()),
                n if n == size.channels => Ok(values.into()),
                n => Err(format!("{n} constants for {} channels", size.channels)),
            }
        };
        let (scale, shift) = (wide(scale)?, wide(shift)?);
        self.push(Op::Step(x, Step::Affine(scale, shift)), size)
    }

    pub fn binary(&mut self, operation: Arithmetic, a: Id, b: Id) -> Result<Id, String> {
        use Arithmetic::{Add, Max, Min, Mul};
        if operation == Mul {
            for (x, gate) in [(a, b), (b, a)] {
                if matches!(self.op(gate), &Op::Step(of, Step::Function(Function::Sigmoid)) if of == x) {
                    return self.function(x, Function::Silu);
                }
            }
        }
        let (sa, sb) = (self.size(a), self.size(b));
        let fits = |small: Size, large: Size| {
            small == large || (small.is_vector() && (small.channels == large.channels || small.channels == 1))
        };
        if fits(sb, sa) {
            self.push(Op::Binary(operation, a, b), sa)
        } else if fits(sa, sb) && matches!(operation, Add | Mul | Max | Min) {
            self.push(Op::Binary(operation, b, a), sb)
        } else {
            Err(format!("{operation:?} of maps of {sa:?} and {sb:?}"))
        }
    }

    pub fn conv(&mut self, conv: Conv) -> Result<Id, String> {
        let size = self.size(conv.x);
        let outputs = conv.bias.len();
        let [kernel_rows, kernel_columns] = conv.kernel;
        if conv.groups == 0
            || kernel_rows * kernel_columns == 0
            || conv.stride.contains(&0)
            || conv.dilation.contains(&0)
            || !size.channels.is_multiple_of(conv.groups)
            || !outputs.is_multiple_of(conv.groups)
        {
            return Err("a convolution whose shape does not fit".into());
        }
        let weights = [outputs, size.channels / conv.groups, kernel_rows, kernel_columns];
        let count = weights.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        if count != Some(conv.weights.len()) {
            return Err("a convolution's weights do not fit its shape".into());
        }
        let rows =
            extent(size.rows, conv.pads[0] + conv.pads[2], kernel_rows, conv.stride[0], conv.dilation[0]);
        let columns = extent(
            size.columns,
            conv.pads[1] + conv.pads[3],
            kernel_columns,
            conv.stride[1],
            conv.dilation[1],
        );
        let (Some(rows), Some(columns)) = (rows, columns) else {
            return Err("a kernel larger than its input".into());
        };
        self.push(Op::Conv(conv), Size { channels: outputs, rows, columns })
    }

    pub fn pad(&mut self, x: Id, pads: Pads) -> Result<Id, String> {
        if pads == [0; 4] {
            return Ok(x);
        }
        let size = self.size(x);
        let size =
            Size { rows: size.rows + pads[0] + pads[2], columns: size.columns + pads[1] + pads[3], ..size };
        self.push(Op::Pad(x, pads), size)
    }
}

/// Places of a window along an axis of `size` values and `pads` more.
pub(super) fn extent(
    size: usize,
    pads: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
) -> Option<usize> {
    let reach = kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
    Some((size + pads).checked_sub(reach)? / stride + 1)
}

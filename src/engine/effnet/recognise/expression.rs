//! What a graph computes, independent of how the exporter wrote it.
//!
//! Every tensor that depends on the input becomes an expression over feature maps `[channels, rows, columns]` of one
//! patch. Layout (NHWC, flattened, squeezed) is not part of it: the axes of a tensor are stored separately, in
//! [`crate::engine::graph::view`]. Constant scales and shifts are folded into the convolution before or after them at
//! once, so that batch norm as a node, as a Mul and an Add, or folded by the exporter gives the same expression.

use std::collections::HashMap;
use std::sync::Arc;

use crate::engine::graph::Size;

/// The index of an expression in its [`Arena`].
pub(super) type Id = usize;

/// Zeros around a map: above, left, below, right.
pub(super) type Pads = [usize; 4];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Function {
    Sigmoid,
    Silu,
    Relu,
    Tanh,
    Exp,
    Sqrt,
    Reciprocal,
    Softmax,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    Add,
    Sub,
    Mul,
    Div,
}

/// A convolution with a scale and a shift for each output channel.
#[derive(Clone, Debug)]
pub(super) struct Conv {
    pub x: Id,
    /// `[output channel][input channel of the group][row][column]`
    pub weights: Arc<[f32]>,
    pub scale: Arc<[f32]>,
    pub shift: Arc<[f32]>,
    pub inputs_per_group: usize,
    pub groups: usize,
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub pads: Pads,
}

#[derive(Clone, Debug)]
pub(super) enum Expression {
    /// The patch, as one channel.
    Input,
    /// Each channel times a constant plus a constant.
    Affine {
        x: Id,
        scale: Arc<[f32]>,
        shift: Arc<[f32]>,
    },
    Pad {
        x: Id,
        pads: Pads,
    },
    Conv(Conv),
    /// The mean of each channel over the map.
    Pool(Id),
    Function(Function, Id),
    /// An operation on two expressions. One of them may be a vector (or have one channel), which is broadcast.
    Binary(Operation, Id, Id),
    /// The mean over the channels of a vector.
    Mean(Id),
    LayerNorm {
        x: Id,
        scale: Arc<[f32]>,
        shift: Arc<[f32]>,
        epsilon: f32,
    },
}

/// The expressions. Equal ones (except convolutions) are stored once.
#[derive(Default)]
pub(super) struct Arena {
    expressions: Vec<(Expression, Size)>,
    known: HashMap<Key, Id>,
}

#[derive(PartialEq, Eq, Hash)]
enum Key {
    Pad(Id, Pads),
    Pool(Id),
    Function(Function, Id),
    Binary(Operation, Id, Id),
    Mean(Id),
}

impl Arena {
    pub fn get(&self, id: Id) -> &Expression {
        &self.expressions[id].0
    }

    pub fn size(&self, id: Id) -> Size {
        self.expressions[id].1
    }

    fn push(&mut self, expression: Expression, size: Size) -> Id {
        let key = match &expression {
            Expression::Pad { x, pads } => Some(Key::Pad(*x, *pads)),
            Expression::Pool(x) => Some(Key::Pool(*x)),
            Expression::Function(function, x) => Some(Key::Function(*function, *x)),
            Expression::Binary(operation, a, b) => Some(Key::Binary(*operation, *a, *b)),
            Expression::Mean(x) => Some(Key::Mean(*x)),
            _ => None,
        };
        let id = self.expressions.len();
        if let Some(key) = key {
            if let Some(&known) = self.known.get(&key) {
                return known;
            }
            self.known.insert(key, id);
        }
        self.expressions.push((expression, size));
        id
    }

    pub fn input(&mut self, rows: usize, columns: usize) -> Id {
        self.push(Expression::Input, Size { channels: 1, rows, columns })
    }

    pub fn function(&mut self, function: Function, x: Id) -> Result<Id, String> {
        let size = self.size(x);
        if function == Function::Softmax && !size.is_vector() {
            return Err("a softmax over a map".into());
        }
        Ok(self.push(Expression::Function(function, x), size))
    }

    pub fn pool(&mut self, x: Id) -> Id {
        let size = self.size(x);
        if size.is_vector() {
            return x;
        }
        self.push(Expression::Pool(x), Size { rows: 1, columns: 1, ..size })
    }

    pub fn mean(&mut self, x: Id) -> Result<Id, String> {
        let size = self.size(x);
        if !size.is_vector() {
            return Err("a mean over the channels of a map".into());
        }
        Ok(self.push(Expression::Mean(x), Size { channels: 1, ..size }))
    }

    pub fn layer_norm(
        &mut self,
        x: Id,
        scale: Arc<[f32]>,
        shift: Arc<[f32]>,
        epsilon: f32,
    ) -> Result<Id, String> {
        let size = self.size(x);
        if !size.is_vector() || scale.len() != size.channels || shift.len() != size.channels {
            return Err("a layer norm over something other than the channels of a vector".into());
        }
        Ok(self.push(Expression::LayerNorm { x, scale, shift, epsilon }, size))
    }

    pub fn pad(&mut self, x: Id, pads: Pads) -> Result<Id, String> {
        if pads == [0; 4] {
            return Ok(x);
        }
        let (x, pads) = match self.get(x) {
            &Expression::Pad { x: inner, pads: own } => (inner, std::array::from_fn(|i| own[i] + pads[i])),
            _ => (x, pads),
        };
        let size = self.size(x);
        if pads.iter().any(|&pad| pad > 64) {
            return Err("a border of more than 64 pixels".into());
        }
        let size =
            Size { rows: size.rows + pads[0] + pads[2], columns: size.columns + pads[1] + pads[3], ..size };
        Ok(self.push(Expression::Pad { x, pads }, size))
    }

    /// `x * scale + shift`, folded into `x` if that is a convolution or another scale and shift.
    pub fn affine(&mut self, x: Id, scale: &[f32], shift: &[f32]) -> Result<Id, String> {
        let size = self.size(x);
        let wide = |values: &[f32]| -> Result<Vec<f32>, String> {
            match values.len() {
                1 => Ok(vec![values[0]; size.channels]),
                n if n == size.channels => Ok(values.to_vec()),
                n => Err(format!("{n} constants for {} channels", size.channels)),
            }
        };
        let (scale, shift) = (wide(scale)?, wide(shift)?);
        let compose = |own_scale: &[f32], own_shift: &[f32]| -> (Arc<[f32]>, Arc<[f32]>) {
            let scales = own_scale.iter().zip(&scale).map(|(a, b)| a * b).collect();
            let shifts = own_shift.iter().zip(scale.iter().zip(&shift));
            (
                scales,
                shifts.map(|(a, (s, t))| (f64::from(*a) * f64::from(*s) + f64::from(*t)) as f32).collect(),
            )
        };
        let folded = match self.get(x) {
            Expression::Conv(conv) => {
                let (scale, shift) = compose(&conv.scale, &conv.shift);
                Expression::Conv(Conv { scale, shift, ..conv.clone() })
            }
            Expression::Affine { x, scale, shift } => {
                let (scale, shift) = compose(scale, shift);
                Expression::Affine { x: *x, scale, shift }
            }
            _ => Expression::Affine { x, scale: scale.into(), shift: shift.into() },
        };
        Ok(self.push(folded, size))
    }

    /// A convolution; borders and scales before it are folded into it.
    pub fn conv(&mut self, mut conv: Conv) -> Result<Id, String> {
        if let &Expression::Pad { x, pads } = self.get(conv.x) {
            conv.pads = std::array::from_fn(|i| conv.pads[i] + pads[i]);
            conv.x = x;
        }
        self.fold_input_affine(&mut conv);
        let size = self.size(conv.x);
        let outputs = conv.scale.len();
        let weights = [outputs, conv.inputs_per_group, conv.kernel[0], conv.kernel[1]];
        let count = weights.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        if count != Some(conv.weights.len()) || conv.shift.len() != outputs {
            return Err("a convolution's weights do not fit its shape".into());
        }
        if conv.groups == 0
            || conv.inputs_per_group.checked_mul(conv.groups) != Some(size.channels)
            || !outputs.is_multiple_of(conv.groups)
        {
            return Err(format!(
                "a convolution of {} groups of {} channels on {} channels",
                conv.groups, conv.inputs_per_group, size.channels
            ));
        }
        let extent = |size: usize, before: usize, after: usize, kernel: usize, stride: usize| {
            let room = (size + before + after).checked_sub(kernel)?;
            Some(room.checked_div(stride)? + 1)
        };
        let pads = conv.pads;
        let rows = extent(size.rows, pads[0], pads[2], conv.kernel[0], conv.stride[0]);
        let columns = extent(size.columns, pads[1], pads[3], conv.kernel[1], conv.stride[1]);
        let (Some(rows), Some(columns)) = (rows, columns) else {
            return Err("a convolution's kernel is larger than its input".into());
        };
        Ok(self.push(Expression::Conv(conv), Size { channels: outputs, rows, columns }))
    }

    /// Folds a scale and shift of the input into the weights where that is exact: a shift with zero padding is not.
    fn fold_input_affine(&self, conv: &mut Conv) {
        let Expression::Affine { x, scale, shift } = self.get(conv.x) else { return };
        let bordered = conv.pads != [0; 4];
        if matches!(self.get(*x), Expression::Input) || (bordered && shift.iter().any(|&value| value != 0.0))
        {
            return;
        }
        let outputs = conv.scale.len();
        let taps = conv.kernel[0] * conv.kernel[1];
        let per_output = conv.inputs_per_group * taps;
        if conv.groups == 0
            || !outputs.is_multiple_of(conv.groups)
            || per_output * outputs != conv.weights.len()
        {
            return; // Refused with a reason where the shape is checked.
        }
        let outputs_per_group = outputs / conv.groups;
        if conv.inputs_per_group * conv.groups != scale.len() {
            return;
        }
        let mut weights = conv.weights.to_vec();
        let mut shifts = conv.shift.to_vec();
        for output in 0..outputs {
            let first = output / outputs_per_group * conv.inputs_per_group;
            let mut sum = 0.0f64;
            for input in 0..conv.inputs_per_group {
                for tap in 0..taps {
                    let weight = &mut weights[output * per_output + input * taps + tap];
                    sum += f64::from(*weight) * f64::from(shift[first + input]);
                    *weight *= scale[first + input];
                }
            }
            shifts[output] = (f64::from(shifts[output]) + f64::from(conv.scale[output]) * sum) as f32;
        }
        conv.weights = weights.into();
        conv.shift = shifts.into();
        conv.x = *x;
    }

    pub fn binary(&mut self, operation: Operation, a: Id, b: Id) -> Result<Id, String> {
        use Operation::{Add, Mul};
        // x * sigmoid(x), in either order.
        if operation == Mul {
            for (x, gate) in [(a, b), (b, a)] {
                if matches!(self.get(gate), &Expression::Function(Function::Sigmoid, of) if of == x) {
                    return self.function(Function::Silu, x);
                }
            }
        }
        let (sa, sb) = (self.size(a), self.size(b));
        let fits = |small: Size, large: Size| {
            small == large
                || (small.is_vector() && small.channels == large.channels)
                || (small.is_vector() && small.channels == 1 && large.is_vector())
        };
        // Commutative operations in one order: the larger operand first, then the older.
        let swap = match (fits(sb, sa), fits(sa, sb)) {
            (true, true) => matches!(operation, Add | Mul) && b < a,
            (true, false) => false,
            (false, true) if matches!(operation, Add | Mul) => true,
            (false, true) if sa.is_vector() && sb.is_vector() => false,
            _ => return Err(format!("{operation:?} of maps of {sa:?} and {sb:?}")),
        };
        let size = if fits(sb, sa) { sa } else { sb };
        let (a, b) = if swap { (b, a) } else { (a, b) };
        Ok(self.push(Expression::Binary(operation, a, b), size))
    }
}

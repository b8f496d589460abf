//! What follows the pooled features: dense layers, normalisations and activations on one vector per patch.
//!
//! This is a hundredth of the work, so it is a simple list of steps on vectors; only its dense layers use the packed
//! kernels.

use super::network::Linear;

/// The index of a step, whose result later steps may use.
pub(crate) type Slot = usize;

/// One step; its operands are earlier steps.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The mean of the last convolution over the map.
    Pooled,
    /// A dense layer: `linear` is an index into [`Tail::linears`].
    Linear {
        x: Slot,
        linear: usize,
    },
    Affine {
        x: Slot,
        scale: Vec<f32>,
        shift: Vec<f32>,
    },
    Map(Activation, Slot),
    /// Element by element; an operand of one value is broadcast.
    Binary(Arithmetic, Slot, Slot),
    Softmax(Slot),
    /// The mean of a vector, one value.
    Mean(Slot),
    LayerNorm {
        x: Slot,
        scale: Vec<f32>,
        shift: Vec<f32>,
        epsilon: f32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    Sigmoid,
    Silu,
    Relu,
    Tanh,
    Exp,
    Sqrt,
    Reciprocal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
}

/// Steps in an order in which they can be computed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail {
    pub steps: Vec<Step>,
    /// Values per patch of each step's result.
    pub dims: Vec<usize>,
    pub linears: Vec<Linear>,
    /// For each of the graph's outputs, its step.
    pub outputs: Vec<Slot>,
    /// Where each step's vector begins in a patch's row (see [`Self::lay_out`]).
    pub starts: Vec<usize>,
}

impl Tail {
    /// Places the vectors of all steps in one row; each begins at a multiple of `alignment`. Returns the row's length.
    pub fn lay_out(&mut self, alignment: usize) -> usize {
        let mut end = 0;
        self.starts.clear();
        for dim in &self.dims {
            self.starts.push(end);
            end += dim.next_multiple_of(alignment);
        }
        end
    }

    /// Marks the steps that `outputs` depend on; `needed` has one flag per step.
    pub fn mark_needed(&self, outputs: impl Iterator<Item = usize>, needed: &mut [bool]) {
        needed.fill(false);
        for output in outputs {
            needed[self.outputs[output]] = true;
        }
        for index in (0..self.steps.len()).rev().filter(|&index| index > 0) {
            if !needed[index] {
                continue;
            }
            match &self.steps[index] {
                Step::Pooled => {}
                Step::Binary(_, a, b) => {
                    needed[*a] = true;
                    needed[*b] = true;
                }
                Step::Linear { x, .. }
                | Step::Affine { x, .. }
                | Step::Map(_, x)
                | Step::Softmax(x)
                | Step::Mean(x)
                | Step::LayerNorm { x, .. } => needed[*x] = true,
            }
        }
    }

    /// Computes step `index` (not a dense layer and not the pooled features) for one patch. `before` holds its vectors
    /// of the earlier steps.
    pub fn apply(&self, index: usize, before: &[f32], out: &mut [f32]) {
        let get = |slot: Slot| &before[self.starts[slot]..][..self.dims[slot]];
        match &self.steps[index] {
            Step::Pooled | Step::Linear { .. } => {}
            Step::Affine { x, scale, shift } => {
                for (out, (x, (scale, shift))) in
                    out.iter_mut().zip(get(*x).iter().zip(scale.iter().zip(shift)))
                {
                    *out = x * scale + shift;
                }
            }
            Step::Map(activation, x) => {
                for (out, &x) in out.iter_mut().zip(get(*x)) {
                    *out = activation.of(x);
                }
            }
            Step::Binary(arithmetic, a, b) => {
                let (a, b) = (get(*a), get(*b));
                let at = |values: &[f32], i: usize| if values.len() == 1 { values[0] } else { values[i] };
                for (i, out) in out.iter_mut().enumerate() {
                    *out = arithmetic.of(at(a, i), at(b, i));
                }
            }
            Step::Softmax(x) => {
                let x = get(*x);
                // NaN must be propagated: f32::max would drop it.
                let top =
                    x.iter().fold(f32::NEG_INFINITY, |top, &x| if x > top || x.is_nan() { x } else { top });
                for (out, &x) in out.iter_mut().zip(x) {
                    *out = (x - top).exp();
                }
                let sum: f32 = out.iter().sum();
                out.iter_mut().for_each(|out| *out /= sum);
            }
            Step::Mean(x) => {
                let x = get(*x);
                out[0] = x.iter().sum::<f32>() / x.len() as f32;
            }
            Step::LayerNorm { x, scale, shift, epsilon } => {
                let x = get(*x);
                let n = x.len() as f32;
                let mean = x.iter().sum::<f32>() / n;
                let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / n;
                let factor = 1.0 / (variance + epsilon).sqrt();
                for (out, (x, (scale, shift))) in out.iter_mut().zip(x.iter().zip(scale.iter().zip(shift))) {
                    *out = (x - mean) * factor * scale + shift;
                }
            }
        }
    }
}

impl Activation {
    fn of(self, x: f32) -> f32 {
        match self {
            Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Activation::Silu => x / (1.0 + (-x).exp()),
            // A comparison propagates NaN.
            Activation::Relu => {
                if x < 0.0 {
                    0.0
                } else {
                    x
                }
            }
            Activation::Tanh => x.tanh(),
            Activation::Exp => x.exp(),
            Activation::Sqrt => x.sqrt(),
            Activation::Reciprocal => 1.0 / x,
        }
    }
}

impl Arithmetic {
    fn of(self, a: f32, b: f32) -> f32 {
        match self {
            Arithmetic::Add => a + b,
            Arithmetic::Sub => a - b,
            Arithmetic::Mul => a * b,
            Arithmetic::Div => a / b,
        }
    }
}

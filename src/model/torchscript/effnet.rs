//! An EfficientNet-B0 as a TorchScript module. Batch norm is already folded; weights are parameters.

use super::{FLOAT, Module, quoted};
use crate::engine::effnet::network::{Linear, Weights, Window};
use crate::engine::effnet::tail::{Activation, Arithmetic, Step};

/// The number of blocks of each stage, for the names.
const REPEATS: [usize; 7] = [1, 2, 2, 3, 3, 4, 1];

/// The module, whose `forward` takes patches `[n, frames, bands]` of any type and returns a dictionary of the outputs
/// that `names` gives, each `[n, dim]` in f32.
///
/// Convolutions are computed in the type of the parameters. Sums over many layers or pixels (those of residual blocks,
/// the gates, the last mean and what follows it) are always f32: they cost almost nothing, and rounding errors there
/// would stay.
///
/// The encoder's parameters have torchvision's names, with `_` for every dot (`features_1_0_block_0_0_weight`).
pub(in crate::model) fn module(weights: &Weights, names: &[&str]) -> Module {
    let mut writer = Writer { module: Module::new(), values: 0 };
    let x = writer.features(weights);
    writer.behind(weights, x, names);
    writer.module
}

/// Writes statements; values are called `v<number>`.
struct Writer {
    module: Module,
    values: usize,
}

/// A value's name in the code.
type Value = String;

impl Writer {
    fn value(&mut self, expression: String) -> Value {
        self.values += 1;
        let name = format!("v{}", self.values);
        self.module.statement(format!("{name} = {expression}"));
        name
    }

    fn parameter(&mut self, name: String, shape: &[usize], values: &[f32]) -> String {
        self.module.parameter(&name, shape, values);
        format!("self.{name}")
    }

    /// A parameter, cast to f32 where it is used.
    fn exact(&mut self, name: String, shape: &[usize], values: &[f32]) -> String {
        let parameter = self.parameter(name, shape, values);
        format!("torch.to({parameter}, {FLOAT})")
    }

    fn silu(&mut self, x: &str) -> Value {
        self.value(format!("torch.silu({x})"))
    }

    /// A dense layer, in f32.
    fn linear(&mut self, path: &str, x: &str, linear: &Linear) -> Value {
        let w = self.exact(format!("{path}_weight"), &[linear.outputs, linear.inputs], &linear.weights);
        let b = self.exact(format!("{path}_bias"), &[linear.outputs], &linear.bias);
        self.value(format!("torch.linear({x}, {w}, {b})"))
    }

    fn pointwise(&mut self, path: &str, x: &str, linear: &Linear) -> Value {
        let shape = [linear.outputs, linear.inputs, 1, 1];
        let w = self.parameter(format!("{path}_weight"), &shape, &linear.weights);
        let b = self.parameter(format!("{path}_bias"), &[linear.outputs], &linear.bias);
        self.value(format!("torch.conv2d({x}, {w}, {b}, [1, 1], [0, 0], [1, 1], 1)"))
    }

    /// A convolution with one input channel per group.
    fn grouped(
        &mut self,
        path: &str,
        x: &str,
        window: Window,
        weights: &[f32],
        bias: &[f32],
        groups: usize,
    ) -> Value {
        let Window { kernel, stride, pads: [above, left, below, right] } = window;
        let w = self.parameter(format!("{path}_weight"), &[bias.len(), 1, kernel, kernel], weights);
        let b = self.parameter(format!("{path}_bias"), &[bias.len()], bias);
        let is_even = above == below && left == right;
        let x = if is_even {
            x.to_owned()
        } else {
            self.value(format!("torch.constant_pad_nd({x}, [{left}, {right}, {above}, {below}], 0)"))
        };
        let (rows, columns) = if is_even { (above, left) } else { (0, 0) };
        self.value(format!(
            "torch.conv2d({x}, {w}, {b}, [{stride}, {stride}], [{rows}, {columns}], [1, 1], {groups})"
        ))
    }

    /// Everything up to the mean over the last map.
    fn features(&mut self, weights: &Weights) -> Value {
        let stem = &weights.stem;
        let mut x = self.value("torch.unsqueeze(x, 1)".into());
        if stem.scale != 1.0 || stem.shift != 0.0 {
            x = self.value(format!("torch.to({x}, {FLOAT})"));
            x = self.value(format!("torch.mul({x}, {})", number(stem.scale)));
            x = self.value(format!("torch.add({x}, {})", number(stem.shift)));
        }
        x = self.value(format!("torch.to({x}, self.features_0_0_weight)"));
        x = self.grouped("features_0_0", &x, stem.window, &stem.weights, &stem.bias, 1);
        x = self.silu(&x);
        let stages = (1..).zip(REPEATS).flat_map(|(stage, repeats)| (0..repeats).map(move |at| (stage, at)));
        for ((stage, repeat), block) in stages.zip(&weights.blocks) {
            let source = x.clone();
            let mut layers = (0..).map(|layer| format!("features_{stage}_{repeat}_block_{layer}"));
            let mut layer = || layers.next().expect("without end");
            x = self.value(format!("torch.to({x}, self.features_0_0_weight)"));
            if let Some(expand) = &block.expand {
                x = self.pointwise(&format!("{}_0", layer()), &x, expand);
                x = self.silu(&x);
            }
            let (depthwise, path) = (&block.depthwise, format!("{}_0", layer()));
            let channels = depthwise.bias.len();
            x = self.grouped(&path, &x, depthwise.window, &depthwise.weights, &depthwise.bias, channels);
            x = self.value(format!("torch.to({x}, {FLOAT})"));
            x = self.silu(&x);
            let path = layer();
            let mut gate = self.value(format!("torch.mean({x}, [2, 3])"));
            gate = self.linear(&format!("{path}_fc1"), &gate, &block.gate.reduce);
            gate = self.silu(&gate);
            gate = self.linear(&format!("{path}_fc2"), &gate, &block.gate.excite);
            gate = self.value(format!("torch.sigmoid({gate})"));
            gate = self.value(format!("torch.unsqueeze(torch.unsqueeze({gate}, 2), 3)"));
            x = self.value(format!("torch.mul({x}, {gate})"));
            x = self.value(format!("torch.to({x}, self.features_0_0_weight)"));
            x = self.pointwise(&format!("{}_0", layer()), &x, &block.project);
            x = self.value(format!("torch.to({x}, {FLOAT})"));
            if block.residual {
                x = self.value(format!("torch.add({x}, {source})"));
            }
        }
        x = self.value(format!("torch.to({x}, self.features_0_0_weight)"));
        x = self.pointwise(&format!("features_{}_0", REPEATS.len() + 1), &x, &weights.head);
        x = self.value(format!("torch.to({x}, {FLOAT})"));
        x = self.silu(&x);
        self.value(format!("torch.mean({x}, [2, 3])"))
    }

    /// The steps after that mean, and the outputs.
    fn behind(&mut self, weights: &Weights, pooled: Value, names: &[&str]) {
        let tail = &weights.tail;
        let mut slots: Vec<Value> = Vec::new();
        for (at, step) in tail.steps.iter().enumerate() {
            let path = format!("tail_{at}");
            let slot = match step {
                Step::Pooled => pooled.clone(),
                Step::Linear { x, linear } => self.linear(&path, &slots[*x], &tail.linears[*linear]),
                Step::Affine { x, scale, shift } => {
                    let scale = self.exact(format!("{path}_weight"), &[scale.len()], scale);
                    let shift = self.exact(format!("{path}_bias"), &[shift.len()], shift);
                    self.value(format!("torch.add(torch.mul({}, {scale}), {shift})", slots[*x]))
                }
                Step::Map(activation, x) => {
                    let function = match activation {
                        Activation::Sigmoid => "sigmoid",
                        Activation::Silu => "silu",
                        Activation::Relu => "relu",
                        Activation::Tanh => "tanh",
                        Activation::Exp => "exp",
                        Activation::Sqrt => "sqrt",
                        Activation::Reciprocal => "reciprocal",
                    };
                    self.value(format!("torch.{function}({})", slots[*x]))
                }
                Step::Binary(arithmetic, a, b) => {
                    let function = match arithmetic {
                        Arithmetic::Add => "add",
                        Arithmetic::Sub => "sub",
                        Arithmetic::Mul => "mul",
                        Arithmetic::Div => "div",
                    };
                    self.value(format!("torch.{function}({}, {})", slots[*a], slots[*b]))
                }
                Step::Softmax(x) => self.value(format!("torch.softmax({}, 1)", slots[*x])),
                Step::Mean(x) => self.value(format!("torch.mean({}, [1], True)", slots[*x])),
                Step::LayerNorm { x, scale, shift, epsilon } => {
                    let dim = scale.len();
                    let scale = self.exact(format!("{path}_weight"), &[dim], scale);
                    let shift = self.exact(format!("{path}_bias"), &[dim], shift);
                    let epsilon = number(*epsilon);
                    self.value(format!(
                        "torch.layer_norm({}, [{dim}], {scale}, {shift}, {epsilon})",
                        slots[*x]
                    ))
                }
            };
            slots.push(slot);
        }
        let outputs: Vec<String> = names
            .iter()
            .zip(&tail.outputs)
            .map(|(name, &slot)| format!("{}: {}", quoted(name), slots[slot]))
            .collect();
        self.module.statement(format!("return {{{}}}", outputs.join(", ")));
    }
}

/// A number in Python's syntax.
fn number(value: f32) -> String {
    // `Debug` always writes a point or an exponent, so that it is a float.
    format!("{:?}", f64::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_pythons() {
        assert_eq!(number(1.0), "1.0");
        assert_eq!(number(1e-5).parse::<f32>(), Ok(1e-5));
    }
}

//! The weights of an exported network: batch norm folded into the convolutions, rounded to half precision.

use std::collections::BTreeMap;

use half::f16;

use crate::checkpoint::Checkpoint;
use crate::network::architecture::{EMBEDDING, Encoder, NORM_EPSILON};
use crate::network::{Head, HeadKind, Tensor};

/// A tensor of an exported file.
#[derive(Clone, Debug, PartialEq)]
pub struct Half {
    /// The dimensions.
    pub dims: Vec<usize>,
    /// As many values as the product of the dimensions.
    pub values: Vec<f16>,
    /// If the file has eight-bit weights: the scale for each output, of which its weights are whole multiples.
    pub steps: Option<Vec<f16>>,
}

/// How the large tensors of a file are stored; the small ones are in half precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Half precision.
    Half,
    /// Eight bits per weight, with a scale for each output.
    Int8,
}

/// The weights for all formats: the encoder's convolutions (`features.0.0.weight` and, from batch norm,
/// `features.0.0.bias`), the gates, and the heads.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// The heads, in the order of the outputs.
    pub heads: Vec<Head>,
    /// The tensors by name.
    pub tensors: BTreeMap<String, Half>,
    /// The largest relative rounding error over all outputs of all layers (the norm of the error divided by the norm of
    /// the weights for that output); 0 if the weights were in half precision already.
    pub rounding: f64,
}

/// The names and dimensions of the tensors of an exported network.
pub fn layout(heads: &[Head]) -> Vec<(String, Vec<usize>)> {
    let encoder = Encoder::b0();
    let mut list = Vec::new();
    for layer in encoder.convolutions() {
        list.push((format!("{}.weight", layer.conv()), layer.dims().to_vec()));
        list.push((format!("{}.bias", layer.conv()), vec![layer.outputs]));
    }
    for block in &encoder.blocks {
        let gate = &block.gate;
        for (layer, inputs, outputs) in
            [("fc1", gate.channels, gate.squeezed), ("fc2", gate.squeezed, gate.channels)]
        {
            list.push((format!("{}.{layer}.weight", gate.path), vec![outputs, inputs, 1, 1]));
            list.push((format!("{}.{layer}.bias", gate.path), vec![outputs]));
        }
    }
    for head in heads {
        let path = head.path();
        list.push((format!("{path}.dense.weight"), vec![head.values, EMBEDDING]));
        list.push((format!("{path}.dense.bias"), vec![head.values]));
        if head.kind == HeadKind::Projection {
            list.push((format!("{path}.norm.weight"), vec![head.values]));
            list.push((format!("{path}.norm.bias"), vec![head.values]));
        }
    }
    list
}

impl Weights {
    /// Folds and rounds the tensors of a checkpoint. Folding is done in double precision.
    ///
    /// # Errors
    /// If a weight is too large for half precision; the error has its name.
    pub fn of(checkpoint: &Checkpoint) -> Result<Self, String> {
        let heads = checkpoint.description.heads.clone();
        let mut rounded = Weights { tensors: BTreeMap::new(), heads, rounding: 0.0 };
        let values = |name: String| &checkpoint.tensors[&name].values;
        for layer in Encoder::b0().convolutions() {
            let norm = layer.norm();
            let of_norm = |name: &str| values(format!("{norm}.{name}"));
            let variance = of_norm("running_var").iter();
            let factors: Vec<f64> = of_norm("weight")
                .iter()
                .zip(variance)
                .map(|(&scale, &variance)| f64::from(scale) / (f64::from(variance) + NORM_EPSILON).sqrt())
                .collect();
            let bias = (0..layer.outputs)
                .map(|i| f64::from(of_norm("bias")[i]) - f64::from(of_norm("running_mean")[i]) * factors[i]);
            let bias = bias.collect();
            let weights = values(format!("{}.weight", layer.conv()));
            let per_output = weights.len() / layer.outputs;
            let weights = weights.iter().enumerate();
            let weights = weights.map(|(i, &weight)| f64::from(weight) * factors[i / per_output]).collect();
            rounded.add(format!("{}.weight", layer.conv()), &layer.dims(), weights)?;
            rounded.add(format!("{}.bias", layer.conv()), &[layer.outputs], bias)?;
        }
        for (name, dims) in layout(&rounded.heads) {
            if !rounded.tensors.contains_key(&name) {
                let Tensor { values, .. } = &checkpoint.tensors[&name];
                rounded.add(name, &dims, values.iter().map(|&value| f64::from(value)).collect())?;
            }
        }
        Ok(rounded)
    }

    fn add(&mut self, name: String, dims: &[usize], exact: Vec<f64>) -> Result<(), String> {
        let values: Vec<f16> = exact.iter().map(|&value| f16::from_f64(value)).collect();
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(format!("a weight of `{name}` is {:e}, too large for half precision", exact[at]));
        }
        // Biases count as one vector, so that a very small one is not a large relative error.
        let per_output = if dims.len() > 1 { exact.len() / dims[0] } else { exact.len() };
        for (exact, values) in exact.chunks(per_output).zip(values.chunks(per_output)) {
            let length: f64 = exact.iter().map(|value| value * value).sum();
            let lost = exact.iter().zip(values).map(|(exact, value)| (exact - value.to_f64()).powi(2));
            if length > 0.0 {
                self.rounding = self.rounding.max((lost.sum::<f64>() / length).sqrt());
            }
        }
        self.tensors.insert(name, Half { dims: dims.to_vec(), values, steps: None });
        Ok(())
    }

    /// The weights in another storage. Eight bits apply to large 1x1 convolutions and dense layers, which have nearly
    /// all weights. The first blocks have few weights, and their rounding errors affect everything after them; they
    /// stay in half precision.
    ///
    /// Eight-bit weights can be converted to half precision without loss, because a scale has four significant bits. So
    /// all formats have the same weights.
    #[must_use]
    pub fn stored_as(mut self, storage: Storage) -> Self {
        if storage == Storage::Half {
            self.tensors.values_mut().for_each(|tensor| tensor.steps = None);
            return self;
        }
        for tensor in self.tensors.values_mut() {
            let per_output = match tensor.dims[..] {
                [_, inputs] | [_, inputs, 1, 1] => inputs,
                _ => continue,
            };
            if tensor.steps.is_some() || tensor.values.len() < FEW {
                continue;
            }
            let mut steps = Vec::with_capacity(tensor.dims[0]);
            for weights in tensor.values.chunks_mut(per_output) {
                let (step, lost) = quantise(weights);
                self.rounding = self.rounding.max(lost);
                steps.push(step);
            }
            tensor.steps = Some(steps);
        }
        self
    }

    /// How the file stores them.
    pub fn storage(&self) -> Storage {
        match self.tensors.values().any(|tensor| tensor.steps.is_some()) {
            true => Storage::Int8,
            false => Storage::Half,
        }
    }
}

/// Tensors with fewer weights stay in half precision: a thirtieth of all weights. If all are rounded, or all but those
/// under 2,000, trained networks do not reach [`MIN_COSINE`](super::MIN_COSINE) (0.989 to 0.996, and 0.996 to 0.998,
/// for five of the six in `models/`).
const FEW: usize = 10_000;

/// The largest multiple of a scale: one sign bit, seven bits.
pub(super) const MAX_STEPS: f64 = 127.0;

/// Rounds the weights of one output to whole multiples of a scale; returns the scale and the relative error.
///
/// The largest weights may be clipped if the others become more precise: of several scales, the one with the smallest
/// error is used.
fn quantise(weights: &mut [f16]) -> (f16, f64) {
    let exact: Vec<f64> = weights.iter().map(|weight| weight.to_f64()).collect();
    let length: f64 = exact.iter().map(|weight| weight * weight).sum();
    let largest = exact.iter().fold(0.0f64, |largest, weight| largest.max(weight.abs()));
    if largest == 0.0 {
        return (f16::MIN_POSITIVE_SUBNORMAL, 0.0);
    }
    let rounded = |step: f64| {
        let most = MAX_STEPS * step;
        exact.iter().map(move |weight| ((weight / step).round() * step).clamp(-most, most))
    };
    let lost = |step: f64| rounded(step).zip(&exact).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    let best = steps_below(largest / MAX_STEPS)
        .map(|step| (step, lost(step)))
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .expect("there is always one");
    for (weight, value) in weights.iter_mut().zip(rounded(best.0)) {
        *weight = f16::from_f64(value);
    }
    (f16::from_f64(best.0), (best.1 / length).sqrt())
}

/// Scales to try, from the first that is at least `least` down to about half of it. They have four significant bits, so
/// that their multiples up to [`MAX_STEPS`] have eleven, as in half precision.
fn steps_below(least: f64) -> impl Iterator<Item = f64> {
    const TRIED: usize = 9;
    let smallest = f16::MIN_POSITIVE_SUBNORMAL.to_f64();
    let mut unit = smallest;
    while unit * 15.0 < least {
        unit *= 2.0;
    }
    let mut count = (least / unit).ceil().max(1.0);
    (0..TRIED).map_while(move |_| {
        let step = unit * count;
        if count == 8.0 && unit > smallest {
            (unit, count) = (unit / 2.0, 16.0);
        }
        count -= 1.0;
        (step > 0.0).then_some(step)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Description;

    #[test]
    fn eight_bits_are_multiples_of_a_step_and_exact_in_half_precision() {
        let description = Description::new(vec![Head::projection("projections")]);
        let checkpoint = Checkpoint::untrained(description, 3).unwrap();
        let half = Weights::of(&checkpoint).unwrap();
        let int8 = half.clone().stored_as(Storage::Int8);
        assert_eq!((half.storage(), int8.storage()), (Storage::Half, Storage::Int8));
        let (mut stored, mut tensors) = (0, 0);
        for (name, tensor) in &int8.tensors {
            // Every tensor of the right kind that is large enough, and no other.
            let is_product = matches!(tensor.dims[..], [_, _] | [_, _, 1, 1]);
            assert_eq!(tensor.steps.is_some(), is_product && tensor.values.len() >= 10_000, "{name}");
            let Some(steps) = &tensor.steps else {
                assert_eq!(tensor, &half.tensors[name], "{name}");
                continue;
            };
            tensors += 1;
            stored += tensor.values.len();
            for (values, step) in tensor.values.chunks(tensor.values.len() / steps.len()).zip(steps) {
                for value in values {
                    let steps = value.to_f64() / step.to_f64();
                    assert!(steps == steps.round() && steps.abs() <= MAX_STEPS, "{name}: {value} in {step}");
                }
            }
        }
        let all: usize = int8.tensors.values().map(|tensor| tensor.values.len()).sum();
        assert!(stored as f64 > 0.9 * all as f64, "{stored} of {all}");
        // Of an EfficientNet-B0's 65: of expansions and projections 21, of gates 14, the last convolution and the head.
        assert_eq!(tensors, 37);
        // Uniform weights have a squared error of step^2 / 12, relative to (127 steps)^2 / 3: 0.5 %.
        assert!(int8.rounding > 0.003 && int8.rounding < 0.02, "{}", int8.rounding);
        // Doing it again changes nothing, and half precision has the same values.
        assert_eq!(int8.clone().stored_as(Storage::Int8), int8);
        let back = int8.clone().stored_as(Storage::Half);
        assert!(back.tensors.iter().all(|(name, tensor)| tensor.values == int8.tensors[name].values));
    }

    #[test]
    fn steps_reach_the_largest_weight_and_no_further_than_half_precision() {
        for exponent in -30..9 {
            let least = 1.7 * 2.0f64.powi(exponent);
            let steps: Vec<f64> = steps_below(least).collect();
            assert!(steps[0] >= least, "{steps:?} for {least}");
            assert!(exponent < -20 || steps[0] <= least * 1.125, "{steps:?} for {least}");
            assert!(steps.windows(2).all(|pair| pair[1] < pair[0]), "{steps:?}");
            for step in steps {
                for count in 1..=127 {
                    let value = step * f64::from(count);
                    assert_eq!(f16::from_f64(value).to_f64(), value);
                }
            }
        }
        // Zeros, tiny weights, and one weight far from all others.
        let mut nothing = [f16::ZERO; 3];
        assert_eq!(quantise(&mut nothing).1, 0.0);
        let mut tiny = [f16::MIN_POSITIVE_SUBNORMAL, f16::ZERO];
        assert_eq!(quantise(&mut tiny).1, 0.0);
        let mut lone = [f16::from_f32(1.0), f16::from_f32(-0.004)];
        quantise(&mut lone);
        assert!((lone[0].to_f32() - 1.0).abs() < 0.07, "{lone:?}");
    }

    #[test]
    fn folding_keeps_every_tensor_and_loses_half_a_unit() {
        let description = Description::new(vec![Head::projection("projections")]);
        let mut checkpoint = Checkpoint::untrained(description, 1).unwrap();
        crate::network::plain::randomise_norms(&mut checkpoint.tensors, 1);
        let weights = Weights::of(&checkpoint).unwrap();
        let expected = layout(&weights.heads);
        assert_eq!(weights.tensors.len(), expected.len());
        for (name, dims) in expected {
            assert_eq!(weights.tensors[&name].dims, dims, "{name}");
        }
        assert!(weights.rounding < 2.0f64.powi(-11), "{}", weights.rounding);

        checkpoint.tensors.get_mut("features.4.0.block.1.1.weight").unwrap().values[2] = 1e9;
        let reason = Weights::of(&checkpoint).unwrap_err();
        assert!(reason.contains("`features.4.0.block.1.0.weight`"), "{reason}");
    }
}

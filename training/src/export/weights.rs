//! The weights of an exported network: batch norm folded into the convolutions, rounded to half precision.

use std::collections::BTreeMap;

use half::f16;

use crate::checkpoint::Checkpoint;
use crate::network::architecture::{EMBEDDING, Encoder, NORM_EPSILON};
use crate::network::{Head, HeadKind, Tensor};

/// A tensor as it is stored in an exported file.
#[derive(Clone, Debug, PartialEq)]
pub struct Half {
    /// The dimensions.
    pub dims: Vec<usize>,
    /// As many values as the product of the dimensions.
    pub values: Vec<f16>,
}

/// What every format is written from: the encoder's convolutions (`features.0.0.weight` and, from batch norm,
/// `features.0.0.bias`), the gates, and the heads.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// The heads, in the order of the outputs.
    pub heads: Vec<Head>,
    /// The tensors by name.
    pub tensors: BTreeMap<String, Half>,
    /// The largest relative error of rounding over all outputs of all layers (the length of what is lost, beside
    /// the length of the weights that make one output); 0 where the weights were in half precision already.
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
    /// A weight that is too large for half precision, by name.
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
        // One by one, biases may be as small as they like.
        let per_output = if dims.len() > 1 { exact.len() / dims[0] } else { exact.len() };
        for (exact, values) in exact.chunks(per_output).zip(values.chunks(per_output)) {
            let length: f64 = exact.iter().map(|value| value * value).sum();
            let lost = exact.iter().zip(values).map(|(exact, value)| (exact - value.to_f64()).powi(2));
            if length > 0.0 {
                self.rounding = self.rounding.max((lost.sum::<f64>() / length).sqrt());
            }
        }
        self.tensors.insert(name, Half { dims: dims.to_vec(), values });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Description;

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

//! The small network on an embedding, computed and trained with libtorch.

use ndarray::{Array2, ArrayView2};
use tch::{Device, Kind, Tensor};

use super::super::datasets::Labelling;
use super::head::{Head, Shape};
use super::protocol::Protocol;
use crate::config::{Optimizer, OptimizerKind};
use crate::network::random;
use crate::train::adam::Adam;

/// One hidden layer of rectified linear units or none, and a sigmoid or softmax, or nothing for quantities. The paper does not name the hidden layer's
/// activation; ReLU is the usual choice, and does not saturate on embeddings, which are not normalised.
pub struct Probe {
    shape: Shape,
    labelling: Labelling,
    /// All values in the order of [`Shape::tensors`], and as many gradients.
    values: Tensor,
    gradients: Tensor,
    adam: Adam,
}

/// Views of the tensors in one vector.
fn parts(shape: Shape, vector: &Tensor) -> Vec<Tensor> {
    let mut start = 0;
    let part = |(_, dims): (&str, Vec<usize>)| {
        let dims: Vec<i64> = dims.iter().map(|&dim| dim as i64).collect();
        let length = dims.iter().product();
        start += length;
        vector.narrow(0, start - length, length).view(&dims[..])
    };
    shape.tensors().into_iter().map(part).collect()
}

/// The output layer before its activation, and the hidden layer before its own if there is one.
fn forward(parts: &[Tensor], embeddings: &Tensor) -> (Tensor, Option<Tensor>) {
    match parts {
        [hidden, hidden_bias, output, output_bias] => {
            let before = embeddings.linear(hidden, Some(hidden_bias));
            (before.relu().linear(output, Some(output_bias)), Some(before))
        }
        [output, output_bias] => (embeddings.linear(output, Some(output_bias)), None),
        _ => unreachable!("one layer or two"),
    }
}

impl Probe {
    /// Initial weights: each layer uniform within 1/sqrt(inputs), like PyTorch's linear layers, drawn with a seed.
    pub fn new(shape: Shape, labelling: Labelling, protocol: &Protocol, seed: u64) -> Self {
        let mut values = Vec::with_capacity(shape.values());
        for (name, dims) in shape.tensors() {
            let inputs = dims.get(1).copied().unwrap_or(if name.starts_with("hidden") || shape.hidden == 0 {
                shape.inputs
            } else {
                shape.hidden
            });
            let bound = 1.0 / (inputs as f64).sqrt();
            let mut random = random::generator(&[b"head", name.as_bytes(), &seed.to_le_bytes()]);
            let count = dims.iter().product();
            values
                .extend((0..count).map(|_: usize| ((2.0 * random::unit(&mut random) - 1.0) * bound) as f32));
        }
        let optimizer = Optimizer {
            kind: OptimizerKind::Adam,
            learning_rate: protocol.learning_rate,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: protocol.weight_decay,
        };
        let values = Tensor::from_slice(&values);
        let (gradients, adam) = (values.zeros_like(), Adam::new(&optimizer, &values));
        Probe { shape, labelling, values, gradients, adam }
    }

    /// One step on embeddings `[n, inputs]` and labels `[n, classes]`: 0 or 1, NaN where it is unknown whether a track has
    /// the label; or quantities. Returns the loss before the step.
    pub fn step(&mut self, embeddings: &Tensor, truth: &Tensor, learning_rate: f64) -> f64 {
        let loss = tch::no_grad(|| self.differentiate(embeddings, truth));
        self.adam.step(&self.values, &self.gradients, learning_rate);
        loss
    }

    /// Computes the loss and writes its gradient to `gradients`. The two layers are differentiated by hand: everything
    /// stays in one vector, and additions have the same order every time.
    fn differentiate(&self, embeddings: &Tensor, truth: &Tensor) -> f64 {
        let own = parts(self.shape, &self.values);
        let (logits, before) = forward(&own, embeddings);
        let rows = embeddings.size()[0] as f64;
        let (loss, difference) = match self.labelling {
            Labelling::Multi => {
                let known = truth.isnan().logical_not();
                let count = known.sum(Kind::Double).double_value(&[]).max(1.0);
                let truth = truth.nan_to_num(0.0, None, None);
                let likelihood: Tensor =
                    &truth * logits.log_sigmoid() + (1.0 - &truth) * (-&logits).log_sigmoid();
                let loss = -(likelihood * &known).sum(Kind::Double) / count;
                (loss, (logits.sigmoid() - truth) * known / count)
            }
            Labelling::Single => {
                let logs = logits.log_softmax(-1, None::<Kind>);
                (-(truth * &logs).sum(Kind::Double) / rows, (logs.exp() - truth) / rows)
            }
            Labelling::Regression => {
                let (difference, count) = (&logits - truth, rows * self.shape.classes as f64);
                (difference.square().sum(Kind::Double) / count, difference * (2.0 / count))
            }
        };
        let transposed = |tensor: &Tensor| tensor.transpose(0, 1);
        let sums = |tensor: &Tensor| tensor.sum_dim_intlist([0i64].as_slice(), false, None::<Kind>);
        let gradients = match before {
            None => vec![transposed(&difference).matmul(embeddings), sums(&difference)],
            Some(before) => {
                let behind = difference.matmul(&own[2]) * before.gt(0.0);
                vec![
                    transposed(&behind).matmul(embeddings),
                    sums(&behind),
                    transposed(&difference).matmul(&before.relu()),
                    sums(&difference),
                ]
            }
        };
        for (mut part, gradient) in parts(self.shape, &self.gradients).into_iter().zip(gradients) {
            part.copy_(&gradient);
        }
        loss.double_value(&[])
    }

    /// Activations `[n, classes]` of embeddings `[n, inputs]`.
    pub fn activations(&self, embeddings: ArrayView2<f32>) -> Array2<f32> {
        let rows = embeddings.nrows();
        let activations = tch::no_grad(|| {
            let (logits, _) = forward(&parts(self.shape, &self.values), &tensor(embeddings));
            match self.labelling {
                Labelling::Multi => logits.sigmoid(),
                Labelling::Single => logits.softmax(-1, None::<Kind>),
                Labelling::Regression => logits,
            }
        });
        let values = Vec::<f32>::try_from(&activations.flatten(0, -1)).expect("a vector of single precision");
        Array2::from_shape_vec((rows, self.shape.classes), values).expect("a value for each class")
    }

    /// A copy of its values.
    pub fn head(&self) -> Head {
        let values = Vec::<f32>::try_from(&self.values).expect("a vector of single precision");
        Head { shape: self.shape, labelling: self.labelling, values }
    }

    /// Copies the values of a head of the same shape.
    ///
    /// # Panics
    /// If the shape is different.
    pub fn restore(&mut self, head: &Head) {
        assert_eq!(self.shape, head.shape);
        self.values.copy_(&Tensor::from_slice(&head.values));
    }
}

/// A CPU tensor of single-precision rows.
pub fn tensor(rows: ArrayView2<f32>) -> Tensor {
    let rows = rows.as_standard_layout();
    let values = rows.as_slice().expect("in rows");
    Tensor::from_slice(values).view((rows.nrows() as i64, rows.ncols() as i64)).to_device(Device::Cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// libtorch's automatic differentiation gives the same gradients.
    #[test]
    fn gradients_are_those_of_the_loss() {
        let all = [Labelling::Multi, Labelling::Single, Labelling::Regression];
        for (labelling, hidden) in all.into_iter().flat_map(|labelling| [(labelling, 6), (labelling, 0)]) {
            let shape = Shape { inputs: 7, hidden, classes: 4 };
            let probe = Probe::new(shape, labelling, &Protocol::default(), 3);
            let rows = Array2::from_shape_fn((9, 7), |(row, col)| ((row * 7 + col) as f32 * 0.9).sin() * 3.0);
            let truth = Array2::from_shape_fn((9, 4), |(row, class)| match labelling {
                Labelling::Multi => f32::from((row * 3 + class * 5) % 3 == 0),
                Labelling::Single => f32::from(row % 4 == class),
                Labelling::Regression => (row as f32 - class as f32) / 3.0,
            });
            let (rows, truth) = (tensor(rows.view()), tensor(truth.view()));
            let loss = probe.differentiate(&rows, &truth);

            let values = probe.values.copy().set_requires_grad(true);
            let (logits, _) = forward(&parts(shape, &values), &rows);
            let expected = match labelling {
                Labelling::Multi => logits.binary_cross_entropy_with_logits::<Tensor>(
                    &truth,
                    None,
                    None,
                    tch::Reduction::Mean,
                ),
                Labelling::Single => logits.cross_entropy_for_logits(&truth.argmax(-1, false)),
                Labelling::Regression => logits.mse_loss(&truth, tch::Reduction::Mean),
            };
            expected.backward();
            assert!((loss - expected.double_value(&[])).abs() < 1e-6);
            let difference = (values.grad() - &probe.gradients).abs().max().double_value(&[]);
            assert!(difference < 1e-6, "{labelling:?}: {difference}");
            assert!(probe.gradients.abs().max().double_value(&[]) > 1e-3);
        }
    }

    #[test]
    fn labels_that_are_not_known_teach_nothing() {
        let shape = Shape { inputs: 3, hidden: 0, classes: 2 };
        let probe = Probe::new(shape, Labelling::Multi, &Protocol::default(), 3);
        let rows = ndarray::array![[1.0f32, 2.0, 3.0], [0.5, -1.0, 2.0]];
        let one = |truth: ndarray::Array2<f32>| {
            let loss = probe.differentiate(&tensor(rows.view()), &tensor(truth.view()));
            (loss, Vec::<f32>::try_from(&probe.gradients).unwrap())
        };
        let (loss, gradients) = one(ndarray::array![[1.0, f32::NAN], [f32::NAN, f32::NAN]]);
        // The mean over the one label that is known; the other class has no gradient.
        let logits = forward(&parts(shape, &probe.values), &tensor(rows.view())).0;
        let expected = -logits.log_sigmoid().double_value(&[0, 0]);
        assert!((loss - expected).abs() < 1e-6, "{loss}, not {expected}");
        assert!(
            gradients[3..6].iter().all(|&value| value == 0.0) && gradients[..3].iter().any(|&v| v != 0.0)
        );
        assert_eq!(gradients[7], 0.0);
        let nothing = one(ndarray::array![[f32::NAN, f32::NAN], [f32::NAN, f32::NAN]]);
        assert!(nothing.0 == 0.0 && nothing.1.iter().all(|&value| value == 0.0));
    }

    #[test]
    fn a_head_is_taken_back_and_learns_what_it_is_shown() {
        let shape = Shape { inputs: 2, hidden: 16, classes: 2 };
        let mut probe = Probe::new(shape, Labelling::Single, &Protocol::default(), 1);
        let first = probe.head();
        // Exclusive or, which needs a hidden layer.
        let rows = ndarray::array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
        let truth = ndarray::array![[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]];
        let before = probe.activations(rows.view());
        for _ in 0..800 {
            probe.step(&tensor(rows.view()), &tensor(truth.view()), 1e-2);
        }
        let after = probe.activations(rows.view());
        assert!(after.iter().zip(&truth).all(|(found, truth)| (found - truth).abs() < 0.1), "{after}");
        probe.restore(&first);
        assert_eq!(probe.activations(rows.view()), before);
        assert_eq!(probe.head(), first);
    }
}

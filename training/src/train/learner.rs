//! A network in training: one optimizer step over several batches, here and in other processes; the average of weights;
//! batch norm's statistics.

use tch::{Device, Kind, Tensor};

use super::adam::Adam;
use super::flat::{Flat, Layout};
use super::objective::{Batch, Figures, Term, losses};
use super::processes::Processes;
use crate::checkpoint::Checkpoint;
use crate::config::Optimizer;
use crate::error::{Error, Result};
use crate::native;
use crate::network::architecture::NORM_MOMENTUM;
use crate::network::masks::Masks;
use crate::network::model::{Factors, Mode, Network};

/// Device, precision and memory layout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Computation {
    /// The device.
    pub device: Device,
    /// The precision of weights and sums: single, or double.
    pub kind: Kind,
    /// Whether the encoder's convolutions and products are computed in bfloat16.
    pub bfloat16: bool,
    /// The memory layout of feature maps.
    pub layout: Layout,
}

/// A network, its optimizer, and the sums of a step.
pub struct Learner {
    network: Network,
    flat: Flat,
    /// The optimizer.
    pub adam: Adam,
    terms: Vec<Term>,
    computation: Computation,
}

/// The result of a step, not yet read, so that the device can go on.
pub struct Step {
    /// Sums over the step's batches in all processes.
    figures: Tensor,
    /// The loss of each batch of this process, the sum of its gradients, and the sum of the gradients of all processes.
    health: Tensor,
}

/// A batch whose numbers are not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The loss of this batch, counted from 0.
    Loss(usize),
    /// The losses are finite, but the gradient is not.
    Gradient,
    /// It is in another process.
    Elsewhere,
}

impl Step {
    /// Waits for the device. Returns the figures, or what is not finite.
    pub fn read(&self) -> std::result::Result<Figures, Broken> {
        let health = self.health.to_device(Device::Cpu);
        let health = Vec::<f64>::try_from(&health).expect("a vector of doubles");
        let [losses @ .., own, all] = &health[..] else { unreachable!("two sums at least") };
        if all.is_finite() {
            return Ok(Figures::read(&self.figures));
        }
        match losses.iter().position(|loss| !loss.is_finite()) {
            Some(batch) => Err(Broken::Loss(batch)),
            None if !own.is_finite() => Err(Broken::Gradient),
            None => Err(Broken::Elsewhere),
        }
    }
}

impl Learner {
    /// A network with the values of a checkpoint, before its first step, and the terms of its loss.
    ///
    /// # Errors
    /// `InvalidArgument` with libtorch's message, or if the checkpoint is wrong.
    pub fn new(
        checkpoint: &Checkpoint,
        terms: &[Term],
        optimizer: &Optimizer,
        computation: Computation,
    ) -> Result<Self> {
        let Checkpoint { description, tensors } = checkpoint;
        let network = Network::with_kind(description, tensors, computation.device, computation.kind);
        let network = network.map_err(Error::InvalidArgument)?;
        let flat = Flat::new(&network, computation.layout, Figures::room(terms.len()));
        let adam = Adam::new(optimizer, flat.values());
        Ok(Learner { network, flat, adam, terms: terms.to_vec(), computation })
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Its values as vectors.
    pub fn flat(&self) -> &Flat {
        &self.flat
    }

    /// Its device, precision and layout.
    pub fn computation(&self) -> &Computation {
        &self.computation
    }

    /// The terms of the loss.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    fn embeddings(&self, patches: &Tensor, mode: Mode) -> Result<Tensor> {
        let patches = patches.to_kind(self.computation.kind);
        if !self.computation.bfloat16 {
            return Ok(self.network.embeddings(&patches, mode));
        }
        let inside = || self.network.embeddings(&patches, mode);
        native::in_bfloat16(self.computation.device, inside).map_err(Error::InvalidArgument)
    }

    /// One step: the mean of the gradients of `of_step` batches, over all processes, updates the weights.
    ///
    /// Batch norm normalises each batch by its own statistics. The running statistics start from the same values for
    /// every batch of the step and end as the mean over the batches, so the result does not depend on which process
    /// computes which batch, or in which order.
    ///
    /// # Errors
    /// The error that ended `batches`; `Training` if this process has other than its share of batches, which would make
    /// the mean wrong; `Process` if another process has ended.
    pub fn step(
        &mut self,
        batches: impl Iterator<Item = Result<(Batch, Factors)>>,
        of_step: usize,
        learning_rate: f64,
        processes: &Processes,
    ) -> Result<Step> {
        let mut statistics = self.flat.statistics().shallow_clone();
        let mut gradients = self.flat.gradients().shallow_clone();
        // The mean of one batch is that batch, so no sums are needed.
        let alone = of_step == 1 && processes.count() == 1;
        self.flat.clear(!alone);
        let before = statistics.copy();
        let mut sums = [self.flat.gradients_sum(), self.flat.statistics_sum(), self.flat.figures()];
        let mut health = Vec::new();
        for batch in batches {
            let (batch, factors) = batch?;
            tch::no_grad(|| {
                statistics.copy_(&before);
                let _ = gradients.zero_();
            });
            let embeddings = self.embeddings(&batch.patches, Mode::Prepared(&factors))?;
            let losses = losses(&self.network, &self.terms, &embeddings, &batch.parts);
            losses.total.backward();
            health.push(losses.total.detach().to_kind(Kind::Double));
            let figures = losses.figures.flatten(0, -1);
            tch::no_grad(|| match alone {
                true => sums[2].copy_(&figures),
                false => {
                    for (sum, one) in sums.iter_mut().zip([&gradients, &statistics, &figures]) {
                        *sum += one;
                    }
                }
            });
        }
        let (own, processes_count) = (health.len(), processes.count());
        if own * processes_count != of_step {
            return Err(Error::Training(format!(
                "a step has {own} batches in each of {processes_count} processes instead of {of_step} in all"
            )));
        }
        let [gradients_sum, statistics_sum, figures] = sums;
        if alone {
            let own = gradients.sum(None::<Kind>).to_kind(Kind::Double);
            health.extend([own.shallow_clone(), own]);
        } else {
            health.push(gradients_sum.sum(None::<Kind>));
            processes.sum(self.flat.summed())?;
            health.push(gradients_sum.sum(None::<Kind>));
            tch::no_grad(|| {
                gradients.copy_(&(gradients_sum / of_step as f64));
                statistics.copy_(&(statistics_sum / of_step as f64));
            });
        }
        self.adam.step(self.flat.values(), &gradients, learning_rate);
        Ok(Step { figures: figures.copy(), health: Tensor::stack(&health, 0) })
    }

    /// The figures of a batch in inference mode.
    ///
    /// # Errors
    /// Those of libtorch.
    pub fn evaluate(&self, batch: &Batch) -> Result<Tensor> {
        tch::no_grad(|| {
            let embeddings = self.embeddings(&batch.patches, Mode::Inference)?;
            Ok(losses(&self.network, &self.terms, &embeddings, &batch.parts).figures.flatten(0, -1))
        })
    }

    /// Replaces batch norm's statistics by the mean over these batches in all processes, with the current weights and
    /// nothing dropped. Returns the number of batches; with none, nothing changes.
    ///
    /// # Errors
    /// The error that ended `batches`; `Process` if another process has ended.
    pub fn recompute_statistics(
        &mut self,
        batches: impl Iterator<Item = Result<Tensor>>,
        processes: &Processes,
    ) -> Result<u64> {
        let mut statistics = self.flat.statistics().shallow_clone();
        let before = statistics.copy();
        // One more value, which counts the batches.
        let length = statistics.size()[0];
        let sum = Tensor::zeros([length + 1], (statistics.kind(), statistics.device()));
        let (mut values, mut count) = (sum.narrow(0, 0, length), sum.narrow(0, length, 1));
        for patches in batches {
            let patches = patches?;
            tch::no_grad(|| -> Result<()> {
                let _ = statistics.zero_();
                let masks = Masks::none(patches.size()[0] as usize);
                let _ = self.embeddings(&patches, Mode::Training(&masks))?;
                values += &statistics;
                count += 1.0;
                Ok(())
            })?;
        }
        processes.sum(&sum)?;
        let batches = count.double_value(&[0]);
        // Starting at zero, a running statistic moves by this share of the batch's.
        let mean = if batches > 0.0 { values / (NORM_MOMENTUM * batches) } else { before };
        tch::no_grad(|| statistics.copy_(&mean));
        Ok(batches as u64)
    }

    /// Gives folded batch norms the statistics of these patches; see [`Network::calibrate`].
    pub fn calibrate(&mut self, patches: &Tensor) {
        let patches = patches.to_device(self.computation.device).to_kind(self.computation.kind);
        self.network.calibrate(&patches);
    }

    /// Sets the weights, statistics and optimizer state of every process to those of the first.
    ///
    /// # Errors
    /// `Process` if another process has ended.
    pub fn share(&mut self, processes: &Processes) -> Result<()> {
        for tensor in [self.flat.values(), self.flat.statistics(), &self.adam.mean, &self.adam.square] {
            processes.broadcast(tensor)?;
        }
        Ok(())
    }
}

/// The mean of weights over epochs (stochastic weight averaging; Izmailov et al., 2018).
pub struct Average {
    /// The mean.
    pub values: Tensor,
    /// The number of epochs.
    pub count: u64,
}

impl Average {
    /// An average of no epochs.
    pub fn new(flat: &Flat) -> Self {
        Average { values: flat.zeros(), count: 0 }
    }

    /// Adds the current weights.
    pub fn add(&mut self, weights: &Tensor) {
        self.count += 1;
        tch::no_grad(|| {
            let difference = weights - &self.values;
            self.values += difference / self.count as f64;
        });
    }
}

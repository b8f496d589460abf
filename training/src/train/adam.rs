//! The optimizer: Adam (Kingma and Ba, 2015), with PyTorch's formula.

use tch::{Device, Tensor};

use crate::config::Optimizer;
use crate::native;

/// Adam over one vector of weights.
pub struct Adam {
    settings: Optimizer,
    /// The running mean of gradients.
    pub mean: Tensor,
    /// The running mean of squared gradients.
    pub square: Tensor,
    /// Steps taken.
    pub steps: u64,
}

impl Adam {
    /// The initial state for weights of this shape.
    pub fn new(settings: &Optimizer, weights: &Tensor) -> Self {
        Adam {
            settings: settings.clone(),
            mean: weights.zeros_like(),
            square: weights.zeros_like(),
            steps: 0,
        }
    }

    /// Updates the weights by one step.
    pub fn step(&mut self, weights: &Tensor, gradients: &Tensor, learning_rate: f64) {
        let Optimizer { beta1, beta2, epsilon, weight_decay, .. } = self.settings;
        self.steps += 1;
        if weights.device() == Device::Cpu {
            let moved = native::Moved { weights, gradients, mean: &self.mean, square: &self.square };
            let betas = [beta1, beta2];
            return native::adam(&moved, self.steps, learning_rate, betas, weight_decay, epsilon);
        }
        tch::no_grad(|| {
            let decayed;
            let mut gradient = gradients;
            if weight_decay != 0.0 {
                decayed = gradients + weights * weight_decay;
                gradient = &decayed;
            }
            let _ = self.mean.lerp_(gradient, 1.0 - beta1);
            self.square *= beta2;
            self.square += gradient.square().g_mul_scalar_(1.0 - beta2);
            let steps = self.steps as f64;
            let (mean_bias, square_bias) = (1.0 - beta1.powf(steps), 1.0 - beta2.powf(steps));
            let mut change = self.square.sqrt();
            let _ = change.g_mul_scalar_(1.0 / square_bias.sqrt()).g_add_scalar_(epsilon);
            let change = change.reciprocal_().g_mul_(&self.mean).g_mul_scalar_(-learning_rate / mean_bias);
            let _ = weights.shallow_clone().g_add_(&change);
        });
    }
}

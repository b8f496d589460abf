//! The learning rate: reduced when the validation loss stops falling, then constant while weights are averaged.

use serde::{Deserialize, Serialize};

use crate::config::{Schedule, ScheduleKind};

/// PyTorch's `ReduceLROnPlateau`, for losses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    /// The factor that the rate is multiplied by.
    pub factor: f64,
    /// Epochs without a better loss that are tolerated; the next one changes the rate.
    pub patience: u64,
    /// The relative decrease from which a loss counts as better.
    pub threshold: f64,
    /// Epochs after a change that are not counted.
    pub cooldown: u64,
    /// The lowest rate.
    pub minimum: f64,
    /// The current rate.
    pub rate: f64,
    /// The best loss so far; `None` before the first.
    pub best: Option<f64>,
    /// Epochs since the best loss, without those that are not counted.
    pub bad: u64,
    /// The number of next epochs that are not counted.
    pub cooling: u64,
}

/// Smaller changes of the rate are not made.
const MIN_CHANGE: f64 = 1e-8;

impl Plateau {
    /// The state before the first epoch.
    pub fn new(schedule: &Schedule, rate: f64) -> Self {
        let &Schedule { kind: ScheduleKind::Plateau, factor, patience, threshold, cooldown, minimum } =
            schedule;
        let (patience, cooldown) = (patience.into(), cooldown.into());
        Plateau { factor, patience, threshold, cooldown, minimum, rate, best: None, bad: 0, cooling: 0 }
    }

    /// Takes the loss of an epoch; returns the rate of the next.
    pub fn step(&mut self, loss: f64) -> f64 {
        if self.best.is_none_or(|best| loss < best * (1.0 - self.threshold)) {
            self.best = Some(loss);
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        if self.cooling > 0 {
            self.cooling -= 1;
            self.bad = 0;
        }
        if self.bad > self.patience {
            let rate = (self.rate * self.factor).max(self.minimum);
            if self.rate - rate > MIN_CHANGE {
                self.rate = rate;
            }
            self.cooling = self.cooldown;
            self.bad = 0;
        }
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_falls_after_patience_and_no_further_than_its_least() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        let schedule = |patience, minimum| Schedule {
            kind: ScheduleKind::Plateau,
            factor: 0.1,
            patience,
            threshold: 1e-4,
            cooldown: 0,
            minimum,
        };
        let mut plateau = Plateau::new(&schedule(2, 1e-5), 1e-3);
        let losses = [1.0, 0.99999, 1.0, 1.0, 1.0, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6];
        let rates: Vec<f64> = losses.into_iter().map(|loss| plateau.step(loss)).collect();
        assert!(close(rates[2], 1e-3) && close(rates[3], 1e-4) && close(rates[7], 1e-4), "{rates:?}");
        assert!(close(rates[8], 1e-5) && close(rates[11], 1e-5), "{rates:?}");
        // NaN is never better.
        let mut plateau = Plateau::new(&schedule(0, 0.0), 1e-3);
        plateau.step(1.0);
        assert!(close(plateau.step(f64::NAN), 1e-4));
    }
}

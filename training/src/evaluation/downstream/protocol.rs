//! The settings for training and evaluating a head: the paper's, and ours where the paper gives none.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::cache::Patches;
use super::super::datasets::Labelling;

/// The patches that a head learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crops {
    /// This many random patches of each track, encoded before training; each epoch uses the next.
    Random(usize),
    /// Each epoch uses a random one of the half-overlapped patches.
    Cached,
}

/// Every setting that affects the figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Protocol {
    /// The patches that the head learns from.
    pub crops: Crops,
    /// Epochs.
    pub epochs: usize,
    /// Tracks per step.
    pub batch: usize,
    /// Units of the hidden layer; 0 for a linear probe.
    pub hidden: usize,
    /// The initial learning rate.
    pub learning_rate: f64,
    /// The share of the weights that is added to their gradients.
    pub weight_decay: f64,
    /// The factor for the learning rate when the validation loss does not fall.
    pub factor: f64,
    /// Epochs without a lower validation loss that are tolerated; the next one lowers the learning rate, as in PyTorch.
    pub patience: u32,
    /// The first seed; the other runs use the numbers that follow.
    pub seed: u64,
    /// Runs, each with its own weights, order and crops.
    pub seeds: usize,
}

impl Default for Protocol {
    fn default() -> Self {
        Protocol {
            crops: Crops::Random(30),
            epochs: 30,
            batch: 64,
            hidden: 512,
            learning_rate: 1e-3,
            weight_decay: 1e-5,
            factor: 0.5,
            patience: 5,
            seed: 0,
            seeds: 3,
        }
    }
}

impl Protocol {
    /// The patches of training tracks that the run of a seed needs.
    pub fn training(&self, seed: u64) -> Patches {
        match self.crops {
            Crops::Random(count) => Patches::Drawn { seed, count },
            Crops::Cached => Patches::Overlapped,
        }
    }

    /// The seeds of the runs.
    pub fn all_seeds(&self) -> impl Iterator<Item = u64> {
        (0..self.seeds as u64).map(|run| self.seed + run)
    }

    /// The settings in the form of the results file.
    pub fn document(&self, labelling: Labelling) -> BTreeMap<String, Value> {
        let (crops, count) = match self.crops {
            Crops::Random(count) => ("random", Some(count)),
            Crops::Cached => ("cached", None),
        };
        let (activation, loss) = match labelling {
            Labelling::Multi => ("sigmoid", "binary cross-entropy, mean over tracks and classes"),
            Labelling::Single => ("softmax", "cross-entropy, mean over tracks"),
            Labelling::Regression => (
                "none",
                "squared difference of targets with mean 0 and deviation 1, mean over tracks and targets",
            ),
        };
        let mut all: BTreeMap<String, Value> = [
            ("crops", json!(crops)),
            ("epochs", json!(self.epochs)),
            ("batch", json!(self.batch)),
            ("hidden", json!(self.hidden)),
            ("hidden_activation", json!(if self.hidden > 0 { "relu" } else { "none" })),
            ("output_activation", json!(activation)),
            ("loss", json!(loss)),
            ("initialisation", json!("uniform within 1/sqrt(inputs) of a layer")),
            ("optimizer", json!("adam, beta 0.9 and 0.999, epsilon 1e-8")),
            ("learning_rate", json!(self.learning_rate)),
            ("weight_decay", json!(self.weight_decay)),
            ("plateau_factor", json!(self.factor)),
            ("plateau_patience", json!(self.patience)),
            ("selection", json!("lowest validation loss, of activations averaged over a track")),
            ("evaluation_patches", json!("half-overlapped, activations averaged over a track")),
            ("embeddings", json!("half precision where that holds the values, not normalised")),
            ("seeds", json!(self.all_seeds().collect::<Vec<_>>())),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        if let Some(count) = count {
            all.insert("crops_per_track".into(), json!(count));
        }
        all
    }

    /// The deviations from the paper.
    pub fn deviations(&self) -> Vec<String> {
        let paper = Protocol::default();
        let mut all = Vec::new();
        match self.crops {
            Crops::Cached => all.push(
                "deviation from the paper: a head's training patches are drawn from the half-overlapped ones \
                 (--crops cached), not from any place of a track"
                    .to_owned(),
            ),
            Crops::Random(count) if count < self.epochs => all.push(format!(
                "deviation from the paper: {count} random patches per track, used in turn, for {} epochs",
                self.epochs
            )),
            Crops::Random(_) => {}
        }
        for (what, own, papers) in [
            ("epochs", self.epochs as f64, paper.epochs as f64),
            ("hidden units", self.hidden as f64, paper.hidden as f64),
            ("learning rate", self.learning_rate, paper.learning_rate),
            ("weight decay", self.weight_decay, paper.weight_decay),
        ] {
            if own != papers {
                all.push(format!("deviation from the paper: {what} {own}, not {papers}"));
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_protocol_has_no_deviation_and_others_say_theirs() {
        let paper = Protocol::default();
        assert_eq!(paper.deviations(), [] as [String; 0]);
        for (other, word) in [
            (Protocol { crops: Crops::Cached, ..paper.clone() }, "--crops cached"),
            (Protocol { crops: Crops::Random(4), ..paper.clone() }, "4 random patches"),
            (Protocol { crops: Crops::Random(9), epochs: 9, ..paper.clone() }, "epochs 9"),
            (Protocol { hidden: 16, ..paper.clone() }, "hidden units 16"),
        ] {
            let deviations = other.deviations();
            assert!(deviations.len() == 1 && deviations[0].contains(word), "{deviations:?}");
        }
    }

    #[test]
    fn results_tell_every_setting() {
        let document = Protocol { seed: 4, seeds: 2, ..Protocol::default() }.document(Labelling::Single);
        assert_eq!((&document["crops"], &document["crops_per_track"]), (&json!("random"), &json!(30)));
        assert_eq!((&document["seeds"], &document["output_activation"]), (&json!([4, 5]), &json!("softmax")));
        let cached = Protocol { crops: Crops::Cached, ..Protocol::default() }.document(Labelling::Multi);
        assert!(cached["crops"] == "cached" && !cached.contains_key("crops_per_track"));
    }
}

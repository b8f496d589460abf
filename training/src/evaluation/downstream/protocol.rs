//! How a head is trained and judged: the paper's settings, and ours where it is silent.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::cache::Patches;
use super::super::datasets::Labelling;

/// Which patches a head learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crops {
    /// So many of each track at places drawn at random, encoded before the head learns; an epoch takes the next one.
    Random(usize),
    /// Each epoch takes one of the half-overlapped patches at random.
    Cached,
}

/// Every setting that figures depend on.
#[derive(Clone, Debug, PartialEq)]
pub struct Protocol {
    /// Which patches the head learns from.
    pub crops: Crops,
    /// Epochs.
    pub epochs: usize,
    /// Tracks a step.
    pub batch: usize,
    /// Units of the hidden layer.
    pub hidden: usize,
    /// The first learning rate.
    pub learning_rate: f64,
    /// The share of weights that is added to their gradients.
    pub weight_decay: f64,
    /// What the learning rate is multiplied with when the validation loss does not fall.
    pub factor: f64,
    /// Epochs without a lower validation loss that are borne; it happens at the next, as in PyTorch.
    pub patience: u32,
    /// The first seed; each run has the next.
    pub seed: u64,
    /// Runs, each with weights, order and crops of its own.
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
    /// The patches of tracks for training that a seed's run needs.
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

    /// As results keep it.
    pub fn document(&self, labelling: Labelling) -> BTreeMap<String, Value> {
        let (crops, count) = match self.crops {
            Crops::Random(count) => ("random", Some(count)),
            Crops::Cached => ("cached", None),
        };
        let (activation, loss) = match labelling {
            Labelling::Multi => ("sigmoid", "binary cross-entropy, mean over tracks and classes"),
            Labelling::Single => ("softmax", "cross-entropy, mean over tracks"),
        };
        let mut all: BTreeMap<String, Value> = [
            ("crops", json!(crops)),
            ("epochs", json!(self.epochs)),
            ("batch", json!(self.batch)),
            ("hidden", json!(self.hidden)),
            ("hidden_activation", json!("relu")),
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

    /// Where it is not the paper's.
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
                "deviation from the paper: {count} random patches a track serve for {} epochs in turn",
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

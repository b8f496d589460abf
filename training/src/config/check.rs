//! The values that keys may have.

use super::{Config, Objective, Task};
use crate::network::architecture::{BANDS, DROPOUT, EMBEDDING, FRAMES, STOCHASTIC_DEPTH};
use crate::network::description::ARCHITECTURE;

/// More pairs, patches or values than any device holds.
const MOST: usize = 1 << 16;

impl Config {
    /// Whether the values can be used together.
    pub(super) fn check(&self) -> Result<(), String> {
        self.check_model()?;
        self.check_objective()?;
        let Config { data, optimizer, schedule, swa, run, .. } = self;
        within("data.crops", data.crops as usize, 1, 1000)?;
        within("data.loader_threads", data.loader_threads, 0, 1024)?;
        within("data.ahead", data.ahead, 1, 1024)?;
        within("data.least_steps", data.least_steps, 0, MOST)?;
        share("optimizer.beta1", optimizer.beta1)?;
        share("optimizer.beta2", optimizer.beta2)?;
        positive("optimizer.learning_rate", optimizer.learning_rate)?;
        positive("optimizer.epsilon", optimizer.epsilon)?;
        not_negative("optimizer.weight_decay", optimizer.weight_decay)?;
        positive("schedule.factor", schedule.factor)?;
        share("schedule.factor", schedule.factor)?;
        share("schedule.threshold", schedule.threshold)?;
        not_negative("schedule.minimum", schedule.minimum)?;
        positive("swa.learning_rate", swa.learning_rate)?;
        within("run.epochs", run.epochs as usize, 1, 1_000_000)?;
        within("run.groups", run.groups, 1, MOST)?;
        if swa.epochs > run.epochs {
            let (average, all) = (swa.epochs, run.epochs);
            return Err(format!("swa.epochs is {average}, more than the run has (run.epochs is {all})"));
        }
        let device = run.device.as_str();
        let number = device.strip_prefix("cuda:").map(|number| number.parse::<u8>().is_ok());
        if !number.unwrap_or(matches!(device, "auto" | "cpu" | "cuda")) {
            return Err(format!("run.device is {device:?}; it must be auto, cpu, cuda, or cuda:0 and so on"));
        }
        Ok(())
    }

    fn check_model(&self) -> Result<(), String> {
        let model = &self.model;
        let letters = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
        if model.name.is_empty() || model.name.len() > 64 || !model.name.chars().all(letters) {
            return Err(format!("model.name is {:?}; it must be letters, digits, - and _", model.name));
        }
        if model.architecture != ARCHITECTURE {
            return Err(format!("model.architecture is `{}`; it must be {ARCHITECTURE}", model.architecture));
        }
        let sizes = [
            ("frames", model.frames as f64, FRAMES as f64),
            ("bands", model.bands as f64, BANDS as f64),
            ("embedding", model.embedding as f64, EMBEDDING as f64),
            ("dropout", model.dropout, DROPOUT),
            ("stochastic_depth", model.stochastic_depth, STOCHASTIC_DEPTH),
        ];
        match sizes.into_iter().find(|(_, value, own)| value != own) {
            Some((key, value, own)) => Err(format!("model.{key} is {value}; {ARCHITECTURE} has {own}")),
            None => Ok(()),
        }
    }

    fn check_objective(&self) -> Result<(), String> {
        let tasks = self.objective.associations();
        match &self.objective {
            Objective::Tags(tags) => {
                within("objective.classes", tags.classes, 1, MOST)?;
                within("objective.patches", tags.patches, 2, MOST)?;
                let options = [
                    ("redraw_pairs", self.data.redraw_pairs),
                    ("mask_related", self.data.mask_related),
                    ("artist_unique", self.data.artist_unique),
                ];
                if let Some((key, _)) = options.iter().find(|(_, on)| *on) {
                    return Err(format!(
                        "data.{key} is only for pairs, which the objective tags does not use"
                    ));
                }
            }
            Objective::Contrastive(contrastive) => {
                within("objective.projection", contrastive.projection, 1, MOST)?;
                if tasks.len() != 1 {
                    return Err(format!(
                        "{} associations; a contrastive objective has one, a multitask objective several",
                        tasks.len()
                    ));
                }
            }
            Objective::Multitask(multitask) => {
                within("objective.projection", multitask.projection, 1, MOST)?;
                within("objective.encoder.epoch", multitask.encoder.epoch as usize, 1, 1_000_000)?;
                if tasks.is_empty() {
                    return Err("objective.associations is empty".into());
                }
            }
        }
        for (index, Task { name, weight, pairs }) in tasks.iter().enumerate() {
            let key = format!("objective.associations.{}", name.name());
            within(&format!("{key}.pairs"), *pairs, 2, MOST)?;
            positive(&format!("{key}.weight"), *weight)?;
            if tasks[..index].iter().any(|other| other.name == *name) {
                return Err(format!("the association {} occurs twice", name.name()));
            }
        }
        Ok(())
    }
}

fn within(key: &str, value: usize, least: usize, most: usize) -> Result<(), String> {
    let fits = (least..=most).contains(&value);
    fits.then_some(()).ok_or_else(|| format!("{key} is {value}; it must be {least} to {most}"))
}

fn positive(key: &str, value: f64) -> Result<(), String> {
    let fits = value.is_finite() && value > 0.0;
    fits.then_some(()).ok_or_else(|| format!("{key} is {value}; it must be above 0"))
}

fn not_negative(key: &str, value: f64) -> Result<(), String> {
    let fits = value.is_finite() && value >= 0.0;
    fits.then_some(()).ok_or_else(|| format!("{key} is {value}; it must be 0 or more"))
}

fn share(key: &str, value: f64) -> Result<(), String> {
    let fits = (0.0..1.0).contains(&value);
    fits.then_some(()).ok_or_else(|| format!("{key} is {value}; it must be at least 0 and below 1"))
}

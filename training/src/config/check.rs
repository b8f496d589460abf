//! The values that keys may have.

use super::{Augment, Config, Distil, EmbeddingLoss, Objective, TagLoss, Task, Teacher};
use crate::network::architecture::{BANDS, DROPOUT, EMBEDDING, FRAMES, STOCHASTIC_DEPTH};
use crate::network::description::ARCHITECTURE;

/// More pairs, patches or values than any device holds.
const MOST: usize = 1 << 16;

impl Config {
    /// Whether the values can be used together.
    pub(super) fn check(&self) -> Result<(), String> {
        self.check_model()?;
        self.check_objective()?;
        check_augment(&self.augment)?;
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
            return Err(format!(
                "model.architecture is `{}`; it must be {ARCHITECTURE}, the only one",
                model.architecture
            ));
        }
        let sizes = [
            ("frames", model.frames as f64, FRAMES as f64),
            ("bands", model.bands as f64, BANDS as f64),
            ("embedding", model.embedding as f64, EMBEDDING as f64),
            ("dropout", model.dropout, DROPOUT),
            ("stochastic_depth", model.stochastic_depth, STOCHASTIC_DEPTH),
        ];
        match sizes.into_iter().find(|(_, value, own)| value != own) {
            Some((key, value, own)) => {
                Err(format!("model.{key} is {value}; {ARCHITECTURE} has {own}, which cannot change"))
            }
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
            Objective::Distil(distil) => check_distil(distil)?,
            Objective::Multitask(multitask) => {
                if !multitask.encoder.run.is_empty() && !self.model.initial.is_empty() {
                    return Err(
                        "objective.encoder.run and model.initial are both set; empty one of them".into()
                    );
                }
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

fn check_augment(augment: &Augment) -> Result<(), String> {
    let &Augment { gain_least, gain_most, mix, mix_share, band_limit, .. } = augment;
    for (key, value) in [("gain_least", gain_least), ("gain_most", gain_most)] {
        if !(-120.0..=60.0).contains(&value) {
            return Err(format!("augment.{key} is {value}; it must be -120 to 60 dB"));
        }
    }
    if gain_least > gain_most {
        return Err(format!("augment.gain_least is {gain_least}, above augment.gain_most, {gain_most}"));
    }
    for (key, value) in [("mix", mix), ("mix_share", mix_share), ("band_limit", band_limit)] {
        if !(0.0..=1.0).contains(&value) {
            return Err(format!("augment.{key} is {value}; it must be 0 to 1"));
        }
    }
    within("augment.frequency_masks", augment.frequency_masks, 0, BANDS)?;
    within("augment.frequency_width", augment.frequency_width, 0, BANDS)?;
    within("augment.time_masks", augment.time_masks, 0, FRAMES)?;
    within("augment.time_width", augment.time_width, 0, FRAMES)
}

fn check_distil(distil: &Distil) -> Result<(), String> {
    within("objective.patches", distil.patches, 2, MOST)?;
    within("objective.projection", distil.projection, 1, MOST)?;
    if distil.teachers.is_empty() {
        return Err("objective.teachers is empty".into());
    }
    for (index, teacher) in distil.teachers.iter().enumerate() {
        let Teacher { name, embeddings, embeddings_weight, tags, tags_weight, tags_head, .. } = teacher;
        let key = format!("objective.teachers.{name}");
        let letters = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic());
        if !is_name || name.len() > 40 || !name.chars().all(letters) {
            return Err(format!(
                "a teacher is called {name:?}; names have only letters, digits and _, and begin with a letter"
            ));
        }
        if distil.teachers[..index].iter().any(|other| other.name == *name) {
            return Err(format!("two teachers are called {name}"));
        }
        if (*embeddings, *tags) == (EmbeddingLoss::None, TagLoss::None) {
            return Err(format!("{key}: neither its embeddings nor its tags are learnt"));
        }
        positive(&format!("{key}.embeddings_weight"), *embeddings_weight)?;
        positive(&format!("{key}.tags_weight"), *tags_weight)?;
        if *tags != TagLoss::None && distil.associations.iter().any(|task| task.name.name() == tags_head) {
            return Err(format!("{key}.tags_head is `{tags_head}`, the name of an association's head"));
        }
    }
    Ok(())
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

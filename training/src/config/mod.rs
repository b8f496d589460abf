//! The configuration of a run, one TOML file.
//!
//! `configs/` has the paper's six models, and `distil.toml`, which is beyond the paper. All keys are required: there are no defaults in the code. An unknown key is
//! an error that names it and the most similar known key. The shipped files define which keys exist.

mod check;
mod distil;
mod keys;
mod values;

use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::Table;

pub use distil::{Distil, EmbeddingLoss, TagLoss, TargetsOf, Teacher};
pub use values::{
    Augment, Contrastive, Data, Encoder, Length, Model, Multitask, Objective, Optimizer, OptimizerKind,
    Precision, Run, Schedule, ScheduleKind, Swa, Tags, Task,
};

use crate::error::{Error, Result};

/// The shipped files by name, the paper's single associations first.
pub const SHIPPED: [(&str, &str); 6] = [
    ("track", include_str!("../../configs/track.toml")),
    ("release", include_str!("../../configs/release.toml")),
    ("artist", include_str!("../../configs/artist.toml")),
    ("label", include_str!("../../configs/label.toml")),
    ("tags", include_str!("../../configs/tags.toml")),
    ("multitask", include_str!("../../configs/multitask.toml")),
];

/// The shipped file for learning from other models. It names files of this repository.
pub const DISTIL: &str = include_str!("../../configs/distil.toml");

/// A run's configuration: one field for each section of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The network.
    pub model: Model,
    /// The batches.
    pub data: Data,
    /// Changes to training patches.
    #[serde(default)]
    pub augment: Augment,
    /// The objective.
    pub objective: Objective,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// The learning-rate schedule.
    pub schedule: Schedule,
    /// The average of the last epochs' weights.
    pub swa: Swa,
    /// Length, seed and device of the run.
    pub run: Run,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// `Io` if it cannot be read; `Format`, with file and key, if a key is missing, unknown, or has an invalid value.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::load_with::<&str>(path, &[])
    }

    /// Reads a file and then changes some values: each of `changes` is `section.key=value`, where the value is TOML or,
    /// if it does not parse, a string. Entries of a list are named by number or by their `name`, as in
    /// `objective.associations.artist.pairs=20`.
    ///
    /// # Errors
    /// As [`Config::load`]; `InvalidArgument` for an invalid change.
    pub fn load_with<S: AsRef<str>>(path: impl AsRef<Path>, changes: &[S]) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
        Self::parse(&text, changes).map_err(|fault| match fault {
            Fault::File(reason) => Error::format(path, reason),
            Fault::Change(reason) => Error::InvalidArgument(reason),
        })
    }

    /// One of the shipped files, by name: track, release, artist, label, tags or multitask.
    pub fn shipped(name: &str) -> Option<Self> {
        let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name)?;
        Some(Self::parse::<&str>(text, &[]).unwrap_or_else(|_| panic!("{name}.toml is whole")))
    }

    /// The configuration as TOML, without comments.
    ///
    /// # Errors
    /// `InvalidArgument` for a seed that is too large for TOML.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|error| Error::InvalidArgument(error.to_string()))
    }

    fn parse<S: AsRef<str>>(text: &str, changes: &[S]) -> Result<Self, Fault> {
        let mut table: Table =
            text.parse().map_err(|error: toml::de::Error| Fault::File(one_line(&error)))?;
        for change in changes {
            let change = change.as_ref();
            let fault = |reason: String| Fault::Change(format!("--set {change}: {reason}"));
            let (key, value) = change.split_once('=').ok_or_else(|| fault("not KEY=VALUE".into()))?;
            keys::set(&mut table, key.trim(), keys::value(value.trim())).map_err(fault)?;
        }
        keys::check(&table).map_err(Fault::File)?;
        let config: Config = table.try_into().map_err(|error| Fault::File(one_line(&error)))?;
        config.check().map_err(Fault::File)?;
        Ok(config)
    }
}

/// Whether the file or a change is wrong.
#[derive(Debug)]
enum Fault {
    File(String),
    Change(String),
}

/// Messages of this crate are one line; the parser's have several.
fn one_line(error: &toml::de::Error) -> String {
    let text = error.to_string();
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;

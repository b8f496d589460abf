//! The start of a run: its teachers, and its weights: random, of another network or run, or of its own last epoch.

use std::path::Path;

use serde_json::Value;
use sleeve::engine::EngineOptions;
use tch::Tensor;

use super::learner::Learner;
use super::sources::Source;
use super::state::{Files, Saved};
use crate::checkpoint::Checkpoint;
use crate::config::{Config, Objective};
use crate::error::{Error, Result};
use crate::export::published;
use crate::network::{Description, Head};
use crate::targets::{TargetStore, Teacher};

/// The number of patches from which batch norm's statistics are taken.
const CALIBRATED: usize = 256;
/// Keys that may change when a run is resumed: they affect where and how fast it runs, not what it computes.
const FREE: [&str; 4] = ["/run/device", "/run/precision", "/data/loader_threads", "/data/ahead"];

/// The state to resume from, if `resume` is set and there is one.
///
/// # Errors
/// If there is a run but `resume` is not set, or it has another configuration.
pub fn state(files: &Files, config: &Config, resume: bool) -> Result<Option<Saved>> {
    let path = files.last();
    match (path.exists(), resume) {
        (false, _) => Ok(None),
        (true, false) => Err(Error::format(
            files.folder(),
            "there is a run in this folder: continue it with --resume, or choose another folder",
        )),
        (true, true) => {
            let saved = Saved::read(&path)?;
            match difference(&saved.progress.config, config) {
                None => Ok(Some(saved)),
                Some(difference) => {
                    Err(Error::format(&path, format!("the run has another configuration: {difference}")))
                }
            }
        }
    }
}

/// The first key whose value differs, with both values; `None` if all relevant values are the same.
pub fn difference(one: &Config, other: &Config) -> Option<String> {
    let plain = |config: &Config| {
        let mut value = serde_json::to_value(config).expect("a configuration is plain data");
        for pointer in FREE {
            value.pointer_mut(pointer).map(Value::take);
        }
        value
    };
    differs(&plain(one), &plain(other), "")
}

fn differs(one: &Value, other: &Value, path: &str) -> Option<String> {
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            keys.into_iter().find_map(|key| {
                let nothing = Value::Null;
                differs(a.get(key).unwrap_or(&nothing), b.get(key).unwrap_or(&nothing), &join(key))
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut places = a.iter().zip(b).enumerate();
            places.find_map(|(place, (a, b))| differs(a, b, &join(&place.to_string())))
        }
        _ if one == other => None,
        _ => Some(format!("{path} is {one} there and {other} here")),
    }
}

/// Opens the teachers of a distillation and the folder of their targets.
///
/// # Errors
/// If one cannot be opened, the folder is missing, or there is one for another objective.
pub fn teachers(config: &Config, folder: Option<&Path>) -> Result<Option<(TargetStore, Vec<Teacher>)>> {
    let wrong = |reason: &str| Err(Error::InvalidArgument(reason.into()));
    match (&config.objective, folder) {
        (Objective::Distil(distil), Some(folder)) => {
            let store = TargetStore::open(folder)?;
            let options = EngineOptions::default().threads(1);
            let open = |teacher| Teacher::open(teacher, &options);
            Ok(Some((store, distil.teachers.iter().map(open).collect::<Result<_>>()?)))
        }
        (Objective::Distil(_), None) => {
            wrong("--targets is missing: the folder that `sleeve-train targets` writes")
        }
        (_, Some(_)) => wrong("--targets is for objective.kind = \"distil\" alone"),
        (_, None) => Ok(None),
    }
}

/// The description and the initial weights: those of the state, or untrained ones, with the encoder and heads of another
/// file or another run's encoder if the configuration names one.
///
/// # Errors
/// `Format` if the state has other classes than the data set; errors of reading another run's encoder.
pub fn network(
    config: &Config,
    description: Description,
    saved: Option<&Saved>,
) -> Result<(Description, Checkpoint)> {
    let mut checkpoint = Checkpoint::untrained(description, config.run.seed)?;
    let own = &checkpoint.description;
    if let Some(saved) = saved {
        if saved.description.heads != own.heads || saved.description.classes != own.classes {
            return Err(Error::InvalidArgument(
                "the run in this folder has other heads or classes than the data set; its tables may have changed"
                    .into(),
            ));
        }
    } else if !config.model.initial.is_empty() {
        let path = Path::new(&config.model.initial);
        let other = if is_folded(config) { published::unfolded(path)? } else { Checkpoint::read(path)? };
        take(&mut checkpoint, other);
    } else if let Objective::Multitask(multitask) = &config.objective
        && !multitask.encoder.run.is_empty()
    {
        let path = Files::new(Path::new(&multitask.encoder.run)).epoch(multitask.encoder.epoch);
        take_encoder(&mut checkpoint, &path)?;
    }
    Ok((checkpoint.description.clone(), checkpoint))
}

/// Whether a run starts from a file whose batch norms are folded into the convolutions.
pub fn is_folded(config: &Config) -> bool {
    Path::new(&config.model.initial).extension().is_some_and(|extension| extension == "onnx")
}

/// Gives the batch norms of a network from a folded file the statistics of some training patches.
///
/// # Errors
/// Those of reading the first batches.
pub fn calibrate(learner: &mut Learner, train: &Source, config: &Config) -> Result<()> {
    let mut patches = Vec::new();
    let mut count = 0;
    for batch in train.epoch(0, 0, config.run.groups) {
        let batch = batch?;
        count += batch.tracks.len();
        patches.push(batch.patches());
        if count >= CALIBRATED {
            break;
        }
    }
    learner.calibrate(&Tensor::cat(&patches, 0));
    Ok(())
}

/// Takes over another network's encoder, and its heads of the same name, kind and width.
fn take(checkpoint: &mut Checkpoint, other: Checkpoint) {
    let heads = &checkpoint.description.heads;
    let same = |name: &str| {
        let of = |heads: &[Head]| {
            heads.iter().find(|head| name.starts_with(&format!("{}.", head.path()))).cloned()
        };
        match (of(heads), of(&other.description.heads)) {
            (Some(own), Some(other)) => (own.kind, own.values) == (other.kind, other.values),
            _ => false,
        }
    };
    let taken: Vec<String> =
        other.tensors.keys().filter(|name| !name.starts_with("heads.") || same(name)).cloned().collect();
    let mut tensors = other.tensors;
    for name in taken {
        if let Some(tensor) = tensors.remove(&name) {
            checkpoint.tensors.insert(name, tensor);
        }
    }
}

/// Replaces the encoder by that of another network.
fn take_encoder(checkpoint: &mut Checkpoint, path: &Path) -> Result<()> {
    let other = match Checkpoint::read(path) {
        Err(Error::Io { path, source }) => {
            let hint = "the encoder to start from (objective.encoder); a run keeps every tenth epoch, or those of \
                        `train --keep`; objective.encoder.run=\"\" starts with random weights";
            return Err(Error::format(path, format!("{source}: {hint}")));
        }
        other => other?,
    };
    for (name, tensor) in other.tensors.into_iter().filter(|(name, _)| !name.starts_with("heads.")) {
        checkpoint.tensors.insert(name, tensor);
    }
    Ok(())
}

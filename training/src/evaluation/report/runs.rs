//! Reads the folders of training runs: `config.toml` and `log.jsonl` of `sleeve-train train`.
//!
//! The configuration is read as untyped TOML, so that runs of older and newer versions can be compared.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::config::SHIPPED;
use crate::error::{Error, Result};
use crate::runlog::{self, Entry, LOG};

/// The file name of a run's configuration.
const CONFIG: &str = "config.toml";

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its folder.
    pub folder: PathBuf,
    /// The folder's name.
    pub name: String,
    /// The model's name in the configuration.
    pub model: String,
    /// `contrastive`, `multitask`, `tags` or a future kind.
    pub objective: String,
    /// The associations with their pairs in a batch.
    pub associations: Vec<(String, u64)>,
    /// Patches of a batch of tags.
    pub patches: Option<u64>,
    /// Batches per step.
    pub groups: u64,
    /// Epochs that were planned, and that were completed.
    pub epochs: (u64, u64),
    /// The epoch of the lowest validation loss.
    pub best: Option<u64>,
    /// Top-1 accuracy of the validation pairs after that epoch, for each association.
    pub top1: Vec<(String, f64)>,
    /// Total seconds of the completed epochs.
    pub seconds: f64,
    /// Differences between the configuration and the shipped one of its kind.
    pub changes: Vec<String>,
}

impl Run {
    /// Reads a run's folder.
    ///
    /// # Errors
    /// If one of its files cannot be read or is invalid.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(CONFIG);
        let text = std::fs::read_to_string(&path).map_err(|error| Error::io(&path, error))?;
        let config: Table = text.parse().map_err(|error: toml::de::Error| {
            let text = error.to_string();
            let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            Error::format(&path, lines.join(" "))
        })?;
        // A run has no log before its first epoch ends.
        let log = match folder.join(LOG).exists() {
            true => runlog::read(folder)?,
            false => Vec::new(),
        };
        let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let name = whole
            .file_name()
            .map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into());
        let word =
            |section: &str, key: &str| at(&config, section, key).and_then(Value::as_str).map(str::to_owned);
        let number = |section: &str, key: &str| {
            at(&config, section, key)
                .and_then(Value::as_integer)
                .and_then(|number| u64::try_from(number).ok())
        };
        let associations = at(&config, "objective", "associations").and_then(Value::as_array);
        let associations = associations.into_iter().flatten().filter_map(|one| {
            let pairs = one.get("pairs").and_then(Value::as_integer).unwrap_or_default();
            Some((one.get("name")?.as_str()?.to_owned(), u64::try_from(pairs).unwrap_or_default()))
        });
        let ended = |entry: &&Entry| entry.values.keys().any(|key| key.starts_with("train/"));
        let best = log.iter().filter(ended).filter_map(|entry| Some((deciding_loss(entry)?, entry)));
        let best = best.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, entry)| entry);
        let mut run = Run {
            folder: folder.to_owned(),
            model: word("model", "name").unwrap_or_else(|| name.clone()),
            name,
            objective: word("objective", "kind").unwrap_or_else(|| "unknown".into()),
            associations: associations.collect(),
            patches: number("objective", "patches"),
            groups: number("run", "groups").unwrap_or(1),
            epochs: (
                number("run", "epochs").unwrap_or_default(),
                log.iter().filter(ended).map(|entry| entry.epoch).max().unwrap_or_default(),
            ),
            best: best.map(|entry| entry.epoch),
            top1: Vec::new(),
            seconds: log.iter().filter_map(|entry| entry.values.get("seconds")).sum(),
            changes: Vec::new(),
        };
        for (key, &value) in best.iter().flat_map(|entry| &entry.values) {
            if let ["validation", what, "accuracy"] = key.split('/').collect::<Vec<_>>()[..] {
                run.top1.push((what.to_owned(), value));
            }
        }
        // In the order of the configuration.
        let place = |name: &str| run.associations.iter().position(|(association, _)| association == name);
        run.top1.sort_by_key(|(name, _)| place(name));
        run.changes = run.shipped().map(|shipped| changes(&config, &shipped)).unwrap_or_default();
        Ok(run)
    }

    /// The association, if there is only one.
    pub fn association(&self) -> Option<&str> {
        match (self.objective.as_str(), self.associations.as_slice()) {
            ("contrastive", [(name, _)]) => Some(name),
            _ => None,
        }
    }

    /// Its objective in a word or two.
    pub fn learns(&self) -> String {
        match self.association() {
            Some(association) => association.to_owned(),
            None => self.objective.clone(),
        }
    }

    /// `200 × 6`: pairs in a batch, batches per step.
    pub fn batch(&self) -> String {
        let pairs: Vec<String> = self.associations.iter().map(|(_, pairs)| pairs.to_string()).collect();
        let one = match (pairs.as_slice(), self.patches) {
            ([], Some(patches)) => format!("{patches} patches"),
            ([], None) => "unknown".into(),
            (all, _) if all.iter().all(|pairs| *pairs == all[0]) && all.len() > 1 => {
                format!("{} of each", all[0])
            }
            (all, _) => all.join(" + "),
        };
        format!("{one} × {}", self.groups)
    }

    /// The shipped configuration with the same objective.
    fn shipped(&self) -> Option<Table> {
        let wanted = self.learns();
        let (_, text) = SHIPPED.iter().find(|(name, _)| *name == wanted)?;
        text.parse().ok()
    }
}

/// A value by section and key.
fn at<'a>(config: &'a Table, section: &str, key: &str) -> Option<&'a Value> {
    config.get(section)?.get(key)
}

/// The loss that determines the best epoch: the validation loss if there is one, over all associations if there are
/// several.
fn deciding_loss(entry: &Entry) -> Option<f64> {
    let of = |part: &str| {
        let of_all = |kind: &str| entry.values.get(&format!("{part}/{kind}/loss"));
        let all = of_all("multitask").or_else(|| of_all("distil"));
        let begins = format!("{part}/");
        let one = || entry.values.iter().find(|(key, _)| key.starts_with(&begins) && key.ends_with("/loss"));
        all.or_else(|| one().map(|(_, value)| value)).copied()
    };
    of("validation").or_else(|| of("train")).filter(|loss| loss.is_finite())
}

/// The differences between two configurations, as `section.key=value`. The run's name and device do not count.
fn changes(config: &Table, shipped: &Table) -> Vec<String> {
    let silent = ["model.name", "run.device", "run.precision", "data.loader_threads", "data.ahead"];
    let mut own = Vec::new();
    flatten("", &Value::Table(config.clone()), &mut own);
    let mut other = Vec::new();
    flatten("", &Value::Table(shipped.clone()), &mut other);
    let differs = |(key, value): &&(String, String)| {
        !silent.contains(&key.as_str()) && !other.iter().any(|(name, same)| name == key && same == value)
    };
    own.iter().filter(differs).map(|(key, value)| format!("{key}={value}")).collect()
}

/// Every value with its full key; entries of a list are named by their `name`, if they have one.
fn flatten(prefix: &str, value: &Value, out: &mut Vec<(String, String)>) {
    let join = |key: &str| if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
    match value {
        Value::Table(table) => table.iter().for_each(|(key, value)| flatten(&join(key), value, out)),
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                let name = value.get("name").and_then(Value::as_str);
                flatten(&join(&name.map_or_else(|| at.to_string(), str::to_owned)), value, out);
            }
        }
        // 1e-3 and 0.001 are the same number.
        Value::Float(number) => out.push((prefix.to_owned(), number.to_string())),
        value => out.push((prefix.to_owned(), value.to_string())),
    }
}

/// All runs in the given folders, each of which is a run or contains runs, in that order.
///
/// # Errors
/// If a folder contains no run, or one of the runs cannot be read.
pub fn read_all(folders: &[PathBuf]) -> Result<Vec<Run>> {
    let mut runs: Vec<Run> = Vec::new();
    for folder in folders {
        let before = runs.len();
        let mut repeated = false;
        for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
            let entry = entry.map_err(|error| Error::format(folder, error))?;
            if entry.file_name() == CONFIG && entry.file_type().is_file() {
                let own = entry.path().parent().unwrap_or(folder);
                match runs.iter().any(|run| run.folder == own) {
                    true => repeated = true,
                    false => runs.push(Run::read(own)?),
                }
            }
        }
        if runs.len() == before && !repeated {
            let reason = format!("it contains no run: no folder with the {CONFIG} of `sleeve-train train`");
            return Err(Error::Nothing { path: folder.clone(), reason });
        }
    }
    Ok(runs)
}

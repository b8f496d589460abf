//! Results files: one JSON file per model (or stack of models), data set and task.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::error::{Error, Result};

/// The version of the schema, raised when the meaning of a key changes.
pub const SCHEMA: u32 = 1;

/// The kind of evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Tags or classes predicted by a small network from the frozen embeddings.
    Downstream,
    /// Neighbours found by the cosine of embeddings.
    Retrieval,
}

/// An encoder that was evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name in tables.
    pub name: String,
    /// The key of its embeddings: see [`Encoder::identity`](super::encoders::Encoder::identity).
    pub identity: String,
    /// Values of its embedding.
    pub dimensions: usize,
}

/// One figure and its uncertainty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The mean over the seeds; ratios are between 0 and 1, not percent.
    pub value: f64,
    /// The 95 % confidence interval of the bootstrap, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// The figure of each seed, if there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<f64>,
}

/// The outcome of one evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// The version of the file's schema.
    pub schema: u32,
    /// The kind of evaluation.
    pub task: Task,
    /// The data set: `mtg-jamendo-genre`, `magnatagatune`, `fma-small`, `debian` or a user's own.
    pub dataset: String,
    /// One encoder, or several that are concatenated.
    pub encoders: Vec<Source>,
    /// The settings that affect the figures.
    pub protocol: BTreeMap<String, serde_json::Value>,
    /// Counts: tracks, queries, artists, missing files and so on.
    pub counts: BTreeMap<String, u64>,
    /// The figures.
    pub metrics: BTreeMap<String, Figure>,
    /// Remarks for the reader, such as deviations from the paper's protocol.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

impl Figure {
    /// The sample standard deviation over the seeds; 0 with fewer than two.
    pub fn spread(&self) -> f64 {
        let count = self.seeds.len() as f64;
        if count < 2.0 {
            return 0.0;
        }
        let mean = self.seeds.iter().sum::<f64>() / count;
        (self.seeds.iter().map(|figure| (figure - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt()
    }
}

impl Results {
    /// The encoders' names joined with `+`.
    pub fn name(&self) -> String {
        let names: Vec<&str> = self.encoders.iter().map(|encoder| encoder.name.as_str()).collect();
        names.join("+")
    }

    /// Its path in a folder of results: `<task>/<data set>/<encoders>.json`.
    pub fn place(&self) -> PathBuf {
        let task = match self.task {
            Task::Downstream => "downstream",
            Task::Retrieval => "retrieval",
        };
        let safe = |text: &str| text.replace(|letter: char| "/\\:\0".contains(letter), "_");
        Path::new(task).join(safe(&self.dataset)).join(format!("{}.json", safe(&self.name())))
    }

    /// Writes it into a folder of results, and returns the path.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join(self.place());
        let mut text = serde_json::to_string_pretty(self).map_err(|error| Error::format(&path, error))?;
        text.push('\n');
        atomic::write(&path, text.as_bytes())?;
        Ok(path)
    }

    /// Reads one file.
    ///
    /// # Errors
    /// If it cannot be read, is not such a file, or has another schema version.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).map_err(|error| Error::io(path, error))?;
        let results: Results = serde_json::from_slice(&text).map_err(|error| Error::format(path, error))?;
        match results.schema {
            SCHEMA => Ok(results),
            other => Err(Error::format(path, format!("schema {other}; this version reads {SCHEMA}"))),
        }
    }

    /// Reads every `.json` file in a folder of results, in the order of their paths.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn load_all(folder: &Path) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
            let entry = entry.map_err(|error| Error::format(folder, error))?;
            if entry.path().extension().is_some_and(|extension| extension == "json") {
                all.push(Results::load(entry.path())?);
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Results {
        Results {
            schema: SCHEMA,
            task: Task::Retrieval,
            dataset: "debian".into(),
            encoders: ["a", "b/c"]
                .map(|name| Source { name: name.into(), identity: "0".into(), dimensions: 2 })
                .into(),
            protocol: BTreeMap::from([("hop".into(), 64.into())]),
            counts: BTreeMap::from([("queries".into(), 12)]),
            metrics: BTreeMap::from([(
                "map".into(),
                Figure { value: 0.1 + 0.2, interval: Some([0.25, 0.375]), seeds: vec![] },
            )]),
            remarks: vec!["a remark".into()],
        }
    }

    #[test]
    fn results_survive_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let results = example();
        let path = results.save(folder.path()).unwrap();
        assert_eq!(path, folder.path().join("retrieval/debian/a+b_c.json"));
        assert_eq!(Results::load_all(folder.path()).unwrap(), [results]);
    }

    #[test]
    fn seeds_spread_around_their_mean() {
        let figure = |seeds: &[f64]| Figure { seeds: seeds.into(), ..Figure::default() };
        assert_eq!(
            [&[][..], &[0.5], &[0.25, 0.75]].map(|seeds| figure(seeds).spread()),
            [0.0, 0.0, 0.125f64.sqrt()]
        );
    }

    #[test]
    fn another_schema_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = Results { schema: 7, ..example() }.save(folder.path()).unwrap();
        let error = Results::load(&path).unwrap_err().to_string();
        assert!(error.contains("schema 7") && error.contains("a+b_c.json"), "{error}");
    }
}

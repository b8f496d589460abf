//! The files of a run: networks for `export`, and the whole state for resuming.
//!
//! Each is one atomic safetensors file. `sleeve` in its header describes the network as in every checkpoint; `run` has
//! the configuration and the progress of the run. Files for resuming also have the optimizer's running means and the
//! average of weights, under names that begin with `run.`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::learner::{Average, Learner};
use super::schedule::Plateau;
use crate::atomic;
use crate::checkpoint::STATE;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::network::Description;

/// The key of the run in a file's header.
const KEY: &str = "run";

/// The progress of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The configuration.
    pub config: Config,
    /// Complete epochs.
    pub epochs: u32,
    /// Optimizer steps.
    pub steps: u64,
    /// The schedule.
    pub plateau: Plateau,
    /// The best epoch so far.
    pub best: Option<Best>,
    /// Epochs whose weights are in the average.
    pub averaged: u64,
}

/// The epoch with the lowest validation loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Its number, from 1.
    pub epoch: u32,
    /// That loss.
    pub loss: f64,
}

/// The files in a run's folder.
#[derive(Clone, Debug)]
pub struct Files {
    folder: PathBuf,
}

impl Files {
    /// The files in a folder.
    pub fn new(folder: &Path) -> Self {
        Files { folder: folder.to_owned() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The configuration, with every change made on the command line.
    pub fn config(&self) -> PathBuf {
        self.folder.join("config.toml")
    }

    /// The state after the last complete epoch.
    pub fn last(&self) -> PathBuf {
        self.folder.join("last.safetensors")
    }

    /// The network of the epoch with the lowest validation loss.
    pub fn best(&self) -> PathBuf {
        self.folder.join("best.safetensors")
    }

    /// The network of averaged weights.
    pub fn average(&self) -> PathBuf {
        self.folder.join("swa.safetensors")
    }

    /// The network after an epoch, counted from 1.
    pub fn epoch(&self, epoch: u32) -> PathBuf {
        self.folder.join(format!("epochs/{epoch:04}.safetensors"))
    }

    /// What the process that trains here has locked.
    pub fn lock(&self) -> PathBuf {
        self.folder.join(".lock")
    }

    /// The tracks of the batch with which a run failed.
    pub fn broken(&self) -> PathBuf {
        self.folder.join("broken-batch.txt")
    }
}

struct Stored {
    name: String,
    dims: Vec<usize>,
    dtype: Dtype,
    bytes: Vec<u8>,
}

impl Stored {
    fn new(name: String, tensor: &Tensor) -> Self {
        let dims = tensor.size().iter().map(|&dim| dim as usize).collect();
        let flat = tensor.detach().to_device(Device::Cpu).contiguous().view(-1);
        let (dtype, bytes) = match flat.kind() {
            Kind::Double => {
                let values = Vec::<f64>::try_from(&flat).expect("doubles");
                (Dtype::F64, values.into_iter().flat_map(f64::to_le_bytes).collect())
            }
            _ => {
                let values = Vec::<f32>::try_from(&flat.to_kind(Kind::Float)).expect("floats");
                (Dtype::F32, values.into_iter().flat_map(f32::to_le_bytes).collect())
            }
        };
        Stored { name, dims, dtype, bytes }
    }
}

/// Writes the current network.
///
/// # Errors
/// `Io`.
pub fn write_network(
    path: &Path,
    learner: &Learner,
    description: &Description,
    progress: &Progress,
) -> Result<()> {
    write(path, network(learner), description, progress)
}

/// Writes the network and the state for resuming.
///
/// # Errors
/// `Io`.
pub fn write_state(
    path: &Path,
    learner: &Learner,
    average: &Average,
    description: &Description,
    progress: &Progress,
) -> Result<()> {
    let mut tensors = network(learner);
    for (part, vector) in vectors(learner, average) {
        let named = learner.flat().weights_of(vector).into_iter();
        tensors.extend(named.map(|(name, view)| Stored::new(format!("{STATE}{part}.{name}"), &view)));
    }
    write(path, tensors, description, progress)
}

/// The vectors that are stored beside the network, each as long as the weights.
fn vectors<'a>(learner: &'a Learner, average: &'a Average) -> [(&'static str, &'a Tensor); 3] {
    [("mean", &learner.adam.mean), ("square", &learner.adam.square), ("average", &average.values)]
}

fn network(learner: &Learner) -> Vec<Stored> {
    let flat = learner.flat();
    let all = flat.weights_of(flat.values()).into_iter().chain(flat.statistics_of(flat.statistics()));
    all.map(|(name, view)| Stored::new(name, &view)).collect()
}

fn write(path: &Path, tensors: Vec<Stored>, description: &Description, progress: &Progress) -> Result<()> {
    let json = |value: serde_json::Result<String>| value.map_err(|error| Error::format(path, error));
    let header = BTreeMap::from([
        (crate::checkpoint::KEY.to_owned(), json(serde_json::to_string(description))?),
        (KEY.to_owned(), json(serde_json::to_string(progress))?),
    ]);
    let views = tensors.iter().map(|stored| {
        let view = TensorView::new(stored.dtype, stored.dims.clone(), &stored.bytes);
        Ok((stored.name.as_str(), view.map_err(|error| Error::format(path, error))?))
    });
    let views: Vec<_> = views.collect::<Result<_>>()?;
    let hashed = header.clone().into_iter().collect();
    let mut file = safetensors::serialize(views, Some(hashed)).map_err(|error| Error::format(path, error))?;
    sort_header(&mut file, &header).map_err(|reason| Error::format(path, reason))?;
    atomic::write(path, &file)
}

/// The crate writes the header's texts in the order of a hash map, which is another each time: the same run would not
/// give the same bytes.
fn sort_header(file: &mut [u8], header: &BTreeMap<String, String>) -> Result<(), String> {
    const BEGINNING: &[u8] = br#"{"__metadata__":"#;
    let sorted = serde_json::to_string(header).map_err(|error| error.to_string())?;
    // Behind the header's length.
    let start = 8 + BEGINNING.len();
    let begins = file.get(8..start).is_some_and(|there| there == BEGINNING);
    let texts = file.get_mut(start..start + sorted.len()).filter(|texts| {
        let there = serde_json::from_slice::<BTreeMap<String, String>>(texts);
        begins && there.is_ok_and(|there| there == *header)
    });
    texts.ok_or("the header is not where it was expected")?.copy_from_slice(sorted.as_bytes());
    Ok(())
}

/// A state file that has been read.
pub struct Saved {
    path: PathBuf,
    bytes: Vec<u8>,
    /// The network's description.
    pub description: Description,
    /// The progress of the run.
    pub progress: Progress,
}

impl Saved {
    /// Reads a file.
    ///
    /// # Errors
    /// `Io`, or `Format`: not a complete safetensors file, another architecture, or no state of a run.
    pub fn read(path: &Path) -> Result<Self> {
        // The network is checked as in every checkpoint.
        let checkpoint = crate::checkpoint::Checkpoint::read(path)?;
        let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
        let wrong = |reason: String| Error::format(path, reason);
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| wrong(error.to_string()))?;
        let text = header.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
        let text =
            text.ok_or_else(|| wrong(format!("its header has no `{KEY}`: it has a network, but no run")))?;
        let progress = serde_json::from_str(text)
            .map_err(|error| wrong(format!("the run in its header cannot be read: {error}")))?;
        Ok(Saved { path: path.to_owned(), bytes, description: checkpoint.description, progress })
    }

    /// Sets learner and average to the state.
    ///
    /// # Errors
    /// `Format` if a tensor is missing or of another shape.
    pub fn restore(&self, learner: &mut Learner, average: &mut Average) -> Result<()> {
        let file = SafeTensors::deserialize(&self.bytes).map_err(|error| Error::format(&self.path, error))?;
        let flat = learner.flat();
        for (name, view) in
            flat.weights_of(flat.values()).into_iter().chain(flat.statistics_of(flat.statistics()))
        {
            self.fill(&file, &name, view)?;
        }
        for (part, vector) in vectors(learner, average) {
            for (name, view) in flat.weights_of(vector) {
                self.fill(&file, &format!("{STATE}{part}.{name}"), view)?;
            }
        }
        average.count = self.progress.averaged;
        learner.adam.steps = self.progress.steps;
        Ok(())
    }

    fn fill(&self, file: &SafeTensors, name: &str, mut view: Tensor) -> Result<()> {
        let wrong = |reason: String| Error::format(&self.path, format!("tensor `{name}`: {reason}"));
        let stored = file.tensor(name).map_err(|error| wrong(error.to_string()))?;
        let data = stored.data();
        let values = match stored.dtype() {
            Dtype::F32 => {
                let values: Vec<f32> =
                    data.as_chunks().0.iter().map(|&word| f32::from_le_bytes(word)).collect();
                Tensor::from_slice(&values)
            }
            Dtype::F64 => {
                let values: Vec<f64> =
                    data.as_chunks().0.iter().map(|&word| f64::from_le_bytes(word)).collect();
                Tensor::from_slice(&values)
            }
            other => return Err(wrong(format!("values of type {other:?}"))),
        };
        let dims = view.size();
        if stored.shape().iter().map(|&dim| dim as i64).ne(dims.iter().copied()) {
            return Err(wrong(format!("{:?} for {dims:?}", stored.shape())));
        }
        tch::no_grad(|| view.copy_(&values.view(dims.as_slice())));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_s_order_is_always_the_same() {
        let header: BTreeMap<String, String> =
            (0..8).map(|at| (format!("key {at}"), format!("\"{at}\" é"))).collect();
        let written = || {
            let view = TensorView::new(Dtype::F32, vec![1], &[1, 2, 3, 4]).unwrap();
            let hashed = header.clone().into_iter().collect();
            let mut file = safetensors::serialize([("a", view)], Some(hashed)).unwrap();
            sort_header(&mut file, &header).unwrap();
            file
        };
        let first = written();
        (0..8).for_each(|_| assert_eq!(written(), first));
        let read = SafeTensors::read_metadata(&first).unwrap().1;
        assert_eq!(*read.metadata(), Some(header.clone().into_iter().collect()));
        assert_eq!(SafeTensors::deserialize(&first).unwrap().tensor("a").unwrap().data(), [1, 2, 3, 4]);
        for mut other in [first[..40].to_vec(), Vec::new(), first[1..].to_vec()] {
            assert!(sort_header(&mut other, &header).is_err());
        }
    }
}

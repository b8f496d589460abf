//! Checkpoints: a network's tensors and its description in one safetensors file.
//!
//! The description is a JSON document under the key `sleeve` of the file's header, so that one rename creates the whole
//! checkpoint. Python's `safetensors` opens the file:
//!
//! ```python
//! from safetensors import safe_open
//! file = safe_open("artist.safetensors", "np")
//! file.metadata()["sleeve"], file.get_tensor("features.0.0.weight")
//! ```

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::atomic;
use crate::error::{Error, Result};
use crate::network::parameters::{check, untrained};
use crate::network::{Description, Head, HeadKind, Tensor, Tensors};

/// The key of the description in the file's header.
pub(crate) const KEY: &str = "sleeve";
/// The prefix of tensors that are the state of a run (optimizer and so on), not part of the network.
pub(crate) const STATE: &str = "run.";
/// Larger than any checkpoint of this network; with many heads, a file has some tens of megabytes.
const MAX_BYTES: u64 = 1 << 30;

/// A network at one moment of its training.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Its architecture, heads and classes.
    pub description: Description,
    /// Its weights and running statistics, with torchvision's names.
    pub tensors: Tensors,
}

impl Checkpoint {
    /// An untrained network.
    ///
    /// # Errors
    /// `InvalidArgument` if the description contradicts itself.
    pub fn untrained(description: Description, seed: u64) -> Result<Self> {
        description.check().map_err(Error::InvalidArgument)?;
        let tensors = untrained(&description.heads, seed);
        Ok(Checkpoint { description, tensors })
    }

    /// Keeps only the heads with these names, in the checkpoint's order.
    ///
    /// # Errors
    /// If it has no head of a name, with the names of those it has.
    pub fn keep_heads(&mut self, names: &[String]) -> Result<(), String> {
        let Description { heads, classes, .. } = &mut self.description;
        if let Some(name) = names.iter().find(|name| heads.iter().all(|head| head.name != **name)) {
            let known: Vec<&str> = heads.iter().map(|head| head.name.as_str()).collect();
            return Err(format!("it has no head `{name}`; its heads are {}", known.join(", ")));
        }
        let is_classifier = |head: &Head| head.kind == HeadKind::Classes;
        let first = heads.iter().position(is_classifier);
        let (kept, left): (Vec<_>, Vec<_>) =
            heads.drain(..).enumerate().partition(|(_, head)| names.contains(&head.name));
        *heads = kept.iter().map(|(_, head)| head.clone()).collect();
        // The description has the classes of the first classifier, which may be another one now.
        if let Some((at, _)) = kept.iter().find(|(_, head)| is_classifier(head)) {
            if first != Some(*at) {
                let own = heads.iter_mut().find(|head| is_classifier(head)).expect("it was found");
                *classes = std::mem::take(&mut own.classes);
            }
        } else {
            classes.clear();
        }
        for (_, head) in left {
            let prefix = format!("{}.", head.path());
            self.tensors.retain(|name, _| !name.starts_with(&prefix));
        }
        Ok(())
    }

    /// Reads and checks a file. Values in half precision or bfloat16 are widened, doubles rounded. PyTorch's counters
    /// (`num_batches_tracked`) and the state of a run (`run.`) are ignored.
    ///
    /// # Errors
    /// `Io`, or `Format` with the reason: not safetensors, truncated, another architecture, or tensors that are
    /// missing, unknown or of another shape, with their names.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let wrong = |reason: String| Error::format(path, reason);
        let size = std::fs::metadata(path).map_err(|error| Error::io(path, error))?.len();
        if size > MAX_BYTES {
            return Err(wrong(format!("{size} bytes; no checkpoint of an EfficientNet-B0 is so large")));
        }
        let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
        Self::from_bytes(&bytes).map_err(wrong)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(unreadable)?;
        let file = SafeTensors::deserialize(bytes).map_err(unreadable)?;
        let description = header.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
        let description = description.ok_or_else(|| {
            format!("its header has no `{KEY}`: it does not say which network its tensors belong to")
        })?;
        let description: Description = serde_json::from_str(description)
            .map_err(|error| format!("the description in its header cannot be read: {error}"))?;
        description.check()?;
        let mut tensors = Tensors::new();
        for (name, view) in file.iter() {
            if !name.ends_with(".num_batches_tracked") && !name.starts_with(STATE) {
                tensors.insert(name.to_owned(), read_tensor(name, &view)?);
            }
        }
        check(&description.heads, &tensors)?;
        Ok(Checkpoint { description, tensors })
    }

    /// Writes the file atomically; an existing file is replaced.
    ///
    /// # Errors
    /// `Io`, or `InvalidArgument` if description and tensors do not match.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        self.description.check().map_err(Error::InvalidArgument)?;
        check(&self.description.heads, &self.tensors).map_err(Error::InvalidArgument)?;
        let description = serde_json::to_string(&self.description)
            .map_err(|error| Error::InvalidArgument(format!("the description: {error}")))?;
        let bytes: BTreeMap<&str, Vec<u8>> = self
            .tensors
            .iter()
            .map(|(name, tensor)| {
                (name.as_str(), tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect())
            })
            .collect();
        let views = self.tensors.iter().map(|(name, tensor)| {
            let view = TensorView::new(Dtype::F32, tensor.dims.clone(), &bytes[name.as_str()]);
            Ok((name, view.map_err(|error| Error::format(&path, error))?))
        });
        let views: Vec<_> = views.collect::<Result<_>>()?;
        let header = HashMap::from([(KEY.to_owned(), description)]);
        let file =
            safetensors::serialize(views, Some(header)).map_err(|error| Error::format(&path, error))?;
        atomic::write(path, &file)
    }
}

fn unreadable(error: safetensors::SafeTensorError) -> String {
    format!("not a whole safetensors file: {error}")
}

fn read_tensor(name: &str, view: &TensorView) -> Result<Tensor, String> {
    let data = view.data();
    let values: Vec<f32> = match view.dtype() {
        Dtype::F32 => data.as_chunks().0.iter().map(|&word| f32::from_le_bytes(word)).collect(),
        Dtype::F64 => data.as_chunks().0.iter().map(|&word| f64::from_le_bytes(word) as f32).collect(),
        Dtype::F16 => data.as_chunks().0.iter().map(|&word| f16::from_le_bytes(word).to_f32()).collect(),
        Dtype::BF16 => data.as_chunks().0.iter().map(|&word| bf16::from_le_bytes(word).to_f32()).collect(),
        other => return Err(format!("tensor `{name}` has values of type {other:?}, not floats")),
    };
    Ok(Tensor { dims: view.shape().to_vec(), values })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn untrained() -> Checkpoint {
        let mut description = Description::new(vec![Head::projection("artist"), Head::classes("styles", 3)]);
        description.classes = ["a", "b", "c"].map(str::to_owned).to_vec();
        description.metadata.insert("author".into(), "me".into());
        Checkpoint::untrained(description, 4).unwrap()
    }

    #[test]
    fn a_checkpoint_comes_back_bit_by_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deeper/artist.safetensors");
        let checkpoint = untrained();
        checkpoint.write(&path).unwrap();
        assert_eq!(Checkpoint::read(&path).unwrap(), checkpoint);
        let first = std::fs::read(&path).unwrap();
        checkpoint.write(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn some_heads_are_kept_with_their_classes() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut second = Head::classes("moods", 2);
        second.classes = words(&["calm", "loud"]);
        let heads = vec![Head::projection("artist"), Head::classes("styles", 1), second];
        let mut description = Description::new(heads);
        description.classes = words(&["House"]);
        let whole = Checkpoint::untrained(description, 4).unwrap();
        let kept = |names: &[&str]| {
            let mut checkpoint = whole.clone();
            checkpoint.keep_heads(&words(names)).unwrap();
            check(&checkpoint.description.heads, &checkpoint.tensors).unwrap();
            checkpoint.description.check().unwrap();
            let names: Vec<String> =
                checkpoint.description.heads.iter().map(|head| head.name.clone()).collect();
            (names, checkpoint.description.classes)
        };
        assert_eq!(kept(&["moods"]), (words(&["moods"]), words(&["calm", "loud"])));
        assert_eq!(kept(&["moods", "styles"]), (words(&["styles", "moods"]), words(&["House"])));
        assert_eq!(kept(&["artist"]), (words(&["artist"]), vec![]));
        assert_eq!(kept(&[]), (vec![], vec![]));
        let said = whole.clone().keep_heads(&words(&["label"])).unwrap_err();
        assert_eq!(said, "it has no head `label`; its heads are artist, styles, moods");
    }

    #[test]
    fn what_is_wrong_with_a_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let whole = untrained();
        whole.write(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let reason = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let text = Checkpoint::read(&path).unwrap_err().to_string();
            assert!(text.contains("x.safetensors"), "{text}");
            text
        };
        for cut in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
            assert!(reason(&bytes[..cut]).contains("not a whole safetensors file"), "{cut}");
        }
        let mut huge = bytes.clone();
        huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(reason(&huge).contains("not a whole safetensors file"));
        let name = b"efficientnet-b0";
        let prefix = bytes.windows(name.len()).position(|bytes| bytes == name).unwrap();
        let mut renamed = bytes.clone();
        renamed[prefix + 14] = b'9';
        assert!(reason(&renamed).contains("architecture `efficientnet-b9`"));
        assert!(Checkpoint::read(folder.path().join("none")).is_err());

        // A file without a description of the network.
        let plain = safetensors::serialize::<_, TensorView, _>([] as [(&str, TensorView); 0], None).unwrap();
        assert!(reason(&plain).contains("no `sleeve`"));
    }
}

//! Which output of a model a head takes.
//!
//! A head was trained on one output of one model, which its metadata name (`inference.embedding_model`). Behind any
//! other its values would look right and be wrong.

use super::selection::{Part, Selection, Tokens};
use crate::engine::{InputSpec, Purpose};
use crate::model::{Algorithm, Model};
use crate::{Error, Result};

/// How heads are bound to the model.
#[derive(Clone, Debug, Default)]
pub(super) struct Binding {
    /// The output that heads take, in place of the usual one.
    pub input: Option<String>,
    /// Whether heads of other models are taken.
    pub any_embedding_model: bool,
}

/// The output of `model` that `head` takes.
///
/// # Errors
/// `Model` if the head is not one, was trained on another model, or takes vectors of another length.
pub(super) fn feeding(model: &Model, head: &Model, binding: &Binding) -> Result<Selection> {
    let InputSpec::Vector { dim } = head.input() else {
        return Err(Error::model(head.name(), "is not a head: it takes mel patches, not embeddings"));
    };
    if !binding.any_embedding_model {
        check_model(model, head)?;
    }
    if let Some(name) = &binding.input {
        let chosen = Selection::named(model, name)?;
        return match chosen.dim(model) == dim {
            true => Ok(chosen),
            false => Err(does_not_fit(model, head, dim, &[chosen])),
        };
    }
    let candidates = candidates(model, head);
    let fitting: Vec<Selection> =
        candidates.iter().copied().filter(|candidate| candidate.dim(model) == dim).collect();
    // The first is the one that such heads are trained on; of the rest, only one without a rival.
    match (candidates.first(), &fitting[..]) {
        (Some(first), [found, ..]) if found == first => Ok(*found),
        (_, [found]) if model.outputs()[found.index].purpose != Purpose::Predictions => Ok(*found),
        _ => Err(does_not_fit(model, head, dim, &candidates)),
    }
}

/// What a head might take, the most likely first.
fn candidates(model: &Model, head: &Model) -> Vec<Selection> {
    let whole = |index| Selection { index, part: Part::Whole };
    let embedding = head.metadata().embedding_model();
    if let Some(said) = embedding.as_ref().filter(|embedding| !embedding.output.is_empty()) {
        return Selection::named(model, said.output).into_iter().collect();
    }
    let mut candidates = Vec::new();
    match model.algorithm() {
        Some(Algorithm::MusiCnn) if embedding.is_some() => {
            // Essentia's heads take the dense layer itself, before the rectifier and the batch norm.
            let dense = |index: &usize| is_dense(&model.outputs()[*index].name);
            candidates.extend((0..model.outputs().len()).find(dense).map(whole));
        }
        Some(Algorithm::Maest) => {
            // Essentia's heads take the tokens of the last layer, while the embedding is that of the seventh.
            let of_tokens = |index: &usize| model.tokens(*index).is_some();
            let last = (0..model.outputs().len())
                .filter(of_tokens)
                .max_by_key(|&index| layer(&model.outputs()[index].name));
            candidates.extend(last.map(whole));
            if let (Some(index), Some((_, width))) = (
                model.output(Purpose::Embeddings),
                model.output(Purpose::Embeddings).and_then(|index| model.tokens(index)),
            ) {
                for tokens in [Tokens::Stack, Tokens::Class] {
                    candidates.push(Selection { index, part: Part::Tokens(tokens, width) });
                }
            }
            // Each has its own length.
            return candidates;
        }
        _ => {}
    }
    candidates.extend(model.output(Purpose::Embeddings).map(whole));
    candidates.extend((0..model.outputs().len()).map(whole));
    let mut unique: Vec<Selection> = Vec::new();
    for candidate in candidates {
        if !unique.contains(&candidate) {
            unique.push(candidate);
        }
    }
    unique
}

/// Whether a tensor is the dense layer of a MusiCNN: `dense` in our models, `model/dense/BiasAdd` in Essentia's.
fn is_dense(name: &str) -> bool {
    let plain: String = name
        .strip_suffix(":0")
        .unwrap_or(name)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    matches!(plain.as_str(), "dense" | "model_dense_BiasAdd")
}

/// The number of a transformer's layer in a name: `PartitionedCall/Identity_7`, `layer_7_embeddings`.
fn layer(name: &str) -> u32 {
    let mut digits = name.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    digits.next_back().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Whether a head was trained on this model, by its metadata.
fn check_model(model: &Model, head: &Model) -> Result<()> {
    let Some(wanted) = head.metadata().embedding_model() else { return Ok(()) };
    // The link of published heads may be that of an older model.
    let name = if wanted.model_name.is_empty() { stem(wanted.link) } else { wanted.model_name };
    let metadata = model.metadata();
    let own_names: Vec<String> = [model.name(), stem(metadata.text("link")), metadata.name()]
        .into_iter()
        .filter(|name| !name.is_empty())
        .map(network)
        .collect();
    if name.is_empty() || own_names.contains(&network(name)) {
        return Ok(());
    }
    Err(Error::model(
        head.name(),
        format!(
            "is a head of {name}, not of {}: its values would be wrong; --any-embedding-model (any_embedding_model) \
             allows it if they are the same network under another name",
            model.name()
        ),
    ))
}

/// The name of a network without what does not change it: its batch size, and the case.
fn network(name: &str) -> String {
    let parts = name.split('-').filter(|part| {
        let batch = part.strip_prefix("bs");
        !batch.is_some_and(|size| {
            size == "dynamic" || !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit())
        })
    });
    parts.collect::<Vec<_>>().join("-").to_lowercase()
}

/// The file name of a link, without its ending.
fn stem(link: &str) -> &str {
    let file = link.rsplit('/').next().unwrap_or_default();
    file.rsplit_once('.').map_or("", |(stem, _)| stem)
}

fn does_not_fit(model: &Model, head: &Model, dim: usize, candidates: &[Selection]) -> Error {
    let has: Vec<String> = candidates
        .iter()
        .map(|candidate| format!("{} ({})", candidate.describe(model).tensor, candidate.dim(model)))
        .collect();
    Error::model(
        head.name(),
        format!("takes vectors of {dim} values; {} gives {}", model.name(), has.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_the_same_for_any_batch_size() {
        assert_eq!(network("discogs-effnet-bs64-1"), network("Discogs-EffNet-bsdynamic-1"));
        assert_ne!(network("discogs-effnet-bs64-1"), network("discogs_artist_embeddings-effnet-bs64-1"));
        assert_ne!(network("msd-musicnn-1"), network("msd-musicnn-2"));
        assert_eq!(network("bs-roformer"), "bs-roformer");
        assert_eq!(stem("https://example.org/models/musicnn/msd-musicnn-1.pb"), "msd-musicnn-1");
        assert_eq!(stem("https://github.com/jordipons/musicnn"), "");
    }

    #[test]
    fn layers_are_numbered_in_their_names() {
        for (name, number) in [
            ("PartitionedCall/Identity_12", 12),
            ("layer_7_embeddings", 7),
            ("StatefulPartitionedCall:3", 3),
            ("PartitionedCall/Identity", 0),
        ] {
            assert_eq!(layer(name), number, "{name}");
        }
    }
}

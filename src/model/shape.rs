//! The shapes of a network's input and outputs, from its graph and metadata. The graph has priority.

use super::algorithm::{Algorithm, Said};
use super::metadata::{Metadata, TensorSchema};
use crate::engine::{InputSpec, OutputSpec, Purpose};
use crate::front_end::FrontEnd;
use crate::onnx::{Declared, Signature};
use crate::patches::Layout;

/// Maximum number of values in one input row, and in a batch if the graph fixes its size: enough for 20 minutes of mel
/// bands in one patch.
const MAX_ROW: usize = 1 << 24;

/// The input of a network, and the shape of one row in the graph. `said` is what the metadata, or the caller in their
/// place, say that it is.
pub fn input(
    graph: &Signature,
    metadata: &Metadata,
    said: Said,
    warnings: &mut Vec<String>,
) -> Result<(InputSpec, Vec<usize>), String> {
    let [tensor] = graph.inputs.as_slice() else {
        let names: Vec<&str> = graph.inputs.iter().map(|input| input.name.as_str()).collect();
        return Err(format!("the graph has {} inputs ({}); one is needed", names.len(), names.join(", ")));
    };
    let schema = metadata.inputs().first();
    let described = schema.map(|schema| schema.shape.as_slice()).unwrap_or_default();
    let dims = match &tensor.dims {
        Some(dims) => dims.clone(),
        // A shape without the batch has one dimension fewer than the tensor.
        None if described.len() == 1 || described.len() == 2 && described.iter().all(Option::is_some) => {
            std::iter::once(None).chain(described.iter().copied()).collect()
        }
        None if !described.is_empty() => described.to_vec(),
        None => {
            return Err(format!(
                "neither the graph nor the metadata states the shape of input {}",
                tensor.name
            ));
        }
    };
    // The metadata can supply dimensions that the graph does not state. The shapes are aligned at their ends.
    let filled: Vec<Option<usize>> = dims
        .iter()
        .enumerate()
        .map(|(index, dim)| {
            let in_metadata = (described.len() + index).checked_sub(dims.len()).map(|index| described[index]);
            dim.or(in_metadata.flatten().filter(|_| index > 0))
        })
        .collect();
    let unit = |dim: Option<usize>| dim == Some(1);
    let (spec, row) = match (said, filled.as_slice()) {
        (Said::Head | Said::Nothing, &[_, dim]) => {
            let dim = dim.ok_or_else(|| open_dimension(tensor, "width"))?;
            (InputSpec::Vector { dim }, vec![dim])
        }
        // Tokens.
        (Said::Head, &[_, ref row @ ..]) if (2..=3).contains(&row.len()) => {
            let row: Option<Vec<usize>> = row.iter().copied().collect();
            let row = row.ok_or_else(|| open_dimension(tensor, "number of tokens"))?;
            let dim = row.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim));
            (InputSpec::Vector { dim: dim.unwrap_or(usize::MAX) }, row)
        }
        (Said::Audio(Algorithm::Crepe), &[_, samples]) => {
            let bands = samples.unwrap_or(FrontEnd::Crepe.bands());
            (InputSpec::Patch { frames: 1, bands }, vec![bands])
        }
        (said, dims @ ([_, _, _] | [_, _, _, _])) => {
            // A channel of 1 stands first or last.
            let (place, pair) = match *dims {
                [_, first, second] => (None, [first, second]),
                [_, channel, first, second] if unit(channel) => (Some(0), [first, second]),
                [_, first, second, channel] if unit(channel) => (Some(2), [first, second]),
                _ => return Err(unknown_shape(tensor, dims)),
            };
            let band_major = said_layout(said, pair, metadata) == Layout::BandMajor;
            let [frames, bands] = if band_major { [pair[1], pair[0]] } else { pair };
            let (own_frames, own_bands) = own(said);
            let frames = frames.or(own_frames).ok_or_else(|| open_dimension(tensor, "number of frames"))?;
            let bands = bands.or(own_bands).ok_or_else(|| open_dimension(tensor, "number of bands"))?;
            let mut row = if band_major { vec![bands, frames] } else { vec![frames, bands] };
            if let Some(place) = place {
                row.insert(place, 1);
            }
            (InputSpec::Patch { frames, bands }, row)
        }
        (_, dims) => return Err(unknown_shape(tensor, dims)),
    };
    let batch = dims[0].unwrap_or(1);
    let values = row.iter().try_fold(batch, |product, &dim| product.checked_mul(dim));
    if row.contains(&0) || values.is_none_or(|values| values > MAX_ROW) {
        return Err(format!("input {} has the impossible shape {}", tensor.name, shape_text(&dims)));
    }
    if let Some(schema) = schema {
        if !same_name(&schema.name, &tensor.name) {
            warnings.push(format!(
                "the metadata names the input {}, the graph {}; it is used",
                schema.name, tensor.name
            ));
        }
        let said: Vec<usize> = described.iter().copied().flatten().filter(|&dim| dim > 1).collect();
        let wanted: Vec<usize> = row.iter().copied().filter(|&dim| dim > 1).collect();
        if !said.is_empty() && !said.ends_with(&wanted) {
            warnings.push(format!(
                "the metadata gives input {} the shape {}, the graph {}; the graph's is used",
                schema.name,
                shape_text(described),
                shape_text(&dims)
            ));
        }
    }
    Ok((spec, row))
}

/// The order of the two dimensions of a patch.
fn said_layout(said: Said, pair: [Option<usize>; 2], metadata: &Metadata) -> Layout {
    match said {
        Said::Audio(algorithm) => algorithm.preparation().layout,
        // Without an algorithm, what can only be OpenL3's.
        Said::Head | Said::Nothing => match pair {
            [Some(bands), Some(frames)]
                if Algorithm::assumed(frames, bands, metadata.sample_rate()) == Ok(Algorithm::OpenL3) =>
            {
                Layout::BandMajor
            }
            _ => Layout::TimeMajor,
        },
    }
}

/// The length and bands of an algorithm's patches, if it has one of each; without an algorithm, MusiCNN's bands.
fn own(said: Said) -> (Option<usize>, Option<usize>) {
    let Said::Audio(algorithm) = said else { return (None, Some(FrontEnd::MusiCnn.bands())) };
    let frames = match algorithm.patches() {
        [(frames, _)] => Some(*frames),
        _ => None,
    };
    let bands = match algorithm.front_ends() {
        [front_end] => Some(front_end.bands()),
        _ => None,
    };
    (frames, bands)
}

fn unknown_shape(tensor: &Declared, dims: &[Option<usize>]) -> String {
    format!(
        "input {} has shape {}; a patch is [batch, frames, bands], with a channel of 1 or without, a vector [batch, dim]",
        tensor.name,
        shape_text(dims)
    )
}

/// The outputs of a network in the graph's order. An output's width is `None` if neither graph nor metadata states it.
pub fn outputs(
    graph: &Signature,
    metadata: &Metadata,
    is_head: bool,
    warnings: &mut Vec<String>,
) -> Vec<(String, Purpose, Option<usize>)> {
    let described = matches(&graph.outputs, metadata.outputs(), warnings);
    for (schema, _) in
        metadata.outputs().iter().zip(0..).filter(|(_, index)| !described.contains(&Some(*index)))
    {
        // The metadata also lists hidden layers of the TensorFlow graph, which the ONNX file often omits.
        let missing = format!("the metadata lists output {}, which the graph does not have", schema.name);
        if schema.purpose.is_some() { warnings.push(missing) } else { log::debug!("{missing}") }
    }
    let mut outputs = Vec::new();
    // Widths that the metadata get wrong, each once: a transformer has a dozen layers.
    let mut wrong: Vec<(usize, usize, Vec<&str>)> = Vec::new();
    for (tensor, described) in graph.outputs.iter().zip(described) {
        let schema = described.map(|index| &metadata.outputs()[index]);
        let declared = row_width(tensor);
        if let Some((said, own)) = schema.and_then(|schema| differs(tensor, schema)) {
            match wrong.iter_mut().find(|(known, graph, _)| (*known, *graph) == (said, own)) {
                Some((_, _, names)) => names.push(&tensor.name),
                None => wrong.push((said, own, vec![&tensor.name])),
            }
        }
        let purpose = match schema {
            Some(schema) => schema.purpose.unwrap_or(Purpose::Other),
            None => purpose_by_name(&tensor.name, graph.outputs.len(), is_head),
        };
        outputs.push((tensor.name.clone(), purpose, declared));
    }
    warnings.extend(wrong.into_iter().map(|(said, own, names)| {
        let more = match names.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} others)"),
        };
        let name = names[0];
        format!("the metadata gives output {name}{more} {said} values, the graph {own}; the graph's number is used")
    }));
    // Some published heads do not say that what they give are predictions; of several outputs, the last has the
    // activations.
    if is_head
        && outputs.iter().all(|(_, purpose, _)| *purpose == Purpose::Other)
        && let Some((_, purpose, _)) = outputs.last_mut()
    {
        *purpose = Purpose::Predictions;
    }
    outputs
}

/// The number of values of a row (or of a token, where rows have several) by the metadata and by the graph, if they
/// differ.
fn differs(tensor: &Declared, schema: &TensorSchema) -> Option<(usize, usize)> {
    let (said, own) = (schema.dim()?, (*tensor.dims.as_ref()?.get(1..)?.last()?)?);
    (said != own).then_some((said, own))
}

/// The class names, or none if their number is not that of the predictions, because no name is better than a wrong one.
pub fn classes(metadata: &Metadata, outputs: &[OutputSpec], warnings: &mut Vec<String>) -> Vec<String> {
    let predictions = outputs.iter().find(|output| output.purpose == Purpose::Predictions);
    let classes = metadata.classes();
    match predictions {
        Some(output) if !classes.is_empty() && output.dim != classes.len() => {
            warnings.push(format!(
                "the metadata names {} classes, output {} of the graph has {}; the names are not used",
                classes.len(),
                output.name,
                output.dim
            ));
            Vec::new()
        }
        _ => classes.to_vec(),
    }
}

/// For each output of the graph, the index of its entry in the metadata: by name if possible; else, with a warning, by
/// a width that is unique among the rest on both sides; else by order, if the same number is left on both sides.
fn matches(tensors: &[Declared], schemas: &[TensorSchema], warnings: &mut Vec<String>) -> Vec<Option<usize>> {
    let mut found: Vec<Option<usize>> = vec![None; tensors.len()];
    let names: [fn(&str, &str) -> bool; 2] = [|a, b| a == b, same_name];
    for same in names {
        for (index, tensor) in tensors.iter().enumerate() {
            let free = |candidate: &usize| !found.contains(&Some(*candidate));
            let mut candidates = (0..schemas.len()).filter(free);
            if found[index].is_none() {
                found[index] = candidates.find(|&candidate| same(&tensor.name, &schemas[candidate].name));
            }
        }
    }
    let left = |found: &[Option<usize>]| -> (Vec<usize>, Vec<usize>) {
        let tensors = (0..tensors.len()).filter(|&index| found[index].is_none());
        (tensors.collect(), (0..schemas.len()).filter(|index| !found.contains(&Some(*index))).collect())
    };
    let (loose_tensors, loose_schemas) = left(&found);
    for &index in &loose_tensors {
        let width = row_width(&tensors[index]);
        let as_wide: Vec<usize> =
            loose_schemas.iter().copied().filter(|&schema| schemas[schema].dim() == width).collect();
        let rivals = loose_tensors.iter().filter(|&&other| row_width(&tensors[other]) == width).count();
        if let (Some(_), &[schema], 1) = (width, as_wide.as_slice(), rivals) {
            found[index] = Some(schema);
        }
    }
    let (still_loose, rest) = left(&found);
    if still_loose.len() == rest.len() {
        for (&index, &schema) in still_loose.iter().zip(&rest) {
            found[index] = Some(schema);
        }
    }
    for &index in &loose_tensors {
        if let Some(schema) = found[index] {
            warnings.push(format!(
                "the metadata names an output {}, the graph {}; they are assumed to be the same",
                schemas[schema].name, tensors[index].name
            ));
        }
    }
    found
}

/// Whether two names mean the same tensor: exporters turn `PartitionedCall:1` into `PartitionedCall_1`, and
/// TensorFlow's first output can be written with or without `:0`.
fn same_name(a: &str, b: &str) -> bool {
    let plain = |name: &str| -> String {
        let name = name.strip_suffix(":0").unwrap_or(name);
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
    };
    let (a, b) = (plain(a), plain(b));
    a == b || a.strip_suffix("_0") == Some(&b) || b.strip_suffix("_0") == Some(&a)
}

/// The purpose of an output without metadata.
fn purpose_by_name(name: &str, outputs: usize, is_head: bool) -> Purpose {
    let name = name.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if says(&["embedding"]) {
        Purpose::Embeddings
    } else if says(&["prediction", "activation", "sigmoid", "softmax", "logit"]) {
        Purpose::Predictions
    } else if outputs > 1 {
        Purpose::Other
    } else if is_head {
        Purpose::Predictions
    } else {
        Purpose::Embeddings
    }
}

/// Values per row of an output, if the graph declares them.
fn row_width(tensor: &Declared) -> Option<usize> {
    let (_batch, row) = tensor.dims.as_ref()?.split_first()?;
    let width = row.iter().try_fold(1usize, |product, dim| product.checked_mul((*dim)?));
    // An impossible width is ignored, and measured instead.
    width.filter(|&width| width <= MAX_ROW)
}

fn open_dimension(tensor: &Declared, what: &str) -> String {
    format!("neither the graph nor the metadata states the {what} of input {}", tensor.name)
}

fn shape_text(dims: &[Option<usize>]) -> String {
    let dims: Vec<String> = dims.iter().map(|dim| dim.map_or("?".into(), |dim| dim.to_string())).collect();
    format!("[{}]", dims.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, dims: &[usize]) -> Declared {
        let dims = dims.iter().map(|&dim| (dim > 0).then_some(dim)).collect();
        Declared { name: name.into(), dims: Some(dims) }
    }

    fn graph(input: Declared, outputs: Vec<Declared>) -> Signature {
        Signature { inputs: vec![input], outputs }
    }

    fn metadata(document: serde_json::Value) -> Metadata {
        serde_json::from_value(document).unwrap()
    }

    #[test]
    fn every_layout_of_an_input_is_understood() {
        let spec = |dims: &[usize]| {
            let graph = graph(tensor("x", dims), Vec::new());
            input(&graph, &Metadata::default(), Said::Nothing, &mut Vec::new())
        };
        let patch = InputSpec::Patch { frames: 128, bands: 96 };
        assert_eq!(spec(&[0, 128, 96]), Ok((patch, vec![128, 96])));
        assert_eq!(spec(&[64, 128, 96]), Ok((patch, vec![128, 96])));
        assert_eq!(spec(&[0, 1, 128, 96]), Ok((patch, vec![1, 128, 96])));
        assert_eq!(spec(&[0, 128, 96, 1]), Ok((patch, vec![128, 96, 1])));
        assert_eq!(spec(&[0, 1280]), Ok((InputSpec::Vector { dim: 1280 }, vec![1280])));
        assert!(spec(&[0, 0]).unwrap_err().contains("width of input x"));
        assert!(spec(&[0, 3, 224, 224]).unwrap_err().contains("[?, 3, 224, 224]"));
        assert!(spec(&[5]).unwrap_err().contains("[5]"));
    }

    #[test]
    fn the_layout_is_that_of_the_algorithm() {
        let spec = |algorithm: Algorithm, dims: &[usize]| {
            let graph = graph(tensor("x", dims), Vec::new());
            input(&graph, &Metadata::default(), Said::Audio(algorithm), &mut Vec::new())
        };
        let patch = |frames, bands| InputSpec::Patch { frames, bands };
        assert_eq!(spec(Algorithm::TempoCnn, &[0, 40, 256, 1]), Ok((patch(256, 40), vec![40, 256, 1])));
        assert_eq!(spec(Algorithm::TempoCnn, &[0, 0, 0, 1]), Ok((patch(256, 40), vec![40, 256, 1])));
        assert_eq!(spec(Algorithm::OpenL3, &[0, 256, 199, 1]), Ok((patch(199, 256), vec![256, 199, 1])));
        assert_eq!(spec(Algorithm::FsdSinet, &[0, 101, 96, 1]), Ok((patch(101, 96), vec![101, 96, 1])));
        assert_eq!(spec(Algorithm::Crepe, &[0, 1024]), Ok((patch(1, 1024), vec![1024])));
        assert_eq!(spec(Algorithm::Maest, &[0, 1, 316, 96]), Ok((patch(316, 96), vec![1, 316, 96])));
        assert!(spec(Algorithm::Maest, &[0, 0, 96]).unwrap_err().contains("number of frames"));
        assert!(spec(Algorithm::MusiCnn, &[0, 200]).unwrap_err().contains("[?, 200]"));
        // Without an algorithm, a rate of 48 kHz tells OpenL3's layout.
        let graph = graph(tensor("x", &[0, 128, 199, 1]), Vec::new());
        let at = |rate: u32| {
            let metadata = metadata(serde_json::json!({"inference": {"algorithm": "", "sample_rate": rate}}));
            input(&graph, &metadata, Said::Nothing, &mut Vec::new()).unwrap()
        };
        assert_eq!(at(48_000), (patch(199, 128), vec![128, 199, 1]));
        assert_eq!(at(16_000), (patch(128, 199), vec![128, 199, 1]));
    }

    #[test]
    fn a_head_may_take_tokens() {
        let head = graph(tensor("embeddings", &[0, 0, 768]), Vec::new());
        // As published: 786 for 768.
        let metadata = metadata(
            serde_json::json!({"schema": {"inputs": [{"name": "embeddings", "shape": ["b", 281, 786]}]}}),
        );
        let mut warnings = Vec::new();
        let (spec, row) = input(&head, &metadata, Said::Head, &mut warnings).unwrap();
        assert_eq!((spec, row), (InputSpec::Vector { dim: 281 * 768 }, vec![281, 768]));
        assert!(warnings[0].contains("786") && warnings[0].contains("768"), "{warnings:?}");
    }

    #[test]
    fn open_dimensions_are_filled_from_the_metadata() {
        let open = graph(tensor("x", &[0, 0, 0]), Vec::new());
        let musicnn = Said::Audio(Algorithm::MusiCnn);
        let (spec, _) = input(&open, &Metadata::default(), musicnn, &mut Vec::new()).unwrap();
        assert_eq!(spec, InputSpec::Patch { frames: 187, bands: 96 });
        let by_shape =
            metadata(serde_json::json!({"schema": {"inputs": [{"name": "x", "shape": [64, 96]}]}}));
        let nothing = |graph: &Signature, metadata: &Metadata| {
            input(graph, metadata, Said::Nothing, &mut Vec::new()).map(|(spec, _)| spec)
        };
        assert_eq!(nothing(&open, &by_shape), Ok(InputSpec::Patch { frames: 64, bands: 96 }));
        assert!(nothing(&open, &Metadata::default()).unwrap_err().contains("frames"));
        let unsaid = graph(Declared { name: "x".into(), dims: None }, Vec::new());
        assert_eq!(nothing(&unsaid, &by_shape), Ok(InputSpec::Patch { frames: 64, bands: 96 }));
    }

    #[test]
    fn a_published_file_with_mistakes_is_read_as_its_graph_says() {
        // As in `discogs_*_embeddings`: the order is the same, but the JSON has 1280 instead of the graph's 512, and
        // the exporter renamed the outputs.
        let graph = graph(
            tensor("serving_default_melspectrogram", &[64, 128, 96]),
            vec![tensor("PartitionedCall", &[64, 512]), tensor("PartitionedCall_1", &[64, 1280])],
        );
        let metadata = metadata(serde_json::json!({"schema": {
            "inputs": [{"name": "serving_default_melspectrogram", "shape": [64, 128, 96]}],
            "outputs": [
                {"name": "PartitionedCall:0", "shape": [64, 1280], "output_purpose": "predictions"},
                {"name": "PartitionedCall:1", "shape": [64, 1280], "output_purpose": "embeddings"},
                {"name": "PartitionedCall:2", "shape": [64, 3], "output_purpose": "predictions"}]}}));
        let mut warnings = Vec::new();
        input(&graph, &metadata, Said::Nothing, &mut warnings).unwrap();
        assert_eq!(warnings, Vec::<String>::new());
        let outputs = outputs(&graph, &metadata, false, &mut warnings);
        assert_eq!(outputs[0], ("PartitionedCall".into(), Purpose::Predictions, Some(512)));
        assert_eq!(outputs[1], ("PartitionedCall_1".into(), Purpose::Embeddings, Some(1280)));
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].contains("PartitionedCall:2"), "{warnings:?}");
        assert!(warnings[1].contains("1280") && warnings[1].contains("512"), "{warnings:?}");
    }

    #[test]
    fn renamed_outputs_are_told_apart_by_width_and_then_by_order() {
        let outputs_of = |names: &[(&str, usize)]| {
            let tensors: Vec<Declared> = names.iter().map(|(name, dim)| tensor(name, &[0, *dim])).collect();
            let metadata = metadata(serde_json::json!({"schema": {"outputs": [
                {"name": "activations", "shape": [400], "output_purpose": "predictions"},
                {"name": "features", "shape": [1280], "output_purpose": "embeddings"}]}}));
            let mut warnings = Vec::new();
            let graph = graph(tensor("x", &[0, 128, 96]), tensors);
            let purposes: Vec<Purpose> =
                outputs(&graph, &metadata, false, &mut warnings).into_iter().map(|output| output.1).collect();
            (purposes, warnings)
        };
        let (purposes, warnings) = outputs_of(&[("b", 1280), ("a", 400)]);
        assert_eq!(purposes, [Purpose::Embeddings, Purpose::Predictions]);
        assert!(warnings.iter().any(|warning| warning.contains("activations") && warning.contains(" a;")));
        let (purposes, _) = outputs_of(&[("b", 0), ("a", 0)]);
        assert_eq!(purposes, [Purpose::Predictions, Purpose::Embeddings]);
        // Three and two outputs: their order means nothing.
        let (purposes, _) = outputs_of(&[("a", 0), ("b", 0), ("c", 0)]);
        assert_eq!(purposes, [Purpose::Other; 3]);
    }

    #[test]
    fn names_of_one_tensor_are_recognised() {
        for (a, b) in [
            ("PartitionedCall:1", "PartitionedCall_1"),
            ("PartitionedCall:0", "PartitionedCall"),
            ("PartitionedCall_0", "PartitionedCall:0"),
            ("model/Softmax", "model/Softmax:0"),
            ("model/Softmax", "model_Softmax"),
        ] {
            assert!(same_name(a, b) && same_name(b, a), "{a} {b}");
        }
        assert!(!same_name("PartitionedCall:1", "PartitionedCall:0"));
        assert!(!same_name("PartitionedCall_1", "PartitionedCall"));
    }

    #[test]
    fn class_names_must_be_as_many_as_the_predictions() {
        let outputs = [OutputSpec { name: "p".into(), purpose: Purpose::Predictions, dim: 2 }];
        let named = |names: &[&str]| metadata(serde_json::json!({ "classes": names }));
        let mut warnings = Vec::new();
        assert_eq!(classes(&named(&["a", "b"]), &outputs, &mut warnings), ["a", "b"]);
        assert!(warnings.is_empty());
        assert!(classes(&named(&["a", "b", "c"]), &outputs, &mut warnings).is_empty());
        assert!(warnings[0].contains("3 classes") && warnings[0].contains("has 2"), "{warnings:?}");
    }
}

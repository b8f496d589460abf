//! The metadata of an exported network, in the JSON schema of the models that Essentia's authors publish.

use serde_json::{Map, Value, json};

use super::onnx::{EMBEDDINGS, INPUT};
use crate::network::architecture::{BANDS, EMBEDDING, FRAMES};
use crate::network::{Description, HeadKind};

/// The rate of the recordings, in Hz.
const SAMPLE_RATE: u32 = 16_000;
/// Essentia's name of the front end and patching: 128 frames of 96 bands, every 62 frames.
const ALGORITHM: &str = "TensorflowPredictEffnetDiscogs";
const CITATION: &str = "@inproceedings{alonso2022music,\n  title={Music Representation Learning Based on Editorial \
     Metadata from Discogs},\n  author={Alonso-Jim{\\'e}nez, Pablo and Serra, Xavier and Bogdanov, Dmitry},\n  \
     booktitle={Proceedings of the 23rd International Society for Music Information Retrieval Conference (ISMIR)},\n  \
     year={2022}\n}";

/// Keys that the network determines; a description cannot set them.
const DECIDED: [&str; 4] = ["classes", "model_types", "schema", "inference"];

/// The metadata of the model `name` in the given formats (`onnx`, `pt`).
///
/// # Errors
/// If the description's metadata sets a key that the network determines.
pub fn document(
    name: &str,
    description: &Description,
    formats: &[&str],
) -> Result<Map<String, Value>, String> {
    check_keys(&description.metadata)?;
    let kind = if description.classifier().is_some() { "auto-tagging" } else { "feature extractor" };
    let first = description.classifier().map(|head| head.name.as_str());
    let mut outputs: Vec<Value> = Vec::new();
    for head in &description.heads {
        let (op, purpose, what) = match head.kind {
            // Essentia's schema has one list of classes: that of the first classifier.
            HeadKind::Classes if first == Some(&head.name) => {
                ("Sigmoid", "predictions", "activations of the classes, each between 0 and 1")
            }
            HeadKind::Classes => {
                ("Sigmoid", "", "activations of the classes listed here, each between 0 and 1")
            }
            HeadKind::Projection => ("Tanh", "", "projection in which the contrastive objective compares"),
            HeadKind::Dense => ("fully connected", "", "prediction of another model's embedding"),
        };
        let mut output = json!({
            "name": head.name, "type": "float", "shape": ["batch", head.values], "op": op,
            "output_purpose": purpose, "description": what,
        });
        if !head.classes.is_empty() {
            output["classes"] = json!(head.classes);
        }
        outputs.push(output);
    }
    outputs.push(json!({
        "name": EMBEDDINGS, "type": "float", "shape": ["batch", EMBEDDING], "op": "GlobalAveragePool",
        "output_purpose": "embeddings", "description": "mean of each channel of the last convolution",
    }));
    let document = json!({
        "name": name,
        "type": kind,
        "link": "",
        "version": "1",
        "description": "EfficientNet-B0 over mel-spectrograms",
        "author": "",
        "email": "",
        "release_date": "",
        "framework": framework(formats),
        "framework_version": "",
        "license": "",
        "classes": description.classes,
        "model_types": formats,
        "dataset": {"name": "", "citation": "", "size": "", "metrics": {}},
        "schema": {
            "inputs": [{"name": INPUT, "type": "float", "shape": ["batch", FRAMES, BANDS]}],
            "outputs": outputs,
        },
        "citation": CITATION,
        "inference": {"sample_rate": SAMPLE_RATE, "algorithm": ALGORITHM},
    });
    let Value::Object(mut document) = document else { unreachable!("an object is written above") };
    // Known values replace empty ones; other keys follow.
    document.extend(description.metadata.clone());
    Ok(document)
}

/// The framework of the first format.
pub(super) fn framework(formats: &[&str]) -> &'static str {
    if formats.contains(&"onnx") { "onnx" } else { "torchscript" }
}

/// Checks that a description may set these keys.
///
/// # Errors
/// If it may not set one of them.
pub fn check_keys(metadata: &Map<String, Value>) -> Result<(), String> {
    match DECIDED.iter().find(|&&key| metadata.contains_key(key)) {
        Some(key) => Err(format!("metadata sets `{key}`, which the network determines")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Head;

    #[test]
    fn the_library_reads_what_is_written() {
        let mut description = Description::new(vec![Head::classes("predictions", 2)]);
        description.classes = vec!["Techno".into(), "House".into()];
        description.metadata.insert("license".into(), "CC0-1.0".into());
        description.metadata.insert("dataset".into(), json!({"name": "mine", "size": "3 tracks"}));
        let document = document("x", &description, &["onnx", "pt"]).unwrap();
        let metadata = sleeve::model::Metadata::from_document(document.clone()).unwrap();
        assert_eq!(metadata.classes(), ["Techno", "House"]);
        assert_eq!((metadata.sample_rate(), metadata.algorithm()), (Some(16_000), Some(ALGORITHM)));
        assert_eq!(metadata.text("license"), "CC0-1.0");
        let outputs: Vec<_> = metadata.outputs().iter().map(|output| output.dim()).collect();
        assert_eq!(outputs, [Some(2), Some(1280)]);
        assert_eq!(document["dataset"]["size"], "3 tracks");

        description.metadata.insert("schema".into(), json!({}));
        assert!(super::document("x", &description, &["onnx"]).unwrap_err().contains("`schema`"));
    }
}

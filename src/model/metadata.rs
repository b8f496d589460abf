//! A model's metadata, in the JSON schema of the models that Essentia's authors publish.
//!
//! The whole document is kept, including keys that this library does not use, and is written back unchanged. The values
//! that the library needs are also kept in parsed form.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::engine::Purpose;
use crate::{Error, Result};

/// The largest metadata file that is read. Published files are about 20 kB.
const MAX_BYTES: u64 = 16 << 20;

/// A model's metadata, from a JSON file. Every key may be missing.
///
/// Serde serialises it as the document itself, so it can be part of a larger one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct Metadata {
    document: Map<String, Value>,
    classes: Vec<String>,
    inputs: Vec<TensorSchema>,
    outputs: Vec<TensorSchema>,
    sample_rate: Option<u32>,
    /// What was not as it should be, and how it was read.
    warnings: Vec<String>,
}

/// One entry of `schema.inputs` or `schema.outputs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TensorSchema {
    /// The tensor's name, with or without TensorFlow's `:0`.
    pub name: String,
    /// The dimensions, with or without the batch in front; `None` for one that is not a positive number.
    pub shape: Vec<Option<usize>>,
    /// The operation that computes it, such as `Sigmoid`.
    pub op: String,
    /// `output_purpose`.
    pub purpose: Option<Purpose>,
    /// A description of its values.
    pub description: String,
}

/// `inference.embedding_model`: the network whose output a head takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddingModel<'a> {
    /// The front end, such as `TensorflowPredictEffnetDiscogs`.
    pub algorithm: &'a str,
    /// The network's stem, such as `discogs-effnet-bs64-1`.
    pub model_name: &'a str,
    /// Where to download it.
    pub link: &'a str,
    /// The network's output that the head takes; empty if it is the usual one. Not part of Essentia's schema.
    pub output: &'a str,
}

impl Metadata {
    /// Reads a JSON document.
    ///
    /// ```
    /// use sleeve::model::Metadata;
    ///
    /// let metadata = Metadata::from_json(r#"{"name": "mine", "classes": ["calm", "loud"]}"#)?;
    /// assert_eq!(metadata.classes(), ["calm", "loud"]);
    /// assert!(Metadata::from_json(r#"{"classes": "calm"}"#).is_err());
    /// # Ok::<(), sleeve::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Model` if the text is not a JSON object, or a key that this library uses has a value of another type.
    pub fn from_json(text: &str) -> Result<Self> {
        Self::parse(text).map_err(|reason| Error::model("metadata", reason))
    }

    /// The same, but the error is only the reason: the caller adds the file's name.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() as u64 > MAX_BYTES {
            return Err(format!("the metadata has {} bytes; at most {MAX_BYTES} are read", text.len()));
        }
        // Some editors write a byte order mark.
        let text = text.trim_start_matches('\u{feff}');
        let document = serde_json::from_str(text);
        if document.is_err()
            && let Ok(document) = serde_json::from_str(&without_trailing_commas(text))
        {
            let mut metadata = Self::of_document(document)?;
            metadata
                .warnings
                .push("the metadata are not quite JSON: commas behind the last entry were ignored".into());
            return Ok(metadata);
        }
        Self::of_document(document.map_err(|error| format!("not a JSON object: {error}"))?)
    }

    /// Metadata from a document that was created in code, such as with `serde_json::json!({...})`.
    ///
    /// # Errors
    /// `Model` if a key that this library uses has a value of another type.
    pub fn from_document(document: Map<String, Value>) -> Result<Self> {
        Self::of_document(document).map_err(|reason| Error::model("metadata", reason))
    }

    fn of_document(document: Map<String, Value>) -> Result<Self, String> {
        let classes = match document.get("classes") {
            // So are some published.
            Some(Value::String(text)) if text.is_empty() => None,
            classes => classes,
        };
        let classes = list(classes, "classes")?
            .iter()
            .enumerate()
            .map(|(index, class)| match class {
                Value::String(name) => Ok(name.clone()),
                other => Err(format!("classes[{index}] is {other}, not a string")),
            })
            .collect::<Result<_, _>>()?;
        let schema = document.get("schema").unwrap_or(&Value::Null);
        let tensors = |key: &str| -> Result<Vec<TensorSchema>, String> {
            let tensors = list(schema.get(key), &format!("schema.{key}"))?;
            Ok(tensors.iter().map(TensorSchema::from_value).collect())
        };
        let (inputs, outputs) = (tensors("inputs")?, tensors("outputs")?);
        let sample_rate = match document.get("inference").and_then(|value| value.get("sample_rate")) {
            None | Some(Value::Null) => None,
            Some(value) => {
                let rate = value.as_f64().or_else(|| value.as_str()?.parse().ok());
                let rate = rate.filter(|rate| (1.0..=1e6).contains(rate) && rate.fract() == 0.0);
                Some(rate.ok_or_else(|| format!("inference.sample_rate is {value}, not a rate in Hz"))? as u32)
            }
        };
        Ok(Self { classes, inputs, outputs, sample_rate, document, warnings: Vec::new() })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// `Io`, or `Model` with the reason.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = super::file::read_capped(path, MAX_BYTES)?;
        let text = std::str::from_utf8(&bytes);
        let text = text.map_err(|_| Error::model(path.display().to_string(), "the metadata is not UTF-8"))?;
        Self::parse(text).map_err(|reason| Error::model(path.display().to_string(), reason))
    }

    /// The document as text, indented, with its keys in the original order, and a final newline.
    pub fn to_json(&self) -> String {
        let mut text = Vec::new();
        let indent = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        let mut writer = serde_json::Serializer::with_formatter(&mut text, indent);
        self.document.serialize(&mut writer).expect("a JSON document can be written");
        text.push(b'\n');
        String::from_utf8(text).expect("JSON is UTF-8")
    }

    /// Writes the document to a file.
    ///
    /// # Errors
    /// `Io`.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        std::fs::write(path, self.to_json()).map_err(|source| Error::io(path, source))
    }

    /// The whole document.
    pub fn document(&self) -> &Map<String, Value> {
        &self.document
    }

    /// A top-level text, such as `name`, `version`, `description`, `author`, `license`; empty if it is missing or not a
    /// string.
    pub fn text(&self, key: &str) -> &str {
        text(self.document.get(key))
    }

    /// `name`, to show to users.
    pub fn name(&self) -> &str {
        self.text("name")
    }

    /// `classes`, in the order of the predictions.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// `schema.inputs`.
    pub fn inputs(&self) -> &[TensorSchema] {
        &self.inputs
    }

    /// `schema.outputs`.
    pub fn outputs(&self) -> &[TensorSchema] {
        &self.outputs
    }

    /// `inference.sample_rate`, in Hz.
    pub fn sample_rate(&self) -> Option<u32> {
        self.sample_rate
    }

    /// `inference.algorithm`, such as `TensorflowPredictMusiCNN`: the front end and the patching.
    pub fn algorithm(&self) -> Option<&str> {
        let name = text(self.document.get("inference")?.get("algorithm"));
        (!name.is_empty()).then_some(name)
    }

    /// What was not as it should be in the document, and how it was read.
    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// `inference.embedding_model`: the network whose embeddings a head takes.
    pub fn embedding_model(&self) -> Option<EmbeddingModel<'_>> {
        let model = self.document.get("inference")?.get("embedding_model")?.as_object()?;
        Some(EmbeddingModel {
            algorithm: text(model.get("algorithm")),
            model_name: text(model.get("model_name")),
            link: text(model.get("link")),
            output: text(model.get("output")),
        })
    }
}

impl TryFrom<Map<String, Value>> for Metadata {
    type Error = Error;

    fn try_from(document: Map<String, Value>) -> Result<Self> {
        Self::from_document(document)
    }
}

impl From<Metadata> for Map<String, Value> {
    fn from(metadata: Metadata) -> Self {
        metadata.document
    }
}

impl TensorSchema {
    fn from_value(value: &Value) -> Self {
        let dimension = |value: &Value| usize::try_from(value.as_u64()?).ok().filter(|&dim| dim > 0);
        let shape = value.get("shape").and_then(Value::as_array);
        Self {
            name: text(value.get("name")).to_owned(),
            shape: shape.map(|dims| dims.iter().map(dimension).collect()).unwrap_or_default(),
            op: text(value.get("op")).to_owned(),
            purpose: match text(value.get("output_purpose")) {
                "predictions" => Some(Purpose::Predictions),
                "embeddings" => Some(Purpose::Embeddings),
                "" => None,
                _ => Some(Purpose::Other),
            },
            description: text(value.get("description")).to_owned(),
        }
    }

    /// Values per token, or per row if there are no tokens: the last dimension.
    pub fn dim(&self) -> Option<usize> {
        *self.shape.last()?
    }
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

/// A JSON text without the commas before `}` and `]`, which JavaScript allows and JSON does not.
fn without_trailing_commas(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    for (index, character) in text.char_indices() {
        let trails = || text[index + 1..].trim_start().starts_with(['}', ']']);
        if in_string {
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
        } else if character == '"' {
            in_string = true;
        } else if character == ',' && trails() {
            continue;
        }
        out.push(character);
    }
    out
}

/// An array; empty if it is missing or null.
fn list<'a>(value: Option<&'a Value>, key: &str) -> Result<&'a [Value], String> {
    match value {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(values)) => Ok(values),
        Some(_) => Err(format!("{key} is not a list")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_comes_back_as_it_was() {
        let text = r#"{
    "zebra": {
        "b": [
            1,
            2.5,
            null
        ],
        "a": "unknown keys stay"
    },
    "name": "n",
    "classes": [
        "x",
        "y"
    ],
    "dataset": {
        "size": 22211
    },
    "inference": {
        "sample_rate": 16000,
        "algorithm": "TensorflowPredict2D",
        "embedding_model": {
            "model_name": "discogs-effnet-bs64-1"
        }
    }
}
"#;
        let metadata = Metadata::from_json(text).unwrap();
        assert_eq!(metadata.to_json(), text);
        assert_eq!(metadata.name(), "n");
        assert_eq!(metadata.classes(), ["x", "y"]);
        assert_eq!(metadata.sample_rate(), Some(16000));
        assert_eq!(metadata.algorithm(), Some("TensorflowPredict2D"));
        assert_eq!(metadata.embedding_model().unwrap().model_name, "discogs-effnet-bs64-1");
        assert_eq!(metadata.embedding_model().unwrap().link, "");
        let through_serde: Metadata =
            serde_json::from_value(serde_json::to_value(&metadata).unwrap()).unwrap();
        assert_eq!(through_serde, metadata);
    }

    #[test]
    fn commas_behind_the_last_entry_are_ignored_with_a_warning() {
        let text =
            "{\"name\": \"a,]\\\"b,}\", \"classes\": [\"x\", \"y\",\n ], \"schema\": {\"outputs\": [],},}";
        let metadata = Metadata::from_json(text).unwrap();
        assert_eq!((metadata.name(), metadata.classes().len()), ("a,]\"b,}", 2));
        assert!(metadata.warnings()[0].contains("commas"));
        assert!(Metadata::from_json(r#"{"classes": ["x",, "y"]}"#).is_err());
        assert!(Metadata::from_json(r#"{"classes": [,]}"#).unwrap().classes().is_empty());
        assert!(Metadata::from_json("{}").unwrap().warnings().is_empty());
        // As in some published files.
        assert!(Metadata::from_json(r#"{"classes": ""}"#).unwrap().classes().is_empty());
    }

    #[test]
    fn everything_may_be_missing() {
        let metadata = Metadata::from_json("{}").unwrap();
        assert_eq!(metadata, Metadata::default());
        assert_eq!((metadata.name(), metadata.sample_rate(), metadata.algorithm()), ("", None, None));
        let odd = r#"{"classes": null, "schema": 3, "inference": [], "name": 7}"#;
        let odd = Metadata::from_json(odd).unwrap();
        assert_eq!((odd.name(), odd.outputs().len()), ("", 0));
    }

    #[test]
    fn shapes_are_read_with_and_without_a_batch() {
        let text = r#"{"schema": {"outputs": [
            {"name": "a", "shape": ["batch_size", 400], "output_purpose": "predictions"},
            {"name": "b", "shape": [1280], "output_purpose": ""}, {"name": "c", "shape": [-1, null]}, 5]}}"#;
        let metadata = Metadata::from_json(text).unwrap();
        let dims: Vec<_> = metadata.outputs().iter().map(TensorSchema::dim).collect();
        assert_eq!(dims, [Some(400), Some(1280), None, None]);
        let purposes: Vec<_> = metadata.outputs().iter().map(|output| output.purpose).collect();
        assert_eq!(purposes, [Some(Purpose::Predictions), None, None, None]);
    }

    #[test]
    fn what_matters_and_is_wrong_is_named() {
        for (text, says) in [
            ("", "not a JSON object"),
            ("[]", "not a JSON object"),
            (r#"{"classes": "rock"}"#, "classes is not a list"),
            (r#"{"classes": ["rock", 7]}"#, "classes[1] is 7"),
            (r#"{"schema": {"outputs": {}}}"#, "schema.outputs is not a list"),
            (r#"{"inference": {"sample_rate": -5}}"#, "inference.sample_rate is -5"),
            (r#"{"inference": {"sample_rate": 1e300}}"#, "inference.sample_rate"),
        ] {
            let reason = Metadata::from_json(text).unwrap_err().to_string();
            assert!(reason.contains(says), "{text}: {reason}");
        }
        // Nested deeper than any real file: refused without recursion.
        assert!(Metadata::from_json(&"[".repeat(1_000_000)).is_err());
        assert!(Metadata::from_json(&r#"{"a":"#.repeat(100_000)).is_err());
    }
}

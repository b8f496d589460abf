//! What the values of an output are, so that they can be shown as what they mean.

use super::Algorithm;
use super::metadata::{Metadata, TensorSchema};
use crate::engine::{OutputSpec, Purpose};
use crate::onnx::Graph;

/// What the values of an output mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Meaning {
    /// Not known: an embedding, logits, or predictions about which nothing is stated.
    #[default]
    Values,
    /// Activations of labels that do not depend on each other, each from 0 to 1 (sigmoid).
    Labels,
    /// Probabilities of classes of which one applies; their sum is 1 (softmax).
    Classes,
    /// Quantities, such as valence and arousal, in the units of the data set.
    Quantities,
    /// TempoCNN's classes: probability of each tempo from 30 to 285 BPM.
    TempoClasses,
    /// CREPE's bins: activation of each pitch, 20 cents apart from 31.7 Hz.
    PitchBins,
    /// `[BPM, probability]` of the most probable tempo.
    Tempo,
    /// `[Hz, confidence]` of the strongest pitch.
    Pitch,
}

impl Meaning {
    /// A word for users: `values`, `labels`, `classes`, `quantities`, `tempo classes`, `pitch bins`, `tempo`, `pitch`.
    pub fn name(self) -> &'static str {
        match self {
            Meaning::Values => "values",
            Meaning::Labels => "labels",
            Meaning::Classes => "classes",
            Meaning::Quantities => "quantities",
            Meaning::TempoClasses => "tempo classes",
            Meaning::PitchBins => "pitch bins",
            Meaning::Tempo => "tempo",
            Meaning::Pitch => "pitch",
        }
    }

    /// The range of the values, if it is known: that of valence and arousal is the annotators' scale.
    pub fn range(self, classes: &[String]) -> Option<(f32, f32)> {
        match self {
            Meaning::Labels | Meaning::Classes | Meaning::TempoClasses | Meaning::PitchBins => {
                Some((0.0, 1.0))
            }
            Meaning::Quantities if classes.iter().any(|class| class == "valence" || class == "arousal") => {
                Some((1.0, 9.0))
            }
            _ => None,
        }
    }
}

/// What each output means: by the algorithm, by the operator that computes it, and by what the metadata say.
pub(super) fn of_outputs(
    outputs: &[OutputSpec],
    graph: Option<&Graph>,
    metadata: &Metadata,
    algorithm: Option<Algorithm>,
) -> Vec<Meaning> {
    let of = |output: &OutputSpec| {
        if output.purpose != Purpose::Predictions {
            return Meaning::Values;
        }
        match (algorithm, output.dim) {
            (Some(Algorithm::TempoCnn), 256) => return Meaning::TempoClasses,
            (Some(Algorithm::Crepe), 360) => return Meaning::PitchBins,
            _ => {}
        }
        let computed = graph.and_then(|graph| last_operator(graph, &output.name));
        let schema = metadata.outputs().iter().find(|schema| schema.purpose == Some(Purpose::Predictions));
        let said = schema.map(said_operator);
        match computed.or(said).unwrap_or_default().to_ascii_lowercase().as_str() {
            "sigmoid" => Meaning::Labels,
            "softmax" => Meaning::Classes,
            // A head without an activation is a regression.
            "gemm" | "add" | "matmul" | "identity" | "linear" if algorithm.is_none() => Meaning::Quantities,
            _ => Meaning::Values,
        }
    };
    outputs.iter().map(of).collect()
}

/// The operator in an entry of the schema: its `op`, or the end of its name.
fn said_operator(schema: &TensorSchema) -> &str {
    match schema.op.as_str() {
        "" => schema.name.rsplit(['/', ':']).find(|part| part.parse::<u32>().is_err()).unwrap_or_default(),
        op => op,
    }
}

/// The operator that computes an output, behind what does not change values.
fn last_operator<'g>(graph: &'g Graph, output: &str) -> Option<&'g str> {
    let mut name = output;
    // A graph has no circles, but a file may.
    for _ in 0..8 {
        let node = graph.node.iter().find(|node| node.output.iter().any(|made| made == name))?;
        match node.op_type() {
            "Identity" | "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" | "Cast" | "Transpose" => {
                name = node.input.first()?;
            }
            operator => return Some(operator),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::Node;

    fn meaning(
        operators: &[&str],
        document: serde_json::Value,
        algorithm: Option<Algorithm>,
        dim: usize,
    ) -> Meaning {
        let nodes = operators.iter().enumerate().map(|(index, operator)| {
            Node::new(operator, &[&format!("t{index}")], &format!("t{}", index + 1), Vec::new())
        });
        let graph = Graph { node: nodes.collect(), ..Graph::default() };
        let outputs = [OutputSpec::new(format!("t{}", operators.len()), Purpose::Predictions, dim)];
        let metadata = serde_json::from_value(document).unwrap();
        of_outputs(&outputs, (!operators.is_empty()).then_some(&graph), &metadata, algorithm)[0]
    }

    #[test]
    fn the_graph_says_what_predictions_mean() {
        let nothing = serde_json::json!({});
        assert_eq!(meaning(&["Gemm", "Sigmoid"], nothing.clone(), None, 50), Meaning::Labels);
        assert_eq!(meaning(&["Softmax", "Identity"], nothing.clone(), None, 2), Meaning::Classes);
        assert_eq!(meaning(&["Relu", "Gemm"], nothing.clone(), None, 2), Meaning::Quantities);
        // Of a network that takes audio, such outputs are logits.
        assert_eq!(meaning(&["Gemm"], nothing.clone(), Some(Algorithm::Maest), 2), Meaning::Values);
        assert_eq!(
            meaning(&["Softmax"], nothing.clone(), Some(Algorithm::TempoCnn), 256),
            Meaning::TempoClasses
        );
        assert_eq!(meaning(&["Sigmoid"], nothing, Some(Algorithm::Crepe), 360), Meaning::PitchBins);
    }

    #[test]
    fn without_a_graph_the_metadata_say() {
        let schema = |name: &str, op: &str| serde_json::json!({"schema": {"outputs": [{"name": name, "op": op, "output_purpose": "predictions"}]}});
        assert_eq!(meaning(&[], schema("model/Softmax", ""), None, 2), Meaning::Classes);
        assert_eq!(meaning(&[], schema("model/Sigmoid:0", ""), None, 2), Meaning::Labels);
        assert_eq!(meaning(&[], schema("PartitionedCall:0", "Sigmoid"), None, 2), Meaning::Labels);
        assert_eq!(meaning(&[], schema("PartitionedCall:0", ""), None, 2), Meaning::Values);
    }

    #[test]
    fn ranges_are_those_of_the_scale() {
        let classes = ["valence".to_owned(), "arousal".to_owned()];
        assert_eq!(Meaning::Quantities.range(&classes), Some((1.0, 9.0)));
        assert_eq!(Meaning::Quantities.range(&[]), None);
        assert_eq!(Meaning::Labels.range(&[]), Some((0.0, 1.0)));
    }
}

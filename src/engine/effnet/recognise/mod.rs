//! Recognises an EfficientNet-B0 in an ONNX file by what its graph computes.
//!
//! Exporters spell one network in many ways. So the graph is read in four steps, each in its own module:
//! the file's bytes ([`protobuf`], [`onnx`]); its nodes, one after the other, as expressions over feature
//! maps in which layout has vanished and constants are folded ([`trace`] with [`view`], [`linear`],
//! [`constant`], [`fold`] and [`expression`]); the one place where those expressions are compared with
//! EfficientNet-B0's table ([`matching`]); and what follows the pooling ([`behind`]).

mod behind;
mod constant;
mod expression;
mod fold;
mod linear;
mod matching;
mod onnx;
mod protobuf;
mod trace;
mod view;

use super::network::Weights;

/// Why a file has no [`Weights`].
pub(super) enum Refusal {
    /// The bytes are not an ONNX file.
    Malformed(String),
    /// It is a graph, and this is where it departs from an EfficientNet-B0.
    Different(String),
}

/// Reads the network of an ONNX file. Also returns the name of the graph's input.
pub(super) fn recognise(file: &[u8]) -> Result<(Weights, String), Refusal> {
    let graph = onnx::Graph::read(file)
        .map_err(|protobuf::Malformed(why)| Refusal::Malformed(format!("not an ONNX file: {why}")))?;
    let (trace, outputs) = trace::trace(&graph).map_err(Refusal::Different)?;
    let (tail, outputs, pooled) = behind::tail(&trace.arena, &outputs).map_err(Refusal::Different)?;
    let features = matching::features(&trace.arena, pooled).map_err(Refusal::Different)?;
    let weights = Weights {
        rows: trace.rows,
        columns: trace.columns,
        stem: features.stem,
        blocks: features.blocks,
        head: features.head,
        tail,
        outputs,
    };
    Ok((weights, trace.input_name))
}

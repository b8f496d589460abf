//! Recognises an EfficientNet-B0 in an ONNX file by what its graph computes.
//!
//! Exporters write the same network in many ways. So the graph is read in three steps: [`trace`] turns its nodes into
//! expressions over feature maps, without layout and with folded constants (with [`linear`], [`expression`] and
//! [`crate::engine::graph`]); [`matching`] compares these expressions with EfficientNet-B0's table; [`behind`] reads
//! what follows the pooling.

mod behind;
mod expression;
mod linear;
mod matching;
mod trace;

use super::network::Weights;
use crate::onnx::Graph;

/// Reads the network of a graph, and the name of the graph's input.
///
/// # Errors
/// Where the graph differs from an EfficientNet-B0.
pub(super) fn recognise(graph: &Graph) -> Result<(Weights, String), String> {
    let (trace, outputs) = trace::trace(graph)?;
    let (tail, outputs, pooled) = behind::tail(&trace.arena, &outputs)?;
    let features = matching::features(&trace.arena, pooled)?;
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

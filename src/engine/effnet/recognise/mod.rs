//! Recognises an EfficientNet-B0 in an ONNX file by what its graph computes.
//!
//! Exporters spell one network in many ways. So the graph is read in three steps, each in its own module: its
//! nodes, one after the other, as expressions over feature maps in which layout has vanished and constants are
//! folded ([`trace`] with [`view`], [`linear`], [`constant`], [`fold`] and [`expression`]); the one place where
//! those expressions are compared with EfficientNet-B0's table ([`matching`]); and what follows the pooling
//! ([`behind`]).

mod behind;
mod constant;
mod expression;
mod fold;
mod linear;
mod matching;
mod trace;
mod view;

use super::network::Weights;
use crate::onnx::Graph;

/// The network of a graph, and the name of the graph's input.
///
/// # Errors
/// Where the graph departs from an EfficientNet-B0.
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

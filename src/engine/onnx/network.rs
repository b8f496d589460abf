//! One graph, loaded by rten: weights and execution plan.

use std::sync::Arc;

use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueView};
use rten_tensor::TensorView;

use super::{operators, rows};
use crate::{contained, onnx};

/// Rows per batch, if neither the graph nor the caller sets it.
pub const DEFAULT_BATCH: usize = 1;

/// A loaded network: weights and plan, shared by all engines of a model.
pub struct Network {
    model: Model,
    input: NodeId,
    outputs: Vec<NodeId>,
    /// Rows per batch; `None` if any number is allowed.
    batch: Option<usize>,
    /// The input's shape without the batch.
    row_shape: Vec<usize>,
    /// Whether a row's outputs may depend on the other rows of its batch.
    mixes_rows: bool,
}

impl Network {
    /// Loads the network of a file. One row of its input has shape `row_shape`.
    ///
    /// # Errors
    /// Why rten cannot run it, with the names of unsupported operators.
    pub fn load(file: &onnx::Model, row_shape: Vec<usize>) -> Result<Network, String> {
        let mixes_rows = rows::mix(file);
        let file = &file.for_rten()?;
        if let Some(unknown) = operators::unknown(&file.operators()) {
            return Err(format!("the onnx engine does not have the operators {unknown}"));
        }
        if let Some(node) = file.graph.node.iter().find(|node| node.lacks_kernel_shape()) {
            let weights = node.input_at(1).unwrap_or_default();
            return Err(format!("a convolution has neither a kernel_shape nor constant weights ({weights})"));
        }
        // rten plans by recursion when it loads and runs, so it runs on threads with a known stack size, not on the
        // caller's.
        let pool = ThreadPool::with_num_threads(1);
        let load = || ModelOptions::with_ops(operators::registry()).load(file.to_bytes());
        let model = run_contained(|| pool.run(load))?;
        let model = model.map_err(|error| error.to_string())?;
        let node = |name: &str| model.find_node(name).ok_or_else(|| format!("tensor {name} is missing"));
        let onnx::Signature { inputs, outputs } = file.signature();
        let [input] = inputs.as_slice() else {
            return Err(format!("the graph has {} inputs, not one", inputs.len()));
        };
        let outputs: Result<Vec<NodeId>, String> = outputs.iter().map(|output| node(&output.name)).collect();
        let batch = input.dims.as_ref().and_then(|dims| *dims.first()?);
        let (input, outputs) = (node(&input.name)?, outputs?);
        Ok(Network { model, input, outputs, batch, row_shape, mixes_rows })
    }

    /// The number of rows that every batch must have, if the graph fixes it.
    pub fn fixed_batch(&self) -> Option<usize> {
        self.batch
    }

    /// Whether a row's outputs may depend on the other rows of its batch.
    pub fn mixes_rows(&self) -> bool {
        self.mixes_rows
    }

    /// Runs one batch and returns the values of the outputs `wanted`, in that order. No index may occur twice.
    pub fn run(
        &self,
        input: &[f32],
        batch: usize,
        wanted: &[usize],
        pool: &Arc<ThreadPool>,
    ) -> Result<Vec<Vec<f32>>, String> {
        let shape: Vec<usize> = std::iter::once(batch).chain(self.row_shape.iter().copied()).collect();
        let input = TensorView::try_from_data(shape.as_slice(), input)
            .map_err(|error| format!("the input does not fit: {error:?}"))?;
        let outputs: Vec<NodeId> = wanted.iter().map(|&index| self.outputs[index]).collect();
        let options = RunOptions::default().with_thread_pool(Some(pool.clone()));
        let inputs = vec![(self.input, ValueView::FloatTensor(input).into())];
        let values = run_contained(|| pool.run(|| self.model.run(inputs, &outputs, Some(options))))?;
        values.map_err(|error| error.to_string())?.into_iter().map(floats).collect()
    }

    /// Values per row of each output, measured by running the network on zeros.
    ///
    /// # Errors
    /// Why it does not run.
    pub fn measure(&self) -> Result<Vec<usize>, String> {
        let batch = self.batch.unwrap_or(DEFAULT_BATCH);
        let pool = Arc::new(ThreadPool::with_num_threads(1));
        let zeros = vec![0.0; batch * self.row_shape.iter().product::<usize>()];
        let mut dims = Vec::new();
        for index in 0..self.outputs.len() {
            let values = self.run(&zeros, batch, &[index], &pool)?;
            dims.push(values[0].len() / batch);
        }
        Ok(dims)
    }
}

/// The values of an output tensor in row-major order.
fn floats(value: Value) -> Result<Vec<f32>, String> {
    match value {
        Value::FloatTensor(tensor) => Ok(tensor.into_data()),
        other => Err(format!("an output holds {}, not floats", other.dtype())),
    }
}

/// Turns a panic in the runtime, for example because of a damaged network, into an error. What the runtime works on is
/// dropped or read-only, so no half-changed state is visible afterwards.
fn run_contained<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    contained::contained(work).map_err(|message| format!("the onnx runtime panicked: {message}"))
}

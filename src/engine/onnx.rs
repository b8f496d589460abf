//! Any ONNX graph on the CPU, through rten.
//!
//! Every run of the network has one fixed batch shape: the one the graph demands, or one row, with zeros for
//! the rows that are missing. So a row's outputs cannot depend on how many rows came with it, nor on the
//! caller's batch size: that says how many rows are gathered, not what shape they are computed in. (rten
//! gains nothing from larger shapes, and sums in another order in each.)

mod graph;
mod network;
mod operators;
mod protobuf;
mod repair;

use std::sync::Arc;

use rten::ThreadPool;

pub(crate) use graph::{Graph, MAX_FILE_BYTES, Tensor};
pub(crate) use network::{DEFAULT_BATCH, Network};

use crate::engine::{Engine, EngineOptions, InputSpec, OutputSpec};
use crate::{Error, Result};

/// A network with the threads to run it.
pub(crate) struct OnnxEngine {
    network: Arc<Network>,
    input: InputSpec,
    outputs: Vec<OutputSpec>,
    batch: usize,
    threads: usize,
    pool: Arc<ThreadPool>,
}

impl OnnxEngine {
    /// An engine with its own threads around a shared network.
    pub fn new(
        network: Arc<Network>,
        input: InputSpec,
        outputs: Vec<OutputSpec>,
        options: &EngineOptions,
    ) -> Result<OnnxEngine> {
        if options.batch_size == Some(0) {
            return Err(Error::InvalidArgument("a batch of 0 rows cannot be run".into()));
        }
        let threads = options.resolved_threads();
        let pool = Arc::new(ThreadPool::with_num_threads(threads));
        let batch = network.fixed_batch().unwrap_or(DEFAULT_BATCH);
        Ok(OnnxEngine { network, input, outputs, batch, threads, pool })
    }
}

impl Engine for OnnxEngine {
    fn name(&self) -> &'static str {
        "onnx"
    }

    fn describe(&self) -> String {
        let threads = if self.threads == 1 { "thread" } else { "threads" };
        format!("cpu, rten, f32, {} {threads}", self.threads)
    }

    fn input(&self) -> InputSpec {
        self.input
    }

    fn outputs(&self) -> &[OutputSpec] {
        &self.outputs
    }

    fn batch_size(&self) -> usize {
        self.batch
    }

    fn run(&self, input: &[f32], rows: usize, wanted: &mut [(usize, &mut [f32])]) -> Result<()> {
        let width = self.input.len();
        check_lengths(&self.outputs, width, input, rows, wanted)?;
        let mut indices: Vec<usize> = wanted.iter().map(|(index, _)| *index).collect();
        indices.sort_unstable();
        indices.dedup();
        if rows == 0 || indices.is_empty() {
            return Ok(());
        }
        let mut padded = Vec::new();
        for first in (0..rows).step_by(self.batch) {
            let count = self.batch.min(rows - first);
            let mut batch = &input[first * width..(first + count) * width];
            if count < self.batch {
                padded.clear();
                padded.extend_from_slice(batch);
                padded.resize(self.batch * width, 0.0);
                batch = &padded;
            }
            let values = self.network.run(batch, self.batch, &indices, &self.pool);
            let values = values.map_err(|reason| Error::Engine { engine: "onnx", reason })?;
            for (index, buffer) in wanted.iter_mut() {
                let dim = self.outputs[*index].dim;
                let values = &values[indices.partition_point(|known| known < index)];
                if values.len() != self.batch * dim {
                    let OutputSpec { name, .. } = &self.outputs[*index];
                    let reason =
                        format!("output {name} has {} values, not {}", values.len(), self.batch * dim);
                    return Err(Error::Engine { engine: "onnx", reason });
                }
                buffer[first * dim..(first + count) * dim].copy_from_slice(&values[..count * dim]);
            }
        }
        Ok(())
    }
}

/// Whether the arguments of a run fit the network.
fn check_lengths(
    outputs: &[OutputSpec],
    width: usize,
    input: &[f32],
    rows: usize,
    wanted: &[(usize, &mut [f32])],
) -> Result<()> {
    if rows.checked_mul(width) != Some(input.len()) {
        return Err(Error::InvalidArgument(format!(
            "{rows} rows of {width} values were announced, {} values given",
            input.len()
        )));
    }
    for (index, buffer) in wanted {
        let Some(OutputSpec { name, dim, .. }) = outputs.get(*index) else {
            return Err(Error::InvalidArgument(format!(
                "output {index} was asked for; the network has {}",
                outputs.len()
            )));
        };
        if rows.checked_mul(*dim) != Some(buffer.len()) {
            return Err(Error::InvalidArgument(format!(
                "output {name} has {rows} rows of {dim} values, the buffer holds {}",
                buffer.len()
            )));
        }
    }
    Ok(())
}

//! Any ONNX graph on the CPU, through rten.
//!
//! Every run of the network has one fixed batch shape: the graph's, if it has one; otherwise one patch, or 16 vectors.
//! Missing rows are zeros. So a row's outputs do not depend on its neighbours or on the caller's batch size, which only
//! sets how many rows are gathered (rten sums in a different order for each batch shape). They do not depend on threads
//! either: the tests find the same bits at every position, with every neighbour, on 1 to 8 threads. A network that
//! computes something over the whole batch ([`rows`]) gets one row at a time; if the graph fixes a larger batch, that row
//! fills it.
//!
//! Several batches run in parallel, each on one thread, because that is the most efficient; the remainder runs on all
//! threads together. Larger batches of patches do not make rten faster (it convolves one patch after the other), but a
//! head's weights are read once for all vectors of a batch.

mod network;
mod operators;
mod rows;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, OnceLock};

use rten::ThreadPool;

pub(crate) use network::{DEFAULT_BATCH, Network};

use crate::engine::{Engine, EngineOptions, InputSpec, OutputSpec};
use crate::{Error, Result};

/// Rows per batch of a head, if neither the graph nor the caller sets it.
const VECTORS: usize = 16;

/// More than any machine has cores.
const MAX_THREADS: usize = 1024;

/// Values in one batch: 20 minutes of mel bands, as for one row.
const MAX_BATCH_VALUES: usize = 1 << 26;

/// A network with the threads to run it.
pub(crate) struct OnnxEngine {
    network: Arc<Network>,
    input: InputSpec,
    outputs: Vec<OutputSpec>,
    /// Rows of the caller's in every run of the network.
    batch: usize,
    /// How often they are repeated to fill the network's batch: 1, unless the batch is fixed and its rows mix.
    copies: usize,
    batch_size: usize,
    threads: usize,
    /// All threads, for one batch. On an engine of one thread, each call takes a pool that no other call is using.
    together: Mutex<Vec<Arc<ThreadPool>>>,
    /// The same number of threads, each for its own batch; started when first needed.
    apart: OnceLock<Vec<Arc<ThreadPool>>>,
}

impl OnnxEngine {
    /// An engine with its own threads around a shared network.
    ///
    /// # Errors
    /// `InvalidArgument` if the batch or the number of threads is out of range.
    pub fn new(
        network: Arc<Network>,
        input: InputSpec,
        outputs: Vec<OutputSpec>,
        options: &EngineOptions,
    ) -> Result<OnnxEngine> {
        let threads = options.resolved_threads();
        if threads > MAX_THREADS {
            return Err(Error::InvalidArgument(format!("{threads} threads; at most {MAX_THREADS} are used")));
        }
        let default = match input {
            InputSpec::Patch { .. } => DEFAULT_BATCH,
            InputSpec::Vector { .. } => VECTORS,
        };
        let (batch, copies) = match (network.mixes_rows(), network.fixed_batch()) {
            (true, fixed) => (1, fixed.unwrap_or(1)),
            (false, fixed) => (fixed.unwrap_or(default), 1),
        };
        let batch_size = options.batch_size.unwrap_or(match network.fixed_batch() {
            Some(batch) => batch,
            None => batch * threads,
        });
        for rows in [batch * copies, batch_size] {
            if rows == 0 || rows.checked_mul(input.len()).is_none_or(|values| values > MAX_BATCH_VALUES) {
                return Err(Error::InvalidArgument(format!("a batch of {rows} rows cannot be run")));
            }
        }
        let together = Mutex::new(vec![Arc::new(ThreadPool::with_num_threads(threads))]);
        Ok(OnnxEngine {
            network,
            input,
            outputs,
            batch,
            copies,
            batch_size,
            threads,
            together,
            apart: OnceLock::new(),
        })
    }

    /// Runs one task on the threads of `pool`. `indices` are the requested outputs, ascending.
    fn run_task(&self, task: Task<'_, '_>, indices: &[usize], pool: &Arc<ThreadPool>) -> Result<(), String> {
        let full = self.batch * self.input.len();
        let mut input = Cow::Borrowed(task.input);
        if input.len() < full {
            input.to_mut().resize(full, 0.0);
        }
        if self.copies > 1 {
            input = Cow::Owned(input.repeat(self.copies));
        }
        let rows = self.batch * self.copies;
        let values = self.network.run(&input, rows, indices, pool)?;
        for (index, buffer) in task.outputs {
            let OutputSpec { name, dim, .. } = &self.outputs[index];
            let values = &values[indices.partition_point(|&known| known < index)];
            if values.len() != rows * dim {
                return Err(format!("output {name} has {} values, not {}", values.len(), rows * dim));
            }
            buffer.copy_from_slice(&values[..buffer.len()]);
        }
        Ok(())
    }

    /// Runs tasks one after the other, each on all threads.
    fn run_together(&self, tasks: Vec<Task<'_, '_>>, indices: &[usize]) -> Result<(), String> {
        if tasks.is_empty() {
            return Ok(());
        }
        // Nothing panics while it holds the lock.
        let pools = || self.together.lock().expect("no panic in a list");
        let pool = if self.threads > 1 { pools().first().cloned() } else { pools().pop() };
        let pool = pool.unwrap_or_else(|| Arc::new(ThreadPool::with_num_threads(self.threads)));
        let result = tasks.into_iter().try_for_each(|task| self.run_task(task, indices, &pool));
        if self.threads == 1 {
            pools().push(pool);
        }
        result
    }

    /// Runs tasks in parallel, each on one thread.
    fn run_apart(&self, tasks: Vec<Task<'_, '_>>, indices: &[usize]) -> Result<(), String> {
        let pools = self
            .apart
            .get_or_init(|| (0..self.threads).map(|_| Arc::new(ThreadPool::with_num_threads(1))).collect());
        let tasks = Mutex::new(tasks.into_iter());
        // Nothing panics while it holds the lock.
        let next = || tasks.lock().expect("no panic in an iterator").next();
        let work = |pool: &Arc<ThreadPool>| -> Result<(), String> {
            while let Some(task) = next() {
                self.run_task(task, indices, pool)?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = pools.iter().map(|pool| scope.spawn(move || work(pool))).collect();
            let results = workers.into_iter().map(|worker| match worker.join() {
                Ok(result) => result,
                Err(_) => Err("a thread of the engine panicked".into()),
            });
            // Waits for every worker, even if one failed.
            results.fold(Ok(()), Result::and)
        })
    }
}

/// Runs a graph once, on one thread: for tests, which compare operators with other runtimes. The input has any shape,
/// its first dimension is the batch. The values of every output, in the graph's order.
///
/// # Errors
/// Why the graph cannot be used, or does not run.
pub fn run_graph(
    file: &crate::onnx::Model,
    shape: &[usize],
    input: &[f32],
) -> std::result::Result<Vec<Vec<f32>>, String> {
    let Some((&batch, row)) = shape.split_first() else {
        return Err("the input has no dimensions".into());
    };
    let network = Network::load(file, row.to_vec())?;
    let outputs: Vec<usize> = (0..file.graph.output.len()).collect();
    network.run(input, batch, &outputs, &Arc::new(ThreadPool::with_num_threads(1)))
}

/// One batch: its input, which may lack rows at the end, and where its outputs go.
struct Task<'i, 'o> {
    input: &'i [f32],
    outputs: Vec<(usize, &'o mut [f32])>,
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
        self.batch_size
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
        let mut buffers: Vec<_> = wanted
            .iter_mut()
            .map(|(index, buffer)| {
                // `chunks_mut` panics for a size of 0.
                let values = (self.batch * self.outputs[*index].dim).max(1);
                (*index, buffer.chunks_mut(values))
            })
            .collect();
        let mut tasks: Vec<Task<'_, '_>> = input
            .chunks(self.batch * width)
            .map(|input| Task {
                input,
                outputs: buffers
                    .iter_mut()
                    .map(|(index, chunks)| (*index, chunks.next().unwrap_or_default()))
                    .collect(),
            })
            .collect();
        // A vector is too little work to hand to another thread.
        let shared = matches!(self.input, InputSpec::Patch { .. }) && self.threads > 1;
        let apart = if shared { tasks.len() - tasks.len() % self.threads } else { 0 };
        let rest = tasks.split_off(apart);
        let failed = |reason| Error::Engine { engine: "onnx", reason };
        if apart > 0 {
            self.run_apart(tasks, &indices).map_err(failed)?;
        }
        self.run_together(rest, &indices).map_err(failed)
    }

    fn concurrent(&self) -> Option<Arc<dyn Engine>> {
        let asked = (self.batch_size != self.batch * self.threads).then_some(self.batch_size);
        let options = EngineOptions { threads: 1, batch_size: asked, ..EngineOptions::default() };
        let engine = OnnxEngine::new(Arc::clone(&self.network), self.input, self.outputs.clone(), &options);
        Some(Arc::new(engine.ok()?))
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
            "expected {rows} rows of {width} values, got {} values",
            input.len()
        )));
    }
    for (index, buffer) in wanted {
        let Some(OutputSpec { name, dim, .. }) = outputs.get(*index) else {
            return Err(Error::InvalidArgument(format!(
                "output {index} was requested; the network has {}",
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

//! The engine: networks, kernel sets, and how a batch is split among threads.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::forward::Pass;
use super::network::Weights;
use super::plan::Plan;
use super::recognise::recognise;
use super::tables::Tables;
use super::workspace::Workspace;
use crate::engine::cpu::KernelSet;
use crate::engine::cpu::float_state::FlushDenormals;
use crate::engine::cpu::team::{Phases, Pool, Team};
use crate::engine::cpu::tiles::Tiles;
use crate::engine::{Engine, EngineOptions, InputSpec, OutputSpec, Precision};
use crate::{Error, Result, onnx};

/// An EfficientNet-B0 read from an ONNX file, with folded constants. Engines share it; the weights are packed once for
/// each kernel set in use.
pub struct Network {
    weights: Weights,
    input_name: String,
    /// By kernel set.
    plans: [OnceLock<Arc<Plan>>; KernelSet::ALL.len()],
}

/// Why a file cannot be read as a [`Network`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not an ONNX file, or a damaged one: no engine can run it.
    #[error("{0}")]
    Malformed(String),
    /// Another network, for another engine. The text says where its graph differs from an EfficientNet-B0.
    #[error("not an EfficientNet-B0: {0}")]
    Different(String),
}

impl Network {
    /// Looks for an EfficientNet-B0 in an ONNX file.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] if it is not a valid ONNX file; [`Refusal::Different`] if it is another network.
    pub fn recognise(file: impl Into<Vec<u8>>) -> Result<Self, Refusal> {
        let model = onnx::Model::read(file.into()).map_err(Refusal::Malformed)?;
        Self::of(&model).map_err(Refusal::Different)
    }

    /// Looks for an EfficientNet-B0 in a parsed file.
    ///
    /// # Errors
    /// Where it differs from one.
    pub(crate) fn of(model: &onnx::Model) -> Result<Self, String> {
        let (weights, input_name) = recognise(&model.graph)?;
        Ok(Self { weights, input_name, plans: Default::default() })
    }

    #[cfg(test)]
    pub(super) fn from_weights(weights: Weights) -> Self {
        Self { weights, input_name: "input".into(), plans: Default::default() }
    }

    /// The network as numbers.
    pub(crate) fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The name of the graph's input.
    pub fn input_name(&self) -> &str {
        &self.input_name
    }

    /// The shape of one patch.
    pub fn input(&self) -> InputSpec {
        InputSpec::Patch { frames: self.weights.rows, bands: self.weights.columns }
    }

    /// The graph's outputs, in its order. Their purpose is guessed from the graph: the pooled features are embeddings;
    /// what ends in a sigmoid or softmax is predictions.
    pub fn outputs(&self) -> &[OutputSpec] {
        &self.weights.outputs
    }

    /// The plan for a kernel set. No other set may run it: its weights are packed, and its workspaces sized, for the
    /// vectors of that one. The bfloat16 sets have the same packing, and share a plan.
    pub(super) fn plan(&self, set: KernelSet, tables: Tables) -> Arc<Plan> {
        let owner = if set == KernelSet::AmxBf16 { KernelSet::Avx512Bf16 } else { set };
        let plan = &self.plans[owner as usize];
        let new = || Arc::new(Plan::new(&self.weights, tables.kernels, tables.bf16.is_some()));
        Arc::clone(plan.get_or_init(new))
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("input", &self.input()).field("outputs", &self.outputs()).finish()
    }
}

/// Runs a [`Network`] on the CPU.
///
/// With one thread, concurrent calls of `run` run in parallel, each with its own workspace. With more, the engine has
/// its own thread pool and serializes the calls. A call allocates nothing once its workspace exists.
pub struct EffnetEngine {
    network: Arc<Network>,
    plan: Arc<Plan>,
    set: KernelSet,
    tables: Tables,
    outputs: Vec<OutputSpec>,
    threads: usize,
    batch_size: usize,
    /// Workspaces that no call is using.
    idle: Mutex<Vec<Workspace>>,
    crew: Option<Mutex<Crew>>,
}

/// The threads of an engine with more than one, and their workspaces.
struct Crew {
    pool: Pool,
    phases: Phases,
    workspaces: Vec<Mutex<Workspace>>,
}

/// Maximum number of steps after the pooling: their flags are kept on the stack.
const MAX_STEPS: usize = 512;

impl EffnetEngine {
    /// An engine with the fastest kernels that this CPU can run.
    ///
    /// # Errors
    /// `Unavailable` if this CPU or engine does not have the precision, or if threads cannot be started.
    pub fn new(network: Arc<Network>, options: &EngineOptions) -> Result<Self> {
        let set = KernelSet::best(options.precision).ok_or_else(|| {
            Error::Unavailable(match options.precision {
                Precision::Bf16 => "precision bf16: this CPU has no AVX-512 BF16".into(),
                other => format!("precision {other}: the effnet engine computes in f32 or bf16"),
            })
        })?;
        Self::with_kernels(network, options, set)
    }

    /// An engine with the given kernels. The options must allow their precision.
    ///
    /// # Errors
    /// As for [`Self::new`], and `Unavailable` if this CPU cannot run these kernels.
    pub fn with_kernels(network: Arc<Network>, options: &EngineOptions, set: KernelSet) -> Result<Self> {
        if options.precision != Precision::Auto && options.precision != set.precision() {
            let (asked, has) = (options.precision, set.precision());
            return Err(Error::Unavailable(format!("precision {asked}: the {set} kernels compute in {has}")));
        }
        if options.batch_size == Some(0) {
            return Err(Error::InvalidArgument("a batch of 0 patches cannot be run".into()));
        }
        let tables = Tables::of(set)
            .ok_or_else(|| Error::Unavailable(format!("this CPU has no {set} instructions")))?;
        let plan = network.plan(set, tables);
        let threads = options.resolved_threads().max(1);
        let crew = if threads > 1 {
            let pool = Pool::new(threads)
                .map_err(|error| Error::Unavailable(format!("cannot start {threads} threads: {error}")))?;
            let workspaces = (0..threads).map(|_| Mutex::new(Workspace::new(&plan))).collect();
            let phases = Phases::new(plan.phases());
            Some(Mutex::new(Crew { pool, phases, workspaces }))
        } else {
            None
        };
        let idle = if crew.is_none() { vec![Workspace::new(&plan)] } else { vec![] };
        Ok(Self {
            outputs: network.outputs().to_vec(),
            batch_size: options.batch_size.unwrap_or(64),
            network,
            plan,
            set,
            tables,
            threads,
            idle: Mutex::new(idle),
            crew,
        })
    }

    /// Replaces the description of the outputs, for example by that of the metadata. Names and sizes must be the
    /// graph's.
    ///
    /// # Errors
    /// `InvalidArgument` if they are not.
    pub fn describe_outputs(mut self, outputs: &[OutputSpec]) -> Result<Self> {
        let same = outputs.len() == self.outputs.len()
            && outputs.iter().zip(&self.outputs).all(|(a, b)| a.name == b.name && a.dim == b.dim);
        if !same {
            return Err(Error::InvalidArgument(format!(
                "outputs {outputs:?} are described, but the graph has {:?}",
                self.outputs
            )));
        }
        self.outputs = outputs.to_vec();
        Ok(self)
    }

    /// The kernels in use.
    pub fn kernel_set(&self) -> KernelSet {
        self.set
    }

    /// Bytes of working memory per thread.
    pub fn workspace_bytes(&self) -> usize {
        Workspace::new(&self.plan).bytes()
    }

    /// Runs patches on the calling thread only and returns the nanoseconds that each block spent in each stage. The
    /// last row is the head (as `Fill`) and what follows the pooling (as `Project`). For the benchmarks of this
    /// workspace; not covered by semantic versioning.
    ///
    /// # Errors
    /// As for [`Engine::run`].
    #[doc(hidden)]
    pub fn run_timed(
        &self,
        input: &[f32],
        rows: usize,
        wanted: &mut [(usize, &mut [f32])],
    ) -> Result<Vec<[u64; 4]>> {
        self.check(input, rows, wanted)?;
        let mut workspace = Workspace::new(&self.plan);
        workspace.private.clock.nanoseconds = Some(vec![[0; 4]; self.plan.blocks.len() + 1]);
        let addresses: Vec<(usize, *mut f32)> =
            wanted.iter_mut().map(|(index, buffer)| (*index, buffer.as_mut_ptr())).collect();
        let mut needed = vec![false; self.plan.tail.steps.len()];
        self.plan.tail.mark_needed(addresses.iter().map(|&(index, _)| index), &mut needed);
        let _state = self.enter();
        let job = Job { input: input.as_ptr(), wanted: &addresses, needed: &needed };
        self.run_range(&job, 0, rows, &mut workspace);
        Ok(workspace.private.clock.nanoseconds.take().unwrap_or_default())
    }

    /// Sets up the calling thread; dropping the result restores it.
    fn enter(&self) -> (FlushDenormals, Option<Tiles>) {
        let uses_tiles = self.tables.bf16.is_some_and(|bf16| bf16.uses_tiles);
        // SAFETY: a table that uses tiles is returned only if they are available.
        (FlushDenormals::new(), uses_tiles.then(|| unsafe { Tiles::configure() }))
    }

    fn check(&self, input: &[f32], rows: usize, wanted: &[(usize, &mut [f32])]) -> Result<()> {
        let needed = rows.checked_mul(self.plan.patch);
        if needed != Some(input.len()) {
            return Err(Error::InvalidArgument(format!(
                "expected {rows} patches of {} values, got {} values",
                self.plan.patch,
                input.len()
            )));
        }
        for (index, buffer) in wanted {
            let Some(output) = self.outputs.get(*index) else {
                return Err(Error::InvalidArgument(format!(
                    "output {index} was requested; the network has {}",
                    self.outputs.len()
                )));
            };
            if buffer.len() != rows * output.dim {
                return Err(Error::InvalidArgument(format!(
                    "the buffer has {} values for output {}, which has {rows} x {}",
                    buffer.len(),
                    output.name,
                    output.dim
                )));
            }
        }
        Ok(())
    }

    /// Runs patches `first..last` in one workspace, by one thread or as a member of a team.
    fn run_range(&self, job: &Job, first: usize, last: usize, workspace: &mut Workspace) {
        let mut at = first;
        let passes = (last - first).div_ceil(self.plan.group);
        for pass in 0..passes {
            // Passes of equal size: 9 patches are faster as 5 and 4 than as 8 and 1.
            let count = (last - at).div_ceil(passes - pass);
            let common = workspace.common.pointers();
            let mut pass = Pass {
                plan: &self.plan,
                kernels: self.tables.kernels,
                bf16: self.tables.bf16,
                private: &mut workspace.private,
                common,
                team: &Team::alone(),
            };
            // SAFETY: the input holds the patches (`check`), the table is one that this CPU can run
            // (`KernelSet::tables`), and the workspace is borrowed exclusively.
            unsafe {
                pass.run(job.input.add(at * self.plan.patch), count, job.needed);
                self.deliver(job, at, 0..count, common.tail);
            }
            at += count;
        }
    }

    /// Copies a pass's outputs to the caller's buffers.
    ///
    /// # Safety
    /// The tail holds the patches, and no other thread delivers the same patches.
    unsafe fn deliver(&self, job: &Job, first: usize, patches: std::ops::Range<usize>, tail: *const f32) {
        for &(index, buffer) in job.wanted {
            let dim = self.outputs[index].dim;
            let start = self.plan.tail.starts[self.plan.tail.outputs[index]];
            for patch in patches.clone() {
                // SAFETY: `check` has verified that there is room for every row; rows do not overlap.
                unsafe {
                    let from = tail.add(patch * self.plan.tail_stride + start);
                    std::ptr::copy_nonoverlapping(from, buffer.add((first + patch) * dim), dim);
                }
            }
        }
    }

    fn run_alone(&self, job: &Job, rows: usize) {
        let workspace = lock(&self.idle).pop();
        let mut workspace = workspace.unwrap_or_else(|| Workspace::new(&self.plan));
        self.run_range(job, 0, rows, &mut workspace);
        lock(&self.idle).push(workspace);
    }

    /// Each thread takes whole patches; all threads process the remainder as a team.
    fn run_crew(&self, job: &Job, rows: usize, crew: &mut Crew) {
        let Crew { pool, phases, workspaces } = crew;
        let each = rows / self.threads;
        let split = each * self.threads;
        if split > 0 {
            let passes = self.threads * each.div_ceil(self.plan.group);
            phases.reset();
            let phases = &*phases;
            pool.run(&|index| {
                let _state = self.enter();
                let mut workspace = lock(&workspaces[index]);
                Team::member(self.threads, phases).each_alone(passes, |pass| {
                    let (first, last) = (pass.start * split / passes, pass.end * split / passes);
                    self.run_range(job, first, last, &mut workspace);
                });
            });
        }
        // Fewer patches than threads remain.
        for first in (split..rows).step_by(self.plan.group) {
            let count = (rows - first).min(self.plan.group);
            phases.reset();
            let phases = &*phases;
            // The team uses the common memory of the first workspace.
            let common = lock(&workspaces[0]).common.pointers();
            pool.run(&|index| {
                let _state = self.enter();
                let mut workspace = lock(&workspaces[index]);
                let mut pass = Pass {
                    plan: &self.plan,
                    kernels: self.tables.kernels,
                    bf16: self.tables.bf16,
                    private: &mut workspace.private,
                    common,
                    team: &Team::member(self.threads, phases),
                };
                // SAFETY: as in `run_range`; only the calling thread delivers, after all phases.
                unsafe {
                    pass.run(job.input.add(first * self.plan.patch), count, job.needed);
                    if index == 0 {
                        self.deliver(job, first, 0..count, common.tail);
                    }
                }
            });
        }
    }
}

/// The arguments of a call, as addresses that threads can share.
struct Job<'a> {
    input: *const f32,
    wanted: &'a [(usize, *mut f32)],
    needed: &'a [bool],
}

// SAFETY: the input is only read, and each row of the outputs is written by one thread.
unsafe impl Sync for Job<'_> {}

/// Ignores poisoning: a panic leaves at most garbage in a workspace, and the next pass overwrites it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine for EffnetEngine {
    fn name(&self) -> &'static str {
        "effnet"
    }

    fn describe(&self) -> String {
        let threads = if self.threads == 1 { "1 thread".into() } else { format!("{} threads", self.threads) };
        format!("cpu, {}, {}, {threads}", self.set, self.set.precision())
    }

    fn input(&self) -> InputSpec {
        self.network.input()
    }

    fn outputs(&self) -> &[OutputSpec] {
        &self.outputs
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn run(&self, input: &[f32], rows: usize, wanted: &mut [(usize, &mut [f32])]) -> Result<()> {
        self.check(input, rows, wanted)?;
        if rows == 0 || wanted.is_empty() {
            return Ok(());
        }
        let mut needed = [false; MAX_STEPS];
        let needed = &mut needed[..self.plan.tail.steps.len()];
        self.plan.tail.mark_needed(wanted.iter().map(|(index, _)| *index), needed);
        // On the stack, without allocating: callers request few outputs.
        let mut addresses = [(0usize, std::ptr::null_mut::<f32>()); 8];
        for some in wanted.chunks_mut(addresses.len()) {
            for ((index, buffer), address) in some.iter_mut().zip(&mut addresses) {
                *address = (*index, buffer.as_mut_ptr());
            }
            let job = Job { input: input.as_ptr(), wanted: &addresses[..some.len()], needed };
            match &self.crew {
                Some(crew) => self.run_crew(&job, rows, &mut lock(crew)),
                None => {
                    let _state = self.enter();
                    self.run_alone(&job, rows);
                }
            }
        }
        Ok(())
    }

    fn concurrent(&self) -> Option<Arc<dyn Engine>> {
        Some(Arc::new(Self {
            network: Arc::clone(&self.network),
            plan: Arc::clone(&self.plan),
            set: self.set,
            tables: self.tables,
            outputs: self.outputs.clone(),
            threads: 1,
            batch_size: self.batch_size,
            idle: Mutex::default(),
            crew: None,
        }))
    }
}

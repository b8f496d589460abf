//! The engine: networks, kernel sets, and how a batch is shared among threads.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::float_state::FlushDenormals;
use super::forward::Pass;
use super::kernel_set::{KernelSet, Tables};
use super::network::Weights;
use super::plan::Plan;
use super::recognise::recognise;
use super::team::{Phases, Pool, Team};
use super::tiles::Tiles;
use super::workspace::Workspace;
use crate::engine::{Engine, EngineOptions, InputSpec, OutputSpec, Precision};
use crate::{Error, Result, onnx};

/// A plan for each f32 set, and one in bfloat16.
const PLANS: usize = 4;

/// An EfficientNet-B0 found in an ONNX file, its constants folded. Engines share it; the weights are packed
/// once for each kernel set that is used.
pub struct Network {
    weights: Weights,
    input_name: String,
    plans: [OnceLock<Arc<Plan>>; PLANS],
}

/// Why a [`Network`] cannot be made of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The bytes cannot be used by any engine: this is no ONNX file, or one that is damaged.
    #[error("{0}")]
    Malformed(String),
    /// It is a network, another engine's to run: this is where its graph departs from an EfficientNet-B0.
    #[error("not an EfficientNet-B0: {0}")]
    Different(String),
}

impl Network {
    /// Looks for an EfficientNet-B0 in an ONNX file.
    ///
    /// # Errors
    /// Whether it is no file at all or another network, and where it departs from this one.
    pub fn recognise(file: impl Into<Vec<u8>>) -> Result<Self, Refusal> {
        let model = onnx::Model::read(file.into()).map_err(Refusal::Malformed)?;
        Self::of(&model).map_err(Refusal::Different)
    }

    /// Looks for an EfficientNet-B0 in a file that has been read.
    ///
    /// # Errors
    /// Where it departs from one.
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

    /// The graph's outputs, in its order. What each is for is guessed from the graph: the pooled features
    /// are embeddings, activations behind a sigmoid or softmax predictions.
    pub fn outputs(&self) -> &[OutputSpec] {
        &self.weights.outputs
    }

    /// The sets in bfloat16 pack alike and share a plan.
    fn plan(&self, set: KernelSet, tables: Tables) -> Arc<Plan> {
        let plan = &self.plans[(set as usize).min(PLANS - 1)];
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
/// With one thread, concurrent calls of `run` proceed side by side, each in a workspace of its own. With
/// more, the engine has a pool of its own and calls take turns. Once every workspace in use exists, a call
/// allocates nothing.
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

/// The threads of an engine of more than one, and their workspaces.
struct Crew {
    pool: Pool,
    phases: Phases,
    workspaces: Vec<Mutex<Workspace>>,
}

/// Most steps behind the pooling: the flags of those that are needed lie on the stack.
const MOST_STEPS: usize = 512;

impl EffnetEngine {
    /// An engine with the fastest kernels that this CPU can run.
    ///
    /// # Errors
    /// `Unavailable` for a precision that this CPU or engine does not have, or when threads cannot be
    /// started.
    pub fn new(network: Arc<Network>, options: &EngineOptions) -> Result<Self> {
        let set = KernelSet::best(options.precision).ok_or_else(|| {
            Error::Unavailable(match options.precision {
                Precision::Bf16 => "precision bf16: this CPU has no AVX-512 BF16".into(),
                other => format!("precision {other}: the effnet engine computes in f32 or bf16"),
            })
        })?;
        Self::with_kernels(network, options, set)
    }

    /// An engine with the kernels asked for, whose precision the options must allow.
    ///
    /// # Errors
    /// As for [`Self::new`], and `Unavailable` when this CPU cannot run these kernels.
    pub fn with_kernels(network: Arc<Network>, options: &EngineOptions, set: KernelSet) -> Result<Self> {
        if options.precision != Precision::Auto && options.precision != set.precision() {
            let (asked, has) = (options.precision, set.precision());
            return Err(Error::Unavailable(format!("precision {asked}: the {set} kernels compute in {has}")));
        }
        if options.batch_size == Some(0) {
            return Err(Error::InvalidArgument("a batch of 0 patches cannot be run".into()));
        }
        let tables =
            set.tables().ok_or_else(|| Error::Unavailable(format!("this CPU has no {set} instructions")))?;
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

    /// The same engine, its outputs described as metadata does: names and lengths must be the graph's.
    ///
    /// # Errors
    /// `InvalidArgument` when they are not.
    pub fn describe_outputs(mut self, outputs: &[OutputSpec]) -> Result<Self> {
        let same = outputs.len() == self.outputs.len()
            && outputs.iter().zip(&self.outputs).all(|(a, b)| a.name == b.name && a.dim == b.dim);
        if !same {
            return Err(Error::InvalidArgument(format!(
                "outputs {outputs:?} described, but the graph has {:?}",
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

    /// Bytes of working memory that each thread has.
    pub fn workspace_bytes(&self) -> usize {
        Workspace::new(&self.plan).bytes()
    }

    /// For the benchmarks of this workspace, and not covered by semantic versioning.
    /// Runs patches on the calling thread alone and says how many nanoseconds each block spent in each
    /// stage. The last row is the head (as `Fill`) and what follows the pooling (as `Project`).
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

    /// Sets up the calling thread; what is returned undoes it.
    fn enter(&self) -> (FlushDenormals, Option<Tiles>) {
        let uses_tiles = self.tables.bf16.is_some_and(|bf16| bf16.uses_tiles);
        // SAFETY: a table that uses tiles was handed out only where they are available.
        (FlushDenormals::new(), uses_tiles.then(|| unsafe { Tiles::configure() }))
    }

    fn check(&self, input: &[f32], rows: usize, wanted: &[(usize, &mut [f32])]) -> Result<()> {
        let needed = rows.checked_mul(self.plan.patch);
        if needed != Some(input.len()) {
            return Err(Error::InvalidArgument(format!(
                "{rows} patches of {} values, but {} values",
                self.plan.patch,
                input.len()
            )));
        }
        for (index, buffer) in wanted {
            let Some(output) = self.outputs.get(*index) else {
                return Err(Error::InvalidArgument(format!(
                    "output {index} of a network with {}",
                    self.outputs.len()
                )));
            };
            if buffer.len() != rows * output.dim {
                return Err(Error::InvalidArgument(format!(
                    "room for {} values of output {}, not {rows} x {}",
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
            // Equal passes: 9 patches are better done as 5 and 4 than as 8 and 1.
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

    /// Copies a pass's outputs to where the caller wants them.
    ///
    /// # Safety
    /// The tail holds the patches, and no other thread delivers the same ones.
    unsafe fn deliver(&self, job: &Job, first: usize, patches: std::ops::Range<usize>, tail: *const f32) {
        for &(index, buffer) in job.wanted {
            let dim = self.outputs[index].dim;
            let start = self.plan.tail.starts[self.plan.tail.outputs[index]];
            for patch in patches.clone() {
                // SAFETY: `check` found room for every row; rows do not overlap.
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

    /// Whole patches are split among the threads; what is left over is done by all of them as a team.
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
        // Fewer patches than threads are left.
        for first in (split..rows).step_by(self.plan.group) {
            let count = (rows - first).min(self.plan.group);
            phases.reset();
            let phases = &*phases;
            // The team works in the first workspace's common memory.
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
                // SAFETY: as in `run_range`; only the calling thread delivers, when all phases are over.
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

/// What a call asks for, as addresses that threads can share.
struct Job<'a> {
    input: *const f32,
    wanted: &'a [(usize, *mut f32)],
    needed: &'a [bool],
}

// SAFETY: the input is only read, and each row of the outputs is written by one thread.
unsafe impl Sync for Job<'_> {}

/// A panic while a lock was held leaves workspaces in no worse state than garbage, which the next pass
/// overwrites.
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
        let mut needed = [false; MOST_STEPS];
        let needed = &mut needed[..self.plan.tail.steps.len()];
        self.plan.tail.mark_needed(wanted.iter().map(|(index, _)| *index), needed);
        // As addresses, without allocating: callers want a handful of outputs.
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

//! The engine: networks, workspaces, and how a batch is split among threads.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ir::Ir;
use super::kernels::Kernels;
use super::pass::Pass;
use super::plan::{MAX_GROUP, Plan};
use super::rewrite::rewrite;
use super::trace::trace;
use crate::engine::cpu::KernelSet;
use crate::engine::cpu::buffer::Buffer;
use crate::engine::cpu::float_state::FlushDenormals;
use crate::engine::cpu::team::{Phases, Pool, Team};
use crate::engine::{Engine, EngineOptions, InputSpec, OutputSpec, Precision};
use crate::{Error, Result, onnx};

/// A convolutional network planned for one kernel set, with packed weights. Engines share it.
pub struct Network {
    plan: Plan,
    set: KernelSet,
    /// Name and values per row of each output.
    outputs: Vec<(String, usize)>,
}

impl Network {
    /// Plans the network of a parsed file for the fastest kernels of this CPU. One row of its input has shape `row`.
    ///
    /// # Errors
    /// What the graph contains that this engine does not have.
    pub(crate) fn of(model: &onnx::Model, row: &[usize]) -> Result<Self, String> {
        let set = KernelSet::best(Precision::F32).unwrap_or(KernelSet::Portable);
        Self::with_kernels(model, row, set)
    }

    /// The network of an ONNX file for given kernels: for tests and benchmarks of this workspace.
    ///
    /// # Errors
    /// As for `of`, and if this CPU cannot run these kernels in f32.
    #[doc(hidden)]
    pub fn read(file: impl Into<Vec<u8>>, row: &[usize], set: KernelSet) -> Result<Self, String> {
        Self::with_kernels(&onnx::Model::read(file.into())?, row, set)
    }

    fn with_kernels(model: &onnx::Model, row: &[usize], set: KernelSet) -> Result<Self, String> {
        let traced = trace(&model.graph, row)?;
        Self::planned(traced.ir, traced.outputs, set)
    }

    pub(super) fn planned(ir: Ir, outputs: Vec<(String, usize)>, set: KernelSet) -> Result<Self, String> {
        let kernels = Kernels::of(set).ok_or_else(|| format!("no {set} kernels in f32 on this CPU"))?;
        let plan = Plan::new(&rewrite(ir)?, kernels)?;
        if plan.ops.len() > MAX_OPS {
            return Err(format!("{} operations", plan.ops.len()));
        }
        Ok(Self { plan, set, outputs })
    }

    /// The graph's outputs, in its order: name and values per row.
    pub fn outputs(&self) -> &[(String, usize)] {
        &self.outputs
    }

    /// Whether a model describes the input and the outputs that this network has; if not, where they differ.
    pub(crate) fn fits(&self, input: InputSpec, outputs: &[OutputSpec]) -> Result<(), String> {
        let same = input.len() == self.plan.input
            && outputs.len() == self.outputs.len()
            && outputs.iter().zip(&self.outputs).all(|(a, (name, dim))| a.name == *name && a.dim == *dim);
        let described: Vec<(&str, usize)> =
            outputs.iter().map(|output| (&*output.name, output.dim)).collect();
        same.then_some(()).ok_or_else(|| {
            format!(
                "rows of {} values and outputs {described:?} are described, but the graph has {:?}",
                input.len(),
                self.outputs
            )
        })
    }

    /// Bytes of working memory per thread.
    #[doc(hidden)]
    pub fn workspace_bytes(&self) -> usize {
        (self.plan.arena + self.plan.private) * size_of::<f32>()
    }

    /// For each operation, what it is and its multiply-adds for one row.
    #[doc(hidden)]
    pub fn operations(&self) -> impl Iterator<Item = (&str, usize)> {
        self.plan.ops.iter().map(|op| (op.label.as_str(), op.products))
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("set", &self.set).field("outputs", &self.outputs).finish()
    }
}

/// More operations than any network that is meant: which of them a call needs is kept on the stack.
const MAX_OPS: usize = 1024;

/// More than any machine has cores.
const MAX_THREADS: usize = 1024;

/// Runs a [`Network`] on the CPU.
///
/// With one thread, concurrent calls of `run` run in parallel, each with its own workspace. With more, the engine has
/// its own thread pool and serializes the calls. A call allocates nothing once its workspace exists.
pub struct FusedEngine {
    network: Arc<Network>,
    input: InputSpec,
    outputs: Vec<OutputSpec>,
    threads: usize,
    batch_size: usize,
    /// Workspaces that no call is using.
    idle: Mutex<Vec<Workspace>>,
    crew: Option<Mutex<Crew>>,
}

/// The memory of one thread, allocated once.
struct Workspace {
    arena: Buffer,
    private: Buffer,
}

impl Workspace {
    fn new(plan: &Plan) -> Self {
        Self { arena: Buffer::new(plan.arena), private: Buffer::new(plan.private) }
    }
}

/// The threads of an engine with more than one, and their workspaces.
struct Crew {
    pool: Pool,
    phases: Phases,
    workspaces: Vec<Mutex<Workspace>>,
}

impl FusedEngine {
    /// An engine for a network, with what the model says of its input and outputs.
    ///
    /// # Errors
    /// `InvalidArgument` if the shapes are not the network's or the batch is empty; `Unavailable` for another precision
    /// or if threads cannot be started.
    pub fn new(
        network: Arc<Network>,
        input: InputSpec,
        outputs: Vec<OutputSpec>,
        options: &EngineOptions,
    ) -> Result<Self> {
        network.fits(input, &outputs).map_err(Error::InvalidArgument)?;
        if !matches!(options.precision, Precision::Auto | Precision::F32) {
            let asked = options.precision;
            return Err(Error::Unavailable(format!("precision {asked}: the fused engine computes in f32")));
        }
        if options.batch_size == Some(0) {
            return Err(Error::InvalidArgument("a batch of 0 rows cannot be run".into()));
        }
        let threads = options.resolved_threads().max(1);
        if threads > MAX_THREADS {
            return Err(Error::InvalidArgument(format!("{threads} threads; at most {MAX_THREADS} are used")));
        }
        let crew = if threads > 1 {
            let pool = Pool::new(threads)
                .map_err(|error| Error::Unavailable(format!("cannot start {threads} threads: {error}")))?;
            let workspaces = (0..threads).map(|_| Mutex::new(Workspace::new(&network.plan))).collect();
            let phases = Phases::new(network.plan.phases().max(1));
            Some(Mutex::new(Crew { pool, phases, workspaces }))
        } else {
            None
        };
        let idle = if crew.is_none() { vec![Workspace::new(&network.plan)] } else { vec![] };
        Ok(Self {
            input,
            outputs,
            batch_size: options.batch_size.unwrap_or_else(|| (MAX_GROUP * threads).min(BATCH)),
            network,
            threads,
            idle: Mutex::new(idle),
            crew,
        })
    }

    /// Runs rows on the calling thread only and returns the nanoseconds that each operation took. For the benchmarks of
    /// this workspace; not covered by semantic versioning.
    ///
    /// # Errors
    /// As for [`Engine::run`].
    #[doc(hidden)]
    pub fn run_timed(
        &self,
        input: &[f32],
        rows: usize,
        wanted: &mut [(usize, &mut [f32])],
    ) -> Result<Vec<u64>> {
        self.check(input, rows, wanted)?;
        let plan = &self.network.plan;
        let addresses: Vec<(usize, *mut f32)> =
            wanted.iter_mut().map(|(index, buffer)| (*index, buffer.as_mut_ptr())).collect();
        let mut needed = vec![false; plan.ops.len()];
        plan.mark_needed(addresses.iter().map(|&(index, _)| index), &mut needed);
        let mut clock = vec![0; plan.ops.len()];
        let mut workspace = Workspace::new(plan);
        let _state = FlushDenormals::new();
        let job = Job { input: input.as_ptr(), wanted: &addresses, needed: &needed };
        self.run_range(&job, 0, rows, &mut workspace, Some(&mut clock));
        Ok(clock)
    }

    fn check(&self, input: &[f32], rows: usize, wanted: &[(usize, &mut [f32])]) -> Result<()> {
        if rows.checked_mul(self.network.plan.input) != Some(input.len()) {
            return Err(Error::InvalidArgument(format!(
                "expected {rows} rows of {} values, got {} values",
                self.network.plan.input,
                input.len()
            )));
        }
        for (index, buffer) in wanted {
            let Some(OutputSpec { name, dim, .. }) = self.outputs.get(*index) else {
                return Err(Error::InvalidArgument(format!(
                    "output {index} was requested; the network has {}",
                    self.outputs.len()
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

    /// Runs rows `first..last` in one workspace, by one thread.
    fn run_range(
        &self,
        job: &Job,
        first: usize,
        last: usize,
        workspace: &mut Workspace,
        mut clock: Option<&mut [u64]>,
    ) {
        let plan = &self.network.plan;
        let mut at = first;
        let passes = (last - first).div_ceil(plan.group());
        for pass in 0..passes {
            // Passes of equal size: 9 rows are faster as 5 and 4 than as 8 and 1.
            let count = (last - at).div_ceil(passes - pass);
            let mut pass = Pass {
                plan,
                arena: workspace.arena.as_mut_ptr(),
                private: workspace.private.as_mut_ptr(),
                // SAFETY: the input holds the rows (`check`).
                input: unsafe { job.input.add(at * plan.input) },
                team: &Team::alone(),
                needed: job.needed,
                clock: clock.as_deref_mut(),
            };
            // SAFETY: the input holds the rows, the kernels are such that this CPU can run (`Kernels::of`), and the
            // workspace is borrowed exclusively.
            unsafe {
                pass.run(count);
                self.deliver(job, &pass, at, count);
            }
            at += count;
        }
    }

    /// Copies a pass's outputs to the caller's buffers.
    ///
    /// # Safety
    /// The pass has been run for the rows, and no other thread delivers the same.
    unsafe fn deliver(&self, job: &Job, pass: &Pass, first: usize, count: usize) {
        for &(index, buffer) in job.wanted {
            let (_, dim) = self.network.outputs[index];
            let place = self.network.plan.outputs[index].0;
            for row in 0..count {
                // SAFETY: `check` has verified that there is room for every row; rows do not overlap. An output is a
                // vector: its values follow each other.
                unsafe {
                    let from = pass.slot(place, row).add(pass.place(place).at(0, 0));
                    std::ptr::copy_nonoverlapping(from, buffer.add((first + row) * dim), dim);
                }
            }
        }
    }

    fn run_alone(&self, job: &Job, rows: usize) {
        let workspace = lock(&self.idle).pop();
        let mut workspace = workspace.unwrap_or_else(|| Workspace::new(&self.network.plan));
        self.run_range(job, 0, rows, &mut workspace, None);
        lock(&self.idle).push(workspace);
    }

    /// Each thread takes whole rows; all threads process the remainder as a team.
    fn run_crew(&self, job: &Job, rows: usize, crew: &mut Crew) {
        let Crew { pool, phases, workspaces } = crew;
        let plan = &self.network.plan;
        let each = rows / self.threads;
        let split = each * self.threads;
        if split > 0 {
            // Parts of half a thread's share: if the system suspends a thread, the others take what it has not begun.
            let whole = plan.is_heavy || plan.is_of_vectors();
            let part = if whole { plan.group() } else { each.div_ceil(2).clamp(1, plan.group()).max(4) };
            let passes = self.threads * each.div_ceil(part);
            phases.reset();
            let phases = &*phases;
            pool.run(&|index| {
                let _state = FlushDenormals::new();
                let mut workspace = lock(&workspaces[index]);
                Team::member(self.threads, phases).each_alone(passes, |pass| {
                    let (first, last) = (pass.start * split / passes, pass.end * split / passes);
                    self.run_range(job, first, last, &mut workspace, None);
                });
            });
        }
        // Fewer rows than threads remain.
        for first in (split..rows).step_by(plan.group()) {
            let count = (rows - first).min(plan.group());
            phases.reset();
            let phases = &*phases;
            // The team uses the arena of the first workspace.
            let arena = Shared(lock(&workspaces[0]).arena.as_mut_ptr());
            pool.run(&|index| {
                let _state = FlushDenormals::new();
                let mut workspace = lock(&workspaces[index]);
                let mut pass = Pass {
                    plan,
                    arena: arena.address(),
                    private: workspace.private.as_mut_ptr(),
                    // SAFETY: the input holds the rows (`check`).
                    input: unsafe { job.input.add(first * plan.input) },
                    team: &Team::member(self.threads, phases),
                    needed: job.needed,
                    clock: None,
                };
                // SAFETY: as in `run_range`; only the calling thread delivers, after all phases.
                unsafe {
                    pass.run(count);
                    if index == 0 {
                        self.deliver(job, &pass, first, count);
                    }
                }
            });
        }
    }
}

/// Rows per batch, unless the caller says otherwise: for each thread a whole group of the late layers, and at most this.
/// More would only take memory for patches.
const BATCH: usize = 64;

/// The arguments of a call, as addresses that threads can share.
struct Job<'a> {
    input: *const f32,
    wanted: &'a [(usize, *mut f32)],
    needed: &'a [bool],
}

// SAFETY: the input is only read, and each row of the outputs is written by one thread.
unsafe impl Sync for Job<'_> {}

/// The arena that a team shares.
struct Shared(*mut f32);

// SAFETY: members of a team write disjoint parts of it in each phase, and read only what earlier phases wrote.
unsafe impl Sync for Shared {}

impl Shared {
    fn address(&self) -> *mut f32 {
        self.0
    }
}

/// Ignores poisoning: a panic leaves at most garbage in a workspace, and the next pass overwrites it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine for FusedEngine {
    fn name(&self) -> &'static str {
        "fused"
    }

    fn describe(&self) -> String {
        let threads = if self.threads == 1 { "1 thread".into() } else { format!("{} threads", self.threads) };
        format!("cpu, {}, f32, {threads}", self.network.set)
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
        self.check(input, rows, wanted)?;
        if rows == 0 || wanted.is_empty() {
            return Ok(());
        }
        let plan = &self.network.plan;
        let mut needed = [false; MAX_OPS];
        let needed = &mut needed[..plan.ops.len()];
        plan.mark_needed(wanted.iter().map(|(index, _)| *index), needed);
        // On the stack, without allocating: callers request few outputs.
        let mut addresses = [(0usize, std::ptr::null_mut::<f32>()); 16];
        for some in wanted.chunks_mut(addresses.len()) {
            for ((index, buffer), address) in some.iter_mut().zip(&mut addresses) {
                *address = (*index, buffer.as_mut_ptr());
            }
            let job = Job { input: input.as_ptr(), wanted: &addresses[..some.len()], needed };
            match &self.crew {
                Some(crew) => self.run_crew(&job, rows, &mut lock(crew)),
                None => {
                    let _state = FlushDenormals::new();
                    self.run_alone(&job, rows);
                }
            }
        }
        Ok(())
    }

    fn concurrent(&self) -> Option<Arc<dyn Engine>> {
        Some(Arc::new(Self {
            network: Arc::clone(&self.network),
            input: self.input,
            outputs: self.outputs.clone(),
            threads: 1,
            batch_size: self.batch_size,
            idle: Mutex::default(),
            crew: None,
        }))
    }
}

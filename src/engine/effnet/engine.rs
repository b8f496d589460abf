//! The engine: networks, kernel sets, and how a batch is shared among threads.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::float_state::FlushDenormals;
use super::forward::Pass;
use super::kernels::{self, Bf16Kernels, Kernels};
use super::network::Weights;
use super::plan::Plan;
use super::recognise::{Refusal, recognise};
use super::team::{Barrier, Pool, Team};
use super::tiles::{self, Tiles};
use super::workspace::Workspace;
use crate::engine::{Engine, EngineOptions, InputSpec, OutputSpec, Precision};
use crate::{Error, Result};

/// The instruction sets that there are kernels for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KernelSet {
    /// Plain Rust, for any CPU.
    Portable,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 (F, DQ, BW, VL).
    Avx512,
    /// AVX-512 with BF16: products of bfloat16.
    Avx512Bf16,
    /// The same with AMX's tiles for the products (on Linux, which must be asked for them).
    AmxBf16,
}

/// What a set consists of.
#[derive(Clone, Copy)]
struct Tables {
    kernels: &'static Kernels,
    bf16: Option<&'static Bf16Kernels>,
}

impl KernelSet {
    /// Every set; of each precision the fastest last.
    pub const ALL: [KernelSet; 5] =
        [KernelSet::Portable, KernelSet::Avx2, KernelSet::Avx512, KernelSet::Avx512Bf16, KernelSet::AmxBf16];

    /// Whether this CPU can run it.
    pub fn is_available(self) -> bool {
        self.tables().is_some()
    }

    /// The precision that it computes in.
    pub fn precision(self) -> Precision {
        match self {
            KernelSet::Portable | KernelSet::Avx2 | KernelSet::Avx512 => Precision::F32,
            KernelSet::Avx512Bf16 | KernelSet::AmxBf16 => Precision::Bf16,
        }
    }

    /// The fastest of a precision ([`Precision::Auto`] is f32) that this CPU can run.
    pub fn best(precision: Precision) -> Option<Self> {
        let precision = if precision == Precision::Auto { Precision::F32 } else { precision };
        Self::ALL.into_iter().rev().find(|set| set.precision() == precision && set.is_available())
    }

    /// SiLU as this set's kernels compute it: what a stem of no weights makes of its bias.
    #[cfg(test)]
    pub(super) fn silu(self, x: f32) -> f32 {
        use super::kernels::stem::StemArgs;
        let mut bias = super::buffer::Buffer::new(16);
        bias.as_mut_slice().fill(x);
        let mut out = super::buffer::Buffer::new(16);
        let zeros = super::buffer::Buffer::new(16 * 9);
        let kernels = self.tables().expect("an available set").kernels;
        let args = StemArgs {
            kernel: 3,
            stride: 1,
            vectors: 1,
            input: zeros.as_ptr(),
            input_row: 3,
            weights: zeros.as_ptr(),
            weights_tap: 16,
            bias: bias.as_ptr(),
            output: out.as_mut_ptr(),
            output_pixel: 16,
            output_row: 16,
            columns: 1,
            first_row: 0,
            last_row: 1,
        };
        // SAFETY: the set is available, and every buffer holds what one pixel needs.
        unsafe { (kernels.stem)(&args) };
        out.as_slice()[0]
    }

    fn tables(self) -> Option<Tables> {
        let f32_only = |kernels| Tables { kernels, bf16: None };
        match self {
            KernelSet::Portable => Some(f32_only(&kernels::PORTABLE)),
            #[cfg(target_arch = "x86_64")]
            KernelSet::Avx2 => {
                let there = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
                there.then_some(f32_only(&kernels::AVX2))
            }
            #[cfg(target_arch = "x86_64")]
            KernelSet::Avx512 => {
                let there = is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("fma");
                there.then_some(f32_only(&kernels::AVX512))
            }
            #[cfg(target_arch = "x86_64")]
            KernelSet::Avx512Bf16 | KernelSet::AmxBf16 => {
                let bf16 = if self == KernelSet::AmxBf16 { &kernels::BF16_AMX } else { &kernels::BF16_DOT };
                let there = KernelSet::Avx512.is_available()
                    && is_x86_feature_detected!("avx512bf16")
                    && (!bf16.uses_tiles || tiles::are_available());
                there.then_some(Tables { kernels: &kernels::AVX512_COARSE, bf16: Some(bf16) })
            }
            #[cfg(not(target_arch = "x86_64"))]
            _ => None,
        }
    }
}

impl fmt::Display for KernelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KernelSet::Portable => "portable",
            KernelSet::Avx2 => "AVX2",
            KernelSet::Avx512 => "AVX-512",
            KernelSet::Avx512Bf16 => "AVX-512 BF16",
            KernelSet::AmxBf16 => "AMX",
        })
    }
}

/// A plan for each f32 set, and one in bfloat16.
const PLANS: usize = 4;

/// An EfficientNet-B0 found in an ONNX file, its constants folded. Engines share it; the weights are packed
/// once for each kernel set that is used.
pub struct Network {
    weights: Weights,
    input_name: String,
    plans: [OnceLock<Arc<Plan>>; PLANS],
}

impl Network {
    /// Looks for an EfficientNet-B0 in an ONNX file. The inner error says where the graph departs from
    /// one: it is then another engine's to run.
    ///
    /// # Errors
    /// `Model` when the bytes are not an ONNX file.
    pub fn recognise(onnx: &[u8]) -> Result<std::result::Result<Self, String>> {
        match recognise(onnx) {
            Ok((weights, input_name)) => Ok(Ok(Self { weights, input_name, plans: Default::default() })),
            Err(Refusal::Different(why)) => Ok(Err(why)),
            Err(Refusal::Malformed(why)) => Err(Error::model("<memory>", why)),
        }
    }

    #[cfg(test)]
    pub(super) fn from_weights(weights: Weights) -> Self {
        Self { weights, input_name: "input".into(), plans: Default::default() }
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
            Some(Mutex::new(Crew { pool, workspaces }))
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

    /// Runs patches on the calling thread alone and says how many nanoseconds each block spent in each
    /// stage. The last row is the head (as `Fill`) and what follows the pooling (as `Project`).
    ///
    /// # Errors
    /// As for [`Engine::run`].
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
        let Crew { pool, workspaces } = crew;
        let each = rows / self.threads;
        let split = each * self.threads;
        let barrier = Barrier::new(self.threads);
        // The team works in the first workspace's common memory; its addresses are taken before any
        // member starts, and no member uses it by itself after the first meeting.
        let common = lock(&workspaces[0]).common.pointers();
        pool.run(&|index| {
            let _state = self.enter();
            let mut workspace = lock(&workspaces[index]);
            if each > 0 {
                self.run_range(job, index * each, (index + 1) * each, &mut workspace);
            }
            let mut at = split;
            let team = Team::member(index, &barrier);
            while at < rows {
                let count = (rows - at).min(self.plan.group);
                team.meet();
                let mut pass = Pass {
                    plan: &self.plan,
                    kernels: self.tables.kernels,
                    bf16: self.tables.bf16,
                    private: &mut workspace.private,
                    common,
                    team: &team,
                };
                // SAFETY: as in `run_range`; members deliver different patches, after the pass's last
                // meeting, and the next pass begins with a meeting.
                unsafe {
                    pass.run(job.input.add(at * self.plan.patch), count, job.needed);
                    self.deliver(job, at, team.share(count), common.tail);
                }
                at += count;
            }
        });
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
}

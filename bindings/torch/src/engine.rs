//! An engine: a network on its devices, with batches distributed among them.
//!
//! Every forward pass has the same shape, padded with zeros, so that libraries that choose their algorithms by the
//! shape (oneDNN, cuDNN) always choose the same, and a row's outputs do not depend on its batch. On the CPU the shape
//! is one row: MKL's order of summation depends on a row's position in the batch, and larger batches are not faster.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tch::{Device, Kind, Tensor};

use crate::failure::{Failure, Outcome, brief, is_lost_device, is_out_of_memory};
use crate::network::{Network, Output, kind_text};
use crate::shim::{self, Inference};
use crate::slot::{Slot, fill, values};
use crate::{cuda, host};
use sleeve_plugin_abi as abi;

/// Rows of a forward pass on the CPU.
const CPU_ROWS: usize = 1;
/// Rows that a caller on the CPU should pass at a time.
const CPU_BATCH: usize = 16;
/// Rows of a forward pass on a CUDA device: enough to fill it.
const CUDA_ROWS: usize = 256;
/// Concurrent batches on each CUDA device: one is copied while another is computed.
const IN_FLIGHT: usize = 2;
/// Warm-up runs: TorchScript profiles two and then compiles.
const WARM_UP: usize = 3;

/// The options of an engine.
pub struct Request<'a> {
    pub model: &'a [u8],
    pub row: &'a [usize],
    /// Indexes of CUDA devices; empty for the CPU.
    pub devices: &'a [u32],
    /// One of the interface's precisions.
    pub precision: u32,
    pub threads: usize,
    pub batch_size: Option<usize>,
    /// Rows of a forward pass instead of the default.
    pub forward_rows: Option<usize>,
}

/// Where an output is written.
pub struct Place<'a> {
    pub output: usize,
    pub data: &'a mut [f32],
}

pub struct Engine {
    lanes: Vec<Lane>,
    outputs: Vec<Output>,
    kind: Kind,
    threads: usize,
    row: usize,
    /// Rows of a forward pass; halved when memory runs out.
    rows: AtomicUsize,
    batch_size: usize,
    slots: Slots,
}

/// A device with the network on it.
struct Lane {
    network: Network,
    /// `cpu` or `cuda:0 (NVIDIA H200)`.
    name: String,
    /// Why the device can no longer be used.
    lost: Mutex<Option<String>>,
}

/// Free slots, each with the index of its lane.
struct Slots {
    idle: Mutex<Vec<(usize, Slot)>>,
    returned: Condvar,
}

impl Engine {
    pub fn open(request: &Request<'_>) -> Outcome<Self> {
        let kind = kind(request)?;
        // The fuser compiles kernels for every new shape, and on the CPU it computes f32 instead of bf16.
        let _ = tch::jit::f_set_tensor_expr_fuser_enabled(false);
        let _inference = Inference::new();
        let cuda = !request.devices.is_empty();
        if cuda {
            check_devices(request.devices)?;
            if kind == Kind::Float {
                shim::exact_f32();
            }
        } else {
            use_threads(request.threads);
        }
        let mut lanes = Vec::new();
        for &index in request.devices {
            let model = cuda::device_name(index as usize);
            let name = model.map_or(format!("cuda:{index}"), |model| format!("cuda:{index} ({model})"));
            lanes.push(Lane::new(request, Device::Cuda(index as usize), kind, name)?);
        }
        if !cuda {
            lanes.push(Lane::new(request, Device::Cpu, kind, "cpu".into())?);
        }
        let rows = if cuda { request.batch_size.unwrap_or(CUDA_ROWS) } else { CPU_ROWS };
        let rows = request.forward_rows.unwrap_or(rows);
        let engine = Engine {
            outputs: lanes[0].network.outputs().to_vec(),
            kind,
            threads: request.threads,
            row: request.row.iter().product(),
            rows: AtomicUsize::new(rows),
            batch_size: request.batch_size.unwrap_or(if cuda {
                rows * IN_FLIGHT * lanes.len()
            } else {
                CPU_BATCH
            }),
            slots: Slots { idle: Mutex::default(), returned: Condvar::new() },
            lanes,
        };
        engine.prepare(request.devices)?;
        Ok(engine)
    }

    /// Creates the slots, and runs the shape that will be used until it runs at full speed.
    fn prepare(&self, devices: &[u32]) -> Outcome<()> {
        loop {
            let rows = self.rows.load(Ordering::Relaxed);
            let attempt = self.attempt_to_prepare(devices, rows);
            match attempt {
                Err(why) if is_out_of_memory(&why) && rows > 1 => self.halve(rows, &why),
                Err(why) => return Err(Failure::running(brief(&why))),
                Ok(()) => return Ok(()),
            }
        }
    }

    fn attempt_to_prepare(&self, devices: &[u32], rows: usize) -> Result<(), String> {
        lock(&self.slots.idle).clear();
        let zeros = vec![0.0; rows * self.row];
        for (lane, at) in self.lanes.iter().zip(0..) {
            let Some(&index) = devices.get(at) else {
                for _ in 0..WARM_UP {
                    self.forward_here(&lane.network, &zeros, rows)?;
                }
                continue;
            };
            for _ in 0..IN_FLIGHT {
                let mut slot = Slot::new(&lane.network, index, rows)?;
                for _ in 0..WARM_UP {
                    slot.start(&lane.network, &zeros, rows)?;
                    slot.wait()?;
                }
                lock(&self.slots.idle).push((at, slot));
            }
        }
        Ok(())
    }

    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    pub fn describe(&self) -> String {
        let names: Vec<&str> = self.lanes.iter().map(|lane| lane.name.as_str()).collect();
        let mut text =
            format!("{}, libtorch {}, {}", names.join(" and "), crate::VERSION, kind_text(self.kind));
        if self.slots.is_unused(&self.lanes) {
            let s = if self.threads == 1 { "" } else { "s" };
            text += &format!(", {} thread{s}", self.threads);
        }
        text
    }

    /// Runs rows and writes the requested outputs.
    pub fn run(&self, input: &[f32], rows: usize, places: &mut [Place<'_>]) -> Outcome<()> {
        self.check(input, rows, places)?;
        let _inference = Inference::new();
        if self.slots.is_unused(&self.lanes) {
            use_threads(self.threads);
            self.run_here(input, rows, places)
        } else {
            self.run_in_flight(input, rows, places)
        }
    }

    fn check(&self, input: &[f32], rows: usize, places: &[Place<'_>]) -> Outcome<()> {
        if rows.checked_mul(self.row) != Some(input.len()) {
            let length = input.len();
            return Err(Failure::argument(format!(
                "expected {rows} rows of {} values, got {length} values",
                self.row
            )));
        }
        for place in places {
            let Some(output) = self.outputs.get(place.output) else {
                let count = self.outputs.len();
                return Err(Failure::argument(format!(
                    "output {} was requested; the network has {count}",
                    place.output
                )));
            };
            if rows.checked_mul(output.dim) != Some(place.data.len()) {
                return Err(Failure::argument(format!(
                    "the buffer has {} values for output {}, which has {rows} x {}",
                    place.data.len(),
                    place.output,
                    output.dim
                )));
            }
        }
        Ok(())
    }

    /// Runs batches one after the other on the CPU, in the calling thread.
    fn run_here(&self, input: &[f32], rows: usize, places: &mut [Place<'_>]) -> Outcome<()> {
        let lane = &self.lanes[0];
        lane.check()?;
        let mut first = 0;
        while first < rows {
            let shape = self.rows.load(Ordering::Relaxed);
            let last = rows.min(first + shape);
            match self.forward_here(&lane.network, &input[first * self.row..last * self.row], shape) {
                Ok(outputs) => {
                    self.deliver(first..last, places, |output, length| values(&outputs[output], length));
                    first = last;
                }
                Err(why) => self.recover(lane, shape, &why)?,
            }
        }
        Ok(())
    }

    fn forward_here(&self, network: &Network, rows: &[f32], shape: usize) -> Result<Vec<Tensor>, String> {
        let mut batch = Tensor::f_empty(network.shape(shape).as_slice(), (Kind::Float, Device::Cpu))
            .map_err(|error| error.to_string())?;
        fill(&mut batch, rows);
        network.forward(&batch)
    }

    /// Runs batches on CUDA devices, several at a time. The calling thread copies and starts; the devices compute.
    fn run_in_flight(&self, input: &[f32], rows: usize, places: &mut [Place<'_>]) -> Outcome<()> {
        // Ranges that remain to be run, and running batches, oldest first.
        let mut open: VecDeque<Range<usize>> = VecDeque::new();
        open.push_back(0..rows);
        let mut under_way: VecDeque<(usize, Slot, Range<usize>, usize)> = VecDeque::new();
        let mut trouble = None;
        while trouble.is_none() {
            let Some(range) = open.pop_front() else { break };
            if range.is_empty() {
                continue;
            }
            let slot = match self.slots.take(&self.lanes, under_way.is_empty()) {
                Some(slot) => slot,
                None => {
                    // All slots are in use, some of them by this call.
                    open.push_front(range);
                    if let Err(failure) = self.finish(&mut under_way, &mut open, places) {
                        trouble = Some(failure);
                    }
                    continue;
                }
            };
            let (at, mut slot) = slot;
            let lane = &self.lanes[at];
            if let Err(failure) = lane.check() {
                self.slots.give((at, slot));
                trouble = Some(failure);
                break;
            }
            let shape = self.rows.load(Ordering::Relaxed);
            let last = range.end.min(range.start + shape);
            let batch = range.start..last;
            let started =
                slot.start(&lane.network, &input[batch.start * self.row..batch.end * self.row], shape);
            match started {
                Ok(()) => {
                    open.push_front(last..range.end);
                    under_way.push_back((at, slot, batch, shape));
                }
                Err(why) => {
                    let _ = slot.wait();
                    self.slots.give((at, slot));
                    open.push_front(range);
                    trouble = self.recover(lane, shape, &why).err();
                }
            }
        }
        // Also after a failure, no slot may keep a running batch.
        while !under_way.is_empty() {
            if let Err(failure) = self.finish(&mut under_way, &mut open, places) {
                trouble.get_or_insert(failure);
            }
        }
        match trouble {
            Some(failure) => Err(failure),
            // A batch that ran out of memory during the wait is run again, in smaller batches.
            None => open
                .into_iter()
                .filter(|range| !range.is_empty())
                .try_for_each(|range| self.run_again(input, range, places)),
        }
    }

    /// Waits for the oldest running batch and delivers it.
    fn finish(
        &self,
        under_way: &mut VecDeque<(usize, Slot, Range<usize>, usize)>,
        open: &mut VecDeque<Range<usize>>,
        places: &mut [Place<'_>],
    ) -> Outcome<()> {
        let Some((at, mut slot, batch, shape)) = under_way.pop_front() else { return Ok(()) };
        let waited = slot.wait();
        if waited.is_ok() {
            self.deliver(batch.clone(), places, |output, length| slot.output(output, length));
        }
        self.slots.give((at, slot));
        waited.or_else(|why| {
            open.push_back(batch);
            self.recover(&self.lanes[at], shape, &why)
        })
    }

    fn run_again(&self, input: &[f32], range: Range<usize>, places: &mut [Place<'_>]) -> Outcome<()> {
        let mut parts: Vec<Place<'_>> = places
            .iter_mut()
            .map(|place| {
                let dim = self.outputs[place.output].dim;
                Place { output: place.output, data: &mut place.data[range.start * dim..range.end * dim] }
            })
            .collect();
        self.run_in_flight(&input[range.start * self.row..range.end * self.row], range.len(), &mut parts)
    }

    /// Copies a batch's outputs to the caller's buffers.
    fn deliver<'o>(
        &self,
        batch: Range<usize>,
        places: &mut [Place<'_>],
        output: impl Fn(usize, usize) -> &'o [f32],
    ) {
        for place in places {
            let dim = self.outputs[place.output].dim;
            let values = output(place.output, batch.len() * dim);
            place.data[batch.start * dim..batch.end * dim].copy_from_slice(values);
        }
    }

    /// After a failed batch: reduces the batch size if memory ran out, else returns the error.
    fn recover(&self, lane: &Lane, shape: usize, why: &str) -> Outcome<()> {
        if is_out_of_memory(why) && shape > 1 {
            self.halve(shape, why);
            return Ok(());
        }
        let reason = format!("{}: {}", lane.name, brief(why));
        if is_lost_device(why) {
            let lost = format!("device lost: {reason}");
            lock(&lane.lost).get_or_insert(lost.clone());
            return Err(Failure::running(lost));
        }
        Err(Failure::running(reason))
    }

    fn halve(&self, shape: usize, why: &str) {
        let smaller = (shape / 2).max(1);
        // If several batches of this shape failed, only the first halves it.
        if self.rows.compare_exchange(shape, smaller, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let text =
                format!("{}; continuing with batches of {smaller} rows instead of {shape}", brief(why));
            host::log(abi::LOG_WARN, &text);
        }
    }
}

impl Lane {
    fn new(request: &Request<'_>, device: Device, kind: Kind, name: String) -> Outcome<Self> {
        let network = Network::load(request.model, device, kind, request.row)?;
        if let Device::Cuda(index) = device {
            // The weights were cast in the default stream; the slots' streams do not wait for it.
            tch::Cuda::synchronize(index as i64);
        }
        Ok(Lane { network, name, lost: Mutex::default() })
    }

    fn check(&self) -> Outcome<()> {
        match &*lock(&self.lost) {
            Some(why) => Err(Failure::running(why.clone())),
            None => Ok(()),
        }
    }
}

impl Slots {
    /// Whether the engine runs on the CPU, where there are no slots.
    fn is_unused(&self, lanes: &[Lane]) -> bool {
        lanes.iter().all(|lane| lane.network.device() == Device::Cpu)
    }

    /// A free slot of the lane with the most free ones. If `patient`, waits for one.
    fn take(&self, lanes: &[Lane], patient: bool) -> Option<(usize, Slot)> {
        let mut idle = lock(&self.idle);
        while idle.is_empty() && patient {
            idle = self.returned.wait(idle).unwrap_or_else(PoisonError::into_inner);
        }
        let count = |lane: usize| idle.iter().filter(|(at, _)| *at == lane).count();
        let lane = (0..lanes.len()).max_by_key(|&lane| count(lane))?;
        let position = idle.iter().position(|(at, _)| *at == lane)?;
        Some(idle.swap_remove(position))
    }

    fn give(&self, slot: (usize, Slot)) {
        lock(&self.idle).push(slot);
        self.returned.notify_one();
    }
}

/// The type to compute in.
fn kind(request: &Request<'_>) -> Outcome<Kind> {
    match request.precision {
        abi::AUTO | abi::F32 => Ok(Kind::Float),
        abi::BF16 => Ok(Kind::BFloat16),
        abi::FP16 if !request.devices.is_empty() => Ok(Kind::Half),
        abi::FP16 => {
            Err(Failure::unavailable("precision fp16: on the CPU libtorch is fast only in f32 and bf16"))
        }
        other => Err(Failure::argument(format!("precision number {other} is unknown"))),
    }
}

fn check_devices(devices: &[u32]) -> Outcome<()> {
    let list: Vec<String> = devices.iter().map(u32::to_string).collect();
    let list = list.join(",");
    let count = cuda::device_count();
    let count = count.map_err(|why| Failure::unavailable(format!("device cuda:{list}: {why}")))?;
    for (position, &index) in devices.iter().enumerate() {
        if index as usize >= count {
            return Err(Failure::unavailable(format!(
                "device cuda:{list}: there is no device {index}; this machine has {count}, counted from 0"
            )));
        }
        if devices[..position].contains(&index) {
            return Err(Failure::argument(format!("device cuda:{list}: {index} is listed twice")));
        }
    }
    Ok(())
}

/// Sets how many threads libtorch uses for calls from this thread. The setting is per thread, but threads that start
/// later inherit the last one set.
fn use_threads(threads: usize) {
    let threads = i32::try_from(threads).unwrap_or(i32::MAX).max(1);
    if tch::get_num_threads() != threads {
        tch::set_num_threads(threads);
    }
}

/// Ignores poisoning: a panic while a lock is held leaves consistent data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sleeve::internal::Module;

    #[test]
    fn too_little_memory_halves_the_batch() {
        let mut module = Module::new();
        module.parameter("w", &[4, 96], &[0.5; 4 * 96]);
        // From five rows on, it allocates a petabyte.
        module.statement("greed = torch.mul(torch.floordiv(torch.size(x, 0), 5), 250000000000000)");
        module.statement("a = torch.linear(torch.mean(x, [1]), self.w)");
        module.statement("return torch.add(a, torch.sum(torch.zeros([greed])))");
        let model = module.to_bytes("Tensor");
        let request = |forward_rows| Request {
            model: &model,
            row: &[8, 96],
            devices: &[],
            precision: abi::AUTO,
            threads: 1,
            batch_size: None,
            forward_rows: Some(forward_rows),
        };
        let engine = Engine::open(&request(16)).map_err(|failure| failure.reason).unwrap();
        assert_eq!(engine.rows.load(Ordering::Relaxed), 4);
        // Also in the middle of a run, if memory has become scarce.
        engine.rows.store(16, Ordering::Relaxed);
        let rows = 21;
        let mut found = vec![0.0; rows * 4];
        let mut places = [Place { output: 0, data: &mut found }];
        engine.run(&vec![1.0; rows * 8 * 96], rows, &mut places).map_err(|failure| failure.reason).unwrap();
        assert_eq!(engine.rows.load(Ordering::Relaxed), 4);
        assert!(found.iter().all(|&value| value == 48.0), "{found:?}");
    }
}

//! Safe functions for the parts of libtorch's C++ that tch lacks, and for layers that are slow in libtorch on the CPU.

use std::pin::Pin;

use cxx::UniquePtr;
use tch::{Device, Tensor};

#[cxx::bridge(namespace = "sleeve")]
mod bridge {
    // SAFETY: the functions keep no references to their arguments (to tensors, not after the call), and turn every
    // exception into an error.
    unsafe extern "C++" {
        include!("native.h");
        include!("memory.h");
        include!("layers.h");

        type Tensor;
        type Autocast;
        type Store;
        type Gloo;

        fn bfloat16_autocast(cuda: bool) -> Result<UniquePtr<Autocast>>;
        fn current_cuda_stream(device: i32) -> Result<usize>;

        fn new_store(
            host: &str,
            port: u16,
            serves: bool,
            prefix: &str,
            timeout_ms: u64,
        ) -> Result<UniquePtr<Store>>;
        fn set(self: &Store, key: &str, value: &[u8]) -> Result<()>;
        fn get(self: &Store, key: &str) -> Result<Vec<u8>>;
        fn has(self: &Store, key: &str) -> Result<bool>;

        fn new_gloo(store: &Store, rank: i32, size: i32, timeout_ms: u64) -> Result<UniquePtr<Gloo>>;
        fn sum(self: &Gloo, tensor: &Tensor) -> Result<()>;
        fn broadcast(self: &Gloo, tensor: &Tensor) -> Result<()>;

        fn keep_memory();

        #[allow(clippy::too_many_arguments)]
        fn norm(
            out: Pin<&mut Tensor>,
            x: &Tensor,
            weight: &Tensor,
            bias: &Tensor,
            running_mean: &Tensor,
            running_var: &Tensor,
            momentum: f64,
            epsilon: f64,
            activated: bool,
        ) -> Result<()>;
        fn depthwise(out: Pin<&mut Tensor>, x: &Tensor, weight: &Tensor, stride: i64) -> Result<()>;
        fn gate(
            out: Pin<&mut Tensor>,
            x: &Tensor,
            weight1: &Tensor,
            bias1: &Tensor,
            weight2: &Tensor,
            bias2: &Tensor,
        ) -> Result<()>;
        #[allow(clippy::too_many_arguments)]
        fn adam(
            weights: &Tensor,
            gradients: &Tensor,
            mean: &Tensor,
            square: &Tensor,
            step: f64,
            rate: f64,
            beta1: f64,
            beta2: f64,
            weight_decay: f64,
            epsilon: f64,
        ) -> Result<()>;
    }
}

/// The first line of libtorch's message; the rest is the position in its sources.
fn said(error: cxx::Exception) -> String {
    let text = error.what();
    text.lines().next().unwrap_or(text).to_owned()
}

/// The C++ tensor of a tch tensor.
fn native(tensor: &Tensor) -> &bridge::Tensor {
    // SAFETY: tch holds a pointer to an `at::Tensor`, alive as long as its own.
    unsafe { &*tensor.as_ptr().cast::<bridge::Tensor>() }
}

/// The tensor that a C++ function writes.
fn made(function: impl FnOnce(Pin<&mut bridge::Tensor>) -> Result<(), cxx::Exception>) -> Tensor {
    let mut out = Tensor::new();
    // SAFETY: as in `native`; there is no other reference to this tensor, and only C++ moves its content.
    let inside = unsafe { Pin::new_unchecked(&mut *out.as_mut_ptr().cast::<bridge::Tensor>()) };
    // Only shapes and types can be wrong, and these are determined by the network.
    function(inside).unwrap_or_else(|error| panic!("{}", said(error)));
    out
}

/// From now on, the memory of large tensors is kept and reused: a training step needs the same sizes each time, and
/// allocating them from the system again takes a considerable part of it.
pub fn keep_memory() {
    bridge::keep_memory();
}

/// The running statistics of batch norm, and their momentum.
pub struct Statistics<'a> {
    /// Means.
    pub mean: &'a Tensor,
    /// Variances.
    pub variance: &'a Tensor,
    /// The weight of a batch in them.
    pub momentum: f64,
}

/// Batch norm of a map on the CPU with the batch's statistics, which also update the running ones, and SiLU if
/// `activated`. One layer, with a backward pass through autograd.
///
/// # Panics
/// If shapes or types do not match.
pub fn norm(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    running: &Statistics,
    epsilon: f64,
    activated: bool,
) -> Tensor {
    let &Statistics { mean, variance, momentum } = running;
    let (x, weight, bias) = (native(x), native(weight), native(bias));
    let (mean, variance) = (native(mean), native(variance));
    made(|out| bridge::norm(out, x, weight, bias, mean, variance, momentum, epsilon, activated))
}

/// A depthwise convolution of a map on the CPU: weight `[channels, 1, kernel, kernel]`, no bias, padding of half a
/// kernel. The kernel is 3 or 5, the stride 1 or 2, and the number of channels a multiple of 16.
///
/// # Panics
/// If shapes or types do not match.
pub fn depthwise(x: &Tensor, weight: &Tensor, stride: i64) -> Tensor {
    made(|out| bridge::depthwise(out, native(x), native(weight), stride))
}

/// Squeeze-and-excite of a map on the CPU: two layers, each of weight `[outputs, inputs, 1, 1]` and bias.
///
/// # Panics
/// If shapes or types do not match.
pub fn gate(x: &Tensor, first: [&Tensor; 2], second: [&Tensor; 2]) -> Tensor {
    let ([weight1, bias1], [weight2, bias2]) = (first.map(native), second.map(native));
    made(|out| bridge::gate(out, native(x), weight1, bias1, weight2, bias2))
}

/// The tensors that Adam updates.
pub struct Moved<'a> {
    /// The weights.
    pub weights: &'a Tensor,
    /// The gradient.
    pub gradients: &'a Tensor,
    /// The running mean of gradients.
    pub mean: &'a Tensor,
    /// The running mean of squared gradients.
    pub square: &'a Tensor,
}

/// A step of Adam in one pass over the vectors; `step` counts from 1.
///
/// # Panics
/// If shapes or types do not match.
pub fn adam(moved: &Moved, step: u64, rate: f64, betas: [f64; 2], weight_decay: f64, epsilon: f64) {
    let Moved { weights, gradients, mean, square } = moved;
    let [weights, gradients, mean, square] = [weights, gradients, mean, square].map(|tensor| native(tensor));
    let [beta1, beta2] = betas;
    bridge::adam(weights, gradients, mean, square, step as f64, rate, beta1, beta2, weight_decay, epsilon)
        .unwrap_or_else(|error| panic!("{}", said(error)));
}

/// Runs `function` with convolutions and matrix products in bfloat16.
///
/// # Errors
/// Those of libtorch.
pub fn in_bfloat16<T>(device: Device, function: impl FnOnce() -> T) -> Result<T, String> {
    let autocast = bridge::bfloat16_autocast(device.is_cuda()).map_err(said)?;
    let value = function();
    drop(autocast);
    Ok(value)
}

/// Makes a CUDA device this thread's current one; returns its current stream, a `cudaStream_t`.
///
/// # Errors
/// Those of libtorch.
pub fn current_cuda_stream(device: usize) -> Result<usize, String> {
    let device = i32::try_from(device).map_err(|error| error.to_string())?;
    bridge::current_cuda_stream(device).map_err(said)
}

/// A connection to the store that all processes of a run share.
pub struct Store(UniquePtr<bridge::Store>);

// SAFETY: c10d's store has a lock and handles one request at a time.
unsafe impl Send for Store {}

impl Store {
    /// Connects; the process that `serves` also runs the store.
    ///
    /// # Errors
    /// Those of libtorch, at the latest after `timeout_ms`.
    pub fn connect(
        host: &str,
        port: u16,
        serves: bool,
        prefix: &str,
        timeout_ms: u64,
    ) -> Result<Self, String> {
        bridge::new_store(host, port, serves, prefix, timeout_ms).map(Store).map_err(said)
    }

    /// Sets a key.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<(), String> {
        self.0.set(key, value).map_err(said)
    }

    /// Waits for a key and returns its value.
    ///
    /// # Errors
    /// If the store cannot be reached, or the key is not set in time.
    pub fn get(&self, key: &str) -> Result<Vec<u8>, String> {
        self.0.get(key).map_err(said)
    }

    /// Whether a key is set.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub fn has(&self, key: &str) -> Result<bool, String> {
        self.0.has(key).map_err(said)
    }
}

/// Gloo between the processes of a store.
pub struct Gloo(UniquePtr<bridge::Gloo>);

// SAFETY: any thread may use it, one at a time.
unsafe impl Send for Gloo {}

impl Gloo {
    /// Connects `size` processes.
    ///
    /// # Errors
    /// Those of libtorch, at the latest after `timeout_ms`.
    pub fn connect(store: &Store, rank: usize, size: usize, timeout_ms: u64) -> Result<Self, String> {
        bridge::new_gloo(&store.0, rank as i32, size as i32, timeout_ms).map(Gloo).map_err(said)
    }

    /// Sets the tensor of each process to the sum over all; waits for all.
    ///
    /// # Errors
    /// If a process has ended.
    pub fn sum(&self, tensor: &Tensor) -> Result<(), String> {
        self.0.sum(native(tensor)).map_err(said)
    }

    /// Sets the tensor of each process to that of the first; waits for all.
    ///
    /// # Errors
    /// If a process has ended.
    pub fn broadcast(&self, tensor: &Tensor) -> Result<(), String> {
        self.0.broadcast(native(tensor)).map_err(said)
    }
}

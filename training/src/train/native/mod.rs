//! What training needs of libtorch's C++ and tch does not pass on, in safe words.

use cxx::UniquePtr;
use tch::{Device, Tensor};

#[cxx::bridge(namespace = "sleeve")]
mod bridge {
    // SAFETY: the functions keep no reference to what they are given (of tensors, not beyond the call), and turn every
    // exception into an error.
    unsafe extern "C++" {
        include!("native.h");

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
    }
}

/// The first line of what libtorch says: what follows is where in its sources.
fn said(error: cxx::Exception) -> String {
    let text = error.what();
    text.lines().next().unwrap_or(text).to_owned()
}

/// tch's tensor, as C++ knows it.
fn native(tensor: &Tensor) -> &bridge::Tensor {
    // SAFETY: tch holds a pointer to an `at::Tensor`, alive as long as its own.
    unsafe { &*tensor.as_ptr().cast::<bridge::Tensor>() }
}

/// Computes `function` with convolutions and matrix products in bfloat16.
///
/// # Errors
/// What libtorch says.
pub fn in_bfloat16<T>(device: Device, function: impl FnOnce() -> T) -> Result<T, String> {
    let autocast = bridge::bfloat16_autocast(device.is_cuda()).map_err(said)?;
    let value = function();
    drop(autocast);
    Ok(value)
}

/// Makes a CUDA device this thread's current one; returns its current stream, a `cudaStream_t`.
///
/// # Errors
/// What libtorch says.
pub fn current_cuda_stream(device: usize) -> Result<usize, String> {
    let device = i32::try_from(device).map_err(|error| error.to_string())?;
    bridge::current_cuda_stream(device).map_err(said)
}

/// A connection to the store that all processes of a run see.
pub struct Store(UniquePtr<bridge::Store>);

// SAFETY: c10d's store takes one request at a time, behind a lock of its own.
unsafe impl Send for Store {}

impl Store {
    /// Connects; the process that `serves` also holds the store.
    ///
    /// # Errors
    /// What libtorch says, after `timeout_ms` at most.
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

    /// The value of a key, which is waited for.
    ///
    /// # Errors
    /// If the store cannot be reached, or nobody sets the key in time.
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

/// Gloo between the processes that meet in a store.
pub struct Gloo(UniquePtr<bridge::Gloo>);

// SAFETY: it is used by one thread at a time, any.
unsafe impl Send for Gloo {}

impl Gloo {
    /// Connects `size` processes.
    ///
    /// # Errors
    /// What libtorch says, after `timeout_ms` at most.
    pub fn connect(store: &Store, rank: usize, size: usize, timeout_ms: u64) -> Result<Self, String> {
        bridge::new_gloo(&store.0, rank as i32, size as i32, timeout_ms).map(Gloo).map_err(said)
    }

    /// Puts the sum over all processes into the tensor of each; waits for all.
    ///
    /// # Errors
    /// If a process has ended.
    pub fn sum(&self, tensor: &Tensor) -> Result<(), String> {
        self.0.sum(native(tensor)).map_err(said)
    }

    /// Puts the first process's values into the tensor of each; waits for all.
    ///
    /// # Errors
    /// If a process has ended.
    pub fn broadcast(&self, tensor: &Tensor) -> Result<(), String> {
        self.0.broadcast(native(tensor)).map_err(said)
    }
}

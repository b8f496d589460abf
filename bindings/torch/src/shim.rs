//! Safe wrappers for `shim.cpp`.

use std::ffi::{c_char, c_int, c_void};
use std::marker::PhantomData;

use tch::{Kind, Tensor};

unsafe extern "C" {
    fn sleeve_torch_inference_new() -> *mut c_void;
    fn sleeve_torch_inference_free(guard: *mut c_void);
    fn sleeve_exact_f32();
    fn sleeve_torch_channels_last(tensor: *mut c_void, reason: *mut c_char, room: usize) -> c_int;
    fn sleeve_torch_copy_async(
        to: *mut c_void,
        from: *const c_void,
        reason: *mut c_char,
        room: usize,
    ) -> c_int;
    fn sleeve_torch_stream_new(index: i32, reason: *mut c_char, room: usize) -> *mut c_void;
    fn sleeve_torch_stream_free(stream: *mut c_void);
    fn sleeve_torch_stream_enter(stream: *mut c_void, reason: *mut c_char, room: usize) -> c_int;
    fn sleeve_torch_stream_leave(stream: *mut c_void, reason: *mut c_char, room: usize) -> c_int;
    fn sleeve_torch_stream_wait(stream: *mut c_void, reason: *mut c_char, room: usize) -> c_int;
    fn sleeve_torch_types_begin() -> *mut c_void;
    fn sleeve_torch_types_end(handle: *mut c_void) -> u64;
}

/// Runs a function that writes a reason if it fails, and returns that as the error.
fn explained(function: impl FnOnce(*mut c_char, usize) -> bool) -> Result<(), String> {
    let mut room = [0u8; 4096];
    if function(room.as_mut_ptr().cast(), room.len()) {
        return Ok(());
    }
    let length = room.iter().position(|&byte| byte == 0).unwrap_or(room.len());
    Err(String::from_utf8_lossy(&room[..length]).into_owned())
}

/// While it exists, its thread records no gradients. It cannot be sent to another thread.
pub struct Inference(*mut c_void, PhantomData<*const ()>);

impl Inference {
    pub fn new() -> Self {
        // SAFETY: it has no conditions.
        Inference(unsafe { sleeve_torch_inference_new() }, PhantomData)
    }
}

impl Drop for Inference {
    fn drop(&mut self) {
        // SAFETY: it was created on this thread and is freed once.
        unsafe { sleeve_torch_inference_free(self.0) }
    }
}

/// Switches off TensorFloat-32 in this process, so that f32 means f32.
pub fn exact_f32() {
    // SAFETY: it sets two flags of libtorch.
    unsafe { sleeve_exact_f32() }
}

/// Changes a four-dimensional tensor's memory format to channels-last, also for its clones.
pub fn channels_last(tensor: &mut Tensor) -> Result<(), String> {
    // SAFETY: the tensor is alive.
    explained(|reason, room| unsafe {
        sleeve_torch_channels_last(tensor.as_mut_ptr().cast(), reason, room) == 0
    })
}

/// Copies between devices in the current stream, without waiting.
pub fn copy_async(to: &mut Tensor, from: &Tensor) -> Result<(), String> {
    // SAFETY: both tensors are alive; libtorch checks shapes, and keeps pinned memory until it is copied.
    explained(|reason, room| unsafe {
        sleeve_torch_copy_async(to.as_mut_ptr().cast(), from.as_ptr().cast(), reason, room) == 0
    })
}

/// A CUDA stream and an event in it.
pub struct Stream(*mut c_void);

// SAFETY: a stream and its event may be used from any thread, one at a time.
unsafe impl Send for Stream {}

impl Stream {
    pub fn new(index: u32) -> Result<Self, String> {
        let mut stream = std::ptr::null_mut();
        explained(|reason, room| {
            // SAFETY: it checks the index.
            stream = unsafe { sleeve_torch_stream_new(index as i32, reason, room) };
            !stream.is_null()
        })?;
        Ok(Stream(stream))
    }

    /// Runs `function` with this stream as the current one.
    pub fn within<T>(&mut self, function: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        // SAFETY: the stream is alive, for it is freed when `self` is dropped.
        explained(|reason, room| unsafe { sleeve_torch_stream_enter(self.0, reason, room) == 0 })?;
        let outcome = function();
        // SAFETY: as above.
        let left = explained(|reason, room| unsafe { sleeve_torch_stream_leave(self.0, reason, room) == 0 });
        let value = outcome?;
        left.map(|()| value)
    }

    /// Waits until the device has finished the work of the last `within`.
    pub fn wait(&mut self) -> Result<(), String> {
        // SAFETY: the stream is alive.
        explained(|reason, room| unsafe { sleeve_torch_stream_wait(self.0, reason, room) == 0 })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: it is freed once.
        unsafe { sleeve_torch_stream_free(self.0) }
    }
}

/// The types of some operations.
pub struct Types {
    pub convolutions: Vec<Kind>,
    pub products: Vec<Kind>,
}

/// The types of convolutions and matrix products while `function` runs.
pub fn types_during<T>(function: impl FnOnce() -> T) -> (T, Types) {
    struct Recording(*mut c_void);
    impl Drop for Recording {
        fn drop(&mut self) {
            // SAFETY: begun on this thread and ended once, also after a panic.
            unsafe { sleeve_torch_types_end(self.0) };
        }
    }
    // SAFETY: it has no conditions.
    let recording = Recording(unsafe { sleeve_torch_types_begin() });
    let value = function();
    let handle = recording.0;
    std::mem::forget(recording);
    // SAFETY: begun on this thread, ended once.
    let bits = unsafe { sleeve_torch_types_end(handle) };
    let kinds = |bits: u64| {
        let known = [Kind::Float, Kind::BFloat16, Kind::Half, Kind::Double];
        known.into_iter().filter(|&kind| bits >> (kind as u64) & 1 == 1).collect()
    };
    (value, Types { convolutions: kinds(bits & 0xffff_ffff), products: kinds(bits >> 32) })
}

//! NCCL, NVIDIA's library for sums over many GPUs, through its C interface. libtorch's CUDA part is linked to it, so it
//! is in memory once that is loaded. This program is not linked to it and needs no CUDA header to compile.

use std::ffi::{CStr, c_char, c_int, c_void};

use libloading::os::unix::Library;
use tch::{Kind, Tensor};

use crate::native::{Store, current_cuda_stream};

const FILE: &str = "libnccl.so.2";
/// The key of the store for the communicator's identifier.
const KEY: &str = "nccl";
const ID_BYTES: usize = 128;

/// `ncclUniqueId`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Id([u8; ID_BYTES]);

/// `ncclResult_t`, of which 0 is success.
type Status = c_int;
/// `ncclComm_t`.
type Comm = *mut c_void;

/// `ncclSum`.
const SUM: c_int = 0;

/// The functions of NCCL that are used.
struct Functions {
    get_unique_id: unsafe extern "C" fn(*mut Id) -> Status,
    init_rank: unsafe extern "C" fn(*mut Comm, c_int, Id, c_int) -> Status,
    all_reduce:
        unsafe extern "C" fn(*const c_void, *mut c_void, usize, c_int, c_int, Comm, *mut c_void) -> Status,
    broadcast:
        unsafe extern "C" fn(*const c_void, *mut c_void, usize, c_int, c_int, Comm, *mut c_void) -> Status,
    abort: unsafe extern "C" fn(Comm) -> Status,
    error_string: unsafe extern "C" fn(Status) -> *const c_char,
    /// Keeps the functions in memory.
    _library: Library,
}

impl Functions {
    fn load() -> Result<Self, String> {
        // The libraries of libtorch_cuda are among this process's symbols.
        let mut library = Library::this();
        // SAFETY: the symbol is not called.
        if unsafe { library.get::<*const c_void>(b"ncclAllReduce\0") }.is_err() {
            // SAFETY: NCCL's initialisers have no preconditions.
            library = unsafe { Library::new(FILE) }.map_err(|error| format!("{FILE}: {error}"))?;
        }
        /// # Safety
        /// `T` must be the type of the function with this name.
        unsafe fn named<T: Copy>(library: &Library, name: &CStr) -> Result<T, String> {
            // SAFETY: as the caller promises.
            let symbol = unsafe { library.get::<T>(name.to_bytes_with_nul()) };
            symbol.map(|symbol| *symbol).map_err(|error| format!("{FILE}: {error}"))
        }
        // SAFETY: the types are those of nccl.h, which are stable within NCCL 2.
        unsafe {
            Ok(Functions {
                get_unique_id: named(&library, c"ncclGetUniqueId")?,
                init_rank: named(&library, c"ncclCommInitRank")?,
                all_reduce: named(&library, c"ncclAllReduce")?,
                broadcast: named(&library, c"ncclBroadcast")?,
                abort: named(&library, c"ncclCommAbort")?,
                error_string: named(&library, c"ncclGetErrorString")?,
                _library: library,
            })
        }
    }

    fn check(&self, what: &str, status: Status) -> Result<(), String> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: it takes any number and returns a constant string, or NULL.
        let text = unsafe { (self.error_string)(status) };
        let text = match text.is_null() {
            true => format!("error {status}"),
            // SAFETY: a constant string that ends with NUL.
            false => unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned(),
        };
        Err(format!("NCCL, {what}: {text}"))
    }
}

/// This process's communicator.
pub struct Communicator {
    functions: Functions,
    comm: Comm,
    device: usize,
}

// SAFETY: any thread may use a communicator, one at a time.
unsafe impl Send for Communicator {}

impl Communicator {
    /// Connects `count` processes, each with its own CUDA device.
    pub fn connect(store: &Store, rank: usize, count: usize, device: usize) -> Result<Self, String> {
        let functions = Functions::load()?;
        let mut id = Id([0; ID_BYTES]);
        if rank == 0 {
            // SAFETY: it writes one identifier.
            functions.check("an identifier", unsafe { (functions.get_unique_id)(&mut id) })?;
            store.set(KEY, &id.0)?;
        } else {
            let bytes = store.get(KEY)?;
            id.0 =
                bytes.try_into().map_err(|_| "the identifier in the store is not one of NCCL".to_owned())?;
        }
        // NCCL uses the thread's current device.
        current_cuda_stream(device)?;
        let mut comm = std::ptr::null_mut();
        // SAFETY: it writes one communicator.
        let status = unsafe { (functions.init_rank)(&mut comm, count as c_int, id, rank as c_int) };
        functions.check("connecting", status)?;
        Ok(Communicator { functions, comm, device })
    }

    /// Sets the tensor of each process to the sum over all, in the order of the device's current stream.
    pub fn sum(&self, tensor: &Tensor) -> Result<(), String> {
        let (data, count, kind, stream) = self.arguments(tensor)?;
        // SAFETY: the tensor has `count` values of that type on this device. They are accessed in the order of the
        // stream, as in libtorch, whose allocator reuses memory in that order too.
        let status = unsafe { (self.functions.all_reduce)(data, data, count, kind, SUM, self.comm, stream) };
        self.functions.check("summing", status)
    }

    /// Sets the tensor of each process to that of the first, also in the order of the stream.
    pub fn broadcast(&self, tensor: &Tensor) -> Result<(), String> {
        let (data, count, kind, stream) = self.arguments(tensor)?;
        // SAFETY: as above.
        let status = unsafe { (self.functions.broadcast)(data, data, count, kind, 0, self.comm, stream) };
        self.functions.check("sharing", status)
    }

    fn arguments(&self, tensor: &Tensor) -> Result<(*mut c_void, usize, c_int, *mut c_void), String> {
        // ncclDataType_t.
        let kind = match tensor.kind() {
            Kind::Float => 7,
            Kind::Double => 8,
            Kind::Int64 => 4,
            other => return Err(format!("sums of {other:?} are not supported")),
        };
        if !tensor.is_contiguous() || tensor.device() != tch::Device::Cuda(self.device) {
            return Err("only contiguous tensors on the process's device can be summed".into());
        }
        let stream = current_cuda_stream(self.device)? as *mut c_void;
        Ok((tensor.data_ptr(), tensor.numel(), kind, stream))
    }
}

impl Drop for Communicator {
    fn drop(&mut self) {
        // SAFETY: it is freed once. Aborting does not wait for other processes, which may have ended; all sums have
        // been read by then.
        unsafe { (self.functions.abort)(self.comm) };
    }
}

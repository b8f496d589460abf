//! A loaded plugin.

use std::collections::HashMap;
use std::ffi::c_char;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{code, find};
use crate::{Error, Result};
use sleeve_plugin_abi::{self as abi, Host, Message, Plugin, Request, Status};

/// The host interface that is passed to every plugin.
static HOST: Host = Host { size: size_of::<Host>() as u32, version: abi::VERSION, log };

/// A loaded plugin. It is never unloaded, because libtorch and CUDA cannot be unloaded safely.
#[derive(Clone, Copy)]
pub struct Library {
    plugin: &'static Plugin,
    path: &'static Path,
}

impl Library {
    /// The plugin that runs TorchScript, found and loaded on the first call.
    ///
    /// If the environment variable `SLEEVE_TORCH_ENGINE` is set, it is the absolute path of the plugin, and nothing
    /// else is searched. Otherwise the folder of the shared library or program that contains this code is searched,
    /// then the system's library path; never the working directory.
    ///
    /// # Errors
    /// `Unavailable`, with every place that was searched and the reason.
    pub fn torch() -> Result<Self> {
        find::torch()
    }

    /// The plugin in a file.
    ///
    /// # Errors
    /// `Unavailable` with the reason: no such file, not a plugin, or one for another version of this library.
    pub fn load(path: &Path) -> Result<Self> {
        if !path.is_absolute() {
            return Err(Error::Unavailable(format!(
                "engine {}: the path of a plugin must be absolute",
                path.display()
            )));
        }
        Self::load_named(path)
            .map_err(|reason| Error::Unavailable(format!("engine {}: {reason}", path.display())))
    }

    /// Loads a plugin by path, or by file name with the system's search.
    pub(super) fn load_named(name: &Path) -> Result<Self, String> {
        static LOADED: Mutex<Option<HashMap<PathBuf, Library>>> = Mutex::new(None);
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = loaded.get_or_insert_default();
        if let Some(library) = loaded.get(name) {
            return Ok(*library);
        }
        let entry = code::entry(name)?;
        // SAFETY: the entry takes the host, which is static.
        let plugin = unsafe { entry(&HOST) };
        // SAFETY: it returns a table that lives as long as the process, or NULL.
        let plugin = unsafe { checked(plugin) }?;
        let path: &'static Path = Box::leak(name.to_path_buf().into_boxed_path());
        let library = Library { plugin, path };
        loaded.insert(name.to_owned(), library);
        log::debug!("loaded {}: {}", path.display(), library.describe());
        Ok(library)
    }

    /// The path or file name it was loaded by.
    pub fn path(&self) -> &'static Path {
        self.path
    }

    /// The plugin's description of itself.
    pub fn describe(&self) -> String {
        text(|message| {
            // SAFETY: the message is valid for the call.
            unsafe { (self.plugin.describe)(message) }
        })
    }

    /// The names of the CUDA devices that can be used.
    ///
    /// # Errors
    /// `Unavailable`, with the reason why there are none.
    pub fn cuda_devices(&self) -> Result<Vec<String>> {
        let mut count = 0;
        // SAFETY: both are valid for the call.
        call(|message| unsafe { (self.plugin.device_count)(&mut count, message) })
            .map_err(|(_, reason)| Error::Unavailable(format!("device cuda: {reason}")))?;
        let name = |index| {
            // SAFETY: the message is valid for the call; an index out of range is refused.
            text(|message| unsafe {
                (self.plugin.device_name)(index, message);
            })
        };
        Ok((0..count).map(name).collect())
    }

    pub(super) fn table(&self) -> &'static Plugin {
        self.plugin
    }

    /// Opens an engine; an error has a status and a message.
    pub(super) fn open(&self, request: &Request) -> Result<abi::Handle, (Status, String)> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: the request and what it points to are valid for the call.
        call(|message| unsafe { (self.plugin.open)(request, &mut handle, message) })?;
        if handle.is_null() {
            return Err((abi::FAILED, "the plugin returned no engine".into()));
        }
        Ok(handle)
    }
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Library").field(&self.path).finish()
    }
}

/// Checks that a table has this library's version and size.
///
/// # Safety
/// `plugin` is NULL, or points to a table whose first two fields are as in every version and which lives as
/// long as the process.
unsafe fn checked(plugin: *const Plugin) -> Result<&'static Plugin, String> {
    if plugin.is_null() {
        return Err("the plugin could not be initialised".into());
    }
    // SAFETY: as the caller promises; only these two fields are read before the version is known.
    let (size, version) = unsafe { ((*plugin).size, (*plugin).version) };
    if version != abi::VERSION {
        return Err(format!(
            "the plugin is for version {version} of the engine interface, and this library has version {}; \
             install the two together",
            abi::VERSION
        ));
    }
    if size as usize != size_of::<Plugin>() {
        return Err(format!(
            "the plugin's table has {size} bytes, but version {version} has {}: the plugin was compiled for another one",
            size_of::<Plugin>()
        ));
    }
    // SAFETY: version and size are ours, so the whole table is.
    Ok(unsafe { &*plugin })
}

/// Calls a function that writes a message; an error has its status and that message.
pub(super) fn call(function: impl FnOnce(*mut Message) -> Status) -> Result<(), (Status, String)> {
    let mut status = abi::OK;
    let message = text(|message| status = function(message));
    if status == abi::OK {
        return Ok(());
    }
    let message = if message.is_empty() { format!("status {status}, without a message") } else { message };
    Err((status, message))
}

/// Collects the text that a function writes.
pub(super) fn text(function: impl FnOnce(*mut Message)) -> String {
    let mut room = vec![0u8; 16 << 10];
    let mut message = Message { data: room.as_mut_ptr().cast::<c_char>(), capacity: room.len(), length: 0 };
    function(&mut message);
    room.truncate(message.length);
    String::from_utf8_lossy(&room).trim().to_owned()
}

/// Writes a plugin's message to the log.
unsafe extern "C" fn log(level: u32, text: *const c_char, length: usize) {
    if text.is_null() || length > 1 << 20 {
        return;
    }
    // SAFETY: the plugin guarantees `length` bytes for the call.
    let text = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) };
    let level = match level {
        abi::LOG_ERROR => log::Level::Error,
        abi::LOG_WARN => log::Level::Warn,
        abi::LOG_INFO => log::Level::Info,
        _ => log::Level::Debug,
    };
    log::log!(level, "{}", String::from_utf8_lossy(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first two fields of a table, and nothing else.
    #[repr(C)]
    struct Beginning(u32, u32);

    fn refusal(size: u32, version: u32) -> String {
        let table: &'static Beginning = Box::leak(Box::new(Beginning(size, version)));
        // SAFETY: the two fields are there, and tables that are refused are not read any further.
        unsafe { checked(std::ptr::from_ref(table).cast()) }.err().expect("it is refused")
    }

    #[test]
    fn tables_of_other_versions_and_sizes_are_refused() {
        let other = refusal(size_of::<Plugin>() as u32, abi::VERSION + 6);
        assert!(other.contains("version 7") && other.contains("version 1"), "{other}");
        assert!(refusal(8, abi::VERSION).contains("8 bytes"));
        // SAFETY: NULL is allowed.
        assert!(unsafe { checked(std::ptr::null()) }.is_err());
    }

    #[test]
    fn a_path_must_be_absolute() {
        let error = Library::load(Path::new("libsleeve_torch.so")).unwrap_err().to_string();
        assert!(error.contains("absolute"), "{error}");
    }

    #[test]
    fn what_is_no_plugin_is_refused() {
        let error = Library::load(Path::new("/nonexistent/x.so")).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/x.so: cannot open shared object file"), "{error}");
        // A shared library that every program here has open already.
        let error = Library::load_named(Path::new("libc.so.6")).unwrap_err();
        assert!(error.contains("sleeve_engine_plugin"), "{error}");
    }
}

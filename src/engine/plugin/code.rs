//! The code of a plugin: a shared library, on targets that have them.

use std::path::Path;

use sleeve_plugin_abi::Entry;

/// Loads a shared library with all its dependencies, so that a missing one is an error here and not at the first call.
/// Returns the function by which a plugin is entered. The library is never unloaded.
///
/// # Errors
/// The reason why it cannot be loaded, or that it is not a plugin.
#[cfg(any(unix, windows))]
pub(super) fn entry(name: &Path) -> Result<Entry, String> {
    use sleeve_plugin_abi::ENTRY;

    let code = open(name).map_err(|error| reason(&error))?;
    // SAFETY: a function of this name has this type, as the interface defines.
    let entry = unsafe { code.get::<Entry>(ENTRY) };
    let entry = *entry.map_err(|_| format!("not an engine plugin: it has no {}", ENTRY.to_string_lossy()))?;
    std::mem::forget(code);
    Ok(entry)
}

/// There are no shared libraries to load.
#[cfg(not(any(unix, windows)))]
pub(super) fn entry(_name: &Path) -> Result<Entry, String> {
    Err("this target has no shared libraries".into())
}

#[cfg(any(unix, windows))]
fn open(name: &Path) -> Result<libloading::Library, libloading::Error> {
    // SAFETY: the file is one that the user installed or named as an engine; its initialisers run.
    #[cfg(unix)]
    unsafe {
        use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
        Library::open(Some(name), RTLD_NOW | RTLD_LOCAL).map(Into::into)
    }
    // SAFETY: as above. What it needs is looked for beside it, but neither in the working directory nor in the PATH.
    #[cfg(windows)]
    unsafe {
        use libloading::os::windows::{
            LOAD_LIBRARY_SEARCH_DEFAULT_DIRS, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR, Library,
        };
        let beside = if name.is_absolute() { LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR } else { 0 };
        Library::load_with_flags(name, LOAD_LIBRARY_SEARCH_DEFAULT_DIRS | beside).map(Into::into)
    }
}

/// The loader's own message, which is the source of the error.
#[cfg(any(unix, windows))]
fn reason(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), reason)
}

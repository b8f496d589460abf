//! The search for plugins.
//!
//! The working directory is never searched: a program that is started in a folder of downloads must not load a library
//! from it. So relative entries of the library path are ignored.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::library::Library;
use crate::{Error, Result};

/// The environment variable with the path of the libtorch plugin.
const VARIABLE: &str = "SLEEVE_TORCH_ENGINE";
/// The search path of the system's loader; see [`from_library_path`].
const LIBRARY_PATH: &str = if cfg!(target_os = "macos") {
    "DYLD_LIBRARY_PATH"
} else if cfg!(windows) {
    "PATH"
} else {
    "LD_LIBRARY_PATH"
};

/// The libtorch plugin. Once found it is kept; if it is not found, the next call searches again.
pub(super) fn torch() -> Result<Library> {
    static FOUND: Mutex<Option<Library>> = Mutex::new(None);
    let mut found = FOUND.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(library) = *found {
        return Ok(library);
    }
    let library = look(
        &format!("{DLL_PREFIX}sleeve_torch{DLL_SUFFIX}"),
        environment(VARIABLE),
        own_file().as_deref(),
        environment(LIBRARY_PATH),
    )
    .map_err(|tried| {
        let list: Vec<String> = tried.iter().map(|(place, why)| format!("\n  {place}: {why}")).collect();
        Error::Unavailable(format!(
            "the torch engine cannot be loaded; `cargo build --release -p sleeve-torch` builds it. Tried:{}",
            list.concat()
        ))
    })?;
    *found = Some(library);
    Ok(library)
}

/// Searches for the plugin `file`. The error lists every place and the reason.
fn look(
    file: &str,
    named: Option<OsString>,
    own: Option<&Path>,
    library_path: Option<OsString>,
) -> Result<Library, Vec<(String, String)>> {
    let mut tried = Vec::new();
    if let Some(path) = named.filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        let place = format!("{VARIABLE}={}", path.display());
        if !path.is_absolute() {
            return Err(vec![(place, "not an absolute path".into())]);
        }
        return Library::load_named(&path).map_err(|why| vec![(place, why)]);
    }
    tried.push((VARIABLE.to_owned(), "not set".to_owned()));
    for folder in own.map(beside).unwrap_or_default() {
        let path = folder.join(file);
        if !path.exists() {
            tried.push((path.display().to_string(), "no such file".into()));
            continue;
        }
        match Library::load_named(&path) {
            Ok(library) => return Ok(library),
            Err(why) => tried.push((path.display().to_string(), why)),
        }
    }
    from_library_path(file, library_path, &mut tried).ok_or(tried)
}

/// The folders that belong to a program or shared library: its own; `lib` for a program in `bin`; and cargo's folders
/// of the profile for one of cargo's examples or tests.
fn beside(own: &Path) -> Vec<PathBuf> {
    let Some(folder) = own.parent() else { return Vec::new() };
    let mut folders = vec![folder.to_owned()];
    if let Some(above) = folder.parent() {
        match folder.file_name().and_then(|name| name.to_str()) {
            Some("bin") => folders.push(above.join("lib")),
            // Cargo leaves libraries that it built as dependencies in `deps` only.
            Some("examples") => folders.extend([above.join("deps"), above.to_owned()]),
            Some("deps") => folders.push(above.to_owned()),
            _ => {}
        }
    }
    folders
}

/// Searches the library path: its absolute entries, then the system's folders.
fn from_library_path(
    file: &str,
    entries: Option<OsString>,
    tried: &mut Vec<(String, String)>,
) -> Option<Library> {
    let entries = entries.filter(|entries| !entries.is_empty());
    let entries: Vec<PathBuf> =
        entries.map(|entries| std::env::split_paths(&entries).collect()).unwrap_or_default();
    for path in entries.iter().filter(|entry| entry.is_absolute()).map(|entry| entry.join(file)) {
        if path.exists() {
            match Library::load_named(&path) {
                Ok(library) => return Some(library),
                Err(why) => tried.push((path.display().to_string(), why)),
            }
        }
    }
    // To the loader, an empty or relative entry means the working directory. That of Windows is told not to use the path.
    if !cfg!(windows) && entries.iter().any(|entry| !entry.is_absolute()) {
        let why = format!("not searched: {LIBRARY_PATH} has an empty or relative entry");
        tried.push(("the system's library path".into(), why));
        return None;
    }
    match Library::load_named(Path::new(file)) {
        Ok(library) => Some(library),
        Err(why) => {
            tried.push(("the system's library path".into(), why));
            None
        }
    }
}

/// An environment variable that may name code to load; ignored in programs that run with more rights than their user.
fn environment(name: &str) -> Option<OsString> {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: it only reads a number.
        if unsafe { libc::getauxval(libc::AT_SECURE) } != 0 {
            return None;
        }
    }
    std::env::var_os(name)
}

/// The file that this code was loaded from: libsleeve, or the program it is part of.
fn own_file() -> Option<PathBuf> {
    #[cfg(unix)]
    {
        // SAFETY: all zeroes is a valid Dl_info, and the address is one of our own functions.
        let name = unsafe {
            let mut info: libc::Dl_info = std::mem::zeroed();
            let address = own_file as *const ();
            if libc::dladdr(address.cast(), &mut info) == 0 || info.dli_fname.is_null() {
                None
            } else {
                Some(std::ffi::CStr::from_ptr(info.dli_fname).to_owned())
            }
        };
        // For the program itself it is the name it was started by, which may be relative or without a folder.
        let path = name.map(|name| {
            use std::os::unix::ffi::OsStrExt;
            PathBuf::from(std::ffi::OsStr::from_bytes(name.as_bytes()))
        });
        if let Some(path) = path.filter(|path| path.is_absolute()) {
            return Some(path);
        }
    }
    #[cfg(windows)]
    if let Some(path) = own_module() {
        return Some(path);
    }
    std::env::current_exe().ok()
}

/// The module, sleeve.dll or a program, that this function is in.
#[cfg(windows)]
fn own_module() -> Option<PathBuf> {
    use std::ffi::c_void;
    use std::os::windows::ffi::OsStringExt;

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetModuleHandleExW(flags: u32, address: *const c_void, module: *mut *mut c_void) -> i32;
        fn GetModuleFileNameW(module: *mut c_void, name: *mut u16, size: u32) -> u32;
    }
    const FROM_ADDRESS: u32 = 4;
    const UNCHANGED_REFCOUNT: u32 = 2;
    /// No path of Windows is longer.
    const MAX_PATH: usize = 1 << 15;

    let mut module = std::ptr::null_mut();
    let mut name = vec![0_u16; MAX_PATH];
    // SAFETY: the address is one of our own functions; the handle is that of the module that is running, and is not kept.
    // At most as many units are written as the buffer has.
    let length = unsafe {
        let flags = FROM_ADDRESS | UNCHANGED_REFCOUNT;
        if GetModuleHandleExW(flags, own_module as *const c_void, &mut module) == 0 {
            return None;
        }
        GetModuleFileNameW(module, name.as_mut_ptr(), name.len() as u32) as usize
    };
    (length > 0 && length < name.len()).then(|| OsString::from_wide(&name[..length]).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(tried: &[(String, String)]) -> Vec<&str> {
        tried.iter().map(|(place, _)| place.as_str()).collect()
    }

    #[test]
    fn a_named_file_is_the_only_place() {
        let named = Some("/nonexistent/engine.so".into());
        let tried = look("none.so", named, Some(Path::new("/somewhere/program")), None).unwrap_err();
        assert_eq!(places(&tried), ["SLEEVE_TORCH_ENGINE=/nonexistent/engine.so"]);
        let tried = look("none.so", Some("engine.so".into()), None, None).unwrap_err();
        assert!(tried[0].1.contains("absolute"), "{tried:?}");
    }

    #[test]
    fn places_come_in_their_order() {
        let tried = look("none.so", Some("".into()), Some(Path::new("/opt/sleeve/bin/extract")), None);
        assert_eq!(
            places(&tried.unwrap_err()),
            [
                "SLEEVE_TORCH_ENGINE",
                "/opt/sleeve/bin/none.so",
                "/opt/sleeve/lib/none.so",
                "the system's library path"
            ]
        );
        assert_eq!(
            beside(Path::new("/x/target/release/examples/extract")),
            ["examples", "deps", ""].map(|folder| Path::new("/x/target/release").join(folder))
        );
    }

    #[test]
    fn relative_entries_of_the_library_path_are_not_searched() {
        for entries in [":/usr/lib", "/usr/lib:", "lib:/usr/lib", "."] {
            let tried = look("none.so", None, None, Some(entries.into())).unwrap_err();
            let (place, why) = tried.last().unwrap();
            assert_eq!(place, "the system's library path");
            assert!(why.contains("relative entry"), "{entries}: {why}");
        }
    }

    #[test]
    fn this_program_knows_where_it_is() {
        let own = own_file().unwrap();
        assert!(own.is_absolute() && own.exists(), "{}", own.display());
    }
}

//! CUDA, without linking to it: libtorch's CUDA library is loaded from an installed PyTorch or libtorch, before
//! anything asks libtorch for devices (it keeps the first answer).

use std::collections::BTreeSet;
use std::ffi::{OsString, c_char, c_int};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

use crate::VERSION;

/// The file to search for.
const FILE: &str = "libtorch_cuda.so";
/// The variable with the path of that file or its folder. If it is set, nothing else is searched.
const VARIABLE: &str = "SLEEVE_LIBTORCH_CUDA";

/// The number of CUDA devices, at least one, or why there is none. The first call decides for the process.
pub fn device_count() -> Result<usize, String> {
    static COUNT: OnceLock<Result<usize, String>> = OnceLock::new();
    COUNT
        .get_or_init(|| {
            let from = load()?;
            match usize::try_from(tch::Cuda::device_count()) {
                Ok(0) | Err(_) => Err(format!("{} was loaded, but {}", from.display(), driver_trouble())),
                Ok(count) => Ok(count),
            }
        })
        .clone()
}

/// Loads the library. The error lists every place with its reason.
fn load() -> Result<PathBuf, String> {
    let named = std::env::var_os(VARIABLE).filter(|value| !value.is_empty());
    let places = match &named {
        Some(value) => vec![named_file(PathBuf::from(value))],
        None => usual_places(&Machine::this()),
    };
    let mut tried = Vec::new();
    if named.is_none() {
        tried.push(format!("\n  {VARIABLE}: not set"));
    }
    for path in places {
        match load_from(&path) {
            Ok(()) => return Ok(path),
            Err(why) => tried.push(format!("\n  {}: {why}", path.display())),
        }
    }
    Err(format!(
        "libtorch {VERSION} for CUDA could not be loaded; `pip install torch=={VERSION}` installs it, or set \
         {VARIABLE} to the folder of {FILE}. Tried:{}",
        tried.concat()
    ))
}

/// The file that the variable refers to.
fn named_file(path: PathBuf) -> PathBuf {
    if path.is_dir() {
        let inner = path.join("lib").join(FILE);
        return if inner.exists() { inner } else { path.join(FILE) };
    }
    path
}

fn load_from(path: &Path) -> Result<(), String> {
    if !path.is_absolute() {
        return Err("not an absolute path".into());
    }
    if !path.exists() {
        return Err("no such file".into());
    }
    if let Some(version) = version_of(path)
        && version.split('+').next() != Some(VERSION)
    {
        return Err(format!("version {version}, and {VERSION} is needed"));
    }
    // SAFETY: the file is PyTorch's own, installed on this machine; its initialisers register CUDA with libtorch.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) };
    // It is never unloaded.
    std::mem::forget(library.map_err(|error| reason(&error))?);
    Ok(())
}

/// The loader's own message, which is the source of the error.
fn reason(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), reason)
}

/// The version of the PyTorch or libtorch that contains a library, if it is known.
fn version_of(path: &Path) -> Option<String> {
    let root = path.parent()?.parent()?;
    if let Ok(version) = std::fs::read_to_string(root.join("build-version")) {
        return Some(version.trim().to_owned());
    }
    let python = std::fs::read_to_string(root.join("version.py")).ok()?;
    let line = python.lines().find(|line| line.starts_with("__version__"))?;
    Some(line.split(['\'', '"']).nth(1)?.to_owned())
}

/// The parts of the environment that decide where to search.
struct Machine {
    /// The libtorch_cpu in use.
    libtorch: Option<PathBuf>,
    variable: fn(&str) -> Option<OsString>,
    /// Lists a folder's entries.
    entries: fn(&Path) -> Vec<PathBuf>,
}

impl Machine {
    fn this() -> Self {
        Machine {
            libtorch: file_of_libtorch(),
            variable: |name| std::env::var_os(name),
            entries: |folder| {
                let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
                let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
                paths.sort();
                paths
            },
        }
    }
}

/// The places to search: beside the libtorch in use, the Python environments of this process, the machine's Pythons,
/// and where libtorch's archives are usually unpacked.
fn usual_places(machine: &Machine) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = Vec::new();
    places.extend(machine.libtorch.as_ref().and_then(|file| Some(file.parent()?.join(FILE))));

    let mut prefixes: Vec<PathBuf> = Vec::new();
    for name in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
        prefixes.extend((machine.variable)(name).map(PathBuf::from));
    }
    // The packages of a python3 on the path.
    for folder in std::env::split_paths(&(machine.variable)("PATH").unwrap_or_default()) {
        let has_python = (machine.entries)(&folder).iter().any(|path| path.ends_with("python3"));
        prefixes.extend(folder.parent().filter(|_| has_python).map(Path::to_owned));
    }
    prefixes.extend((machine.variable)("HOME").map(|home| PathBuf::from(home).join(".local")));
    prefixes.extend(["/usr/local", "/usr", "/opt/conda"].map(PathBuf::from));
    for prefix in prefixes.iter().filter(|prefix| prefix.is_absolute()) {
        for python in (machine.entries)(&prefix.join("lib")) {
            let name = python.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with("python3") {
                let packages = ["site-packages", "dist-packages"];
                places.extend(packages.map(|packages| python.join(packages).join("torch/lib").join(FILE)));
            }
        }
    }
    places.extend(["/usr/local/libtorch/lib", "/opt/libtorch/lib"].map(|lib| Path::new(lib).join(FILE)));
    places.extend(["/usr/local/lib", "/usr/lib"].map(|lib| Path::new(lib).join(FILE)));

    let mut seen = BTreeSet::new();
    // Only Pythons with a PyTorch.
    let is_python = |path: &Path| path.components().any(|part| part.as_os_str() == "torch");
    places.retain(|path| {
        (!is_python(path) || path.parent().is_some_and(Path::exists)) && seen.insert(path.clone())
    });
    places
}

/// The libtorch_cpu that this plugin is linked to.
fn file_of_libtorch() -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    unsafe extern "C" {
        fn dladdr(address: *const std::ffi::c_void, info: *mut DlInfo) -> c_int;
    }
    #[repr(C)]
    struct DlInfo {
        file: *const c_char,
        base: *const std::ffi::c_void,
        symbol: *const c_char,
        address: *const std::ffi::c_void,
    }
    // The first word of a tensor object is an address in libtorch_cpu or libc10, which are in the same folder.
    let tensor = tch::Tensor::from(0f32);
    let mut info = DlInfo {
        file: std::ptr::null(),
        base: std::ptr::null(),
        symbol: std::ptr::null(),
        address: std::ptr::null(),
    };
    // SAFETY: a tensor is a pointer to an object whose first word is its table of virtual functions; that address is
    // only looked up, and `info` has the layout that POSIX gives it.
    unsafe {
        let object = *tensor.as_ptr().cast::<*const *const std::ffi::c_void>();
        if dladdr(*object, &mut info) == 0 || info.file.is_null() {
            return None;
        }
        let file = std::ffi::CStr::from_ptr(info.file);
        Some(PathBuf::from(std::ffi::OsStr::from_bytes(file.to_bytes())))
    }
}

/// Why libtorch's CUDA library finds no device, according to the driver.
fn driver_trouble() -> String {
    let Some(driver) = driver() else {
        return "there is no CUDA device: no NVIDIA driver (libcuda.so.1)".into();
    };
    let mut count = 0;
    // SAFETY: functions of the driver's stable interface, with its types.
    let status = unsafe {
        let (Ok(init), Ok(devices)) = (
            driver.get::<unsafe extern "C" fn(u32) -> c_int>(b"cuInit\0"),
            driver.get::<unsafe extern "C" fn(*mut c_int) -> c_int>(b"cuDeviceGetCount\0"),
        ) else {
            return "there is no CUDA device: libcuda.so.1 is not an NVIDIA driver".into();
        };
        match init(0) {
            0 => devices(&mut count),
            status => status,
        }
    };
    match (status, count) {
        (0, 0) => "there is no CUDA device: CUDA_VISIBLE_DEVICES may hide them".into(),
        (0, count) => {
            format!("it finds no device, but the driver has {count}: the driver may be too old for this CUDA")
        }
        (status, _) => format!("there is no CUDA device: the driver returned {status}"),
    }
}

fn driver() -> Option<Library> {
    // SAFETY: this is the system's driver library.
    unsafe { Library::open(Some("libcuda.so.1"), RTLD_NOW) }.ok()
}

/// A device's name, from the driver.
pub fn device_name(index: usize) -> Option<String> {
    let driver = driver()?;
    let mut name = [0u8; 256];
    let mut device: c_int = 0;
    // SAFETY: functions of the driver's stable interface, with its types; the name has room for 256 bytes.
    unsafe {
        let get = driver.get::<unsafe extern "C" fn(*mut c_int, c_int) -> c_int>(b"cuDeviceGet\0").ok()?;
        let read = driver
            .get::<unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int>(b"cuDeviceGetName\0")
            .ok()?;
        if get(&mut device, c_int::try_from(index).ok()?) != 0
            || read(name.as_mut_ptr().cast(), name.len() as c_int, device) != 0
        {
            return None;
        }
    }
    let length = name.iter().position(|&byte| byte == 0)?;
    Some(String::from_utf8_lossy(&name[..length]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtorch_knows_where_it_is() {
        let file = file_of_libtorch().unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        assert!(["libtorch_cpu.so", "libc10.so"].contains(&name.as_str()), "{}", file.display());
    }

    #[test]
    fn places_are_absolute_and_the_nearest_comes_first() {
        let machine = Machine {
            libtorch: Some("/x/torch/lib/libtorch_cpu.so".into()),
            variable: |name| (name == "VIRTUAL_ENV" || name == "HOME").then(|| "relative".into()),
            entries: |_| Vec::new(),
        };
        let places = usual_places(&machine);
        assert!(places.iter().all(|path| path.is_absolute()), "{places:?}");
        assert!(places.contains(&PathBuf::from("/usr/local/libtorch/lib/libtorch_cuda.so")));
    }

    #[test]
    fn another_version_is_refused() {
        let folder = std::env::temp_dir().join(format!("sleeve-torch-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("lib")).unwrap();
        let file = folder.join("lib").join(FILE);
        std::fs::write(&file, "not a library".repeat(20)).unwrap();
        let why = load_from(&file).unwrap_err();
        assert!(why.contains(file.to_str().unwrap()) && why.contains("invalid ELF header"), "{why}");
        std::fs::write(folder.join("version.py"), "debug = False\n__version__ = '2.9.1+cu128'\n").unwrap();
        assert_eq!(load_from(&file).unwrap_err(), format!("version 2.9.1+cu128, and {VERSION} is needed"));
        assert_eq!(load_from(Path::new(FILE)).unwrap_err(), "not an absolute path");
        std::fs::remove_dir_all(folder).unwrap();
    }
}

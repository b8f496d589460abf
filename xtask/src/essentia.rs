//! Builds the C++ Essentia that the plugin is built and tested with, and fetches its wheel with TensorFlow.
//!
//! The source package of `essentia` on PyPI contains the C++ library. It is built with only the algorithms that the
//! tests use, into `target/essentia/prefix`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::run::{checked, have, output, repository, target};
use crate::{debian, peers};

/// The newest version with a source package on PyPI, and the hash of that package.
const VERSION: &str = "2.1b6.dev234";
const SHA256: &str = "3c18d91e21d7bf29aece4f79a4fa25490fd155ce6a8e184c08c50183c6f25a29";

/// The tools that fetch and unpack it. The version in the package's metadata is not that of its name, which only pip's
/// old resolver accepts.
const TOOLS: [&str; 3] = ["pip==24.0", "setuptools==69.5.1", "wheel==0.45.1"];

/// The Debian packages that it is built with, and their names in pkg-config.
const LIBRARIES: [(&str, &str); 4] = [
    ("libeigen3-dev", "eigen3"),
    ("libfftw3-dev", "fftw3f"),
    ("libsamplerate0-dev", "samplerate"),
    ("libyaml-dev", "yaml-0.1"),
];

/// The algorithms that are compiled: Essentia's front end and its parts, and those that write results.
const ALGORITHMS: &str = "FrameCutter,NoiseAdder,Windowing,Spectrum,FFT,FFTW,FFTWComplex,IFFTW,Magnitude,MelBands,\
                          TriangularBands,UnaryOperator,TensorflowInputMusiCNN,PoolAggregator,SingleGaussian,Covariance,\
                          YamlOutput";

/// Its pkg-config file, because the package lacks Essentia's own template. Hosts also need Eigen's headers.
fn pkg_config(eigen: &str) -> String {
    format!(
        "prefix=@PREFIX@\nlibdir=${{prefix}}/lib\nincludedir=${{prefix}}/include\n\nName: essentia\n\
         Description: audio analysis library\nVersion: @VERSION@\nLibs: -L${{libdir}} -lessentia\n\
         Cflags: -I${{includedir}} -I${{includedir}}/essentia -I${{includedir}}/essentia/scheduler \
         -I${{includedir}}/essentia/streaming -I${{includedir}}/essentia/utils {eigen}\n"
    )
}

/// The wheel with TensorFlow, in `target/essentia-tensorflow`.
pub fn tensorflow() -> Result<()> {
    let requirements = repository().join("tests/peers/requirements-essentia-tensorflow.txt");
    peers::environment("essentia-tensorflow", &requirements).map(drop)
}

/// Builds our Python package with the plugin and the library's release build, without Essentia, for the PYTHONPATH of
/// any environment. Returns its folder.
pub fn package() -> Result<PathBuf> {
    let folder = target().join("essentia-bench/package");
    let (source, package) = (repository().join("bindings/essentia/python"), folder.join("sleeve_essentia"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&package)?;
    for entry in fs::read_dir(source.join("sleeve_essentia"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "py") {
            fs::copy(&path, package.join(path.file_name().unwrap_or_default()))?;
        }
    }
    let mut build = Command::new("python3");
    build.current_dir(source).env("SLEEVE_LIBRARY", target().join("release/libsleeve.so"));
    build.env("SLEEVE_ESSENTIA_HEADERS", target().join("essentia/prefix/include"));
    let code = "import pathlib, plugin, sys; plugin.build(pathlib.Path(sys.argv[1]))";
    checked(build.args(["-B", "-c", code]).arg(package))?;
    Ok(folder)
}

/// Builds the C++ host of the benchmark with the library's release build: `target/essentia-bench/host/once`. `path` is
/// a PATH with CMake.
pub fn host(path: &OsStr) -> Result<()> {
    let (home, release) = (target().join("essentia-bench"), target().join("release"));
    let library = home.join("lib");
    fs::create_dir_all(&library)?;
    fs::copy(release.join("libsleeve.so"), library.join("libsleeve.so"))?;
    let file = format!(
        "Name: sleeve\nDescription: of the benchmark\nVersion: {}\nLibs: -L{} -lsleeve\nCflags: -I{}\n",
        env!("CARGO_PKG_VERSION"),
        library.display(),
        repository().join("include").display()
    );
    fs::write(library.join("sleeve.pc"), file)?;
    let mut configure = Command::new("cmake");
    let files = [library, target().join("essentia/prefix/lib/pkgconfig")];
    configure.env("PKG_CONFIG_PATH", std::env::join_paths(files)?).env("PATH", path);
    configure.arg("-S").arg(repository().join("benches/peers/essentia")).arg("-B").arg(home.join("host"));
    output(&mut configure)?;
    output(Command::new("cmake").arg("--build").arg(home.join("host")).env("PATH", path))?;
    Ok(())
}

/// Builds the C++ library, once, in `target/essentia/prefix`.
pub fn library() -> Result<()> {
    let home = target().join("essentia");
    let stamp = home.join("built.txt");
    let wanted = format!("{VERSION} {ALGORITHMS}");
    if fs::read_to_string(&stamp).is_ok_and(|built| built == wanted) {
        return Ok(());
    }
    if let Some(tool) = ["python3", "g++", "pkg-config"].iter().find(|tool| !have(tool)) {
        bail!("{tool} is not on the path");
    }
    println!("Essentia {VERSION}, built from PyPI's source package -> target/essentia");
    let _ = fs::remove_dir_all(&home);
    fs::create_dir_all(&home)?;
    let libraries = Libraries::find()?;
    let python = tools(&home)?;
    let source = fetch(&home, &python)?;
    let mut eigen = Command::new("pkg-config");
    libraries.set(&mut eigen);
    let eigen = output(eigen.args(["--cflags-only-I", "eigen3"]))?;
    fs::write(source.join("essentia.pc.in"), pkg_config(eigen.trim()))?;
    let waf = |arguments: &[&str]| {
        let mut command = Command::new(&python);
        command.current_dir(&source).arg("waf").args(arguments);
        libraries.set(&mut command);
        output(&mut command)
    };
    let prefix = format!("--prefix={}", home.join("prefix").display());
    let algorithms = format!("--include-algos={ALGORITHMS}");
    waf(&["configure", &prefix, "--lightweight=fftw,libsamplerate,yaml", &algorithms])?;
    waf(&["build"])?;
    waf(&["install"])?;
    fs::remove_dir_all(source)?;
    Ok(fs::write(stamp, wanted)?)
}

/// The Python of a virtual environment with the tools.
fn tools(home: &Path) -> Result<PathBuf> {
    let requirements = home.join("tools.txt");
    fs::write(&requirements, TOOLS.join("\n"))?;
    peers::environment("essentia/tools", &requirements)
}

/// Downloads the source package, checks its hash and unpacks it. Returns its folder.
fn fetch(home: &Path, python: &Path) -> Result<PathBuf> {
    let package = format!("essentia=={VERSION}");
    let mut pip = Command::new(python);
    pip.current_dir(home).args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]);
    pip.args(["--no-build-isolation", "--no-binary", "essentia", "--use-deprecated=legacy-resolver"]);
    output(pip.arg(&package))?;
    let archive = home.join(format!("essentia-{VERSION}.tar.gz"));
    let hash = output(Command::new("sha256sum").arg(&archive))?;
    if !hash.starts_with(SHA256) {
        bail!("{} has another hash than expected", archive.display());
    }
    checked(Command::new(python).current_dir(home).args(["-m", "tarfile", "-e"]).arg(&archive))?;
    fs::remove_file(archive)?;
    Ok(home.join(format!("essentia-{VERSION}")))
}

/// Where Essentia's dependencies are: on the machine, or in unpacked Debian packages.
struct Libraries {
    /// The folder that corresponds to `/`; `None` for the machine's own.
    root: Option<PathBuf>,
}

impl Libraries {
    fn find() -> Result<Self> {
        let mut exists = Command::new("pkg-config");
        exists.arg("--exists").args(LIBRARIES.map(|(_, name)| name));
        if exists.status().is_ok_and(|status| status.success()) {
            return Ok(Libraries { root: None });
        }
        let packages = LIBRARIES.map(|(package, _)| package);
        let root = debian::development("essentia-libraries", &packages)?;
        Ok(Libraries { root: Some(root) })
    }

    /// Lets a build find them, and its result find them at run time.
    fn set(&self, command: &mut Command) {
        let Some(root) = &self.root else { return };
        let folder = debian::libraries(root);
        let files = [folder.join("pkgconfig"), root.join("usr/share/pkgconfig")];
        command.env("PKG_CONFIG_PATH", std::env::join_paths(files).expect("target/ has no colon"));
        command.env("LINKFLAGS", format!("-Wl,-rpath,{}", folder.display()));
    }
}

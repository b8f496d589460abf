//! Which tests need which peers, and how each peer is prepared.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::thread::{Scope, ScopedJoinHandle};

use anyhow::{Result, bail};

use crate::run::tests_may_skip;
use crate::{essentia, peers, targets, wasm};

/// A peer, or another thing that tests need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// libtorch, and the packages built with it.
    Libtorch,
    /// Debian's audio tools, CMake and libabigail.
    Programs,
    /// The Python packages of `tests/peers/requirements.txt`, such as Essentia's and onnxruntime.
    Python,
    /// TensorFlow with Keras and tf2onnx.
    Keras,
    /// Essentia's C++ library, compiled from its source.
    EssentiaLibrary,
    /// Essentia's Python package with TensorFlow.
    EssentiaTensorflow,
    /// cargo-c, compiled from its source.
    CargoC,
    /// Conan, for the recipe in `packaging/conan`.
    Conan,
    /// The source of JUCE's modules.
    Juce,
    /// The environment that the Python package is built and tested in.
    PythonPackage,
    /// The environment with Ray, Spark and PyTorch.
    Cluster,
    /// Chromium, and what drives it.
    Browser,
    /// The WebAssembly module with its package and page, compiled for tests, and Node.
    Wasm,
    /// The same for release.
    WasmRelease,
    /// The TypeScript compiler.
    Typescript,
    /// The C library and the program for Windows, compiled for tests, and Wine.
    Windows,
    /// Packages that the test itself fetches.
    Network,
}

/// The tests that need a peer, by the beginning of their names: first nextest's name of the program
/// (`package::target`), then that of the test. Tests that need nothing are not listed. A test without its peer prints
/// that it is skipped.
const NEEDS: &[(&str, &[Peer])] = {
    use Peer::*;
    &[
        ("sleeve-tests::library::audio::appended", &[Programs]),
        ("sleeve-tests::library::audio::bad_input", &[Programs]),
        ("sleeve-tests::library::audio::damage", &[Programs]),
        ("sleeve-tests::library::audio::ffmpeg", &[Programs]),
        ("sleeve-tests::library::audio::formats", &[Programs]),
        ("sleeve-tests::library::audio::level", &[Programs]),
        ("sleeve-tests::library::audio::mp4", &[Programs]),
        ("sleeve-tests::library::audio::odd_files", &[Programs]),
        ("sleeve-tests::library::audio::parity", &[Programs, Python]),
        ("sleeve-tests::library::engine::effnet", &[Python]),
        ("sleeve-tests::library::engine::effnet::keras", &[Keras]),
        ("sleeve-tests::library::engine::fused", &[Python]),
        ("sleeve-tests::library::extractor::batch", &[Python]),
        ("sleeve-tests::library::extractor::npy", &[Python]),
        ("sleeve-tests::library::extractor::patches", &[Python]),
        ("sleeve-tests::library::front_end::families::a_recording", &[EssentiaTensorflow]),
        ("sleeve-tests::library::front_end::families::every_value", &[Python]),
        ("sleeve-tests::library::front_end::families::frame_counts", &[Python]),
        ("sleeve-tests::library::front_end::parity", &[Python]),
        ("sleeve-tests::library::model::operators", &[Python]),
        ("sleeve-tests::library::model::outputs", &[Python]),
        ("sleeve-tests::library::model::zoo", &[Python]),
        ("sleeve-tests::library::packages::crates", &[Network]),
        ("sleeve-tests::library::stream::rows", &[Python]),
        ("sleeve-tests::memory::effnet", &[Python]),
        ("sleeve-cli::cli::extract::parquet", &[Python]),
        ("sleeve-cli::cli::ffmpeg", &[Programs]),
        ("sleeve-cli::cli::signals", &[Programs]),
        ("sleeve-cli::cli::similar_map::a_person", &[Browser]),
        ("sleeve-tests::c_abi::packages", &[CargoC, Programs]),
        ("sleeve-tests::c_abi::packages::juce", &[Juce]),
        ("sleeve-tests::c_abi::packages::torchscript", &[Libtorch, Python]),
        ("sleeve-tests::c_abi::programs", &[Python]),
        ("sleeve-tests::c_abi::recipes::built", &[CargoC, Conan, Network, Programs]),
        ("sleeve-tests::c_abi::record", &[Programs]),
        ("sleeve-tests::c_abi::release", &[Network, Programs]),
        ("sleeve-tests::c_abi::windows", &[Python, Windows]),
        ("sleeve-tests::c_abi::zoo", &[Python]),
        (
            "sleeve-tests::essentia",
            &[EssentiaLibrary, EssentiaTensorflow, Keras, Libtorch, Network, Programs, Python],
        ),
        ("sleeve-tests::python", &[PythonPackage]),
        ("sleeve-tests::python::cluster", &[Cluster]),
        ("sleeve-tests::python::cluster::pytorch", &[Libtorch]),
        ("sleeve-tests::torch", &[Libtorch, Python]),
        ("sleeve-tests::wasm", &[Wasm]),
        ("sleeve-tests::wasm::browser", &[Browser]),
        ("sleeve-tests::wasm::node::types", &[Typescript]),
        ("sleeve-tests::wasm::release", &[Browser, WasmRelease]),
        ("sleeve-torch", &[Libtorch]),
        ("sleeve-training::tests::model::export", &[Python]),
        ("sleeve-training::tests::model::runlog", &[Python]),
        ("sleeve-training::tests::pipeline::end_to_end::a_module", &[Network]),
        ("sleeve-training::tests::pipeline::end_to_end::a_table", &[Network]),
        ("sleeve-training::tests::pipeline::end_to_end::from_packages", &[Network]),
        ("sleeve-training::tests::pipeline::end_to_end::the_guide_works", &[Network]),
        ("sleeve-training::tests::pipeline::features", &[Python]),
        ("sleeve-training::torch", &[Libtorch]),
        ("sleeve-training::torch::learning", &[Network]),
    ]
};

/// The tests that take more than ten seconds of a core, by the beginning of their names. `--quick` leaves them out.
const LONG: &[&str] = &[
    "sleeve::similarity::tests::hostile::hostile_files",
    "sleeve-cli::cli::extract::an_interrupted_run",
    "sleeve-tests::library::extractor::batch::every_recording",
    "sleeve-tests::library::extractor::files::mean_tags",
    "sleeve-tests::library::stream::loom_queue::events_keep",
    "sleeve-tests::library::stream::rows::a_stream_gives",
    "sleeve-tests::memory::batch::ten_hours",
    "sleeve-tests::torch::families::every_family",
    "sleeve-training::tests::model::export::a_classifier",
    "sleeve-training::tests::model::export::eight_bits",
    "sleeve-training::tests::model::export::every_runtime",
    "sleeve-training::tests::model::export::weights_that",
    "sleeve-training::tests::pipeline::synthetic",
];

/// The tests that only `--all` and filters run, by program and the beginnings of their names: what they need is too large
/// to fetch for every change, or they compute for minutes what shorter tests of the same code show in one case.
pub const LARGE: &[(&str, &str)] = &[
    ("sleeve-tests::c_abi", "packages::juce"),
    ("sleeve-tests::c_abi", "recipes::built::"),
    ("sleeve-tests::c_abi", "release::"),
    ("sleeve-tests::c_abi", "windows::"),
    ("sleeve-tests::python", "cluster::"),
    ("sleeve-tests::python", "release::"),
    ("sleeve-tests::wasm", "release::"),
    ("sleeve-training::torch", "learning::every_other_objective"),
];

/// Whether a test is among [`LARGE`].
pub fn is_large(program: &str, test: &str) -> bool {
    LARGE.iter().any(|(id, start)| *id == program && test.starts_with(start))
}

/// Whether a test of a program takes long.
pub fn is_long(program: &str, test: &str) -> bool {
    let whole = format!("{program}::{test}");
    LONG.iter().any(|start| whole.starts_with(start))
}

/// What a test of a program needs.
pub fn of<'a>(program: &'a str, test: &'a str) -> impl Iterator<Item = Peer> + 'a {
    let whole = format!("{program}::{test}");
    NEEDS.iter().filter(move |(start, _)| whole.starts_with(start)).flat_map(|(_, peers)| *peers).copied()
}

impl Peer {
    /// Whether the tests that use it still check something without it.
    pub fn is_optional(self) -> bool {
        matches!(self, Peer::Programs | Peer::Python)
    }

    /// Prepares it. Returns a folder to add to the PATH, if there is one.
    fn prepare(self) -> Result<Option<PathBuf>> {
        match self {
            Peer::Programs => return peers::programs(),
            Peer::Browser => return peers::browser(),
            Peer::Wasm => return wasm::for_tests(),
            Peer::WasmRelease => wasm::release()?,
            Peer::Typescript => wasm::typescript()?,
            Peer::Windows => targets::windows_for_tests()?,
            Peer::Python => peers::python()?,
            Peer::Keras => peers::keras()?,
            Peer::EssentiaLibrary => essentia::library()?,
            Peer::EssentiaTensorflow => essentia::tensorflow()?,
            Peer::CargoC => peers::cargo_c()?,
            Peer::Conan => peers::conan()?,
            Peer::Juce => peers::juce()?,
            Peer::PythonPackage => peers::python_package()?,
            Peer::Cluster => peers::cluster()?,
            // libtorch is prepared before compiling, and tests fetch their packages themselves.
            Peer::Libtorch | Peer::Network => {}
        }
        Ok(None)
    }

    /// Its description, what to do if it cannot be fetched, and what tests print that are skipped because of it.
    fn words(self) -> (&'static str, &'static str, &'static [&'static str]) {
        match self {
            Peer::Programs => (
                "Debian's audio tools, CMake and libabigail",
                "apt-get install ffmpeg vorbis-tools opus-tools cmake abigail-tools",
                &["no ffmpeg", "no oggenc", "no opusenc", "no cmake", "no abidw"],
            ),
            Peer::Python => (
                "the peers' Python packages",
                "apt-get install python3 python3-venv, and a network",
                &["no peers", "no Python peers", "no Essentia in", "onnxruntime is not"],
            ),
            Peer::Keras => (
                "Keras and tf2onnx",
                "apt-get install python3-venv, and a network",
                &["no Keras", "or no Keras"],
            ),
            Peer::EssentiaLibrary => (
                "Essentia's C++ library",
                "apt-get install g++ pkg-config python3-venv, and a network",
                &["no C++ Essentia"],
            ),
            Peer::EssentiaTensorflow => (
                "essentia-tensorflow",
                "apt-get install python3-venv, and a network",
                &["no essentia-tensorflow"],
            ),
            Peer::CargoC => ("cargo-c", "a network", &["no cargo-c"]),
            Peer::Conan => ("Conan", "apt-get install python3-venv, and a network", &["no Conan"]),
            Peer::Juce => ("JUCE", "a Debian archive", &["no JUCE"]),
            Peer::Libtorch => ("libtorch", "cargo xtask libtorch", &["no libtorch"]),
            Peer::PythonPackage => (
                "the Python package's environment",
                "apt-get install python3 python3-venv, and a network",
                &["no Python environment"],
            ),
            Peer::Cluster => (
                "Ray, Spark and PyTorch",
                "apt-get install python3 python3-venv, and a network",
                &["no Python environment with"],
            ),
            Peer::Browser => (
                "Chromium and Playwright",
                "apt-get install chromium python3 python3-venv, and a network",
                &["no browser"],
            ),
            Peer::Wasm => (
                "the WebAssembly module",
                "rustup target add wasm32-unknown-unknown, or a Debian archive; apt-get install nodejs",
                &["no WebAssembly module"],
            ),
            Peer::WasmRelease => (
                "the WebAssembly package for release",
                "rustup target add wasm32-unknown-unknown, or a Debian archive",
                &["no WebAssembly package"],
            ),
            Peer::Typescript => ("the TypeScript compiler", "npm, and a network", &["no TypeScript"]),
            Peer::Windows => (
                "the library for Windows, and Wine",
                "a Debian archive, and a network",
                &["no library for Windows"],
            ),
            Peer::Network => ("packages that tests fetch", "a network", &[]),
        }
    }
}

/// Peers that are being prepared, each in its own thread, because most of the time is spent waiting for a network.
pub struct Preparation<'scope> {
    started: Vec<(Peer, ScopedJoinHandle<'scope, Result<Option<PathBuf>>>)>,
}

/// The environment for tests.
pub struct Prepared {
    /// The PATH.
    pub path: OsString,
    /// What tests print that are skipped because their peer is no longer in its archive.
    pub gone: Vec<&'static str>,
}

/// Starts to prepare the peers.
pub fn start<'scope>(scope: &'scope Scope<'scope, '_>, wanted: &BTreeSet<Peer>) -> Preparation<'scope> {
    let started = wanted.iter().map(|&peer| (peer, scope.spawn(move || peer.prepare()))).collect();
    Preparation { started }
}

impl Preparation<'_> {
    /// Waits for all. A missing peer means a warning and skipped tests. With SLEEVE_TEST_ALL it is an error, unless its
    /// archive no longer has the package: this repository cannot prevent that.
    pub fn finish(self) -> Result<Prepared> {
        let (mut folders, mut gone) = (Vec::new(), Vec::new());
        for (peer, thread) in self.started {
            let (what, remedy, skips) = peer.words();
            match thread.join().expect("preparing a peer does not panic") {
                Ok(folder) => folders.extend(folder),
                Err(error) => {
                    let is_gone = is_gone(&format!("{error:#}"));
                    if !tests_may_skip() && !is_gone {
                        bail!("{what}: {error:#}");
                    }
                    let why = if is_gone { "is no longer in its archive" } else { "could not be fetched" };
                    eprintln!("warning: {what} {why}: {error:#}");
                    eprintln!("         the tests that need it will be skipped; to get it: {remedy}");
                    if is_gone {
                        gone.extend(skips);
                    }
                }
            }
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        folders.extend(std::env::split_paths(&path));
        Ok(Prepared { path: std::env::join_paths(folders)?, gone })
    }
}

/// Prepares peers and waits for them. Returns the PATH to run with.
pub fn ensure(wanted: &[Peer]) -> Result<OsString> {
    std::thread::scope(|scope| {
        start(scope, &wanted.iter().copied().collect()).finish().map(|prepared| prepared.path)
    })
}

/// Prepares everything that tests need, except libtorch, which has its own command.
pub fn prepare_all() -> Result<()> {
    let all: Vec<Peer> = NEEDS.iter().flat_map(|(_, peers)| *peers).copied().collect();
    let all: Vec<Peer> = all.into_iter().filter(|&peer| peer != Peer::Cluster).collect();
    ensure(&all).map(drop)
}

/// Whether pip, cargo or apt reports that the archive can be reached but does not have the package.
pub fn is_gone(error: &str) -> bool {
    let pip = error.contains("No matching distribution found") && !error.contains("(from versions: none)");
    pip || error.contains("in registry `crates-io` with version")
        || error.contains("E: Unable to locate package")
        || error.contains("npm error code ETARGET")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_are_those_of_all_beginnings_that_fit() {
        let needs = |program, test| of(program, test).collect::<BTreeSet<Peer>>();
        let library = "sleeve-tests::library";
        assert_eq!(needs(library, "audio::streams::any"), BTreeSet::new());
        assert_eq!(needs(library, "engine::effnet::nan"), BTreeSet::from([Peer::Python]));
        assert_eq!(needs(library, "engine::effnet::keras_as"), BTreeSet::from([Peer::Python, Peer::Keras]));
        assert_eq!(needs("sleeve-torch", "network::tests::any"), BTreeSet::from([Peer::Libtorch]));
    }

    #[test]
    fn every_line_of_the_tables_is_of_some_test() {
        let programs = crate::test::found::programs().unwrap();
        for start in NEEDS.iter().map(|(start, _)| start).chain(LONG) {
            let fits = |id: &str, test: &str| format!("{id}::{test}").starts_with(start);
            let mut tests =
                programs.iter().flat_map(|program| program.tests.iter().map(move |test| (program, test)));
            assert!(
                tests.any(|(program, test)| fits(&program.id, &test.name)),
                "no test begins with {start}"
            );
        }
        for (id, start) in LARGE {
            let fits = |program: &crate::test::found::Program| {
                program.id == *id && program.tests.iter().any(|test| test.name.starts_with(start))
            };
            assert!(programs.iter().any(fits), "no test of {id} begins with {start}");
        }
    }

    #[test]
    fn an_archive_that_cannot_be_reached_has_lost_nothing() {
        let unreachable = "Could not find a version that satisfies x==1 (from versions: none)\n\
                           ERROR: No matching distribution found for x==1";
        assert!(!is_gone(unreachable));
        assert!(is_gone(&unreachable.replace("none", "2, 3")));
    }
}

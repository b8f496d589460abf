//! Which tests are run beside which peers, and how each peer comes here.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::thread::{Scope, ScopedJoinHandle};

use anyhow::{Result, bail};

use crate::run::tests_may_skip;
use crate::{essentia, peers};

/// What tests are run beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// libtorch and the packages that are built with it.
    Libtorch,
    /// Debian's audio tools, CMake and libabigail.
    Programs,
    /// The Python packages of `tests/peers/requirements.txt`, Essentia's own and onnxruntime among them.
    Python,
    /// TensorFlow with Keras and tf2onnx.
    Keras,
    /// Essentia's C++ library, compiled from its source.
    EssentiaLibrary,
    /// Essentia's Python package with TensorFlow in it.
    EssentiaTensorflow,
    /// cargo-c, compiled from its source.
    CargoC,
    /// Packages that the test itself fetches.
    Network,
}

/// The tests that need a peer, by how their names begin; to the left of the first `::` but one is what nextest calls
/// the program. A test that needs nothing is not here; one that lacks its peer says that it is skipped.
const NEEDS: &[(&str, &[Peer])] = {
    use Peer::*;
    &[
        ("sleeve-tests::library::audio::bad_input", &[Programs]),
        ("sleeve-tests::library::audio::formats", &[Programs]),
        ("sleeve-tests::library::audio::parity", &[Programs, Python]),
        ("sleeve-tests::library::engine::effnet", &[Python]),
        ("sleeve-tests::library::engine::effnet::keras", &[Keras]),
        ("sleeve-tests::library::extractor::batch", &[Python]),
        ("sleeve-tests::library::extractor::npy", &[Python]),
        ("sleeve-tests::library::extractor::patches", &[Python]),
        ("sleeve-tests::library::mel::parity", &[Python]),
        ("sleeve-tests::library::model::outputs", &[Python]),
        ("sleeve-tests::library::packages::crates", &[Network]),
        ("sleeve-tests::library::stream::rows", &[Python]),
        ("sleeve-tests::memory::effnet", &[Python]),
        ("sleeve-cli::cli::extract::parquet", &[Python]),
        ("sleeve-tests::c_abi::packages", &[CargoC, Programs]),
        ("sleeve-tests::c_abi::packages::torchscript", &[Libtorch, Python]),
        ("sleeve-tests::c_abi::programs", &[Python]),
        ("sleeve-tests::c_abi::record", &[Programs]),
        (
            "sleeve-tests::essentia",
            &[EssentiaLibrary, EssentiaTensorflow, Keras, Libtorch, Network, Programs, Python],
        ),
        ("sleeve-tests::torch", &[Libtorch, Python]),
        ("sleeve-torch", &[Libtorch]),
        ("sleeve-training::tests::model::export", &[Python]),
        ("sleeve-training::tests::model::runlog", &[Python]),
        ("sleeve-training::tests::pipeline::end_to_end::a_module", &[Network]),
        ("sleeve-training::tests::pipeline::end_to_end::from_packages", &[Network]),
        ("sleeve-training::tests::pipeline::features", &[Python]),
        ("sleeve-training::torch", &[Libtorch]),
        ("sleeve-training::torch::learning", &[Network]),
    ]
};

/// What the test of a program needs.
pub fn of<'a>(program: &'a str, test: &'a str) -> impl Iterator<Item = Peer> + 'a {
    let whole = format!("{program}::{test}");
    NEEDS.iter().filter(move |(start, _)| whole.starts_with(start)).flat_map(|(_, peers)| *peers).copied()
}

impl Peer {
    /// Whether the tests beside it do something by themselves where it is not there.
    pub fn is_optional(self) -> bool {
        matches!(self, Peer::Programs | Peer::Python)
    }

    /// Makes it be there; what programs must be added to the PATH is in the folder returned.
    fn prepare(self) -> Result<Option<PathBuf>> {
        match self {
            Peer::Programs => return peers::programs(),
            Peer::Python => peers::python()?,
            Peer::Keras => peers::keras()?,
            Peer::EssentiaLibrary => essentia::library()?,
            Peer::EssentiaTensorflow => essentia::tensorflow()?,
            Peer::CargoC => peers::cargo_c()?,
            // Whoever compiles with it prepares it, and tests fetch their packages themselves.
            Peer::Libtorch | Peer::Network => {}
        }
        Ok(None)
    }

    /// What it is, what to do where it cannot be fetched, and what the tests say that are skipped for it.
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
            Peer::Libtorch => ("libtorch", "cargo xtask libtorch", &["no libtorch"]),
            Peer::Network => ("packages that tests fetch", "a network", &[]),
        }
    }
}

/// Peers being fetched or made, each in a thread of its own: most of it is waiting for a network.
pub struct Preparation<'scope> {
    started: Vec<(Peer, ScopedJoinHandle<'scope, Result<Option<PathBuf>>>)>,
}

/// What tests are run with.
pub struct Prepared {
    /// The PATH.
    pub path: OsString,
    /// What tests say that are skipped for want of a peer that its archive no longer has.
    pub gone: Vec<&'static str>,
}

/// Begins to prepare the peers.
pub fn start<'scope>(scope: &'scope Scope<'scope, '_>, wanted: &BTreeSet<Peer>) -> Preparation<'scope> {
    let started = wanted.iter().map(|&peer| (peer, scope.spawn(move || peer.prepare()))).collect();
    Preparation { started }
}

impl Preparation<'_> {
    /// Waits for all. On a user's machine a missing peer means skipped tests, said aloud; under SLEEVE_TEST_ALL it is an
    /// error, but for a package that its archive has no more: nobody here could have kept it.
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
                    eprintln!("         the tests that need it will be skipped; to have it: {remedy}");
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

/// Prepares peers and waits for them; returns the PATH to run with.
pub fn ensure(wanted: &[Peer]) -> Result<OsString> {
    std::thread::scope(|scope| {
        start(scope, &wanted.iter().copied().collect()).finish().map(|prepared| prepared.path)
    })
}

/// Prepares whatever a test needs but libtorch, which has a command of its own.
pub fn prepare_all() -> Result<()> {
    let all: Vec<Peer> = NEEDS.iter().flat_map(|(_, peers)| *peers).copied().collect();
    ensure(&all).map(drop)
}

/// Whether pip, cargo or apt says that the archive answers, and has not what it is asked for.
fn is_gone(error: &str) -> bool {
    let pip = error.contains("No matching distribution found") && !error.contains("(from versions: none)");
    pip || error.contains("in registry `crates-io` with version")
        || error.contains("E: Unable to locate package")
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
    fn every_line_of_the_table_is_of_some_test() {
        let programs = crate::test::found::programs().unwrap();
        for (start, _) in NEEDS {
            let fits = |id: &str, test: &str| format!("{id}::{test}").starts_with(start);
            let mut tests =
                programs.iter().flat_map(|program| program.tests.iter().map(move |test| (program, test)));
            assert!(
                tests.any(|(program, test)| fits(&program.id, &test.name)),
                "no test begins with {start}"
            );
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

//! Helpers of the integration tests: paths of fixtures, calls of peers, skipping.

pub mod audio;
pub mod effnet;
pub mod native;
pub mod once;
pub mod plain_front_end;
pub mod rows;
pub mod small_model;
pub mod streams;
pub mod zoo;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use once::once_a_run;

/// The repository's root.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository").to_owned()
}

/// A file under `tests/data/`.
pub fn data(name: &str) -> PathBuf {
    repository().join("tests/data").join(name)
}

/// A recording under `examples/audio/`.
pub fn recording(name: &str) -> PathBuf {
    repository().join("examples/audio").join(name)
}

/// The peers' Python, created by `cargo xtask peers`; `None` if it does not exist or with `SLEEVE_TEST_PEERS=0`.
pub fn python() -> Option<PathBuf> {
    let python = repository().join("target/peers/bin/python");
    let wanted = std::env::var_os("SLEEVE_TEST_PEERS").is_none_or(|value| value != "0");
    (wanted && python.exists()).then_some(python)
}

/// A command that runs `tests/peers/<script>` with the peers' Python.
pub fn peer(script: &str) -> Option<Command> {
    let mut command = Command::new(python()?);
    command.arg(repository().join("tests/peers").join(script));
    Some(command)
}

/// The program `sleeve`, built in the profile of the tests.
pub fn program() -> PathBuf {
    build_workspace(&["--bin", "sleeve"]);
    profile().join("sleeve")
}

/// Cargo's output folder for the profile of the tests.
pub fn profile() -> PathBuf {
    let test = std::env::current_exe().expect("the test knows its own path");
    test.ancestors().nth(2).expect("tests are in target/<profile>/deps").to_owned()
}

/// Builds parts of the workspace, once: `--lib`, `--bin sleeve`. After `cargo test --workspace` they are up to date;
/// this is for `cargo test -p sleeve-tests`.
pub fn build_workspace(what: &[&str]) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // The same packages as `cargo test --workspace` builds, so that features and thus artefacts agree.
    command.current_dir(repository()).args(["build", "--quiet", "--workspace"]).args(what);
    if !has_libtorch() {
        command.args(["--exclude", "sleeve-torch"]);
    }
    // Set by `cargo xtask test`, which builds what needs libtorch if there is one.
    if let Some(features) = std::env::var_os("SLEEVE_TEST_FEATURES") {
        command.arg("--features").arg(features);
    }
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    once_a_run(&format!("build{}", what.concat()), || drop(output_of(&mut command)));
}

/// Whether the crates that need libtorch can be built: `cargo xtask libtorch` prepares it.
pub fn has_libtorch() -> bool {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    folder("LIBTORCH_USE_PYTORCH").is_some()
        || folder("LIBTORCH_LIB")
            .or_else(|| folder("LIBTORCH"))
            .is_some_and(|root| root.join("lib/libtorch_cpu.so").exists())
}

/// The libtorch plugin, built in the profile of the tests, or `None` without libtorch. It is where the test programs
/// search for it.
pub fn torch_engine() -> Option<PathBuf> {
    if !has_libtorch() {
        return None;
    }
    build_workspace(&["--example", "devices"]);
    let test = std::env::current_exe().expect("the test knows its own path");
    let plugin = test.with_file_name("libsleeve_torch.so");
    assert!(plugin.exists(), "{} was not built", plugin.display());
    Some(plugin)
}

/// Whether a program is on the path.
pub fn have(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// Runs a command and returns its standard output; panics with its standard error if it fails.
pub fn output_of(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed with {}:\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// Records that a test could not run. With `SLEEVE_TEST_ALL=1` this fails the test, unless the reason is a missing CUDA
/// device or CPU feature, or a peer that its archive no longer has. Use it through [`skip!`].
pub fn record_skip(test: &str, reason: &str) {
    // Parts of further reasons that `cargo xtask test` allows.
    let gone = std::env::var("SLEEVE_TEST_GONE").unwrap_or_default();
    let is_gone = gone.split('|').any(|part| !part.is_empty() && reason.contains(part));
    let allowed = reason == "no CUDA device" || reason.starts_with("CPU lacks ") || is_gone;
    let strict = std::env::var_os("SLEEVE_TEST_ALL").is_some_and(|value| value == "1");
    assert!(allowed || !strict, "skipped under SLEEVE_TEST_ALL=1: {reason}");
    eprintln!("skipped: {reason}");
    // `cargo xtask test` sets this variable and lists the file's content.
    if let Some(path) = std::env::var_os("SLEEVE_TEST_SKIPS") {
        let line = format!("{test}: {reason}\n");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the list of skips is writable");
    }
}

/// Skips the test and returns from it: `skip!("no CUDA device")`.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)*) => {{
        // The thread has the name of the test, with its modules.
        let name = std::thread::current().name().unwrap_or("?").to_owned();
        let program = module_path!().split("::").next().unwrap_or_default();
        $crate::record_skip(&format!("{program}::{name}"), &format!($($reason)*));
        return;
    }};
}

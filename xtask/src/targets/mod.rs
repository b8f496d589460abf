//! The targets that Sleeve is built for. This table is the one definition of them: `cargo xtask build`, the matrix of
//! `.github/workflows/platforms.yml` and README's table of platforms come from it, and tests hold them equal.

mod build;
mod instructions;
mod macos;
mod toolchain;
mod wine;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::{Result, anyhow, bail};

use crate::run::tests_may_skip;
use crate::test::runner::Outcome;
use crate::{needs, wasm};
use toolchain::Toolchain;

pub use instructions::run as instructions;

/// What a target is, what is built for it, and how far it has been tried.
pub struct Target {
    /// Rust's name; where there is a choice, with the oldest glibc after it, as cargo-zigbuild takes it.
    pub triple: &'static str,
    pub name: &'static str,
    /// GitHub's machine of that kind, for CI.
    pub runner: Option<&'static str>,
    pub packages: &'static [Package],
    /// What builds it, if a package of its own kind comes of it.
    built_by: Option<fn() -> Result<()>>,
    pub standard_library: StandardLibrary,
    /// What the suite runs of it on a Linux machine with x86-64, beside the tests of the workspace itself.
    tests: &'static [Tests],
    pub status: Status,
}

/// One package of a target.
pub struct Package {
    pub name: &'static str,
    /// `--lib` or `--bin NAME`.
    pub part: &'static [&'static str],
    /// Its crate types.
    crate_types: &'static [&'static str],
}

/// Where the standard library of a target comes from, if the compiler at hand does not have it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum StandardLibrary {
    /// Debian has it ready-made, for its own compiler.
    Debian,
    /// From its source, which Debian has for its own compiler. It needs an unstable option: for tests and trials, not for
    /// releases.
    Source,
}

/// Tests under emulation: of a package, whose names contain one of the filters (all, if there are none).
pub struct Tests {
    pub package: &'static [&'static str],
    pub filters: &'static [&'static str],
    /// Whether only `--all` runs them.
    pub is_long: bool,
}

#[derive(Clone, Copy)]
pub enum Status {
    /// Run on such a machine, with the whole suite.
    Hardware,
    /// Built, and these tests run in an emulator.
    Emulated(&'static str),
    /// Built, and run in these programs, with their tests.
    In(&'static str),
    /// Built, and its files read; never run.
    Linked,
}

impl Status {
    fn words(self) -> String {
        match self {
            Status::Hardware => "run on hardware: the whole suite, as built for the machine itself".into(),
            Status::Emulated(how) => format!("run under emulation: {how}"),
            Status::In(programs) => format!("run in {programs}"),
            Status::Linked => "built, and its names, versions and symbols checked; **never run**".into(),
        }
    }
}

const LIBRARY: Package =
    Package { name: "sleeve-capi", part: &["--lib"], crate_types: &["shared library", "static library"] };
const PROGRAM: Package =
    Package { name: "sleeve-cli", part: &["--bin", "sleeve"], crate_types: &["program"] };
const MODULE: Package = Package { name: "sleeve-wasm", part: &["--lib"], crate_types: &["npm package"] };

pub const TARGETS: [Target; 6] = [
    Target {
        triple: "x86_64-unknown-linux-gnu.2.17",
        name: "Linux x86-64",
        runner: Some("ubuntu-24.04"),
        packages: &[LIBRARY, PROGRAM],
        built_by: None,
        standard_library: StandardLibrary::Debian,
        // The suite itself.
        tests: &[],
        status: Status::Hardware,
    },
    Target {
        triple: "aarch64-unknown-linux-gnu.2.17",
        name: "Linux aarch64",
        runner: Some("ubuntu-24.04-arm"),
        packages: &[LIBRARY, PROGRAM],
        built_by: None,
        standard_library: StandardLibrary::Debian,
        tests: &[
            Tests {
                package: &["--package", "sleeve", "--lib"],
                filters: &[
                    "float_state",
                    "silu_is_exact",
                    "products_are_those",
                    "a_nan_sample",
                    "what_is_not_finite_stays",
                    "nan_passes_every_step",
                    "every_lane_of_every_kernel",
                ],
                is_long: false,
            },
            Tests { package: &["--package", "sleeve", "--lib"], filters: &[], is_long: true },
        ],
        status: Status::Emulated(
            "unit tests of kernels and front ends, the shared library from a C program, the program (qemu-user)",
        ),
    },
    Target {
        triple: "x86_64-pc-windows-gnu",
        name: "Windows x86-64",
        runner: Some("windows-2025"),
        packages: &[LIBRARY, PROGRAM],
        built_by: None,
        standard_library: StandardLibrary::Source,
        tests: &[],
        status: Status::Emulated(
            "the C ABI's tests in C and C++, the examples, and the program beside that of Linux (Wine)",
        ),
    },
    Target {
        triple: "aarch64-apple-darwin",
        name: "macOS arm64",
        runner: Some("macos-15"),
        packages: &[LIBRARY, PROGRAM],
        built_by: None,
        standard_library: StandardLibrary::Source,
        tests: &[],
        status: Status::Linked,
    },
    Target {
        triple: "x86_64-apple-darwin",
        name: "macOS x86-64",
        runner: Some("macos-15-intel"),
        packages: &[LIBRARY, PROGRAM],
        built_by: None,
        standard_library: StandardLibrary::Source,
        tests: &[],
        status: Status::Linked,
    },
    Target {
        triple: "wasm32-unknown-unknown",
        name: "WebAssembly",
        // No machine: browsers.
        runner: None,
        packages: &[MODULE],
        built_by: Some(wasm::release),
        standard_library: StandardLibrary::Source,
        tests: &[],
        status: Status::In("Node and Chromium: `cargo xtask test wasm`"),
    },
];

impl Target {
    /// Rust's name of it.
    pub fn plain(&self) -> &'static str {
        self.triple.split('.').next().unwrap_or(self.triple)
    }

    /// By which name programs ask for the shared library, if it is not that of its file.
    pub fn run_time_name(&self) -> Option<String> {
        let abi = abi_version();
        if self.triple.contains("apple") {
            Some(format!("@rpath/libsleeve.{abi}.dylib"))
        } else if self.triple.contains("linux") {
            Some(format!("libsleeve.so.{abi}"))
        } else {
            None
        }
    }

    /// Whether it is neither the machine's own kind nor built by a command of its own.
    fn is_foreign(&self) -> bool {
        self.built_by.is_none() && !matches!(self.status, Status::Hardware)
    }

    /// The oldest glibc that its programs run with.
    fn glibc(&self) -> Option<&'static str> {
        self.triple.split_once('.').map(|(_, version)| version)
    }
}

/// The number in the library's name: the ABI version.
pub fn abi_version() -> &'static str {
    let source = include_str!("../../../bindings/c/src/version.rs");
    let line = source.lines().find_map(|line| line.strip_prefix("pub const SLEEVE_ABI_VERSION: u32 = "));
    line.and_then(|rest| rest.strip_suffix(';')).expect("bindings/c/src/version.rs has the ABI version")
}

/// `cargo xtask build [TARGET...]`: these, or every row of the table.
pub fn run(arguments: &[String]) -> Result<()> {
    let known = || TARGETS.iter().map(|target| target.plain()).collect::<Vec<_>>().join(", ");
    if arguments.iter().any(|argument| argument == "--help") {
        println!("cargo xtask build [--debug] [--test | --test-all] [TARGET...]; targets: {}", known());
        println!("--test runs the target's quick tests under emulation, --test-all all of them");
        println!("--table prints README's table and the workflow's matrix");
        return Ok(());
    }
    if arguments == ["--table"] {
        print!("{}\n{}", table(), matrix());
        return Ok(());
    }
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let mut wanted = Vec::new();
    for name in arguments.iter().filter(|argument| !argument.starts_with("--")) {
        match TARGETS.iter().find(|target| target.plain() == name || target.triple == name) {
            Some(target) => wanted.push(target),
            None => bail!("unknown target `{name}`; known: {}", known()),
        }
    }
    if wanted.is_empty() {
        wanted.extend(&TARGETS);
    }
    let mut failed = Vec::new();
    for target in wanted {
        let outcome = if has("--test") || has("--test-all") {
            if target.tests.is_empty() {
                Err(anyhow!("no tests are run for it by this command"))
            } else {
                Toolchain::of(target).and_then(|toolchain| build::test(target, &toolchain, has("--test-all")))
            }
        } else {
            build::build(target, has("--debug"))
        };
        match outcome {
            Ok(()) => println!("{}: {}", target.triple, target.status.words()),
            Err(error) => {
                eprintln!("{}: {error:#}", target.triple);
                failed.push(target.triple);
            }
        }
    }
    if !failed.is_empty() {
        bail!("not built: {}", failed.join(", "));
    }
    Ok(())
}

/// What the tests of `tests/c_abi/windows.rs` run: the library and the program for Windows, not optimised, and Wine.
pub fn windows_for_tests() -> Result<()> {
    let windows = TARGETS.iter().find(|target| target.plain().ends_with("windows-gnu"));
    let windows = windows.expect("Windows is in the table");
    build::build(windows, true)?;
    Toolchain::of(windows)?.cargo("test").map(drop)
}

/// The tests of other targets, clippy for them, and the build of those that cannot be run here. Counts one for each target;
/// one whose toolchain cannot be had is a skip, which is written to a file. Windows' tests are those of
/// `tests/c_abi/windows.rs`; WebAssembly has a test program of its own.
pub fn suite(skips: &Path) -> Result<Outcome> {
    let mut outcome = Outcome { is_success: true, ..Outcome::default() };
    for target in TARGETS.iter().filter(|target| target.is_foreign()) {
        let toolchain = match Toolchain::of(target) {
            Ok(toolchain) => toolchain,
            Err(error) => {
                let why = format!("{error:#}");
                if !tests_may_skip() && !needs::is_gone(&why) {
                    return Err(error);
                }
                eprintln!("warning: the tests of {} are skipped: {why}", target.triple);
                let mut file = OpenOptions::new().create(true).append(true).open(skips)?;
                let reason = why.lines().last().unwrap_or_default();
                writeln!(file, "xtask::targets::{}: {reason}", target.plain())?;
                outcome.passed += 1;
                continue;
            }
        };
        let run = build::test(target, &toolchain, false)
            .and_then(|()| build::lint(target, &toolchain))
            .and_then(|()| build::test(target, &toolchain, true))
            .and_then(|()| match target.status {
                Status::Linked => build::build(target, true),
                _ => Ok(()),
            });
        match run {
            Ok(()) => outcome.passed += 1,
            Err(error) => {
                outcome.failed += 1;
                outcome.failures.push(format!("xtask::targets::{}: {error:#}", target.plain()));
            }
        }
    }
    Ok(outcome)
}

/// README's table.
fn table() -> String {
    let mut text = String::from("| platform | target | what is built | tried |\n|---|---|---|---|\n");
    for target in &TARGETS {
        let built: Vec<String> =
            target.packages.iter().flat_map(|package| package.crate_types).map(|&kind| kind.into()).collect();
        let glibc = target.glibc().map_or(String::new(), |version| format!(", glibc {version} or newer"));
        let (name, triple, status) = (target.name, target.plain(), target.status.words());
        text += &format!("| {name}{glibc} | `{triple}` | {} | {status} |\n", built.join(", "));
    }
    text
}

/// The matrix of the workflow.
fn matrix() -> String {
    let mut text = String::new();
    for target in &TARGETS {
        if let Some(runner) = target.runner {
            text += &format!("          - name: {}\n            runner: {runner}\n", target.name);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::repository;

    #[test]
    fn the_readme_has_this_table() {
        let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
        let found: String = readme
            .lines()
            .skip_while(|line| !line.starts_with("| platform |"))
            .take_while(|line| line.starts_with('|'))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(found, table(), "README.md should have:\n{}", table());
    }

    #[test]
    fn the_workflow_has_this_matrix() {
        let path = repository().join(".github/workflows/platforms.yml");
        let workflow = std::fs::read_to_string(path).unwrap();
        let found: String = workflow
            .lines()
            .skip_while(|line| line.trim() != "include:")
            .skip(1)
            .take_while(|line| line.starts_with("          "))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(found, matrix(), "platforms.yml should have:\n{}", matrix());
    }
}

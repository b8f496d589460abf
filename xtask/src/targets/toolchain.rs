//! Compilers, standard libraries, a linker and an emulator for other targets, by package name, under `target/`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{StandardLibrary, Target, macos, wine};
use crate::run::{cargo, repository, target};
use crate::rust_src::has_target;
use crate::{debian, peers};

/// Debian's compiler for web browsers, which it keeps recent in every release, and the emulator. They are of one
/// version, so that the libraries of other targets and their source fit the compiler.
const PROGRAMS: [&str; 4] = ["rustc-web", "rust-web-src", "rust-web-clippy", "qemu-user"];
/// What is linked to, and what the emulator loads.
const FOREIGN: [&str; 3] = ["libstd-rust-web-dev:arm64", "libc6:arm64", "libgcc-s1:arm64"];

/// What cargo needs to build for a target.
pub struct Toolchain {
    /// The folder of `zig` and `cargo-zigbuild`.
    zig: PathBuf,
    /// Debian's packages, if the compiler at hand lacks the target.
    debian: Option<PathBuf>,
    /// Whether the standard library is built from its source.
    is_std_built: bool,
    plain: &'static str,
}

impl Toolchain {
    pub fn of(wanted: &Target) -> Result<Self> {
        let requirements = repository().join("xtask/requirements-zig.txt");
        let python = peers::environment("zig", &requirements)?;
        let zig = python.parent().context("an environment has a folder of programs")?.to_owned();
        let has_target = has_target(wanted.plain())?;
        let debian = if has_target { None } else { Some(packages()?) };
        let is_std_built = wanted.standard_library == StandardLibrary::Source && !has_target;
        if wanted.plain().ends_with("windows-gnu") && debian.is_some() {
            without_stack_protector(&zig)?;
        }
        Ok(Self { zig, debian, is_std_built, plain: wanted.plain() })
    }

    /// `cargo zigbuild`, or with another subcommand.
    pub fn cargo(&self, subcommand: &str) -> Result<Command> {
        let mut command = if subcommand == "clippy" {
            let mut command = cargo();
            command.arg("clippy");
            command
        } else {
            let mut command = Command::new(self.zig.join("cargo-zigbuild"));
            command.arg(subcommand).current_dir(repository());
            command
        };
        let mut path = vec![self.zig.clone()];
        if let Some(root) = &self.debian {
            path.insert(0, root.join("usr/bin"));
            let architecture = std::env::consts::ARCH;
            command.env("RUSTC", root.join("usr/bin/rustc"));
            command.env("LD_LIBRARY_PATH", root.join(format!("usr/lib/{architecture}-linux-gnu")));
            if self.plain.ends_with("apple-darwin") {
                path.insert(0, macos::strip()?);
            }
        }
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        command.env("PATH", std::env::join_paths(path)?);
        let cache = target().join("zig-cache");
        command.env("CARGO_ZIGBUILD_CACHE_DIR", &cache).env("ZIG_GLOBAL_CACHE_DIR", &cache);
        // The oldest system with libraries for both architectures.
        command.env("MACOSX_DEPLOYMENT_TARGET", macos::OLDEST);
        // A build needs none.
        if subcommand == "test"
            && let Some(runner) = self.runner()?
        {
            command.env(variable(self.plain, "RUNNER"), runner);
        }
        if self.is_std_built {
            command.env("RUSTC_BOOTSTRAP", "1");
            command.env("__CARGO_TESTS_ONLY_SRC_ROOT", self.library()?);
            command.arg("-Zbuild-std=std,panic_unwind");
        }
        Ok(command)
    }

    /// How a program of the target is run here: Windows' by Wine; others by the emulator, with all that it can emulate, on
    /// Debian's libraries. Where the compiler at hand has the target, that is the machine's affair.
    fn runner(&self) -> Result<Option<OsString>> {
        let Some(root) = &self.debian else { return Ok(None) };
        if self.plain.ends_with("windows-gnu") {
            return wine::ready(&self.zig).map(|script| Some(script.into_os_string()));
        }
        let Some(architecture) = self.plain.split('-').next().filter(|_| self.plain.contains("linux")) else {
            return Ok(None);
        };
        let mut words = root.join("usr/bin").join(format!("qemu-{architecture}")).into_os_string();
        words.push(" -cpu max -L ");
        words.push(root);
        Ok(Some(words))
    }

    /// The source of the standard library.
    fn library(&self) -> Result<PathBuf> {
        let root = self.debian.as_ref().context("a compiler with the target needs no source")?;
        for entry in std::fs::read_dir(root.join("usr/src"))? {
            let library = entry?.path().join("library");
            if library.join("std/Cargo.toml").is_file() {
                return Ok(library);
            }
        }
        bail!("rust-web-src has no library")
    }
}

/// Debian's compiler links Windows programs with GCC's libraries of a stack protector. Zig has none, and nothing asks for
/// their functions: it gets two that are empty.
fn without_stack_protector(zig: &Path) -> Result<()> {
    for python in std::fs::read_dir(zig.with_file_name("lib"))? {
        let definitions = python?.path().join("site-packages/ziglang/lib/libc/mingw/lib-common");
        for name in ["ssp", "ssp_nonshared"].iter().filter(|_| definitions.is_dir()) {
            let text = format!("LIBRARY \"{name}.dll\"\nEXPORTS\n");
            std::fs::write(definitions.join(format!("{name}.def")), text)?;
        }
    }
    Ok(())
}

/// Cargo's variable for a target.
fn variable(triple: &str, name: &str) -> String {
    format!("CARGO_TARGET_{}_{name}", triple.replace('-', "_").to_uppercase())
}

/// Debian's packages, unpacked. Says so and fails where its archive has none of them.
pub fn packages() -> Result<PathBuf> {
    debian::foreign("cross", &PROGRAMS, "arm64", &FOREIGN)
}

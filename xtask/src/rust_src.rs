//! The source of the standard library, for targets that the toolchain has no built one of: Debian's package of it for
//! the same compiler, unpacked under `target/`. What is built with it needs `-Zbuild-std`, which a stable compiler takes
//! only with RUSTC_BOOTSTRAP: for tests and trials, not for releases.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{checked, have, output, target};

/// The suites that may have the package for a recent compiler.
const SUITES: [&str; 3] = ["trixie-backports", "sid", "forky"];
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Whether the compiler has a target's standard library, ready-made.
pub fn has_target(triple: &str) -> Result<bool> {
    let folder = output(Command::new("rustc").args(["--print", "target-libdir", "--target", triple]))?;
    Ok(fs::read_dir(folder.trim()).is_ok_and(|mut files| files.next().is_some()))
}

/// The folder `library` of the compiler's source.
pub fn library() -> Result<PathBuf> {
    let compiler = compiler()?;
    let home = target().join("rust-src");
    let library = home.join(format!("root/usr/src/rustc-{compiler}/library"));
    if library.join("std/Cargo.toml").is_file() && library.join("Cargo.lock").is_file() {
        return Ok(library);
    }
    if !have("apt-get") || !have("dpkg-deb") {
        bail!("apt-get and dpkg are not on the path");
    }
    println!("Debian's rust-src {compiler} -> target/rust-src");
    let mirror = mirror()?;
    let mut reasons = Vec::new();
    for suite in SUITES {
        match unpack(&home.join(suite), &home.join("root"), &mirror, suite, &compiler) {
            Ok(()) if library.is_dir() => return Ok(library),
            Ok(()) => reasons.push(format!("{suite}: the package has no rustc-{compiler}/library")),
            Err(error) => reasons.push(format!("{suite}: {error:#}")),
        }
    }
    // The words by which apt says the same, so that it counts as a package that its archive no longer has.
    bail!("E: Unable to locate package rust-src of rustc {compiler}: {}", reasons.join("; "))
}

/// The version of the compiler, as in `1.95.0`.
fn compiler() -> Result<String> {
    let said = output(Command::new("rustc").arg("--version"))?;
    Ok(said.split_whitespace().nth(1).context("rustc does not say its version")?.to_owned())
}

/// The mirror of Debian that the system is configured for.
fn mirror() -> Result<String> {
    let targets = ["indextargets", "--no-release-info", "--format", "$(SITE)", "Created-By: Packages"];
    let found = output(Command::new("apt-get").args(targets))?;
    let mut sites = found.lines().map(|line| line.trim_end_matches('/'));
    let mirror = sites.find(|line| line.ends_with("/debian"));
    mirror.map(str::to_owned).context("no mirror of Debian is among the system's package sources")
}

/// Unpacks a suite's package for the compiler; apt's state is in `home`.
fn unpack(home: &Path, root: &Path, mirror: &str, suite: &str, compiler: &str) -> Result<()> {
    for folder in ["state/lists/partial", "cache/archives/partial", "sources", "archives"] {
        fs::create_dir_all(home.join(folder))?;
    }
    fs::write(home.join("state/status"), "")?;
    let source =
        format!("Types: deb\nURIs: {mirror}\nSuites: {suite}\nComponents: main\nSigned-By: {KEYS}\n");
    fs::write(home.join("sources/suite.sources"), source)?;
    output(apt(home, "apt-get").arg("update")).context("apt-get update")?;
    let known = output(apt(home, "apt-cache").args(["madison", "rust-src"]))?;
    let versions = known.lines().filter_map(|line| line.split('|').nth(1).map(str::trim));
    let version = versions
        .filter(|version| version.strip_prefix(compiler).is_some_and(|rest| rest.starts_with('+')))
        .max()
        .context("no such version of rust-src")?;
    let archives = home.join("archives");
    output(apt(home, "apt-get").arg("download").arg(format!("rust-src={version}")).current_dir(&archives))?;
    for entry in fs::read_dir(&archives)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            checked(Command::new("dpkg-deb").arg("-x").arg(&path).arg(root))?;
        }
    }
    fs::remove_dir_all(home).context("removing apt's lists")
}

/// apt with its own state, and one suite as its only source.
fn apt(home: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.args(["-q", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none"]);
    for (name, value) in [
        ("Dir::State", "state"),
        ("Dir::State::status", "state/status"),
        ("Dir::Cache", "cache"),
        ("Dir::Etc::sourceparts", "sources"),
    ] {
        command.arg("-o").arg(format!("{name}={}", home.join(value).display()));
    }
    for name in ["sourcelist", "preferences", "preferencesparts"] {
        command.arg("-o").arg(format!("Dir::Etc::{name}=/dev/null"));
    }
    command.env("LC_ALL", "C");
    command
}

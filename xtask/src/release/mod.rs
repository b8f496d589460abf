//! `cargo xtask release`: the archives of a release, under `target/dist`, from what `cargo xtask build` makes.
//!
//! The same commit gives the same archives: names are sorted, owners and times are fixed, and no path of this machine is
//! in library or program.

pub mod archive;
mod licences;
pub mod source;
mod stage;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::run::{checked, output, repository, target};
use crate::targets::{TARGETS, Target};
use crate::wasm;

/// The version of the workspace, which is that of every package in it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

const HELP: &str = "\
cargo xtask release [TARGET...]

Makes the archives of a release under target/dist, and SHA256SUMS beside them: for these targets, or for this machine's.
  source            the source, as one archive
  wasm32-...        the npm package
  any other target  library, headers, program, pages and licences; `cargo xtask build --help` lists the targets

SOURCE_DATE_EPOCH is the time of all files; without it, that of the last commit.
";

/// Runs the command.
pub fn run(arguments: &[String]) -> Result<()> {
    if arguments.iter().any(|argument| argument == "--help") {
        print!("{HELP}");
        return Ok(());
    }
    let host = host()?;
    let wanted: Vec<&str> =
        if arguments.is_empty() { vec![&host] } else { arguments.iter().map(String::as_str).collect() };
    fs::create_dir_all(folder())?;
    let time = time()?;
    for name in wanted {
        let file = match name {
            "source" => source::archive(time)?,
            _ => {
                let target = TARGETS.iter().find(|target| target.plain() == name || target.triple == name);
                let target = target.with_context(|| format!("unknown target `{name}`\n\n{HELP}"))?;
                of(target, target.plain() == host, time)?
            }
        };
        println!("{}: {:.1} MB", file.display(), fs::metadata(&file)?.len() as f64 / 1e6);
    }
    let sums = sums(&folder())?;
    print!("{sums}");
    Ok(fs::write(folder().join("SHA256SUMS"), sums)?)
}

/// Where archives are.
pub fn folder() -> PathBuf {
    target().join("dist")
}

/// The archive of one target.
fn of(target: &Target, is_host: bool, time: u64) -> Result<PathBuf> {
    if target.packages.iter().any(|package| package.name == "sleeve-wasm") {
        wasm::release()?;
        let file = folder().join(format!("sleeve-music-{VERSION}.tgz"));
        // npm's name for the folder in every package.
        archive::tar_gz(&crate::run::target().join("wasm/package"), "package", time, &file)?;
        return Ok(file);
    }
    build(target)?;
    let name = format!("sleeve-{VERSION}-{}", target.plain());
    let staged = crate::run::target().join("release-stage").join(&name);
    stage::fill(target, is_host, &staged)?;
    let is_windows = target.plain().contains("windows");
    let file = folder().join(format!("{name}{}", if is_windows { ".zip" } else { ".tar.gz" }));
    if is_windows {
        archive::zip(&staged, &name, time, &file)?;
    } else {
        archive::tar_gz(&staged, &name, time, &file)?;
    }
    Ok(file)
}

/// Builds a target without symbols that nobody needs, and without this machine's
/// paths in messages.
fn build(target: &Target) -> Result<()> {
    let mut build = Command::new(std::env::current_exe()?);
    build.args(["build", target.plain()]).current_dir(repository());
    build.env("CARGO_PROFILE_RELEASE_STRIP", "symbols").env("CARGO_INCREMENTAL", "0");
    let variable = target.plain().replace('-', "_").to_uppercase();
    build.env(format!("CARGO_TARGET_{variable}_RUSTFLAGS"), without_paths(&repository())?.join(" "));
    checked(&mut build)
}

/// rustc's options that replace the folders of this machine, and that of the source. The last that fits counts.
pub fn without_paths(source: &Path) -> Result<Vec<String>> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = match home {
        Some(home) => home,
        None => Path::new(&std::env::var_os("HOME").context("HOME is not set")?).join(".cargo"),
    };
    let mut folders = vec![(home.clone(), "/cargo")];
    let mut registries: Vec<PathBuf> = fs::read_dir(home.join("registry/src"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    registries.sort();
    folders.extend(registries.into_iter().map(|registry| (registry, "/crates")));
    folders.push((source.to_owned(), "/sleeve"));
    let mut options = Vec::new();
    for (folder, name) in folders {
        let folder = folder.to_str().context("the path of cargo's home or of the repository is not UTF-8")?;
        if folder.contains(' ') {
            bail!("{folder}: cargo takes no options with spaces");
        }
        options.push(format!("--remap-path-prefix={folder}={name}"));
    }
    Ok(options)
}

/// The triple of this machine.
fn host() -> Result<String> {
    let said = output(Command::new("rustc").arg("-vV"))?;
    let host =
        said.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc does not say its host")?;
    Ok(host.to_owned())
}

/// The time of all files in archives, in seconds since 1970.
pub fn time() -> Result<u64> {
    let text = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text,
        Err(_) => output(Command::new("git").current_dir(repository()).args(["log", "-1", "--format=%ct"]))
            .context("neither SOURCE_DATE_EPOCH nor a commit says when this was made")?,
    };
    text.trim().parse().with_context(|| format!("SOURCE_DATE_EPOCH is `{}`", text.trim()))
}

/// What `sha256sum` prints for the archives of a folder.
fn sums(folder: &Path) -> Result<String> {
    let mut names: Vec<String> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    names.retain(|name| name != "SHA256SUMS" && !name.ends_with(".tmp"));
    names.sort();
    let mut text = String::new();
    for name in names {
        let digest = Sha256::digest(fs::read(folder.join(&name))?);
        let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        text += &format!("{digits}  {name}\n");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_sha256sum() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("b.zip"), "abc").unwrap();
        fs::write(folder.path().join("a.zip"), "").unwrap();
        fs::write(folder.path().join("SHA256SUMS"), "old").unwrap();
        let text = sums(folder.path()).unwrap();
        assert_eq!(
            text,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a.zip\n\
             ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  b.zip\n"
        );
    }
}

//! `cargo xtask reproduce`: whether the same source gives the same bytes, wherever it lies.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::release::{source, without_paths};
use crate::run::{cargo, checked, target};

const HELP: &str = "\
cargo xtask reproduce

Copies the source to two folders whose names differ in length too, builds the C library in each as a release is built, and
compares libsleeve.so and libsleeve.a. Two builds from nothing. What differs stays in target/reproduce.
";

/// The folders, in target/reproduce.
const FOLDERS: [&str; 2] = ["one", "another-folder/of-a-longer-name"];

/// Runs the command.
pub fn run(arguments: &[String]) -> Result<()> {
    if !arguments.is_empty() {
        print!("{HELP}");
        return Ok(());
    }
    let home = target().join("reproduce");
    let _ = fs::remove_dir_all(&home);
    let folders = FOLDERS.map(|name| home.join(name));
    for folder in &folders {
        source::copy_to(folder)?;
        build(folder)?;
    }
    let mut different = Vec::new();
    for name in libraries() {
        let [one, other] = folders.each_ref().map(|folder| folder.join("target/release").join(name));
        different.extend(compare(&one, &other, &folders[0])?.map(|how| format!("{name}: {how}")));
    }
    if !different.is_empty() {
        bail!("{}", different.join("\n"));
    }
    Ok(fs::remove_dir_all(&home)?)
}

fn libraries() -> [&'static str; 2] {
    if cfg!(target_os = "macos") {
        ["libsleeve.dylib", "libsleeve.a"]
    } else {
        ["libsleeve.so", "libsleeve.a"]
    }
}

fn build(folder: &Path) -> Result<()> {
    let mut build = cargo();
    build.args(["build", "--quiet", "--release", "--locked", "--package", "sleeve-capi"]).current_dir(folder);
    build.env("CARGO_TARGET_DIR", folder.join("target"));
    build.env("CARGO_PROFILE_RELEASE_STRIP", "symbols").env("CARGO_INCREMENTAL", "0");
    build.env("CARGO_ENCODED_RUSTFLAGS", without_paths(folder)?.join("\x1f"));
    println!("building in {}", folder.display());
    checked(&mut build)
}

/// Prints the digest of files that are the same; otherwise returns how they differ.
fn compare(one: &PathBuf, other: &PathBuf, folder: &Path) -> Result<Option<String>> {
    let read = |path: &PathBuf| fs::read(path).with_context(|| path.display().to_string());
    let (a, b) = (read(one)?, read(other)?);
    let name = one.file_name().unwrap_or_default().to_string_lossy();
    if a == b {
        let digits: String = Sha256::digest(&a).iter().map(|byte| format!("{byte:02x}")).collect();
        println!("{name}: the same {} bytes, SHA-256 {digits}", a.len());
        return Ok(None);
    }
    Ok(Some(difference(&a, &b, folder.to_string_lossy().as_bytes())))
}

/// How two files differ, and whether the first has the name of its folder in it, which is the usual reason.
fn difference(a: &[u8], b: &[u8], folder: &[u8]) -> String {
    let first = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
    let count = a.iter().zip(b).filter(|(a, b)| a != b).count() + a.len().abs_diff(b.len());
    let named = a.windows(folder.len().max(1)).filter(|window| *window == folder).count();
    format!(
        "{} and {} bytes, {count} differ, the first at {first}; it names its folder {named} times",
        a.len(),
        b.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_said() {
        let said = difference(b"abc /here/x", b"abd /there/x", b"/here");
        assert_eq!(said, "11 and 12 bytes, 8 differ, the first at 2; it names its folder 1 times");
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
        fs::write(&one, "abc").unwrap();
        fs::write(&other, "abc").unwrap();
        assert_eq!(compare(&one, &other, folder.path()).unwrap(), None);
        fs::write(&other, "ab").unwrap();
        assert!(compare(&one, &other, folder.path()).unwrap().unwrap().contains("1 differ, the first at 2"));
    }
}

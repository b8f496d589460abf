//! The WebAssembly module, the npm package around it, and the folder of the example page: under `target/wasm/`.
//!
//! A toolchain with the target builds the module as it is. One without it builds the standard library from Debian's
//! package of its source (`rust_src`), which is good for tests and trials.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{cargo, checked, have, output, repository, target};
use crate::{debian, rust_src};

const TARGET: &str = "wasm32-unknown-unknown";
/// What a page fetches at most, compressed, with the bundled model.
const MAX_COMPRESSED: u64 = 4_000_000;
/// A peer of the benchmark, and the compiler that checks the types.
const ONNXRUNTIME_WEB: &str = "onnxruntime-web@1.30.0";
const TYPESCRIPT: &str = "typescript@5.9.3";

/// The variants of the module: the package's file, and the target features.
const VARIANTS: [(&str, &str); 2] =
    [("sleeve.wasm", "+simd128"), ("sleeve-relaxed.wasm", "+simd128,+relaxed-simd")];

/// Builds the package for release in `target/wasm/package`, and the page with it in `target/wasm/page`.
pub fn run(arguments: &[String]) -> Result<()> {
    if let Some(unknown) = arguments.first() {
        bail!("unknown option `{unknown}`: cargo xtask wasm takes none");
    }
    release()?;
    println!("target/wasm/package is the package, target/wasm/page a folder of static files for any server");
    Ok(())
}

/// The package for release, and the page with it.
pub fn release() -> Result<()> {
    let folder = folder("package")?;
    for (file, features) in VARIANTS {
        let module = folder.join(file);
        fs::copy(build(features, "wasm")?, &module)?;
        let (size, compressed) = (fs::metadata(&module)?.len(), compressed(&module)?);
        println!("{file}: {:.2} MB, {:.2} MB with gzip", size as f64 / 1e6, compressed as f64 / 1e6);
        if compressed > MAX_COMPRESSED {
            bail!("{file} has more than {MAX_COMPRESSED} bytes with gzip");
        }
    }
    page(&folder, "page").map(drop)
}

/// The package for tests, with checks and one variant; and the page with it. Also Node, if the machine has none: returns
/// the folder that it is in.
pub fn for_tests() -> Result<Option<PathBuf>> {
    let folder = folder("test-package")?;
    // One compilation serves as both variants.
    let module = build(VARIANTS[0].1, "dev")?;
    for (file, _) in VARIANTS {
        fs::copy(&module, folder.join(file))?;
    }
    page(&folder, "test-page")?;
    if have("node") { Ok(None) } else { debian::programs("node", &["nodejs"]).map(Some) }
}

/// The TypeScript compiler, in `target/wasm/npm-typescript`.
pub fn typescript() -> Result<()> {
    npm("npm-typescript", TYPESCRIPT).map(drop)
}

/// What `cargo xtask bench wasm` needs: the package with both variants, and onnxruntime-web.
pub fn for_bench() -> Result<()> {
    release()?;
    npm("npm-onnxruntime", ONNXRUNTIME_WEB).map(drop)
}

/// Installs an npm package under `target/wasm/<name>`, once.
fn npm(name: &str, package: &str) -> Result<PathBuf> {
    let folder = target().join("wasm").join(name);
    let stamp = folder.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == package) {
        return Ok(folder);
    }
    if !have("npm") {
        bail!("npm is not on the path");
    }
    fs::create_dir_all(&folder)?;
    // None of a package's own programs is run.
    let install = ["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save"];
    output(Command::new("npm").args(install).arg("--prefix").arg(&folder).arg(package))?;
    fs::write(stamp, package)?;
    Ok(folder)
}

/// A fresh folder under `target/wasm` with the package's files but for the modules.
fn folder(name: &str) -> Result<PathBuf> {
    let folder = target().join("wasm").join(name);
    let _ = fs::remove_dir_all(&folder);
    copy(&repository().join("bindings/wasm/package"), &folder)?;
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        fs::copy(repository().join(licence), folder.join(licence))?;
    }
    Ok(folder)
}

/// A folder of static files: the example page, and a package in `sleeve/`.
fn page(package: &Path, name: &str) -> Result<PathBuf> {
    let folder = target().join("wasm").join(name);
    let _ = fs::remove_dir_all(&folder);
    copy(&repository().join("examples/web"), &folder)?;
    copy(package, &folder.join("sleeve"))?;
    Ok(folder)
}

/// Copies the files of a folder, not those of folders in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let path = entry?.path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().unwrap_or_default()))?;
        }
    }
    Ok(())
}

/// Compiles the module for some target features. Returns the file.
fn build(features: &str, profile: &str) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--quiet", "--locked", "--package", "sleeve-wasm", "--target", TARGET]);
    // A folder for each set of features: the standard library is compiled with them too, once. And not that of the
    // workspace, which may be compiling.
    let home = target().join("wasm").join(features.replace(['+', ','], ""));
    command.args(["--profile", profile]).arg("--target-dir").arg(&home);
    command.env("RUSTFLAGS", format!("-Ctarget-feature={features}")).env_remove("CARGO_ENCODED_RUSTFLAGS");
    command.env("CARGO_INCREMENTAL", "0");
    if !rust_src::has_target(TARGET)? {
        command.arg("-Zbuild-std=std,panic_abort").env("RUSTC_BOOTSTRAP", "1");
        command.env("__CARGO_TESTS_ONLY_SRC_ROOT", rust_src::library()?);
    }
    checked(&mut command)?;
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(home.join(TARGET).join(folder).join("sleeve_wasm.wasm"))
}

fn compressed(file: &Path) -> Result<u64> {
    let output = Command::new("gzip").args(["-9", "-c"]).arg(file).output().context("cannot start gzip")?;
    Ok(output.stdout.len() as u64)
}

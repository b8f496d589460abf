//! The crates as they would be published: each is packaged, and its archive has all that it needs to compile.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sleeve_tests::{output_of, repository, skip};

/// The published crates, in the order of publication.
const CRATES: [&str; 7] = [
    "sleeve-plugin-abi",
    "sleeve-resample",
    "sleeve-files",
    "sleeve",
    "sleeve-plot",
    "sleeve-cli",
    "sleeve-capi",
];

/// Maximum size of the archive of `sleeve`, including the bundled models. A larger default model may take 8 MB.
const MAX_BYTES: u64 = 3_000_000;

#[test]
fn crates_compile_from_their_archives() {
    let target = repository().join("target/packages");
    let _ = fs::remove_dir_all(target.join("package"));
    let mut command = cargo(repository());
    // Also tests uncommitted changes.
    command.args(["package", "--locked", "--allow-dirty", "--no-verify"]);
    command.args(CRATES.iter().flat_map(|name| ["--package", name]));
    command.arg("--target-dir").arg(&target);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("failed to download") || said.contains("failed to query") {
        skip!("no network for cargo's index");
    }
    assert!(output.status.success(), "{said}");
    for name in CRATES {
        let file = format!("{name}-{}.crate", env!("CARGO_PKG_VERSION"));
        let archive = target.join("package").join(file);
        let bytes =
            fs::metadata(&archive).unwrap_or_else(|error| panic!("{}: {error}", archive.display())).len();
        println!("{name}: {:.2} MB", bytes as f64 / 1e6);
        assert!(bytes < MAX_BYTES, "{name}: {bytes} bytes");
        let list = output_of(Command::new("tar").arg("tzf").arg(&archive));
        let list = String::from_utf8(list).unwrap();
        let has = |file: &str| list.lines().any(|line| line.ends_with(&format!("/{file}")));
        for file in ["LICENSE-APACHE", "LICENSE-MIT", "Cargo.toml"] {
            assert!(has(file), "{name} lacks {file}: {list}");
        }
        match name {
            "sleeve" => {
                for file in
                    ["README.md", "models/msd-musicnn-1.onnx", "models/README.md", "examples/extract.rs"]
                {
                    assert!(has(file), "{name} lacks {file}");
                }
                // Weights of experiments are only in the repository.
                assert!(!list.contains("debian-multitask") && !list.contains(".pt"), "{list}");
            }
            "sleeve-capi" => {
                for file in
                    ["include/sleeve/sleeve.h", "include/sleeve/sleeve.hpp", "cmake/sleeve-config.cmake"]
                {
                    assert!(has(file), "{name} lacks {file}");
                }
            }
            _ => {}
        }
    }
    check_unpacked(&target.join("package"));
}

/// Checks the unpacked archives together, in a workspace of their own. `cargo package` would compile each of them with its
/// dependencies, minutes each; `cargo xtask test --all` has it do so.
fn check_unpacked(archives: &Path) {
    // Outside the repository, whose workspace would claim it.
    let outside = tempfile::tempdir().unwrap();
    let mut manifest = String::from("[workspace]\nresolver = \"3\"\nmembers = [");
    let mut patches = String::from("\n[patch.crates-io]\n");
    for name in CRATES {
        let folder = format!("{name}-{}", env!("CARGO_PKG_VERSION"));
        let archive = archives.join(format!("{folder}.crate"));
        output_of(Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(outside.path()));
        manifest += &format!("\"{folder}\", ");
        patches += &format!("{name} = {{ path = \"{folder}\" }}\n");
    }
    fs::write(outside.path().join("Cargo.toml"), manifest + "]\n" + &patches).unwrap();
    // The same versions of dependencies, so that nothing is fetched.
    fs::copy(repository().join("Cargo.lock"), outside.path().join("Cargo.lock")).unwrap();
    output_of(
        cargo(outside.path().to_owned())
            .args(["check", "--quiet", "--workspace", "--offline", "--target-dir"])
            .arg(archives.join("check")),
    );
}

fn cargo(folder: PathBuf) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder);
    command
}

/// The library itself exports nothing to C; `sleeve-capi` does.
#[test]
fn the_library_exports_no_symbol_to_c() {
    let sources = repository().join("src");
    let mut folders = vec![sources];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files += 1;
                let text = fs::read_to_string(&path).unwrap();
                assert!(!text.contains("no_mangle") && !text.contains("export_name"), "{}", path.display());
            }
        }
    }
    assert!(files > 100, "{files}");
}

//! The archive of a release: `cargo xtask test --all`, or by name. It compiles everything once more, optimised.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sleeve_tests::{native, output_of, recording, repository, skip};

const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// `cargo xtask`, which may be compiled first.
pub fn xtask(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(repository()).args(["xtask"]).args(arguments);
    command
}

/// Compiles an example in C against what was unpacked, and returns what it says of a recording.
pub fn example(folder: &Path, source: &Path, flags: &[String], libraries: &Path) -> String {
    let program = folder.join("example");
    let mut compile = Command::new("gcc");
    compile.arg("-std=c11").args(native::WARNINGS).arg(source).args(flags).arg("-o").arg(&program);
    output_of(&mut compile);
    let mut run = Command::new(&program);
    run.current_dir(folder).env("LD_LIBRARY_PATH", libraries).arg(recording("ground.ogg"));
    String::from_utf8(output_of(&mut run)).unwrap()
}

/// The words that pkg-config says of a file `sleeve.pc` in a folder.
pub fn pkg_config(folder: &Path, root: Option<&Path>, arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", folder).args(arguments).arg("sleeve");
    if let Some(root) = root {
        command.env("PKG_CONFIG_SYSROOT_DIR", root);
    }
    let words = String::from_utf8(output_of(&mut command)).unwrap();
    words.split_whitespace().map(str::to_owned).collect()
}

/// The newest version of glibc that a library or program asks for.
fn newest_glibc(file: &Path) -> (u32, u32) {
    let text = String::from_utf8(output_of(Command::new("readelf").arg("--version-info").arg(file))).unwrap();
    let versions = text.split("GLIBC_").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(rest.len());
        let mut numbers = rest[..end].split('.');
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    });
    versions.max().expect("it asks for glibc")
}

#[test]
fn what_is_unpacked_compiles_links_and_runs() {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        skip!("no {TRIPLE}");
    }
    if let Some(tool) = native::missing(&["gcc", "pkg-config", "readelf", "git"]) {
        skip!("no {tool}");
    }
    let dist = repository().join("target/dist");
    let name = format!("sleeve-{}-{TRIPLE}", env!("CARGO_PKG_VERSION"));
    let archive = dist.join(format!("{name}.tar.gz"));
    output_of(&mut xtask(&["release", TRIPLE]));
    let first = fs::read(&archive).unwrap();
    // Once more, from a fresh folder: the same bytes, of which the checksums are right.
    output_of(&mut xtask(&["release", TRIPLE, "source"]));
    assert!(first == fs::read(&archive).unwrap(), "the archive is not the same when it is made again");
    output_of(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(&dist));

    let outside = tempfile::tempdir().unwrap();
    output_of(Command::new("tar").arg("xzf").arg(&archive).arg("-C").arg(outside.path()));
    let root = outside.path().join(&name);
    let libraries = root.join("lib");
    let expected = [
        "bin/sleeve",
        "include/sleeve/sleeve.h",
        "include/sleeve/sleeve.hpp",
        "lib/libsleeve.a",
        "lib/libsleeve.so",
        "lib/libsleeve.so.1",
        "lib/libsleeve.so.1.0.0",
        "lib/pkgconfig/sleeve.pc",
        "share/bash-completion/completions/sleeve",
        "share/cmake/sleeve/sleeve-config.cmake",
        "share/doc/sleeve/LICENSE-APACHE",
        "share/doc/sleeve/LICENSE-MIT",
        "share/doc/sleeve/LICENSE-MODELS.md",
        "share/doc/sleeve/THIRD-PARTY.txt",
        "share/fish/vendor_completions.d/sleeve.fish",
        "share/man/man1/sleeve.1",
        "share/man/man1/sleeve-extract.1",
        "share/zsh/site-functions/_sleeve",
    ];
    for file in expected {
        assert!(root.join(file).exists(), "{file} is missing");
    }
    let shared = libraries.join("libsleeve.so.1.0.0");
    let dynamic = String::from_utf8(output_of(Command::new("readelf").arg("-d").arg(&shared))).unwrap();
    assert!(dynamic.contains("Library soname: [libsleeve.so.1]"), "{dynamic}");
    for file in [&shared, &root.join("bin/sleeve")] {
        let (major, minor) = newest_glibc(file);
        assert!((major, minor) <= (2, 17), "{} needs glibc {major}.{minor}", file.display());
        // No path of the machine that built it.
        let bytes = fs::read(file).unwrap();
        let here = repository();
        let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!has(here.to_str().unwrap()), "{} has the repository's path", file.display());
        assert!(!has("/registry/src/"), "{} has the path of cargo's home", file.display());
    }

    let pc = libraries.join("pkgconfig");
    assert_eq!(pkg_config(&pc, None, &["--modversion"]), [env!("CARGO_PKG_VERSION")]);
    let source = repository().join("examples/c/extract.c");
    let flags = pkg_config(&pc, None, &["--cflags", "--libs"]);
    let text = example(outside.path(), &source, &flags, &libraries);
    assert!(text.contains("embeddings of 200 values") && text.contains("electronic"), "{text}");
    // Linked to the archive, without a library to load.
    let mut flags = pkg_config(&pc, None, &["--cflags"]);
    flags.push(libraries.join("libsleeve.a").display().to_string());
    let private = pkg_config(&pc, None, &["--static", "--libs-only-l"]);
    flags.extend(private.into_iter().filter(|word| word != "-lsleeve"));
    assert_eq!(text, example(outside.path(), &source, &flags, Path::new("/nowhere")));

    let program = root.join("bin/sleeve");
    let version = String::from_utf8(output_of(Command::new(&program).arg("--version"))).unwrap();
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    let mut extract = Command::new(&program);
    extract.env_clear().args(["extract", "--model", "msd-musicnn-1"]).arg(recording("ground.ogg"));
    let text = String::from_utf8(output_of(&mut extract)).unwrap();
    assert!(text.contains("electronic"), "{text}");
    found_by_cmake(&root, outside.path());

    // The source is whole: cargo reads every manifest in it.
    let source = format!("sleeve-{}", env!("CARGO_PKG_VERSION"));
    let archive = dist.join(format!("{source}.tar.gz"));
    output_of(Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(outside.path()));
    let mut metadata = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    metadata.args(["metadata", "--format-version", "1", "--locked", "--offline", "--no-deps"]);
    output_of(metadata.current_dir(outside.path().join(source)));
}

/// A CMake project with all examples, if there is CMake.
fn found_by_cmake(root: &Path, outside: &Path) {
    if native::missing(&["cmake", "g++"]).is_some() {
        return;
    }
    let program = built_by_cmake(root, &outside.join("cmake"));
    let text = output_of(Command::new(program).arg(recording("ground.ogg")));
    assert!(String::from_utf8(text).unwrap().contains("embeddings of 200 values"));
}

/// Configures and builds the project of `tests/cmake` with a prefix. Returns its example in C.
pub fn built_by_cmake(prefix: &Path, build: &Path) -> PathBuf {
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(repository().join("tests/cmake")).arg("-B").arg(build);
    configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display()));
    output_of(configure.arg(format!("-DEXAMPLES={}", repository().join("examples").display())));
    output_of(Command::new("cmake").arg("--build").arg(build));
    build.join("c-extract-c")
}

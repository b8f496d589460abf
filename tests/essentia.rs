//! The plugin for Essentia: in C++, built and run beside the library itself, also under valgrind; and in Python, in both
//! of Essentia's packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use sleeve_tests::native::{self, NO_PLUGIN, PLUGIN};
use sleeve_tests::{output_of, peer, readme, recording, repository, skip, torch_engine};

/// Where everything is made.
fn folder() -> PathBuf {
    let folder = native::folder().join("essentia");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The C++ Essentia, built by `cargo xtask peers`.
fn essentia() -> Option<PathBuf> {
    let prefix = repository().join("target/essentia/prefix");
    prefix.join("lib/libessentia.so").exists().then_some(prefix)
}

/// The tools that the C++ tests need; the first that is missing.
fn missing() -> Option<&'static str> {
    native::missing(&["g++", "cmake", "pkg-config", "valgrind"])
}

/// A model of 128 x 96 patches that is small enough for valgrind, and a head behind it.
fn small_models() -> Option<(PathBuf, PathBuf)> {
    static MADE: OnceLock<Option<(PathBuf, PathBuf)>> = OnceLock::new();
    let make = || {
        let (model, head) = (folder().join("small.onnx"), folder().join("small-head.onnx"));
        output_of(peer("make_small_model.py")?.arg(&model));
        output_of(peer("make_head.py")?.arg(&head).args(["6", "3"]));
        Some((model, head))
    };
    MADE.get_or_init(make).clone()
}

/// Lets pkg-config find Essentia, the library as the tests built it, and what was installed under `prefix`.
fn pkg_config(command: &mut Command, essentia: &Path, prefix: &Path) {
    let files = [folder(), essentia.join("lib/pkgconfig"), prefix.join("lib/pkgconfig")];
    command.env("PKG_CONFIG_PATH", std::env::join_paths(files).unwrap());
}

/// The plugin, built with CMake and installed once, as a host would have it; returns its prefix.
fn installed(essentia: &Path) -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let (build, prefix) = (folder().join("build"), folder().join("prefix"));
        let _ = fs::remove_dir_all(&prefix);
        // What `cargo cinstall` writes, of the library that is there.
        let library = native::soname_folder(&native::library());
        let file = format!(
            "Name: sleeve\nDescription: of the tests\nVersion: {}\nLibs: -L{} -lsleeve\nCflags: -I{}\n",
            env!("CARGO_PKG_VERSION"),
            library.display(),
            repository().join("include").display()
        );
        fs::write(folder().join("sleeve.pc"), file).unwrap();
        let mut configure = Command::new("cmake");
        pkg_config(&mut configure, essentia, &prefix);
        configure.arg("-S").arg(repository().join("bindings/essentia")).arg("-B").arg(&build);
        configure.args(["-DCMAKE_INSTALL_LIBDIR=lib", "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror"]);
        output_of(configure.arg(format!("-DCMAKE_INSTALL_PREFIX={}", prefix.display())));
        output_of(Command::new("cmake").arg("--build").arg(&build).args(["--parallel", "2"]));
        output_of(Command::new("cmake").arg("--install").arg(&build));
        prefix
    })
}

/// A program of the plugin's, compiled and linked as pkg-config says.
fn program(essentia: &Path, source: &Path) -> PathBuf {
    let prefix = installed(essentia);
    let mut flags = Command::new("pkg-config");
    pkg_config(&mut flags, essentia, prefix);
    let flags = String::from_utf8(output_of(flags.args(["--cflags", "--libs", "sleeve_essentia"]))).unwrap();
    let program = folder().join(source.file_stem().unwrap());
    let mut command = Command::new("g++");
    command.args(["-std=c++17", "-O1", "-g", "-Wall", "-Wextra", "-Werror"]).arg(source);
    for flag in flags.split_whitespace() {
        // Essentia's headers are not ours to warn about.
        match flag.strip_prefix("-I") {
            Some(include) => command.arg("-isystem").arg(include),
            None => command.arg(flag),
        };
        if let Some(library) = flag.strip_prefix("-L") {
            command.arg(format!("-Wl,-rpath,{library}"));
        }
    }
    output_of(command.arg("-o").arg(&program));
    program
}

#[test]
fn cpp_networks_standard_and_streaming() {
    if let Some(tool) = missing() {
        skip!("no {tool}");
    }
    let (Some(essentia), Some((model, head))) = (essentia(), small_models()) else {
        skip!("no C++ Essentia; run `cargo xtask peers`")
    };
    let program = program(&essentia, &repository().join("tests/essentia/algorithms.cpp"));
    let run = output_of(Command::new(&program).args([&model, &head]).env(PLUGIN, NO_PLUGIN));
    let text = String::from_utf8(run).unwrap();
    assert!(text.ends_with("ok\n"), "{text}");
    print!("{text}");
    native::valgrind(&program, &[&model, &head]);
}

//! Compiles C and C++ programs, links them to the library, shared or static, and runs them under valgrind.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{build_workspace, have, output_of, profile, repository};

/// Warnings of every compiler, as errors.
pub const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/// The variable with the path of the torch plugin. If it is set, nothing else is searched.
pub const PLUGIN: &str = "SLEEVE_TORCH_ENGINE";
/// A path without a plugin.
pub const NO_PLUGIN: &str = "/nowhere/libsleeve_torch.so";

/// How a program links the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linking {
    /// `libsleeve.so`, found at run time where cargo built it.
    Shared,
    /// `libsleeve.a`.
    Static,
}

/// The first of the needed programs that this machine lacks.
pub fn missing(tools: &[&'static str]) -> Option<&'static str> {
    tools.iter().copied().find(|tool| !have(tool))
}

/// The folder for programs and their input.
pub fn folder() -> PathBuf {
    let folder = repository().join("target/native-tests");
    std::fs::create_dir_all(&folder).expect("target/ is writable");
    folder
}

/// `libsleeve.so`, built in the profile of the tests; `libsleeve.a` is beside it.
pub fn library() -> PathBuf {
    build_workspace(&["--lib"]);
    profile().join("libsleeve.so")
}

/// Adds headers and library to a compiler's command.
pub fn link(command: &mut Command, linking: Linking) {
    let library = library();
    let folder = library.parent().expect("the library is in a folder");
    command.arg("-I").arg(repository().join("include"));
    match linking {
        Linking::Shared => {
            command.arg("-L").arg(folder).arg("-lsleeve");
            command.arg(format!("-Wl,-rpath,{}", folder.display()));
        }
        Linking::Static => {
            command.arg(folder.join("libsleeve.a")).args(["-lpthread", "-ldl", "-lm", "-lgcc_s"]);
        }
    }
}

/// Compiles one C or C++ source, with all warnings as errors. Returns the program.
pub fn build(source: &Path, linking: Linking, flags: &[&str]) -> PathBuf {
    let is_cpp = source.extension() == Some(OsStr::new("cpp"));
    let stem = source.file_stem().unwrap_or_default().to_string_lossy();
    let manner: String = flags.concat().chars().filter(char::is_ascii_alphanumeric).collect();
    let language = if is_cpp { "cpp" } else { "c" };
    let program = folder().join(format!("{stem}-{language}-{linking:?}-{manner}-{}", std::process::id()));
    let mut command = Command::new(if is_cpp { "g++" } else { "gcc" });
    command.arg(if is_cpp { "-std=c++17" } else { "-std=c11" }).args(WARNINGS).arg("-O1").args(flags);
    command.arg("-I").arg(repository().join("tests/c")).arg(source).arg("-o").arg(&program);
    link(&mut command, linking);
    if !is_cpp {
        command.arg("-lm");
    }
    output_of(&mut command);
    program
}

/// Runs a program under valgrind: no errors, no leaks.
pub fn valgrind(program: &Path, arguments: &[&Path]) {
    assert!(have("valgrind"), "valgrind is not on the path");
    let mut command = Command::new("valgrind");
    command.args([
        "--quiet",
        "--error-exitcode=99",
        "--leak-check=full",
        "--show-leak-kinds=definite,indirect",
    ]);
    command.args(["--errors-for-leak-kinds=definite,indirect", "--num-callers=30"]);
    output_of(command.arg(program).args(arguments).env(PLUGIN, NO_PLUGIN));
}

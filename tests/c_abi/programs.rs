//! The C ABI from C and C++: the programs of `tests/c/`, run directly, under valgrind, and with the sanitizers; and the
//! header.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sleeve_tests::audio::{music, write_wav};
use sleeve_tests::native::{self, Linking};
use sleeve_tests::small_model;
use sleeve_tests::{data, have, once_a_run, output_of, peer, recording, repository, skip};

/// The tools that compile and check the programs.
const TOOLS: [&str; 5] = ["gcc", "g++", "valgrind", "nm", "readelf"];

fn header() -> String {
    fs::read_to_string(repository().join("include/sleeve/sleeve.h")).unwrap()
}

/// The functions that the header declares: a name and an opening parenthesis at the start of a declaration.
fn declared(header: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in header.lines().filter(|line| !line.starts_with("//") && !line.starts_with(" *")) {
        if let Some(at) = line.find("sleeve_").filter(|_| line.contains('(') && !line.contains("typedef")) {
            let before_bracket = &line[at..line.find('(').unwrap().max(at)];
            let name = before_bracket.rsplit([' ', '*']).next().unwrap_or_default();
            if name.starts_with("sleeve_") {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

/// A small model, and a head for MusiCNN's 200 values: created by the first test that needs them. Small, for under
/// valgrind and with bytes changed at random every byte counts.
fn models() -> Option<(PathBuf, PathBuf)> {
    let (small, head) = (native::folder().join("small.onnx"), native::folder().join("head.onnx"));
    let mut head_maker = peer("make_head.py")?;
    once_a_run("c-models", || {
        fs::write(&small, small_model::onnx()).unwrap();
        output_of(head_maker.arg(&head).args(["200", "7"]));
    });
    Some((small, head))
}

#[test]
fn the_header_is_up_to_date() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    output_of(Command::new(cargo).current_dir(repository()).args(["xtask", "header", "--check"]));
    assert!(header().contains(&format!("#define SLEEVE_VERSION \"{}\"", env!("CARGO_PKG_VERSION"))));
    let cmake = fs::read_to_string(repository().join("bindings/cmake/sleeve-config-version.cmake")).unwrap();
    assert!(cmake.contains(&format!("set(PACKAGE_VERSION \"{}\")", env!("CARGO_PKG_VERSION"))));
    // The number in the library's name is the ABI version.
    let manifest = fs::read_to_string(repository().join("bindings/c/Cargo.toml")).unwrap();
    let abi =
        header().lines().find_map(|line| line.strip_prefix("#define SLEEVE_ABI_VERSION ").map(str::to_owned));
    assert!(manifest.contains(&format!("version = \"{}.0.0\"\nversion_suffix_components = 1", abi.unwrap())));
}

#[test]
fn every_function_is_in_the_hostile_test() {
    let hostile = fs::read_to_string(repository().join("tests/c/hostile.c")).unwrap();
    let names = declared(&header());
    assert!(names.len() > 50, "{names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !hostile.contains(&format!("{name}("))).collect();
    assert!(missing.is_empty(), "not in tests/c/hostile.c: {missing:?}");
}

#[test]
fn the_library_exports_the_header_s_functions_and_needs_the_c_library_alone() {
    if let Some(tool) = native::missing(&TOOLS) {
        skip!("no {tool}");
    }
    let library = native::library();
    let symbols =
        String::from_utf8(output_of(Command::new("nm").args(["-D", "--defined-only"]).arg(&library)))
            .unwrap();
    let exported: BTreeSet<String> =
        symbols.lines().filter_map(|line| line.split_whitespace().nth(2)).map(str::to_owned).collect();
    assert_eq!(exported, declared(&header()));
    let dynamic = String::from_utf8(output_of(Command::new("readelf").arg("-d").arg(&library))).unwrap();
    let named = |tag: &str| -> BTreeSet<&str> {
        let lines = dynamic.lines().filter(|line| line.contains(tag));
        lines.filter_map(|line| Some(line.split_once('[')?.1.trim_end_matches(']'))).collect()
    };
    let allowed = ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "libpthread.so.0", "libdl.so.2"];
    for needed in named("(NEEDED)") {
        assert!(allowed.contains(&needed) || needed.starts_with("ld-linux"), "needs {needed}");
    }
    // cargo-c sets a soname with a version; a library built by cargo has no soname, so it is found by its file name.
    assert_eq!(named("(SONAME)"), BTreeSet::new());
}

#[test]
fn headers_compile_without_a_warning_twice_over() {
    let mut tried = 0;
    for (compiler, standards) in [
        ("gcc", &["c11", "c17"][..]),
        ("clang", &["c11"]),
        ("g++", &["c++17", "c++20"]),
        ("clang++", &["c++17", "c++20"]),
    ] {
        if !have(compiler) {
            continue;
        }
        for standard in standards {
            let cpp = standard.starts_with("c++");
            let (header, extension) = if cpp { ("sleeve.hpp", "cpp") } else { ("sleeve.h", "c") };
            // Included twice, in two translation units.
            let more = if cpp { "#include <sleeve/similarity.hpp>\n" } else { "" };
            let source = format!("{more}#include <sleeve/{header}>\n{more}#include <sleeve/{header}>\n");
            let folder = native::folder().join(format!("headers-{compiler}-{standard}"));
            fs::create_dir_all(&folder).unwrap();
            let (one, two) =
                (folder.join(format!("one.{extension}")), folder.join(format!("two.{extension}")));
            fs::write(&one, format!("{source}int main(void) {{ return (int)sleeve_abi_version() - 1; }}\n"))
                .unwrap();
            fs::write(&two, format!("{source}extern int other;\nint other = SLEEVE_STATUS_OK;\n")).unwrap();
            let program = folder.join("program");
            let mut command = Command::new(compiler);
            command
                .arg(format!("-std={standard}"))
                .args(native::WARNINGS)
                .arg("-pedantic-errors")
                .args([&one, &two]);
            native::link(&mut command, Linking::Shared);
            output_of(command.arg("-o").arg(&program));
            output_of(&mut Command::new(&program));
            tried += 1;
        }
    }
    if tried == 0 {
        skip!("no C compiler");
    }
}

/// Builds and runs a program of `tests/c/` in every configuration.
fn in_every_manner(source: &str, arguments: &[&Path]) {
    let source = repository().join("tests/c").join(source);
    // Without libtorch, which leaks memory and takes minutes under valgrind.
    let run = |program: &Path| {
        output_of(Command::new(program).args(arguments).env(native::PLUGIN, native::NO_PLUGIN))
    };
    for linking in [Linking::Shared, Linking::Static] {
        run(&native::build(&source, linking, &[]));
    }
    let sanitized = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"];
    run(&native::build(&source, Linking::Shared, &sanitized));
    let program = native::build(&source, Linking::Shared, &["-g"]);
    native::valgrind(&program, arguments);
}

#[test]
fn c_programs_use_all_of_it() {
    if let Some(tool) = native::missing(&TOOLS) {
        skip!("no {tool}");
    }
    let Some((small, head)) = models() else { skip!("no peers; run `cargo xtask peers`") };
    in_every_manner("api.c", &[&data("golden/music1.wav"), &head, &small]);
}

#[test]
fn cpp_programs_use_all_of_it() {
    if let Some(tool) = native::missing(&TOOLS) {
        skip!("no {tool}");
    }
    let Some((small, head)) = models() else { skip!("no peers; run `cargo xtask peers`") };
    in_every_manner("api.cpp", &[&head, &data("golden/music1.wav"), &small]);
}

#[test]
fn c_programs_cannot_crash_it() {
    if let Some(tool) = native::missing(&TOOLS) {
        skip!("no {tool}");
    }
    let Some((small, head)) = models() else { skip!("no peers; run `cargo xtask peers`") };
    let folder = native::folder().join("hostile");
    fs::create_dir_all(&folder).unwrap();
    in_every_manner("hostile.c", &[&small, &head, &folder]);
}

#[test]
fn cpp_programs_write_and_search_libraries() {
    if let Some(tool) = native::missing(&TOOLS) {
        skip!("no {tool}");
    }
    let folder = native::folder().join("libraries");
    fs::create_dir_all(&folder).unwrap();
    // Short recordings: under valgrind a second takes a second.
    let [one, other] = [("one.wav", 4.0), ("other.wav", 5.0)].map(|(name, seconds)| {
        let path = folder.join(name);
        write_wav(&path, &music(16_000, 1, seconds), 16_000, 1);
        path
    });
    in_every_manner("library.cpp", &[&folder, &one, &other]);
}

#[test]
fn examples_in_c_and_cpp_find_and_make_playlists() {
    if let Some(tool) = native::missing(&TOOLS) {
        skip!("no {tool}");
    }
    let library = native::folder().join("examples.library");
    let example =
        |source: &str| native::build(&repository().join("examples").join(source), Linking::Shared, &[]);
    let similar = example("c/similar.c");
    let (ground, sky) = (recording("ground.ogg"), recording("sky.ogg"));
    let tune = recording("idle_tune.mp3");
    output_of(Command::new(&similar).arg("--make").args([&library, &ground, &sky, &tune]));
    let text = |command: &mut Command| String::from_utf8(output_of(command)).unwrap();
    let found = text(Command::new(&similar).args([&library, &ground]).arg("5"));
    assert!(found.lines().count() == 2 && !found.contains("ground.ogg"), "{found}");
    // A file that is not of the library is analysed.
    let copy = native::folder().join("a copy.ogg");
    fs::copy(&sky, &copy).unwrap();
    let found = text(Command::new(&similar).args([&library, &copy]));
    assert!(found.starts_with("1.000  ") && found.lines().next().unwrap().ends_with("sky.ogg"), "{found}");
    let list = text(Command::new(example("cpp/playlist.cpp")).args([&library, &ground]));
    assert!(list.starts_with("#EXTM3U\n#EXTINF:"), "{list}");
    assert!(list.lines().count() == 7 && list.lines().nth(2).unwrap().ends_with("ground.ogg"), "{list}");
    let failed = Command::new(&similar).args(["/nowhere.library", "x"]).output().unwrap();
    assert!(String::from_utf8_lossy(&failed.stderr).contains("/nowhere.library"), "{failed:?}");
}

#[test]
fn examples_in_c_and_cpp_print_tags() {
    if let Some(tool) = native::missing(&TOOLS) {
        skip!("no {tool}");
    }
    for source in ["c/extract.c", "cpp/extract.cpp"] {
        let source = repository().join("examples").join(source);
        let program = native::build(&source, Linking::Shared, &[]);
        let output =
            Command::new(&program).arg(recording("ground.ogg")).arg("/nowhere.mp3").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("patches, embeddings of 200 values"), "{output:?}");
        assert_eq!(text.lines().count(), 6, "{output:?}");
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere.mp3"), "{output:?}");
        let usage = Command::new(&program).arg("--help").output().unwrap();
        assert_eq!(usage.status.code(), Some(2));
    }
}

//! The C library and the program for Windows, under Wine: the C and C++ programs of `tests/c/`, the examples, and
//! numbers beside those of this machine's own library.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ndarray::Array2;
use sleeve_tests::audio::{music, write_wav};
use sleeve_tests::native::{self, Linking};
use sleeve_tests::{
    build_workspace, data, output_of, peer, profile, recording, repository, skip, small_model,
};

/// The libraries of Windows that a program needs which links ours statically (`rustc --print native-static-libs`).
const SYSTEM: [&str; 10] = [
    "-lunwind",
    "-lbcrypt",
    "-ladvapi32",
    "-lkernel32",
    "-lntdll",
    "-luserenv",
    "-lws2_32",
    "-ldbghelp",
    "-lole32",
    "-lshell32",
];

/// Where the library for Windows is, if it was built.
fn built() -> Option<PathBuf> {
    let folder = repository().join("target/x86_64-pc-windows-gnu/debug");
    (wine().is_file() && folder.join("sleeve.dll").is_file()).then_some(folder)
}

fn wine() -> PathBuf {
    repository().join("target/wine/wine")
}

/// A folder for a test, with the library in it: programs find it beside them.
fn place(name: &str, built: &Path) -> PathBuf {
    let folder = native::folder().join("windows").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    fs::copy(built.join("sleeve.dll"), folder.join("sleeve.dll")).unwrap();
    folder
}

/// A compiler for Windows.
fn compiler(is_cpp: bool) -> Command {
    let mut command = Command::new(repository().join("target/zig/bin/python-zig"));
    command.arg(if is_cpp { "c++" } else { "cc" }).args(["-target", "x86_64-windows-gnu", "-O1"]);
    command.env("ZIG_GLOBAL_CACHE_DIR", repository().join("target/zig-cache"));
    command
}

/// Compiles a program in a folder.
fn build(source: &str, linking: Linking, built: &Path, folder: &Path) -> PathBuf {
    let source = repository().join(source);
    let is_cpp = source.extension().is_some_and(|extension| extension == "cpp");
    let stem = source.file_stem().unwrap().to_string_lossy();
    let program = folder.join(format!("{stem}-{linking:?}.exe"));
    let mut command = compiler(is_cpp);
    command.arg(if is_cpp { "-std=c++17" } else { "-std=c11" }).args(native::WARNINGS);
    command.args(["-I", "include", "-I", "tests/c"]).current_dir(repository());
    command.arg(&source).arg("-o").arg(&program);
    match linking {
        Linking::Shared => command.arg(built.join("libsleeve.dll.a")),
        Linking::Static => command.arg(built.join("libsleeve.a")).args(SYSTEM),
    };
    if fs::read_to_string(&source).unwrap().contains("wmain") {
        command.arg("-municode");
    }
    output_of(&mut command);
    program
}

/// Runs a program under Wine.
fn run(program: &Path, arguments: &[&Path]) -> String {
    String::from_utf8(output_of(Command::new(wine()).arg(program).args(arguments))).unwrap()
}

/// A program of `tests/c/` with the library in both manners.
fn in_both_manners(source: &str, name: &str, arguments: &[&Path]) {
    let Some(built) = built() else { skip!("no library for Windows; cargo xtask test windows:: builds it") };
    let folder = place(name, &built);
    for linking in [Linking::Shared, Linking::Static] {
        let program = build(&format!("tests/c/{source}"), linking, &built, &folder);
        run(&program, arguments);
    }
}

fn models(name: &str) -> Option<(PathBuf, PathBuf)> {
    let folder = native::folder().join(format!("windows-{name}"));
    fs::create_dir_all(&folder).unwrap();
    let (small, head) = (folder.join("small.onnx"), folder.join("head.onnx"));
    fs::write(&small, small_model::onnx()).unwrap();
    output_of(peer("make_head.py")?.arg(&head).args(["200", "7"]));
    Some((small, head))
}

#[test]
fn c_programs_use_all_of_it() {
    let Some((small, head)) = models("c") else { skip!("no peers; run `cargo xtask peers`") };
    in_both_manners("api.c", "api-c", &[&data("golden/music1.wav"), &head, &small]);
}

#[test]
fn cpp_programs_use_all_of_it() {
    let Some((small, head)) = models("cpp") else { skip!("no peers; run `cargo xtask peers`") };
    in_both_manners("api.cpp", "api-cpp", &[&head, &data("golden/music1.wav"), &small]);
}

#[test]
fn c_programs_cannot_crash_it() {
    let Some((small, head)) = models("hostile") else { skip!("no peers; run `cargo xtask peers`") };
    let folder = native::folder().join("windows-hostile");
    in_both_manners("hostile.c", "hostile", &[&small, &head, &folder]);
}

#[test]
fn cpp_programs_write_and_search_libraries() {
    let folder = native::folder().join("windows-libraries");
    fs::create_dir_all(&folder).unwrap();
    let [one, other] = [("one.wav", 4.0), ("other.wav", 5.0)].map(|(name, seconds)| {
        let path = folder.join(name);
        write_wav(&path, &music(16_000, 1, seconds), 16_000, 1);
        path
    });
    in_both_manners("library.cpp", "library-cpp", &[&folder, &one, &other]);
}

/// Names in UTF-8, long paths, files that others hold, and libraries that are replaced while they are read.
#[test]
fn paths_and_files_are_as_windows_has_them() {
    let Some(built) = built() else { skip!("no library for Windows; cargo xtask test windows:: builds it") };
    let folder = place("paths", &built);
    let song = folder.join("song.wav");
    write_wav(&song, &music(16_000, 1, 4.0), 16_000, 1);
    let program = build("tests/c/windows.c", Linking::Shared, &built, &folder);
    let empty = folder.join("empty");
    fs::create_dir(&empty).unwrap();
    run(&program, &[&empty, &song]);
}

#[test]
fn examples_find_and_print() {
    let Some(built) = built() else { skip!("no library for Windows; cargo xtask test windows:: builds it") };
    let folder = place("examples", &built);
    let [extract, extract_cpp, similar, playlist] =
        ["c/extract.c", "cpp/extract.cpp", "c/similar.c", "cpp/playlist.cpp"]
            .map(|source| build(&format!("examples/{source}"), Linking::Shared, &built, &folder));
    let (ground, sky) = (recording("ground.ogg"), recording("sky.ogg"));
    for program in [extract, extract_cpp] {
        let text = run(&program, &[&ground]);
        assert!(text.contains("patches, embeddings of 200 values"), "{text}");
    }
    let library = folder.join("examples.library");
    run(&similar, &[Path::new("--make"), &library, &ground, &sky, &recording("idle_tune.mp3")]);
    let found = run(&similar, &[&library, &ground]);
    assert!(found.lines().count() == 2 && found.contains("sky.ogg"), "{found}");
    let list = run(&playlist, &[&library, &ground]);
    assert!(list.starts_with("#EXTM3U"), "{list}");
}

/// A plugin that lies beside the library is found there, from whatever folder the program runs in.
#[test]
fn plugins_are_found_beside_the_library() {
    let Some(built) = built() else { skip!("no library for Windows; cargo xtask test windows:: builds it") };
    let folder = place("plugin", &built);
    let program = folder.join("sleeve.exe");
    fs::copy(built.join("sleeve.exe"), &program).unwrap();
    let mut command = compiler(false);
    command.args(["-shared", "-DSIZE=8", "-DVERSION=7", "-o"]).arg(folder.join("sleeve_torch.dll"));
    output_of(command.arg(data("fake_engine.c")));
    let loaded = folder.join("loaded");
    let song = recording("ground.ogg");
    let output = Command::new(wine())
        .arg(&program)
        .args(["extract", "--engine", "torch", "--model"])
        .arg(repository().join("models/msd-musicnn-1.onnx"))
        .arg(&song)
        .env("FAKE_ENGINE_LOADED", &loaded)
        .current_dir(native::folder())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("version 7"), "{said}");
    assert!(loaded.exists(), "{said}");
}

/// The program writes what this machine's own writes, but for the last bits: its numbers are compared, and what it names.
#[test]
fn the_program_gives_this_machine_s_numbers() {
    let Some(built) = built() else { skip!("no library for Windows; cargo xtask test windows:: builds it") };
    build_workspace(&["--bin", "sleeve"]);
    let folder = place("program", &built);
    let music = folder.join("music");
    fs::create_dir(&music).unwrap();
    for name in ["ground.ogg", "idle_tune.mp3", "sky.ogg"] {
        fs::copy(recording(name), music.join(name)).unwrap();
    }
    // Two names that differ by case alone, but for their endings.
    fs::copy(recording("ground.ogg"), music.join("a song.ogg")).unwrap();
    fs::copy(recording("idle_tune.mp3"), music.join("A Song.mp3")).unwrap();
    let arguments = |out: &Path| {
        let mut words: Vec<std::ffi::OsString> = ["extract", "--quiet", "--output"].map(Into::into).to_vec();
        words.extend([out.into(), music.clone().into()]);
        words
    };
    let (ours, theirs) = (folder.join("linux"), folder.join("windows"));
    output_of(Command::new(profile().join("sleeve")).args(arguments(&ours)));
    output_of(Command::new(wine()).arg(built.join("sleeve.exe")).args(arguments(&theirs)));
    let index = |folder: &Path| -> serde_json::Value {
        serde_json::from_slice(&fs::read(folder.join("index.json")).unwrap()).unwrap()
    };
    let (here, there) = (index(&ours), index(&theirs));
    assert_eq!(here["settings"], there["settings"]);
    let files = |index: &serde_json::Value| -> BTreeMap<String, Vec<String>> {
        let rows = index["files"].as_array().unwrap().iter();
        rows.map(|row| {
            let source = row["source"].as_str().unwrap();
            let outputs = row["files"].as_array().unwrap().iter();
            let name = source.rsplit(['/', '\\']).next().unwrap();
            (name.to_owned(), outputs.map(|file| file.as_str().unwrap().to_owned()).collect())
        })
        .collect()
    };
    // As people write them.
    for row in there["files"].as_array().unwrap() {
        let source = row["source"].as_str().unwrap();
        assert!(source.starts_with("Z:\\") && !source.contains('/'), "{source}");
    }
    let (here, there) = (files(&here), files(&there));
    assert_eq!(here.keys().collect::<Vec<_>>(), there.keys().collect::<Vec<_>>());
    assert_eq!(here.len(), 5);
    let mut names = BTreeSet::new();
    for (source, outputs) in &there {
        for (output, other) in outputs.iter().zip(&here[source]) {
            assert!(names.insert(output.to_lowercase()), "{output} differs from another by case alone");
            let read = |path: PathBuf| -> Array2<f32> { ndarray_npy::read_npy(path).unwrap() };
            let (theirs, ours) = (read(theirs.join(output)), read(ours.join(other)));
            assert_eq!(theirs.dim(), ours.dim());
            let worst = theirs.iter().zip(&ours).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            if output.contains("msd-musicnn-1") {
                assert_eq!(theirs, ours, "{output}: not the same bits");
            }
            // The other model's level is a logarithm of one value, which the system's library computes.
            let largest = ours.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
            assert!(worst < 3e-6 * largest, "{output}: {worst} of {largest}");
        }
    }
    assert_eq!(names.len(), 15);
}

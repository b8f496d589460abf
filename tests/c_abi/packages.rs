//! What `cargo cinstall` installs under a prefix: C and C++ programs find it with pkg-config and CMake, link it, shared
//! and static, and run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sleeve::audio::{AudioOptions, MonoReader};
use sleeve::model::Model;
use sleeve_tests::effnet::graph;
use sleeve_tests::{native, once_a_run, output_of, recording, repository, skip, torch_engine};

/// Compiles in a short time: these tests are about what is installed where, and how it links. The size is tested too,
/// so what the workspace compiles without optimisation is optimised here, and there are no checks that a release
/// does not have.
const PROFILE: [&str; 9] = [
    "profile.dev.opt-level=1",
    "profile.dev.debug-assertions=false",
    "profile.dev.overflow-checks=false",
    "profile.dev.lto=false",
    "profile.dev.debug=false",
    "profile.dev.package.\"*\".debug=false",
    "profile.dev.package.regex-lite.opt-level=1",
    "profile.dev.package.sleeve-resample.opt-level=1",
    "profile.dev.package.symphonia-metadata.opt-level=1",
];

/// Compiles in the shortest time, where nothing depends on what comes out but that it links and runs.
const UNOPTIMISED: [&str; 4] = [
    "profile.dev.opt-level=0",
    "profile.dev.lto=false",
    "profile.dev.debug=false",
    "profile.dev.package.\"*\".debug=false",
];

/// Settings as arguments of cargo.
fn arguments(settings: &[&'static str]) -> Vec<&'static str> {
    settings.iter().flat_map(|&setting| ["--config", setting]).collect()
}

/// The folder that cargo-c builds in. Nobody else does: its own version of cargo and that of the toolchain write files of
/// the same names, and each takes those of the other for stale, so that both would compile everything at every run.
fn target() -> PathBuf {
    repository().join("target/cinstall")
}

/// This machine's target triple.
fn host() -> String {
    let said = String::from_utf8(output_of(Command::new("rustc").arg("-vV"))).unwrap();
    said.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc prints its host").to_owned()
}

/// A prefix, installed once; `None` without cargo-c.
fn prefix() -> Option<PathBuf> {
    let tool = repository().join("target/cargo-c/bin/cargo-cinstall");
    if !tool.exists() {
        return None;
    }
    let prefix = native::folder().join("prefix");
    once_a_run("cinstall", || {
        let _ = fs::remove_dir_all(&prefix);
        let mut command = Command::new(tool);
        command.current_dir(repository().join("bindings/c"));
        command.args(["cinstall", "--locked", "--profile", "dev"]);
        command.args(arguments(&PROFILE));
        output_of(command.arg("--target-dir").arg(target()).arg("--prefix").arg(&prefix));
    });
    Some(prefix)
}

/// The folder of the libraries under the prefix.
fn libraries(prefix: &Path) -> PathBuf {
    let folders = [prefix.join("lib/x86_64-linux-gnu"), prefix.join("lib64"), prefix.join("lib")];
    let multiarch =
        fs::read_dir(prefix.join("lib")).into_iter().flatten().flatten().map(|entry| entry.path());
    let found = multiarch.chain(folders).find(|folder| folder.join("libsleeve.so").exists());
    found.expect("cinstall installs libsleeve.so")
}

fn pkg_config(prefix: &Path, arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", libraries(prefix).join("pkgconfig")).args(arguments).arg("sleeve");
    let words = String::from_utf8(output_of(&mut command)).unwrap();
    words.split_whitespace().map(str::to_owned).collect()
}

/// Runs a compiled example.
fn try_out(name: &str, program: &Path, libraries: &Path) {
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", libraries);
    if name == "live" {
        // Ten seconds of stereo noise.
        let file = native::folder().join(format!("noise-{}.pcm", std::process::id()));
        let bytes: Vec<u8> =
            (0..10 * 44_100 * 4_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        fs::write(&file, bytes).unwrap();
        command.args(["44100", "2"]).stdin(fs::File::open(&file).unwrap());
        let text = String::from_utf8(output_of(&mut command)).unwrap();
        assert!(text.contains(" s  "), "{text}");
        fs::remove_file(file).unwrap();
        return;
    }
    if name == "similar" {
        let library = native::folder().join(format!("packages-{}.library", std::process::id()));
        command.arg("--make").arg(&library).arg(recording("ground.ogg")).arg(recording("sky.ogg"));
        output_of(&mut command);
        let mut find = Command::new(program);
        find.env("LD_LIBRARY_PATH", libraries).arg(&library).arg(recording("sky.ogg"));
        let text = String::from_utf8(output_of(&mut find)).unwrap();
        assert!(text.lines().count() == 1 && text.trim_end().ends_with("ground.ogg"), "{text}");
        fs::remove_file(library).unwrap();
        return;
    }
    if name == "playlist" {
        // Its library is made by another example: here, it says that there is none.
        let output = command.args(["/nowhere.library", "x"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere.library"), "{output:?}");
        return;
    }
    let text =
        String::from_utf8(output_of(command.arg(recording("ground.ogg")).arg(recording("sky.ogg")))).unwrap();
    if name == "batch" {
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.lines().all(|line| line.split(',').count() == 201), "{text}");
    } else {
        assert_eq!(text.matches("embeddings of 200 values").count(), 2, "{text}");
    }
}

const EXAMPLES: [(&str, &str); 6] = [
    ("extract", "c/extract.c"),
    ("batch", "c/batch.c"),
    ("extract", "cpp/extract.cpp"),
    ("live", "cpp/live.cpp"),
    ("similar", "c/similar.c"),
    ("playlist", "cpp/playlist.cpp"),
];

#[test]
fn pkg_config_links_either_library() {
    let Some(prefix) = &prefix() else { skip!("no cargo-c; run `cargo xtask test`") };
    if let Some(tool) = native::missing(&["pkg-config", "gcc", "g++"]) {
        skip!("no {tool}");
    }
    let folder = native::folder().join("pkg-config");
    fs::create_dir_all(&folder).unwrap();
    assert_eq!(pkg_config(prefix, &["--modversion"]), [env!("CARGO_PKG_VERSION")]);
    for (name, source) in EXAMPLES {
        let source = repository().join("examples").join(source);
        let is_cpp = source.extension().is_some_and(|extension| extension == "cpp");
        for is_static in [false, true] {
            let program = folder.join(format!("{name}-{is_cpp}-{is_static}"));
            let mut command = Command::new(if is_cpp { "g++" } else { "gcc" });
            command.arg(if is_cpp { "-std=c++17" } else { "-std=c11" }).args(native::WARNINGS).arg(&source);
            if is_cpp {
                command.arg("-pthread");
            }
            if is_static {
                // The linker takes the archive from its path.
                command.args(pkg_config(prefix, &["--cflags"])).arg(libraries(prefix).join("libsleeve.a"));
                let private = pkg_config(prefix, &["--static", "--libs-only-l"]);
                command.args(private.iter().filter(|word| *word != "-lsleeve"));
            } else {
                command.args(pkg_config(prefix, &["--cflags", "--libs"]));
            }
            output_of(command.arg("-o").arg(&program));
            try_out(name, &program, &libraries(prefix));
        }
    }
}

#[test]
fn cmake_finds_the_package() {
    let Some(prefix) = &prefix() else { skip!("no cargo-c; run `cargo xtask test`") };
    if let Some(tool) = native::missing(&["cmake", "gcc", "g++"]) {
        skip!("no {tool}");
    }
    for is_static in ["OFF", "ON"] {
        let build = native::folder().join(format!("cmake-{is_static}"));
        let _ = fs::remove_dir_all(&build);
        let mut configure = Command::new("cmake");
        configure.arg("-S").arg(repository().join("tests/cmake")).arg("-B").arg(&build);
        configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display()));
        configure.arg(format!("-DSLEEVE_USE_STATIC_LIBS={is_static}"));
        configure.arg(format!("-DEXAMPLES={}", repository().join("examples").display()));
        output_of(&mut configure);
        output_of(Command::new("cmake").arg("--build").arg(&build));
        for (name, source) in EXAMPLES {
            let program = build.join(source.replace(['/', '.'], "-"));
            try_out(name, &program, &libraries(prefix));
        }
    }
    // An incompatible version is refused.
    let build = native::folder().join("cmake-refused");
    let _ = fs::remove_dir_all(&build);
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(repository().join("tests/cmake")).arg("-B").arg(&build).arg("-DWANTED=9.0");
    let output = configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display())).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("sleeve"), "{output:?}");
}

/// Audio through a source of JUCE's gives the tags that it gives through a thread of our own.
#[test]
fn juce_source_gives_the_tags_of_the_live_example() {
    let Some(prefix) = &prefix() else { skip!("no cargo-c; run `cargo xtask test`") };
    let user = repository().join("target/juce/root/usr");
    let modules = user.join("share/juce/modules");
    if !modules.is_dir() {
        skip!("no JUCE; run `cargo xtask test juce`");
    }
    if let Some(tool) = native::missing(&["cmake", "g++"]) {
        skip!("no {tool}");
    }
    let folder = tempfile::tempdir().unwrap();
    let build = native::folder().join("juce");
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(repository().join("examples/juce")).arg("-B").arg(&build);
    configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display()));
    configure.arg(format!("-DJUCE_MODULES={}", modules.display()));
    // zlib beside them, which Debian has in two folders of headers.
    let machine = format!("{}-linux-gnu", std::env::consts::ARCH);
    configure.arg(format!("-DZLIB_LIBRARY={}", user.join("lib").join(&machine).join("libz.a").display()));
    configure.arg(format!("-DZLIB_INCLUDE_DIR={}", user.join("include").display()));
    configure.arg(format!("-DCMAKE_CXX_FLAGS=-isystem {}", user.join("include").join(&machine).display()));
    output_of(&mut configure);
    output_of(Command::new("cmake").arg("--build").arg(&build));
    let live = folder.path().join("live");
    let mut compile = Command::new("g++");
    compile.args(["-std=c++17", "-pthread"]).arg(repository().join("examples/cpp/live.cpp"));
    output_of(compile.args(pkg_config(prefix, &["--cflags", "--libs"])).arg("-o").arg(&live));
    // A recording as raw samples: half a minute, mono.
    let mut reader = MonoReader::open(recording("ground.ogg"), 16_000, AudioOptions::default()).unwrap();
    let mut samples = Vec::new();
    while reader.read(&mut samples).unwrap() > 0 {}
    let bytes: Vec<u8> =
        samples.iter().flat_map(|sample| ((sample * 32_767.0).round() as i16).to_le_bytes()).collect();
    let file = folder.path().join("ground.pcm");
    fs::write(&file, bytes).unwrap();
    let mut ours = Command::new(live);
    ours.args(["16000", "1"]).stdin(fs::File::open(&file).unwrap());
    let mut juce = Command::new(build.join("tagged"));
    juce.arg(&file).args(["16000", "1"]);
    let said = [ours, juce].map(|mut command| {
        command.env("LD_LIBRARY_PATH", libraries(prefix));
        String::from_utf8(output_of(&mut command)).unwrap()
    });
    assert_eq!(said[0], said[1]);
    assert!(said[0].contains("electronic") && said[0].lines().count() > 2, "{}", said[0]);
}

/// A CMake project that builds the library itself, with FetchContent, linked shared and static.
#[test]
fn cmake_builds_it_as_a_part_of_a_project() {
    if let Some(tool) = native::missing(&["cmake", "g++"]) {
        skip!("no {tool}");
    }
    for is_static in ["OFF", "ON"] {
        let build = native::folder().join(format!("fetch-{is_static}"));
        let _ = fs::remove_dir_all(&build);
        let mut configure = Command::new("cmake");
        configure.arg("-S").arg(repository().join("tests/cmake/fetch")).arg("-B").arg(&build);
        // This working tree instead of a clone.
        configure.arg(format!("-DFETCHCONTENT_SOURCE_DIR_SLEEVE={}", repository().display()));
        configure.arg(format!("-DSLEEVE_USE_STATIC_LIBS={is_static}")).arg("-DSLEEVE_CARGO_PROFILE=dev");
        let target = repository().join("target/cmake-fetch");
        configure.arg(format!("-DSLEEVE_CARGO_TARGET_DIR={}", target.display()));
        configure.arg(format!("-DSLEEVE_CARGO_TARGET={}", host()));
        output_of(configure.arg(format!("-DSLEEVE_CARGO_ARGS={}", arguments(&UNOPTIMISED).join(";"))));
        output_of(Command::new("cmake").arg("--build").arg(&build));
        let text = output_of(Command::new(build.join("player")).arg(recording("ground.ogg")));
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("embeddings of 200 values") && text.contains("electronic"), "{text}");
    }
}

#[test]
fn the_installed_library_is_small_and_bears_its_name() {
    let Some(prefix) = &prefix() else { skip!("no cargo-c; run `cargo xtask test`") };
    let library = libraries(prefix).join("libsleeve.so");
    let real = fs::canonicalize(&library).unwrap();
    assert_eq!(real.file_name().unwrap(), "libsleeve.so.1.0.0");
    assert!(libraries(prefix).join("libsleeve.so.1").exists());
    assert!(libraries(prefix).join("libsleeve.a").exists());
    for header in ["sleeve.h", "sleeve.hpp"] {
        let installed = fs::read(prefix.join("include/sleeve").join(header)).unwrap();
        assert_eq!(installed, fs::read(repository().join("include/sleeve").join(header)).unwrap());
    }
    let dynamic = String::from_utf8(output_of(Command::new("readelf").arg("-d").arg(&real))).unwrap();
    assert!(dynamic.contains("Library soname: [libsleeve.so.1]"), "{dynamic}");
    let stripped = native::folder().join("stripped.so");
    output_of(Command::new("strip").arg("-o").arg(&stripped).arg(&real));
    let bytes = fs::metadata(stripped).unwrap().len();
    println!("libsleeve.so, stripped: {:.1} MB", bytes as f64 / 1e6);
    assert!(bytes < 20_000_000, "{bytes} bytes");
}

/// The shared libraries that a library or program needs.
fn needed(file: &Path) -> Vec<String> {
    let text = String::from_utf8(output_of(Command::new("readelf").arg("-d").arg(file))).unwrap();
    let name = |line: &str| Some(line.split_once("Shared library: [")?.1.trim_end_matches(']').to_owned());
    text.lines().filter(|line| line.contains("(NEEDED)")).filter_map(name).collect()
}

/// The mean activations that an example prints, each after its patch count or before its tag.
fn numbers(text: &str) -> Vec<f64> {
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// One installed library works with and without libtorch: it does not link libtorch, and a TorchScript file runs
/// through the plugin, in programs that were built without it.
#[test]
fn torchscript_runs_through_the_unchanged_installed_library() {
    let Some(prefix) = &prefix() else { skip!("no cargo-c; run `cargo xtask test`") };
    if let Some(tool) = native::missing(&["gcc", "g++", "readelf", "pkg-config"]) {
        skip!("no {tool}");
    }
    let Some(plugin) = torch_engine() else { skip!("no libtorch; run `cargo xtask libtorch`") };
    let Some(onnx) = graph("half", 6, None) else { skip!("no peers; run `cargo xtask peers`") };
    let installed = fs::canonicalize(libraries(prefix).join("libsleeve.so")).unwrap();
    let before = fs::read(&installed).unwrap();
    let allowed =
        ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"];
    let needs = needed(&installed);
    assert!(needs.iter().all(|name| allowed.contains(&name.as_str())), "libsleeve.so needs {needs:?}");
    assert!(needed(&plugin).iter().any(|name| name.starts_with("libtorch")), "the plugin links libtorch");

    // The same network in both formats, with names for its classes.
    let folder = tempfile::tempdir().unwrap();
    let torchscript = folder.path().join("network.pt");
    fs::write(&torchscript, Model::open(&onnx).unwrap().to_torchscript().unwrap()).unwrap();
    let onnx = {
        let copy = folder.path().join("network.onnx");
        fs::copy(onnx, &copy).unwrap();
        copy
    };
    let classes: Vec<String> = (0..512).map(|class| format!("\"class{class}\"")).collect();
    let json = format!(
        r#"{{"classes": [{}], "schema": {{"outputs": [{{"name": "projections", "output_purpose": "predictions"}},
        {{"name": "embeddings", "output_purpose": "embeddings"}}]}}}}"#,
        classes.join(", ")
    );
    fs::write(folder.path().join("network.json"), json).unwrap();
    for (compiler, standard, source) in
        [("gcc", "-std=c11", "c/extract.c"), ("g++", "-std=c++17", "cpp/extract.cpp")]
    {
        let program = folder.path().join(compiler);
        let mut command = Command::new(compiler);
        command.arg(standard).arg(repository().join("examples").join(source));
        output_of(command.args(pkg_config(prefix, &["--cflags", "--libs"])).arg("-o").arg(&program));
        assert!(needed(&program).iter().all(|name| !name.contains("torch")));
        let run = |model: &Path, plugin: &Path| {
            let mut command = Command::new(&program);
            command.env("LD_LIBRARY_PATH", libraries(prefix)).env(native::PLUGIN, plugin);
            command.arg("-m").arg(model).arg(recording("sky.ogg"));
            command
        };
        let nowhere = Path::new(native::NO_PLUGIN);
        let embedded = String::from_utf8(output_of(&mut run(&onnx, nowhere))).unwrap();
        let torch = String::from_utf8(output_of(&mut run(&torchscript, &plugin))).unwrap();
        assert!(torch.contains("embeddings of 1280 values"), "{source}: {torch}");
        let (expected, found) = (numbers(&embedded), numbers(&torch));
        assert!(expected.len() == 7 && expected.len() == found.len(), "{embedded}\n{torch}");
        let is_close = |(a, b): (&f64, &f64)| (a - b).abs() <= 2e-3;
        assert!(expected.iter().zip(&found).all(is_close), "{embedded}\n{torch}");
        // Without the plugin, the error names the files that were searched for, before any audio is read.
        let output = run(&torchscript, nowhere).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(output.stdout.is_empty() && said.contains(native::NO_PLUGIN), "{said}");
    }
    assert!(fs::read(&installed).unwrap() == before);
}

/// A host needs only the prefix.
#[test]
fn thirty_lines_of_cpp_print_tags() {
    let Some(prefix) = &prefix() else { skip!("no cargo-c; run `cargo xtask test`") };
    if let Some(tool) = native::missing(&["g++"]) {
        skip!("no {tool}");
    }
    let outside = tempfile::tempdir().unwrap();
    let source = r#"
#include <sleeve/sleeve.hpp>
#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    try {
        const sleeve::Extractor extractor(sleeve::Model::bundled());
        const sleeve::Analysis analysis = extractor.run_file(argv[1]);
        const sleeve::Matrix tags = analysis.predictions();
        std::vector<std::pair<float, std::string>> order;
        for (std::size_t i = 0; i < tags.columns(); ++i) {
            float sum = 0;
            for (std::size_t row = 0; row < tags.rows(); ++row) sum += tags.row(row)[i];
            order.emplace_back(sum / static_cast<float>(tags.rows()), analysis.class_name(i));
        }
        std::sort(order.rbegin(), order.rend());
        for (std::size_t i = 0; i < 5; ++i) std::printf("%.3f %s\n", order[i].first, order[i].second.c_str());
    } catch (const sleeve::Error &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
"#;
    assert!(source.lines().count() <= 31);
    fs::write(outside.path().join("tags.cpp"), source).unwrap();
    let mut command = Command::new("g++");
    command.current_dir(outside.path()).env_clear().env("PATH", "/usr/bin:/bin");
    command.args(["-std=c++17", "-Wall", "-Wextra", "-Werror", "tags.cpp", "-o", "tags", "-I"]);
    command.arg(prefix.join("include")).arg("-L").arg(libraries(prefix)).arg("-lsleeve");
    output_of(command.arg(format!("-Wl,-rpath,{}", libraries(prefix).display())));
    let mut tags = Command::new(outside.path().join("tags"));
    let text = output_of(tags.current_dir(outside.path()).env_clear().arg(recording("ground.ogg")));
    let text = String::from_utf8(text).unwrap();
    assert!(text.lines().count() == 5 && text.contains("electronic"), "{text}");
}

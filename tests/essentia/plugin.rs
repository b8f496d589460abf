//! The plugin for Essentia: in C++, built with Essentia and run, also under valgrind; and in Python, with both of
//! Essentia's packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sleeve_tests::native::{self, NO_PLUGIN, PLUGIN};
use sleeve_tests::{once_a_run, output_of, peer, profile, recording, repository, skip, torch_engine};

/// The folder for everything that these tests create.
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

/// The first tool that the C++ tests need and that is missing.
fn missing() -> Option<&'static str> {
    native::missing(&["g++", "cmake", "pkg-config", "valgrind"])
}

/// A model for 128 x 96 patches that is small enough for valgrind, and a head for its embeddings.
fn small_models() -> Option<(PathBuf, PathBuf)> {
    let (model, head) = (folder().join("small.onnx"), folder().join("small-head.onnx"));
    let (mut model_maker, mut head_maker) = (peer("make_small_model.py")?, peer("make_head.py")?);
    once_a_run("small-models", || {
        output_of(model_maker.arg(&model));
        output_of(head_maker.arg(&head).args(["6", "3"]));
    });
    Some((model, head))
}

/// Lets pkg-config find Essentia, the library that the tests built, and what is installed under `prefix`.
fn pkg_config(command: &mut Command, essentia: &Path, prefix: &Path) {
    let files = [folder(), essentia.join("lib/pkgconfig"), prefix.join("lib/pkgconfig")];
    command.env("PKG_CONFIG_PATH", std::env::join_paths(files).unwrap());
}

/// Builds the plugin with CMake and installs it, once. Returns its prefix.
fn installed(essentia: &Path) -> PathBuf {
    let (build, prefix) = (folder().join("build"), folder().join("prefix"));
    once_a_run("essentia-plugin", || {
        let _ = fs::remove_dir_all(&prefix);
        // The file that `cargo cinstall` would write, for the library that the tests built.
        native::library();
        let library = profile();
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
    });
    prefix
}

/// A program that uses the plugin, compiled and linked with pkg-config's flags.
fn program(essentia: &Path, source: &Path) -> PathBuf {
    let prefix = installed(essentia);
    let mut flags = Command::new("pkg-config");
    pkg_config(&mut flags, essentia, &prefix);
    let flags = String::from_utf8(output_of(flags.args(["--cflags", "--libs", "sleeve_essentia"]))).unwrap();
    let program = folder().join(source.file_stem().unwrap());
    let mut command = Command::new("g++");
    command.args(["-std=c++17", "-O1", "-g", "-Wall", "-Wextra", "-Werror"]).arg(source);
    for flag in flags.split_whitespace() {
        // No warnings about Essentia's headers.
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

/// The fenced code blocks of a text. Each begins with its language.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    text.split("```").skip(1).step_by(2)
}

fn text_of(file: &str) -> String {
    fs::read_to_string(repository().join(file)).unwrap()
}

/// The code blocks of a language in the folder's README.
fn readme(language: &str) -> Vec<String> {
    let text = text_of("bindings/essentia/README.md");
    let code = |block: &str| Some(block.strip_prefix(language)?.strip_prefix('\n')?.to_owned());
    blocks(&text).filter_map(code).collect()
}

/// The repository's README shows only code of the plugin's README, which the tests below run.
#[test]
fn the_files_agree_with_each_other() {
    let (whole, folder) = (text_of("README.md"), text_of("bindings/essentia/README.md"));
    if let Some(section) = whole.split("\n## ").find(|section| section.starts_with("In Essentia")) {
        let shown: Vec<&str> = blocks(&folder).collect();
        assert!(blocks(section).next().is_some(), "{section}");
        for block in blocks(section) {
            assert!(shown.contains(&block), "not in bindings/essentia/README.md:\n{block}");
        }
    }
    let version = env!("CARGO_PKG_VERSION");
    for (file, words) in [
        ("bindings/essentia/CMakeLists.txt", format!("project(sleeve_essentia VERSION {version} ")),
        ("bindings/essentia/python/pyproject.toml", format!("version = \"{version}\"")),
        ("bindings/essentia/python/sleeve_essentia/__init__.py", format!("__version__ = \"{version}\"")),
    ] {
        assert!(text_of(file).contains(&words), "{file}: not version {version}");
    }
    // Two places have the hash of the source package.
    let hash = |file: &str| {
        let text = text_of(file);
        let found =
            text.split('"').find(|word| word.len() == 64 && word.chars().all(|c| c.is_ascii_hexdigit()));
        found.expect("the file has a hash").to_owned()
    };
    assert_eq!(hash("bindings/essentia/python/plugin.py"), hash("xtask/src/essentia.rs"));
}

/// A folder with the README's paths of the repository and two recordings.
fn reader_s_folder(name: &str) -> PathBuf {
    let folder = folder().join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for part in ["bindings", "examples", "include"] {
        std::os::unix::fs::symlink(repository().join(part), folder.join(part)).unwrap();
    }
    fs::copy(recording("idle_tune.mp3"), folder.join("song.mp3")).unwrap();
    fs::copy(sleeve_tests::data("golden/music1.wav"), folder.join("song.wav")).unwrap();
    folder
}

#[test]
fn the_readme_s_commands_build_the_example_in_cpp() {
    if let Some(tool) = missing() {
        skip!("no {tool}");
    }
    let Some(essentia) = essentia() else { skip!("no C++ Essentia; run `cargo xtask peers`") };
    // Writes sleeve.pc.
    installed(&essentia);
    let folder = reader_s_folder("reader-cpp");
    let commands = &readme("sh")[1];
    assert!(commands.contains("cmake") && commands.contains("song.json"), "{commands}");
    let mut shell = Command::new("sh");
    pkg_config(&mut shell, &essentia, Path::new("/nowhere"));
    shell.current_dir(&folder).env("HOME", &folder).env(PLUGIN, NO_PLUGIN);
    output_of(shell.args(["-e", "-u", "-c", commands]));
    let written: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(folder.join("song.json")).unwrap()).unwrap();
    let mean = written["sleeve"]["mean"].as_array().unwrap();
    assert_eq!(mean.len(), 50);
    assert!(mean.iter().all(|tag| (0.0..=1.0).contains(&tag.as_f64().unwrap())), "{mean:?}");
    let rows = written["sleeve"]["predictions"].as_array().unwrap();
    assert!(rows.len() > 2 && rows.iter().all(|row| row.as_array().unwrap().len() == 50), "{}", rows.len());

    let extractor = folder.join("build/extractor/extractor");
    let text = output_of(Command::new(&extractor).current_dir(&folder).args(["song.wav", "-"]));
    assert!(String::from_utf8_lossy(&text).contains("predictions: [["));
    let failing = |arguments: &[&str]| {
        let output = Command::new(&extractor).current_dir(&folder).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(if arguments.len() < 2 { 2 } else { 1 }), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(failing(&["song.mp3", "x.yaml"]).contains("song.mp3: is no WAV file"));
    assert!(failing(&["missing.wav", "x.yaml"]).contains("missing.wav"));
    assert!(failing(&["--model", "missing.onnx", "song.wav", "x.yaml"]).contains("missing.onnx"));
    assert!(failing(&["--help"]).contains("usage"));
}

/// A virtual environment created with the README's commands, with Essentia and our package. Returns its folder.
fn python() -> Option<PathBuf> {
    if native::missing(&["python3", "g++"]).is_some() {
        return None;
    }
    once_a_run("reader-python", || {
        let folder = reader_s_folder("reader-python");
        let commands = &readme("sh")[0];
        assert!(commands.contains("pip install essentia ./bindings/essentia/python"), "{commands}");
        let mut shell = Command::new("sh");
        // Uses existing builds and packages.
        shell.env("SLEEVE_LIBRARY", native::library());
        if let Some(essentia) = essentia() {
            shell.env("SLEEVE_ESSENTIA_HEADERS", essentia.join("include"));
        }
        output_of(shell.current_dir(folder).args(["-e", "-c", commands]));
    });
    Some(folder().join("reader-python"))
}

/// Our package without its environment, for other environments.
fn package(environment: &Path, name: &str) -> PathBuf {
    let python = environment.join("env/bin/python");
    let ask = "import sysconfig; print(sysconfig.get_path('purelib'))";
    let site = String::from_utf8(output_of(Command::new(python).args(["-c", ask]))).unwrap();
    let copy = folder().join(name);
    let _ = fs::remove_dir_all(&copy);
    fs::create_dir_all(copy.join("sleeve_essentia")).unwrap();
    for file in fs::read_dir(Path::new(site.trim()).join("sleeve_essentia")).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            fs::copy(&path, copy.join("sleeve_essentia").join(path.file_name().unwrap())).unwrap();
        }
    }
    copy
}

fn script(name: &str) -> PathBuf {
    repository().join("tests/essentia").join(name)
}

/// Runs a script that prints `ok` at its end.
fn run(command: &mut Command) {
    let text = String::from_utf8(output_of(command.env("TF_CPP_MIN_LOG_LEVEL", "3"))).unwrap();
    assert!(text.ends_with("ok\n"), "{text}");
    print!("{text}");
}

#[test]
fn the_readme_s_commands_work_in_a_new_virtual_environment() {
    let Some(folder) = &python() else { skip!("no python3 or g++") };
    let code = format!("{}\nprint(tags.shape, embeddings.shape, tags.max())\n", readme("python")[0]);
    let mut command = Command::new(folder.join("env/bin/python"));
    let text = output_of(command.current_dir(folder).args(["-c", &code]).env(PLUGIN, NO_PLUGIN));
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains(", 50) (") && text.contains(", 200) 0."), "{text}");
    let missing = "import sys; sys.modules['essentia'] = None; import sleeve_essentia";
    let output = Command::new(folder.join("env/bin/python")).args(["-c", missing]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("pip install essentia") && output.status.code() == Some(1), "{said}");
}

#[test]
fn python_networks_standard_and_streaming() {
    let Some(folder) = &python() else { skip!("no python3 or g++") };
    let Some((model, head)) = small_models() else { skip!("no peers; run `cargo xtask peers`") };
    let mut command = Command::new(folder.join("env/bin/python"));
    command.arg(script("algorithms.py")).args([&model, &head]).arg(recording("ground.ogg"));
    match torch_engine() {
        Some(plugin) => {
            let (onnx, torch) = torchscript();
            run(command.arg(onnx).arg(torch).env(PLUGIN, plugin));
        }
        None => run(command.env(PLUGIN, NO_PLUGIN)),
    }
}

/// A network as ONNX and as TorchScript.
fn torchscript() -> (PathBuf, PathBuf) {
    let folder = folder().join("torchscript");
    fs::create_dir_all(&folder).unwrap();
    let onnx = sleeve_tests::effnet::graph("folded", 1, None).expect("the peers are available");
    let (copy, torch) = (folder.join("plain.onnx"), folder.join("script.pt"));
    fs::copy(onnx, &copy).unwrap();
    let bytes = sleeve::model::Model::open(&copy).unwrap().to_torchscript().unwrap();
    fs::write(&torch, bytes).unwrap();
    (copy, torch)
}

#[test]
fn python_networks_beside_tensorflow_on_the_same_weights() {
    let Some(environment) = &python() else { skip!("no python3 or g++") };
    let Some((model, head)) = small_models() else { skip!("no peers; run `cargo xtask peers`") };
    let tensorflow = repository().join("target/essentia-tensorflow/bin/python");
    let keras = repository().join("target/keras/bin/python");
    if !tensorflow.exists() || !keras.exists() {
        skip!("no essentia-tensorflow or no Keras; run `cargo xtask test`");
    }
    let package = package(environment, "package");
    let python = || {
        let mut command = Command::new(&tensorflow);
        command.env("PYTHONPATH", &package).env(PLUGIN, NO_PLUGIN);
        command
    };
    run(python().arg(script("algorithms.py")).args([&model, &head]).arg(recording("ground.ogg")));
    let graphs = folder().join("graphs");
    let mut make = Command::new(keras);
    make.env("TF_CPP_MIN_LOG_LEVEL", "3").arg(repository().join("tests/peers/essentia_graphs.py"));
    output_of(make.arg(&graphs));
    run(python().arg(script("parity.py")).arg(&graphs));
}

/// Plugins that are compiled for classes other than the installed ones.
#[test]
fn an_essentia_that_does_not_fit_is_refused() {
    let (Some(environment), Some(essentia)) = (&python(), essentia()) else {
        skip!("no C++ Essentia; run `cargo xtask peers`")
    };
    let headers = folder().join("other-headers");
    let file = headers.join("essentia/configurable.h");
    let member = ("ParameterMap _params;", "ParameterMap _params; void* _more;");
    let virtual_function =
        ("virtual void configure() {}", "virtual void more() {} virtual void configure() {}");
    let new_strings = "-O0 -U_GLIBCXX_USE_CXX11_ABI -D_GLIBCXX_USE_CXX11_ABI=1";
    for (change, flags, reason) in [
        (Some(member), "-O0", "standard::Clipper has room for"),
        (Some(virtual_function), "-O0", "virtual functions of Configurable"),
        (None, new_strings, "undefined symbol"),
    ] {
        let _ = fs::remove_dir_all(&headers);
        fs::create_dir_all(&headers).unwrap();
        output_of(Command::new("cp").arg("-r").arg(essentia.join("include/essentia")).arg(&headers));
        if let Some((from, to)) = change {
            let text = fs::read_to_string(&file).unwrap();
            assert!(text.contains(from));
            fs::write(&file, text.replacen(from, to, 1)).unwrap();
        }
        let package = package(environment, "other-package");
        let python = environment.join("env/bin/python");
        let mut build = Command::new(&python);
        build.env("SLEEVE_LIBRARY", native::library()).env("SLEEVE_ESSENTIA_HEADERS", &headers);
        build.env("CXXFLAGS", flags).current_dir(repository().join("bindings/essentia/python"));
        let code = "import pathlib, plugin, sys; plugin.build(pathlib.Path(sys.argv[1]))";
        output_of(build.args(["-B", "-c", code]).arg(package.join("sleeve_essentia")));
        let mut command = Command::new(&python);
        let output =
            command.env("PYTHONPATH", &package).args(["-c", "import sleeve_essentia"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("was not built for the Essentia that is installed") && said.contains(reason),
            "{said}"
        );
    }
}

//! How the libtorch plugin is found and loaded, and the error messages of the program if it or CUDA is not available.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sleeve::engine::plugin::Library;
use sleeve::engine::{Device, EngineChoice, EngineOptions};
use sleeve::model::Model;
use sleeve_tests::effnet::{graph, relative_error};
use sleeve_tests::{data, have, output_of, program, recording, skip, torch_engine};

/// Compiles `data/fake_engine.c`; `None` without a C compiler.
fn fake(path: &Path, version: u32, size: u32) -> Option<()> {
    if !have("cc") {
        return None;
    }
    let defines = [format!("-DVERSION={version}"), format!("-DSIZE={size}")];
    let mut command = Command::new("cc");
    output_of(
        command.args(["-shared", "-fPIC"]).args(defines).arg("-o").arg(path).arg(data("fake_engine.c")),
    );
    Some(())
}

/// `sleeve extract`, without the environment variables of this machine.
fn extract() -> Command {
    let mut command = Command::new(program());
    for name in ["SLEEVE_TORCH_ENGINE", "SLEEVE_LIBTORCH_CUDA", "LD_LIBRARY_PATH", "SLEEVE_LOG"] {
        command.env_remove(name);
    }
    command.arg("extract");
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A model with both files, `.onnx` and `.pt`, in a folder.
fn pair(folder: &Path) -> Option<PathBuf> {
    let stem = folder.join("pair");
    fs::copy(graph("half", 6, None)?, folder.join("pair.onnx")).unwrap();
    let torchscript = Model::open(&stem).unwrap().to_torchscript().unwrap();
    fs::write(folder.join("pair.pt"), torchscript).unwrap();
    Some(stem)
}

#[test]
fn plugins_of_another_version_are_refused_with_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.so");
    if fake(&path, 7, 88).is_none() {
        skip!("no C compiler");
    }
    let error = Library::load(&path).unwrap_err().to_string();
    assert!(error.contains("version 7") && error.contains("version 1"), "{error}");
    assert!(error.contains("engine.so"), "{error}");
    // The right version, but a table of another size.
    let path = folder.path().join("short.so");
    fake(&path, 1, 24).unwrap();
    let error = Library::load(&path).unwrap_err().to_string();
    assert!(error.contains("24 bytes"), "{error}");
}

#[test]
fn what_is_named_and_no_plugin_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.so");
    fs::write(&text, "not a library").unwrap();
    for (value, words) in [
        (text.to_str().unwrap(), "text.so: file too short"),
        ("/nonexistent/engine.so", "cannot open shared object file"),
        ("libsleeve_torch.so", "not an absolute path"),
    ] {
        let mut command = extract();
        command.env("SLEEVE_TORCH_ENGINE", value).args(["--engine", "torch"]).arg(recording("sky.ogg"));
        let Some(model) = graph("half", 6, None) else { skip!("no peers; run `cargo xtask peers`") };
        let output = command.arg("--model").arg(model).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains(words), "{}", said(&output));
    }
}

#[test]
fn the_working_directory_is_never_searched() {
    let Some(model) = graph("half", 6, None) else { skip!("no peers; run `cargo xtask peers`") };
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    if fake(&here.path().join("libsleeve_torch.so"), 7, 88).is_none() {
        skip!("no C compiler");
    }
    // The program is in another folder, alone.
    let copy = there.path().join("sleeve");
    fs::copy(program(), &copy).unwrap();
    let mark = there.path().join("loaded");
    for library_path in [None, Some(""), Some("."), Some(":/usr/lib"), Some("/usr/lib:")] {
        for name in ["sleeve", copy.to_str().unwrap()] {
            let mut command = Command::new(name);
            command.env("PATH", there.path()).env("FAKE_ENGINE_LOADED", &mark);
            command.env_remove("SLEEVE_TORCH_ENGINE").env_remove("LD_LIBRARY_PATH");
            if let Some(value) = library_path {
                command.env("LD_LIBRARY_PATH", value);
            }
            command.current_dir(here.path()).args(["extract", "--engine", "torch", "--model"]).arg(&model);
            let output = command.arg(recording("sky.ogg")).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{library_path:?}: {}", said(&output));
            let text = said(&output);
            assert!(!mark.exists(), "{library_path:?}: loaded from the working directory");
            // The message lists every place: beside the program, and the library path.
            assert!(text.contains("SLEEVE_TORCH_ENGINE: not set"), "{text}");
            assert!(text.contains(copy.with_file_name("libsleeve_torch.so").to_str().unwrap()), "{text}");
            assert!(text.contains("the system's library path"), "{text}");
        }
    }
    // The same file is loaded from an allowed place, which shows that the mark works.
    let mut command = Command::new(&copy);
    command.env("FAKE_ENGINE_LOADED", &mark).env_remove("SLEEVE_TORCH_ENGINE");
    command.env("LD_LIBRARY_PATH", here.path()).args(["extract", "--engine", "torch", "--model"]).arg(&model);
    assert_eq!(command.arg(recording("sky.ogg")).output().unwrap().status.code(), Some(1));
    assert!(mark.exists());
}

#[test]
fn nothing_is_linked_to_libtorch_but_the_plugin() {
    if !have("ldd") {
        skip!("no ldd");
    }
    let needed = String::from_utf8(output_of(Command::new("ldd").arg(program()))).unwrap();
    for library in ["torch", "c10", "cuda"] {
        assert!(!needed.contains(library), "{needed}");
    }
    assert!(needed.contains("libc.so"), "{needed}");
}

#[test]
fn extract_runs_on_the_torch_engine() {
    let Some(plugin) = torch_engine() else { skip!("no libtorch; run `cargo xtask libtorch`") };
    let folder = tempfile::tempdir().unwrap();
    let Some(stem) = pair(folder.path()) else { skip!("no peers; run `cargo xtask peers`") };
    let mut embeddings = Vec::new();
    // `auto` is the CPU without CUDA; with CUDA it is the torch engine.
    for engine in ["torch", "effnet", "auto"] {
        let target = folder.path().join(engine);
        let mut command = extract();
        command.env("SLEEVE_TORCH_ENGINE", &plugin).args(["--engine", engine, "--threads", "2", "-v"]);
        command.arg("--model").arg(&stem).arg("--output").arg(&target).arg(recording("sky.ogg"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let text = said(&output);
        match engine {
            "torch" => assert!(text.contains("libtorch 2.11.0, f32"), "{text}"),
            "auto" => assert!(text.contains("on the CPU: device cuda") || text.contains("cuda:0"), "{text}"),
            _ => {}
        }
        let index: serde_json::Value =
            serde_json::from_slice(&fs::read(target.join("index.json")).unwrap()).unwrap();
        let used = index.to_string();
        assert!(engine == "auto" || used.contains(&format!("\"engine\":\"{engine}\"")), "{used}");
        let rows: ndarray::Array2<f32> =
            ndarray_npy::read_npy(target.join("sky.ogg.embeddings.npy")).unwrap();
        assert_eq!(rows.ncols(), 1280);
        embeddings.push(rows);
    }
    for other in &embeddings[1..] {
        let error = relative_error(embeddings[0].as_slice().unwrap(), other.as_slice().unwrap());
        assert!(error <= 1e-4, "{error:e}");
    }
}

#[test]
fn extract_says_why_there_is_no_cuda() {
    let Some(plugin) = torch_engine() else { skip!("no libtorch; run `cargo xtask libtorch`") };
    let folder = tempfile::tempdir().unwrap();
    let Some(stem) = pair(folder.path()) else { skip!("no peers; run `cargo xtask peers`") };
    let run = |name: &str, value: Option<&Path>, arguments: &[&str]| {
        let mut command = extract();
        command.env("SLEEVE_TORCH_ENGINE", &plugin);
        if let Some(value) = value {
            command.env(name, value);
        }
        command.args(arguments).arg("--model").arg(&stem).arg(recording("sky.ogg"));
        let output = command.output().unwrap();
        (output.status.code(), said(&output))
    };
    // A folder without libtorch, and one with another version: each is listed with its reason.
    fs::create_dir_all(folder.path().join("torch/lib")).unwrap();
    let other = folder.path().join("torch/lib/libtorch_cuda.so");
    let (code, text) = run("SLEEVE_LIBTORCH_CUDA", other.parent(), &["--device", "cuda"]);
    assert_eq!(code, Some(1));
    assert!(text.contains(other.to_str().unwrap()) && text.contains("no such file"), "{text}");
    fs::write(&other, "").unwrap();
    fs::write(folder.path().join("torch/version.py"), "__version__ = '2.5.1+cu124'\n").unwrap();
    let (_, text) = run("SLEEVE_LIBTORCH_CUDA", other.parent(), &["--device", "cuda:0,1"]);
    assert!(text.contains("2.5.1+cu124") && text.contains("2.11.0 is needed"), "{text}");
    // A Python environment is one of the usual places.
    let packages = folder.path().join("lib/python3.11/site-packages/torch/lib");
    fs::create_dir_all(&packages).unwrap();
    if Library::torch().unwrap().cuda_devices().is_err() {
        let (code, text) = run("VIRTUAL_ENV", Some(folder.path()), &["--device", "cuda"]);
        assert_eq!(code, Some(1));
        for place in ["SLEEVE_LIBTORCH_CUDA: not set", packages.to_str().unwrap(), "/usr/local/libtorch/lib"]
        {
            assert!(text.contains(place), "{place}: {text}");
        }
    }
    // The built-in engines say which engine has CUDA.
    let (_, text) = run("NOTHING", None, &["--device", "cuda", "--engine", "effnet"]);
    assert!(text.contains("effnet engine runs on the CPU"), "{text}");
}

#[test]
fn a_model_that_no_torch_engine_can_run_is_refused_before_one_is_loaded() {
    let model = sleeve_tests::small_model::with_sines();
    for (engine, device) in [(EngineChoice::Torch, Device::Cpu), (EngineChoice::Auto, Device::Cuda(vec![0]))]
    {
        let options = EngineOptions::default().engine(engine).device(device);
        let error = model.engine(&options).err().unwrap().to_string();
        assert!(error.contains("no TorchScript file") && error.contains("operator Sin"), "{error}");
    }
}

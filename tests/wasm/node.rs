//! The package in Node.

use std::fs;
use std::path::Path;
use std::process::Command;

use sleeve::extractor::Extractor;
use sleeve::front_end::{FrontEnd, Spectrogram};
use sleeve::model::Model;
use sleeve_tests::audio::music;
use sleeve_tests::{have, output_of, recording, repository, skip};

use super::{assert_rows, difference, floats, made, node, times, write_samples};

const PACKAGE: &str = "test-package";

fn native(model: Model) -> Extractor {
    Extractor::builder(model).threads(1).build().unwrap()
}

/// The bundled model on samples, and on a file.
pub fn compare_bundled(package: &Path) {
    let extractor = native(Model::bundled("msd-musicnn-1").unwrap());
    for (rate, channels) in [(16_000, 1), (44_100, 2)] {
        let folder = tempfile::tempdir().unwrap();
        let samples = music(rate, usize::from(channels), 9.3);
        let path = write_samples(folder.path(), &samples);
        let [path, out] = [path.as_path(), folder.path()].map(|path| path.display().to_string());
        let report = node(package, &["extract", &path, &rate.to_string(), &channels.to_string(), &out]);
        let expected = extractor.extract_interleaved(&samples, channels, rate).unwrap();
        assert_eq!(times(&report), expected.times());
        assert_rows(&format!("{rate} Hz, {channels} channels"), folder.path(), &expected);
        assert_eq!(report["streamed"], true, "pieces give other bits than the whole");
        let engine = report["engine"].as_str().unwrap();
        assert!(engine.contains("SIMD128") && engine.contains("1 thread"), "{engine}");
        assert_eq!(report["classes"].as_array().unwrap().len(), 50);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = recording("ground.ogg");
    let report = node(package, &["file", &file.display().to_string(), &folder.path().display().to_string()]);
    assert_rows("ground.ogg", folder.path(), &extractor.extract_file(&file).unwrap());
    assert_eq!((report["sampleRate"].as_u64(), report["channels"].as_u64()), (Some(44_100), Some(1)));
    let mut reader = sleeve::audio::AudioReader::open(&file).unwrap();
    let mut samples = Vec::new();
    while reader.read(&mut samples).unwrap() > 0 {}
    // The decoder's transforms are other code with x86's vectors.
    let error = difference(&floats(folder.path(), "samples"), &samples);
    println!("decoded samples within {error:.1e}");
    assert!(error < 1e-6, "a decoded sample is off by {error:e}");
}

/// An EfficientNet-B0 whose files are given.
pub fn compare_efficientnet(package: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let stem = repository().join("models/debian-multitask-1");
    let extractor = native(Model::open(&stem).unwrap());
    let samples = music(16_000, 1, 5.0);
    let path = write_samples(folder.path(), &samples).display().to_string();
    let [onnx, json] = ["onnx", "json"].map(|ending| stem.with_extension(ending).display().to_string());
    let out = folder.path().display().to_string();
    let report = node(package, &["extract", &path, "16000", "1", &out, &onnx, &json]);
    assert_rows("EfficientNet-B0", folder.path(), &extractor.extract_samples(&samples, 16_000).unwrap());
    assert_eq!(report["streamed"], true);
    assert!(report["engine"].as_str().unwrap().contains("SIMD128"), "{report}");
}

#[test]
fn rows_are_the_native_ones() {
    let Some(package) = made(PACKAGE).filter(|_| have("node")) else { skip!("no WebAssembly module") };
    compare_bundled(&package);
    compare_efficientnet(&package);
}

#[test]
fn frames_of_every_front_end_are_the_native_ones() {
    let Some(package) = made(PACKAGE).filter(|_| have("node")) else { skip!("no WebAssembly module") };
    let folder = tempfile::tempdir().unwrap();
    let samples = music(16_000, 1, 2.5);
    let path = write_samples(folder.path(), &samples).display().to_string();
    let report = node(&package, &["mel", &path, &folder.path().display().to_string()]);
    for (front_end, found) in FrontEnd::ALL.into_iter().zip(report.as_array().unwrap()) {
        assert_eq!(found["name"], front_end.name());
        let expected = Spectrogram::new(front_end).compute(&samples);
        assert_eq!(found["frames"].as_u64(), Some(expected.nrows() as u64), "{front_end}");
        let values = floats(folder.path(), front_end.name());
        let expected: Vec<f32> = expected.iter().copied().collect();
        let error = difference(&values, &expected);
        println!("{front_end}: within {error:.1e}");
        // The tables of the others are in double precision, where cosines may differ in the last place.
        let most = if front_end == FrontEnd::MusiCnn { 0.0 } else { 1e-6 };
        assert!(error <= most, "{front_end}: {error:e}");
    }
}

#[test]
fn wrong_calls_are_refused_in_words() {
    let Some(package) = made(PACKAGE).filter(|_| have("node")) else { skip!("no WebAssembly module") };
    let said = node(&package, &["misuse"]);
    for (call, words) in [
        ("doubles", "TypeError: samples must be a Float32Array"),
        ("no rate", "TypeError: sampleRate"),
        ("a rate beyond 32 bits", "TypeError: sampleRate"),
        ("a fraction of a hop", "TypeError: patchHop"),
        ("low rate", "SleeveError: "),
        ("half a frame", "SleeveError: "),
        ("NaN", "sample 1234 is NaN"),
        ("not audio", "notes.txt"),
        ("damaged", "SleeveError: <x.mp3>"),
        ("not a model", "SleeveError: model none: "),
        ("front end", "unknown front end bark; known: musicnn, vggish"),
        ("too large", "SleeveError: no memory for 2147483648 bytes"),
        ("a fault inside", "SleeveError: panicked at x.rs: why"),
        ("freed", "SleeveError: the object was freed"),
        ("after the end", "SleeveError: "),
        ("still works", "1 patch, 1 patches"),
    ] {
        let found = said[call].as_str().unwrap_or_default();
        assert!(found.contains(words), "{call}: {found}");
    }
}

#[test]
fn types_are_those_of_the_code() {
    let compiler = repository().join("target/wasm/npm-typescript/node_modules/typescript/bin/tsc");
    if !compiler.exists() || !have("node") {
        skip!("no TypeScript");
    }
    let Some(package) = made(PACKAGE) else { skip!("no WebAssembly module") };
    // Beside the package, where imports find it.
    let folder = tempfile::tempdir_in(package.parent().unwrap()).unwrap();
    let source = fs::read_to_string(repository().join("tests/wasm/types.ts")).unwrap();
    let compile = |name: &str, source: &str| {
        let path = folder.path().join(name);
        fs::write(&path, source.replace("sleeve-music", &format!("../{PACKAGE}/index.js"))).unwrap();
        let text = fs::read_to_string(&path).unwrap().replace("index.js/client", "client.js");
        fs::write(&path, text).unwrap();
        let mut command = Command::new("node");
        command.arg(&compiler).args(["--noEmit", "--strict", "--target", "esnext", "--module", "nodenext"]);
        command.args(["--lib", "esnext,dom"]).arg(&path);
        command.output().unwrap()
    };
    let output = compile("right.mts", &source);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let wrong = source.replace("new Float32Array(48_000)", "new Float64Array(48_000)");
    assert_ne!(wrong, source);
    let output = compile("wrong.mts", &wrong);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stdout).contains("Float64Array"));
    // Every export has a type, and every type a value.
    let script = format!(
        "import * as a from '{0}/index.js'; import * as b from '{0}/client.js'; console.log([...Object.keys(a), ...Object.keys(b)].sort().join(' '))",
        package.display()
    );
    let exported = output_of(Command::new("node").args(["--input-type=module", "--eval", &script]));
    let declared: Vec<String> = ["index.d.ts", "client.d.ts"]
        .iter()
        .flat_map(|file| {
            let text = fs::read_to_string(package.join(file)).unwrap();
            let names = text.lines().filter_map(|line| {
                let rest = line.strip_prefix("export class ").or(line.strip_prefix("export function "))?;
                rest.split(|c: char| !c.is_alphanumeric()).next().map(str::to_owned)
            });
            names.collect::<Vec<_>>()
        })
        .collect();
    let mut declared: Vec<&str> = declared.iter().map(String::as_str).collect();
    declared.sort();
    assert_eq!(String::from_utf8(exported).unwrap().trim(), declared.join(" "));
}

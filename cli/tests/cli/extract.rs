//! `sleeve extract`.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::sleeve;
use sleeve_tests::{output_of, peer, recording, skip};

/// With one model, so that file names do not contain the model.
const ONE: [&str; 2] = ["--model", "msd-musicnn-1"];

fn extract(arguments: &[&str]) -> Output {
    let model = if arguments.contains(&"--model") { &[][..] } else { &ONE };
    sleeve("extract").args(arguments).args(model).output().expect("sleeve starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}

/// A folder with two short recordings, one of them in a subfolder.
fn library() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("deeper")).unwrap();
    fs::copy(recording("sky.ogg"), folder.path().join("sky.ogg")).unwrap();
    fs::copy(recording("ground.ogg"), folder.path().join("deeper/ground.OGG")).unwrap();
    fs::write(folder.path().join("notes.txt"), "not audio").unwrap();
    folder
}

fn index(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(folder.join("index.json")).unwrap()).unwrap()
}

#[test]
fn a_summary_names_the_file_and_its_strongest_tags() {
    // The default is two models: one for tags, and one for similarity.
    let output = sleeve("extract").args(["--top", "3", path(&recording("sky.ogg"))]).output().unwrap();
    let said = text(&output.stdout);
    assert_eq!(said.matches("embedding: 200 values").count(), 2, "{said}");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(said.contains("sky.ogg") && said.contains("25.6 s") && said.contains("44100 Hz mono"), "{said}");
    let first = said.lines().find(|line| line.contains("0.6")).expect("the strongest tag is near 0.61");
    assert!(first.trim_start().starts_with("electronic"), "{said}");
}

#[test]
fn a_directory_is_walked_and_every_format_holds_the_same_numbers() {
    let library = library();
    let out = tempfile::tempdir().unwrap();
    for format in ["npy", "json", "csv"] {
        let target = out.path().join(format);
        let output = extract(&["--format", format, "--output", path(&target), path(library.path())]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(index(&target)["files"].as_array().unwrap().len(), 2);
    }
    let npy = out.path().join("npy");
    let embeddings: ndarray::Array2<f32> = ndarray_npy::read_npy(npy.join("sky.ogg.embeddings.npy")).unwrap();
    let tags: ndarray::Array2<f32> =
        ndarray_npy::read_npy(npy.join("deeper/ground.OGG.predictions.npy")).unwrap();
    assert_eq!((embeddings.ncols(), tags.ncols()), (200, 50));

    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(out.path().join("json/deeper/ground.OGG.json")).unwrap()).unwrap();
    let patches = json["patches"].as_array().unwrap();
    assert_eq!(patches.len(), tags.nrows());
    let csv = fs::read_to_string(out.path().join("csv/deeper/ground.OGG.csv")).unwrap();
    let mut lines = csv.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!(columns.len(), 1 + 200 + 50);
    let electronic = columns.iter().position(|&column| column == "predictions:electronic").unwrap();
    let class = json["outputs"]["predictions"]["classes"].as_array().unwrap();
    let class = class.iter().position(|name| name == "electronic").unwrap();
    for (row, (line, patch)) in lines.zip(patches).enumerate() {
        let fields: Vec<f32> = line.split(',').map(|field| field.parse().unwrap()).collect();
        assert_eq!(fields[0], patch["time"].as_f64().unwrap() as f32);
        assert_eq!(fields[electronic], tags[[row, class]]);
        assert_eq!(patch["predictions"][class].as_f64().unwrap() as f32, tags[[row, class]]);
    }
}

#[test]
fn parquet_is_what_arrow_reads() {
    let Some(mut reader) = peer("parquet_rows.py") else { skip!("no Python peers: cargo xtask peers") };
    let out = tempfile::tempdir().unwrap();
    let recording = recording("sky.ogg");
    for format in ["npy", "parquet"] {
        let output = extract(&["--format", format, "--output", path(out.path()), path(&recording)]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let rows = output_of(reader.arg(out.path().join("sky.ogg.parquet")));
    let rows: serde_json::Value = serde_json::from_slice(&rows).unwrap();
    for name in ["embeddings", "predictions"] {
        let file = out.path().join(format!("sky.ogg.{name}.npy"));
        let expected: ndarray::Array2<f32> = ndarray_npy::read_npy(file).unwrap();
        let found = rows[name].as_array().unwrap();
        assert_eq!(found.len(), expected.nrows());
        for (found, expected) in found.iter().zip(expected.rows()) {
            let found: Vec<f32> =
                found.as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect();
            assert_eq!(found, expected.to_vec(), "{name}");
        }
    }
    assert_eq!(rows["time"].as_array().unwrap().len(), rows["embeddings"].as_array().unwrap().len());
}

#[test]
fn the_mean_is_the_mean_of_the_rows() {
    let out = tempfile::tempdir().unwrap();
    let (rows, mean) = (out.path().join("rows"), out.path().join("mean"));
    for (target, extra) in [(&rows, None), (&mean, Some("--mean"))] {
        let mut arguments = vec!["--output", path(target)];
        arguments.extend(extra);
        let recording = recording("sky.ogg");
        arguments.push(path(&recording));
        assert!(extract(&arguments).status.success());
    }
    let rows: ndarray::Array2<f32> = ndarray_npy::read_npy(rows.join("sky.ogg.embeddings.npy")).unwrap();
    let mean: ndarray::Array2<f32> = ndarray_npy::read_npy(mean.join("sky.ogg.embeddings.npy")).unwrap();
    let expected = rows.mapv(f64::from).mean_axis(ndarray::Axis(0)).unwrap();
    assert_eq!(mean.dim(), (1, 200));
    for (&mean, &expected) in mean.iter().zip(&expected) {
        assert!((f64::from(mean) - expected).abs() <= 1e-6 * expected.abs().max(1.0));
    }
}

#[test]
fn a_file_that_fails_is_named_and_the_rest_goes_on() {
    let library = library();
    fs::write(library.path().join("broken.mp3"), b"this is not an MP3 file at all").unwrap();
    let out = tempfile::tempdir().unwrap();
    let output = extract(&["--output", path(out.path()), path(library.path()), "nowhere.wav"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("broken.mp3: ") && said.contains("nowhere.wav: "), "{said}");
    assert_eq!(index(out.path())["files"].as_array().unwrap().len(), 2);
    let leftovers: Vec<_> = walk(out.path()).into_iter().filter(|name| name.contains("broken")).collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
}

#[test]
fn a_run_resumes_where_it_was() {
    let library = library();
    let out = tempfile::tempdir().unwrap();
    let run = |extra: &[&str]| {
        let mut arguments = vec!["--resume", "--output", path(out.path())];
        arguments.extend(extra);
        arguments.push(path(library.path()));
        let output = extract(&arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    assert!(run(&[]).contains("2 files"));
    assert!(run(&[]).contains("0 files") && run(&[]).contains("2 already done"));
    // A missing output and a changed input are processed again.
    fs::remove_file(out.path().join("sky.ogg.embeddings.npy")).unwrap();
    assert!(run(&[]).contains("1 files"));
    let changed = library.path().join("deeper/ground.OGG");
    fs::copy(recording("sky.ogg"), &changed).unwrap();
    assert!(run(&[]).contains("1 files"));
    // With other settings, all files are processed again.
    assert!(run(&["--mean"]).contains("2 files"));
}

#[test]
fn the_level_is_a_setting_and_the_gain_is_noted() {
    let library = library();
    fs::write(library.path().join("silence.wav"), silence()).unwrap();
    let out = tempfile::tempdir().unwrap();
    let run = |level: &str| {
        let output =
            extract(&["--resume", "--level", level, "--output", path(out.path()), path(library.path())]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        (index(out.path()), text(&output.stderr))
    };
    let (index, said) = run("track");
    assert!(said.contains("3 files") && said.contains("silence.wav: level track: silent"), "{said}");
    assert_eq!(index["settings"]["level"], "track");
    let files = index["files"].as_array().unwrap();
    assert_eq!(files.len(), 3);
    for file in files {
        if file["source"].as_str().unwrap().ends_with("silence.wav") {
            assert!(
                file.get("level").is_none() && file["warnings"].to_string().contains("level track: silent")
            );
            continue;
        }
        let (lufs, gain) =
            (file["level"]["lufs"].as_f64().unwrap(), file["level"]["gain_db"].as_f64().unwrap());
        assert!((-40.0..-5.0).contains(&lufs) && (lufs + gain + 14.0).abs() < 1e-4, "{file}");
    }
    assert!(run("track").1.contains("3 already done"));
    // Another level is another setting; an index without one is of level none.
    let (mut index, said) = run("none");
    assert!(said.contains("3 files") && !said.contains("level track"), "{said}");
    assert!(index["files"][0].get("level").is_none());
    index["settings"].as_object_mut().unwrap().remove("level").unwrap();
    fs::write(out.path().join("index.json"), index.to_string()).unwrap();
    assert!(run("none").1.contains("3 already done"));

    let output = extract(&["--level", "track", path(&recording("sky.ogg"))]);
    let said = text(&output.stdout);
    assert!(said.contains(" LUFS levelled by ") && said.contains(" dB)"), "{said}");
}

/// A WAV file: five seconds of 16 kHz mono.
fn silence() -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    (0..80_000).for_each(|_| writer.write_sample(0_i16).unwrap());
    writer.finalize().unwrap();
    file.into_inner()
}

#[test]
fn a_killed_run_s_journal_counts() {
    let library = library();
    let out = tempfile::tempdir().unwrap();
    let run = || extract(&["--resume", "--output", path(out.path()), path(library.path())]);
    assert!(run().status.success());
    // After a kill there is no index, and the last line of the journal may be incomplete.
    let index = index(out.path());
    let mut journal = index["settings"].to_string() + "\n";
    journal += &(index["files"][0].to_string() + "\n");
    journal += &index["files"][1].to_string()[..40];
    fs::remove_file(out.path().join("index.json")).unwrap();
    fs::write(out.path().join("index.journal"), journal).unwrap();
    let said = text(&run().stderr);
    assert!(said.contains("1 files") && said.contains("1 already done"), "{said}");
}

#[test]
fn shards_are_disjoint_and_complete() {
    let library = library();
    let out = tempfile::tempdir().unwrap();
    for shard in ["1/2", "2/2"] {
        let output = extract(&["--shard", shard, "--output", path(out.path()), path(library.path())]);
        assert!(text(&output.stderr).contains("1 files"), "{}", text(&output.stderr));
    }
    let written = walk(out.path());
    for name in
        ["sky.ogg.embeddings.npy", "ground.OGG.embeddings.npy", "index.1-of-2.json", "index.2-of-2.json"]
    {
        assert!(written.iter().any(|file| file.ends_with(name)), "{name} in {written:?}");
    }
    for wrong in ["0/2", "3/2", "1", "a/b"] {
        assert!(!extract(&["--shard", wrong, path(library.path())]).status.success(), "{wrong}");
    }
}

#[test]
fn clashing_names_and_missing_engines_are_said_before_anything_runs() {
    let (a, b) = (library(), library());
    let (a, b) = (a.path().join("sky.ogg"), b.path().join("sky.ogg"));
    let out = tempfile::tempdir().unwrap();
    let output = extract(&["--output", path(out.path()), path(&a), path(&b)]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("would both write sky.ogg"), "{}", text(&output.stderr));
    for (option, value) in [("--device", "cuda"), ("--engine", "torch"), ("--model", "no-such-model")] {
        // With the plugin, an ONNX model runs on it.
        let output = sleeve("extract")
            .args([option, value, path(&a)])
            .env("SLEEVE_TORCH_ENGINE", "/nonexistent/engine.so")
            .output()
            .expect("extract starts");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{option}: {said}");
        assert!(
            said.starts_with("error: ") && said.contains(value.trim_start_matches("no-")),
            "{option}: {said}"
        );
    }
}

#[test]
fn an_interrupted_run_leaves_whole_files_alone_and_resumes() {
    let library = tempfile::tempdir().unwrap();
    for index in 0..24 {
        fs::copy(recording("sky.ogg"), library.path().join(format!("{index:03}.ogg"))).unwrap();
    }
    let (out, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let arguments = ["--threads", "2", "--output", path(out.path()), path(library.path())];
    let mut command = sleeve("extract");
    let child = command.args(arguments).args(ONE).stderr(std::process::Stdio::piped()).spawn().unwrap();
    // The journal's header, the process and some finished files.
    let journal = out.path().join("index.journal");
    let lines = || fs::read_to_string(&journal).map_or(0, |text| text.lines().count());
    while lines() < 3 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    output_of(Command::new("kill").args(["-INT", &child.id().to_string()]));
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted after") && said.contains("--resume"), "{said}");

    let names = |folder: &Path| {
        let mut names: Vec<String> = walk(folder).iter().map(|file| file.replace(path(folder), "")).collect();
        names.sort();
        names
    };
    let index_now = index(out.path());
    let entries = index_now["files"].as_array().unwrap();
    assert!((1..24).contains(&entries.len()), "{} files", entries.len());
    let mut expected = vec!["/index.json".to_owned()];
    for file in entries.iter().flat_map(|entry| entry["files"].as_array().unwrap()) {
        expected.push(format!("/{}", file.as_str().unwrap()));
    }
    expected.sort();
    assert_eq!(names(out.path()), expected);

    let done = entries.len();
    let mut arguments = arguments.to_vec();
    arguments.push("--resume");
    let said = text(&extract(&arguments).stderr);
    assert!(said.contains(&format!("{} files", 24 - done)), "{said}");
    assert!(said.contains(&format!("{done} already done")), "{said}");
    assert_eq!(names(out.path()).len(), 1 + 2 * 24);
    // Together, both runs write the same as a single run.
    assert!(
        extract(&["--output", path(whole.path()), path(&library.path().join("000.ogg"))]).status.success()
    );
    let expected = fs::read(whole.path().join("000.ogg.embeddings.npy")).unwrap();
    for name in ["000.ogg", "023.ogg"] {
        assert!(fs::read(out.path().join(format!("{name}.embeddings.npy"))).unwrap() == expected, "{name}");
    }
}

#[test]
fn resuming_removes_what_a_killed_run_left_of_its_own() {
    let library = library();
    let out = tempfile::tempdir().unwrap();
    fs::create_dir(out.path().join("deeper")).unwrap();
    let left = [
        ".sky.ogg.embeddings.npy.123-0.tmp",
        ".sky.ogg.predictions.npy.123-1.tmp",
        "deeper/.ground.OGG.embeddings.npy.4-17.tmp",
        ".index.journal.123-3.tmp",
    ];
    let others = [
        // Files of other inputs, formats and shards, and names that are not temporary.
        ".earth.ogg.embeddings.npy.123-0.tmp",
        ".sky.ogg.embeddings.npy.tmp",
        ".sky.ogg.csv.123-0.tmp",
        ".index.2-of-3.journal.123-0.tmp",
        "sky.ogg.embeddings.npy.123-0.tmp",
        "deeper/.sky.ogg.embeddings.npy.123-0.tmp",
    ];
    for name in left.iter().chain(&others) {
        fs::write(out.path().join(name), "half").unwrap();
    }
    let run = |extra: &[&str]| {
        let mut arguments = vec!["--output", path(out.path()), path(library.path())];
        arguments.extend(extra);
        assert!(extract(&arguments).status.success());
    };
    let there = |name: &&str| out.path().join(name).exists();
    run(&[]);
    assert!(left.iter().all(there) && others.iter().all(there));
    run(&["--resume"]);
    assert!(!left.iter().any(there) && others.iter().all(there));
}

#[test]
fn several_models_share_one_decoding() {
    let library = library();
    let (out, alone) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let both = ["--model", "msd-musicnn-1", "--model", "mtt-musicnn-1"];
    let run = |models: &[&str], target: &Path| {
        let mut arguments = models.to_vec();
        arguments.extend(["--output", path(target), path(library.path())]);
        assert!(extract(&arguments).status.success());
    };
    run(&both, out.path());
    run(&both[2..], alone.path());
    let expected = fs::read(alone.path().join("deeper/ground.OGG.predictions.npy")).unwrap();
    assert!(
        fs::read(out.path().join("deeper/ground.OGG.mtt-musicnn-1.predictions.npy")).unwrap() == expected
    );
    assert_eq!(walk(out.path()).len(), 1 + 2 * 2 * 2);
}

/// Every file below a folder.
fn walk(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path.display().to_string()) }
    }
    found
}

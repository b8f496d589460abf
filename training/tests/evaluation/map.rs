//! `sleeve-train map` on folders of synthetic embeddings.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use sleeve_files::npy::{Dtype, NpyWriter};

use crate::support;

fn map(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sleeve-train")).arg("map").args(arguments).output().unwrap()
}

#[track_caller]
fn said(arguments: &[&str]) -> String {
    let output = map(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn complaint(arguments: &[&str]) -> String {
    let output = map(arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// The output of `extract` for recordings: patches of embeddings, and the index. A recording is near those with the
/// same number modulo 4, and number 5 has no patch.
fn outputs(folder: &Path, names: &[String], rows: usize) {
    let mut files = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let file = format!("{name}.embeddings.npy");
        let path = folder.join(&file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut writer = NpyWriter::create(&path, 8, Dtype::F32).unwrap();
        for row in 0..if number == 5 { 0 } else { rows } {
            let mut values = [0.1; 8];
            values[number % 4] = 1.0;
            values[4] = 0.01 * number as f32;
            values[5] = row as f32 / 10.0;
            writer.write_rows(&values).unwrap();
        }
        writer.finish().unwrap();
        files.push(serde_json::json!({ "source": format!("/music/{name}"), "files": [file] }));
    }
    let settings = serde_json::json!({ "format": "npy", "mean": rows == 1, "models": [{ "name": "m" }] });
    write_index(folder, &serde_json::json!({ "sleeve": "0", "settings": settings, "files": files }));
}

fn write_index(folder: &Path, index: &serde_json::Value) {
    fs::write(folder.join("index.json"), index.to_string()).unwrap();
}

#[test]
fn a_collection_becomes_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    support::dataset::write(Path::new(&at("set")), &[]);
    let names: Vec<String> = (0..support::dataset::TRACKS).map(support::dataset::name).collect();
    outputs(Path::new(&at("e")), &names, 3);
    let made =
        said(&[&at("e"), "--data", &at("set"), "--by", "artist", "--out", &at("a.svg"), "--steps", "300"]);
    assert!(made.contains("95 recordings, 0 without a known artist, 1 too short; "), "{made}");
    let trust: f64 = made.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
    assert!((0.9..=1.0).contains(&trust), "{made}");
    let svg = fs::read_to_string(at("a.svg")).unwrap();
    assert!(svg.contains(">artist 1000<") && svg.contains(">others (24 artists in all)<"), "{svg}");
    // The mean of three equal rows is that row.
    outputs(Path::new(&at("e1")), &names, 1);
    said(&[&at("e"), "--data", &at("set"), "--out", &at("again.svg"), "--steps", "300", "--by", "artist"]);
    assert_eq!(svg, fs::read_to_string(at("again.svg")).unwrap());
    said(&[&at("e1"), "--data", &at("set"), "--out", &at("one.png"), "--title", "<t>"]);
    assert!(fs::read(at("one.png")).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn the_catalogue_and_folders_say_what_belongs_together() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let rows: Vec<_> = sleeve_training::corpus::rows().into_iter().take(40).collect();
    // Extracted from the parent folder.
    let names: Vec<String> = rows.iter().map(|row| format!("audio/{}", row.place())).collect();
    outputs(Path::new(&at("e")), &names, 1);
    said(&[&at("e"), "--corpus", "--out", &at("a.svg"), "--steps", "50"]);
    let svg = fs::read_to_string(at("a.svg")).unwrap();
    let mut releases: Vec<&str> = rows.iter().map(|row| row.release).collect();
    releases.sort_unstable();
    let largest = releases.chunk_by(|a, b| a == b).max_by_key(|one| one.len()).unwrap()[0];
    assert!(svg.contains(&format!(">{largest}<")), "{largest}: {svg}");
    said(&[&at("e"), "--out", &at("b.svg"), "--steps", "50"]);
    assert!(fs::read_to_string(at("b.svg")).unwrap().contains("coloured by folder"));
}

#[test]
fn what_cannot_be_drawn_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (e, out) = (at("e"), at("a.svg"));
    let names: Vec<String> = (0..20).map(|number| format!("{number}.ogg")).collect();
    outputs(Path::new(&e), &names, 1);
    assert!(complaint(&[&e, "--out", &at("a.gif")]).contains("a.gif: a picture's name ends in"));
    assert!(complaint(&[&e, "--out", &out, "--by", "label"]).contains("--data or --corpus"));
    assert!(
        complaint(&[&e, "--out", &out, "--corpus"]).contains("none of its recordings is in the catalogue")
    );
    assert!(complaint(&[&e, "--out", &out, "--perplexity", "nan"]).contains("--perplexity"));
    assert!(complaint(&[&e, "--out", &out, "--model", "x"]).contains("it has outputs of m, not of x"));
    assert!(complaint(&[&at("nowhere"), "--out", &out]).contains("nowhere"));
    support::dataset::write(Path::new(&at("set")), &[]);
    assert!(
        complaint(&[&e, "--out", &out, "--data", &at("set")])
            .contains("split.parquet: it contains none of the recordings")
    );
    assert!(complaint(&[&at("set"), "--out", &out]).contains("it contains no index.json"));

    // NaN, another width, a missing file.
    let write = |name: &str, values: &[f32]| {
        let path = Path::new(&e).join(format!("{name}.embeddings.npy"));
        let mut writer = NpyWriter::create(path, values.len(), Dtype::F32).unwrap();
        writer.write_rows(values).unwrap();
        writer.finish().unwrap();
    };
    write("3.ogg", &[0.0, f32::NAN, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert!(complaint(&[&e, "--out", &out]).contains("3.ogg: value 1 of its embedding is NaN"));
    write("3.ogg", &[1.0; 7]);
    assert!(
        complaint(&[&e, "--out", &out])
            .contains("3.ogg.embeddings.npy: embeddings of 7 values beside those of 8")
    );
    fs::remove_file(Path::new(&e).join("3.ogg.embeddings.npy")).unwrap();
    assert!(complaint(&[&e, "--out", &out]).contains("3.ogg.embeddings.npy"));
    outputs(Path::new(&e), &names[..2], 1);
    assert!(complaint(&[&e, "--out", &out]).contains("2 recordings with embeddings; a map needs 3"));

    let settings = serde_json::json!({ "format": "csv", "models": [{ "name": "m" }] });
    write_index(Path::new(&e), &serde_json::json!({ "settings": settings, "files": [] }));
    assert!(complaint(&[&e, "--out", &out]).contains("index.json: its files are csv"));
    let settings = serde_json::json!({ "format": "npy", "models": [{ "name": "m" }, { "name": "n" }] });
    write_index(Path::new(&e), &serde_json::json!({ "settings": settings, "files": [] }));
    assert!(complaint(&[&e, "--out", &out]).contains("several models (m, n): choose one with --model"));
    fs::write(Path::new(&e).join("index.json"), "{").unwrap();
    assert!(complaint(&[&e, "--out", &out]).contains("index.json: "));
    assert!(!Path::new(&out).exists());
}

#[test]
fn parquet_and_several_models_are_read() {
    use parquet::file::properties::WriterProperties;
    use std::sync::Arc;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut files = Vec::new();
    for number in 0..12_u16 {
        // As `extract` writes it: a time and a list of floats per patch.
        let name = format!("{number}.ogg.b.parquet");
        let element = Arc::new(arrow_schema::Field::new("element", arrow_schema::DataType::Float32, false));
        let values = (0..2 * 5).map(|at| f32::from((number + 1) * (at + 1) % 7));
        let list = arrow_array::ListArray::new(
            element.clone(),
            arrow_buffer::OffsetBuffer::from_lengths([5, 5]),
            Arc::new(arrow_array::Float32Array::from_iter_values(values)),
            None,
        );
        let time = Arc::new(arrow_array::Float64Array::from(vec![0.0, 1.0])) as arrow_array::ArrayRef;
        let batch =
            arrow_array::RecordBatch::try_from_iter([("time", time), ("embeddings", Arc::new(list) as _)]);
        let batch = batch.unwrap();
        let file = fs::File::create(at(&name)).unwrap();
        let properties = WriterProperties::builder().build();
        let mut writer =
            parquet::arrow::ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        files.push(serde_json::json!({ "source": format!("x/{number}.ogg"), "files": ["other", name] }));
    }
    let settings = serde_json::json!({ "format": "parquet", "models": [{ "name": "a" }, { "name": "b" }] });
    write_index(folder.path(), &serde_json::json!({ "settings": settings, "files": files }));
    let read = sleeve_training::evaluation::map::embeddings::read(folder.path(), Some("b")).unwrap();
    assert_eq!((read.values.dim(), read.names[1].as_str()), ((12, 5), "1.ogg"));
    // The mean of `2 (at + 1) % 7` over both patches.
    let second: Vec<f32> = read.values.row(1).to_vec();
    assert_eq!(
        second,
        [(2.0 + 5.0) / 2.0, (4.0 + 0.0) / 2.0, (6.0 + 2.0) / 2.0, (1.0 + 4.0) / 2.0, (3.0 + 6.0) / 2.0]
    );
    let folder = folder.path().to_str().unwrap().to_owned();
    assert!(
        complaint(&[&folder, "--model", "a", "--out", "a.svg"])
            .contains("has no file that ends in .a.parquet")
    );
}

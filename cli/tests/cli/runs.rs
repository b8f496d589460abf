//! Runs that meet, stop, and go on.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::{Place, fails, succeeds};

/// A library of `count` songs of one patch.
fn library(count: usize) -> Place {
    let place = Place::new();
    for at in 0..count {
        place.song(format!("lib/{at:02}.wav"));
    }
    place
}

/// All outputs are there, listed once, and nothing else.
fn assert_complete(place: &Place, count: usize) {
    let index = place.index("v/index.json");
    let mut listed: Vec<String> = index["files"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|entry| entry["files"].as_array().unwrap())
        .map(|file| file.as_str().unwrap().to_owned())
        .collect();
    listed.push("index.json".to_owned());
    listed.sort();
    let there: Vec<String> = place.files("v").iter().map(|file| file.display().to_string()).collect();
    assert_eq!(there, listed);
    assert_eq!(there.len(), 1 + 2 * count);
}

#[test]
fn of_two_runs_into_one_folder_one_is_refused() {
    let place = library(16);
    let mut refused = 0;
    for round in 0..8 {
        let start = || {
            let mut command = place.extract(&["lib", "-o", "v", "--threads", "1"]);
            if round % 2 == 1 {
                command.arg("--resume").env("ROUND", "1");
            }
            command.stderr(Stdio::piped()).spawn().unwrap()
        };
        let outputs = [start(), start()].map(|child| child.wait_with_output().unwrap());
        for output in &outputs {
            let said = String::from_utf8_lossy(&output.stderr);
            if output.status.success() {
                continue;
            }
            refused += 1;
            assert_eq!(output.status.code(), Some(1));
            assert!(said.starts_with("error: v is being written by another run"), "{said}");
        }
        assert!(outputs.iter().any(|output| output.status.success()));
        assert_complete(&place, 16);
        if round % 2 == 0 {
            fs::remove_file(place.at("v/03.wav.embeddings.npy")).unwrap();
        }
    }
    assert!(refused > 0, "the runs never met");
}

#[test]
fn a_folder_that_is_being_written_is_refused_by_name() {
    let place = library(2);
    fs::create_dir(place.at("v")).unwrap();
    let hold = |name: &str| {
        let path = place.put(format!("v/{name}"), b"{\"process\":1234567}\n");
        sleeve_files::lock::open(path).unwrap().unwrap()
    };
    let whole = hold("index.journal");
    for arguments in
        [&["lib", "-o", "v"][..], &["lib", "-o", "v", "--resume"], &["lib", "-o", "v", "--shard", "1/2"]]
    {
        let said = fails(&mut place.extract(arguments));
        assert!(said.contains("v is being written by another run (process 1234567)"), "{said}");
    }
    assert_eq!(place.files("v"), [Path::new("index.journal")]);
    drop(whole);
    fs::remove_file(place.at("v/index.journal")).unwrap();
    // Shards of one division are apart from each other, and from nothing else.
    let shard = hold("index.1-of-2.journal");
    for other in ["1/2", "1/3"] {
        assert!(fails(&mut place.extract(&["lib", "-o", "v", "--shard", other])).contains("another run"));
    }
    assert!(succeeds(&mut place.extract(&["lib", "-o", "v", "--shard", "2/2"])).contains("1 files"));
    drop(shard);
    assert!(succeeds(&mut place.extract(&["lib", "-o", "v", "--shard", "1/2"])).contains("1 files"));
    let sources = |name| place.index(name)["files"].as_array().unwrap().len();
    assert_eq!((sources("v/index.1-of-2.json"), sources("v/index.2-of-2.json")), (1, 1));
    assert!(succeeds(&mut place.extract(&["lib", "-o", "v", "--resume"])).contains("2 already done"));
    assert_eq!(sources("v/index.json"), 2);
}

#[test]
fn a_live_run_s_temporary_files_stay() {
    let place = library(1);
    fs::create_dir(place.at("v")).unwrap();
    let mut writing = sleeve_files::AtomicFile::create(place.at("v/00.wav.embeddings.npy")).unwrap();
    std::io::Write::write_all(&mut writing, b"whole").unwrap();
    succeeds(&mut place.extract(&["lib", "-o", "v", "--resume"]));
    writing.commit().unwrap();
    assert_eq!(fs::read(place.at("v/00.wav.embeddings.npy")).unwrap(), b"whole");
}

#[test]
fn an_output_that_is_not_whole_is_done_again() {
    let place = library(2);
    for (format, file, damage) in [
        ("npy", "00.wav.embeddings.npy", &|bytes: &mut Vec<u8>| bytes.clear() as ()),
        ("npy", "00.wav.embeddings.npy", &|bytes| bytes.truncate(bytes.len() - 1)),
        ("npy", "00.wav.predictions.npy", &|bytes| bytes.fill(0)),
        ("json", "00.wav.json", &|bytes| bytes.truncate(100)),
        ("json", "00.wav.json", &|bytes| bytes.fill(0)),
        ("csv", "00.wav.csv", &|bytes| bytes.push(b'\n')),
    ] as [(&str, &str, &dyn Fn(&mut Vec<u8>)); 6]
    {
        let run = || succeeds(&mut place.extract(&["lib", "-o", "v", "--resume", "--format", format]));
        run();
        assert!(run().contains("2 already done"));
        let path = place.at("v").join(file);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        damage(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let said = run();
        assert!(said.contains("1 files") && said.contains("1 already done"), "{file}: {said}");
        assert!(fs::read(&path).unwrap() == whole, "{file}");
    }
}

#[test]
fn outputs_of_other_settings_are_not_believed() {
    let place = library(2);
    // At 22,050 Hz, so that resamplers differ.
    let mut faster = crate::wav(4.5);
    faster[24..28].copy_from_slice(&22_050_u32.to_le_bytes());
    place.put("lib/00.wav", &faster);
    let run = |options: &[&str]| {
        let mut command = place.extract(&["lib", "-o", "v", "--resume"]);
        succeeds(command.args(options))
    };
    run(&[]);
    let linear = fs::read(place.at("v/00.wav.embeddings.npy")).unwrap();
    // Sizes are the same. This run replaces the outputs of one input alone.
    let said = run(&["--resampler", "sinc", "--shard", "1/2"]);
    assert!(said.contains("1 files") && said.contains("its 2 files were made with other settings"), "{said}");
    assert!(fs::read(place.at("v/00.wav.embeddings.npy")).unwrap() != linear);
    assert!(run(&[]).contains("2 files"));
    assert!(fs::read(place.at("v/00.wav.embeddings.npy")).unwrap() == linear);
}

#[test]
fn a_short_recording_says_how_short_and_what_helps() {
    let place = Place::new();
    place.put("short.wav", &crate::wav(1.0));
    let reason = "no complete patch: 1.0 s, and a patch has 3.0 s; --last-patch repeat fills one";
    let output = place.extract(&["short.wav"]).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains(reason));
    let said = succeeds(&mut place.extract(&["short.wav", "-o", "v"]));
    assert!(said.contains(&format!("warning: short.wav: {reason}")), "{said}");
    let said = succeeds(&mut place.extract(&["short.wav", "-o", "v", "--last-patch", "repeat"]));
    assert!(!said.contains("patch"), "{said}");
    let rows = |name| sleeve_files::npy::read_npy(place.at(name)).unwrap().nrows();
    assert_eq!(rows("v/short.wav.embeddings.npy"), 1);
    let mut similar = crate::sleeve("similar");
    similar.args(["index", "i", "."]).current_dir(place.path());
    let said = fails(&mut similar);
    assert!(
        said.contains("short.wav: too short to be compared: 1.0 s, and a patch of the model has 3.0 s"),
        "{said}"
    );
}

#[test]
fn json_has_the_shortest_digits_of_the_same_bits() {
    let place = library(1);
    for format in ["json", "npy"] {
        succeeds(&mut place.extract(&["lib", "-o", "v", "--format", format]));
    }
    let text = fs::read_to_string(place.at("v/00.wav.json")).unwrap();
    for label in ["embeddings", "predictions"] {
        let start = text.rfind(&format!("\"{label}\":[")).unwrap() + label.len() + 4;
        let numbers: Vec<&str> = text[start..].split(']').next().unwrap().split(',').collect();
        let values = sleeve_files::npy::read_npy(place.at(format!("v/00.wav.{label}.npy"))).unwrap();
        assert_eq!(numbers.len(), values.len());
        for (number, value) in numbers.iter().zip(&values) {
            assert_eq!(number.parse::<f32>().unwrap().to_bits(), value.to_bits());
            // Nine digits are enough for any.
            assert!(number.trim_start_matches('-').trim_start_matches("0.").len() <= 14, "{number}");
            assert_eq!(number.parse::<f64>().unwrap() as f32, *value);
        }
    }
}

//! Logs as TensorBoard reads them, and pictures of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use sleeve_tests::{output_of, peer, skip};
use sleeve_training::plot::{Measure, Side, draw, read};
use sleeve_training::runlog::{EVENTS, Entry, RunLog};

/// Writes a run whose accuracy rises to `top`.
fn run(folder: &Path, tasks: &[&str], epochs: u64, top: f64) -> PathBuf {
    let mut log = RunLog::open(folder, 0, 0).unwrap();
    for epoch in 1..=epochs {
        let mut entry = Entry::new(epoch, epoch * 12).with("learning_rate", 1e-3);
        for (at, task) in tasks.iter().enumerate() {
            let accuracy = (top - 0.1 * at as f64) * (1.0 - (-(epoch as f64) / 8.0).exp());
            entry = entry
                .with(&format!("train/{task}/accuracy"), accuracy)
                .with(&format!("train/{task}/loss"), 5.0 - 4.0 * accuracy)
                .with(&format!("validation/{task}/accuracy"), 0.8 * accuracy);
        }
        log.write(&entry).unwrap();
    }
    folder.to_owned()
}

fn train(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sleeve-train")).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn tensorboard_reads_every_value() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = RunLog::open(folder.path(), 0, 0).unwrap();
    let entry = |epoch: u64, loss: f64| {
        Entry::new(epoch, epoch * 1000)
            .with("train/artist/loss", loss)
            .with("learning rate, the ä", 1e-3 / epoch as f64)
    };
    let first = [entry(1, 5.25), entry(2, 4.0), entry(3, f64::INFINITY)];
    first.iter().for_each(|entry| log.write(entry).unwrap());
    drop(log);
    // Resumed from the second epoch, in a new file: entries of the first file for the third epoch are hidden.
    let again = [entry(3, 3.5), entry(4, -1e-30), entry(1 << 33, 3e38)];
    let mut log = RunLog::open(folder.path(), 2, 3000).unwrap();
    again.iter().for_each(|entry| log.write(entry).unwrap());
    let Some(mut tensorboard) = peer("tensorboard_scalars.py") else { skip!("no peers' Python") };
    let said = String::from_utf8(output_of(tensorboard.arg(folder.path().join(EVENTS)))).unwrap();
    let mut lines = said.lines();
    for name in ["learning rate, the ä", "train/artist/loss"] {
        for entry in first[..2].iter().chain(&again) {
            let line = lines.next().unwrap_or_else(|| panic!("{said}"));
            let rest = line.strip_prefix(name).unwrap_or_else(|| panic!("{line}"));
            let numbers: Vec<f64> = rest.split_whitespace().map(|number| number.parse().unwrap()).collect();
            let value = f64::from(entry.values[name] as f32);
            assert_eq!(numbers, [entry.step as f64, entry.time, value], "{line}");
        }
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn figure_2_of_any_runs() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let runs = [("track", 0.95), ("release", 0.6), ("artist & <more>", 0.7), ("label", 0.4)]
        .map(|(name, top)| run(&at(name), &[name.split(' ').next().unwrap()], 40, top));
    let paths: Vec<&str> = runs.iter().map(|run| run.to_str().unwrap()).collect();
    let (svg, png) = (at("out/figure.svg"), at("out/figure.PNG"));
    for (out, more) in [(&svg, &[][..]), (&png, &["--part", "validation"])] {
        let arguments = [&["plot"][..], &paths, &["--out", out.to_str().unwrap()], more].concat();
        let (success, said) = train(&arguments);
        assert!(success && said.contains("4 curves of 4 runs"), "{said}");
    }
    // The vector picture: a curve of 40 points for each run, labelled with its association.
    let text = std::fs::read_to_string(&svg).unwrap();
    let curves: Vec<&str> = text.lines().filter(|line| line.contains("stroke-width=\"2\"")).collect();
    assert_eq!(curves.len(), 4);
    assert!(curves.iter().all(|curve| curve.matches(',').count() == 40));
    for word in [
        "Training top-1 accuracy over epochs",
        ">track<",
        ">release<",
        ">artist<",
        ">label<",
        ">epoch<",
        ">0.8<",
    ] {
        assert!(text.contains(word), "{word}");
    }
    let mut reader = quick_xml::Reader::from_str(&text);
    while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {}
    // The highest is first in the legend, with its last value.
    assert!(text.find(">track<").unwrap() < text.find(">label<").unwrap());
    assert!(text.contains(&format!("{:.3}", 0.95 * (1.0 - (-5.0f64).exp()))));
    // The bitmap: pixels of every curve's colour.
    let mut decoder =
        png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&png).unwrap())).read_info().unwrap();
    let mut pixels = vec![0; decoder.output_buffer_size().unwrap()];
    let info = decoder.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (960, 540));
    for colour in [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167]] {
        let there = pixels.chunks(3).filter(|pixel| *pixel == colour).count();
        assert!(there > 200, "{colour:?}: {there}");
    }
    // The same runs give the same picture.
    let before = std::fs::read(&png).unwrap();
    draw(&read(&runs, Side::Validation, Measure::Accuracy).unwrap(), &png).unwrap();
    assert_eq!(std::fs::read(&png).unwrap(), before);
}

#[test]
fn curves_are_named_so_that_they_differ() {
    let folder = tempfile::tempdir().unwrap();
    let one = run(&folder.path().join("one"), &["artist", "label"], 3, 0.9);
    let other = run(&folder.path().join("other"), &["artist"], 1, 0.5);
    let chart = read(&[one.clone(), other], Side::Train, Measure::Loss).unwrap();
    let labels: Vec<&str> = chart.curves.iter().map(|curve| curve.label.as_str()).collect();
    assert_eq!(labels, ["one: artist", "label", "other: artist"]);
    assert_eq!(chart.curves[0].points.len(), 3);
    assert!(chart.curves[0].points.iter().zip(1..).all(|(point, epoch)| point.0 == f64::from(epoch)));
    // Only NaN losses leave a gap.
    let lost = folder.path().join("lost");
    let mut log = RunLog::open(&lost, 0, 0).unwrap();
    for (epoch, loss) in [(1, 3.0), (2, 2.0), (3, f64::NAN), (4, 1.0), (5, f64::INFINITY)] {
        log.write(&Entry::new(epoch, epoch).with("train/tags/loss", loss)).unwrap();
    }
    let out = folder.path().join("lost.svg");
    draw(&read(&[lost], Side::Train, Measure::Loss).unwrap(), &out).unwrap();
    let text = std::fs::read_to_string(out).unwrap();
    assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    assert!(text.contains(">1.000<"), "the last value that is one");
}

#[test]
fn what_cannot_be_drawn_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    run(Path::new(&at("run")), &["artist"], 2, 0.5);
    let mut log = RunLog::open(Path::new(&at("bare")), 0, 0).unwrap();
    log.write(&Entry::new(1, 1).with("learning_rate", 1.0)).unwrap();
    for (arguments, reason) in [
        (vec!["plot", &at("nowhere"), "--out", &at("a.svg")], "nowhere/log.jsonl"),
        (vec!["plot", &at("run"), &at("bare"), "--out", &at("a.svg")], "it has no `train/.../accuracy`"),
        (vec!["plot", &at("run"), "--out", &at("a.pdf")], "a.pdf: a picture's name ends in .svg or .png"),
        (vec!["plot", "--out", &at("a.svg")], "RUN"),
    ] {
        let (success, said) = train(&arguments);
        assert!(!success && said.contains(reason), "{said}");
    }
    assert!(!Path::new(&at("a.svg")).exists());
}

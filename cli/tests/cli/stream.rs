//! `sleeve stream`.

use std::io::Write;
use std::process::{Output, Stdio};

use sleeve::extractor::Extractor;
use sleeve::model::Model;
use sleeve_tests::audio::{bytes_of, music};
use sleeve_tests::recording;

use crate::sleeve;

fn stream(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = sleeve("stream");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("stream starts");
    let mut pipe = child.stdin.take().expect("standard input is piped");
    std::thread::scope(|scope| {
        // The program may end before it has read everything.
        scope.spawn(move || pipe.write_all(input));
        child.wait_with_output().expect("stream ends")
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The expected line of each patch with its strongest tag, computed with the library.
fn expected(samples: &[f32], rate: u32) -> Vec<String> {
    let extractor = Extractor::builder(Model::bundled("msd-musicnn-1").unwrap()).build().unwrap();
    let analysis = extractor.extract_samples(samples, rate).unwrap();
    let predictions = analysis.predictions().unwrap();
    let line = |(patch, time): (usize, &f64)| {
        let row = predictions.row(patch);
        let best = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        format!("  0:{time:05.2}  {} {:.2}", analysis.classes()[best], row[best])
    };
    analysis.times().iter().enumerate().map(line).collect()
}

#[test]
fn raw_samples_of_either_kind_give_a_line_a_patch() {
    let samples = music(22_050, 1, 7.0);
    let output =
        stream(&["--rate", "22050", "-c", "1", "-f", "f32", "--all", "--top", "1"], &bytes_of(&samples));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = expected(&samples, 22_050);
    assert_eq!(lines.len(), 3);
    assert_eq!(text(&output.stdout).lines().collect::<Vec<&str>>(), lines);

    // Two equal channels of integers, and one extra byte.
    let integers: Vec<i16> = samples.iter().map(|sample| (sample * 32_767.0) as i16).collect();
    let mut bytes: Vec<u8> =
        integers.iter().flat_map(|sample| [*sample; 2]).flat_map(i16::to_le_bytes).collect();
    bytes.push(0);
    let output = stream(&["--rate", "22050", "--all", "--top", "1", "--capacity", "0.1"], &bytes);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("last 1 bytes"), "{}", text(&output.stderr));
    let samples: Vec<f32> = integers.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
    assert_eq!(text(&output.stdout).lines().collect::<Vec<&str>>(), expected(&samples, 22_050));
}

#[test]
fn a_file_is_heard_and_only_changes_are_shown() {
    let path = recording("sky.ogg");
    let path = path.to_str().unwrap();
    let all = stream(&["--fast", "--all", path], &[]);
    let changes = stream(&["--fast", path], &[]);
    let (all, changes) = (text(&all.stdout), text(&changes.stdout));
    assert_eq!(all.lines().count(), 16);
    let mut expected: Vec<&str> = Vec::new();
    let tags = |line: &str| -> Vec<String> {
        let words = line.split("  ").last().unwrap_or_default().split(", ");
        words.map(|tag| tag.rsplit_once(' ').expect("a tag and its value").0.to_owned()).collect()
    };
    for line in all.lines() {
        if expected.last().is_none_or(|last| tags(last) != tags(line)) {
            expected.push(line);
        }
    }
    assert!(expected.len() > 1 && expected.len() < 16, "{all}");
    assert_eq!(changes.lines().collect::<Vec<&str>>(), expected);
}

#[test]
fn what_cannot_be_heard_is_an_error_that_says_why() {
    let mut samples = vec![0.1_f32; 10_000];
    samples[7_001] = f32::NAN;
    let cases: [(&[&str], Vec<u8>, &str); 6] = [
        (&["-f", "f32", "-c", "2"], bytes_of(&samples), "sample 3500 is NaN"),
        (&["--rate", "0"], Vec::new(), "0 Hz"),
        (&["--channels", "0"], Vec::new(), "channel"),
        (&["--capacity=-1"], Vec::new(), "queue"),
        (&["--level", "track"], Vec::new(), "a stream cannot be levelled"),
        (&["no-such-file.mp3"], Vec::new(), "no-such-file.mp3"),
    ];
    for (arguments, input, reason) in cases {
        let output = stream(arguments, &input);
        let said = text(&output.stderr);
        assert!(!output.status.success() && said.contains(reason), "{arguments:?}: {said}");
    }
    let short = stream(&[], &[0; 4_000]);
    assert!(short.status.success() && text(&short.stderr).contains("no complete patch"));
}

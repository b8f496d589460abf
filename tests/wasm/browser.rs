//! The example page in Chromium.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sleeve::extractor::Extractor;
use sleeve::model::Model;
use sleeve_tests::audio::music;
use sleeve_tests::{have, output_of, recording, repository, skip};

use super::{difference, made, write_samples};

#[test]
fn the_page_shows_plays_and_compares() {
    let Some(page) = made("test-page") else { skip!("no WebAssembly module") };
    visit(&page, "simd128");
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
}

/// Visits the page of a folder.
pub fn visit(page: &Path, vectors: &str) {
    let python = repository().join("target/browser/bin/python");
    if !python.exists() || !["chromium-headless-shell", "chromium"].iter().any(|name| have(name)) {
        skip!("no browser");
    }
    let folder = tempfile::tempdir().unwrap();
    let samples = music(16_000, 1, 6.5);
    let mut command = Command::new(python);
    command.arg(repository().join("tests/peers/web_page.py")).arg(page);
    command.arg(write_samples(folder.path(), &samples)).args([recording("ground.ogg"), recording("sky.ogg")]);
    let seen: Value = serde_json::from_slice(&output_of(command.arg(folder.path()))).unwrap();
    let text = |name: &str| seen[name].as_str().unwrap_or_default().to_owned();
    // Requests to any other host are among the problems.
    assert_eq!(seen["problems"], json!([]));
    assert_eq!(text("leaks"), "connect-src https://example.invalid/");
    let offered = text("vectors");
    assert!(offered == vectors || vectors == "relaxed-simd" && offered == "simd128", "{offered}");

    let extractor = Extractor::builder(Model::bundled("msd-musicnn-1").unwrap()).threads(1).build().unwrap();
    let expected = extractor.extract_samples(&samples, 16_000).unwrap();
    let expected: Vec<f32> = expected.predictions().unwrap().iter().copied().collect();
    let error = difference(&floats(&seen["equal_samples"]), &expected);
    println!("equal samples: tags within {error:.1e}");
    assert!(error < 1e-4, "{error:e}");
    let [first, second] =
        ["ground.ogg", "sky.ogg"].map(|name| extractor.extract_file(recording(name)).unwrap());
    let tags: Vec<f32> = first.predictions().unwrap().iter().copied().collect();
    let rows = seen["through_web_audio"].as_array().unwrap();
    let found: Vec<f32> = rows.iter().flat_map(floats).collect();
    let error = difference(&found, &tags);
    println!("through Web Audio: tags within {error:.1e}");
    assert!(error < 0.005, "{error:e}");

    assert!(text("status").starts_with("ground.ogg: 0:29 heard in "), "{}", text("status"));
    let shown: Vec<&str> =
        seen["shown"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect();
    assert_eq!(shown[..3], ["electronic", "electro", "dance"]);
    assert_eq!(seen["order"], json!(["file-1", "file-2", "microphone", "play", "picture", ""]));
    assert_eq!(text("button_while_playing"), "Pause");
    assert_eq!(seen["moves"], json!([true, true, true]), "picture, meters, clock");
    assert_eq!((seen["place"].as_f64(), text("place_in_words")), (Some(10.0), "0:10 of 0:29".into()));

    let mean = |analysis: &sleeve::extractor::Analysis| analysis.mean().unwrap();
    let (one, other) = (mean(&first), mean(&second));
    let cosine = one.dot(&other) / (one.dot(&one) * other.dot(&other)).sqrt();
    let said = text("alike");
    let found: f32 = said.split("cosine of ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((found - cosine).abs() < 0.011, "{said}: {cosine}");
    assert_eq!((seen["compared"].as_u64(), text("chosen")), (Some(10), "ground.ogg".into()));
    assert_eq!((&seen["dark"], &seen["fits_a_telephone"]), (&json!(true), &json!(true)));
    assert_eq!(seen["unnamed"], json!([]));
    let snapshot = text("snapshot");
    for line in [
        "heading \"What a song sounds like\" [level=1]",
        "button \"First song\"",
        "button \"Second song, to compare\"",
        "button \"Use the microphone\"",
        "status:",
        "slider \"Mel-spectrogram; place in the song\"",
        "radiogroup \"Which song is shown\"",
        "table \"Tags\"",
        "meter \"electronic\"",
        "region \"The two together\"",
    ] {
        assert!(snapshot.contains(line), "no {line} in\n{snapshot}");
    }

    assert_eq!(floats(&seen["aiff"]), [1.0, 4.0]);
    assert!(text("wrong").starts_with("wrong.mp3: is not in a supported"), "{}", text("wrong"));
    let microphone = floats(&seen["microphone"]);
    assert!(microphone[0] > 180.0 && microphone[1] >= 1.0, "{microphone:?}");
    assert_eq!(text("pressed"), "true");
}

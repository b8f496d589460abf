//! What only ffmpeg decodes.

use std::fs;

use sleeve_tests::{data, have, skip};

use super::{Place, fails, succeeds};

#[test]
fn ffmpeg_is_used_if_it_is_there_and_may_be() {
    let place = Place::new();
    fs::create_dir(place.at("lib")).unwrap();
    fs::copy(data("audio/noise_wavpack.wv"), place.at("lib/song.wv")).unwrap();
    fs::copy(data("audio/he_aac_v1.m4a"), place.at("lib/song.m4a")).unwrap();
    let options = ["--last-patch", "repeat", "-o", "v"];

    // Without it, the file in the folder is passed over and named, and the file that is named is refused.
    let run =
        |paths: &[&str], ffmpeg: &str| place.extract(&[paths, &options, &["--ffmpeg", ffmpeg]].concat());
    let said = succeeds(&mut run(&["lib"], "never"));
    assert!(
        said.contains("1 file") && said.contains("passed over: 1 .wv file: ffmpeg is not used"),
        "{said}"
    );
    assert!(said.contains("song.m4a: HE-AAC is decoded up to 11025 Hz only"), "{said}");
    let said = fails(&mut run(&["lib/song.wv"], "never"));
    assert!(said.contains("song.wv: is WavPack, which no embedded decoder reads"), "{said}");
    let said = fails(&mut run(&["lib/song.wv"], "/no/such/ffmpeg"));
    assert!(said.contains("/no/such/ffmpeg is not a program"), "{said}");

    if !have("ffmpeg") {
        skip!("no ffmpeg");
    }
    let said = succeeds(&mut run(&["lib"], "auto"));
    assert!(said.contains("2 files") && !said.contains("passed over") && !said.contains("11025"), "{said}");
    let index = place.index("v/index.json");
    for file in index["files"].as_array().unwrap() {
        let format = file["format"].as_str().unwrap();
        let expected =
            if file["source"].as_str().unwrap().ends_with("wv") { "WavPack" } else { "HE-AAC in MP4" };
        assert!(format.starts_with(&format!("{expected} (ffmpeg ")), "{format}");
    }
}

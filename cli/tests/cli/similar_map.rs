//! `sleeve similar map`, and its page in a browser.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use sleeve::similarity::{Embedding, Library, LibraryWriter, Origin, Query, Tags, Track};
use sleeve_tests::{have, output_of, recording, repository, skip};

use crate::sleeve;

const CLASSES: [&str; 2] = ["ambient", "rock"];

/// A library of `count` tracks in groups of ten, whose vectors are near each other. All files are one recording.
fn library(folder: &Path, count: usize) {
    let music = folder.join("music");
    let mut origin = Origin::other("test-model", "0".repeat(64), 16);
    origin.classes = CLASSES.map(str::to_owned).to_vec();
    let mut writer = LibraryWriter::create(folder.join("my.library"), &music, &origin).unwrap();
    let mut state = 1_u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let middles: Vec<Vec<f32>> =
        (0..count.div_ceil(10)).map(|_| (0..16).map(|_| random()).collect()).collect();
    for number in 0..count {
        let group = number / 10;
        let path = format!("Group {group}/{number:02} #é.ogg");
        fs::create_dir_all(music.join(&path).parent().unwrap()).unwrap();
        fs::copy(recording("sky.ogg"), music.join(&path)).unwrap();
        let title = match number {
            3 => "</script><script>window.injected = 1</script>".to_owned(),
            4 => "<img src=x onerror=\"window.injected = 1\">".to_owned(),
            _ => format!("Söng {number}"),
        };
        let tags = Tags {
            artist: format!("Artist {group}"),
            album: "<b>Album</b>".into(),
            title,
            year: Some(1970 + group as i32),
            genre: ["Rock", "Jazz"][group % 2].into(),
            ..Tags::default()
        };
        let track =
            Track { path: path.into(), seconds: 25.0, sha256: [number as u8; 32], tags, ..Track::default() };
        let embedding = Embedding {
            vector: middles[group].iter().map(|value| value + 0.2 * random()).collect(),
            activations: vec![number as f32 / count as f32, 0.5],
            ..Embedding::default()
        };
        writer.add(&track, &embedding).unwrap();
    }
    writer.finish().unwrap();
}

fn map(folder: &Path, more: &[&str]) -> Output {
    let mut command = sleeve("similar");
    command.args(["map", "my.library", "--out", "pages/map.html", "--steps", "250"]).args(more);
    command.current_dir(folder).output().unwrap()
}

fn folder(count: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    library(folder.path(), count);
    fs::create_dir(folder.path().join("pages")).unwrap();
    folder
}

#[track_caller]
fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_page_is_the_same_each_time_and_loads_nothing() {
    let folder = folder(60);
    let page = || fs::read_to_string(folder.path().join("pages/map.html")).unwrap();
    let output = map(folder.path(), &["--title", "Mine & <yours>"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("pages/map.html: 60 tracks; trustworthiness 0."), "{said}");
    let first = page();
    assert!(first.contains("<title>Mine &#38; &#60;yours&#62;</title>"), "{}", &first[..900]);
    for loads in ["http:", "https:", "<img", "<link", "<iframe", "url(", "@import", "fetch("] {
        assert!(!first.contains(loads), "{loads}");
    }
    map(folder.path(), &["--title", "Mine & <yours>"]);
    assert!(first == page(), "the page differs");
    // Only a part of the tracks, without neighbours.
    map(folder.path(), &["--limit", "7", "--neighbours", "0"]);
    assert!(page().contains("7 of 60 tracks"));
}

#[test]
fn what_has_no_map_is_an_error_and_leaves_no_page() {
    let folder = folder(2);
    let missing =
        sleeve("similar").args(["map", "none.library", "--out", "x.html"]).current_dir(&folder).output();
    assert!(complaint(&missing.unwrap()).contains("none.library"));
    assert!(complaint(&map(folder.path(), &["--perplexity", "1"])).contains("--perplexity is from 2 to 200"));
    let into = sleeve("similar")
        .args(["map", "my.library", "--out", "nowhere/x.html"])
        .current_dir(&folder)
        .output();
    assert!(complaint(&into.unwrap()).contains("nowhere"));
    fs::write(folder.path().join("bad.library"), "not one").unwrap();
    let bad = sleeve("similar").args(["map", "bad.library", "--out", "x.html"]).current_dir(&folder).output();
    assert!(complaint(&bad.unwrap()).contains("bad.library"));
    assert!(!folder.path().join("x.html").exists() && !folder.path().join("pages/map.html").exists());
    // Two tracks have a map.
    assert!(map(folder.path(), &[]).status.success());
}

#[test]
fn a_person_explores_the_page_in_a_browser() {
    let python = repository().join("target/browser/bin/python");
    if !python.exists() || !["chromium-headless-shell", "chromium"].iter().any(|name| have(name)) {
        skip!("no browser");
    }
    let folder = folder(60);
    let output = map(folder.path(), &["--neighbours", "9"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let library = Library::open(folder.path().join("my.library")).unwrap();
    let chosen = 23;
    let mut command = Command::new(python);
    command.arg(repository().join("tests/peers/map_page.py")).arg(folder.path().join("pages/map.html"));
    command.args([&chosen.to_string(), "song 2"]).arg(folder.path());
    let seen: Value = serde_json::from_slice(&output_of(&mut command)).unwrap();
    let text = |name: &str| seen[name].as_str().unwrap_or_default().to_owned();
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(seen["problems"], serde_json::json!([]));
    assert_eq!(seen["injected"], false);
    assert_eq!((seen["tracks"].as_u64(), text("title")), (Some(60), "my".into()));
    assert_eq!(
        texts(&seen["colours"]),
        ["nothing", "artist", "album", "year", "genre", "folder", "ambient", "rock"]
    );
    assert_eq!((seen["drawn"].as_u64(), seen["drawn_dark"].as_u64()), (Some(60), Some(60)));
    // What was clicked is shown, plays, and has the neighbours of the search.
    let path = |track: usize| format!("../music/{}", library.track(track).path().display());
    assert_eq!(text("tip"), "Artist 2 – Söng 23\n<b>Album</b> (1972)");
    assert_eq!(text("chosen"), path(chosen));
    let near = library.find(&Query::new().track(chosen).count(9)).unwrap();
    let near: Vec<String> = near.iter().map(|found| path(found.track)).collect();
    assert_eq!(texts(&seen["neighbours"]), near);
    let seconds = seen["seconds"].as_f64().unwrap_or_else(|| panic!("it does not play: {seen}"));
    assert!((20.0..40.0).contains(&seconds), "{seconds}");
    assert_eq!((text("next"), text("back")), (near[0].clone(), path(chosen)));
    // The search ignores accents, and finds every word.
    let found: BTreeSet<String> = texts(&seen["found"]).into_iter().collect();
    let wanted = |track: &usize| {
        library.track(*track).title.contains('2')
            || library.track(*track).path().to_string_lossy().contains('2')
    };
    let songs = (0..60).filter(|&track| library.track(track).title.starts_with("Söng"));
    let wanted: BTreeSet<String> = songs.filter(wanted).map(path).collect();
    assert!(wanted.is_subset(&found) && found.len() < 60, "{found:?}");
    assert_eq!(seen["found_after_escape"], false);
    // The playlist is the selection.
    let left = texts(&seen["left"]);
    assert!(!left.is_empty() && left.len() < 60);
    assert_eq!(text("selection"), format!("{} tracks selected", left.len()));
    let playlist = text("playlist");
    let paths: Vec<&str> = playlist.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(paths, left);
    assert!(playlist.starts_with("#EXTM3U\n#EXTINF:25,Artist "), "{playlist}");
    assert_eq!(text("file"), "selection.m3u8");
    assert!(paths.iter().all(|path| folder.path().join("pages").join(path).exists()));
    let telephone = &seen["telephone"];
    assert_eq!(telephone["chosen"], path(chosen));
    assert_eq!((&telephone["fits"], &telephone["problems"]), (&true.into(), &serde_json::json!([])));
    assert!(telephone["map"].as_f64().unwrap() > 250.0);
    println!("a frame takes {} ms", seen["frame"]);
}

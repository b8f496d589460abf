//! Standard input, playlists, lists, and what is left out.

use std::fs::{self, File};
use std::path::PathBuf;

use crate::{Place, fails, sleeve, succeeds};

/// `a.wav`, `é b.wav` and `deeper/c.wav` in a folder.
fn place() -> Place {
    let place = Place::new();
    for name in ["lib/a.wav", "lib/é b.wav", "lib/deeper/c.wav"] {
        place.song(name);
    }
    place
}

fn outputs(place: &Place, folder: &str) -> Vec<String> {
    let files = place.files(folder);
    let names = files.iter().map(|file| file.to_str().unwrap());
    names.filter_map(|name| name.strip_suffix(".embeddings.npy")).map(str::to_owned).collect()
}

#[test]
fn a_whole_recording_comes_from_standard_input() {
    let place = place();
    let input = || File::open(place.at("lib/a.wav")).unwrap();
    succeeds(place.extract(&["-", "-o", "v"]).stdin(input()));
    succeeds(&mut place.extract(&["lib/a.wav", "-o", "v"]));
    let read = |name: &str| fs::read(place.at("v").join(name)).unwrap();
    assert!(read("stdin.embeddings.npy") == read("a.wav.embeddings.npy"));
    let index = place.index("v/index.json");
    let mut sources: Vec<&str> =
        index["files"].as_array().unwrap().iter().map(|entry| entry["source"].as_str().unwrap()).collect();
    sources.sort_unstable();
    assert_eq!(sources, ["-", place.at("lib/a.wav").to_str().unwrap()]);
    // It is never done before.
    assert!(succeeds(place.extract(&["-", "-o", "v", "--resume"]).stdin(input())).contains("1 files"));
    let output = place.extract(&["-"]).stdin(input()).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("standard input  (3.2 s, WAV"), "{output:?}");
    for (input, reason) in [("text", "standard input: is not"), ("", "standard input: is empty")] {
        let said =
            fails(place.extract(&["-"]).stdin(File::open(place.put("input", input.as_bytes())).unwrap()));
        assert!(said.contains(reason) && !said.contains("/proc"), "{said}");
    }
    for twice in [&["-", "-"][..], &["-", "--from-file", "-"]] {
        assert!(fails(place.extract(twice).stdin(input())).contains("standard input can be read once"));
    }
    let mut similar = sleeve("similar");
    similar.args(["index", "i", "-"]).current_dir(place.path());
    assert!(fails(&mut similar).contains("a track of a library must be a file"));
}

#[test]
fn playlists_give_their_files_and_report_the_rest() {
    let place = place();
    let url = place.at("lib/é b.wav").to_str().unwrap().replace('é', "%C3%A9").replace(' ', "%20");
    place.put(
        "lists/l.m3u8",
        "\u{feff}#EXTM3U\r\n../lib/a.wav\r\n#EXTINF:3,c\r\n../lib/deeper/c.wav\r\n".as_bytes(),
    );
    place.put(
        "lists/l.m3u",
        b"../lib/a.wav\nhttp://radio.example/x.mp3\n../lib/\xe9 b.wav\n../lib/gone.wav\nl.pls\n",
    );
    place.put("lists/l.pls", format!("[playlist]\nFile1=file://{url}\nFile2=../lib/a.wav\n").as_bytes());
    let xspf = format!(
        "<?xml version=\"1.0\"?><playlist xmlns=\"http://xspf.org/ns/0/\"><trackList><track><location>file://{url}\
         </location></track><track><location>../lib/deeper/c.wav</location></track></trackList></playlist>"
    );
    place.put("lists/l.xspf", xspf.as_bytes());
    for (list, expected) in [
        ("l.m3u8", &["a.wav", "deeper/c.wav"][..]),
        ("l.pls", &["a.wav", "é b.wav"]),
        ("l.xspf", &["deeper/c.wav", "é b.wav"]),
    ] {
        let out = format!("v-{list}");
        succeeds(&mut place.extract(&[&format!("lists/{list}"), "-o", &out]));
        assert_eq!(outputs(&place, &out), expected, "{list}");
    }
    let said = fails(&mut place.extract(&["lists/l.m3u", "-o", "v"]));
    assert_eq!(outputs(&place, "v"), ["a.wav", "é b.wav"]);
    for reason in [
        "warning: lists/l.m3u, line 2: http://radio.example/x.mp3 is not a file on this machine",
        "warning: lists/l.m3u, line 4: lists/../lib/gone.wav: ",
        "warning: lists/l.m3u, line 5: lists/l.pls: a playlist in a playlist",
    ] {
        assert!(said.contains(reason), "{said}");
    }
    place.put("broken.xspf", b"<playlist><track>");
    assert!(fails(&mut place.extract(&["broken.xspf"])).contains("broken.xspf: it ends within a track"));
}

#[test]
fn lists_of_files_are_inputs() {
    let place = place();
    let absolute = place.at("lib/deeper/c.wav");
    let lines = format!("lib/a.wav\r\n\n{}\n", absolute.display());
    let nul = "lib/a.wav\0lib/é b.wav\0";
    for (name, list, expected) in
        [("lines", lines.as_str(), &["a.wav", "deeper/c.wav"][..]), ("nul", nul, &["a.wav", "é b.wav"])]
    {
        let path = place.put(name, list.as_bytes());
        succeeds(&mut place.extract(&["--from-file", name, "-o", &format!("v-{name}")]));
        succeeds(
            place.extract(&["--from-file", "-", "-o", &format!("w-{name}")]).stdin(File::open(path).unwrap()),
        );
        assert_eq!(outputs(&place, &format!("v-{name}")), expected);
        assert_eq!(outputs(&place, &format!("w-{name}")), expected);
    }
    // Folders and playlists are what they are elsewhere, and a file that is missing fails.
    place.put("l.m3u", b"lib/a.wav\n");
    place.put("mixed", b"lib/deeper\nl.m3u\nnowhere.wav\n");
    let said = fails(&mut place.extract(&["--from-file", "mixed", "-o", "x"]));
    assert!(said.contains("nowhere.wav: ") && said.contains("2 files"), "{said}");
    assert_eq!(outputs(&place, "x"), ["a.wav", "lib/deeper/c.wav"]);
    assert!(fails(&mut place.extract(&["--from-file", "no-such-list"])).contains("no-such-list: "));
    // As other systems write them: with a mark of UTF-8, which is left out, and in UTF-16, whose zeros are no separators.
    place.put("marked", b"\xef\xbb\xbflib/a.wav\r\n");
    succeeds(&mut place.extract(&["--from-file", "marked", "-o", "y"]));
    assert_eq!(outputs(&place, "y"), ["a.wav"]);
    place.put("wide", b"\xff\xfe/\0x\0.\0w\0a\0v\0");
    assert!(fails(&mut place.extract(&["--from-file", "wide"])).contains("wide: a list in UTF-16"));
    assert_eq!(place.extract(&["-o", "x"]).output().unwrap().status.code(), Some(2));
}

#[test]
fn what_is_excluded_is_left_out_and_counted() {
    let place = place();
    let run = |options: &[&str]| {
        let _ = fs::remove_dir_all(place.at("v"));
        let said = succeeds(place.extract(&["lib", "-o", "v"]).args(options));
        (outputs(&place, "v"), said)
    };
    let (names, said) = run(&["--exclude", "deeper"]);
    assert_eq!(names, ["a.wav", "é b.wav"]);
    assert!(said.contains("passed over: 1 folder excluded"), "{said}");
    assert_eq!(run(&["--exclude", "lib/deeper/", "--exclude", "a.*"]).0, ["é b.wav"]);
    assert_eq!(run(&["--exclude", "deeper/*"]).0, ["a.wav", "é b.wav"]);
    place.put("list", b"lib/a.wav\nlib/deeper/c.wav\n");
    succeeds(&mut place.extract(&["--from-file", "list", "--exclude", "deeper", "-o", "w"]));
    assert_eq!(outputs(&place, "w"), ["a.wav"]);
}

#[test]
fn a_library_of_similar_tracks_takes_the_same() {
    let place = place();
    place.put("lib/deeper/c.wav", &crate::wav(4.0));
    place.put("l.m3u8", "lib/a.wav\nlib/deeper/c.wav\n".as_bytes());
    let similar = |arguments: &[&str]| {
        let mut command = sleeve("similar");
        command.args(arguments).current_dir(place.path());
        command
    };
    let said = |arguments: &[&str]| {
        let output = similar(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let index = ["index", "i", "l.m3u8"];
    assert!(said(&index).contains("i: 2 tracks: 2 processed"));
    assert!(said(&index).contains("i: 2 tracks: 0 processed, 2 unchanged"));
    let found = said(&["find", "i", "lib/a.wav"]);
    let path: PathBuf = found.trim_end().rsplit("  ").next().unwrap().into();
    assert_eq!((path, found.lines().count()), (place.at("lib/deeper/c.wav"), 1));
    // More inputs of the same kind are the same index; one folder is another.
    assert!(said(&["index", "i", "l.m3u8", "lib/é b.wav"]).contains("3 tracks: 1 processed"));
    assert!(fails(&mut similar(&["index", "i", "lib"])).contains("a library of several folders or files"));
    assert!(said(&["index", "j", "lib", "--exclude", "deeper"]).contains("2 tracks: 2 processed"));
    // An argument that is missing or empty must not empty the index.
    fs::create_dir(place.at("empty")).unwrap();
    for missing in ["gone", "empty"] {
        assert!(fails(&mut similar(&["index", "i", "l.m3u8", missing])).contains(missing));
    }
}

/// What the fuzz target `playlist` checks, of a seed of each kind and of what it has found. The first byte is that of the
/// kind.
#[test]
fn playlists_that_fuzzing_found_are_refused_or_read() {
    let place = Place::new();
    let mut read = 0;
    for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/fuzz/playlist")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let (kind, bytes) = bytes.split_first().unwrap();
        let extension = ["m3u", "m3u8", "pls", "xspf"][usize::from(kind % 4)];
        let path = place.put(format!("list.{extension}"), bytes);
        if let Ok(entries) = sleeve_cli::internal::read_playlist(&path) {
            assert!(entries.len() <= bytes.len() && entries.iter().all(|entry| !entry.place.is_empty()));
            read += 1;
        }
    }
    assert!(read >= 4, "{read}");
}

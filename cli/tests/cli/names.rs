//! Names of any kind: of files that are found, of outputs, in indexes and in messages.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::{Place, fails, sleeve, succeeds};

#[test]
fn names_with_dots_are_music_and_what_is_passed_over_is_counted() {
    let place = Place::new();
    let songs = [
        "lib/Some Band/...A Title Of Dots/01 One.wav",
        "lib/.38 Calibre/01 One.wav",
        "lib/Some Band/...One More.wav",
        "lib/Some Band/Plain.WAV",
    ];
    for name in songs {
        place.song(name);
    }
    for name in [
        "lib/Some Band/._Plain.WAV",
        "lib/a.wma",
        "lib/b.WMA",
        "lib/.Trash-1000/files/x.wav",
        "lib/@eaDir/x.wav",
        "lib/cover.jpg",
        "lib/Some Band/x.m3u",
    ] {
        place.put(name, b"x");
    }
    let without_ffmpeg = |mut command: std::process::Command| {
        command.env("PATH", "");
        command
    };
    let said = succeeds(&mut without_ffmpeg(place.extract(&["lib", "-o", "v"])));
    let line = "passed over: 2 .wma files: ffmpeg is not installed, 1 file whose name begins with ._, \
                1 folder .Trash-1000, 1 folder @eaDir, 2 files of other kinds";
    assert!(said.contains("4 files") && said.contains(line), "{said}");
    let index = place.index("v/index.json");
    let expected = serde_json::json!([
        { "reason": "ffmpeg is not installed", "extension": "wma", "files": 2 },
        { "reason": "its name begins with ._", "files": 1 },
        { "reason": "a folder of the system", "folder": ".Trash-1000", "folders": 1 },
        { "reason": "a folder of the system", "folder": "@eaDir", "folders": 1 },
    ]);
    assert_eq!((&index["passed_over"], &index["other_files"]), (&expected, &2.into()));
    for name in songs {
        let name = name.strip_prefix("lib/").unwrap();
        assert!(place.at(format!("v/{name}.embeddings.npy")).exists(), "{name}");
    }

    let similar = |folder: &str| {
        let mut command = sleeve("similar");
        command.args(["index", &(folder.replace('/', " ") + ".library"), folder]).current_dir(place.path());
        command
    };
    let output = without_ffmpeg(similar("lib")).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("4 tracks: 4 processed"), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains(line));
    for command in [&mut place.extract(&["lib/.Trash-1000/../@eaDir", "-o", "w"]), &mut similar("lib/@eaDir")]
    {
        // A folder that is named is searched, and what cannot be read in it is an error.
        assert!(fails(command).contains("x.wav"));
    }
    fs::remove_file(place.at("lib/@eaDir/x.wav")).unwrap();
    place.put("lib/@eaDir/x.wma", b"x");
    assert!(
        fails(&mut without_ffmpeg(place.extract(&["lib/@eaDir"])))
            .contains("no audio files found; passed over: 1 .wma file")
    );
}

#[cfg(target_os = "linux")]
#[test]
fn names_need_not_be_unicode() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    let names = [&b"caf\xe9.wav"[..], b"Bj\xf6rk/01.wav"].map(|name| Path::new(OsStr::from_bytes(name)));
    for name in names {
        place.song(Path::new("latin1").join(name));
    }
    let said = succeeds(&mut place.extract(&["latin1", "-o", "v"]));
    assert!(said.contains("2 files"), "{said}");
    let index = place.index("v/index.json");
    let entry = index["files"].as_array().unwrap().iter().find(|entry| entry["source"] != "x").unwrap();
    let bytes = |value: &serde_json::Value| -> Vec<u8> {
        let digits = value.as_str().unwrap().as_bytes();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    };
    assert_eq!(
        bytes(&entry["source_bytes"]),
        place.at(Path::new("latin1").join(names[1])).as_os_str().as_bytes()
    );
    assert_eq!(bytes(&entry["files_bytes"][0]), b"Bj\xf6rk/01.wav.predictions.npy");
    assert!(place.at("v").join(OsStr::from_bytes(b"caf\xe9.wav.embeddings.npy")).exists());
    let said = succeeds(&mut place.extract(&["latin1", "-o", "v", "--resume"]));
    assert!(said.contains("0 files") && said.contains("2 already done"), "{said}");
    // A message shows every byte.
    let broken = place.put(OsStr::from_bytes(b"b\xe9.wav"), b"x");
    let said = fails(place.extract(&[broken.as_os_str()]).args(["nowhere.wav"]));
    assert!(said.contains("nowhere.wav: ") && said.contains("0 files"), "{said}");
}

#[test]
fn times_before_1970_are_no_error() {
    let place = Place::new();
    let song = place.song("old.wav");
    let time = SystemTime::UNIX_EPOCH - Duration::from_secs(86_400);
    File::options().write(true).open(song).unwrap().set_modified(time).unwrap();
    for (options, done) in [(&[][..], "1 files"), (&["--resume"], "1 already done")] {
        let said = succeeds(place.extract(&["old.wav", "-o", "v"]).args(options));
        assert!(said.contains(done), "{said}");
    }
    assert_eq!(place.index("v/index.json")["files"][0]["modified"], -86_400_000);
    let similar = || {
        let mut command = sleeve("similar");
        let output = command.args(["index", "i", "."]).current_dir(place.path()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(similar().contains("1 processed, 0 unchanged") && similar().contains("0 processed, 1 unchanged"));
}

#[test]
fn long_names_are_shortened_and_index_says_so() {
    let place = Place::new();
    for length in [200, 230, 240, 255] {
        place.song(format!("long/{}.wav", "y".repeat(length - 4)));
    }
    let japanese = "曲".repeat(80) + ".wav";
    place.song(format!("long/{japanese}"));
    // Two models, whose names are part of those of the outputs.
    let mut both = sleeve("extract");
    both.args(["long", "-o", "v"]).current_dir(place.path());
    assert!(succeeds(&mut both).contains("5 files"));
    let files = place.files("v");
    assert_eq!(files.len(), 1 + 5 * 3);
    assert!(files.iter().all(|file| file.file_name().unwrap().len() <= 255));
    let index = place.index("v/index.json");
    let renamed: Vec<&str> =
        index["files"].as_array().unwrap().iter().filter_map(|entry| entry["name"].as_str()).collect();
    assert_eq!(renamed.len(), 4);
    assert!(renamed.contains(&&*japanese));
    let said = succeeds(both.arg("--resume"));
    assert!(said.contains("0 files") && said.contains("5 already done"), "{said}");
}

#[test]
fn an_input_called_index_has_its_own_output() {
    let place = Place::new();
    place.song("lib/index");
    place.song("lib/index.wav");
    succeeds(&mut place.extract(&["lib/index", "lib/index.wav", "--format", "json", "-o", "v"]));
    let index = place.index("v/index.json");
    let files = index["files"].as_array().unwrap();
    assert_eq!(files.len(), 2);
    let output = files[0]["files"][0].as_str().unwrap();
    assert!(output.starts_with("index~") && files[0]["name"] == "index", "{output}");
    assert_eq!(files[1]["files"][0], "index.wav.json");
    assert_eq!(place.index(&format!("v/{output}"))["patches"].as_array().unwrap().len(), 1);
}

#[cfg(unix)]
#[test]
fn control_characters_are_escaped_wherever_they_are_printed() {
    let place = Place::new();
    let name = "a\u{1b}[31mred\nerror: no\u{9b}.wav";
    place.song(name);
    place.put("b\u{1b}]0;x\u{7}.wav", b"not audio");
    place.put("c\u{1b}.m3u", b"gone\x1b.wav\n");
    let shown = "a\\u{1b}[31mred\\nerror: no\\u{9b}.wav";
    let broken = "b\u{1b}]0;x\u{7}.wav";
    let command = |arguments: &[&str]| {
        let mut command = sleeve(arguments[0]);
        command.args(&arguments[1..]).current_dir(place.path());
        command
    };
    let index = ["similar", "index", "i\u{1b}", "."];
    for (arguments, expected) in [
        (&["extract", name][..], shown),
        (&["extract", ".", "-o", "v\u{1b}"], "written to v\\u{1b}"),
        (&["extract", broken], "b\\u{1b}]0;x\\u{7}.wav: "),
        (&["extract", "c\u{1b}.m3u"], "gone\\u{1b}.wav: "),
        (&["mel", name], shown),
        (&["mel", broken], "b\\u{1b}]0;x\\u{7}.wav: "),
        (&["mel", name, "-o", "x\u{1b}.npy"], "x\\u{1b}.npy: float32"),
        (&["stream", broken], "b\\u{1b}]0;x\\u{7}.wav: "),
        (&["models", broken], "b\\u{1b}]0;x\\u{7}.wav"),
        (&index, "i\\u{1b}: 1 tracks"),
        (&["similar", "find", "i\u{1b}", broken], "b\\u{1b}]0;x\\u{7}.wav: "),
        (&["similar", "find", "i\u{1b}", "d.wav"], shown),
        (&["extract", "--x\u{1b}", name], "--x"),
        (&["man", "-o", "b\u{1b}]0;x\u{7}.wav/x"], "b\\u{1b}]0;x\\u{7}.wav/x"),
    ] {
        if arguments.contains(&"d.wav") {
            // Another recording, so that the first one is found.
            place.put("d.wav", &crate::wav(3.5));
        }
        let output = command(arguments).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(text.contains(expected), "{arguments:?}: {text}");
        assert!(
            !text.contains(|letter: char| letter.is_control() && letter != '\n'),
            "{arguments:?}: {text:?}"
        );
        assert!(!text.contains("\nerror: no\u{9b}"), "{arguments:?}: {text}");
    }
}

#[test]
fn a_file_is_one_entry_whichever_way_it_was_typed() {
    let place = Place::new();
    place.song("lib/a.wav");
    place.song("lib/deeper/b.wav");
    let absolute = place.at("lib");
    let run = |arguments: &[&str], folder: &str| {
        let output = place.at("v");
        let mut command = place.extract(arguments);
        command.arg("--resume").arg("-o").arg(output).current_dir(place.at(folder));
        succeeds(&mut command)
    };
    assert!(run(&["lib"], "").contains("2 files"));
    for (arguments, folder) in [
        (&["lib/"][..], ""),
        (&["./lib/deeper/../../lib"], ""),
        (&[absolute.to_str().unwrap()], ""),
        (&["."], "lib"),
        (&[".."], "lib/deeper"),
        (&["../lib", "lib/../../lib"], "lib/.."),
    ] {
        let arguments = if arguments[0] == "../lib" { &["lib", "./lib"][..] } else { arguments };
        let said = run(arguments, folder);
        assert!(said.contains("0 files") && said.contains("2 already done"), "{arguments:?}: {said}");
    }
    for (arguments, folder) in
        [(&["lib/a.wav", "lib/deeper/b.wav"][..], ""), (&["../a.wav", "b.wav"], "lib/deeper")]
    {
        assert!(run(arguments, folder).contains("2 already done"));
    }
    let index = place.index("v/index.json");
    let sources: Vec<&str> =
        index["files"].as_array().unwrap().iter().map(|entry| entry["source"].as_str().unwrap()).collect();
    assert_eq!(
        sources,
        ["a.wav", "deeper/b.wav"]
            .map(|name| place.at("lib").join(name))
            .map(|path| path.display().to_string())
    );
    let names = [
        "a.wav.embeddings.npy",
        "a.wav.predictions.npy",
        "deeper/b.wav.embeddings.npy",
        "deeper/b.wav.predictions.npy",
        "index.json",
    ];
    assert_eq!(place.files("v"), names.map(PathBuf::from));
}

#[test]
fn equal_names_are_refused_before_anything_runs() {
    let place = Place::new();
    place.song("a/x.wav");
    place.song("b/x.wav");
    let said = fails(&mut place.extract(&["a/x.wav", "b/x.wav", "-o", "v"]));
    assert!(said.contains("a/x.wav and b/x.wav would both write x.wav"), "{said}");
    assert!(fails(&mut place.extract(&["a", "b", "-o", "v"])).contains("would both write x.wav"));
    assert!(!place.at("v").exists());
    // Without outputs there is no clash, and the folder above them both has names for each.
    succeeds(&mut place.extract(&["a", "b"]));
    succeeds(&mut place.extract(&[".", "-o", "v"]));
    assert!(place.at("v/a/x.wav.embeddings.npy").exists() && place.at("v/b/x.wav.embeddings.npy").exists());
    // Nor is one replaced that an earlier run has done, unless its input is gone.
    succeeds(&mut place.extract(&["a", "-o", "w"]));
    let said = fails(&mut place.extract(&["b", "-o", "w", "--resume"]));
    assert!(
        said.contains("w/x.wav.predictions.npy: made from ") && said.contains("b/x.wav would replace"),
        "{said}"
    );
    succeeds(&mut place.extract(&["b", "-o", "w"]));
    let index = place.index("w/index.json");
    assert_eq!(index["files"].as_array().unwrap().len(), 1);
    assert_eq!(index["files"][0]["source"], place.at("b/x.wav").to_str().unwrap());
    fs::rename(place.at("b"), place.at("c")).unwrap();
    assert!(succeeds(&mut place.extract(&["c", "-o", "w", "--resume"])).contains("1 files"));
}

//! `sleeve similar`, run as a user would.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use lofty::config::WriteOptions;
use lofty::file::TaggedFileExt;
use lofty::tag::{Accessor, ItemKey, Tag, TagExt};
use serde_json::Value;
use sleeve::audio::AudioReader;
use sleeve::similarity::{LibraryWriter, Query};
use sleeve_tests::recording;

use crate::sleeve;

struct Library(tempfile::TempDir);

impl Library {
    /// Two recordings, one of them in a subfolder, and a file that is not a recording.
    fn new() -> Self {
        let library = Library(tempfile::tempdir().unwrap());
        library.add("sky.ogg", "sky.ogg");
        library.add("ground.ogg", "deeper/ground.OGG");
        fs::write(library.folder().join("notes.txt"), "not audio").unwrap();
        library
    }

    /// The folder of its music. The library file is beside it.
    fn folder(&self) -> PathBuf {
        self.at("music")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn file(&self) -> PathBuf {
        self.at("music.library")
    }

    fn add(&self, recorded: &str, name: impl AsRef<Path>) {
        let path = self.folder().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(recording(recorded), path).unwrap();
    }

    fn command(&self, name: &str) -> Command {
        let mut command = sleeve("similar");
        command.arg(name).arg(self.file()).current_dir(self.0.path());
        command
    }

    fn index(&self, more: &[&str]) -> Output {
        self.command("index").arg(self.folder()).args(more).output().unwrap()
    }

    fn find(&self, track: impl AsRef<Path>, more: &[&str]) -> Output {
        self.command("find").arg(track.as_ref()).args(more).output().unwrap()
    }

    fn json(&self, name: &str, more: &[&str]) -> Value {
        let said = said(self.command(name).args(more).arg("--json").output().unwrap());
        assert_eq!(said.lines().count(), 1, "{said}");
        serde_json::from_str(&said).unwrap()
    }

    fn open(&self) -> sleeve::similarity::Library {
        sleeve::similarity::Library::open(self.file()).unwrap()
    }

    /// The vectors by path.
    fn vectors(&self) -> Vec<(PathBuf, Vec<f32>)> {
        let library = self.open();
        let all =
            (0..library.len()).map(|track| (library.track(track).path(), library.vector(track).to_vec()));
        let mut all: Vec<_> = all.collect();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    }
}

#[track_caller]
fn said(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn complaint(output: Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.starts_with("error: ") && !text.contains("panicked"), "{text}");
    text
}

/// Writes tags into a file.
fn tag(path: &Path, artist: &str, title: &str) {
    let file = lofty::read_from_path(path).unwrap();
    let mut tag = Tag::new(file.primary_tag_type());
    tag.set_artist(artist.into());
    tag.set_title(title.into());
    tag.set_album("Both <Sides>".into());
    tag.set_genre("Ambient".into());
    tag.insert_text(ItemKey::RecordingDate, "1997-03-01".into());
    tag.save_to_path(path, WriteOptions::default()).unwrap();
}

#[test]
fn what_sounds_alike_is_found() {
    let library = Library::new();
    library.add("sky.ogg", "deeper/sky again.ogg");
    library.add("idle_tune.mp3", "tune.mp3");
    let summary = said(library.index(&[]));
    let expected = "4 tracks: 4 processed, 0 unchanged, 0 moved, 0 retagged, 0 removed, 0 failed\n";
    assert!(summary.ends_with(expected), "{summary}");
    // For a track of the library, the track itself is not among the results.
    let found = said(library.find(library.folder().join("sky.ogg"), &[]));
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.len(), 3, "{found}");
    assert!(
        lines[0].starts_with("1.000     0:26  ") && lines[0].ends_with("music/deeper/sky again.ogg"),
        "{found}"
    );
    let cosines: Vec<f32> = lines.iter().map(|line| line[..5].parse().unwrap()).collect();
    assert!(cosines.is_sorted_by(|a, b| a >= b) && cosines[1] < 0.999, "{found}");
    // For the same file outside the library, both copies are found.
    let found = said(library.find(recording("sky.ogg"), &["-n", "2"]));
    assert!(found.lines().count() == 2 && found.lines().all(|line| line.starts_with("1.000")), "{found}");
    // Near-duplicates are skipped or marked.
    let skipped = said(library.find(recording("sky.ogg"), &["--duplicates", "skip"]));
    assert_eq!(skipped.lines().filter(|line| line.starts_with("1.000")).count(), 1, "{skipped}");
    let listed = said(library.find(library.folder().join("sky.ogg"), &["--duplicates", "list"]));
    assert!(listed.lines().next().unwrap().ends_with("sky again.ogg  (duplicate)"), "{listed}");
    let groups = said(library.command("duplicates").output().unwrap());
    assert_eq!(groups.lines().count(), 2, "{groups}");
    // What `extract` wrote is a seed, too.
    let mut extract = sleeve("extract");
    extract.args(["--model", "sleeve-musicnn-1", "-o", "v"]).arg(recording("sky.ogg"));
    said(extract.current_dir(library.0.path()).output().unwrap());
    let npy = fs::read_dir(library.at("v")).unwrap().map(|entry| entry.unwrap().path());
    let npy = npy.into_iter().find(|path| path.to_str().unwrap().ends_with(".embeddings.npy")).unwrap();
    let found = library.json("find", &["--vector", npy.to_str().unwrap(), "-n", "1"]);
    assert!(found["tracks"][0]["cosine"].as_f64().unwrap() > 0.99999, "{found}");
}

#[test]
fn a_library_follows_its_music() {
    let library = Library::new();
    assert!(said(library.index(&[])).contains("2 tracks: 2 processed"));
    let before = fs::read(library.file()).unwrap();
    assert!(said(library.index(&[])).contains("2 tracks: 0 processed, 2 unchanged"));
    assert_eq!(before, fs::read(library.file()).unwrap());
    // One track is added, one changed, one removed, and one is not music.
    library.add("idle_tune.mp3", "tune.mp3");
    library.add("sky.ogg", "deeper/ground.OGG");
    fs::remove_file(library.folder().join("sky.ogg")).unwrap();
    fs::write(library.folder().join("broken.ogg"), "not an Ogg file").unwrap();
    let output = library.index(&[]);
    let summary = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        summary.contains("2 tracks: 2 processed, 0 unchanged, 0 moved, 0 retagged, 1 removed, 1 failed"),
        "{summary}"
    );
    let text = complaint(output);
    assert!(text.contains("broken.ogg: ") && text.lines().count() == 1, "{text}");
    let found = said(library.find(library.folder().join("tune.mp3"), &[]));
    assert!(found.lines().count() == 1 && found.trim_end().ends_with("ground.OGG"), "{found}");
    let left: Vec<_> =
        fs::read_dir(library.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn moved_files_and_new_tags_need_no_decoding() {
    let library = Library::new();
    library.add("idle_tune.mp3", "tune.mp3");
    tag(&library.folder().join("tune.mp3"), "The <Band>", "One & Two");
    assert!(said(library.index(&[])).contains("3 tracks: 3 processed"));
    let before = library.vectors();
    // New tags in MP3 and Vorbis, another folder, and both at once.
    tag(&library.folder().join("deeper/ground.OGG"), "Someone", "The ground");
    fs::rename(library.folder().join("sky.ogg"), library.folder().join("deeper/heaven.oga")).unwrap();
    fs::rename(library.folder().join("tune.mp3"), library.folder().join("other.mp3")).unwrap();
    tag(&library.folder().join("other.mp3"), "Another Band", "Three");
    let summary = said(library.index(&["--json"]));
    let summary: Value = serde_json::from_str(&summary).unwrap();
    for (key, count) in [
        ("tracks", 3),
        ("processed", 0),
        ("unchanged", 0),
        ("moved", 2),
        ("retagged", 1),
        ("removed", 0),
        ("failed", 0),
    ] {
        assert_eq!(summary[key], count, "{key} in {summary}");
    }
    let after = library.vectors();
    assert_eq!(
        after.iter().map(|(path, _)| path.to_str().unwrap()).collect::<Vec<_>>(),
        ["deeper/ground.OGG", "deeper/heaven.oga", "other.mp3"]
    );
    assert_eq!((&after[0].1, &after[1].1, &after[2].1), (&before[0].1, &before[1].1, &before[2].1));
    let found = library.json("find", &["music/deeper/heaven.oga", "--artist", "another band"]);
    let track = &found["tracks"][0];
    assert_eq!(track["title"], "Three");
    assert_eq!((&track["year"], &track["genre"]), (&1997.into(), &"Ambient".into()));
    assert!(said(library.index(&[])).contains("0 processed, 3 unchanged"));
}

#[test]
fn every_command_speaks_json_and_answers() {
    let library = Library::new();
    library.add("idle_tune.mp3", "tune.mp3");
    library.add("sky.ogg", "copy.ogg");
    tag(&library.folder().join("tune.mp3"), "The <Band>", "One & Two");
    assert!(said(library.index(&["--patches"])).contains("4 processed"));
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let track = [
        "path",
        "uri",
        "cosine",
        "seconds",
        "artist",
        "album_artist",
        "album",
        "title",
        "label",
        "genre",
        "year",
        "duplicate_of",
    ];
    for (command, arguments) in [
        (
            "find",
            &["music/sky.ogg", "music/tune.mp3", "--weights", "1,0.5", "--unlike", "music/deeper/ground.OGG"]
                [..],
        ),
        ("playlist", &["music/sky.ogg", "-n", "3", "--variety", "0.5", "--seed", "3"]),
        ("path", &["music/sky.ogg", "music/tune.mp3", "-n", "3"]),
        ("sample", &["-n", "2"]),
    ] {
        let value = library.json(command, arguments);
        assert_eq!(keys(&value), ["library", "tracks"]);
        let tracks = value["tracks"].as_array().unwrap();
        assert!(!tracks.is_empty());
        for one in tracks {
            assert_eq!(keys(one), track);
            assert!(Path::new(one["path"].as_str().unwrap()).exists());
        }
    }
    // The same as by the library's own function.
    let opened = library.open();
    let seed = opened.find_path("sky.ogg").unwrap();
    let expected: Vec<Value> = opened
        .find(&Query::new().track(seed))
        .unwrap()
        .iter()
        .map(|found| opened.file(found.track).to_str().unwrap().into())
        .collect();
    let found = library.json("find", &["music/sky.ogg"]);
    let found: Vec<Value> =
        found["tracks"].as_array().unwrap().iter().map(|track| track["path"].clone()).collect();
    assert_eq!(found, expected);
    assert!(!opened.patches(seed).unwrap().is_empty());

    let groups = library.json("duplicates", &[]);
    assert_eq!(groups["groups"].as_array().unwrap().len(), 1);
    let names = |value: &Value| -> Vec<String> {
        let tracks = value["tracks"].as_array().unwrap().iter();
        tracks.map(|track| track["path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect()
    };
    // A group is in the order in which its tracks were finished.
    let mut group = names(&groups["groups"][0]);
    group.sort();
    assert_eq!(group, ["copy.ogg", "sky.ogg"]);
    let stats = library.json("stats", &[]);
    assert_eq!(
        (&stats["tracks"], &stats["artists"], &stats["patches"]),
        (&4.into(), &1.into(), &true.into())
    );
    assert_eq!(stats["activations"].as_array().unwrap().len(), 50);
    let stats = said(library.command("stats").output().unwrap());
    assert!(stats.contains("tracks       4 (2:05)") && stats.contains("sleeve-musicnn-1"), "{stats}");
    // Filters by activations: one side or the other.
    let class = &opened.classes()[0];
    let count = |bound: &str| {
        let found = library.json("find", &["music/sky.ogg", "--tag", &format!("{class}{bound}")]);
        found["tracks"].as_array().unwrap().len()
    };
    assert_eq!((count(">-1"), count(">2"), count("<2")), (3, 0, 3));
    let error = complaint(library.find("music/sky.ogg", &["--tag", "nonsense>0.1"]));
    assert!(error.contains("no activation named `nonsense`"), "{error}");
    assert_eq!(
        library.json("find", &["music/sky.ogg", "--folder", "music/deeper"])["tracks"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        library.json("find", &["music/sky.ogg", "--years", "1990-1999"])["tracks"].as_array().unwrap().len(),
        1
    );
    assert!(complaint(library.find("music/sky.ogg", &["--years", "x"])).contains("--years x"));
    assert!(
        complaint(library.find("music/sky.ogg", &["--weights", "1,2"])).contains("2 weights for 1 tracks")
    );
}

#[test]
fn a_run_goes_on_where_it_was_stopped() {
    let library = Library::new();
    assert!(said(library.index(&[])).contains("2 processed"));
    let whole = library.vectors();
    // As after a kill: one track is not there yet, and a part of it was written.
    let mut writer = LibraryWriter::open(library.file()).unwrap();
    writer.remove(1).unwrap();
    writer.flush().unwrap();
    // Another process that is writing the library is not disturbed.
    assert!(complaint(library.index(&[])).contains("another process"));
    // It can be read meanwhile.
    let rest = writer.library().len();
    assert_eq!((rest, said(library.find(recording("sky.ogg"), &[])).lines().count()), (2, 1));
    drop(writer);
    let bytes = fs::read(library.file()).unwrap();
    fs::write(library.file(), [bytes.as_slice(), &[7; 777]].concat()).unwrap();
    assert!(said(library.index(&[])).contains("2 tracks: 1 processed, 1 unchanged, 0 moved"));
    assert_eq!(library.vectors(), whole);
}

#[test]
fn another_model_is_refused() {
    let library = Library::new();
    assert!(said(library.index(&[])).contains("2 processed"));
    let text = complaint(library.index(&["--model", "mtt-musicnn-1"]));
    assert!(
        text.contains("music.library: made with sleeve-musicnn-1") && text.contains("mtt-musicnn-1"),
        "{text}"
    );
    let sky = library.folder().join("sky.ogg");
    let text = complaint(library.find(&sky, &["--model", "mtt-musicnn-1"]));
    assert!(text.contains("cannot be compared"), "{text}");
    assert!(complaint(library.find(&sky, &["--model", "nothing"])).contains("nothing"));
}

#[test]
fn another_level_is_refused() {
    let library = Library::new();
    let sky = recording("sky.ogg");
    assert!(said(library.index(&["--level", "track"])).contains("2 processed"));
    // The level of the library is the default, and a quieter copy is the same track.
    assert!(said(library.index(&[])).contains("0 processed, 2 unchanged"));
    let found = said(library.find(quieter(&library, &sky), &["-n", "1"]));
    assert!(found.starts_with("1.000") && found.trim_end().ends_with("sky.ogg"), "{found}");
    let text = complaint(library.index(&["--level", "none"]));
    assert!(text.contains("music.library: made with level track, not none"), "{text}");
    fs::remove_file(library.file()).unwrap();
    assert!(said(library.index(&[])).contains("2 processed"));
    assert!(complaint(library.index(&["--level", "track"])).contains("made with level none, not track"));
    // The default model hears every patch at one level. Others do not.
    let found = said(library.find(library.at("quieter.wav"), &["-n", "1"]));
    assert!(found.starts_with("1.000"), "{found}");
    fs::remove_file(library.file()).unwrap();
    assert!(said(library.index(&["--model", "msd-musicnn-1"])).contains("2 processed"));
    let found = said(library.find(library.at("quieter.wav"), &["-n", "1"]));
    assert!(!found.starts_with("1.000"), "{found}");
}

/// A copy of a recording, 12 dB quieter.
fn quieter(library: &Library, original: &Path) -> PathBuf {
    let mut reader = AudioReader::open(original).unwrap();
    let mut samples = Vec::new();
    while reader.read(&mut samples).unwrap() > 0 {}
    let spec = hound::WavSpec {
        channels: reader.info().channels,
        sample_rate: reader.info().sample_rate,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let path = library.at("quieter.wav");
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    samples.iter().for_each(|sample| writer.write_sample(0.25 * sample).unwrap());
    writer.finalize().unwrap();
    path
}

#[test]
fn what_cannot_be_used_is_named() {
    let library = Library::new();
    let sky = recording("sky.ogg");
    assert!(complaint(library.find(&sky, &[])).contains("music.library: no such library"));
    assert!(said(library.index(&[])).contains("2 processed"));
    assert!(complaint(library.find("nowhere.ogg", &[])).contains("nowhere.ogg"));
    assert!(complaint(library.find(library.folder().join("notes.txt"), &[])).contains("notes.txt"));
    assert!(complaint(library.find(&sky, &["-n", "0"])).contains("-n"));
    assert!(complaint(library.find(&sky, &["--m3u", "no/such/list.m3u8"])).contains("list.m3u8"));
    let not_in_it = library.command("path").args([&sky, &library.folder().join("sky.ogg")]).output().unwrap();
    assert!(complaint(not_in_it).contains("sky.ogg: not a track of"));
    // The folder first.
    let mut turned = sleeve("similar");
    turned.arg("index").arg(library.folder()).arg(library.file());
    assert!(complaint(turned.output().unwrap()).contains("first comes the library file"));
    // Damage, and the format of earlier versions.
    let whole = fs::read(library.file()).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 0x10;
    for bytes in [&damaged[..], &whole[..whole.len() / 2], b"slv-near\x02\0\0\0 as it was"] {
        fs::write(library.file(), bytes).unwrap();
        for output in [library.find(&sky, &[]), library.index(&[])] {
            let text = complaint(output);
            assert!(text.contains("music.library: "), "{text}");
        }
    }
    assert!(complaint(library.index(&[])).contains("index the library again into another file"));
    fs::write(library.file(), &whole).unwrap();
    // A library that has become empty is an error, because its disk may not be mounted.
    fs::remove_dir_all(library.folder()).unwrap();
    assert!(complaint(library.index(&[])).contains("music"));
    fs::create_dir(library.folder()).unwrap();
    assert!(complaint(library.index(&[])).contains("music: no audio files"));
    assert_eq!(whole, fs::read(library.file()).unwrap());
    // A library file belongs to one folder.
    library.add("sky.ogg", "../other/sky.ogg");
    let other = library.command("index").arg(library.at("other")).output().unwrap();
    assert!(complaint(other).contains("a library of "));
}

#[test]
fn playlists_lead_to_their_tracks() {
    let library = Library::new();
    for name in ["deeper/#1, it's.ogg", "two\nlines.ogg"] {
        library.add("sky.ogg", name);
    }
    library.add("idle_tune.mp3", "tune.mp3");
    tag(&library.folder().join("tune.mp3"), "The <Band>", "One & Two");
    assert!(said(library.index(&[])).contains("5 processed"));
    fs::create_dir(library.at("lists")).unwrap();
    let sky = library.folder().join("sky.ogg");
    let list = |more: &[&str]| {
        said(library.find(&sky, more));
        fs::read_to_string(library.at("lists/like sky.m3u8")).unwrap()
    };
    let music = library.folder();
    let (music, encoded) = (music.to_str().unwrap(), music.to_str().unwrap().replace(' ', "%20"));
    let absolute = list(&["--m3u", "lists/like sky.m3u8", "--absolute"]);
    let lines: Vec<&str> = absolute.lines().collect();
    assert_eq!(lines[..3], ["#EXTM3U", "#EXTINF:26,sky", &*format!("{music}/sky.ogg")]);
    assert_eq!(lines.len(), 11, "{absolute}");
    assert!(lines.contains(&&*format!("{music}/deeper/#1, it's.ogg")), "{absolute}");
    assert!(lines.contains(&&*format!("file://{encoded}/two%0Alines.ogg")), "{absolute}");
    assert!(lines.contains(&"#EXTINF:26,two lines"), "{absolute}");
    assert!(lines.contains(&"#EXTINF:45,The <Band> - One & Two"), "{absolute}");
    let relative = list(&["--m3u", "lists/like sky.m3u8"]);
    assert!(
        relative.contains("\n../music/sky.ogg\n") && relative.contains("\n../music/deeper/#1, it's.ogg\n")
    );
    // In the playlist's folder, a name that would be a comment.
    let inside = library.folder().join("deeper/l.m3u8");
    said(library.find(&sky, &["--m3u", inside.to_str().unwrap()]));
    let inside = fs::read_to_string(inside).unwrap();
    assert!(inside.contains("\n./#1, it's.ogg\n"), "{inside}");
    // XSPF, read by our own reader of playlists: all five files are in it.
    said(library.find(&sky, &["--xspf", "lists/l.xspf"]));
    let xspf = fs::read_to_string(library.at("lists/l.xspf")).unwrap();
    assert!(xspf.contains("<location>../music/deeper/%231%2C%20it%27s.ogg</location>"), "{xspf}");
    assert!(xspf.contains("<creator>The &lt;Band&gt;</creator>"), "{xspf}");
    for list in ["lists/l.xspf", "lists/like sky.m3u8"] {
        let mut again = sleeve("similar");
        again.args(["index", "again.library", list]).current_dir(library.0.path());
        assert!(said(again.output().unwrap()).contains("5 tracks: 5 processed"));
        fs::remove_file(library.at("again.library")).unwrap();
    }
}

#[test]
fn a_watched_folder_is_followed() {
    let library = Library::new();
    let mut watch = library.command("index");
    watch.arg(library.folder()).args(["--watch", "--quiet"]).stdout(std::process::Stdio::null());
    let mut watch = watch.spawn().unwrap();
    let wait = |count: usize| {
        let start = Instant::now();
        let is_there =
            || sleeve::similarity::Library::open(library.file()).is_ok_and(|library| library.len() == count);
        while !is_there() {
            assert!(start.elapsed() < Duration::from_secs(60), "no library of {count} tracks");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    wait(2);
    library.add("idle_tune.mp3", "new/tune.mp3");
    wait(3);
    fs::remove_file(library.folder().join("sky.ogg")).unwrap();
    wait(2);
    assert!(library.open().find_path("new/tune.mp3").is_some());
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[cfg(feature = "parquet")]
#[test]
fn a_table_is_the_library_again() {
    let library = Library::new();
    library.add("idle_tune.mp3", "tune.mp3");
    tag(&library.folder().join("tune.mp3"), "The <Band>", "One & Two");
    assert!(said(library.index(&[])).contains("3 processed"));
    let done = library.json("export", &["out.parquet"]);
    assert_eq!((&done["tracks"], &done["table"]), (&3.into(), &"out.parquet".into()));
    let import = |file: &str| {
        let mut command = sleeve("similar");
        command.args(["import", file, "out.parquet"]).current_dir(library.0.path()).output().unwrap()
    };
    said(import("again.library"));
    let (one, other) =
        (library.open(), sleeve::similarity::Library::open(library.at("again.library")).unwrap());
    assert_eq!((one.len(), one.origin(), one.root()), (other.len(), other.origin(), other.root()));
    for track in 0..one.len() {
        let path = one.track(track).path();
        let same = other.find_path(&path).unwrap();
        assert_eq!(one.track(track), other.track(same));
        assert_eq!(one.vector(track), other.vector(same));
        assert_eq!(one.activations(track), other.activations(same));
    }
    assert!(complaint(import("again.library")).contains("exists"));
    fs::write(library.at("out.parquet"), "nothing").unwrap();
    assert!(complaint(import("other.library")).contains("out.parquet"));
    assert!(!library.at("other.library").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn names_need_not_be_unicode() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let library = Library::new();
    let name = OsStr::from_bytes(b"caf\xe9.ogg");
    library.add("sky.ogg", name);
    assert!(said(library.index(&[])).contains("3 processed"));
    assert!(said(library.index(&[])).contains("0 processed, 3 unchanged"));
    let found = said(library.find(library.folder().join(name), &["-n", "1", "--m3u", "list.m3u8"]));
    assert!(found.starts_with("1.000") && found.trim_end().ends_with("sky.ogg"), "{found}");
    let list = fs::read_to_string(library.at("list.m3u8")).unwrap();
    assert!(list.lines().any(|line| line.starts_with("file:///") && line.ends_with("/caf%E9.ogg")), "{list}");
    let found = library.json("find", &["music/sky.ogg", "-n", "1"]);
    assert!(found["tracks"][0]["uri"].as_str().unwrap().ends_with("/caf%E9.ogg"), "{found}");
}

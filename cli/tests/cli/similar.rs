//! `sleeve similar`, run as a user would, and the recall of its graph.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use sleeve::audio::{AudioReader, Level};
use sleeve_cli::similar::index::{Index, ModelNote, Track};
use sleeve_cli::similar::journal::{Indexed, Journal, Of};
use sleeve_cli::similar::nearest::{Nearest, Vector};
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

    /// The folder of its music. The index is beside it.
    fn folder(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap().join("music")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn add(&self, recorded: &str, name: impl AsRef<Path>) {
        let path = self.folder().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(recording(recorded), path).unwrap();
    }

    fn index(&self, more: &[&str]) -> Output {
        let mut command = sleeve("similar");
        command.arg("index").arg(self.folder()).arg("--index").arg(self.at("library.index")).args(more);
        command.output().unwrap()
    }

    fn find(&self, track: impl AsRef<Path>, more: &[&str]) -> Output {
        let mut command = sleeve("similar");
        command.arg("find").arg(track.as_ref()).arg("--index").arg(self.at("library.index")).args(more);
        command.current_dir(self.0.path()).output().unwrap()
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

#[test]
fn what_sounds_alike_is_found() {
    let library = Library::new();
    library.add("sky.ogg", "deeper/sky again.ogg");
    library.add("idle_tune.mp3", "tune.mp3");
    assert!(said(library.index(&[])).ends_with("4 tracks: 4 processed, 0 unchanged, 0 removed, 0 failed\n"));
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
    assert_eq!(found, said(library.find(recording("sky.ogg"), &["-n", "2", "--exact"])));
}

#[test]
fn an_index_follows_its_library() {
    let library = Library::new();
    assert!(said(library.index(&[])).contains("2 tracks: 2 processed"));
    let before = fs::read(library.at("library.index")).unwrap();
    assert!(said(library.index(&[])).contains("2 tracks: 0 processed, 2 unchanged, 0 removed"));
    assert_eq!(before, fs::read(library.at("library.index")).unwrap());
    // One track is added, one changed, one removed, and one is not music.
    library.add("idle_tune.mp3", "tune.mp3");
    library.add("sky.ogg", "deeper/ground.OGG");
    fs::remove_file(library.folder().join("sky.ogg")).unwrap();
    fs::write(library.folder().join("broken.ogg"), "not an Ogg file").unwrap();
    let output = library.index(&[]);
    assert!(
        String::from_utf8_lossy(&output.stdout)
            .contains("2 tracks: 2 processed, 0 unchanged, 1 removed, 1 failed")
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
fn a_run_goes_on_where_it_was_stopped() {
    let library = Library::new();
    assert!(said(library.index(&[])).contains("2 processed"));
    let whole = Index::load(&library.at("library.index")).unwrap().unwrap();
    // As after a kill in the middle of writing the second track.
    fs::remove_file(library.at("library.index")).unwrap();
    let of = Of::new(&whole.model, Level::None, whole.library.clone());
    let indexed = |at: usize| Indexed {
        track: whole.tracks[at].clone(),
        vector: whole.nearest.vectors().unwrap()[at].clone(),
    };
    let (mut journal, left) = Journal::open(&library.at("library.index"), &of).unwrap();
    assert!(left.is_empty());
    journal.add(&indexed(0)).unwrap();
    let path = library.at("library.index.journal");
    let one = fs::read(&path).unwrap().len();
    journal.add(&indexed(1)).unwrap();
    // Another process that is writing the index is not disturbed.
    assert!(complaint(library.index(&[])).contains("another process"));
    drop(journal);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    assert!(said(library.index(&[])).contains("2 tracks: 1 processed, 1 unchanged, 0 removed"));
    let again = Index::load(&library.at("library.index")).unwrap().unwrap();
    assert_eq!(again.tracks, whole.tracks);
    assert_eq!(again.nearest.vectors(), whole.nearest.vectors());
    assert!(!path.exists());
    // Records of another level and damaged ones are ignored.
    let other = Of::new(&whole.model, Level::Track, whole.library.clone());
    fs::write(&path, &bytes).unwrap();
    assert!(Journal::open(&library.at("library.index"), &other).unwrap().1.is_empty());
    let mut damaged = bytes.clone();
    damaged[one + 20] ^= 1;
    fs::write(&path, damaged).unwrap();
    assert_eq!(Journal::open(&library.at("library.index"), &of).unwrap().1.len(), 1);
}

#[test]
fn another_model_is_refused() {
    let library = Library::new();
    assert!(said(library.index(&[])).contains("2 processed"));
    let text = complaint(library.index(&["--model", "mtt-musicnn-1"]));
    assert!(
        text.contains("library.index: made with msd-musicnn-debian-1") && text.contains("mtt-musicnn-1"),
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
    // The level of the index is the default, and a quieter copy is the same track.
    assert!(said(library.index(&[])).contains("0 processed, 2 unchanged"));
    let found = said(library.find(quieter(&library, &sky), &["-n", "1"]));
    assert!(found.starts_with("1.000") && found.trim_end().ends_with("sky.ogg"), "{found}");
    let levels = ["--level", "none"];
    for output in [library.index(&levels), library.find(&sky, &levels)] {
        let text = complaint(output);
        assert!(text.contains("library.index: made with level track, not none"), "{text}");
    }
    fs::remove_file(library.at("library.index")).unwrap();
    assert!(said(library.index(&[])).contains("2 processed"));
    assert!(complaint(library.index(&["--level", "track"])).contains("made with level none, not track"));
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
    assert!(complaint(library.find(&sky, &[])).contains("library.index: no such index"));
    assert!(said(library.index(&[])).contains("2 processed"));
    assert!(complaint(library.find("nowhere.ogg", &[])).contains("nowhere.ogg"));
    assert!(complaint(library.find(library.folder().join("notes.txt"), &[])).contains("notes.txt"));
    assert!(complaint(library.find(&sky, &["-n", "0"])).contains("-n"));
    assert!(complaint(library.find(&sky, &["--m3u", "no/such/list.m3u8"])).contains("list.m3u8"));
    // Damage anywhere.
    let whole = fs::read(library.at("library.index")).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 23) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(library.at("library.index"), bytes).unwrap();
        let text = complaint(library.find(&sky, &[]));
        assert!(text.contains("library.index: cannot be used as an index"), "{text}");
    }
    for length in [0, 5, 12, 30, whole.len() / 2, whole.len() - 1] {
        fs::write(library.at("library.index"), &whole[..length]).unwrap();
        for output in [library.find(&sky, &[]), library.index(&[])] {
            assert!(complaint(output).contains("library.index: cannot be used as an index"));
        }
    }
    fs::write(library.at("library.index"), &whole).unwrap();
    // A library that has become empty is an error, because its disk may not be mounted.
    fs::remove_dir_all(library.folder()).unwrap();
    assert!(complaint(library.index(&[])).contains("music"));
    fs::create_dir(library.folder()).unwrap();
    assert!(complaint(library.index(&[])).contains("music: no audio files"));
    assert_eq!(whole, fs::read(library.at("library.index")).unwrap());
    // An index belongs to one library.
    fs::rename(library.folder(), library.at("other")).unwrap();
    library.add("sky.ogg", "../other/sky.ogg");
    let mut command = sleeve("similar");
    command.arg("index").arg(library.at("other")).arg("--index").arg(library.at("library.index"));
    assert!(complaint(command.output().unwrap()).contains("an index of "));
}

#[test]
fn playlists_lead_to_their_tracks() {
    let library = Library::new();
    for name in ["deeper/#1, it's.ogg", "two\nlines.ogg"] {
        library.add("sky.ogg", name);
    }
    assert!(said(library.index(&[])).contains("4 processed"));
    fs::create_dir(library.at("lists")).unwrap();
    let sky = library.folder().join("sky.ogg");
    let list = |more: &[&str]| {
        said(library.find(&sky, more));
        fs::read_to_string(library.at("lists/like sky.m3u8")).unwrap()
    };
    let music = library.folder();
    let (music, encoded) = (music.to_str().unwrap(), music.to_str().unwrap().replace(' ', "%20"));
    let absolute = list(&["--m3u", "lists/like sky.m3u8"]);
    let lines: Vec<&str> = absolute.lines().collect();
    assert_eq!(lines[..3], ["#EXTM3U", "#EXTINF:26,sky", &*format!("{music}/sky.ogg")]);
    assert_eq!(lines.len(), 9, "{absolute}");
    assert!(lines.contains(&&*format!("{music}/deeper/#1, it's.ogg")), "{absolute}");
    assert!(lines.contains(&&*format!("file://{encoded}/two%0Alines.ogg")), "{absolute}");
    assert!(lines.contains(&"#EXTINF:26,two lines"), "{absolute}");
    let relative = list(&["--m3u", "lists/like sky.m3u8", "--relative"]);
    assert!(
        relative.contains("\n../music/sky.ogg\n") && relative.contains("\n../music/deeper/#1, it's.ogg\n")
    );
    // In the playlist's folder, a name that would be a comment.
    said(
        library
            .find(&sky, &["--relative", "--m3u", library.folder().join("deeper/l.m3u8").to_str().unwrap()]),
    );
    let inside = fs::read_to_string(library.folder().join("deeper/l.m3u8")).unwrap();
    assert!(inside.contains("\n./#1, it's.ogg\n"), "{inside}");
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
}

#[test]
fn the_graph_finds_what_an_exact_search_finds() {
    // Groups of near vectors, like albums, from a simple random number generator.
    let mut state = 1_u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let (groups, each, width) = (400, 10, 200);
    let mut vectors = Vec::new();
    for _ in 0..groups {
        let middle: Vec<f32> = (0..width).map(|_| draw()).collect();
        for _ in 0..each {
            vectors.push(Vector::new(middle.iter().map(|value| value + 0.6 * draw()).collect()).unwrap());
        }
    }
    let nearest = Nearest::new(vectors.clone());
    assert!(nearest.vectors().unwrap().into_iter().eq(&vectors));
    let (mut same, mut all) = (0, 0);
    for query in (0..vectors.len()).step_by(20) {
        let exact = nearest.find(&vectors[query], 10, None, true);
        assert_eq!((exact[0].0 as usize, exact.len()), (query, 10));
        let found: Vec<(u32, f32)> = nearest.search(&vectors[query]).take(10).collect();
        assert!(found.is_sorted_by(|a, b| a.1 >= b.1 - 1e-6));
        all += exact.len();
        same += exact.iter().filter(|(number, _)| found.iter().any(|(other, _)| other == number)).count();
    }
    let recall = same as f64 / all as f64;
    println!("recall of 10 neighbours among {}: {recall:.4}", vectors.len());
    assert!(recall >= 0.98, "{recall}");
    assert!(Vector::new(vec![0.0; 3]).is_none() && Vector::new(vec![f32::NAN, 1.0]).is_none());
    assert!(Nearest::new(Vec::new()).find(&vectors[0], 3, None, false).is_empty());
}

#[test]
fn an_index_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("i");
    let vector = |seed: f32| Vector::new(vec![1.0, seed, 0.5]).unwrap();
    let track = |name: &str| Track { path: name.into(), stamp: (1, 2), seconds: 3.5 };
    let mut index = Index {
        model: ModelNote { name: "m".into(), place: b"m".to_vec(), sha256: "ff".into() },
        library: b"/music".to_vec(),
        tracks: vec![track("a.ogg"), track("b.ogg")],
        nearest: Nearest::new(vec![vector(1.0), vector(2.0)]),
        level: Level::None,
    };
    assert!(Index::load(&path).unwrap().is_none());
    // Without a level, in the format that had none.
    for (level, version) in [(Level::Track, 2), (Level::None, 1)] {
        index.level = level;
        index.save(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap()[8..12], u32::to_le_bytes(version));
        let read = Index::load(&path).unwrap().unwrap();
        assert_eq!((&read.model, &read.library, &read.tracks), (&index.model, &index.library, &index.tracks));
        assert_eq!(read.nearest.vectors().unwrap(), [&vector(1.0), &vector(2.0)]);
        assert_eq!(read.level, level);
    }
    assert_eq!(index.tracks[1].path, b"b.ogg");
    // More tracks than vectors.
    let broken = Index {
        model: ModelNote { name: "m".into(), place: b"m".to_vec(), sha256: "ff".into() },
        library: Vec::new(),
        tracks: vec![track("a.ogg")],
        nearest: Nearest::new(vec![vector(1.0), vector(2.0)]),
        level: Level::None,
    };
    broken.save(&path).unwrap();
    let error = format!("{:#}", Index::load(&path).err().unwrap());
    assert!(error.contains("do not match"), "{error}");
}

//! `features` on real and synthetic recordings: the values, what is computed again, and errors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use arrow_array::Array;
use half::f16;
use sleeve::audio::{MonoReader, Resampler};
use sleeve::front_end::{FrontEnd, Spectrogram};
use sleeve_files::npy::{Dtype, NpyReader, read_npy};
use sleeve_tests::{output_of, peer, skip};
use sleeve_training::features::{Content, FEATURES, Store};
use sleeve_training::scan::{Options, audio_sha256, scan};
use sleeve_training::table::TableReader;

use crate::support;

fn train(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sleeve-train")).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

/// A scanned folder of music, and the folder for its features.
struct Collection {
    _temporary: tempfile::TempDir,
    music: PathBuf,
    table: PathBuf,
    out: PathBuf,
}

impl Collection {
    fn new(fill: impl FnOnce(&Path)) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let at = |name: &str| temporary.path().join(name);
        let (music, table, out) = (at("music"), at("collection.parquet"), at("features"));
        std::fs::create_dir(&music).unwrap();
        fill(&music);
        scan(&music, &table, &Options::default(), |_| {}).unwrap();
        Collection { _temporary: temporary, music, table, out }
    }

    fn features(&self, out: &Path, more: &[&str]) -> (bool, String) {
        let [music, table, out] = [&self.music, &self.table, out].map(|path| path.to_str().unwrap());
        train(&[&["features", music, "--collection", table, "--out", out], more].concat())
    }

    fn store(&self) -> Store {
        Store::new(&self.out)
    }
}

/// Path, frames and reason of every row.
fn rows(table: &Path) -> Vec<(String, Option<i32>, String)> {
    let columns = ["path", "frames", "reason"];
    let rows = TableReader::open(table, &FEATURES, &columns).unwrap().flat_map(|rows| {
        let rows = rows.unwrap();
        let one = |row| {
            let frames = rows.ints("frames").is_valid(row).then(|| rows.ints("frames").value(row));
            (rows.texts("path").value(row).to_owned(), frames, rows.texts("reason").value(row).to_owned())
        };
        (0..rows.len()).map(one).collect::<Vec<_>>()
    });
    rows.collect()
}

/// Everything under a folder, by name.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    files
        .map(|file| {
            (file.path().strip_prefix(folder).unwrap().to_owned(), std::fs::read(file.path()).unwrap())
        })
        .collect()
}

fn noise(seed: u64, samples: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..samples).map(|_| next()).collect()
}

fn content(file: &Path) -> Content {
    Content::from_hex(&audio_sha256(file).unwrap()).unwrap()
}

/// Two of the recordings, a copy of one, a short one, a silent one, and two that cannot be read.
fn mixed(music: &Path) {
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/audio");
    for (name, place) in [("ground.ogg", "a.ogg"), ("ground.ogg", "copy.ogg"), ("idle_tune.mp3", "b.mp3")] {
        std::fs::copy(recordings.join(name), music.join(place)).unwrap();
    }
    support::wav::write(&music.join("deep/er/short.wav"), 16_000, &noise(1, 300));
    support::wav::write(&music.join("empty.wav"), 16_000, &[]);
    support::wav::write(&music.join("gone.wav"), 16_000, &noise(2, 500));
    support::wav::write(&music.join("changed.wav"), 16_000, &noise(3, 500));
}

#[test]
fn features_are_what_extract_hears_in_half_precision() {
    let collection = Collection::new(mixed);
    let Collection { music, out, .. } = &collection;
    let count = rows_of_collection(&collection.table);
    std::fs::remove_file(music.join("gone.wav")).unwrap();
    support::wav::write(&music.join("changed.wav"), 16_000, &noise(4, 700));
    let (success, said) = collection.features(out, &[]);
    assert!(success, "{said}");
    assert!(said.contains(&format!("{count} recordings, 0 of them done; to do: ")), "{said}");
    let table = rows(&out.join("features.parquet"));
    assert_eq!(table.len(), count);
    assert!(table.is_sorted_by(|a, b| a.0 < b.0));
    let mut answers = Vec::new();
    for (path, frames, reason) in &table {
        let reasons =
            BTreeMap::from([("gone.wav", "No such file"), ("changed.wav", "has changed"), ("empty.wav", "")]);
        if let Some(wanted) = reasons.get(path.as_str()) {
            assert_eq!(*frames, None, "{path}");
            assert!(
                reason.contains(wanted) && !reason.is_empty() && said.contains(&format!("{path}: ")),
                "{path}: {reason}"
            );
            continue;
        }
        // The reference is the library's computation of the whole signal.
        let mut samples = Vec::new();
        let mut reader = MonoReader::open(music.join(path), 16_000, Resampler::default()).unwrap();
        while reader.read(&mut samples).unwrap() > 0 {}
        let mel = Spectrogram::new(FrontEnd::MusiCnn).compute(&samples);
        let hash = content(&music.join(path));
        let file = collection.store().path(hash);
        assert_eq!(NpyReader::open(&file).unwrap().dtype(), Dtype::F16);
        let written = read_npy(&file).unwrap();
        assert_eq!((written.dim(), *frames), (mel.dim(), Some(mel.nrows() as i32)), "{path}");
        assert!(written.iter().zip(&mel).all(|(a, b)| *a == f16::from_f32(*b).to_f32()), "{path}");
        let last: Vec<String> =
            written.row(written.nrows() - 1).iter().map(|value| format!("{value:?}")).collect();
        let name = hash.to_string();
        let place = format!("{}/{}/{name}.npy", &name[..2], &name[2..4]);
        answers.push(format!("{place} {} 96 float16 {}", written.nrows(), last.join(" ")));
    }
    assert_eq!(answers.len(), 4);
    // A copy shares its file.
    answers.sort();
    answers.dedup();
    assert_eq!((answers.len(), files(out).len()), (3, 4));
    let Some(mut numpy) = peer("features.py") else { skip!("no peers' Python") };
    let heard = String::from_utf8(output_of(numpy.arg(out))).unwrap();
    let parse = |line: &str| -> Vec<String> {
        // Both write floats that can be read back exactly, in different formats.
        let words = line.split(' ').enumerate();
        words
            .map(
                |(at, word)| {
                    if at < 4 { word.to_owned() } else { format!("{}", word.parse::<f64>().unwrap()) }
                },
            )
            .collect()
    };
    let widened = |line: &str| -> Vec<String> {
        let words = line.split(' ').enumerate();
        let wide = |word: &str| format!("{}", f64::from(word.parse::<f32>().unwrap()));
        words.map(|(at, word)| if at < 4 { word.to_owned() } else { wide(word) }).collect()
    };
    assert_eq!(
        heard.lines().map(parse).collect::<Vec<_>>(),
        answers.iter().map(|line| widened(line)).collect::<Vec<_>>()
    );
}

fn rows_of_collection(table: &Path) -> usize {
    TableReader::open(table, &sleeve_training::scan::COLLECTION, &["path"]).unwrap().rows() as usize
}

#[test]
fn a_run_goes_on_where_it_was_killed() {
    let collection = Collection::new(|music| {
        for track in 0..60 {
            support::wav::write(&music.join(format!("{track:02}.wav")), 44_100, &noise(track, 44_100 * 20));
        }
    });
    let whole = collection.out.with_file_name("whole");
    assert!(collection.features(&whole, &[]).0);
    let [music, table, out] =
        [&collection.music, &collection.table, &collection.out].map(|path| path.to_str().unwrap());
    let start = || {
        Command::new(env!("CARGO_BIN_EXE_sleeve-train"))
            .args(["features", music, "--collection", table, "--out", out, "--threads", "1"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let arrays = || {
        let names = walkdir::WalkDir::new(out).into_iter().flatten();
        names.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "npy")).count()
    };
    let until = |child: &mut Child, count: usize| {
        while arrays() < count && child.try_wait().unwrap().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    };
    // When interrupted, it finishes the recordings in progress, reports how far it has come, and leaves no incomplete
    // file.
    let mut child = start();
    until(&mut child, 2);
    let asked = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(asked.success());
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    let stopped = arrays();
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert!(said.contains(&format!("stopped with {stopped} of 60 recordings done")), "{said}");
    assert!(files(&collection.out).keys().all(|path| !path.to_str().unwrap().ends_with(".tmp")));
    let mut child = start();
    until(&mut child, stopped + 3);
    child.kill().unwrap();
    child.wait().unwrap();
    let there = arrays();
    assert!((5..60).contains(&there), "{there} were done when it was killed");
    assert!(!collection.store().table(None).exists());
    // Existing files are complete; then one of them is damaged.
    let before = files(&collection.out);
    let done: Vec<&PathBuf> =
        before.keys().filter(|path| path.extension().is_some_and(|ending| ending == "npy")).collect();
    let complete = files(&whole);
    assert!(done.iter().all(|path| before[*path] == complete[*path]));
    let damaged = collection.out.join(done[0]);
    std::fs::write(&damaged, &before[done[0]][..1000]).unwrap();
    // The temporary file of a killed writer is removed when its file is made again.
    let name = damaged.file_name().unwrap().to_str().unwrap();
    std::fs::write(damaged.with_file_name(format!(".{name}.77-3.tmp")), "half").unwrap();
    let (success, said) = collection.features(&collection.out, &[]);
    assert!(success && said.contains(&format!("60 recordings ({} done before)", there - 1)), "{said}");
    assert_eq!(files(&collection.out), complete);
    let (_, said) = collection.features(&collection.out, &[]);
    assert!(said.contains("60 of them done; to do: 0.0 hours of audio, about 0 kB"), "{said}");
}

#[test]
fn shards_make_together_what_one_run_makes() {
    let collection = Collection::new(|music| {
        for track in 0..11 {
            support::wav::write(&music.join(format!("{track:02}.wav")), 16_000, &noise(track, 16_000));
        }
    });
    let whole = collection.out.with_file_name("whole");
    assert!(collection.features(&whole, &[]).0);
    let mut rest = files(&whole);
    assert!(rest.remove(Path::new("features.parquet")).is_some());
    for shard in 1..=3 {
        let (success, said) = collection.features(&collection.out, &["--shard", &format!("{shard}/3")]);
        assert!(
            success && said.contains(&format!("{} recordings (0 done before)", [4, 4, 3][shard - 1])),
            "{said}"
        );
    }
    let mut shards = files(&collection.out);
    let mut listed = Vec::new();
    for shard in 1..=3 {
        let name = format!("features_{shard}_of_3.parquet");
        assert!(shards.remove(Path::new(&name)).is_some());
        listed.extend(rows(&collection.out.join(name)));
    }
    assert_eq!(shards, rest);
    listed.sort();
    assert_eq!(listed, rows(&whole.join("features.parquet")));
    assert_eq!(collection.store().listed().unwrap(), Store::new(&whole).listed().unwrap());
}

#[test]
fn the_estimate_is_near_and_written_nowhere() {
    let collection = Collection::new(|music| {
        support::wav::write(&music.join("a.wav"), 16_000, &noise(1, 16_000 * 60));
    });
    let (success, said) = collection.features(&collection.out, &["--dry-run"]);
    assert!(
        success && said.contains("1 recordings, 0 of them done; to do: 0.0 hours of audio, about 721 kB"),
        "{said}"
    );
    assert!(!collection.out.exists());
    assert!(collection.features(&collection.out, &[]).0);
    let array =
        files(&collection.out).into_iter().find(|(path, _)| path.extension().unwrap() == "npy").unwrap();
    assert!((720_000..722_000).contains(&array.1.len()), "{}", array.1.len());
}

#[test]
fn wrong_arguments_are_named() {
    let collection = Collection::new(|music| {
        support::wav::write(&music.join("a.wav"), 16_000, &noise(1, 1600));
    });
    let fails = |arguments: &[&str], reason: &str| {
        let (success, said) = train(arguments);
        assert!(!success && said.contains(reason), "{arguments:?}: {said}");
    };
    let [music, table, out] =
        [&collection.music, &collection.table, &collection.out].map(|path| path.to_str().unwrap());
    fails(&["features", "/no/where", "--collection", table, "--out", out], "/no/where");
    fails(&["features", music, "--collection", "/no/where", "--out", out], "/no/where");
    fails(&["features", music, "--collection", &format!("{music}/a.wav"), "--out", out], "a.wav");
    for shard in ["0/3", "4/3", "1", "a/b"] {
        fails(&["features", music, "--collection", table, "--out", out, "--shard", shard], "such as 1/4");
    }
    fails(&["features", music, "--collection", table, "--out", out, "--threads", "0"], "--threads");
    // In another folder: nothing can be read, which is an error.
    let other = tempfile::tempdir().unwrap();
    let elsewhere = other.path().to_str().unwrap();
    fails(
        &["features", elsewhere, "--collection", table, "--out", out],
        "is this the folder that was scanned?",
    );
    // If features cannot be written, that is an error, not a reason in the table.
    let blocked = other.path().join("file");
    std::fs::write(&blocked, "x").unwrap();
    fails(&["features", music, "--collection", table, "--out", blocked.to_str().unwrap()], "file");
    assert!(!blocked.with_file_name("features.parquet").exists());
}

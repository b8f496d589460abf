//! `sleeve-train evaluate` from end to end, on recordings with audible labels.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use sleeve::engine::Purpose;
use sleeve::extractor::{Extractor, OutputRows};
use sleeve::model::Model;
use sleeve_files::npy::{Dtype, NpyWriter};
use sleeve_tests::once_a_run;
use sleeve_training::evaluation::results::Results;

use crate::support::wav;

/// Tracks for training, validation and test.
const PARTS: [(&str, usize); 3] = [("train", 32), ("validation", 12), ("test", 24)];
const RATE: usize = 16_000;

/// Uniform in -1..1, the same on every machine.
fn noise(state: &mut u64) -> f32 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

/// Five seconds of a chord or of noise, steady or in pulses.
fn sound(number: usize, is_tone: bool, is_pulsed: bool) -> Vec<f32> {
    let mut state = number as u64 * 977 + 5;
    let pitch = 180.0 + 25.0 * (number % 9) as f32;
    let sample = |at: usize| {
        let time = at as f32 / RATE as f32;
        let tone = |partial: f32| (std::f32::consts::TAU * pitch * partial * time).sin() / partial;
        let body = match is_tone {
            true => 0.25 * (tone(1.0) + tone(1.5) + tone(2.0) + tone(4.0)) + 0.005 * noise(&mut state),
            false => 0.4 * noise(&mut state),
        };
        let on = !is_pulsed || (time * 4.0).fract() < 0.4;
        if on { body } else { 0.02 * body }
    };
    (0..5 * RATE).map(sample).collect()
}

/// A folder with `audio/`, and a table of each kind of labels.
fn collection() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tones-and-noises");
    once_a_run("tones-and-noises", || {
        let _ = std::fs::remove_dir_all(&folder);
        let header = "path,split,labels\n".to_owned();
        let [mut tags, mut classes, mut random] = [header.clone(), header.clone(), header];
        let mut state = 11;
        let parts = PARTS.iter().flat_map(|&(part, count)| std::iter::repeat_n(part, count));
        for (number, part) in parts.enumerate() {
            let (is_tone, is_pulsed) = (number % 2 == 0, number % 4 < 2);
            let path = format!("{part}/{number}.wav");
            wav::write(&folder.join("audio").join(&path), RATE as u32, &sound(number, is_tone, is_pulsed));
            let class = if is_tone { "tone" } else { "noise" };
            let pulsed = if is_pulsed { "|pulsed" } else { "" };
            tags.push_str(&format!("{path},{part},{class}{pulsed}\n"));
            classes.push_str(&format!("{path},{part},{class}\n"));
            let drawn: Vec<&str> = ["a", "b", "c", "d", "e", "f", "g", "h"]
                .into_iter()
                .filter(|_| noise(&mut state) > 0.0)
                .collect();
            random.push_str(&format!("{path},{part},{}\n", drawn.join("|")));
        }
        for (name, text) in [("tags", tags), ("classes", classes), ("random", random)] {
            std::fs::write(folder.join(format!("{name}.csv")), text).unwrap();
        }
    });
    folder
}

/// The command on a table of the collection; `arguments` are split at spaces.
fn command(table: &str, out: &Path, cache: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sleeve-train"));
    command.args(["evaluate", "--dataset", "csv", "--threads", "2", "--device", "cpu", "--metadata"]);
    command.arg(collection().join(format!("{table}.csv")));
    command.arg("--out").arg(out).arg("--cache").arg(cache).args(arguments.split_whitespace());
    command
}

/// Few epochs and crops: enough for the test, and noted in the results.
const SHORT: &str = "--epochs 12 --stored-crops 2 --batch 8 --bootstrap 200";

fn audio() -> String {
    format!("--audio {}", collection().join("audio").display())
}

#[track_caller]
fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[track_caller]
fn evaluated(table: &str, out: &Path, cache: &Path, arguments: &str) -> String {
    let output = command(table, out, cache, arguments).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

#[track_caller]
fn results(out: &Path, table: &str, encoders: &str) -> (Results, Vec<u8>) {
    let path = out.join(format!("downstream/{table}/{encoders}.json"));
    (Results::load(&path).unwrap(), std::fs::read(path).unwrap())
}

/// The cache for all tests except those of caches.
fn shared_cache() -> PathBuf {
    collection().join("cache")
}

#[test]
fn tags_that_can_be_heard_are_told_and_random_ones_are_not() {
    let out = tempfile::tempdir().unwrap();
    let arguments = format!("{} {SHORT} --seeds 2 --model msd-musicnn-1", audio());
    evaluated("tags", out.path(), &shared_cache(), &arguments);
    let (tags, bytes) = results(out.path(), "tags", "msd-musicnn-1");
    let [roc, precision] = ["roc_auc", "pr_auc"].map(|name| &tags.metrics[name]);
    assert!(roc.value > 0.9 && precision.value > 0.85, "{:?}", tags.metrics);
    for figure in [roc, precision] {
        let [low, high] = figure.interval.unwrap();
        assert!(0.8 < low && low <= figure.value && figure.value <= high && high <= 1.0, "{figure:?}");
        assert_eq!(figure.seeds.len(), 2);
        assert!((figure.seeds.iter().sum::<f64>() / 2.0 - figure.value).abs() < 1e-12);
    }
    for (name, count) in [("train", 32), ("validation", 12), ("test", 24), ("classes", 3), ("missing", 0)] {
        assert_eq!(tags.counts[name], count, "{name}");
    }
    assert_eq!((&tags.protocol["crops"], &tags.protocol["crops_per_track"]), (&"random".into(), &2.into()));
    let said = tags.remarks.join("; ");
    assert!(said.contains("2 random patches") && said.contains("epochs 12"), "{said}");

    // The same seeds give the same bytes, with embeddings computed again on one thread.
    let [again, cache] = [0; 2].map(|_| tempfile::tempdir().unwrap());
    evaluated("tags", again.path(), cache.path(), &arguments.replace("--threads 2", "--threads 1"));
    assert_eq!(results(again.path(), "tags", "msd-musicnn-1").1, bytes);
    // Another seed gives other figures.
    evaluated("tags", again.path(), cache.path(), &format!("{arguments} --seed 7 --replace"));
    assert!(results(again.path(), "tags", "msd-musicnn-1").1 != bytes);

    evaluated("random", out.path(), &shared_cache(), &arguments);
    let (random, _) = results(out.path(), "random", "msd-musicnn-1");
    let chance = &random.metrics["roc_auc"];
    assert!((0.35..0.65).contains(&chance.value), "{chance:?}");
    let [low, high] = chance.interval.unwrap();
    assert!(0.2 < low && low + 0.02 < chance.value && chance.value + 0.02 < high && high < 0.8, "{chance:?}");
}

#[test]
fn a_run_that_was_stopped_ends_like_one_that_was_not() {
    let [out, cache] = [0; 2].map(|_| tempfile::tempdir().unwrap());
    let arguments = format!("{} {SHORT} --seeds 1 --model mtt-musicnn-1 --crops random", audio());
    let mut child = command("classes", out.path(), cache.path(), &arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let made = || {
        let files = walkdir(cache.path());
        files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "npy")).count()
    };
    while made() < 10 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130), "{}", text(&ended));
    assert!(text(&ended).contains("continues from there"), "{}", text(&ended));
    let (before, all) = (made(), 32 + 12 + 24);
    assert!((10..all).contains(&before), "{before}");
    assert!(!out.path().join("downstream").exists());
    evaluated("classes", out.path(), cache.path(), &arguments);
    assert_eq!(made(), all);

    let whole = tempfile::tempdir().unwrap();
    evaluated("classes", whole.path(), &shared_cache(), &arguments);
    let [stopped, uninterrupted] = [&out, &whole].map(|out| results(out.path(), "classes", "mtt-musicnn-1"));
    assert_eq!(stopped.1, uninterrupted.1);
    assert!(stopped.0.metrics["accuracy"].value > 0.9, "{:?}", stopped.0.metrics);
}

fn walkdir(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { walkdir(&path) } else { vec![path] }).collect()
}

#[test]
fn features_stand_in_for_audio() {
    let [out, cache] = [0; 2].map(|_| tempfile::tempdir().unwrap());
    let features = out.path().join("features");
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_sleeve-train")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    };
    let (music, table) = (collection().join("audio"), out.path().join("collection.parquet"));
    let [music, table, place] = [&music, &table, &features].map(|path| path.to_str().unwrap());
    run(&["scan", music, "--out", table]);
    run(&["features", music, "--collection", table, "--out", place]);
    // Half-overlapped patches of a stack whose encoders have different patch lengths.
    let models = "--model random:1 --model msd-musicnn-1";
    let arguments = format!("--epochs 3 --batch 8 --bootstrap 50 --seeds 1 --crops cached {models}");
    evaluated("classes", out.path(), cache.path(), &format!("--features {place} {arguments}"));
    let (stored, bytes) = results(out.path(), "classes", "random-1+msd-musicnn-1");
    assert!(stored.remarks.iter().any(|remark| remark.contains("--crops cached")), "{:?}", stored.remarks);
    assert_eq!(stored.protocol["patch_frames"], serde_json::json!([128, 187]));
    // 314 frames make 3 patches of 128, 64 apart, and 2 of 187, 93 apart.
    let is_array = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "npy");
    let mut shapes: Vec<(usize, usize)> = walkdir(cache.path())
        .into_iter()
        .filter(is_array)
        .map(|path| sleeve_files::npy::read_npy(path).unwrap().dim())
        .collect();
    assert_eq!(shapes.len(), 2 * 68);
    shapes.sort_unstable();
    shapes.dedup();
    assert_eq!(shapes, [(2, 200), (3, 1280)]);

    let heard = tempfile::tempdir().unwrap();
    evaluated("classes", heard.path(), &shared_cache(), &format!("{} {arguments}", audio()));
    assert_eq!(results(heard.path(), "classes", "random-1+msd-musicnn-1").1, bytes);
}

#[test]
fn every_combination_is_evaluated_once() {
    let out = tempfile::tempdir().unwrap();
    let models = "--model msd-musicnn-1 --model mtt-musicnn-1 --model msd-musicnn-1@dense";
    let arguments = format!("{} {SHORT} --seeds 1 {models} --all-combinations", audio());
    let said = evaluated("tags", out.path(), &shared_cache(), &arguments);
    let folder = out.path().join("downstream/tags");
    let names = [
        "msd-musicnn-1+msd-musicnn-1@dense",
        "msd-musicnn-1+mtt-musicnn-1",
        "msd-musicnn-1+mtt-musicnn-1+msd-musicnn-1@dense",
        "mtt-musicnn-1+msd-musicnn-1@dense",
    ];
    let mut found: Vec<String> =
        walkdir(&folder).iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    found.sort();
    assert_eq!(found, names);
    let (all, _) = results(out.path(), "tags", names[2]);
    assert_eq!(all.encoders.iter().map(|source| source.dimensions).collect::<Vec<_>>(), [200, 200, 200]);
    assert!(all.metrics["roc_auc"].value > 0.9, "{said}");

    // Finished work is not done again, and a missing file is restored with the same content.
    let bytes = results(out.path(), "tags", names[1]).1;
    let marker = folder.join(format!("{}.json", names[0]));
    let before = std::fs::metadata(&marker).unwrap().modified().unwrap();
    std::fs::remove_file(folder.join(format!("{}.json", names[1]))).unwrap();
    let said = evaluated("tags", out.path(), &shared_cache(), &arguments);
    assert!(said.contains("3 of 4 evaluated before"), "{said}");
    assert_eq!(results(out.path(), "tags", names[1]).1, bytes);
    assert_eq!(std::fs::metadata(&marker).unwrap().modified().unwrap(), before);

    // Results with other settings are not silently replaced.
    let output = command("tags", out.path(), &shared_cache(), &arguments.replace("--batch 8", "--batch 4"))
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = text(&output);
    assert!(said.contains("its batch is 8, not 4") && said.contains("--replace"), "{said}");
}

#[test]
fn a_saved_head_tells_what_the_evaluation_told() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("heads/tone-or-noise.onnx");
    let arguments = format!("{} {SHORT} --seeds 2 --model msd-musicnn-1", audio());
    evaluated("classes", out.path(), &shared_cache(), &arguments);
    let with_head = format!("{arguments} --save-head {}", path.display());
    let said = evaluated("classes", out.path(), &shared_cache(), &with_head);
    assert!(said.contains("tone-or-noise.json"), "{said}");
    let output = command("classes", out.path(), &shared_cache(), &with_head).output().unwrap();
    assert!(text(&output).contains("tone-or-noise.onnx: exists already"), "{}", text(&output));
    let head = Model::open(&path).unwrap();
    assert_eq!(head.classes(), ["noise", "tone"]);
    let accuracy = head.metadata().document()["dataset"]["metrics"]["accuracy"].as_f64().unwrap();
    let (results, _) = results(out.path(), "classes", "msd-musicnn-1");
    assert!(results.metrics["accuracy"].seeds.contains(&accuracy));

    // After its model, half-overlapped patches averaged over the recording.
    let model = Model::bundled("msd-musicnn-1").unwrap();
    let extractor = Extractor::builder(model).head(head).patch_hop(93).threads(1).build().unwrap();
    let mut right = 0;
    for number in 44..68 {
        let file = collection().join(format!("audio/test/{number}.wav"));
        let analysis = extractor.extract_file(file).unwrap();
        let of_head =
            |output: &&OutputRows| output.info.from_head && output.info.purpose == Purpose::Predictions;
        let rows = &analysis.outputs().iter().find(of_head).unwrap().values;
        let mean = rows.mean_axis(ndarray::Axis(0)).unwrap();
        right += usize::from((mean[1] > mean[0]) == (number % 2 == 0));
    }
    assert_eq!(right as f64 / 24.0, accuracy);
}

#[test]
fn missing_recordings_are_listed_and_borne_up_to_a_share() {
    let [out, music] = [0; 2].map(|_| tempfile::tempdir().unwrap());
    for path in walkdir(&collection().join("audio")) {
        let place = music.path().join(path.strip_prefix(collection().join("audio")).unwrap());
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::hard_link(&path, place).unwrap();
    }
    std::fs::remove_file(music.path().join("train/3.wav")).unwrap();
    let broken = music.path().join("test/50.wav");
    std::fs::remove_file(&broken).unwrap();
    std::fs::write(&broken, "this was audio once").unwrap();
    let arguments = format!("--audio {} {SHORT} --seeds 1 --model msd-musicnn-1", music.path().display());
    let run =
        |more: &str| command("tags", out.path(), &shared_cache(), &format!("{arguments} {more}")).output();
    let output = run("--least-share 0.98").unwrap();
    let said = text(&output);
    assert!(!output.status.success() && said.contains("66 of 68"), "{said}");
    let missing = out.path().join("downstream/tags/missing.tsv");
    assert!(said.contains("train/3.wav (no such file)"), "{said}");
    std::fs::remove_file(&missing).unwrap();

    let output = run("").unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let listed = std::fs::read_to_string(&missing).unwrap();
    let rows: Vec<&str> = listed.lines().collect();
    assert_eq!(rows[..2], ["path\treason", "train/3.wav\tno such file"]);
    assert!(
        rows.len() == 3 && rows[2].starts_with("test/50.wav\t") && rows[2].contains("audio format"),
        "{listed}"
    );
    let (results, _) = results(out.path(), "tags", "msd-musicnn-1");
    assert_eq!((results.counts["missing"], results.counts["test"], results.counts["train"]), (2, 23, 31));
    assert!(results.remarks.iter().any(|remark| remark.contains("2 recordings")), "{:?}", results.remarks);
}

#[test]
fn wrong_arguments_are_named() {
    let out = tempfile::tempdir().unwrap();
    let base = audio();
    for (arguments, reason) in [
        ("--model nothing".to_owned(), "nothing"),
        ("--model msd-musicnn-1 --model msd-musicnn-1".into(), "two of the models are called msd-musicnn-1"),
        ("--model random:x".into(), "not a seed"),
        ("--model msd-musicnn-1 --all-combinations".into(), "two to five --model, not 1"),
        ("--model random:1 --model random:2 --save-head x.onnx".into(), "--save-head takes one --model"),
        ("--model random:1 --crops cached --stored-crops 2".into(), "--stored-crops is for --crops random"),
        ("--model random:1 --least-share 1.5".into(), "--least-share is between 0 and 1"),
        ("--model random:1 --seeds 0".into(), "--seeds"),
        ("--model random:1 --dataset moods".into(), "mtg-jamendo-genre"),
        ("--model random:1 --features /no/such/folder".into(), "/no/such/folder"),
        ("--model random:1 --single-label".into(), "tags.csv: line 2: 2 labels; each track must have one"),
    ] {
        let mut command = command("tags", out.path(), &shared_cache(), &format!("{base} {arguments}"));
        let output = match arguments.contains("--dataset") {
            true => Command::new(command.get_program())
                .args(["evaluate", "--metadata", "x", "--audio", "x", "--out", "x", "--cache", "x"])
                .args(arguments.split_whitespace())
                .output(),
            false => command.output(),
        };
        let said = text(&output.unwrap());
        assert!(said.contains(reason), "{arguments}: {said}");
        assert!(said.starts_with("error: ") || said.contains("\nerror: "), "{arguments}: {said}");
    }
    let help =
        Command::new(env!("CARGO_BIN_EXE_sleeve-train")).args(["evaluate", "--help"]).output().unwrap();
    let help = text(&help);
    for word in ["sections 4.3 and 4.4", "mtg-jamendo", "--save-head", "deviation", "missing.tsv"] {
        assert!(help.contains(word), "{word}");
    }
}

/// Numbers that follow from embeddings of another program are predicted in every fold, by a linear probe with options of
/// its own; numbers that have nothing to do with them are not.
#[test]
fn quantities_are_predicted_over_folds_from_embeddings_of_another_program() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (mut state, mut table) = (3, "path,fold,target:mood,target:luck\n".to_owned());
    for number in 0..120 {
        let path = format!("{number}.wav");
        std::fs::create_dir_all(at("audio")).unwrap();
        std::fs::create_dir_all(at("mert")).unwrap();
        // Never decoded: only its content is a name.
        std::fs::write(at("audio").join(&path), format!("{number}")).unwrap();
        let values: Vec<f32> = (0..6).map(|_| noise(&mut state)).collect();
        let mut writer = NpyWriter::create(at("mert").join(format!("{number}.npy")), 6, Dtype::F32).unwrap();
        (0..3).for_each(|_| writer.write_rows(&values).unwrap());
        writer.finish().unwrap();
        let mood = 5.0 + 2.0 * values[0] - values[3];
        table.push_str(&format!("{path},{},{mood},{}\n", number % 4, 5.0 + noise(&mut state)));
    }
    std::fs::write(at("moods.csv"), table).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sleeve-train"));
    command.args(["evaluate", "--dataset", "csv", "--threads", "2", "--metadata"]).arg(at("moods.csv"));
    command.arg("--audio").arg(at("audio")).arg("--cache").arg(at("cache")).arg("--out").arg(at("out"));
    command.arg("--encoder").arg(format!("npy={}", at("mert").display()));
    let options =
        "--hidden 0 --epochs 60 --learning-rate 0.05 --weight-decay 0 --batch 16 --seeds 2 --stored-crops 2";
    let output = command.args(options.split(' ')).output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("4 folds, each of which is tested once"), "{said}");
    let results = Results::load(&at("out/downstream/moods/mert.json")).unwrap();
    let figure = |name: &str| &results.metrics[name];
    let (mood, luck) = (figure("r2_mood"), figure("r2_luck"));
    println!("{mood:?} {luck:?}");
    assert!(mood.value > 0.98 && mood.interval.unwrap()[0] > 0.97 && mood.seeds.len() == 2, "{mood:?}");
    assert!(luck.value < 0.2, "{luck:?}");
    assert!((figure("r2").value - (mood.value + luck.value) / 2.0).abs() < 1e-9);
    assert_eq!((results.counts["folds"], results.counts["test"], results.counts["train"]), (4, 30, 60));
    assert_eq!(results.protocol["hidden"], 0);
    for word in ["hidden units 0, not 512", "rows of its own", "4 folds"] {
        assert!(results.remarks.iter().any(|remark| remark.contains(word)), "{word}: {:?}", results.remarks);
    }
}

//! A batch of recordings gives the same bits as each recording alone.

use std::path::PathBuf;

use proptest::prelude::*;
use sleeve::audio::Level;
use sleeve::batch::{BatchExtractor, BatchOptions, BatchSink, Input};
use sleeve::extractor::{Analysis, Extractor, Rows, Summary};
use sleeve::model::Model;
use sleeve::patches::LastPatch;
use sleeve_tests::audio::{music, write_wav};
use sleeve_tests::{output_of, peer, recording, repository, skip};

/// Keeps the rows of every recording, by output, and its result.
#[derive(Default)]
struct Keep {
    rows: Vec<Vec<Vec<f32>>>,
    times: Vec<Vec<f64>>,
    outcomes: Vec<Option<Result<Summary, String>>>,
}

impl Keep {
    fn new(recordings: usize, outputs: usize) -> Self {
        Keep {
            rows: vec![vec![Vec::new(); outputs]; recordings],
            times: vec![Vec::new(); recordings],
            outcomes: vec![None; recordings],
        }
    }

    fn assert_is(&self, recording: usize, expected: &Result<Analysis, String>, name: &str) {
        match (self.outcomes[recording].as_ref().expect("the sink was called for the end"), expected) {
            (Ok(summary), Ok(analysis)) => {
                assert_eq!(summary.patches, [analysis.times().len() as u64], "{name}");
                assert_eq!(summary.warnings, analysis.warnings(), "{name}");
                assert_eq!(summary.level, analysis.level(), "{name}");
                assert_eq!(self.times[recording], analysis.times(), "{name}");
                for (values, output) in self.rows[recording].iter().zip(analysis.outputs()) {
                    let same = values.iter().map(|value| value.to_bits());
                    assert!(same.eq(output.values.iter().map(|value| value.to_bits())), "{name}");
                }
            }
            (Err(error), Err(expected)) => assert_eq!(error, expected, "{name}"),
            (found, expected) => panic!("{name}: {found:?} instead of {:?}", expected.as_ref().map(|_| ())),
        }
    }
}

impl BatchSink for Keep {
    fn rows(&mut self, recording: usize, _: usize, rows: &Rows<'_>) -> sleeve::Result<()> {
        self.times[recording].extend(rows.times);
        for (kept, values) in self.rows[recording].iter_mut().zip(rows.outputs) {
            kept.extend(values.iter());
        }
        Ok(())
    }

    fn done(&mut self, recording: usize, outcome: sleeve::Result<Summary>) {
        let outcome = outcome.map_err(|error| error.to_string());
        assert!(self.outcomes[recording].replace(outcome).is_none());
    }
}

/// Recordings of all kinds: long and short, silent, empty, truncated, broken, with NaN, missing.
fn folder_of_recordings() -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_wav(&path("stereo.wav"), &music(44_100, 2, 7.3), 44_100, 2);
    write_wav(&path("mono.wav"), &music(16_000, 1, 4.0), 16_000, 1);
    write_wav(&path("slow.wav"), &music(8_000, 1, 11.0), 8_000, 1);
    write_wav(&path("just_one.wav"), &music(16_000, 1, 2.99), 16_000, 1);
    write_wav(&path("too_short.wav"), &music(22_050, 1, 1.0), 22_050, 1);
    write_wav(&path("silent.wav"), &vec![0.0; 90_000], 16_000, 1);
    write_wav(&path("no_samples.wav"), &[], 16_000, 1);
    let mut poisoned = music(16_000, 1, 6.0);
    poisoned[80_000] = f32::NAN;
    write_wav(&path("poisoned.wav"), &poisoned, 16_000, 1);
    std::fs::write(path("empty.wav"), b"").unwrap();
    std::fs::write(path("broken.mp3"), b"this is not an MP3 file").unwrap();
    let sky = std::fs::read(recording("sky.ogg")).unwrap();
    std::fs::write(path("cut_off.ogg"), &sky[..sky.len() / 3]).unwrap();
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.push(path("missing.flac"));
    paths.sort();
    (folder, paths)
}

/// The result of each recording alone.
fn alone(extractor: &Extractor, paths: &[PathBuf]) -> Vec<Result<Analysis, String>> {
    let analyse = |path| extractor.extract_file(path).map_err(|error: sleeve::Error| error.to_string());
    paths.iter().map(analyse).collect()
}

#[test]
fn every_recording_gives_the_bits_it_gives_alone() {
    let (_folder, paths) = folder_of_recordings();
    let build = |batch: usize, threads: usize, (last_patch, level)| {
        let model = Model::bundled("msd-musicnn-1").unwrap();
        let builder = Extractor::builder(model).threads(threads).last_patch(last_patch).level(level);
        builder.batch_size(batch).build().unwrap()
    };
    let options = [(LastPatch::Discard, Level::Track), (LastPatch::Repeat, Level::None)];
    let expected = options.map(|options| alone(&build(2, 2, options), &paths));
    for outcomes in &expected {
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 5);
    }
    let levelled =
        |outcome: &&Result<Analysis, String>| outcome.as_ref().is_ok_and(|one| one.level().is_some());
    assert_eq!(expected.each_ref().map(|outcomes| outcomes.iter().filter(levelled).count()), [6, 0]);
    let order = prop::collection::vec(0..paths.len(), 0..14);
    let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(order in order, workers in 1..5_usize, batch in 1..9_usize, threads in 1..3_usize,
                        room in 0..20_usize, repeats: bool)| {
        let extractor = build(batch, threads, options[usize::from(repeats)]);
        let room_for = BatchOptions::default().workers(workers).patches_in_flight(room);
        let mut keep = Keep::new(order.len(), extractor.outputs().len());
        let inputs = order.iter().map(|&index| Input::file(&paths[index]));
        let totals = BatchExtractor::new(&extractor, &room_for).unwrap().run(inputs, &mut keep).unwrap();
        prop_assert_eq!(totals.done + totals.failed, order.len());
        if room > 0 {
            prop_assert!(totals.peak_patches <= room.next_multiple_of(batch));
        }
        for (recording, &index) in order.iter().enumerate() {
            let name = paths[index].display().to_string();
            keep.assert_is(recording, &expected[usize::from(repeats)][index], &name);
        }
    });
}

#[test]
fn samples_in_memory_are_recordings_like_any() {
    for level in [Level::None, Level::Track] {
        samples_are_recordings(level);
    }
}

fn samples_are_recordings(level: Level) {
    let model = Model::bundled("msd-musicnn-1").unwrap();
    let extractor = Extractor::builder(model).threads(1).level(level).build().unwrap();
    let (mono, stereo) = (music(22_050, 1, 5.0), music(44_100, 2, 4.0));
    let folder = tempfile::tempdir().unwrap();
    write_wav(&folder.path().join("stereo.wav"), &stereo, 44_100, 2);
    let expected = [
        extractor.extract_samples(&mono, 22_050).unwrap(),
        extractor.extract_file(folder.path().join("stereo.wav")).unwrap(),
    ];
    let mut keep = Keep::new(2, extractor.outputs().len());
    let inputs = [
        Input::mono(&mono, 22_050),
        Input::Samples { samples: stereo.into(), channels: 2, sample_rate: 44_100 },
    ];
    BatchExtractor::new(&extractor, &BatchOptions::default()).unwrap().run(inputs, &mut keep).unwrap();
    for (recording, expected) in expected.into_iter().enumerate() {
        assert_eq!(expected.level().is_some(), level == Level::Track);
        keep.assert_is(recording, &Ok(expected), "samples");
    }
}

#[test]
fn the_fused_engine_gives_the_same_bits_to_several_callers() {
    let Some(mut command) = peer("make_effnet.py") else { skip!("no peers; run `cargo xtask peers`") };
    let folder = repository().join("target/effnet-tests");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("batch.onnx");
    output_of(command.arg(&path).args(["--style", "torch", "--seed", "8"]));
    let model = Model::open(path.to_str().unwrap()).unwrap();
    let (_folder, paths) = folder_of_recordings();
    let build = |batch, threads| {
        Extractor::builder(model.clone()).threads(threads).batch_size(batch).build().unwrap()
    };
    let expected = alone(&build(64, 2), &paths);
    for (batch, threads, workers) in [(64, 2, 2), (5, 1, 3), (1, 1, 1)] {
        let extractor = build(batch, threads);
        assert_eq!(extractor.engine().name(), "effnet");
        let options = BatchOptions::default().workers(workers);
        let mut keep = Keep::new(paths.len(), extractor.outputs().len());
        let inputs = paths.iter().map(Input::file);
        BatchExtractor::new(&extractor, &options).unwrap().run(inputs, &mut keep).unwrap();
        for (recording, path) in paths.iter().enumerate() {
            keep.assert_is(recording, &expected[recording], &path.display().to_string());
        }
    }
}

//! Batches through an engine that is made up: quick, watched, and as fickle as the test wants.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use super::{BatchExtractor, BatchOptions, BatchSink, Input, Progress};
use crate::engine::{Engine, InputSpec, OutputSpec};
use crate::extractor::{Analysis, Extractor, Rows, Summary};
use crate::model::Model;
use crate::{Error, Result};

/// The outcome of a call on these patches.
type Fate = dyn Fn(&[f32]) -> Result<()> + Send + Sync;

/// Gives each row a fingerprint of its own, whatever it came with.
#[derive(Clone)]
struct Fingerprint {
    like: Arc<dyn Engine>,
    batch_size: usize,
    concurrent: bool,
    /// Decides the outcome of each call.
    before: Arc<Fate>,
    /// Rows of each call.
    calls: Arc<Mutex<Vec<usize>>>,
    running: Arc<AtomicUsize>,
    most_running: Arc<AtomicUsize>,
}

impl Engine for Fingerprint {
    fn name(&self) -> &'static str {
        "fingerprint"
    }

    fn describe(&self) -> String {
        "made up".into()
    }

    fn input(&self) -> InputSpec {
        self.like.input()
    }

    fn outputs(&self) -> &[OutputSpec] {
        self.like.outputs()
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn run(&self, input: &[f32], rows: usize, wanted: &mut [(usize, &mut [f32])]) -> Result<()> {
        self.most_running.fetch_max(self.running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        self.calls.lock().unwrap().push(rows);
        let outcome = (self.before)(input);
        for (row, patch) in input.chunks_exact(self.input().len()).enumerate() {
            let mut hash = patch.iter().fold(17_u32, |hash, value| hash.rotate_left(5) ^ value.to_bits());
            for (index, values) in wanted.iter_mut() {
                let dim = self.outputs()[*index].dim;
                for value in &mut values[row * dim..(row + 1) * dim] {
                    hash = hash.wrapping_mul(0x9e37_79b9).wrapping_add(*index as u32);
                    *value = (hash >> 8) as f32;
                }
            }
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
        outcome
    }

    fn concurrent(&self) -> Option<Arc<dyn Engine>> {
        self.concurrent.then(|| Arc::new(self.clone()) as Arc<dyn Engine>)
    }
}

/// A real model's front end before a made-up engine.
fn fake(batch_size: usize, concurrent: bool) -> (Extractor, Fingerprint) {
    fake_with(batch_size, concurrent, |_| Ok(()))
}

fn fake_with(
    batch_size: usize,
    concurrent: bool,
    before: impl Fn(&[f32]) -> Result<()> + Send + Sync + 'static,
) -> (Extractor, Fingerprint) {
    let model = Model::bundled("msd-musicnn-1").unwrap();
    let like = model.engine(&crate::engine::EngineOptions { threads: 1, ..Default::default() }).unwrap();
    let engine = Fingerprint {
        like,
        batch_size,
        concurrent,
        before: Arc::new(before),
        calls: Arc::default(),
        running: Arc::default(),
        most_running: Arc::default(),
    };
    let extractor = Extractor::builder(model).threads(1).build().unwrap();
    (extractor.with_engine(Arc::new(engine.clone())), engine)
}

/// Records all callbacks of a run, and checks them.
struct Recorder {
    thread: ThreadId,
    extractors: usize,
    rows: HashMap<(usize, usize), Vec<Vec<f32>>>,
    done: Vec<(usize, Result<Summary>)>,
    progress: Progress,
    /// Cancel when this many are done.
    enough: usize,
    /// Refuse rows of this one.
    refused: Option<usize>,
}

impl Recorder {
    fn new(extractors: usize) -> Self {
        Recorder {
            thread: std::thread::current().id(),
            extractors,
            rows: HashMap::new(),
            done: Vec::new(),
            progress: Progress::default(),
            enough: usize::MAX,
            refused: None,
        }
    }

    fn outcome(&self, recording: usize) -> &Result<Summary> {
        &self.done.iter().find(|(index, _)| *index == recording).expect("every recording is done").1
    }

    /// The rows of one recording, by output.
    fn assert_rows(&self, recording: usize, extractor: usize, expected: &Analysis) {
        let summary = self.outcome(recording).as_ref().unwrap();
        assert_eq!(summary.patches[extractor], expected.times().len() as u64);
        let nothing = vec![Vec::new(); expected.outputs().len()];
        let rows = self.rows.get(&(recording, extractor)).unwrap_or(&nothing);
        for (rows, expected) in rows.iter().zip(expected.outputs()) {
            assert_eq!(rows, &expected.values.iter().copied().collect::<Vec<f32>>(), "recording {recording}");
        }
    }
}

impl BatchSink for Recorder {
    fn rows(&mut self, recording: usize, extractor: usize, rows: &Rows<'_>) -> Result<()> {
        assert_eq!(std::thread::current().id(), self.thread);
        assert!(!self.done.iter().any(|(index, _)| *index == recording), "rows after the end");
        assert!(extractor < self.extractors && !rows.times.is_empty());
        if self.refused == Some(recording) {
            return Err(Error::InvalidArgument("not wanted".into()));
        }
        let empty = || vec![Vec::new(); rows.outputs.len()];
        let so_far = self.rows.entry((recording, extractor)).or_insert_with(empty);
        assert_eq!(rows.first as usize * rows.outputs[0].ncols(), so_far[0].len(), "in order, without a gap");
        for (so_far, values) in so_far.iter_mut().zip(rows.outputs) {
            assert_eq!(values.nrows(), rows.times.len());
            so_far.extend(values.iter());
        }
        Ok(())
    }

    fn done(&mut self, recording: usize, outcome: Result<Summary>) {
        assert_eq!(std::thread::current().id(), self.thread);
        assert!(!self.done.iter().any(|(index, _)| *index == recording), "done twice");
        self.done.push((recording, outcome));
    }

    fn progress(&mut self, progress: &Progress) {
        assert_eq!(std::thread::current().id(), self.thread);
        assert!(progress.seconds >= self.progress.seconds && progress.done >= self.progress.done);
        self.progress = *progress;
    }

    fn cancelled(&mut self) -> bool {
        self.done.len() >= self.enough
    }
}

/// Tones with some noise, all different, of odd lengths: every fifth shorter than a patch, one empty.
fn clips(count: usize) -> Vec<Vec<f32>> {
    let mut state = 12_345_u32;
    let mut draw = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    let clip = |index: usize| {
        let seconds = if index.is_multiple_of(5) { 2.0 * draw() } else { 3.0 + 12.0 * draw() };
        let samples = if index == 10 { 0 } else { (seconds * 16_000.0) as usize };
        let step = 0.01 + 0.2 * draw();
        (0..samples).map(|n| 0.4 * (n as f32 * step).sin() + 0.1 * (draw() - 0.5)).collect()
    };
    (0..count).map(clip).collect()
}

fn options(workers: usize, patches_in_flight: usize) -> BatchOptions {
    BatchOptions { workers, patches_in_flight }
}

#[test]
fn rows_do_not_depend_on_workers_batches_or_room() {
    let clips = clips(30);
    let model = Model::bundled("msd-musicnn-1").unwrap();
    let other = Extractor::builder(model).threads(1).patch_hop(41).build().unwrap();
    for (round, concurrent) in [true, false, true, false].into_iter().enumerate() {
        for (workers, size, room) in [(1, 1, 1), (1, 7, 1), (2, 3, 0), (3, 16, 40), (8, 64, 0), (5, 2, 3)] {
            // Calls take now and then longer, so that batches overtake one another.
            let count = AtomicUsize::new(round);
            let fickle = move |_: &[f32]| {
                if count.fetch_add(1, Ordering::Relaxed) % 11 == 3 {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Ok(())
            };
            let (first, engine) = fake_with(size, concurrent, fickle);
            let second = other.with_engine(Arc::new(Fingerprint { batch_size: size + 1, ..engine.clone() }));
            let batch = BatchExtractor::together(&[&first, &second], &options(workers, room)).unwrap();
            let mut recorder = Recorder::new(2);
            let inputs = clips.iter().enumerate().map(|(index, clip)| match index {
                7 => Input::file("no/such.wav"),
                11 => Input::Panic,
                _ => Input::mono(clip, 16_000),
            });
            let totals = batch.run(inputs, &mut recorder).unwrap();
            assert_eq!((totals.done, totals.failed, totals.cancelled), (28, 2, 0));
            assert_eq!((recorder.progress.done, recorder.progress.failed), (28, 2));
            for (recording, clip) in clips.iter().enumerate() {
                match recording {
                    7 => assert!(matches!(recorder.outcome(7), Err(Error::Io { .. }))),
                    11 => {
                        let error = recorder.outcome(11).as_ref().unwrap_err().to_string();
                        assert_eq!(error, "<samples>: panicked: deliberate");
                    }
                    _ => {
                        for (lane, extractor) in [&first, &second].into_iter().enumerate() {
                            let expected = extractor.extract_samples(clip, 16_000).unwrap();
                            recorder.assert_rows(recording, lane, &expected);
                        }
                    }
                }
            }
            if !concurrent {
                // One call at a time for each of the two extractors, which share the counter.
                assert!(engine.most_running.load(Ordering::SeqCst) <= 2);
            }
        }
    }
}

#[test]
fn batches_are_full_across_recordings() {
    let clips: Vec<Vec<f32>> = (1..=300).map(|index| vec![index as f32 / 1000.0; 75_000]).collect();
    for concurrent in [true, false] {
        let (extractor, engine) = fake(64, concurrent);
        let batch = BatchExtractor::new(&extractor, &options(3, 0)).unwrap();
        let mut recorder = Recorder::new(1);
        batch.run(clips.iter().map(|clip| Input::mono(clip, 16_000)), &mut recorder).unwrap();
        let calls = engine.calls.lock().unwrap();
        let rows: usize = calls.iter().sum();
        assert_eq!(rows, 300 * 2);
        // File by file there would be 300 calls. A caller that is kept waiting by the system leaves some unfilled.
        assert!(calls.len() <= 60, "{} calls for {rows} rows", calls.len());
    }
}

/// A WAV file of silence, 8 kHz mono in 16 bits, that takes no room on the disk.
fn silence(path: &Path, seconds: u32) {
    let bytes = seconds * 8_000 * 2;
    let mut header = b"RIFF".to_vec();
    header.extend((36 + bytes).to_le_bytes());
    header.extend(b"WAVEfmt ");
    header.extend(16_u32.to_le_bytes());
    for field in [1_u16, 1] {
        header.extend(field.to_le_bytes());
    }
    header.extend(8_000_u32.to_le_bytes());
    header.extend(16_000_u32.to_le_bytes());
    header.extend(2_u16.to_le_bytes());
    header.extend(16_u16.to_le_bytes());
    header.extend(b"data");
    header.extend(bytes.to_le_bytes());
    let mut file = File::create(path).unwrap();
    file.write_all(&header).unwrap();
    file.set_len(44 + u64::from(bytes)).unwrap();
}

#[test]
fn a_long_recording_neither_piles_up_nor_holds_up_short_ones() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("long.wav");
    silence(&long, 2 * 3600);
    let short = clips(2).remove(1);
    for (concurrent, room) in [(true, 48), (false, 48), (false, 0)] {
        // A slow engine: decoding is far ahead of it wherever it may be.
        let slow = |_: &[f32]| {
            std::thread::sleep(Duration::from_micros(500));
            Ok(())
        };
        let (extractor, _) = fake_with(16, concurrent, slow);
        let batch = BatchExtractor::new(&extractor, &options(2, room)).unwrap();
        let mut recorder = Recorder::new(1);
        let inputs =
            std::iter::once(Input::file(&long)).chain((0..1000).map(|_| Input::mono(&short, 16_000)));
        let totals = batch.run(inputs, &mut recorder).unwrap();
        assert_eq!(totals.done, 1001);
        let most = if room == 0 { 4 * 16 } else { room };
        assert!((17..=most).contains(&totals.peak_patches), "{} patches", totals.peak_patches);
        let summary = recorder.outcome(0).as_ref().unwrap();
        assert_eq!((summary.seconds, summary.patches[0]), (7200.0, extractor.patching().count(450_001)));
        // Everyone advances by turns.
        let place = recorder.done.iter().position(|(recording, _)| *recording == 0).unwrap();
        assert!(place >= 100, "only {place} short ones were done before the long one");
    }
}

#[test]
fn inputs_are_taken_as_they_are_needed_and_all_are_told_of_a_cancel() {
    let clips = clips(20);
    for concurrent in [true, false] {
        let (extractor, _) = fake(4, concurrent);
        let batch = BatchExtractor::new(&extractor, &options(3, 0)).unwrap();
        let taken = AtomicUsize::new(0);
        let endless = std::iter::repeat_with(|| {
            let index = taken.fetch_add(1, Ordering::Relaxed);
            Input::mono(&clips[index % clips.len()], 16_000)
        });
        let mut recorder = Recorder::new(1);
        recorder.enough = 50;
        let totals = batch.run(endless, &mut recorder).unwrap();
        let taken = taken.into_inner();
        assert!((50..50 + 200).contains(&taken), "{taken} inputs taken for 50 recordings");
        assert_eq!(recorder.done.len(), taken);
        assert_eq!(totals.done + totals.cancelled, taken);
        let cancelled = recorder.done.iter().filter(|(_, outcome)| matches!(outcome, Err(Error::Cancelled)));
        assert_eq!(cancelled.count(), totals.cancelled);
        for (recording, outcome) in &recorder.done {
            if outcome.is_ok() {
                let expected = extractor.extract_samples(&clips[recording % clips.len()], 16_000).unwrap();
                recorder.assert_rows(*recording, 0, &expected);
            }
        }
    }
}

#[test]
fn a_cancel_is_heeded_in_the_middle_of_a_long_recording() {
    struct Stop(usize, Option<Result<Summary>>);
    impl BatchSink for Stop {
        fn rows(&mut self, _: usize, _: usize, _: &Rows<'_>) -> Result<()> {
            self.0 += 1;
            Ok(())
        }
        fn done(&mut self, _: usize, outcome: Result<Summary>) {
            self.1 = Some(outcome);
        }
        fn cancelled(&mut self) -> bool {
            self.0 >= 3
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("long.wav");
    // A hundred thousand seconds: to its end it would take minutes.
    silence(&long, 100_000);
    for concurrent in [true, false] {
        let (extractor, engine) = fake(8, concurrent);
        let batch = BatchExtractor::new(&extractor, &options(2, 0)).unwrap();
        let mut stop = Stop(0, None);
        let totals = batch.run([Input::file(&long)], &mut stop).unwrap();
        assert_eq!((totals.done, totals.failed, totals.cancelled), (0, 0, 1));
        assert!(matches!(stop.1, Some(Err(Error::Cancelled))));
        // What was on its way when the third batch came.
        assert!(engine.calls.lock().unwrap().len() < 40);
    }
}

#[test]
fn failures_stay_with_those_they_concern() {
    let clips = clips(20);
    // The engine fails on one recording's patches, by an error or a panic; the sink refuses another's.
    for (concurrent, panics) in [(true, false), (false, true), (true, true)] {
        let (extractor, _) = fake_with(1, concurrent, move |patch| {
            let loud = patch.iter().any(|&value| value > 7.0);
            assert!(!(loud && panics), "too loud");
            if loud {
                Err(Error::Engine { engine: "fingerprint", reason: "too loud".into() })
            } else {
                Ok(())
            }
        });
        let batch = BatchExtractor::new(&extractor, &options(2, 0)).unwrap();
        let mut recorder = Recorder::new(1);
        recorder.refused = Some(6);
        let loud = vec![3e3; 100_000];
        let inputs = clips
            .iter()
            .enumerate()
            .map(|(index, clip)| Input::mono(if index == 3 { &loud } else { clip }, 16_000));
        let totals = batch.run(inputs, &mut recorder).unwrap();
        assert_eq!((totals.done, totals.failed), (18, 2));
        let reason = recorder.outcome(3).as_ref().unwrap_err().to_string();
        assert!(reason.starts_with("engine fingerprint: ") && reason.ends_with("too loud"), "{reason}");
        assert_eq!(recorder.outcome(6).as_ref().unwrap_err().to_string(), "not wanted");
        for recording in (0..20).filter(|recording| ![3, 6].contains(recording)) {
            recorder.assert_rows(
                recording,
                0,
                &extractor.extract_samples(&clips[recording], 16_000).unwrap(),
            );
        }
    }
}

#[test]
fn a_panic_of_the_caller_s_own_ends_the_run() {
    struct Panics;
    impl BatchSink for Panics {
        fn rows(&mut self, _: usize, _: usize, _: &Rows<'_>) -> Result<()> {
            panic!("in the sink")
        }
        fn done(&mut self, _: usize, _: Result<Summary>) {}
    }
    let clips = clips(20);
    for concurrent in [true, false] {
        let (extractor, _) = fake(2, concurrent);
        let batch = BatchExtractor::new(&extractor, &options(3, 2)).unwrap();
        let endless = || clips.iter().cycle().map(|clip| Input::mono(clip, 16_000));
        let run = || batch.run(endless(), &mut Panics);
        assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
        let mut recorder = Recorder::new(1);
        let ending = endless().take(30).chain(std::iter::once_with(|| panic!("in the inputs")));
        assert!(catch_unwind(AssertUnwindSafe(|| batch.run(ending, &mut recorder))).is_err());
        // It can be used again.
        let totals = batch.run(endless().take(20), &mut Recorder::new(1)).unwrap();
        assert_eq!(totals.done, 20);
    }
}

#[test]
fn nothing_to_do_and_what_cannot_be_done_are_said() {
    let (extractor, _) = fake(2, true);
    let batch = BatchExtractor::new(&extractor, &BatchOptions::default()).unwrap();
    let totals = batch.run([], &mut Recorder::new(1)).unwrap();
    assert_eq!((totals.done, totals.failed, totals.cancelled), (0, 0, 0));
    assert!(BatchExtractor::together(&[], &BatchOptions::default()).is_err());
    assert!(BatchExtractor::new(&extractor, &options(1_000_000, 0)).is_err());
    let mut recorder = Recorder::new(1);
    let stereo = |channels| Input::Samples { samples: vec![0.0; 9].into(), channels, sample_rate: 16_000 };
    let inputs = [stereo(0), stereo(2), Input::mono(vec![f32::NAN], 16_000), Input::mono(vec![0.0], 1)];
    let totals = batch.run(inputs, &mut recorder).unwrap();
    assert_eq!((totals.done, totals.failed), (0, 4));
}

/// Holds back further inputs until everything that was handed out is done.
struct OneByOne {
    done: Vec<usize>,
    taken: Arc<AtomicUsize>,
}

impl BatchSink for OneByOne {
    fn rows(&mut self, _: usize, _: usize, _: &Rows<'_>) -> Result<()> {
        Ok(())
    }

    fn done(&mut self, recording: usize, outcome: Result<Summary>) {
        outcome.unwrap();
        self.done.push(recording);
    }

    fn ready(&mut self) -> bool {
        assert!(self.taken.load(Ordering::Relaxed) > self.done.len(), "asked with nothing under way");
        false
    }
}

#[test]
fn inputs_wait_for_a_sink_that_is_not_ready() {
    let clips = clips(9);
    for concurrent in [true, false] {
        let (extractor, _) = fake(4, concurrent);
        let batch = BatchExtractor::new(&extractor, &options(3, 0)).unwrap();
        let taken = Arc::new(AtomicUsize::new(0));
        let mut sink = OneByOne { done: Vec::new(), taken: Arc::clone(&taken) };
        let inputs = clips.iter().inspect(|_| _ = taken.fetch_add(1, Ordering::Relaxed));
        let totals = batch.run(inputs.map(|clip| Input::mono(clip, 16_000)), &mut sink).unwrap();
        // One under way at a time, so they are done in their order.
        assert_eq!(totals.done, 9);
        assert_eq!(sink.done, (0..9).collect::<Vec<usize>>());
    }
}

#[test]
fn the_bytes_of_a_file_give_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    silence(&path, 7);
    let bytes = std::fs::read(&path).unwrap();
    let (extractor, _) = fake(4, true);
    let expected = extractor.extract_file(&path).unwrap();
    let alone = extractor.extract_bytes("memory", bytes.clone()).unwrap();
    assert_eq!(alone.outputs()[0].values, expected.outputs()[0].values);
    assert_eq!((alone.times(), alone.warnings()), (expected.times(), expected.warnings()));

    let batch = BatchExtractor::new(&extractor, &options(2, 0)).unwrap();
    let mut recorder = Recorder::new(1);
    let inputs = [Input::bytes("memory", bytes), Input::bytes("no audio", *b"nothing of the kind")];
    let totals = batch.run(inputs, &mut recorder).unwrap();
    assert_eq!((totals.done, totals.failed), (1, 1));
    recorder.assert_rows(0, 0, &expected);
    let error = recorder.outcome(1).as_ref().unwrap_err().to_string();
    assert!(error.starts_with("<no audio>: "), "{error}");
}

//! Streams give the same bits as the offline extractor however audio is split, written and read, on one thread and on
//! two.

use std::marker::PhantomData;
use std::path::Path;

use proptest::prelude::*;
use sleeve::audio::{MonoStream, Resampler};
use sleeve::extractor::{Extractor, Rows};
use sleeve::model::Model;
use sleeve::patches::LastPatch;
use sleeve::stream::{Capacity, State, Stream, StreamOptions, StreamReader, StreamWriter, WriteError};
use sleeve_tests::audio::music;
use sleeve_tests::rows::RowBits;
use sleeve_tests::streams::{drain, offline, open, plain, small, whole};
use sleeve_tests::{output_of, peer, repository, skip, small_model};

/// The result of one read: the number of rows, and the state.
fn read(reader: &mut StreamReader, rows: &mut RowBits) -> (u64, State) {
    let outcome = reader.read(rows).unwrap();
    (outcome.rows, outcome.state)
}

fn write_wav(path: &Path, rate: u32, channels: u16, samples: &[f32], integers: Option<&[i16]>) {
    let (bits_per_sample, sample_format) = match integers {
        Some(_) => (16, hound::SampleFormat::Int),
        None => (32, hound::SampleFormat::Float),
    };
    let spec = hound::WavSpec { channels, sample_rate: rate, bits_per_sample, sample_format };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    match integers {
        Some(integers) => integers.iter().for_each(|&sample| writer.write_sample(sample).unwrap()),
        None => samples.iter().for_each(|&sample| writer.write_sample(sample).unwrap()),
    }
    writer.finalize().unwrap();
}

const RATES: [u32; 11] =
    [1_000, 8_000, 11_025, 16_000, 22_050, 32_000, 44_099, 44_100, 48_000, 96_000, 192_000];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_gives_the_bits_of_the_whole_recording(
        rate in prop::sample::select(RATES.to_vec()),
        channels in 1_u16..=6,
        seconds in 0.0..1.2,
        as_integers in any::<bool>(),
        hop in 1_usize..14,
        repeat in any::<bool>(),
        sinc in any::<bool>(),
        batch_size in 1_usize..6,
        capacity in prop_oneof![1_usize..40, 500_usize..20_000],
        // Number of frames to write, and whether to read afterwards.
        steps in prop::collection::vec(
            (prop_oneof![Just(1_usize), Just(17), Just(512), 0_usize..3_000, Just(1 << 20)], any::<bool>()),
            1..12,
        ),
    ) {
        let last_patch = if repeat { LastPatch::Repeat } else { LastPatch::Discard };
        let resampler = if sinc { Resampler::Sinc } else { Resampler::Linear };
        let extractor = small(hop, last_patch, resampler, batch_size);
        let mut samples = music(rate, channels.into(), seconds);
        let integers: Vec<i16> = samples.iter().map(|sample| (sample * 32_767.0) as i16).collect();
        if as_integers {
            samples = integers.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
        }
        let expected = offline(&extractor, &samples, rate, channels);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("same.wav");
        write_wav(&path, rate, channels, &samples, as_integers.then_some(&integers));
        let file = extractor.extract_file(&path);
        // A file without samples is an error; a stream without samples is an empty recording.
        if !samples.is_empty() {
            prop_assert_eq!(&RowBits::of(&file.unwrap()), &expected);
        }

        let width = usize::from(channels);
        let (mut writer, mut reader) = open(&extractor, rate, channels, capacity);
        prop_assert_eq!(writer.available(), capacity);
        // The samples written so far, at the model's rate, to know which patches are complete.
        let mut shadow = MonoStream::new(rate, channels, 16_000, resampler).unwrap();
        let mut heard = Vec::new();
        let (mut rows, mut done) = (RowBits::default(), 0);
        for &(frames, pull) in steps.iter().cycle() {
            if done == samples.len() {
                break;
            }
            let end = samples.len().min(done + frames * width);
            let room = writer.available();
            let taken = match as_integers {
                true => writer.write_i16(&integers[done..end]),
                false => writer.write(&samples[done..end]),
            };
            let taken = taken.unwrap();
            prop_assert_eq!(taken, room.min((end - done) / width), "a full queue takes what fits");
            shadow.push(&samples[done..done + taken * width], &mut heard).unwrap();
            done += taken * width;
            if pull || writer.available() == 0 || frames == 0 {
                prop_assert_eq!(drain(&mut reader, &mut rows), State::Waiting);
                let complete = extractor.patching().count((heard.len() / sleeve::front_end::musicnn::HOP) as u64);
                prop_assert_eq!(rows.len() as u64, complete, "every complete patch");
                prop_assert_eq!(writer.available(), capacity);
            }
        }
        writer.finish();
        prop_assert_eq!(drain(&mut reader, &mut rows), State::Finished);
        prop_assert_eq!(&rows, &expected);

        // Again with the same handles.
        writer.reset().unwrap();
        prop_assert_eq!(&whole(&mut writer, &mut reader, &samples, channels), &expected);
        // On one thread, in pieces larger than the queue.
        let options = StreamOptions::new(rate, channels).capacity(Capacity::Frames(capacity));
        let mut stream = Stream::new(&extractor, &options).unwrap();
        for _ in 0..2 {
            let mut rows = RowBits::default();
            let size = 5_000 * width;
            for (floats, integers) in samples.chunks(size).zip(integers.chunks(size)) {
                match as_integers {
                    true => stream.push_i16(integers, &mut rows).unwrap(),
                    false => stream.push(floats, &mut rows).unwrap(),
                }
            }
            stream.finish(&mut rows).unwrap();
            stream.finish(&mut rows).unwrap();
            prop_assert_eq!(&rows, &expected);
            stream.reset();
            stream.push(&samples[..samples.len().min(4_000 * width)], &mut RowBits::default()).unwrap();
            stream.reset();
        }
    }
}

#[test]
fn the_bundled_model_gives_the_bits_of_the_whole_recording() {
    let extractor = Extractor::builder(Model::bundled("msd-musicnn-1").unwrap());
    let extractor = extractor.last_patch(LastPatch::Repeat).build().unwrap();
    let samples = music(48_000, 2, 8.0);
    let expected = offline(&extractor, &samples, 48_000, 2);
    assert_eq!(expected.len(), 5);
    let (mut writer, mut reader) = Stream::open(&extractor, &StreamOptions::new(48_000, 2)).unwrap();
    // One block at a time, and all at once.
    let mut rows = RowBits::default();
    for block in samples.chunks(2 * 64) {
        assert_eq!(writer.write(block).unwrap(), block.len() / 2);
        drain(&mut reader, &mut rows);
    }
    writer.finish();
    assert_eq!(drain(&mut reader, &mut rows), State::Finished);
    assert_eq!(rows, expected);
    writer.reset().unwrap();
    assert_eq!(writer.write(&samples).unwrap(), samples.len() / 2);
    writer.finish();
    rows = RowBits::default();
    drain(&mut reader, &mut rows);
    assert_eq!(rows, expected);
}

#[test]
fn the_fused_engine_gives_the_bits_of_the_whole_recording() {
    let folder = repository().join("target/effnet-tests");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("stream.onnx");
    let Some(mut command) = peer("make_effnet.py") else { skip!("no peers; run `cargo xtask peers`") };
    output_of(command.arg(&path).args(["--style", "folded", "--seed", "9"]));
    let extractor = Extractor::builder(Model::open(&path).unwrap()).threads(2).build().unwrap();
    assert_eq!(extractor.engine().name(), "effnet");
    let samples = music(44_100, 1, 9.0);
    let expected = offline(&extractor, &samples, 44_100, 1);
    assert!(expected.len() > 6, "{} patches", expected.len());
    let (mut writer, mut reader) = open(&extractor, 44_100, 1, 44_100 * 5);
    // Each patch as soon as it is complete, then as many as the queue holds at once.
    let mut rows = RowBits::default();
    for chunk in samples.chunks(4_410) {
        writer.write(chunk).unwrap();
        drain(&mut reader, &mut rows);
    }
    writer.finish();
    assert_eq!(drain(&mut reader, &mut rows), State::Finished);
    assert_eq!(rows, expected);
    writer.reset().unwrap();
    assert_eq!(whole(&mut writer, &mut reader, &samples, 1), expected);
}

#[test]
fn a_patch_comes_with_its_last_sample() {
    let extractor = small(4, LastPatch::Discard, Resampler::Linear, 8);
    let (mut writer, mut reader) = open(&extractor, 16_000, 1, 16_000);
    let samples = music(16_000, 1, 1.0);
    let mut rows = RowBits::default();
    let mut pushed = 0;
    for patch in 0..10 {
        // Frame k ends at sample 256 (k + 1).
        let needed = 256 * (4 * patch + small_model::FRAMES);
        writer.write(&samples[pushed..needed - 1]).unwrap();
        assert_eq!(read(&mut reader, &mut rows), (0, State::Waiting), "{patch}");
        writer.write(&samples[needed - 1..needed]).unwrap();
        assert_eq!(read(&mut reader, &mut rows), (1, State::Waiting), "{patch}");
        pushed = needed;
    }
}

#[test]
fn queued_patches_come_in_batches_of_the_extractor_s_size() {
    let extractor = small(1, LastPatch::Discard, Resampler::Linear, 4);
    let (mut writer, mut reader) = open(&extractor, 16_000, 1, 16_000);
    writer.write(&music(16_000, 1, 1.0)).unwrap();
    let mut batches = Vec::new();
    let mut sink = |rows: &Rows<'_>| {
        batches.push(rows.times.len());
        Ok(())
    };
    assert_eq!(reader.read(&mut sink).unwrap().state, State::More);
    while reader.read(&mut sink).unwrap().state == State::More {}
    // 62 frames, so 54 patches.
    assert_eq!(batches, [vec![4; 13], vec![2]].concat());
}

/// A number below `end` that depends on `state`.
fn draw(state: &mut u64, end: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize % end
}

#[test]
fn two_threads_and_a_tight_queue_lose_nothing_and_mix_nothing() {
    let extractor = small(3, LastPatch::Repeat, Resampler::Linear, 4);
    // Even recordings are finished, odd ones abandoned.
    let recordings: Vec<Vec<f32>> =
        (0..60).map(|index| music(8_000, 2, 0.02 * f64::from(index % 13))).collect();
    let (mut writer, reader) = open(&extractor, 8_000, 2, 97);
    let expected: Vec<RowBits> =
        recordings.iter().map(|samples| offline(&extractor, samples, 8_000, 2)).collect();
    let (recordings, expected) = (&recordings, &expected);
    // Each thread owns its handle, so that a panic there also ends the other thread.
    std::thread::scope(move |scope| {
        scope.spawn(move || {
            let mut state = 1;
            for (index, samples) in recordings.iter().enumerate() {
                let mut rest = samples.as_slice();
                while !rest.is_empty() {
                    let frames = (1 + draw(&mut state, 150)).min(rest.len() / 2);
                    rest = &rest[2 * writer.write(&rest[..2 * frames]).unwrap()..];
                    std::thread::yield_now();
                }
                if index % 2 == 0 {
                    writer.finish();
                } else if samples.is_empty() {
                    // An empty recording cannot be abandoned: write one frame.
                    while writer.write(&[0.0; 2]).unwrap() == 0 {}
                }
                while writer.reset() == Err(WriteError::Busy) {
                    std::thread::yield_now();
                }
            }
        });
        let mut reader = reader;
        for (index, expected) in expected.iter().enumerate() {
            let mut rows = RowBits::default();
            let state = loop {
                match reader.read(&mut rows).unwrap().state {
                    State::More => {}
                    State::Waiting => std::thread::yield_now(),
                    state => break state,
                }
            };
            if index % 2 == 0 {
                assert_eq!(state, State::Finished, "{index}");
                assert_eq!(&rows, expected, "{index}");
            } else {
                assert_eq!(state, State::Abandoned, "{index}");
                assert!(expected.starts_with(&rows), "{index}");
            }
        }
    });
}

#[test]
fn several_streams_share_an_extractor_at_once() {
    let extractor = plain();
    let samples = music(32_000, 1, 2.0);
    let expected = offline(&extractor, &samples, 32_000, 1);
    let rows: Vec<RowBits> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (mut writer, mut reader) = open(&extractor, 32_000, 1, 1_000);
                let samples = &samples;
                scope.spawn(move || whole(&mut writer, &mut reader, samples, 1))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(rows.iter().all(|rows| rows == &expected));
    // The reader works after the extractor is dropped.
    let (mut writer, mut reader) = open(&extractor, 32_000, 1, 1_000);
    assert_eq!(reader.extractor().outputs().len(), 3);
    drop(extractor);
    assert_eq!(whole(&mut writer, &mut reader, &samples, 1), expected);
}

struct Probe<T>(PhantomData<T>);

impl<T: Sync> Probe<T> {
    fn is_sync(&self) -> bool {
        true
    }
}

trait NotSync {
    fn is_sync(&self) -> bool {
        false
    }
}

impl<T> NotSync for Probe<T> {}

#[test]
fn handles_move_between_threads_and_are_not_shared() {
    fn moves<T: Send>() {}
    moves::<StreamWriter>();
    moves::<StreamReader>();
    moves::<Stream>();
    assert!(Probe::<Extractor>(PhantomData).is_sync());
    assert!(!Probe::<StreamWriter>(PhantomData).is_sync());
    assert!(!Probe::<StreamReader>(PhantomData).is_sync());
}

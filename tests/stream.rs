//! Streams: the bits of the offline extractor however audio is cut, pushed and pulled; recordings one after another;
//! two real threads; and everything a caller can do wrong.

use std::marker::PhantomData;
use std::path::Path;
use std::sync::OnceLock;

use proptest::prelude::*;
use sleeve::Error;
use sleeve::audio::{MonoStream, Resampler};
use sleeve::extractor::{Extractor, Rows};
use sleeve::model::Model;
use sleeve::patches::LastPatch;
use sleeve::stream::{Capacity, Pulled, Puller, PushError, Pusher, State, Stream, StreamOptions};
use sleeve_tests::audio::music;
use sleeve_tests::rows::RowBits;
use sleeve_tests::small_model;

/// The small model with its head behind it.
fn small(hop: usize, last_patch: LastPatch, resampler: Resampler, batch_size: usize) -> Extractor {
    static MODELS: OnceLock<(Model, Model)> = OnceLock::new();
    let (model, head) = MODELS.get_or_init(|| (small_model::model(), small_model::head())).clone();
    let builder = Extractor::builder(model).head(head).threads(1).patch_hop(hop);
    builder.last_patch(last_patch).resampler(resampler).batch_size(batch_size).build().unwrap()
}

fn plain() -> Extractor {
    small(4, LastPatch::Repeat, Resampler::Linear, 8)
}

fn open(extractor: &Extractor, rate: u32, channels: u16, frames: usize) -> (Pusher, Puller) {
    let options = StreamOptions::new(rate, channels).capacity(Capacity::Frames(frames));
    Stream::open(extractor, &options).unwrap()
}

/// The mean of the channels at the signal's own rate.
fn downmixed(samples: &[f32], rate: u32, channels: u16) -> Vec<f32> {
    let mut mono = Vec::new();
    let mut stream = MonoStream::new(rate, channels, rate, Resampler::Linear).unwrap();
    stream.push(samples, &mut mono).unwrap();
    mono
}

/// What the offline extractor makes of interleaved samples.
fn offline(extractor: &Extractor, samples: &[f32], rate: u32, channels: u16) -> RowBits {
    RowBits::of(&extractor.extract_samples(&downmixed(samples, rate, channels), rate).unwrap())
}

/// Pulls until there is nothing to do.
fn drain(puller: &mut Puller, rows: &mut RowBits) -> State {
    loop {
        let before = rows.len() as u64;
        let Pulled { rows: given, state } = puller.pull(rows).unwrap();
        assert_eq!(rows.len() as u64 - before, given);
        if state != State::More {
            return state;
        }
        assert!(given > 0, "more only after rows");
    }
}

/// Pushes all of it, pulling whenever the queue is full.
fn push_all(pusher: &mut Pusher, puller: &mut Puller, samples: &[f32], channels: u16, rows: &mut RowBits) {
    let mut rest = samples;
    while !rest.is_empty() {
        rest = &rest[pusher.push(rest).unwrap() * usize::from(channels)..];
        drain(puller, rows);
    }
}

fn whole(pusher: &mut Pusher, puller: &mut Puller, samples: &[f32], channels: u16) -> RowBits {
    let mut rows = RowBits::default();
    push_all(pusher, puller, samples, channels, &mut rows);
    pusher.finish();
    assert_eq!(drain(puller, &mut rows), State::Ended);
    rows
}

/// The error of the next pull that fails.
fn failure(puller: &mut Puller, rows: &mut RowBits) -> Error {
    loop {
        match puller.pull(rows) {
            Ok(Pulled { state: State::More, .. }) => {}
            Ok(pulled) => panic!("{pulled:?}"),
            Err(error) => return error,
        }
    }
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
        // Pushed frames, and whether to pull then.
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
        // A file without a sample is no recording; a stream without one is an empty one.
        if !samples.is_empty() {
            prop_assert_eq!(&RowBits::of(&file.unwrap()), &expected);
        }

        let width = usize::from(channels);
        let (mut pusher, mut puller) = open(&extractor, rate, channels, capacity);
        prop_assert_eq!(pusher.room(), capacity);
        // What has been pushed so far, at the model's rate: it says which patches are complete.
        let mut shadow = MonoStream::new(rate, channels, 16_000, resampler).unwrap();
        let mut heard = Vec::new();
        let (mut rows, mut done) = (RowBits::default(), 0);
        for &(frames, pull) in steps.iter().cycle() {
            if done == samples.len() {
                break;
            }
            let end = samples.len().min(done + frames * width);
            let room = pusher.room();
            let taken = match as_integers {
                true => pusher.push_i16(&integers[done..end]),
                false => pusher.push(&samples[done..end]),
            };
            let taken = taken.unwrap();
            prop_assert_eq!(taken, room.min((end - done) / width), "a full queue takes what fits");
            shadow.push(&samples[done..done + taken * width], &mut heard).unwrap();
            done += taken * width;
            if pull || pusher.room() == 0 || frames == 0 {
                prop_assert_eq!(drain(&mut puller, &mut rows), State::Waiting);
                let complete = extractor.patching().count((heard.len() / sleeve::mel::HOP) as u64);
                prop_assert_eq!(rows.len() as u64, complete, "every patch that is complete");
                prop_assert_eq!(pusher.room(), capacity);
            }
        }
        pusher.finish();
        prop_assert_eq!(drain(&mut puller, &mut rows), State::Ended);
        prop_assert_eq!(&rows, &expected);

        // The same handles, from the start.
        pusher.reset().unwrap();
        prop_assert_eq!(&whole(&mut pusher, &mut puller, &samples, channels), &expected);
        // And on one thread, in pieces larger than the queue.
        let options = StreamOptions::new(rate, channels).capacity(Capacity::Frames(capacity));
        let mut stream = Stream::new(&extractor, &options).unwrap();
        for _ in 0..2 {
            let mut rows = RowBits::default();
            for piece in samples.chunks(5_000 * width) {
                stream.push(piece, &mut rows).unwrap();
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
    let (mut pusher, mut puller) = Stream::open(&extractor, &StreamOptions::new(48_000, 2)).unwrap();
    // A block at a time, and all at once.
    let mut rows = RowBits::default();
    for block in samples.chunks(2 * 64) {
        assert_eq!(pusher.push(block).unwrap(), block.len() / 2);
        drain(&mut puller, &mut rows);
    }
    pusher.finish();
    assert_eq!(drain(&mut puller, &mut rows), State::Ended);
    assert_eq!(rows, expected);
    pusher.reset().unwrap();
    assert_eq!(pusher.push(&samples).unwrap(), samples.len() / 2);
    pusher.finish();
    rows = RowBits::default();
    drain(&mut puller, &mut rows);
    assert_eq!(rows, expected);
}

#[test]
fn a_patch_comes_with_its_last_sample() {
    let extractor = small(4, LastPatch::Discard, Resampler::Linear, 8);
    let (mut pusher, mut puller) = open(&extractor, 16_000, 1, 16_000);
    let samples = music(16_000, 1, 1.0);
    let mut rows = RowBits::default();
    let mut pushed = 0;
    for patch in 0..10 {
        // Frame k reaches to sample 256 (k + 1).
        let needed = 256 * (4 * patch + small_model::FRAMES);
        pusher.push(&samples[pushed..needed - 1]).unwrap();
        assert_eq!(puller.pull(&mut rows).unwrap(), Pulled { rows: 0, state: State::Waiting }, "{patch}");
        pusher.push(&samples[needed - 1..needed]).unwrap();
        assert_eq!(puller.pull(&mut rows).unwrap(), Pulled { rows: 1, state: State::Waiting }, "{patch}");
        pushed = needed;
    }
}

#[test]
fn queued_patches_come_in_batches_of_the_extractor_s_size() {
    let extractor = small(1, LastPatch::Discard, Resampler::Linear, 4);
    let (mut pusher, mut puller) = open(&extractor, 16_000, 1, 16_000);
    pusher.push(&music(16_000, 1, 1.0)).unwrap();
    let mut batches = Vec::new();
    let mut sink = |rows: &Rows<'_>| {
        batches.push(rows.times.len());
        Ok(())
    };
    assert_eq!(puller.pull(&mut sink).unwrap().state, State::More);
    while puller.pull(&mut sink).unwrap().state == State::More {}
    // 62 frames, so 54 patches.
    assert_eq!(batches, [vec![4; 13], vec![2]].concat());
}

#[test]
fn recordings_wait_in_the_queue_one_behind_the_other() {
    let extractor = plain();
    let (mut pusher, mut puller) = open(&extractor, 22_050, 2, 100_000);
    let recordings: Vec<Vec<f32>> =
        [0.4, 0.0, 0.01, 0.6].map(|seconds| music(22_050, 2, seconds)).into_iter().collect();
    for samples in &recordings {
        pusher.push(samples).unwrap();
        pusher.finish();
        pusher.finish();
        assert_eq!(pusher.push(&[0.0; 2]), Err(PushError::Finished));
        assert_eq!(pusher.push_i16(&[]), Err(PushError::Finished));
        pusher.reset().unwrap();
        // Nothing to abandon.
        pusher.reset().unwrap();
    }
    for samples in &recordings {
        let mut rows = RowBits::default();
        assert_eq!(drain(&mut puller, &mut rows), State::Ended);
        assert_eq!(rows, offline(&extractor, samples, 22_050, 2));
    }
    let mut rows = RowBits::default();
    assert_eq!(drain(&mut puller, &mut rows), State::Waiting);
    pusher.finish();
    for _ in 0..3 {
        assert_eq!(drain(&mut puller, &mut rows), State::Ended, "until the next begins");
    }
    pusher.reset().unwrap();
    assert_eq!(drain(&mut puller, &mut rows), State::Waiting);
    assert!(rows.is_empty());
}

#[test]
fn an_abandoned_recording_gives_nothing_more_and_spoils_nothing() {
    let extractor = plain();
    let (mut pusher, mut puller) = open(&extractor, 44_100, 1, 50_000);
    let (first, second) = (music(44_100, 1, 0.9), music(44_100, 1, 0.5));
    let mut rows = RowBits::default();
    // Some of it was heard; what is in the queue, whole patches of it, is not.
    pusher.push(&first[..20_000]).unwrap();
    drain(&mut puller, &mut rows);
    let heard = rows.len();
    assert!(heard > 0);
    pusher.push(&first[20_000..]).unwrap();
    pusher.reset().unwrap();
    assert_eq!(drain(&mut puller, &mut rows), State::Abandoned);
    assert_eq!(rows.len(), heard);
    assert_eq!(drain(&mut puller, &mut rows), State::Waiting);
    assert_eq!(whole(&mut pusher, &mut puller, &second, 1), offline(&extractor, &second, 44_100, 1));
    // A finished recording before it is heard all the same.
    pusher.reset().unwrap();
    pusher.push(&second).unwrap();
    pusher.finish();
    pusher.reset().unwrap();
    pusher.push(&first[..9]).unwrap();
    pusher.reset().unwrap();
    rows = RowBits::default();
    assert_eq!(drain(&mut puller, &mut rows), State::Ended);
    assert_eq!(rows, offline(&extractor, &second, 44_100, 1));
    assert_eq!(drain(&mut puller, &mut rows), State::Abandoned);
    assert_eq!(drain(&mut puller, &mut rows), State::Waiting);
    assert_eq!(pusher.room(), 50_000);
}

#[test]
fn a_full_queue_still_takes_an_end_or_a_reset() {
    let extractor = plain();
    let (mut pusher, mut puller) = open(&extractor, 16_000, 2, 10);
    assert_eq!(pusher.push(&[0.5; 2 * 25]).unwrap(), 10);
    assert_eq!(pusher.push(&[0.5; 2]).unwrap(), 0);
    assert_eq!(pusher.room(), 0);
    pusher.finish();
    pusher.reset().unwrap();
    assert_eq!(pusher.push(&[0.5; 2]).unwrap(), 0, "still full");
    let mut rows = RowBits::default();
    assert_eq!(drain(&mut puller, &mut rows), State::Ended);
    assert_eq!(rows, offline(&extractor, &[0.5; 20], 16_000, 2));
    assert_eq!(pusher.push(&[0.5; 2 * 11]).unwrap(), 10);
    pusher.reset().unwrap();
    assert_eq!(drain(&mut puller, &mut rows), State::Abandoned);
    assert_eq!(pusher.room(), 10);
}

#[test]
fn endless_recordings_that_nobody_hears_are_refused_and_none_is_lost() {
    let extractor = plain();
    let (mut pusher, mut puller) = open(&extractor, 16_000, 1, 1_000);
    let mut finished = 0;
    loop {
        pusher.push(&[0.1; 3]).unwrap();
        pusher.finish();
        finished += 1;
        match pusher.reset() {
            Ok(()) => {}
            Err(error) => break assert_eq!(error, PushError::Busy),
        }
    }
    assert_eq!(finished, 64);
    for attempt in 0..finished {
        assert_eq!(drain(&mut puller, &mut RowBits::default()), State::Ended, "{attempt}");
    }
    pusher.reset().unwrap();
    assert_eq!(drain(&mut puller, &mut RowBits::default()), State::Waiting);
}

#[test]
fn a_bad_sample_is_refused_with_its_frame_after_all_that_came_before() {
    let extractor = small(4, LastPatch::Discard, Resampler::Linear, 8);
    let good = music(44_100, 2, 1.0);
    for (value, chunk) in [(f32::NAN, 30_000), (f32::INFINITY, 64), (f32::NEG_INFINITY, 1)] {
        let (mut pusher, mut puller) = open(&extractor, 44_100, 2, 30_000);
        let mut bad = good.clone();
        bad[2 * 20_123 + 1] = value;
        bad[2 * 20_500] = f32::NAN;
        let mut rows = RowBits::default();
        for samples in bad.chunks(2 * chunk).take(20_123 / chunk) {
            pusher.push(samples).unwrap();
            drain(&mut puller, &mut rows);
        }
        let pushed = 20_123 / chunk * chunk;
        pusher.push(&bad[2 * pushed..2 * 30_000.min(bad.len() / 2)]).unwrap();
        for _ in 0..3 {
            match failure(&mut puller, &mut rows) {
                Error::NonFinite { index: 20_123, value: found, .. } => {
                    assert_eq!(found.to_bits(), value.to_bits());
                }
                other => panic!("{other}"),
            }
        }
        let text = failure(&mut puller, &mut rows).to_string();
        let of_mono = downmixed(&good[..2 * 20_123], 44_100, 2);
        let mut mono = [of_mono.clone(), vec![value]].concat();
        let offline_text = extractor.extract_samples(&mono, 44_100).err().unwrap().to_string();
        assert_eq!(text, offline_text);
        // Everything that is complete before it, however it was pushed: patches that need no later sample.
        mono.pop();
        let expected = RowBits::of(&extractor.extract_samples(&mono, 44_100).unwrap());
        assert!(expected.starts_with(&rows));
        assert!(rows.len() + 1 >= expected.len() && !rows.is_empty(), "{} of {}", rows.len(), expected.len());
        // What follows is discarded, so the pusher is never stuck; the next recording is as good as any.
        assert_eq!(pusher.room(), 30_000);
        pusher.push(&good[..2_000]).unwrap();
        pusher.finish();
        assert!(matches!(puller.pull(&mut rows), Err(Error::NonFinite { index: 20_123, .. })));
        pusher.reset().unwrap();
        let rows = whole(&mut pusher, &mut puller, &good, 2);
        assert_eq!(rows, offline(&extractor, &good, 44_100, 2));
    }
}

#[test]
fn a_sink_s_error_or_panic_loses_the_recording_and_no_other() {
    let extractor = plain();
    let samples = music(16_000, 1, 0.5);
    let expected = offline(&extractor, &samples, 16_000, 1);
    let (mut pusher, mut puller) = open(&extractor, 16_000, 1, 8_000);
    pusher.push(&samples).unwrap();
    let mut enough = |_: &Rows<'_>| Err(Error::Unavailable("enough".into()));
    assert!(matches!(puller.pull(&mut enough), Err(Error::Unavailable(reason)) if reason == "enough"));
    let again = puller.pull(&mut RowBits::default()).unwrap_err();
    assert!(again.to_string().contains("enough"), "{again}");
    pusher.reset().unwrap();
    pusher.push(&samples).unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        puller.pull(&mut |_: &Rows<'_>| panic!("in a sink")).map(|_| ())
    }));
    assert!(panicked.is_err());
    let again = puller.pull(&mut RowBits::default()).unwrap_err();
    assert!(again.to_string().contains("panicked"), "{again}");
    pusher.reset().unwrap();
    assert_eq!(whole(&mut pusher, &mut puller, &samples, 1), expected);
}

#[test]
fn either_handle_may_go_first() {
    let extractor = plain();
    let samples = music(16_000, 1, 0.5);
    let mut rows = RowBits::default();

    // The pusher in the middle of a recording: abandoned, for ever.
    let (mut pusher, mut puller) = open(&extractor, 16_000, 1, 8_000);
    pusher.push(&samples).unwrap();
    drop(pusher);
    for _ in 0..3 {
        assert_eq!(drain(&mut puller, &mut rows), State::Abandoned);
    }
    assert!(rows.is_empty());

    // The pusher before anything, and at the end.
    let (pusher, mut puller) = open(&extractor, 16_000, 1, 8_000);
    drop(pusher);
    assert_eq!(drain(&mut puller, &mut rows), State::Abandoned);
    let (mut pusher, mut puller) = open(&extractor, 16_000, 1, 8_000);
    pusher.push(&samples).unwrap();
    pusher.finish();
    drop(pusher);
    for _ in 0..3 {
        assert_eq!(drain(&mut puller, &mut rows), State::Ended);
    }
    assert_eq!(rows, offline(&extractor, &samples, 16_000, 1));

    // The puller, with room left and without.
    for pushed in [0, 100, 8_000] {
        let (mut pusher, puller) = open(&extractor, 16_000, 1, 8_000);
        pusher.push(&samples[..pushed]).unwrap();
        drop(puller);
        assert_eq!(pusher.push(&samples), Err(PushError::Closed));
        assert_eq!(pusher.push_i16(&[]), Err(PushError::Closed));
        assert_eq!(pusher.reset(), Err(PushError::Closed));
        pusher.finish();
        pusher.finish();
    }
}

#[test]
fn options_that_cannot_be_are_refused() {
    let refusal = |options: StreamOptions| match Stream::open(&plain(), &options) {
        Err(Error::InvalidArgument(reason)) => reason,
        Err(other) => panic!("{options:?}: {other}"),
        Ok(_) => panic!("{options:?} was accepted"),
    };
    for rate in [0, 1, 999, 768_001, 1 << 31, u32::MAX] {
        assert!(refusal(StreamOptions::new(rate, 2)).contains(&format!("{rate} Hz")));
    }
    assert!(refusal(StreamOptions::new(48_000, 0)).contains("channel"));
    let capacities = [
        Capacity::Frames(0),
        Capacity::Frames(1 << 28),
        Capacity::Frames(usize::MAX),
        Capacity::Seconds(0.0),
        Capacity::Seconds(-1.0),
        Capacity::Seconds(1e9),
        Capacity::Seconds(f64::INFINITY),
        Capacity::Seconds(f64::NAN),
    ];
    for capacity in capacities {
        assert!(refusal(StreamOptions::new(48_000, 2).capacity(capacity)).contains("queue"), "{capacity:?}");
    }
    assert!(refusal(StreamOptions::new(48_000, u16::MAX)).contains("queue"), "10 s of 65,535 channels");
    // The smallest, and the widest.
    let options = StreamOptions::new(48_000, 2).capacity(Capacity::Seconds(1e-9));
    assert_eq!(Stream::open(&plain(), &options).unwrap().0.room(), 1);
    let (mut pusher, mut puller) = open(&plain(), 768_000, u16::MAX, 3);
    assert_eq!(pusher.push(&vec![0.25; 4 * usize::from(u16::MAX)]).unwrap(), 3);
    pusher.finish();
    let mut rows = RowBits::default();
    assert_eq!(drain(&mut puller, &mut rows), State::Ended);
    assert_eq!(rows.len(), 1);
}

#[test]
fn slices_of_no_whole_frames_are_refused_whole() {
    let (mut pusher, mut puller) = open(&plain(), 48_000, 3, 100);
    for samples in [1, 2, 4, 299, 3_001] {
        let error = PushError::PartialFrame { samples, channels: 3 };
        assert_eq!(pusher.push(&vec![0.0; samples]), Err(error));
        assert_eq!(pusher.push_i16(&vec![0; samples]), Err(error));
        assert!(error.to_string().contains(&format!("{samples} samples")));
        assert!(matches!(Error::from(error), Error::InvalidArgument(_)));
    }
    assert_eq!(pusher.room(), 100);
    assert_eq!(pusher.push(&[]), Ok(0));
    assert_eq!(pusher.push_i16(&[]), Ok(0));
    let mut rows = RowBits::default();
    assert_eq!(drain(&mut puller, &mut rows), State::Waiting);
    pusher.finish();
    assert_eq!(drain(&mut puller, &mut rows), State::Ended);
    assert!(rows.is_empty(), "an empty recording has no rows");
}

/// A number below `end` that depends on `state`.
fn draw(state: &mut u64, end: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize % end
}

#[test]
fn two_threads_and_a_tight_queue_lose_nothing_and_mix_nothing() {
    let extractor = small(3, LastPatch::Repeat, Resampler::Linear, 4);
    // Even ones are finished, odd ones abandoned.
    let recordings: Vec<Vec<f32>> =
        (0..60).map(|index| music(8_000, 2, 0.02 * f64::from(index % 13))).collect();
    let (mut pusher, mut puller) = open(&extractor, 8_000, 2, 97);
    let expected: Vec<RowBits> =
        recordings.iter().map(|samples| offline(&extractor, samples, 8_000, 2)).collect();
    std::thread::scope(|scope| {
        let recordings = &recordings;
        // The pusher goes with its thread, so that a panic there ends the test.
        scope.spawn(move || {
            let mut state = 1;
            for (index, samples) in recordings.iter().enumerate() {
                let mut rest = samples.as_slice();
                while !rest.is_empty() {
                    let frames = (1 + draw(&mut state, 150)).min(rest.len() / 2);
                    rest = &rest[2 * pusher.push(&rest[..2 * frames]).unwrap()..];
                    std::thread::yield_now();
                }
                if index % 2 == 0 {
                    pusher.finish();
                } else if samples.is_empty() {
                    // Nothing to abandon: make it one that was.
                    while pusher.push(&[0.0; 2]).unwrap() == 0 {}
                }
                while pusher.reset() == Err(PushError::Busy) {
                    std::thread::yield_now();
                }
            }
        });
        for (index, expected) in expected.iter().enumerate() {
            let mut rows = RowBits::default();
            let state = loop {
                match puller.pull(&mut rows).unwrap().state {
                    State::More => {}
                    State::Waiting => std::thread::yield_now(),
                    state => break state,
                }
            };
            if index % 2 == 0 {
                assert_eq!(state, State::Ended, "{index}");
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
                let (mut pusher, mut puller) = open(&extractor, 32_000, 1, 1_000);
                let samples = &samples;
                scope.spawn(move || whole(&mut pusher, &mut puller, samples, 1))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(rows.iter().all(|rows| rows == &expected));
    // The puller keeps what it needs of an extractor that is gone.
    let (mut pusher, mut puller) = open(&extractor, 32_000, 1, 1_000);
    assert_eq!(puller.extractor().outputs().len(), 3);
    drop(extractor);
    assert_eq!(whole(&mut pusher, &mut puller, &samples, 1), expected);
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
    moves::<Pusher>();
    moves::<Puller>();
    moves::<Stream>();
    assert!(Probe::<Extractor>(PhantomData).is_sync());
    assert!(!Probe::<Pusher>(PhantomData).is_sync());
    assert!(!Probe::<Puller>(PhantomData).is_sync());
}

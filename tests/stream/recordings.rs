//! One recording after another through a stream: finished, abandoned, waiting, left by either handle.

use sleeve::stream::{PushError, State};
use sleeve_tests::audio::music;
use sleeve_tests::rows::RowBits;
use sleeve_tests::streams::{drain, offline, open, plain, whole};

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

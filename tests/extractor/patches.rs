//! Patching compared with its plain version, and with Essentia's.

use proptest::prelude::*;
use sleeve::front_end::FrontEnd;
use sleeve::front_end::musicnn::frame_count;
use sleeve::patches::{LastPatch, Patcher, Patching};
use sleeve_tests::{output_of, peer, skip};

/// The plain version: patch `p` begins at frame `hop * p`. With `LastPatch::Repeat`, the frames after the starts of the
/// complete patches are repeated in a cycle until they fill one more.
fn plain(frames: &[f32], bands: usize, patching: Patching, last: LastPatch) -> Vec<Vec<f32>> {
    let frames: Vec<&[f32]> = frames.chunks(bands).collect();
    let mut patches = Vec::new();
    let mut start = 0;
    while start + patching.frames() <= frames.len() {
        patches.push(frames[start..start + patching.frames()].concat());
        start += patching.hop();
    }
    if last == LastPatch::Repeat && start < frames.len() {
        let left = &frames[start..];
        patches.push((0..patching.frames()).flat_map(|index| left[index % left.len()].to_vec()).collect());
    }
    patches
}

fn numbered(frames: usize, bands: usize) -> Vec<f32> {
    (0..frames * bands).map(|value| value as f32).collect()
}

/// Pushes chunks of the given numbers of frames, repeatedly.
fn streamed(
    patcher: &mut Patcher,
    frames: &[f32],
    bands: usize,
    chunks: &[usize],
    last: LastPatch,
) -> Vec<Vec<f32>> {
    let mut patches = Vec::new();
    let mut rest = frames;
    for &chunk in chunks.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (mut now, later) = rest.split_at((chunk * bands).min(rest.len()));
        rest = later;
        while let Some(patch) = patcher.next(&mut now) {
            patches.push(patch.to_vec());
        }
        let given = (frames.len() - rest.len()) / bands;
        assert_eq!(patches.len() as u64, patcher.patching().count(given as u64), "after {given} frames");
    }
    patches.extend(patcher.finish(last).map(<[f32]>::to_vec));
    patches
}

fn patching() -> impl Strategy<Value = Patching> {
    prop_oneof![
        Just(Patching::EFFNET),
        Just(Patching::MUSICNN),
        (1usize..40, 1usize..60)
            .prop_map(|(frames, hop)| Patching::new(FrontEnd::MusiCnn, frames, hop).unwrap()),
    ]
}

fn last_patch() -> impl Strategy<Value = LastPatch> {
    prop_oneof![Just(LastPatch::Discard), Just(LastPatch::Repeat)]
}

proptest! {
    #[test]
    fn any_chunking_gives_the_plain_patches(
        patching in patching(),
        frames in 0usize..700,
        bands in 1usize..4,
        chunks in prop::collection::vec(1usize..300, 1..6),
        last in last_patch(),
    ) {
        let frames = numbered(frames, bands);
        let expected = plain(&frames, bands, patching, last);
        let mut patcher = Patcher::new(patching, bands);
        prop_assert_eq!(&streamed(&mut patcher, &frames, bands, &chunks, last), &expected);
        // Again with the same patcher.
        prop_assert_eq!(&streamed(&mut patcher, &frames, bands, &chunks, last), &expected);
        prop_assert_eq!(patching.count_with((frames.len() / bands) as u64, last), expected.len() as u64);
    }

    #[test]
    fn ranges_are_those_of_the_patches(patching in patching(), frames in 0usize..700) {
        let values = numbered(frames, 1);
        for (index, patch) in plain(&values, 1, patching, LastPatch::Discard).iter().enumerate() {
            prop_assert_eq!(&values[patching.range(index)], patch.as_slice());
            prop_assert_eq!(patching.start(index as u64), patching.range(index).start as u64);
        }
    }
}

#[test]
fn the_count_is_right_for_every_length_of_signal() {
    for samples in 0..100_000u64 {
        let frames = frame_count(samples);
        let expected = if frames < 128 { 0 } else { 1 + (frames - 128) / 62 };
        assert_eq!(Patching::EFFNET.count(frames), expected, "{samples} samples");
    }
}

#[test]
fn patches_beside_essentia() {
    let cases = [
        (1, 4, 2),
        (3, 4, 2),
        (4, 4, 2),
        (10, 4, 2),
        (11, 4, 2),
        (12, 4, 3),
        (13, 4, 3),
        (14, 4, 3),
        (4, 4, 4),
        (5, 4, 4),
        (7, 4, 4),
        (8, 4, 4),
        (2, 8, 3),
        (15, 8, 3),
        (127, 128, 62),
        (128, 128, 62),
        (189, 128, 62),
        (190, 128, 62),
        (191, 128, 62),
        (627, 128, 62),
        (186, 187, 93),
        (187, 187, 93),
        (1000, 187, 93),
    ];
    for last in [LastPatch::Discard, LastPatch::Repeat] {
        let Some(mut essentia) = peer("patches.py") else { skip!("no peers' Python") };
        essentia.arg(format!("{last:?}").to_lowercase());
        for (frames, size, hop) in cases {
            essentia.arg(format!("{frames},{size},{hop}"));
        }
        let answer = String::from_utf8(output_of(&mut essentia)).unwrap();
        let lines: Vec<&str> = answer.lines().collect();
        assert_eq!(lines.len(), cases.len());
        for ((frames, size, hop), line) in cases.into_iter().zip(lines) {
            let theirs: Vec<f32> = line.split_whitespace().map(|value| value.parse().unwrap()).collect();
            let patching = Patching::new(FrontEnd::MusiCnn, size, hop).unwrap();
            let mut patcher = Patcher::new(patching, 1);
            let ours = streamed(&mut patcher, &numbered(frames, 1), 1, &[97], last).concat();
            assert_eq!(ours, theirs, "{frames} frames, patches {size}/{hop}, {last:?}");
        }
    }
}

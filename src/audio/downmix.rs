//! Any number of channels to one: their mean, as in Essentia's `MonoMixer`.

use super::source::{Block, Samples};

/// Appends one mono sample per frame of `block`: the only channel, `0.5 * (left + right)`, or the equal mean
/// of more. The result is neither normalised nor clipped.
pub(super) fn downmix(block: &Block<'_>, out: &mut Vec<f32>) {
    match &block.samples {
        Samples::Interleaved { samples, channels } => interleaved(samples, *channels, out),
        Samples::Planar(planes) => match planes.as_slice() {
            [mono] => out.extend_from_slice(mono),
            [left, right] => out.extend(left.iter().zip(*right).map(|(l, r)| stereo(*l, *r))),
            planes => {
                let start = out.len();
                out.resize(start + block.frames, 0.0);
                let sums = &mut out[start..];
                let share = 1.0 / planes.len() as f32;
                for plane in planes {
                    sums.iter_mut().zip(*plane).for_each(|(sum, sample)| *sum += sample * share);
                }
            }
        },
    }
}

/// The same bits as `0.5 * (left + right)`, except that the sum cannot overflow: finite samples stay finite.
fn stereo(left: f32, right: f32) -> f32 {
    0.5 * left + 0.5 * right
}

fn interleaved(samples: &[f32], channels: usize, out: &mut Vec<f32>) {
    match channels {
        1 => out.extend_from_slice(samples),
        2 => out.extend(samples.chunks_exact(2).map(|frame| stereo(frame[0], frame[1]))),
        _ => {
            let share = 1.0 / channels as f32;
            let mean = |frame: &[f32]| frame.iter().fold(0.0, |sum, sample| sum + sample * share);
            out.extend(samples.chunks_exact(channels).map(mean));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loudest_samples_do_not_overflow() {
        let samples = [f32::MAX; 12];
        for channels in [1, 2, 3, 4, 6] {
            let mut out = Vec::new();
            interleaved(&samples, channels, &mut out);
            assert!(out.iter().all(|sample| sample.is_finite()), "{channels} channels");
        }
    }

    #[test]
    fn both_layouts_give_the_same_mean() {
        for channels in 1..=8 {
            let frames = 37;
            let value = |channel: usize, frame: usize| ((channel * 31 + frame * 7) as f32 * 0.37).sin();
            let planes: Vec<Vec<f32>> = (0..channels)
                .map(|channel| (0..frames).map(|frame| value(channel, frame)).collect())
                .collect();
            let planar = Block {
                rate: 16_000,
                frames,
                samples: Samples::Planar(planes.iter().map(Vec::as_slice).collect()),
            };
            let mut samples = Vec::new();
            planar.interleave(&mut samples);
            let interleaved =
                Block { rate: 16_000, frames, samples: Samples::Interleaved { samples: &samples, channels } };

            let (mut a, mut b) = (Vec::new(), Vec::new());
            downmix(&planar, &mut a);
            downmix(&interleaved, &mut b);
            assert_eq!(a, b);
            for (frame, mono) in a.iter().enumerate() {
                let mean: f64 = (0..channels).map(|channel| f64::from(value(channel, frame))).sum::<f64>()
                    / channels as f64;
                assert!((f64::from(*mono) - mean).abs() < 2e-7, "{channels} channels: {mono} for {mean}");
            }
        }
    }
}

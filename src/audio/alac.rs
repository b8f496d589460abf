//! Tells damaged packets of ALAC from music.
//!
//! ALAC has no checksum, and a packet with a wrong bit decodes to noise at full scale. Two things tell it. The samples end
//! where the packet does, but for a mark and less than a byte, and behind a wrong bit they mostly do not. The decoder does
//! not say where they end: so a packet that sounds unlike those before it is decoded once more without its last two bytes,
//! which an intact one cannot be. And where only the prediction went astray, it leaps between both ends of the scale, up to
//! the end of the packet: music that begins so goes on in the next one.

/// How much larger the steps between samples are than before, in a packet that is looked at.
const UNLIKE: f32 = 4.0;
/// Steps that are too small to be heard.
const QUIET: f32 = 1e-3;
/// A step from one end of the scale towards the other, and how many of them music does not have in a packet alone.
const LEAP: f32 = 1.2;
const LEAPS: usize = 4;
/// Bytes at the end of a packet of which the samples need some bits.
const LAST: usize = 2;

/// What is known of the packets so far.
#[derive(Debug, Default)]
pub(super) struct Check {
    /// The mean step between the samples of the packets before.
    usual: f32,
    /// Whether packets end with their samples; `None` before the first. Some programs fill them up.
    is_exact: Option<bool>,
}

/// What a packet is, by its samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    Music,
    Damaged,
    /// Noise, which is music if the next packet is like it.
    Noise,
}

impl Check {
    /// What the packet is that decoded to these samples. `decode` decodes a part of it, and says whether that gave samples.
    pub(super) fn judge(
        &mut self,
        packet: &[u8],
        planes: &[Vec<f32>],
        decode: impl FnOnce(&[u8]) -> bool,
    ) -> Verdict {
        let is_first = self.is_exact.is_none();
        let step = mean_step(planes);
        let is_unlike = self.is_unlike(step);
        if is_first || (is_unlike && self.is_exact == Some(true)) {
            let is_exact = !decode(&packet[..packet.len().saturating_sub(LAST)]);
            self.is_exact = self.is_exact.or(Some(is_exact));
            if !is_first && !is_exact {
                return Verdict::Damaged;
            }
        }
        if !is_first && is_unlike && leaps(planes) >= LEAPS {
            return Verdict::Noise;
        }
        self.accept(step);
        Verdict::Music
    }

    /// Whether the steps between samples are much larger than before.
    pub(super) fn is_unlike(&self, step: f32) -> bool {
        step > UNLIKE * self.usual.max(QUIET)
    }

    /// Takes samples with these steps for music.
    pub(super) fn accept(&mut self, step: f32) {
        self.usual = if self.usual == 0.0 { step } else { 0.75 * self.usual + 0.25 * step };
    }
}

/// The mean step between neighbouring samples.
pub(super) fn mean_step(planes: &[Vec<f32>]) -> f32 {
    let count: usize = planes.iter().map(|plane| plane.len()).sum();
    planes.iter().map(|plane| steps(plane)).sum::<f32>() / count.max(1) as f32
}

/// The sum of the steps, in lanes that do not wait for each other; but for the last few.
fn steps(plane: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 16];
    let next = plane.get(1..).unwrap_or_default();
    for (these, next) in plane.chunks_exact(lanes.len()).zip(next.chunks_exact(lanes.len())) {
        for (lane, (this, next)) in lanes.iter_mut().zip(these.iter().zip(next)) {
            *lane += (next - this).abs();
        }
    }
    lanes.iter().sum()
}

fn leaps(planes: &[Vec<f32>]) -> usize {
    let leaps = |plane: &[f32]| plane.windows(2).filter(|pair| (pair[1] - pair[0]).abs() > LEAP).count();
    planes.iter().map(|plane| leaps(plane)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_sounds_unlike_is_decoded_twice() {
        let music = vec![(0..100).map(|at| (at as f32 * 0.1).sin() * 0.3).collect::<Vec<f32>>()];
        let noise = vec![(0..100).map(|at| if at % 2 == 0 { 0.9 } else { -0.9 }).collect::<Vec<f32>>()];
        let bright = vec![(0..100).map(|at| if at % 2 == 0 { 0.3 } else { -0.3 }).collect::<Vec<f32>>()];
        let mut check = Check::default();
        let mut lens = Vec::new();
        let first = check.judge(&[0; 50], &music, |part| {
            lens.push(part.len());
            false
        });
        assert_eq!((first, lens), (Verdict::Music, vec![48]), "the first is always decoded twice");
        assert_eq!(check.judge(&[0; 50], &music, |_| panic!("like the one before")), Verdict::Music);
        assert_eq!(check.judge(&[0; 50], &noise, |_| true), Verdict::Damaged, "bits are left over");
        assert_eq!(check.judge(&[0; 50], &noise, |_| false), Verdict::Noise);
        assert!(check.is_unlike(mean_step(&noise)) && !check.is_unlike(mean_step(&music)));
        assert_eq!(check.judge(&[0; 50], &bright, |_| false), Verdict::Music, "no leaps");
        (0..8).for_each(|_| check.accept(mean_step(&noise)));
        assert_eq!(check.judge(&[0; 50], &noise, |_| panic!("like the ones before")), Verdict::Music);
        // Packets that are filled up say nothing.
        let mut check = Check::default();
        assert_eq!(check.judge(&[0; 50], &music, |_| true), Verdict::Music);
        assert_eq!(check.judge(&[0; 50], &bright, |_| panic!("it says nothing")), Verdict::Music);
    }
}

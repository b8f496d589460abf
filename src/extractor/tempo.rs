//! TempoCNN's classes as a tempo.

/// The tempo of the first class, in BPM; each class is one more.
const LOWEST: usize = 30;

/// `[BPM, probability]` of the most probable class of one patch, the first of equal ones, as in Essentia's `TempoCNN`.
/// There is no interpolation. NaN gives `[0, 0]`.
pub(super) fn of_classes(probabilities: &[f32]) -> [f32; 2] {
    let Some((class, probability)) = super::pitch::strongest(probabilities) else { return [0.0; 2] };
    [(LOWEST + class) as f32, probability]
}

/// The tempo of a recording from those of its patches, `[BPM, probability]` each: that of most patches, the first of
/// equally many (Essentia's `aggregationMethod = majority`), with the mean probability of those patches. `None` without
/// patches.
pub fn global_tempo<'a>(patches: impl IntoIterator<Item = &'a [f32]>) -> Option<[f32; 2]> {
    let mut counts: Vec<(f32, u32, f64)> = Vec::new();
    for patch in patches {
        let &[bpm, probability] = patch else { continue };
        match counts.iter_mut().find(|(known, ..)| *known == bpm) {
            Some((_, count, sum)) => {
                *count += 1;
                *sum += f64::from(probability);
            }
            None => counts.push((bpm, 1, f64::from(probability))),
        }
    }
    // `max_by_key` gives the last of equal ones.
    let (bpm, count, sum) = counts.into_iter().rev().max_by_key(|(_, count, _)| *count)?;
    Some([bpm, (sum / f64::from(count)) as f32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_most_probable_classes_counts() {
        let mut classes = vec![0.0; 256];
        (classes[94], classes[90]) = (0.4, 0.4);
        assert_eq!(of_classes(&classes), [120.0, 0.4]);
        assert_eq!(of_classes(&[f32::NAN; 256]), [0.0, 0.0]);
    }

    #[test]
    fn most_patches_decide() {
        let patches = [[120.0, 0.25], [60.0, 0.9], [60.0, 0.8], [120.0, 0.75], [90.0, 1.0]];
        assert_eq!(global_tempo(patches.iter().map(|patch| &patch[..])), Some([120.0, 0.5]));
        assert_eq!(global_tempo([]), None);
    }
}

//! From samples to the first stage of a transform: window, and the split of a large transform into parts of 256 points.

use super::fft::{Complex, PART, Turn, transform_2, transform_4, transform_4_of_2};
use super::lanes::{Block, Lanes, Single, Value};
use super::tables::Tables;

/// Half the lanes of the widest vector: the complex points of a block of samples.
const MOST: usize = 8;

/// Fills `points` with the frames' windowed samples, even ones as real and odd ones as imaginary parts, and zeros after
/// them; frame `i` in lane `i`. A transform of 512 or 1024 points is split already, into two of its even and its odd
/// bins, or four of every fourth bin: what remains is to transform each 256 points.
#[inline(always)]
pub(super) fn load<V: Lanes, const POINTS: usize, const FRAME: usize, const HOP: usize>(
    samples: &[f32],
    tables: &Tables<V::Value>,
    points: &mut [Complex<V>; POINTS],
) {
    const { assert!(FRAME <= 2 * POINTS && FRAME.is_multiple_of(2)) };
    let window: &[V::Value; FRAME] = tables.window[..].try_into().expect("the window is as long as a frame");
    let splitting = &tables.twiddles.splitting[..];
    let parts = points.as_chunks_mut::<PART>().0;
    for first in (0..PART).step_by(V::COUNT / 2) {
        match parts {
            [whole] => {
                let a = block::<V, FRAME, HOP>(samples, window, first, 0);
                whole[first..][..V::COUNT / 2].copy_from_slice(&a[..V::COUNT / 2]);
            }
            [even, odd] => {
                let (a, b) = (
                    block::<V, FRAME, HOP>(samples, window, first, 0),
                    block::<V, FRAME, HOP>(samples, window, first, 1),
                );
                for index in 0..V::COUNT / 2 {
                    let at = first + index;
                    let [sum, difference] = transform_2(a[index], b[index]);
                    even[at] = sum;
                    odd[at] = turned(difference, splitting[0][at]);
                }
            }
            [zeroth, one, two, three] => {
                let (a, b) = (
                    block::<V, FRAME, HOP>(samples, window, first, 0),
                    block::<V, FRAME, HOP>(samples, window, first, 1),
                );
                // Where a frame fills no more than half of the transform, the rest adds nothing.
                let half = FRAME <= 4 * PART;
                let (c, d) = if half {
                    (a, b)
                } else {
                    (
                        block::<V, FRAME, HOP>(samples, window, first, 2),
                        block::<V, FRAME, HOP>(samples, window, first, 3),
                    )
                };
                for index in 0..V::COUNT / 2 {
                    let at = first + index;
                    let [w, x, y, z] = if half {
                        transform_4_of_2(a[index], b[index])
                    } else {
                        transform_4(a[index], b[index], c[index], d[index])
                    };
                    zeroth[at] = w;
                    one[at] = turned(x, splitting[0][at]);
                    two[at] = turned(y, splitting[1][at]);
                    three[at] = turned(z, splitting[2][at]);
                }
            }
            _ => unreachable!("transforms have 256, 512 or 1024 points"),
        }
    }
}

// Not closures: those may not be inlined.

#[inline(always)]
fn turned<V: Lanes>(point: Complex<V>, (cos, sin): Turn<V::Value>) -> Complex<V> {
    point.turned(V::splat(cos), V::splat(sin))
}

/// As many samples of each frame as there are lanes, windowed, as the complex points from `point` of a part on; zeros
/// after the frame.
#[inline(always)]
fn block<V: Lanes, const FRAME: usize, const HOP: usize>(
    samples: &[f32],
    window: &[V::Value; FRAME],
    point: usize,
    part: usize,
) -> [Complex<V>; MOST] {
    let first = 2 * (part * PART + point);
    let zero = V::constant(0.0);
    let mut points = [Complex { re: zero, im: zero }; MOST];
    if first >= FRAME {
        return points;
    }
    let mut block: Block<V::Single> = [V::Single::splat(0.0); 16];
    let mut weights = [V::Value::rounded(0.0); 16];
    if FRAME.is_multiple_of(V::COUNT) || first + V::COUNT <= FRAME {
        for frame in 0..V::COUNT {
            block[frame] = V::Single::load(&samples[frame * HOP + first..]);
        }
        weights[..V::COUNT].copy_from_slice(&window[first..][..V::COUNT]);
    } else {
        // What follows the frame belongs to others, and may be NaN.
        let rest = FRAME - first;
        for frame in 0..V::COUNT {
            let mut values = [0.0; 16];
            values[..rest].copy_from_slice(&samples[frame * HOP + first..][..rest]);
            block[frame] = V::Single::load(&values);
        }
        weights[..rest].copy_from_slice(&window[first..]);
    }
    V::Single::transpose(&mut block);
    for (pair, point) in points[..V::COUNT / 2].iter_mut().enumerate() {
        let (even, odd) = (2 * pair, 2 * pair + 1);
        *point = Complex {
            re: V::of_samples(block[even]) * V::splat(weights[even]),
            im: V::of_samples(block[odd]) * V::splat(weights[odd]),
        };
    }
    points
}

//! A convolution of a single channel along time, and the maximum over all bands: MusiCNN's front end.
//!
//! There are few filters, often no whole vector of them, but 187 places in time; so lanes are places, and each weight is
//! broadcast. Only the maximum over the bands is stored, so the maps (59 times as large) never leave the registers.
//!
//! **Fewer multiplications.** Along time this is Toom and Cook's algorithm (Winograd's): four neighbouring results of a
//! filter of `r` taps need `4 r` products, but their polynomial product is determined by its values at `r + 3` points.
//! So the input is transformed once: for each group of four places `s`, each band and each point, a weighted sum of `r +
//! 3` neighbours ([`input`]). The filters are transformed when the network is planned. Then there are `r + 3` products
//! for four results ([`tile`]), summed over the bands of the filter and over its groups of taps *before* the result is
//! transformed back, which therefore costs little. 7 taps take 10 products in place of 28. Longer filters are cut in
//! groups of 4 taps, 7 products in place of 16.
//!
//! The points are 0, pairs of `p` and `-p`, one more for an even number, and infinity (the last coefficient). Small
//! fractions keep the rounding low: the results of MusiCNN are within 1.4e-6 of the exact ones, those of the direct sum
//! within 3e-7.

use crate::engine::cpu::simd::Vector;

/// Results of a group of places.
pub(in crate::engine::fused) const GROUP: usize = 4;
/// The most points of a transform.
pub(in crate::engine::fused) const MAX_POINTS: usize = 10;

/// Transforms one band of the input for all groups of places.
pub(in crate::engine::fused) struct SpreadInputArgs<'a> {
    /// The band's value at time 0, the floats from one time to the next, and the number of times.
    pub input: *const f32,
    pub time: usize,
    pub times: usize,
    /// Zeros before time 0 in the first group.
    pub before: usize,
    /// `[point][neighbour]`
    pub matrix: &'a [[f32; MAX_POINTS]],
    /// Groups of places, padded to whole vectors.
    pub places: usize,
    /// The transformed values: `point` floats from one point to the next.
    pub output: *mut f32,
    pub point: usize,
    /// `GROUP` rows of [`phase`] floats.
    pub phases: *mut f32,
    /// Becomes NaN if a value is not finite, and 0 otherwise.
    pub poison: *mut f32,
}

/// Floats of one phase: the values whose time is the same modulo [`GROUP`].
pub(in crate::engine::fused) fn phase(places: usize) -> usize {
    places + MAX_POINTS.div_ceil(GROUP)
}

/// Larger values could overflow in the transform, where infinities cancel; such a patch gives NaN.
const LIMIT: f32 = 1e30;

/// # Safety
/// The CPU has `V`'s instruction set, and the addresses of `args` are valid for the sizes stated.
#[inline(always)]
pub(super) unsafe fn input<V: Vector>(args: &SpreadInputArgs) {
    let phase = phase(args.places);
    let points = args.matrix.len();
    // SAFETY: the caller's promise.
    unsafe {
        let mut is_finite = true;
        for first in 0..GROUP {
            let row = args.phases.add(first * phase);
            for place in 0..phase {
                let at = place * GROUP + first;
                // Before the first time, this wraps to a large number.
                let time = at.wrapping_sub(args.before);
                let value = if time < args.times { *args.input.add(time * args.time) } else { 0.0 };
                is_finite &= value.abs() < LIMIT;
                *row.add(place) = value;
            }
        }
        *args.poison = if is_finite { 0.0 } else { f32::NAN };
        let mut place = 0;
        while place < args.places {
            let mut near = [V::splat(0.0); MAX_POINTS];
            for b in 0..points {
                near[b] = V::load(args.phases.add(b % GROUP * phase + place + b / GROUP));
            }
            for (a, row) in args.matrix.iter().enumerate() {
                let mut sum = V::splat(row[0]).mul(near[0]);
                for b in 1..points {
                    sum = V::splat(row[b]).mul_add(near[b], sum);
                }
                sum.store(args.output.add(a * args.point + place));
            }
            place += V::LANES;
        }
    }
}

/// Some filters by some vectors of groups of places.
pub(in crate::engine::fused) struct SpreadArgs<'a> {
    /// The transformed input at this first group of places: `point` floats from point to point, `band` from band to
    /// band.
    pub transformed: *const f32,
    pub point: usize,
    pub band: usize,
    pub points: usize,
    /// Distances of the products of one result: bands and groups of taps.
    pub taps: &'a [u32],
    /// `[point][tap][filter]`
    pub weights: *const f32,
    /// The positive points of the pairs, their squares and their cubes.
    pub pairs: &'a [[f32; 3]],
    /// The single point, its square and its cube.
    pub single: Option<[f32; 3]>,
    /// Bands of which the maximum is taken.
    pub bands: usize,
    /// For each point, and for each of the `GROUP` results: the tile's vectors.
    pub sums: *mut f32,
    pub most: *mut f32,
    /// The result of time 0 and the tile's first filter; `output_time` floats to the next time.
    pub output: *mut f32,
    pub output_time: usize,
    /// The first time of the tile, and the number of all times.
    pub first_time: usize,
    pub times: usize,
    /// Added to the filters' results.
    pub bias: *const f32,
    pub poison: f32,
}

/// # Safety
/// The CPU has `V`'s instruction set, and the addresses of `args` are valid for `F` filters and `C` vectors of places.
#[inline(always)]
pub(super) unsafe fn tile<V: Vector, const F: usize, const C: usize>(args: &SpreadArgs, _filter: usize) {
    let tile = F * C * V::LANES;
    // SAFETY: the caller's promise.
    unsafe {
        for i in 0..GROUP * F * C {
            V::splat(f32::NEG_INFINITY).store(args.most.add(i * V::LANES));
        }
        for band in 0..args.bands {
            for point in 0..args.points {
                let from = args.transformed.add(point * args.point + band * args.band);
                let mut weights = args.weights.add(point * args.taps.len() * F);
                let mut sums = [[V::splat(0.0); C]; F];
                macro_rules! add_tap {
                    ($tap:expr) => {{
                        let mut near = [V::splat(0.0); C];
                        for c in 0..C {
                            near[c] = V::load(from.add($tap as usize + c * V::LANES));
                        }
                        if V::BY_LANE && F >= 4 {
                            add_filters(&near, weights, &mut sums);
                        } else {
                            for f in 0..F {
                                let weight = V::splat(*weights.add(f));
                                for c in 0..C {
                                    sums[f][c] = weight.mul_add(near[c], sums[f][c]);
                                }
                            }
                        }
                        weights = weights.add(F);
                    }};
                }
                let mut taps = args.taps;
                if V::BY_LANE {
                    while let [one, other, rest @ ..] = taps {
                        add_tap!(*one);
                        add_tap!(*other);
                        taps = rest;
                    }
                }
                for &tap in taps {
                    add_tap!(tap);
                }
                let to = args.sums.add(point * tile);
                for f in 0..F {
                    for c in 0..C {
                        sums[f][c].store(to.add((f * C + c) * V::LANES));
                    }
                }
            }
            back::<V>(args, tile);
        }
        scatter::<V, F, C>(args);
    }
}

/// Adds the products of `F` weights, at least four of them, with `C` vectors: weights are loaded by fours.
///
/// # Safety
/// As for [`Vector::splat`]; `V` has four lanes, and the weights can be read.
#[inline(always)]
unsafe fn add_filters<V: Vector, const F: usize, const C: usize>(
    near: &[V; C],
    weights: *const f32,
    sums: &mut [[V; C]; F],
) {
    // SAFETY: the caller's promise. The last four overlap those before them where there are not four left.
    unsafe {
        let last = F - 4;
        let fours = [V::load(weights), V::load(weights.add(last))];
        macro_rules! add_filter {
            ($four:expr, $first:expr, $lane:literal) => {
                for c in 0..C {
                    sums[$first + $lane][c] =
                        fours[$four].mul_add_lane::<$lane>(near[c], sums[$first + $lane][c]);
                }
            };
        }
        add_filter!(0, 0, 0);
        add_filter!(0, 0, 1);
        add_filter!(0, 0, 2);
        add_filter!(0, 0, 3);
        if last >= 4 {
            add_filter!(1, last, 0);
        }
        if last >= 3 {
            add_filter!(1, last, 1);
        }
        if last >= 2 {
            add_filter!(1, last, 2);
        }
        if last >= 1 {
            add_filter!(1, last, 3);
        }
    }
}

/// Transforms the sums of one band back and takes the maximum with those of the bands before.
#[inline(always)]
unsafe fn back<V: Vector>(args: &SpreadArgs, tile: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut at = 0;
        while at < tile {
            let sum = |point: usize| V::load(args.sums.add(point * tile + at));
            let mut results = [sum(0), V::splat(0.0), V::splat(0.0), sum(args.points - 1)];
            let mut point = 1;
            for pair in args.pairs {
                let (plus, minus) = (sum(point), sum(point + 1));
                let (even, odd) = (plus.add(minus), plus.sub(minus));
                results[0] = results[0].add(even);
                results[1] = V::splat(pair[0]).mul_add(odd, results[1]);
                results[2] = V::splat(pair[1]).mul_add(even, results[2]);
                results[3] = V::splat(pair[2]).mul_add(odd, results[3]);
                point += 2;
            }
            if let Some(powers) = args.single {
                let value = sum(point);
                results[0] = results[0].add(value);
                for i in 0..3 {
                    results[i + 1] = V::splat(powers[i]).mul_add(value, results[i + 1]);
                }
            }
            for i in 0..GROUP {
                let most = args.most.add(i * tile + at);
                // Not finite values have been found before: see `poison`.
                results[i].max(V::load(most)).store(most);
            }
            at += V::LANES;
        }
    }
}

/// Writes the maxima time by time.
#[inline(always)]
unsafe fn scatter<V: Vector, const F: usize, const C: usize>(args: &SpreadArgs) {
    let places = C * V::LANES;
    // SAFETY: the caller's promise.
    unsafe {
        for place in 0..places {
            for i in 0..GROUP {
                let time = args.first_time + place * GROUP + i;
                if time >= args.times {
                    return;
                }
                let to = args.output.add(time * args.output_time);
                for f in 0..F {
                    let most = *args.most.add((i * F + f) * places + place);
                    *to.add(f) = most + *args.bias.add(f) + args.poison;
                }
            }
        }
    }
}

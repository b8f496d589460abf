//! Tensors whose values depend on their names, the same here and in `tests/peers/network_reference.py`.

use sleeve_training::network::parameters::parameters;
use sleeve_training::network::{Head, Tensor, Tensors};

/// Values in 0..1, a function of a name: FNV-1a of the name, then splitmix64 of every index.
pub fn uniform(name: &str, count: usize) -> Vec<f64> {
    let start = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mix = |index: u64| {
        let mut z = start.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 24)
    };
    (1..=count as u64).map(mix).collect()
}

/// A network's tensors.
pub fn tensors(heads: &[Head]) -> Tensors {
    let fill = |name: &str, dims: &[usize]| -> Vec<f32> {
        let fan_in: usize = dims[1..].iter().product();
        let value = |u: f64| match dims.len() {
            _ if name.ends_with("running_var") => 0.5 + u,
            _ if name.ends_with("similarity") => (2.0 * u - 1.0) * 0.09,
            1 if name.ends_with("weight") => 0.6 + u,
            1 => (2.0 * u - 1.0) * 0.3,
            4 => (2.0 * u - 1.0) * (3.0 * 1.3 / fan_in as f64).sqrt(),
            _ => (2.0 * u - 1.0) * (3.0 / fan_in as f64).sqrt(),
        };
        uniform(name, dims.iter().product()).into_iter().map(|u| value(u) as f32).collect()
    };
    let tensor = |name: String, dims: Vec<usize>| {
        let values = fill(&name, &dims);
        (name, Tensor { dims, values })
    };
    parameters(heads).into_iter().map(|parameter| tensor(parameter.name, parameter.dims)).collect()
}

/// Patches of 128 frames by 96 bands, each with its own loud bands and frames.
pub fn patches(count: usize) -> Vec<f32> {
    let (all, bands, frames) =
        (uniform("patches", count * 128 * 96), uniform("bands", count * 96), uniform("frames", count * 128));
    let value = |(i, u): (usize, f64)| {
        let (patch, frame, band) = (i / (128 * 96), i / 96 % 128, i % 96);
        (u * bands[patch * 96 + band] * frames[patch * 128 + frame] * 8.0) as f32
    };
    all.into_iter().enumerate().map(value).collect()
}

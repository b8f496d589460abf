//! The triangular mel filters, as sparse rows.

use super::musicnn::{BANDS, BINS, FRAME_SIZE, SAMPLE_RATE};

/// The point at which Slaney's mel scale changes from linear to logarithmic, in hertz and in mel.
const BREAK_HZ: f32 = 1000.0;
const BREAK_MEL: f32 = 15.0;
/// Mel per hertz below that point.
const LINEAR: f32 = 0.015;

/// The non-zero weights of one band: they apply to the bins from `first` on.
#[derive(Clone, Debug)]
pub(super) struct Band {
    pub(super) first: usize,
    pub(super) weights: Vec<f32>,
}

/// The 98 edges, in hertz, of 96 overlapping triangles evenly spaced in mel from 0 to 8000 Hz.
///
/// The edges are accumulated in single precision, as for the training of the models: the sum's rounding moves the
/// highest edge by 0.008 Hz, and with exact edges the bands would be off by up to 1e-3.
fn edges() -> [f32; BANDS + 2] {
    let log_step = (6.4f64.ln() / 27.0) as f32;
    let highest = SAMPLE_RATE as f32 / 2.0;
    let highest_mel = BREAK_MEL + (highest / BREAK_HZ).ln() / log_step;
    let step = highest_mel / (BANDS + 1) as f32;
    let mut mel = 0.0f32;
    std::array::from_fn(|_| {
        let edge =
            if mel < BREAK_MEL { mel / LINEAR } else { BREAK_HZ * ((mel - BREAK_MEL) * log_step).exp() };
        mel += step;
        edge
    })
}

/// The 96 bands: triangles linear in hertz, each divided by its area.
pub(super) fn bands() -> [Band; BANDS] {
    let edges = edges();
    let bin_width = SAMPLE_RATE as f32 / FRAME_SIZE as f32;
    std::array::from_fn(|band| {
        let (low, centre, high) = (edges[band], edges[band + 1], edges[band + 2]);
        let (rise, fall) = (centre - low, high - centre);
        let area = (rise + fall) / 2.0;
        let weight = |bin: usize| {
            let hz = bin as f32 * bin_width;
            let triangle = if hz < centre { (hz - low) / rise } else { (high - hz) / fall };
            triangle / area
        };
        let first = (low / bin_width).ceil() as usize;
        let last = ((high / bin_width).floor() as usize).min(BINS - 1);
        // A bin on an edge has weight 0.
        let bins: Vec<usize> = (first..=last).filter(|&bin| weight(bin) > 0.0).collect();
        Band { first: bins[0], weights: bins.iter().map(|&bin| weight(bin)).collect() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_carry_the_rounding_of_single_precision() {
        let edges = edges();
        for (index, expected) in
            [(0, 0.0), (1, 31.0967), (2, 62.1933), (95, 7502.994), (96, 7747.509), (97, 7999.992)]
        {
            assert!((edges[index] - expected).abs() < 1e-3, "edge {index}: {}", edges[index]);
        }
        assert!(edges.is_sorted());
    }

    #[test]
    fn every_band_has_weights_and_there_are_502() {
        let bands = bands();
        assert!(bands.iter().all(|band| !band.weights.is_empty()));
        assert_eq!(bands.iter().map(|band| band.weights.len()).sum::<usize>(), 502);
        // Neither 0 Hz nor the highest bin has a weight.
        assert!(bands.iter().all(|band| band.first > 0));
        assert!(bands.iter().all(|band| band.first + band.weights.len() < BINS));
    }

    #[test]
    fn wide_bands_have_unit_area() {
        let bin_width = SAMPLE_RATE as f32 / FRAME_SIZE as f32;
        for band in &bands()[80..] {
            let area = band.weights.iter().sum::<f32>() * bin_width;
            assert!((area - 1.0).abs() < 0.02, "{area}");
        }
    }
}

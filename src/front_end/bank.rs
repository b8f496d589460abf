//! The triangular mel filters, as sparse rows.

use super::parameters::{Height, Mel, Scale};

/// The non-zero weights of one band: they apply to the bins from `first` on.
#[derive(Clone, Debug)]
pub(super) struct Band {
    pub(super) first: usize,
    pub(super) weights: Vec<f32>,
}

/// The bands of a front end at a sample rate in Hz. Bins are numbered from 0, at 0 Hz, which is in no band.
pub(super) fn bands(mel: &Mel, rate: u32) -> Vec<Band> {
    let bin_width = rate as f32 / mel.points as f32;
    let bands: Vec<Band> = match mel.scale {
        Scale::ExactHtk => exact(mel, bin_width),
        Scale::Slaney | Scale::Htk => {
            let edges = edges(mel);
            edges.windows(3).map(|edges| band(mel, [edges[0], edges[1], edges[2]], bin_width)).collect()
        }
    };
    assert!(bands.iter().all(|band| band.first > 0 && !band.weights.is_empty()), "a band without bins");
    bands
}

/// Slaney's scale: linear up to 1000 Hz, which are 15 mel, and logarithmic from there. Logarithm and exponential are
/// computed in double precision and rounded: in single precision they differ between the systems' libraries, by 2.3e-5
/// in a band of MusiCNN. glibc's give these values.
mod slaney {
    const BREAK_HZ: f32 = 1000.0;
    const BREAK_MEL: f32 = 15.0;
    /// Mel per hertz below that point.
    const LINEAR: f32 = 0.015;

    fn log_step() -> f32 {
        (6.4f64.ln() / 27.0) as f32
    }

    pub(super) fn mel(hz: f32) -> f32 {
        if hz < BREAK_HZ {
            hz * LINEAR
        } else {
            BREAK_MEL + f64::from(hz / BREAK_HZ).ln() as f32 / log_step()
        }
    }

    pub(super) fn hz(mel: f32) -> f32 {
        if mel < BREAK_MEL {
            mel / LINEAR
        } else {
            BREAK_HZ * f64::from((mel - BREAK_MEL) * log_step()).exp() as f32
        }
    }
}

/// HTK's scale: `2595 log10(1 + hz / 700)`, computed in double precision and rounded.
mod htk {
    pub(super) fn mel(hz: f32) -> f32 {
        (2595.0 * (f64::from(hz) / 700.0 + 1.0).log10()) as f32
    }

    pub(super) fn hz(mel: f32) -> f32 {
        (700.0 * (10f64.powf(f64::from(mel) / 2595.0) - 1.0)) as f32
    }
}

/// The edges, in Hz, of overlapping triangles evenly spaced in mel.
///
/// They are accumulated in single precision, as for the training of the models: for MusiCNN, the sum's rounding moves
/// the highest edge by 0.008 Hz, and with exact edges the bands would be off by up to 1e-3.
fn edges(mel: &Mel) -> Vec<f32> {
    let slaney = mel.scale == Scale::Slaney;
    let to_mel = |hz| if slaney { slaney::mel(hz) } else { htk::mel(hz) };
    let to_hz = |position| if slaney { slaney::hz(position) } else { htk::hz(position) };
    let (lowest, highest) = (to_mel(mel.range.0), to_mel(mel.range.1));
    let step = (highest - lowest) / (mel.bands + 1) as f32;
    let mut position = lowest;
    let mut next = || {
        let edge = to_hz(position);
        position += step;
        edge
    };
    (0..mel.bands + 2).map(|_| next()).collect()
}

/// The triangle between three edges in Hz, in single precision.
fn band(mel: &Mel, [low, centre, high]: [f32; 3], bin_width: f32) -> Band {
    let axis = |hz: f32| if mel.scale == Scale::Htk { htk::mel(hz) } else { hz };
    let (rise, fall) = (axis(centre) - axis(low), axis(high) - axis(centre));
    let area = (rise + fall) / 2.0;
    let weight = |bin: usize| {
        let hz = bin as f32 * bin_width;
        let triangle =
            if hz < centre { (axis(hz) - axis(low)) / rise } else { (axis(high) - axis(hz)) / fall };
        match mel.height {
            Height::One => triangle,
            Height::UnitArea => triangle / area,
        }
    };
    let first = (low / bin_width).ceil() as usize;
    let last = ((high / bin_width).floor() as usize).min(mel.points / 2);
    // A bin on an edge has weight 0.
    let bins: Vec<usize> = (first..=last).filter(|&bin| weight(bin) > 0.0).collect();
    Band { first: bins.first().copied().unwrap_or(0), weights: bins.into_iter().map(weight).collect() }
}

/// Triangles of height 1 on HTK's scale, in double precision.
fn exact(mel: &Mel, bin_width: f32) -> Vec<Band> {
    let of_hz = |hz: f64| 1127.0 * (1.0 + hz / 700.0).ln();
    let (low, high) = (of_hz(mel.range.0.into()), of_hz(mel.range.1.into()));
    let step = (high - low) / (mel.bands + 1) as f64;
    let band = |band: usize| {
        let centre = low + step * (band + 1) as f64;
        let weight = |bin: usize| {
            let distance = (of_hz(bin as f64 * f64::from(bin_width)) - centre).abs();
            (1.0 - distance / step).max(0.0) as f32
        };
        // The first bin, 0 Hz, is in no band.
        let bins: Vec<usize> = (1..=mel.points / 2).filter(|&bin| weight(bin) > 0.0).collect();
        Band { first: bins.first().copied().unwrap_or(0), weights: bins.into_iter().map(weight).collect() }
    };
    (0..mel.bands).map(band).collect()
}

#[cfg(test)]
mod tests {
    use super::super::FrontEnd;
    use super::super::parameters::{Parameters, Values};
    use super::*;

    fn mel(front_end: FrontEnd) -> (Mel, u32) {
        let parameters = Parameters::of(front_end);
        let Values::Mel(mel) = parameters.values else { panic!("{front_end} has no bands") };
        (mel, parameters.rate)
    }

    fn bands_of(front_end: FrontEnd) -> Vec<Band> {
        let (mel, rate) = mel(front_end);
        bands(&mel, rate)
    }

    #[test]
    fn the_edges_carry_the_rounding_of_single_precision() {
        let edges = edges(&mel(FrontEnd::MusiCnn).0);
        assert_eq!(edges.len(), 98);
        for (index, expected) in
            [(0, 0.0), (1, 31.0967), (2, 62.1933), (95, 7502.994), (96, 7747.509), (97, 7999.992)]
        {
            assert!((edges[index] - expected).abs() < 1e-3, "edge {index}: {}", edges[index]);
        }
        assert!(edges.is_sorted());
    }

    #[test]
    fn the_weights_are_as_many_as_in_essentia() {
        for (front_end, weights) in [
            (FrontEnd::MusiCnn, 502),
            (FrontEnd::Vggish, 461),
            (FrontEnd::TempoCnn, 891),
            (FrontEnd::FsdSinet, 1906),
            (FrontEnd::OpenL3Mel128, 2014),
            (FrontEnd::OpenL3Mel256, 2030),
        ] {
            let bands = bands_of(front_end);
            assert_eq!(bands.iter().map(|band| band.weights.len()).sum::<usize>(), weights, "{front_end}");
        }
    }

    #[test]
    fn wide_bands_of_unit_area_have_it() {
        for (front_end, from) in
            [(FrontEnd::MusiCnn, 80), (FrontEnd::TempoCnn, 30), (FrontEnd::OpenL3Mel128, 110)]
        {
            let (mel, rate) = mel(front_end);
            for band in &bands(&mel, rate)[from..] {
                let area = band.weights.iter().sum::<f32>() * rate as f32 / mel.points as f32;
                assert!((area - 1.0).abs() < 0.02, "{front_end}: {area}");
            }
        }
    }

    #[test]
    fn every_bin_between_the_first_centres_is_shared_out_whole() {
        for (front_end, allowed) in [(FrontEnd::Vggish, 1e-4), (FrontEnd::VggishOriginal, 1e-6)] {
            let mut sums = [0.0f64; 257];
            for Band { first, weights } in bands_of(front_end) {
                weights.iter().zip(&mut sums[first..]).for_each(|(&weight, sum)| *sum += f64::from(weight));
            }
            // The weights of neighbouring bands sum to 1 between their centres, here from 200 to 7200 Hz.
            for (bin, sum) in sums.iter().enumerate().filter(|(bin, _)| (7..=230).contains(bin)) {
                assert!((sum - 1.0).abs() < allowed, "{front_end}, {bin}: {sum}");
            }
        }
    }
}

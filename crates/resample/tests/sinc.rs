//! Where tones and impulses end up, and how many samples there are.

use std::f64::consts::TAU;

use sleeve_resample::Sinc;

const RATES: [u32; 9] = [8_000, 11_025, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000];

fn convert(signal: &[f32], rate: u32) -> Vec<f32> {
    let mut sinc = Sinc::new(rate, 16_000).unwrap();
    let (mut pending, mut out) = (Vec::new(), Vec::new());
    for chunk in signal.chunks(1000) {
        pending.extend_from_slice(chunk);
        sinc.run(&mut pending, &mut out).unwrap();
    }
    sinc.finish(&mut pending, &mut out).unwrap();
    assert_eq!(out.len(), (signal.len() * 16_000).div_ceil(rate as usize), "length at {rate} Hz");
    out
}

fn sine(frequency: f64, rate: u32, length: usize) -> Vec<f32> {
    (0..length).map(|n| (TAU * frequency * n as f64 / f64::from(rate)).sin() as f32).collect()
}

#[test]
fn tones_below_both_nyquists_come_through_in_place() {
    for rate in RATES {
        let highest = 0.45 * f64::from(rate.min(16_000));
        for frequency in [100.0, 0.37 * highest, highest] {
            let out = convert(&sine(frequency, rate, 2 * rate as usize), rate);
            // Away from the ends, where the signal starts and stops abruptly.
            for (k, sample) in out.iter().enumerate().skip(4000).take(out.len() - 8000) {
                let expected = (TAU * frequency * k as f64 / 16_000.0).sin();
                let error = (f64::from(*sample) - expected).abs();
                assert!(error < 1e-4, "{frequency} Hz at {rate} Hz: off by {error} at {k}");
            }
        }
    }
}

#[test]
fn tones_above_the_new_nyquist_are_gone() {
    for rate in RATES.into_iter().filter(|rate| *rate > 17_000) {
        let nyquist = f64::from(rate) / 2.0;
        for frequency in [8_100.0, 0.5 * (8_000.0 + nyquist), 0.98 * nyquist] {
            let out = convert(&sine(frequency, rate, 2 * rate as usize), rate);
            let loudest =
                out[4000..out.len() - 4000].iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
            let decibels = 20.0 * loudest.log10();
            assert!(decibels < -80.0, "{frequency} Hz at {rate} Hz: {decibels} dB");
        }
    }
}

#[test]
fn impulses_stay_where_they_are() {
    for rate in RATES {
        // At a multiple of the rates' ratio, so that an output falls exactly on it.
        let output = 3200;
        let input = output * rate as usize / 16_000;
        let mut signal = vec![0.0; rate as usize];
        signal[input] = 1.0;
        let out = convert(&signal, rate);
        let peak = (0..out.len()).max_by(|a, b| out[*a].total_cmp(&out[*b])).unwrap();
        assert_eq!(peak, output, "{rate} Hz");
        for distance in 1..500 {
            let (before, after) = (out[output - distance], out[output + distance]);
            assert!((before - after).abs() < 1e-5, "{rate} Hz: not symmetric at {distance}");
        }
    }
}

#[test]
fn short_signals_keep_their_length() {
    for rate in RATES.into_iter().chain([44_099]) {
        for length in [0, 1, 2, 3, 17, 1000, 5000] {
            convert(&vec![0.25; length], rate);
        }
    }
}

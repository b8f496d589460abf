//! Curves over epochs, with axes and a legend.

use super::{COLOURS, Drawing, Surface};
use sleeve_plot::canvas::{Anchor, FAINT, INK, Rgb};

/// Size of the picture in pixels.
const WIDTH: usize = 960;
const HEIGHT: usize = 540;

const LEFT: f64 = 76.0;
const RIGHT: f64 = 690.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 476.0;
/// The position of the legend, and the distance between its lines.
const LEGEND: f64 = 716.0;
const LINE: f64 = 24.0;
/// The maximum number of lines in the legend.
const MOST: usize = 17;

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The label.
    pub label: String,
    /// Epochs and values, in order. NaN and infinity interrupt the curve.
    pub points: Vec<(f64, f64)>,
}

/// Curves in one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// The text above the picture.
    pub title: String,
    /// The label of the vertical axis.
    pub vertical: String,
    /// Whether values are shares, with an axis from 0 to 1.
    pub unit: bool,
    /// The curves.
    pub curves: Vec<Curve>,
}

impl Drawing for Chart {
    fn size(&self) -> (usize, usize) {
        (WIDTH, HEIGHT)
    }

    fn draw(&self, surface: &mut impl Surface) {
        let finite = |(_, value): &&(f64, f64)| value.is_finite();
        let points = || self.curves.iter().flat_map(|curve| &curve.points).filter(finite);
        let last = points().map(|point| point.0).fold(1.0, f64::max);
        let (low, high) = match self.unit {
            true => (0.0, 1.0),
            false => (
                points().map(|point| point.1).fold(0.0, f64::min),
                points().map(|point| point.1).fold(1e-9, f64::max),
            ),
        };
        let across = |epoch: f64| LEFT + (RIGHT - LEFT) * epoch / last;
        let up = |value: f64| BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low);

        surface.text(&self.title, (LEFT, 26.0), 17.0, Anchor::Left, INK);
        let pale: Rgb = [228, 229, 233];
        for tick in ticks(low, high, 6) {
            let y = up(tick);
            surface.line(&[(LEFT, y), (RIGHT, y)], 1.0, pale);
            surface.text(&label(tick, high - low), (LEFT - 10.0, y), 13.0, Anchor::Right, INK);
        }
        // Epochs are integers.
        for tick in ticks(0.0, last, 10).into_iter().filter(|tick| tick.fract().abs() < 1e-9) {
            let x = across(tick);
            surface.line(&[(x, BOTTOM), (x, BOTTOM + 5.0)], 1.0, INK);
            surface.text(&label(tick, last), (x, BOTTOM + 17.0), 13.0, Anchor::Middle, INK);
        }
        surface.line(&[(LEFT, TOP), (LEFT, BOTTOM), (RIGHT, BOTTOM)], 1.0, FAINT);
        surface.text("epoch", (0.5 * (LEFT + RIGHT), BOTTOM + 40.0), 13.0, Anchor::Middle, FAINT);
        surface.text(&self.vertical, (LEFT - 46.0, TOP - 13.0), 12.0, Anchor::Left, FAINT);

        let coloured = || self.curves.iter().zip(COLOURS.iter().cycle());
        for (curve, &colour) in coloured() {
            for stretch in curve.points.split(|point| !point.1.is_finite()) {
                let line: Vec<(f64, f64)> = stretch
                    .iter()
                    .map(|&(epoch, value)| (across(epoch), up(value.clamp(low, high))))
                    .collect();
                match line.as_slice() {
                    [] => {}
                    // A single epoch is drawn as a dot.
                    &[(x, y)] => surface.line(&[(x - 2.0, y), (x + 2.0, y)], 4.0, colour),
                    line => surface.line(line, 2.0, colour),
                }
            }
        }
        // The legend has the order of the curves' last values, the highest first.
        let mut legend: Vec<(&Curve, Rgb)> = coloured().map(|(curve, &colour)| (curve, colour)).collect();
        let end = |curve: &Curve| {
            let last = curve.points.iter().rev().find(|point| point.1.is_finite());
            last.map_or(f64::NEG_INFINITY, |point| point.1)
        };
        legend.sort_by(|(a, _), (b, _)| end(b).total_cmp(&end(a)));
        for (at, (curve, colour)) in legend.iter().take(MOST).enumerate() {
            let y = TOP + 8.0 + at as f64 * LINE;
            surface.line(&[(LEGEND, y), (LEGEND + 22.0, y)], 3.0, *colour);
            let value = match end(curve) {
                value if value.is_finite() => format!("{value:.3}"),
                _ => "-".into(),
            };
            let right = WIDTH as f64 - 18.0;
            let name = surface.fitted(&curve.label, 13.0, right - LEGEND - 80.0);
            surface.text(&name, (LEGEND + 30.0, y), 13.0, Anchor::Left, INK);
            surface.text(&value, (right, y), 13.0, Anchor::Right, FAINT);
        }
        if let Some(more) = legend.len().checked_sub(MOST).filter(|more| *more > 0) {
            let y = TOP + 8.0 + MOST as f64 * LINE;
            surface.text(&format!("and {more} more"), (LEGEND + 30.0, y), 13.0, Anchor::Left, FAINT);
        }
    }
}

/// Round numbers from `low` to `high`, about `count` of them.
pub(super) fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let rough = (high - low) / count as f64;
    let magnitude = 10f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].map(|step| step * magnitude).into_iter().find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(10.0 * magnitude);
    let first = (low / step).ceil() as i64;
    (first..).map(|at| at as f64 * step).take_while(|tick| *tick <= high + step * 1e-6).collect()
}

/// A tick's label, with enough digits to differ from its neighbours over `range`.
pub(super) fn label(tick: f64, range: f64) -> String {
    let digits = (1.0 - range.log10().floor()).clamp(0.0, 9.0) as usize;
    let text = format!("{tick:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        let close = |ticks: Vec<f64>, wanted: &[f64]| {
            assert_eq!(ticks.len(), wanted.len(), "{ticks:?}");
            assert!(ticks.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-9), "{ticks:?}");
        };
        close(ticks(0.0, 1.0, 6), &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        close(ticks(0.0, 100.0, 10), &[0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0]);
        close(ticks(0.0, 3.0, 10), &[0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]);
        close(ticks(0.0, 5.7, 6), &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(
            (label(0.2, 1.0), label(20.0, 100.0), label(0.0, 1.0)),
            ("0.2".into(), "20".into(), "0".into())
        );
    }
}

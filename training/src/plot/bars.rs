//! Bars with intervals.

use super::chart::{label, ticks};
use super::{COLOURS, Drawing, Surface};
use sleeve_plot::canvas::{Anchor, FAINT, INK, Rgb};

const WIDTH: usize = 720;
const LEFT: f64 = 200.0;
const RIGHT: f64 = 640.0;
const TOP: f64 = 48.0;
/// The distance between bars.
const LINE: f64 = 26.0;

/// One bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// The label.
    pub label: String,
    /// From 0 to 1.
    pub value: f64,
    /// The interval of the value, if known.
    pub interval: Option<[f64; 2]>,
}

/// Values between 0 and 1, drawn in percent, one bar per line.
#[derive(Clone, Debug, PartialEq)]
pub struct Bars {
    /// The text above the picture.
    pub title: String,
    /// The bars.
    pub bars: Vec<Bar>,
    /// The chance level, drawn as a line across.
    pub chance: Option<f64>,
}

impl Drawing for Bars {
    fn size(&self) -> (usize, usize) {
        (WIDTH, (TOP + LINE * self.bars.len() as f64 + 52.0) as usize)
    }

    fn draw(&self, surface: &mut impl Surface) {
        let percent = |value: f64| 100.0 * if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 };
        let ends =
            self.bars.iter().flat_map(|bar| [bar.value, bar.interval.map_or(0.0, |interval| interval[1])]);
        let most = ends.chain(self.chance).map(percent).fold(1.0, f64::max);
        let across = |value: f64| LEFT + (RIGHT - LEFT) * percent(value) / most;
        let bottom = TOP + LINE * self.bars.len() as f64 + 6.0;
        let title = surface.fitted(&self.title, 15.0, WIDTH as f64 - 24.0);
        surface.text(&title, (12.0, 22.0), 15.0, Anchor::Left, INK);
        let pale: Rgb = [228, 229, 233];
        for tick in ticks(0.0, most, 6) {
            let x = across(tick / 100.0);
            surface.line(&[(x, TOP - 4.0), (x, bottom)], 1.0, pale);
            surface.text(&label(tick, most), (x, bottom + 14.0), 13.0, Anchor::Middle, INK);
        }
        surface.text("%", (RIGHT + 40.0, bottom + 14.0), 13.0, Anchor::Left, FAINT);
        for (at, bar) in self.bars.iter().enumerate() {
            let y = TOP + LINE * (at as f64 + 0.5);
            let name = surface.fitted(&bar.label, 13.0, LEFT - 24.0);
            surface.text(&name, (LEFT - 10.0, y), 13.0, Anchor::Right, INK);
            surface.line(&[(LEFT, y), (across(bar.value), y)], 14.0, COLOURS[4]);
            if let Some([low, high]) = bar.interval {
                surface.line(&[(across(low), y), (across(high), y)], 1.5, INK);
                for end in [low, high] {
                    surface.line(&[(across(end), y - 4.0), (across(end), y + 4.0)], 1.5, INK);
                }
            }
            let end = across(bar.interval.map_or(bar.value, |interval| interval[1].max(bar.value)));
            let value = format!("{:.1}", percent(bar.value));
            surface.text(&value, (end + 8.0, y), 13.0, Anchor::Left, INK);
        }
        if let Some(chance) = self.chance {
            let x = across(chance);
            surface.line(&[(x, TOP - 4.0), (x, bottom)], 1.5, COLOURS[1]);
            surface.text("chance", (x, bottom + 32.0), 13.0, Anchor::Middle, COLOURS[1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::svg;

    #[test]
    fn bars_have_their_places() {
        let bar = |label: &str, value, interval| Bar { label: label.into(), value, interval };
        let bars = Bars {
            title: "a < b".into(),
            bars: vec![bar("one\u{1}", 0.5, Some([0.4, 0.8])), bar("two", f64::NAN, None)],
            chance: Some(0.1),
        };
        let text = svg(&bars);
        // 80 % is the whole width, so 50 % is five eighths of it.
        assert!(text.contains("points=\"200.0,61.0 475.0,61.0\""), "{text}");
        assert!(text.contains("a &lt; b") && text.contains(">one <") && text.contains(">50.0<"), "{text}");
        assert!(text.contains("chance"));
    }
}

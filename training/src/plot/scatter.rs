//! Points on a plane, coloured by group.

use super::{COLOURS, Drawing, Surface};
use sleeve_plot::canvas::{Anchor, FAINT, INK, Rgb, WHITE};

/// Size of the picture in pixels: the usual width in a README.
const WIDTH: usize = 900;
const HEIGHT: usize = 640;
const MARGIN: f64 = 22.0;
const TOP: f64 = 52.0;
const RIGHT: f64 = 636.0;
/// The position of the legend, and the distance between its lines.
const LEGEND: f64 = 660.0;
const LINE: f64 = 27.0;

/// The number of groups that can be distinguished: each colour as a dot and as a ring.
pub const GROUPS: usize = 2 * COLOURS.len();

/// A group of points.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The label.
    pub label: String,
    /// The positions; points with NaN or infinity are not drawn.
    pub points: Vec<(f64, f64)>,
}

/// A map of points.
#[derive(Clone, Debug, PartialEq)]
pub struct Scatter {
    /// The text above the picture.
    pub title: String,
    /// A line below the legend.
    pub note: String,
    /// The groups, of which the first [`GROUPS`] have a colour and a line in the legend.
    pub groups: Vec<Group>,
    /// Points without a group, drawn faintly.
    pub others: Vec<(f64, f64)>,
    /// The label of these in the legend.
    pub others_label: String,
}

impl Drawing for Scatter {
    fn size(&self) -> (usize, usize) {
        (WIDTH, HEIGHT)
    }

    fn draw(&self, surface: &mut impl Surface) {
        let finite = |point: &&(f64, f64)| point.0.is_finite() && point.1.is_finite();
        let all = || self.groups.iter().flat_map(|group| &group.points).chain(&self.others).filter(finite);
        let ends = |values: &mut dyn Iterator<Item = f64>| {
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            })
        };
        let (left, right) = ends(&mut all().map(|point| point.0));
        let (low, high) = ends(&mut all().map(|point| point.1));
        // The same scale for both axes, so that distances are comparable.
        let (width, height) = (RIGHT - MARGIN, HEIGHT as f64 - MARGIN - TOP);
        let scale = (width / (right - left).max(1e-9)).min(height / (high - low).max(1e-9));
        let place = |points: &[(f64, f64)]| -> Vec<(f64, f64)> {
            let place = |&(x, y): &(f64, f64)| {
                let x = MARGIN + 0.5 * width + scale * (x - 0.5 * (left + right));
                (x, TOP + 0.5 * height - scale * (y - 0.5 * (low + high)))
            };
            points.iter().filter(finite).map(place).collect()
        };
        let radius = match all().count() {
            0..=1000 => 4.0,
            1001..=5000 => 2.8,
            5001..=20_000 => 1.8,
            _ => 1.1,
        };
        let faint: Rgb = [205, 206, 212];
        let (coloured, more) = self.groups.split_at(self.groups.len().min(GROUPS));
        let title = surface.fitted(&self.title, 17.0, WIDTH as f64 - 2.0 * MARGIN);
        surface.text(&title, (MARGIN, 24.0), 17.0, Anchor::Left, INK);
        surface.dots(&place(&self.others), 0.8 * radius, faint);
        more.iter().for_each(|group| surface.dots(&place(&group.points), 0.8 * radius, faint));
        for (at, group) in coloured.iter().enumerate() {
            mark(surface, &place(&group.points), at, radius);
        }
        let mut y = TOP + 10.0;
        for (at, group) in coloured.iter().enumerate() {
            mark(surface, &[(LEGEND, y)], at, 5.0);
            entry(surface, &group.label, group.points.len(), y);
            y += LINE;
        }
        let rest = self.others.len() + more.iter().map(|group| group.points.len()).sum::<usize>();
        if rest > 0 {
            surface.dots(&[(LEGEND, y)], 5.0, faint);
            entry(surface, &self.others_label, rest, y);
        }
        let note = surface.fitted(&self.note, 12.0, WIDTH as f64 - LEGEND - 8.0);
        surface.text(&note, (LEGEND - 6.0, HEIGHT as f64 - MARGIN), 12.0, Anchor::Left, FAINT);
    }
}

/// The dots or rings of a coloured group.
fn mark(surface: &mut impl Surface, points: &[(f64, f64)], group: usize, radius: f64) {
    surface.dots(points, radius, COLOURS[group % COLOURS.len()]);
    if group >= COLOURS.len() {
        surface.dots(points, 0.5 * radius, WHITE);
    }
}

/// A line of the legend, beside its mark.
fn entry(surface: &mut impl Surface, label: &str, count: usize, y: f64) {
    let right = WIDTH as f64 - MARGIN;
    let name = surface.fitted(label, 13.0, right - LEGEND - 62.0);
    surface.text(&name, (LEGEND + 16.0, y), 13.0, Anchor::Left, INK);
    surface.text(&count.to_string(), (right, y), 13.0, Anchor::Right, FAINT);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::svg;

    #[test]
    fn groups_keep_their_shape_and_their_colours() {
        let group = |label: &str, points: &[(f64, f64)]| Group { label: label.into(), points: points.into() };
        let scatter = Scatter {
            title: "map".into(),
            note: String::new(),
            groups: vec![
                group("<one>", &[(0.0, 0.0), (4.0, 0.0)]),
                group("two", &[(0.0, 2.0), (f64::NAN, 0.0)]),
            ],
            others: vec![(1.0, 1.0); 3],
            others_label: "other".into(),
        };
        let text = svg(&scatter);
        let path = |colour: &str| {
            let line = text.lines().find(|line| line.contains("<path") && line.contains(colour)).unwrap();
            let numbers = line.split('"').nth(1).unwrap().replace("h.01", " ").replace('M', "");
            numbers.split_whitespace().map(|number| number.parse().unwrap()).collect::<Vec<f64>>()
        };
        let (one, two) = (path("#0072b2"), path("#d55e00"));
        // Twice as wide as high, whatever the picture's shape.
        assert_eq!((one.len(), two.len()), (4, 2), "{text}");
        assert!((one[2] - one[0] - 2.0 * (one[1] - two[1])).abs() < 0.2, "{one:?} {two:?}");
        assert!(text.contains("&lt;one&gt;") && text.contains(">3<"), "{text}");
    }
}
